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


# A hostile server against a daemon that has it as a backend (server = "tcp://..."): against
# multip11-remote as [priv] starts it, and the monitor behind that. If this failed, who owns a server
# could crash or hang daemons elsewhere, harm their other clients, or stand in for a server that he is
# not. Cf. server.sh, where an application speaks to such a server by itself.
#
# attack: spoil      answers with values left out, doubled, emptied, negative, huge, retyped, too long
# attack: twice      each answer comes twice
# attack: early      answers to calls that were not made
# attack: never      no answer: the call ends with the backend's deadline
# attack: reflect    the daemon's own token, or noise, in place of a proof
# attack: downgrade  answers that are not sealed, or not wrapped at all
# attack: impostor   a server with another service's key is told nothing
# attack: others     meanwhile the calls of another client, of another backend, succeed
# attack: processes  no process of the daemon's has crashed, and none is left behind
# limit: 900
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"

rogue=$MULTIP11_BUILD/regress/attack/rogue_server victim=$MULTIP11_BUILD/regress/attack/victim
hosted_programs
realm_up
realm_service http/localhost "$MULTIP11_TMP/http.keytab" || give_up "no other service"
realm_service relay/here "$MULTIP11_TMP/relay.keytab" || give_up "no principal for the daemon"
backend_softhsm hsm keys
rogue_port=$(free_port)
daemon_config <<END
$BACKEND_TEXT
backend up {
  server = "tcp://127.0.0.1:$rogue_port"
  principal = "pkcs11/localhost@$realm_name"
  keytab = "$MULTIP11_TMP/relay.keytab"
  environment = {"KRB5_CONFIG=$KRB5_CONFIG"}
  deadline = 1 deadline-start = 4 deadline-long = 1
  $(as_root && echo 'user = "61040:61040"')
}
listener victim { path = "$MULTIP11_TMP/victim.sock" mode = 0666 principal = victim }
token keys { layer { backend = hsm token = keys } access = read-write allow = {"$(me local)"} }
token up { layer { backend = up } access = read-write allow = {"local:victim"} }
END
daemon_up

honest_up keys
client_config victim <<<"server here { address = \"unix://$MULTIP11_TMP/victim.sock\" }"

# MODE [KEYTAB]: sets server
serve() {
  # It needs a replay cache of nobody's: the daemon's tokens are never sent twice here.
  start "server.$1" env "KRB5_KTNAME=FILE:${2:-$MULTIP11_TMP/service.keytab}" KRB5RCACHENAME=none: \
    "$rogue" tcp "$rogue_port" "$1"
  server=$!
  wait_for 10 grep -q listening "server.$1" || give_up "no server: $(cat "server.$1")"
}
# NAME ROUNDS: the victim survives; its last line is in victim.NAME.
survives() {
  timeout 240 "$victim" "$MODULE" "$2" >"victim.$1" 2>"victim.$1.err"
  local status=$?
  tail -n 1 "victim.$1"
  return $status
}
made_ok() { sed -n 's/ calls succeeded.*//p' "victim.$1"; } # NAME

# What the monitor answers without the server.
survives absent 1 || give_up "the victim dies by itself: $(cat victim.absent)"
alone=$(made_ok absent)
# Else all that follows would mean nothing.
serve honest
serves() { survives honest 3 && [ "$(made_ok honest)" -gt $((3 * alone + 20)) ]; }
check "an honest answerer is asked and believed" serves
cat victim.honest
stop "$server"

serve spoil
# What comes before and after the spoilt answers is taken.
spoilt() { survives spoil 80 && [ "$(made_ok spoil)" -gt $((80 * alone + 80)) ]; }
attack spoil spoilt
cat victim.spoil
stop "$server"
for mode in twice early never; do
  serve $mode
  attack $mode survives $mode 2
  cat victim.$mode
  stop "$server"
done

believed_nothing() { # MODE: no call is answered by such a server
  survives "$1" 1 && [ "$(made_ok "$1")" -eq "$alone" ]
}
for mode in reflect noise plain unsealed; do
  serve $mode
  case $mode in
  reflect) attack reflect believed_nothing $mode ;;
  plain) attack downgrade believed_nothing $mode ;;
  *) believed_nothing $mode || not_ok "$mode: $(cat victim.$mode)" ;;
  esac
  cat victim.$mode
  stop "$server"
done
# The KDC gives a ticket for the right service; who answers has the key of another.
serve honest "$MULTIP11_TMP/http.keytab"
refused() {
  believed_nothing honest && grep -q '^not accepted' server.honest && ! grep -q '^accepted' server.honest
}
attack impostor refused
stop "$server"

exec {honest_in}>&-
wait "$honest"
attack_equal others "0 ready" "$? $(head -n 1 honest.out)"
tail -n 1 honest.out
crashed() { grep -E 'ended: (killed by|dumped|signal)|SIGSEGV|SIGABRT|sandbox|broke the form' "$daemon_log"; }
uplinks_gone() { [ -z "$(pids_of -remote)" ]; }
sound() { ! crashed && wait_for 10 uplinks_gone; }
attack processes sound
daemon_down
finish_attacks
