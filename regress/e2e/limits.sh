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


# The limits of the daemon: what one source, or many that never authenticate, can take away from others.
. "$(dirname "$0")/../lib.sh" || exit 2
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

need_commands softhsm2-util pkcs11-tool
hosted_programs
realm_up
BACKEND_MORE="max-instances = 1 prestart = 1" backend_softhsm hsm keys
fixed=$MULTIP11_TMP/fixed.sock
daemon_config <<END
handshake-timeout = 3
max-startups = 4
max-connections-per-source = 6
max-connections = 8
log-level = verbose
listener fixed { path = "$fixed" principal = web }
$BACKEND_TEXT
token Mine { layer { backend = hsm token = keys } allow = {"uid:$(id -u)", "alice@$realm_name"} }
token Web { layer { backend = hsm token = keys } allow = {"local:web"} }
END
daemon_up
said() { [ "$(grep -cE "$1" "$daemon_log")" -ge "${2:-1}" ]; }
slots() { timeout 20 pkcs11-tool --module "$MODULE" -L 2>&1; }

# Strangers that connect and say one octet. Each is a descriptor of this shell.
strangers=()
stranger() {
  local fd
  { exec {fd}<>"/dev/tcp/127.0.0.1/$TCP_PORT"; } 2>/dev/null || return
  printf '\0' >&"$fd"
  strangers+=("$fd")
}
sleep 1 # daemon_up's own look at the port is over
for i in 1 2 3 4 5; do stranger; done
check "the fifth stranger is refused" wait_for 5 said "127.0.0.1 port .* refused: max-startups is reached"
use_client local
check_match "local clients get in meanwhile" 'token label *: Mine' "$(slots)"
check "silence is ended by handshake-timeout" wait_for 8 said "handshake-timeout is over|no token within" 4
for fd in "${strangers[@]}"; do exec {fd}>&-; done
sees() { slots | grep -q 'token label *: Mine'; }
check "then there is room again" wait_for 10 sees

# A fixed principal: whoever opens the socket is `web`, whatever the uid.
client_config fixed <<<"server web { address = \"unix://$fixed\" }"
check_match "who comes in by that socket is web" 'token label *: Web' "$(slots)"
check_equal "and nobody else" "" "$(slots | grep 'token label *: Mine')"

# A device that allows one process. The holder waits in the middle for a file that never comes.
mkfifo "$MULTIP11_TMP/never"
hold() { # N
  start "$MULTIP11_TMP/held.$1" timeout 60 pkcs11-tool --module "$MODULE" --token-label Mine \
    --hash --mechanism SHA256 --input-file "$MULTIP11_TMP/never" --output-file /dev/null
}
digest() { echo x | timeout 20 pkcs11-tool --module "$MODULE" --token-label Mine --hash --mechanism SHA256 2>&1; }
use_client local
check "one client has it" digest
hold 1
holder=$!
check "one instance runs for the holder" wait_for 10 said "connection .*: uid:" 2
sleep 1
check_match "the next client still sees the token" 'token label *: Mine' "$(slots)"
check_match "and is told to wait" "CKR_SESSION_COUNT" "$(digest)"
check_equal "there is one process" 1 "$(pids_of -backend | wc -l)"
stop "$holder"
check "then the next has it" wait_for 10 digest
daemon_down

# Connections of one source, and of all.
sed -i 's/max-instances = 1 prestart = 1/prestart = 0/' "$DAEMON_CONFIG"
: >"$daemon_log"
daemon_up
use_client local
for i in 1 2 3 4 5 6; do hold "$i"; done
check "six connections of one source are served" wait_for 15 said "uid:$(id -u) has 1 tokens" 6
refused_now() { ! digest >/dev/null; }
check "the seventh is refused" refused_now
check "and the log says why" wait_for 5 said "uid:$(id -u) .* refused: max-connections-per-source is reached"
use_client gss
check "another source is served" digest
stranger
stranger
check "two more are let in" wait_for 5 said "connection [0-9]*: 127.0.0.1" 3
digest >/dev/null # it may try again, and succeed when the strangers' time is over
check "the ninth of all is refused" wait_for 5 said "refused: max-connections is reached"
daemon_down

finish
