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


# An authenticated client that keeps no rule. If this failed, a client could harm the daemon, or others
# that it serves: alice attacks; bob, from the same host, has a login, a key and calls to be answered.
#
# attack: wrapped      tokens replayed, reordered, dropped, changed, unsealed, another connection's
# attack: framing      lengths, flags and encodings that are none, noise in good tokens
# attack: texts        XER and JER cut, with noise, without end, nested without end, with entities
# attack: fragments    fragments without end, of one message and of many, end at the limits
# attack: dribble      messages that are never complete do not keep off idle-timeout
# attack: shapes       each value of good calls left out, doubled, emptied, negative, huge, retyped
# attack: opcodes      an unknown opcode is answered and harms nothing
# attack: pointers     octets in the place of pointers reach no library as such
# attack: handles      foreign, closed, random and huge handles name nothing
# attack: layers       handles of another layer, connection or library reach nothing through any function
# attack: many         sessions and objects without end meet a limit
# attack: order        calls in the wrong order are told so
# attack: in-flight    thousands of calls at once are answered once each
# attack: same-id      the same ids at once are not mixed up
# attack: deaf         who reads no returns is not served without end, nor with memory without end
# attack: leave        who leaves in the middle of calls leaves nothing behind
# attack: others       meanwhile another principal's login, key and calls are unharmed
# attack: log          nothing of it is an error of the daemon's own, and no process has crashed
# limit: 900
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"

driver=$MULTIP11_BUILD/regress/attack/call_driver
hosted_programs
realm_up
backend_softhsm hsm keys
backend=$BACKEND_TEXT
for layer in upper lower; do # of one library, which knows each other's handles
  export SOFTHSM2_CONF=$SOFTHSM_DIR/softhsm2.conf
  softhsm2-util --init-token --free --label $layer --so-pin "$SUITE_SO_PIN" --pin "$SUITE_PIN" \
    >token.log 2>&1 &&
    pkcs11-tool --module "$SOFTHSM_MODULE" --token-label $layer --login --pin "$SUITE_PIN" \
      --keypairgen --key-type rsa:2048 --label $layer --id $([ $layer = upper ] && echo 01 || echo 02) \
      >>token.log 2>&1 || give_up "token $layer: $(cat token.log)"
  unset SOFTHSM2_CONF
done
as_root && chown -R "$BACKEND_UID:$BACKEND_UID" "$SOFTHSM_DIR"
daemon_config <<END
idle-timeout = 12
max-connections-per-source = 200
$backend
token keys { layer { backend = hsm token = keys } access = read-write
  allow = {"alice@$realm_name", "bob@$realm_name"} }
token layered {
  layer { backend = hsm token = upper access = read-write }
  layer { backend = hsm token = lower access = read-only }
  allow = {"alice@$realm_name"}
}
END
daemon_up
client() { "$driver" "$TCP_PORT" "pkcs11/localhost@$realm_name" keys "$@"; }

# bob
use_client gss
mkfifo honest.in
realm_kinit bob secret -c "FILE:$MULTIP11_TMP/bob"
KRB5CCNAME=FILE:$MULTIP11_TMP/bob P11TEST_PIN=$SUITE_PIN \
  "$MULTIP11_BUILD/regress/attack/honest" "$MODULE" keys calls <honest.in >honest.out 2>&1 &
honest=$!
started_pids+=("$honest")
exec {honest_in}>honest.in
wait_for 30 grep -q ready honest.out || give_up "the honest client: $(cat honest.out)"

export P11TEST_PIN=$SUITE_PIN
attack layers "$driver" "$TCP_PORT" "pkcs11/localhost@$realm_name" layered layers
for name in wrapped framing texts fragments dribble shapes opcodes pointers handles many order in-flight \
  same-id leave; do
  began=$SECONDS
  attack $name client $name
  echo "($((SECONDS - began)) s)"
done

# The deaf one waits for its standard input to end.
mkfifo deaf.in
client deaf <deaf.in >deaf.out 2>&1 &
deaf=$!
started_pids+=("$deaf")
exec {deaf_in}>deaf.in
bounded() {
  wait_for 60 grep -q stuck deaf.out || { cat deaf.out; return 1; }
  local pid
  for pid in $(pids_of -net) $(pids_of -monitor) $(pids_of -backend); do
    awk '/^RssAnon/ && $2 > 160 * 1024 { print; exit 1 }' "/proc/$pid/status" || return 1
  done
}
attack deaf bounded
cat deaf.out
exec {deaf_in}>&-
wait "$deaf"

exec {honest_in}>&-
wait "$honest"
attack_equal others "0 ready" "$? $(head -n 1 honest.out)"
tail -n 1 honest.out
attack_equal log "" "$(grep -E 'ended: (killed by|dumped|signal)|SIGSEGV|SIGABRT|sandbox|cannot be understood' \
  "$daemon_log" | head -n 5)"
daemon_down
finish_attacks
