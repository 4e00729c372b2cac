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


# A hostile server, and a hostile daemon on this machine, against multip11.so and multip11-remote. If
# this failed, who owns a server could write to an application's memory, hang it or crash it, or stand
# in for a server that he is not.
#
# attack: tcp-spoil      answers with values left out, doubled, emptied, negative, huge, retyped, too long
# attack: tcp-twice      each answer comes twice
# attack: tcp-early      answers to calls that were not made
# attack: tcp-never      no answer: the call ends with its deadline
# attack: tcp-reflect    the client's own token, or noise, in place of a proof
# attack: tcp-downgrade  answers that are not sealed, or not wrapped at all
# attack: tcp-impostor   a server with another service's key is told nothing
# attack: local-spoil    records and octets that are not those of the call
# attack: local-twice    each answer comes twice
# attack: local-early    answers to calls that were not made
# attack: local-never    no answer: the call ends with its deadline
# attack: local-scribble random octets all over the segment while calls run
# attack: local-owner    a socket of another user is not spoken to
# limit: 900
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"

rogue=$MULTIP11_BUILD/regress/attack/rogue_server victim=$MULTIP11_BUILD/regress/attack/victim
hosted_programs
realm_up
realm_service http/localhost "$MULTIP11_TMP/http.keytab" || give_up "no other service"
socket=$MULTIP11_TMP/rogue.sock
deadlines="deadline = 1 deadline-start = 4 deadline-long = 1"
client_config tcp <<END
server there { address = "tcp://127.0.0.1:$TCP_PORT" principal = "pkcs11/localhost@$realm_name"
  security = gss $deadlines }
END
client_config local <<<"server here { address = \"unix://$socket\" $deadlines }"

# KIND MODE [KEYTAB]: sets server
serve() {
  local where=$TCP_PORT
  [ "$1" = local ] && where=$socket
  rm -f "$socket"
  # It needs a replay cache of nobody's: the client's tokens are never sent twice here.
  start "server.$1-$2" env "KRB5_KTNAME=FILE:${3:-$MULTIP11_TMP/service.keytab}" \
    KRB5RCACHENAME=none: "$rogue" "$1" "$where" "$2"
  server=$!
  wait_for 10 grep -q listening "server.$1-$2" || give_up "no server: $(cat "server.$1-$2")"
  export MULTIP11_CONFIG=$MULTIP11_TMP/$1.conf
}

# KIND MODE ROUNDS: the victim survives; its last line is in victim.KIND-MODE.
survives() {
  timeout 120 "$victim" "$MODULE" "$3" >"victim.$1-$2" 2>"victim.$1-$2.err"
  local status=$?
  tail -n 1 "victim.$1-$2"
  return $status
}
made_ok() { sed -n 's/ calls succeeded.*//p' "victim.$1"; } # KIND-MODE
content() { survives "$1" honest 3 && grep -q ' 0 failed' "victim.$1-honest"; }
spoilt() { # the answers before and after the spoilt one are taken
  survives "$1" spoil "$2" && [ "$(made_ok "$1-spoil")" -gt "$2" ]
}
believed_nothing() { # KIND MODE: not one call is answered by such a server
  survives "$1" "$2" 2 && grep -q '^0 calls succeeded' "victim.$1-$2"
}

for kind in tcp local; do
  rounds=120
  [ $kind = local ] && rounds=200
  serve $kind honest
  # Else all that follows would mean nothing.
  check "$kind: an honest answerer contents the application" content $kind
  cat victim.$kind-honest
  stop "$server"
  serve $kind spoil
  attack $kind-spoil spoilt $kind $rounds
  cat victim.$kind-spoil
  stop "$server"
  for mode in twice early never; do
    serve $kind $mode
    attack $kind-$mode survives $kind $mode 2
    cat victim.$kind-$mode
    stop "$server"
  done
done
for mode in reflect noise plain unsealed; do
  serve tcp $mode
  case $mode in
  reflect) attack tcp-reflect believed_nothing tcp $mode ;;
  plain) attack tcp-downgrade believed_nothing tcp $mode ;;
  *) believed_nothing tcp $mode || not_ok "tcp: $mode: $(cat victim.tcp-$mode)" ;;
  esac
  stop "$server"
done

# The KDC gives a ticket for the right service; who answers has the key of another.
serve tcp honest "$MULTIP11_TMP/http.keytab"
refused() {
  believed_nothing tcp honest && grep -q '^not accepted' server.tcp-honest &&
    ! grep -q '^accepted' server.tcp-honest
}
attack tcp-impostor refused
stop "$server"

serve local scribble
attack local-scribble survives local scribble 200
cat victim.local-scribble
stop "$server"

# Neither root, nor the user's own, nor what the configuration names as owner.
if as_root; then
  install -m 755 "$rogue" "$LIBEXEC/rogue"
  install -d -o 61999 "$MULTIP11_TMP/o"
  start server.other setpriv --reuid=61999 --regid=61999 --clear-groups "$LIBEXEC/rogue" local \
    "$MULTIP11_TMP/o/sock" honest
  wait_for 10 grep -q listening server.other || give_up "no server: $(cat server.other)"
  client_config other <<<"server here { address = \"unix://$MULTIP11_TMP/o/sock\" $deadlines }"
  attack local-owner believed_nothing local other
else
  skip local-owner "needs root"
  attack_tried[local-owner]=yes
fi
finish_attacks
