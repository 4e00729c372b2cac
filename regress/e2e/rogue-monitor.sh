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


# A monitor that somebody owns, against [priv]: what it sends is refused or ends it, its connection and
# its backends; never [priv]. It gets no backend that the vault did not name, and no more than 16.
. "$(dirname "$0")/../lib.sh" || exit 2
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

need_commands softhsm2-util pkcs11-tool
hosted_programs
install -m 755 "$MULTIP11_BUILD/regress/rogue/rogue_monitor" "$LIBEXEC/multip11-monitor"
BACKEND_MORE="max-instances = 100" backend_softhsm hsm keys
mine=$BACKEND_TEXT
backend_softhsm other others
daemon_config <<END
pool-size = 1
log-level = verbose
log-rate = 10000
$mine
$BACKEND_TEXT
token Mine { layer { backend = hsm token = keys } allow = {"uid:$(id -u)"} }
token Other { layer { backend = other token = others } allow = {"local:nobody"} }
END
use_client local
knock() { timeout 20 pkcs11-tool --module "$MODULE" -L >/dev/null 2>&1; }
said() { grep -qE "$1" "$daemon_log"; }
mode() {
  echo "$1" >"$LIBEXEC/mode"
  chmod 644 "$LIBEXEC/mode"
  : >"$daemon_log"
  daemon_up
}

mode short
check "a short record ends a monitor in the pool" wait_for 5 said "broke the form of its records; killed"
check "and the daemon goes on, with a pause" wait_for 5 said "multip11-monitor is process"
check "the daemon lives" running "$DAEMON"
daemon_down

mode early
check "a request before there is a connection ends it" wait_for 5 said "broke the form"
check "the daemon lives after that" running "$DAEMON"
check "no backend was started" not said "backend hsm is process"
daemon_down

mode spawn
knock
check "a backend outside of the portfolio is denied" wait_for 10 said "not in the portfolio: 1"
check "so is one that does not exist" wait_for 5 said "no such backend: 1"
check "and the log says so" wait_for 5 said "asks for a backend that it may not have"
check "16 at once and no more" wait_for 10 said "started 16, then 2"
check "they are ended when asked for" wait_for 10 said "ended 16"
check "then there is room again" wait_for 10 said "again: 0"
no_backends() { [ -z "$(pids_of -backend)" ]; }
check "nothing is left of them" wait_for 10 no_backends
check "none of the other backend ran" not said "backend other is process"
daemon_down

mode twice
knock
check "the same instance twice ends the monitor" wait_for 10 said "broke the form"
check "its first one had been started" wait_for 5 said "first: 0"
check "its backend goes with it" wait_for 5 no_backends
daemon_down

mode deaf
knock
check "one that never reads is ended" wait_for 20 said "broke the form"
check "the daemon lives after a flood" running "$DAEMON"
daemon_down

finish
