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

# Socket activation: multip11d with listening sockets that somebody else has made, as systemd does. If
# this failed, a daemon that is started by the first connection would not get it, or would listen where
# nobody asked it to.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

activate=$MULTIP11_BUILD/regress/e2e/activate
hosted_programs
realm_up
backend_softhsm hsm keys
daemon_config <<END
$BACKEND_TEXT
token keys { layer { backend = hsm token = keys } access = read-write
  allow = {"alice@$realm_name", "$(me local)"} }
END
slots() { use_client "$1" && "$P11TEST" "$MODULE" slots 2>&1; }

# ---- Both listeners are there before the daemon

daemon_launcher=("$activate" "tcp:$TCP_PORT" "seqpacket:$LOCAL_SOCKET" --)
daemon_up
inode=$(stat -c %i "$LOCAL_SOCKET")
for mode in kdh gss local; do
  check_match "$mode: clients are served" '^1 slots' "$(slots $mode)"
done
kill -HUP "$DAEMON"
sleep 1
check_match "after SIGHUP, too" '^1 slots' "$(slots local)"
check_match "and over TCP" '^1 slots' "$(slots kdh)"
check_equal "the environment of the processes has nothing of it" "" \
  "$(for p in $(daemon_processes | awk '{ print $1 }'); do
    tr '\0' '\n' <"/proc/$p/environ" | grep '^LISTEN_[PF].*=' | grep -v "^LISTEN_PID=$DAEMON$\|^LISTEN_FDS=2$\|^LISTEN_FDNAMES=a:b$"
  done)"
daemon_down
check_equal "the socket file is not the daemon's to remove" "$inode" "$(stat -c %i "$LOCAL_SOCKET" 2>&1)"
rm -f "$LOCAL_SOCKET"

# ---- One of them, the other is bound as ever

daemon_launcher=("$activate" "tcp:$TCP_PORT" --)
daemon_up
check_match "one socket was passed" '^1 slots' "$(slots kdh)"
check_match "and the other bound" '^1 slots' "$(slots local)"
daemon_down
check "its file is removed" [ ! -e "$LOCAL_SOCKET" ]

# ---- What does not fit

refused() { # NAME PATTERN SOCKET...
  local name=$1 pattern=$2 said
  shift 2
  said=$(timeout 20 "$activate" "$@" -- "$LIBEXEC/multip11d" -D -e -f "$DAEMON_CONFIG" 2>&1)
  check_equal "$name: it does not start" 1 $?
  check_match "$name: and says why" "$pattern" "$said"
}
other=$(free_port)
refused "a socket that no listener is for" \
  "for which there is no listener: a \(127.0.0.1 port $other\); add one" "tcp:$other"
refused "a stream at the local socket" 'write ListenSequentialPacket=' "stream:$LOCAL_SOCKET"
refused "a socket that does not listen" 'does not listen; write Accept=no' "deaf:$TCP_PORT"
said=$(LISTEN_PID=1 LISTEN_FDS=x timeout 20 "$LIBEXEC/multip11d" -t -f "$DAEMON_CONFIG" 2>&1)
check_equal "what was meant for another process is not ours" "" "$said"
finish
