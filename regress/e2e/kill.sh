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

# kill -9 of each kind of process in the middle of a call: the client gets CKR_DEVICE_REMOVED where
# its call was lost and works again at once; others notice nothing; nothing is left behind.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

hosted_programs
realm_up
backend_softhsm hsm victim
daemon_config <<END
pool-size = 0
$BACKEND_TEXT
token victim {
  layer { backend = hsm token = "victim" }
  access = read-write
  allow = {"$(me local)", "alice@$realm_name"}
}
END
daemon_up

# What there is, to see that it is the same afterwards: processes by name, files of the run
# directory, and memfds that anybody holds or maps.
state() {
  daemon_processes | awk '{print $2}' | sort
  (cd "$MULTIP11_TMP/run" && find . | sort)
  local p
  for p in $(daemon_processes | awk '{print $1}'); do
    ls -l "/proc/$p/fd" 2>/dev/null | grep -o 'memfd:.*'
    grep -o 'memfd:.*' "/proc/$p/maps"
  done | sort | uniq -c
}
same_state() { [ "$(state)" = "$resting" ]; }
check_rest() { # NAME
  if wait_for 15 same_state; then
    ok "$1: nothing is left behind"
  else
    not_ok "$1: something is left behind"
    diff <(echo "$resting") <(state) | sed 's/^/    /'
  fi
}

# A bystander of another connection, which must not notice.
bystander_up() {
  mkfifo by.in by.out
  MULTIP11_CONFIG=$MULTIP11_TMP/local.conf "$P11TEST" "$MODULE" hold victim <by.in >by.out 2>by.err &
  bystander=$!
  started_pids+=("$bystander")
  exec 8>by.in 9<by.out
  read -r -t 30 line <&9
  [ "$line" = ready ] || give_up "the bystander: $line $(cat by.err)"
}
bystander_signs() { # NAME
  local answer
  echo sign >&8
  read -r -t 30 answer <&9 || answer="no answer"
  check_equal "$1: another client signs on" "sign CKR_OK" "$answer"
}
bystander_down() {
  exec 8>&- 9<&-
  wait "$bystander"
  rm by.in by.out
}

slow_client() { # starts one in the middle of a call; sets $slow
  "$P11TEST" "$MODULE" slow victim >slow.out 2>slow.err </dev/null &
  slow=$!
  started_pids+=("$slow")
  wait_for 20 grep -q calling slow.out || give_up "no call in flight: $(cat slow.out slow.err)"
  sleep 0.3
}

# NAME PID...: kills these in the middle of a call that is thereby lost.
lost() {
  local name=$1
  shift
  [ $# -gt 0 ] || { not_ok "$name: no such process"; return; }
  kill -KILL "$@"
  wait_for 40 not running "$slow" || not_ok "$name: the client hangs"
  wait "$slow"
  check_match "$name: the call answers CKR_DEVICE_REMOVED" \
    '^in flight: CKR_DEVICE_REMOVED$' "$(cat slow.out slow.err)"
  check_match "$name: its session is gone" '^old session: CKR_SESSION_HANDLE_INVALID$' "$(cat slow.out)"
  check_match "$name: a new session works" '^recovered$' "$(cat slow.out)"
}

# The connection's processes that were not there before: its own backend, monitor and net.
new_pids() { # NAME BEFORE
  comm -13 <(sort <<<"$2") <(pids_of "$1" | sort)
}

use_client local
check "a client signs" p11test sign victim # and so the lock file of the backend is there
resting=$(state)
for mode in local gss; do
  use_client $mode
  bystander_up
  with_bystander=$(state)

  victims=(-backend -monitor)
  [ $mode = gss ] && victims+=(-net -remote)
  for victim in "${victims[@]}"; do
    before=$(pids_of $victim)
    slow_client
    lost "$mode: multip11$victim killed" $(new_pids $victim "$before")
    bystander_signs "$mode: multip11$victim killed"
    resting_was=$resting resting=$with_bystander
    check_rest "$mode: multip11$victim killed"
    resting=$resting_was
  done

  # Processes of the whole daemon: calls go on, [priv] starts them again.
  for victim in -auth -vault -log; do
    slow_client
    before=$(pids_of $victim)
    [ -n "$before" ] || { not_ok "no multip11$victim"; continue; }
    kill -KILL $before
    sleep 0.5
    check "$mode: multip11$victim killed: the call goes on" running "$slow"
    bystander_signs "$mode: multip11$victim killed"
    restarted() { [ -n "$(new_pids $victim "$before")" ]; }
    check "$mode: multip11$victim killed: it is started again" wait_for 10 restarted
    check "$mode: multip11$victim killed: a new client signs" wait_for 10 p11test sign victim
    kill -KILL "$slow"
    wait "$slow" 2>/dev/null
    resting_was=$resting resting=$with_bystander
    check_rest "$mode: multip11$victim and a client killed"
    resting=$resting_was
  done
  bystander_down
  check_rest "$mode"
done

# A client that asks and is killed: what served it ends, calls of 30 s or not.
for mode in local gss; do
  use_client $mode
  slow_client
  kill -KILL "$slow"
  wait "$slow" 2>/dev/null
  check_rest "$mode: the client killed"
done

# [priv] itself.
use_client gss
slow_client
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null
only_clients() { ! daemon_processes | grep -v ' multip11-remote$' | grep -q .; }
check "multip11d killed: its processes end" wait_for 10 only_clients
wait_for 60 not running "$slow"
check_match "multip11d killed: the call answers CKR_DEVICE_REMOVED" \
  '^in flight: CKR_DEVICE_REMOVED$' "$(cat slow.out slow.err)"
daemon_up
check "multip11d killed: it starts again in the same place" p11test sign victim
daemon_down

# Library mode.
backend_softhsm own own
use_client library
"$P11TEST" "$MODULE" slow own >slow.out 2>slow.err </dev/null &
slow=$!
started_pids+=("$slow")
wait_for 20 grep -q calling slow.out || give_up "library mode: $(cat slow.out slow.err)"
sleep 0.3
lost "library: multip11-backend killed" $(pids_of -backend)
check "library: nothing is left behind" wait_for 5 no_daemon_processes
"$P11TEST" "$MODULE" slow own >slow.out 2>slow.err </dev/null &
slow=$!
started_pids+=("$slow")
wait_for 20 grep -q calling slow.out
sleep 0.3
kill -KILL "$slow"
wait "$slow" 2>/dev/null
check "library: the application killed: its helper ends" wait_for 10 no_daemon_processes
finish
