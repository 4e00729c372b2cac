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

# Two walls of the monitor, with a library that shows them (rogue/spy.cc). A library that is busy
# and honest is not ended: a call that finds no worker, or follows another of its session, has its
# deadline from when the library can have it. And on a read-only token the library's sessions are
# read-only, so that it does not write what only it can see.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

SPY=$MULTIP11_TMP/spy.so
PROBE=$MULTIP11_BUILD/regress/e2e/probe

spy_daemon() { # MODE ACCESS
  local user=
  if as_root; then
    user="user = \"$next_backend_uid:$next_backend_uid\""
    next_backend_uid=$((next_backend_uid + 1))
  fi
  daemon_config <<END
backend spy {
  module = "$SPY"
  deadline = 2
  $user
}
token Spied {
  layer { backend = spy }
  access = $2
  allow = {"$(me "$1")"}
}
END
  daemon_up
  use_client "$1"
}

hosted_programs
install -m 755 "$MULTIP11_BUILD/regress/rogue/.libs/spy.so" "$SPY" || give_up "spy.so is not built"
realm_up

client_config spy <<<"backend spy {
  module = \"$SPY\"
  deadline = 2
}"
check "library: a busy library is not ended" timeout 120 "$PROBE" busy "$MODULE"
client_config spy <<<"backend spy {
  module = \"$SPY\"
  deadline = 2
  workers = 4
}"
check "library: nor one with fewer workers" timeout 120 "$PROBE" busy "$MODULE"
for mode in local gss; do
  spy_daemon $mode read-only
  check "$mode: a busy library is not ended" timeout 120 "$PROBE" busy "$MODULE"
  check_equal "$mode: the log knows of no end" "" "$(grep 'missed its deadline' "$daemon_log")"
  check_equal "$mode: a library makes no token object on a read-only token" "b5 b5" \
    "$(timeout 60 "$PROBE" unwrap "$MODULE")"
  daemon_down
  spy_daemon $mode read-write
  check_equal "$mode: and would make it elsewhere" "0 0" "$(timeout 60 "$PROBE" unwrap "$MODULE")"
  daemon_down
done
finish
