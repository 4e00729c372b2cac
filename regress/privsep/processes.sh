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

# Privilege separation as /proc tells it, with one client on the local socket, one on TCP, and one of a
# token whose backend is a multip11d (lib-held.sh): users, capabilities, filters, namespaces, descriptors,
# shared memory. What the daemon is meant to be stands in README.privsep; here it is counted.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_root "the processes have users of their own"

. "$MULTIP11_SOURCE/regress/privsep/lib-held.sh"

status_of() { sed -n "s/^$2:\t//p" "/proc/$1/status"; } # PID FIELD
fd_kinds() { # PID: "number kind", sorted
  local f target
  for f in /proc/"$1"/fd/*; do
    target=$(readlink "$f") || continue
    case $target in
    /dev/null) target=null ;;
    pipe:*) target=pipe ;;
    socket:*) target=socket ;;
    anon_inode:*) target=${target#anon_inode:} target=${target//[\[\]]/} ;;
    net:*) target=netns ;;
    "$MULTIP11_TMP"/run/lock/*) target=lock ;;
    "$MULTIP11_TMP"/daemon.log) target=log ;;
    "$MULTIP11_TMP"/run/multip11d.pid) target=pidfile ;;
    esac
    echo "${f##*/} $target"
  done | sort -n
}

count_kinds() { # PID: "1 lock 2 null ..."
  fd_kinds "$1" | awk '{ print $2 }' | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd' '
}

# ---- Who runs

declare -A uid_of=([multip11-auth]=$AUTH_UID [multip11-vault]=$VAULT_UID [multip11-log]=$LOG_UID
  [multip11-monitor]=$MONITOR_UID [multip11-net]=$NET_UID [multip11-backend]=$BACKEND_UID
  [multip11-remote]=$UPLINK_UID)
# The client on TCP has a multip11-remote too, which is none of the daemon's.
processes=$(daemon_processes | while read -r pid name; do
  [ "$name" != multip11-remote ] || [ "$(status_of "$pid" PPid)" = "$DAEMON" ] && echo "$pid $name"
done)
for name in multip11d multip11-auth multip11-vault multip11-log multip11-remote; do
  check_equal "one $name runs" 1 "$(grep -c " $name\$" <<<"$processes")"
done
check_equal "one multip11-backend for each connection to a library" 3 "$(grep -c ' multip11-backend$' <<<"$processes")"
idle_monitors=0 idle_nets=0

host_net=$(readlink /proc/$$/ns/net)
shared_net=
while read -r pid name; do
  [ "$name" = multip11d ] && continue
  is="$name"
  u=${uid_of[$name]}
  check_equal "$is: user" "$u	$u	$u	$u" "$(status_of "$pid" Uid)"
  check_equal "$is: group" "$u	$u	$u	$u" "$(status_of "$pid" Gid)"
  check_equal "$is: no supplementary group" "" "$(status_of "$pid" Groups | tr -d ' ')"
  for set in CapInh CapPrm CapEff CapBnd CapAmb; do
    check_equal "$is: $set is empty" 0000000000000000 "$(status_of "$pid" $set)"
  done
  check_equal "$is: no new privileges" 1 "$(status_of "$pid" NoNewPrivs)"
  check_equal "$is: system calls are filtered" 2 "$(status_of "$pid" Seccomp)"
  # Not dumpable: the files in /proc belong to root.
  check_equal "$is: not dumpable" 0 "$(stat -c %u "/proc/$pid/environ")"
  check_equal "$is: no core dump" "0 0" \
    "$(awk '/^Max core file size/ { print $5, $6 }' "/proc/$pid/limits")"
  net=$(readlink "/proc/$pid/ns/net")
  if [ "$name" = multip11-remote ]; then
    check_equal "$is: in the host's network, where it has connected" "$host_net" "$net"
  else
    : "${shared_net:=$net}"
    check_equal "$is: in the empty network namespace" "$shared_net" "$net"
    check "$is: which is not the host's" [ "$net" != "$host_net" ]
  fi
  check_equal "$is: nothing in its environment but what it is given" "" \
    "$(tr '\0' '\n' <"/proc/$pid/environ" | grep -vE '^(SOFTHSM2_CONF|OPENSSL_CONF)=' | cut -d= -f1 |
      paste -sd' ')"
done <<<"$processes"
check_equal "the empty network namespace has no interface but a dead loopback" "lo: DOWN" \
  "$(nsenter --net="/proc/$(pids_of -vault)/ns/net" cat /proc/self/net/dev |
    awk -F: 'NR > 2 { gsub(/ /, "", $1); print $1 ": DOWN" }')"

# Capabilities that [priv] keeps: CAP_CHOWN 0, CAP_KILL 5, CAP_SETGID 6, CAP_SETUID 7, CAP_SETPCAP 8,
# CAP_NET_BIND_SERVICE 10, CAP_SYS_ADMIN 21 (it joins the namespaces for its children).
d=$(pids_of d)
for set in CapPrm CapEff CapBnd; do
  check_equal "multip11d: $set is what it needs and no more" 00000000002005e1 "$(status_of "$d" $set)"
done
for set in CapInh CapAmb; do
  check_equal "multip11d: $set is empty" 0000000000000000 "$(status_of "$d" $set)"
done
check_equal "multip11d: system calls are filtered" 2 "$(status_of "$d" Seccomp)"
check_equal "multip11d: no new privileges" 1 "$(status_of "$d" NoNewPrivs)"

# ---- Descriptors: exactly these

plan() { # NAME PID: the lines of fd_kinds that it should have
  printf '0 null\n1 null\n'
  case $1 in
  multip11-backend) printf '2 pipe\n3 socket\n' ;;
  esac
}
for pid in $(pids_of -backend); do
  name=$(basename "$(readlink "/proc/$pid/exe")")
  check_equal "$name: descriptors as planned" "$(plan "$name" | paste -sd' ')" \
    "$(fd_kinds "$pid" | paste -sd' ')"
done
# auth: its control socket, one socket for each net, for fresh tickets, and epoll.
check_equal "multip11-auth: descriptors as planned, one socket a connection" \
  "1 eventpoll 2 null 1 pipe 3 socket" "$(count_kinds "$(pids_of -auth)")"
# The vault: its control socket, one socket for each connection's monitor, and epoll.
check_equal "multip11-vault: descriptors as planned, one socket a connection" \
  "1 eventpoll 2 null 1 pipe 5 socket" "$(count_kinds "$(pids_of -vault)")"
# A server's process: the channel, and the connection. The key and the start block are closed.
uplink=$(awk '$2 == "multip11-remote" { print $1 }' <<<"$processes")
check_equal "multip11-remote: descriptors as planned" "2 null 1 pipe 2 socket" "$(count_kinds "$uplink")"
# A connection's monitor: control, vault, front, one socket to its backend, its own lock file; that of
# a server has none.
serving=0 without_lock=0
for pid in $(pids_of -monitor); do
  kinds=$(count_kinds "$pid")
  case $kinds in
  "2 null 1 pipe 1 socket") idle_monitors=$((idle_monitors + 1)) ;;
  "2 null 1 pipe 4 socket") without_lock=$((without_lock + 1)) ;;
  *)
    serving=$((serving + 1))
    check_equal "multip11-monitor: descriptors as planned" "1 lock 2 null 1 pipe 4 socket" "$kinds"
    ;;
  esac
done
check_equal "three monitors serve with a lock, and one without" "3 1" "$serving $without_lock"
check "the pool has a monitor" [ $idle_monitors -ge 1 ]
serving=0
for pid in $(pids_of -net); do
  kinds=$(count_kinds "$pid")
  case $kinds in
  "2 null 1 pipe 1 socket") idle_nets=$((idle_nets + 1)) ;;
  *)
    serving=$((serving + 1))
    # The client's connection, the channel to its monitor, auth; that to [priv] is closed.
    check_equal "multip11-net: descriptors as planned" "2 null 1 pipe 3 socket" "$kinds"
    ;;
  esac
done
check_equal "two nets serve" 2 $serving
check "the pool has a net" [ $idle_nets -ge 1 ]
check_equal "multip11-log: pipes, its control socket, epoll and where it writes" "" \
  "$(fd_kinds "$(pids_of -log)" | awk '{ print $2 }' | sort -u | grep -vxE 'null|pipe|socket|eventpoll|log')"
check_equal "multip11-log: one socket" 1 "$(fd_kinds "$(pids_of -log)" | grep -c ' socket$')"
check_equal "multip11d: only sockets, pipes and pidfds of its children, and what it made at start" "" \
  "$(fd_kinds "$d" | awk '{ print $2 }' | sort -u |
    grep -vxE 'null|pipe|socket|eventpoll|signalfd|netns|pidfd|pidfile|log')"

# ---- Shared memory: a segment is mapped by its two ends, and held open by nobody

# inode PID, for each memfd that a process on this machine maps.
mappings() {
  local p
  for p in /proc/[0-9]*; do
    awk -v pid="${p#/proc/}" '/memfd:multip11-channel/ { print $5, pid }' "$p/maps" 2>/dev/null
  done | sort -u
}
mappings >mappings
mine=$(daemon_processes | awk '{ print $1 }'; echo "${client[@]}")
segments=0
for inode in $(awk '{ print $1 }' mappings | sort -u); do
  ends=$(awk -v i="$inode" '$1 == i { print $2 }' mappings)
  # Another multip11 of this machine is none of our business.
  grep -qxFf <(tr ' ' '\n' <<<"$mine") <<<"$ends" || continue
  segments=$((segments + 1))
  names=$(for e in $ends; do
    n=$(basename "$(readlink "/proc/$e/exe")")
    echo "${n#multip11-}"
  done | sort | paste -sd' ')
  case $names in
  "monitor p11test" | "backend monitor" | "monitor net" | "monitor remote" | "p11test remote")
    ok "a segment is mapped by its two ends ($names)" ;;
  *) not_ok "a segment is mapped by: $names" ;;
  esac
done
# Local: application-monitor, monitor-backend. TCP: application-remote, net-monitor, monitor-backend.
# Through the uplink: application-monitor, monitor-remote, and there net-monitor, monitor-backend.
check_equal "nine segments for the four connections" 9 $segments
open_memfds=$(for p in $(daemon_processes | awk '{ print $1 }'); do
  ls -l "/proc/$p/fd" 2>/dev/null | grep -o 'memfd:multip11-channel.*'
done)
check_equal "no process keeps a descriptor of a segment" "" "$open_memfds"
check_equal "no memory is writable and executable" "" \
  "$(for p in $(awk '{ print $1 }' <<<"$processes"); do awk '$2 ~ /^.wx/' "/proc/$p/maps"; done)"

daemon_down
finish
