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

# No process of the daemon can trace another, read its memory or take its descriptors, of the same
# user or another: tried with each one's user and every way there is, without the sandbox that would
# stop it before.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_root "the processes have users of their own"

. "$MULTIP11_SOURCE/regress/privsep/lib-held.sh"

install -m 755 "$MULTIP11_BUILD/regress/privsep/trytrace" trytrace

# The attempt itself works: on a process that allows it.
setpriv --reuid=61999 --regid=61999 --clear-groups sleep 60 &
victim=$!
started_pids+=("$victim")
wait_for 5 grep -q '^Uid:	61999' "/proc/$victim/status"
check_match "a process that does not protect itself can be traced" "^$victim ptrace allowed$" \
  "$(./trytrace 61999 61999 "$victim")"

# The client on TCP has a multip11-remote too, which is none of the daemon's.
processes=$(daemon_processes | while read -r pid name; do
  [ "$name" != multip11-remote ] || grep -q "^PPid:	$DAEMON\$" "/proc/$pid/status" && echo "$pid $name"
done)
for name in -auth -vault -log -monitor -net -backend -remote; do
  check "multip11$name runs" grep -q " multip11$name\$" <(echo "$processes")
done
while read -r who uid; do
  while read -r pid name; do
    output=$(./trytrace "$uid" "$uid" "$pid" 2>&1)
    check_equal "the user of $who cannot reach $name" "0 " "$? $output"
  done <<<"$processes"
done <<END
auth $AUTH_UID
vault $VAULT_UID
log $LOG_UID
monitor $MONITOR_UID
net $NET_UID
backend $BACKEND_UID
uplink $UPLINK_UID
END

daemon_down
finish
