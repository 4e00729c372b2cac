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

# on-demand = yes: a token comes into being when somebody first opens a session on it, just once, whole
# or not at all. If this failed, who races with another would get a second token, or a process that
# dies in the middle would leave one that nobody can open.
# limit: 600
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util pkcs11-tool openssl

hosted_programs
find_softhsm || give_up "no SoftHSM"
unset SOFTHSM2_CONF
install -m 755 "$MULTIP11_BUILD/regress/rogue/.libs/stumble.so" "$LIBEXEC/stumble.so" ||
  give_up "no library that stumbles"
state=$MULTIP11_TMP/state people=$MULTIP11_TMP/state/tokens/people
key=$MULTIP11_TMP/master-key stumble=$MULTIP11_TMP/stumble
openssl rand -hex 32 >"$key"
chmod 600 "$key"
: >"$stumble"
chmod 644 "$stumble"

softhsm_skeleton

functions="C_GetSlotList C_GetTokenInfo C_InitToken C_OpenSession C_Login C_InitPIN C_Logout C_CloseSession"
crashes= # who comes when something happens
for function in $functions; do crashes="$crashes before-$function after-$function"; done
everybody="alice bob monitor vault daemon$crashes"

# 1. Who they are; one layer is each person's own, and one is the club's.
range() { as_root && echo "uids = \"62000-62999\"" || echo "isolate = token"; }
configure() {
  local p
  for p in $everybody; do
    echo "listener $p { path = \"$MULTIP11_TMP/$p.sock\" mode = 0666 principal = $p }"
  done
  echo "state-directory = \"$state\""
  echo "master-key = \"$key\""
  echo "backend people {"
  echo "  module = \"$LIBEXEC/stumble.so\" skeleton = \"$MULTIP11_TMP/skeleton\" token-lock = yes"
  range
  echo "  read = {\"$SOFTHSM_MODULE\", \"$stumble\"}"
  echo "  environment = {\"SOFTHSM2_CONF=%d/softhsm2.conf\", \"STUMBLE_FILE=$stumble\","
  echo "    \"STUMBLE_MODULE=$SOFTHSM_MODULE\"}"
  echo "}"
  echo "token \"keys of %p\" {"
  echo "  layer { backend = people token = \"%p\" on-demand = yes access = read-write }"
  echo "  allow = {$(printf '"local:%s", ' $everybody | sed 's/, $//')}"
  echo "}"
  echo "token Club {"
  echo "  layer { backend = people token = club on-demand = yes access = read-write }"
  echo "  allow = {\"local:alice\", \"local:bob\"}"
  echo "}"
}
daemon_config < <(configure)
daemon_up
for p in $everybody; do
  client_config "$p" <<<"server here { address = \"unix://$MULTIP11_TMP/$p.sock\" }"
done
as() { # PERSON ARGUMENT...
  MULTIP11_CONFIG=$MULTIP11_TMP/$1.conf timeout 100 pkcs11-tool --module "$MODULE" "${@:2}" 2>&1
}
use() { # PERSON ID [LABEL]: makes a key and signs with it, on the person's own or another token
  local key_id=$2 label=${3:-keys of $1}
  as "$1" --token-label "${label:0:32}" --login --pin "" --keypairgen --key-type EC:prime256v1 --id "$key_id" &&
    head -c 32 /dev/zero | as "$1" --token-label "${label:0:32}" --login --pin "" --sign \
      --mechanism ECDSA --id "$key_id" --output-file /dev/null
}
made() { find "$people" -name token.object 2>/dev/null | wc -l; } # in all
said() { grep -q "$1" "$daemon_log"; }

# ---- Before

check_match "it is shown before it is there" "token label *: keys of alice" "$(as alice -L)"
check_match "with a PIN" "PIN initialized" "$(as alice -L)"
check_match "the club's, too" "token label *: Club" "$(as bob -L)"
check_equal "nothing has been made by that" 0 "$(made)"

# ---- The first use

check "alice makes and uses a key" use alice 01
check_equal "there is one token" 1 "$(made)"
check_match "the key is there in her next connection" "ID: *01" "$(as alice --token-label "keys of alice" --login --pin "" -O)"
check_equal "it is still one" 1 "$(made)"
check_match "bob does not see it" "keys of bob" "$(as bob -L | grep 'keys of')"
check_equal "its label in the library says nothing" "" \
  "$(grep -rlE 'alice|bob' "$people" 2>/dev/null)"

# ---- Eight who race

for n in 1 2 3 4 5 6 7 8; do
  p=alice
  [ $((n % 2)) = 0 ] && p=bob
  use "$p" "2$n" Club >"race.$n" 2>&1 &
  racers[n]=$!
done
for n in 1 2 3 4 5 6 7 8; do
  wait "${racers[n]}"
  check_equal "racer $n has a token" 0 $? || cat "race.$n"
done
check_equal "the club has one token" 2 "$(made)"
check_equal "with all their keys" 8 \
  "$(as alice --token-label Club --login --pin "" -O --type privkey | grep -c 'ID: *2')"

# ---- The library ends at each step of the making

tokens=2
for p in $crashes; do
  echo "${p#*-} ${p%%-*} exit" >"$stumble"
  answer=$(use "$p" 01)
  check_match "$p: no session" "CKR_(DEVICE|TOKEN_NOT_PRESENT)" "$answer"
  : >"$stumble"
  check "$p: then there is a token" use "$p" 02
  tokens=$((tokens + 1))
  check_equal "$p: one" $tokens "$(made)"
done

# ---- The monitor, the vault, or the whole daemon is killed in the middle

for p in monitor vault daemon; do
  echo "C_InitPIN before sleep" >"$stumble"
  use "$p" 01 >"$p.out" 2>&1 &
  client=$!
  begun() { [ "$(made)" = $((tokens + 1)) ]; }
  wait_for 30 begun || not_ok "$p: it has not begun: $(cat "$p.out")"
  check "$p: it is not at its end" running "$client"
  case $p in
  monitor) kill -KILL $(pids_of -monitor) ;;
  vault) kill -KILL $(pids_of -vault) ;;
  daemon)
    kill -KILL "$DAEMON"
    DAEMON=
    wait_for 20 no_daemon_processes || not_ok "processes outlive the daemon"
    ;;
  esac
  : >"$stumble"
  [ "$p" = daemon ] && daemon_up
  if [ "$p" = vault ]; then
    # The library sleeps on in its call, and nobody will believe what becomes of it.
    again() { use "$p" 02 >again.out 2>&1; }
    check "$p: then there is a token" wait_for 90 again
  fi
  wait "$client"
  check_match "$p: no session for who was there" "CKR_" "$(cat "$p.out")"
  [ "$p" = vault ] || check "$p: then there is a token" use "$p" 02
  tokens=$((tokens + 1))
  check_equal "$p: one" $tokens "$(made)"
done

# ---- Another start, another master key

daemon_down
openssl rand -hex 32 >>"$key"
daemon_up
check_match "an older key still opens it" "ID: *01" "$(as alice --token-label "keys of alice" --login --pin "" -O)"
daemon_down
cp "$key" both-keys
tail -n 1 both-keys >"$key"
"$LIBEXEC/multip11d" -D -e -f "$DAEMON_CONFIG" >refused.log 2>&1 </dev/null &
refused=$!
started_pids+=("$refused")
told() { grep -q "line 1 of master-key is not what it was" refused.log; }
check "without it the daemon says so" wait_for 20 told
kill "$refused" 2>/dev/null
wait "$refused" 2>/dev/null
cp both-keys "$key"
daemon_up
check_match "and nothing is lost" "ID: *01" "$(as alice --token-label "keys of alice" --login --pin "" -O)"
daemon_down
finish
