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


# A local application on the unix socket that keeps no rule. If this failed, a program on the daemon's
# host, or in a container that has the socket, could be somebody else or harm others.
#
# attack: root-inside   who is root in a user namespace of his own is not the host's root
# attack: descriptors   descriptors that nobody asked for are kept by nobody
# attack: oversized     records beyond their size, and empty ones, end at most that connection
# attack: silent        who connects and is silent has his source's share and no more
# attack: thousand      a thousand connections, come and gone, leave nothing
# attack: half          sockets that are shut down in part are ended
# attack: scribble      random octets all over its own segment end that connection
# attack: others        meanwhile another application's login, key and calls are unharmed
# attack: alive         no process of the daemon has crashed, but what served the attacker
# limit: 600
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"
need_root "the attacker and the other application are different users"

hosted_programs
backend_softhsm hsm keys
daemon_config <<END
max-connections-per-source = 24
max-connections = 64
$BACKEND_TEXT
token keys { layer { backend = hsm token = keys } access = read-write
  allow = {"uid:0", "uid:61998"} }
END
daemon_up
install -m 755 "$MULTIP11_BUILD/regress/attack/local_driver" "$LIBEXEC/"
as() { setpriv --reuid="$1" --regid="$1" --clear-groups "${@:2}"; } # UID COMMAND...
attacker() { as 61998 "$LIBEXEC/local_driver" "$LOCAL_SOCKET" "$@"; }

honest_up keys

if as 61999 unshare --user --map-root-user true 2>/dev/null; then
  inside() { as "$1" unshare --user --map-root-user "$LIBEXEC/local_driver" "$LOCAL_SOCKET" slots 2>&1; }
  attack_equal root-inside "0 slots, and 1 slots" "$(inside 61999), and $(inside 61998)"
else
  skip root-inside "no user namespaces"
  attack_tried[root-inside]=yes
fi

# CASE: an attacker that stays until its input ends; sets held, held_in
hold() {
  mkfifo "$1.in"
  attacker "$1" <"$1.in" >"$1.out" 2>&1 &
  held=$!
  started_pids+=("$held")
  exec {held_in}>"$1.in"
  wait_for 30 grep -q open "$1.out" || not_ok "$1: $(cat "$1.out")"
}
let_go() {
  exec {held_in}>&-
  wait "$held"
}
few_descriptors() { # [priv] has its own; each other process has what processes.sh says, and no /dev/null more
  local pid
  for pid in $(pids_of -monitor) $(pids_of -vault) $(pids_of -log); do
    [ "$(find "/proc/$pid/fd" -lname /dev/null | wc -l)" -le 2 ] || return 1
  done
  [ "$(find "/proc/$DAEMON/fd" -lname /dev/null | wc -l)" -le 3 ]
}
hold descriptors
attack descriptors few_descriptors
let_go
others_served() { [ "$("$P11TEST" "$MODULE" slots 2>&1 | head -n 1)" = "1 slots" ]; }
hold oversized
attack oversized others_served
let_go
hold silent
attack silent others_served
let_go
attack thousand attacker thousand
attack half attacker half
attack scribble attacker scribble

exec {honest_in}>&-
wait "$honest"
attack_equal others "0 ready" "$? $(head -n 1 honest.out)"
tail -n 1 honest.out
only_the_pool() { [ "$(pids_of -monitor | wc -l)" -le 4 ] && [ -z "$(pids_of -backend)" ]; }
wait_for 20 only_the_pool || not_ok "left: $(daemon_processes | paste -sd' ')"
attack_equal alive "" "$(grep -E 'ended: .*(signal|sandbox)|SIG(SEGV|ABRT|BUS)' "$daemon_log" | head -n 3)"
daemon_down
finish_attacks
