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


# A PIN is where it has to be and nowhere else: on its way only in memory that is locked and goes into
# no dump, afterwards nowhere but in the library; and no process that crashes leaves it in a core.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_root "it reads the memory of other users' processes"
ulimit -c unlimited

probe=$MULTIP11_BUILD/regress/privsep/pin_memory
hosted_programs
realm_up
backend_softhsm hsm keys
daemon_config <<END
log-level = debug
$BACKEND_TEXT
token keys { layer { backend = hsm token = keys }
  allow = {"uid:0", "alice@$realm_name"} }
END
daemon_up
export PIN_FILE=$MULTIP11_TMP/pin MULTIP11_DEBUG=1
# A wrong one: the library keeps none of it, and no file of the test's but this one has it.
printf 'Planted-%s' "$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')" >"$PIN_FILE"

ours() { daemon_processes | awk '{ print $1 }'; }
scan() { "$probe" scan $(ours) "$client" 2>&1; }

# MODE: an application that has a session; sets client, client_in
application() {
  mkfifo "in.$1"
  "$probe" client "$MODULE" keys <"in.$1" >"out.$1" 2>&1 &
  client=$!
  started_pids+=("$client")
  exec {client_in}>"in.$1"
  wait_for 30 grep -q opened "out.$1" || give_up "$1: $(cat "out.$1")"
}

backend_softhsm own keys
for mode in library local gss kdh; do
  use_client $mode
  application $mode
  # The library does not run while the PIN is on its way to it: the newest is this application's.
  backend=$(pids_of -backend | sort -n | tail -n 1)
  kill -STOP "$backend"
  wait_for 5 grep -q '^State:	T' "/proc/$backend/status"
  echo >&"$client_in"
  on_its_way() { scan | grep -q 'multip11-\|pin_memory'; }
  wait_for 20 on_its_way
  sleep 0.3
  found=$(scan)
  echo "$found"
  check_match "$mode: the PIN is found on its way" ' safe ' "$found"
  check_equal "$mode: all of that memory is locked and goes into no dump" "" "$(grep ' bare ' <<<"$found")"
  kill -CONT "$backend"
  wait_for 20 grep -q '^login' "out.$mode"
  check_match "$mode: it reached the library, which refused it" '^login 0xa0$' "$(cat "out.$mode")"
  sleep 0.2
  found=$(scan)
  # The library's own heap is the library's own matter.
  check_equal "$mode: afterwards no process of ours has it" scanned \
    "$(grep -v '^[0-9]* multip11-backe bare \(\[heap\]\|anonymous\)' <<<"$found")"
  # The application crashes in its next moment: its core is its own, and has nothing of ours.
  kill -SEGV "$client"
  wait_for 10 not running "$client"
  exec {client_in}>&-
done

# Each kind of process, with the PIN in flight, by each signal. The library truncates its token's file
# and writes it anew in C_Login: killed in between, as any application can be, it has lost the token.
# So each round has a fresh copy.
use_client gss
hsm=$MULTIP11_TMP/softhsm-hsm
cp -a "$hsm/tokens" "$MULTIP11_TMP/tokens.kept"
for signal in SEGV ABRT; do
  rm -rf "$hsm/tokens"
  cp -a "$MULTIP11_TMP/tokens.kept" "$hsm/tokens"
  application "crash-$signal"
  backend=$(pids_of -backend | sort -n | tail -n 1)
  kill -STOP "$backend"
  echo >&"$client_in"
  sleep 0.5
  for pid in $(daemon_processes | awk '$2 != "multip11d" && $2 != "multip11-log" { print $1 }'); do
    kill -$signal "$pid" 2>/dev/null
  done
  kill -CONT "$backend" 2>/dev/null
  kill -$signal "$client"
  exec {client_in}>&-
  wait_for 20 test "$(pids_of -net | wc -l)" -ge 1
  wait_for 20 listening "$TCP_PORT"
  sleep 1
done
# Where a core goes is the working directory of who dumps it, or its root.
cores() {
  find / "$MULTIP11_TMP" /var/empty /run -maxdepth 4 -xdev -type f \( -name core -o -name 'core.*' \) \
    -newer "$PIN_FILE" 2>/dev/null | sort -u
}
case $(cat /proc/sys/kernel/core_pattern) in
core*) check "the application's core is looked at" test -s core ;;
*) skip "the application's core" "core_pattern is $(cat /proc/sys/kernel/core_pattern)" ;;
esac
found=$(cores)
echo "cores: $(paste -sd' ' <<<"$found")"
# The name of who dumped it stands in the notes at its beginning.
check_equal "there is no core of a program of ours" "" \
  "$(for c in $found; do head -c 8192 "$c" | strings | grep -xE 'multip11(d|-(auth|vault|log|net|monito|backen|remote))'; done)"
check_equal "no core has the PIN" "" "$(for c in $found; do grep -laFf "$PIN_FILE" "$c"; done)"
for c in $found; do case $c in "$MULTIP11_TMP"/*) rm -f "$c" ;; esac; done
# At debug, with all the errors above.
check_equal "nor has a log" "" "$(grep -laFf "$PIN_FILE" "$daemon_log" out.* | paste -sd' ')"
daemon_down
finish
