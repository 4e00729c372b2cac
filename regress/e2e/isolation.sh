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

# Clients of one token and one daemon: nothing that one does shows to another; who has no permission
# sees nothing; handles that are not one's own name nothing.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

hosted_programs
realm_up
backend_softhsm hsm shared
daemon_config <<END
max-connections = 200
max-connections-per-source = 200
max-startups = 100
$BACKEND_TEXT
token shared {
  layer { backend = hsm token = "shared" }
  access = read-write
  allow = {"$(me local)", "alice@$realm_name"}
}
END
daemon_up

# NAME: starts a client that takes letters (p11test stepwise); tell NAME LETTER prints its answer.
declare -A client_in client_out client_pid
client() {
  local in out
  mkfifo "$1.in" "$1.out"
  "$P11TEST" "$MODULE" stepwise shared <"$1.in" >"$1.out" 2>"$1.err" &
  client_pid[$1]=$!
  started_pids+=($!)
  exec {in}>"$1.in" {out}<"$1.out"
  client_in[$1]=$in client_out[$1]=$out
  read -r -t 30 answer <&"$out"
  [ "$answer" = ready ] || give_up "client $1: $answer $(cat "$1.err")"
}
tell() {
  echo "$2" >&"${client_in[$1]}"
  read -r -t 30 answer <&"${client_out[$1]}" || answer="no answer"
}
end_client() {
  local fd=${client_in[$1]}
  exec {fd}>&-
  wait "${client_pid[$1]}"
  fd=${client_out[$1]}
  exec {fd}<&-
  rm "$1.in" "$1.out"
}
expect() { # NAME LETTER ANSWER WHAT
  tell "$1" "$2"
  check_equal "$mode: $4" "$3" "$answer"
}

# CKS_RW_PUBLIC_SESSION 2, CKS_RW_USER_FUNCTIONS 3
two_clients() {
  client a
  client b
  expect a l "login CKR_OK" "one client logs in"
  expect a i "state 3" "and is logged in"
  expect b i "state 2" "the other is not logged in by that"
  expect a g "generate CKR_OK" "a session key"
  expect a f "found 2" "its maker finds it"
  expect b l "login CKR_OK" "the other client logs in"
  expect b f "found 0" "and does not find the first one's session key"
  expect b o "logout CKR_OK" "the other client logs out"
  expect a i "state 3" "the first is still logged in"
  expect a s "sign CKR_OK" "and signs"
  expect b w "wrong pin CKR_PIN_INCORRECT" "the other client's PIN is wrong"
  expect a s "sign CKR_OK" "the first does not notice"
  expect b l "login CKR_OK" "the other client's PIN is right"
  expect b c "close all CKR_OK" "the other client closes all its sessions"
  expect a s "sign CKR_OK" "the first one's session lives"
  end_client b
  expect a s "sign CKR_OK" "and lives when the other client has gone"
  end_client a
}
for mode in local gss; do
  use_client $mode
  two_clients
done

for mode in local gss; do
  use_client $mode
  p11test handles shared | sed "s/^\(ok\|not ok\) /&$mode: /" >handles.out
  cat handles.out
  failures=$((failures + $(grep -c '^not ok' handles.out)))
  [ -s handles.out ] || not_ok "$mode: handles were not tested"

  # Handles that live in another connection, while they live.
  mkfifo hold.in hold.out
  "$P11TEST" "$MODULE" print-handles shared <hold.in >hold.out &
  holder=$!
  started_pids+=("$holder")
  exec 8>hold.in 9<hold.out
  read -r -t 30 foreign <&9
  p11test foreign shared $foreign | sed "s/^\(ok\|not ok\) /&$mode: /" >foreign.out
  exec 8>&- 9<&-
  wait "$holder"
  rm hold.in hold.out
  # The same few numbers name the second connection's own first objects, so the checks are only of
  # what it has none of: sessions before it opens one, objects before it makes one.
  cat foreign.out
  failures=$((failures + $(grep -c '^not ok' foreign.out)))
  check_equal "$mode: all foreign handles were tried" $((16 * 12)) "$(grep -c '' foreign.out)"
done

# Fifty at once.
for mode in local gss; do
  use_client $mode
  pids=()
  for i in {1..50}; do
    "$P11TEST" "$MODULE" sign shared >"sign.$i" 2>&1 </dev/null &
    pids+=($!)
  done
  wait "${pids[@]}"
  check_equal "$mode: fifty clients that start at once all find the token and sign" 50 \
    "$(cat sign.{1..50} | grep -cx signed)"
  cat sign.{1..50} | grep -vx signed | sort | uniq -c
done

# Without permission.
realm_kinit bob secret
use_client gss
check_equal "a principal without permission sees no slot" "0 slots" "$(p11test slots 2>&1 | head -n 1)"
realm_kinit alice secret
check_equal "one with permission sees one" "1 slots" "$(p11test slots 2>&1 | head -n 1)"
kdestroy
check_equal "a client without a ticket sees none" "" "$(p11test slots 2>/dev/null | grep '^[1-9].* slots')"
if as_root; then
  use_client local
  cp "$P11TEST" "$LIBEXEC/p11test"
  check_equal "another uid on the local socket sees no slot" "0 slots" \
    "$(setpriv --reuid=61999 --regid=61999 --clear-groups "$LIBEXEC/p11test" "$MODULE" slots 2>&1 |
      head -n 1)"
else
  skip "another uid on the local socket" "needs root"
fi

daemon_down
finish
