#!/bin/bash
# Copyright (c) 2026 The multip11 authors
#
# Redistribution and use in source and binary forms, with or without
# modification, are permitted provided that the following conditions
# are met:
# 1. Redistributions of source code must retain the above copyright
#    notice, this list of conditions and the following disclaimer.
# 2. Redistributions in binary form must reproduce the above copyright
#    notice, this list of conditions and the following disclaimer in the
#    documentation and/or other materials provided with the distribution.
#
# THIS SOFTWARE IS PROVIDED BY THE AUTHORS ``AS IS'' AND ANY EXPRESS OR
# IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES
# OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED.
# IN NO EVENT SHALL THE AUTHORS BE LIABLE FOR ANY DIRECT, INDIRECT,
# INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT
# NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
# DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY
# THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
# (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
# THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

# 64 threads of one application call at the same time, over TLS-KDH, GSS-API and the local socket: no
# return is lost, doubled or another's, short ones pass long ones, and a call that takes a second holds
# up nobody but its own session. If this failed, an application would get what another thread asked
# for, or wait for a thread that it has nothing to do with. (Over SCTP: sctp.sh.)
#
# FLIGHT_CALLS      calls on each way (20,000)
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

: "${FLIGHT_CALLS:=20000}"
hosted_programs
realm_up
BACKEND_MORE="allow = {\"$(me local)\", \"alice@$realm_name\"}
  transparent = yes
  admin = yes"
backend_softhsm softhsm flights
daemon_config <<<"$BACKEND_TEXT"
daemon_up
export P11TEST_PIN=$SUITE_PIN
flights() { timeout 300 "$MULTIP11_BUILD/regress/e2e/flights" "$MODULE" flights "$@" 2>&1; }

for way in kdh gss local; do
  use_client $way
  check_equal "$way: $FLIGHT_CALLS calls of 64 threads" "64 threads, $FLIGHT_CALLS calls, wrong 0" \
    "$(flights threads 64 "$FLIGHT_CALLS")"
  check_match "$way: long blocks, and short calls beside them" '^as they went, beside [1-9]' \
    "$(flights blocks 3)"
  # One digest may have been made before the library had the other call.
  check_match "$way: a key of 4096 bits, and digests beside it" \
    '^([2-9]|[0-9]{2,}) digests before the key, wrong 0$' "$(flights slow)"
done
daemon_down
finish
