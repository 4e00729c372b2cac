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

# A token of several layers must equal the one token that it looks like, call by call, as
# `multip11 conform` tells: a token whose second layer is empty and its first layer alone; a token
# whose objects lie on two layers and one token that holds them all. Both sides are hosted, so that
# both show one slot; that one layer equals direct use is what e2e/conform shows. The layers are
# required, so that a call that crashes the library ends the sessions on both sides; and no threads
# call at the same time, as what else was in flight then is a matter of chance.
#
# CONFORM_CALLS     calls for each pair with the seed that stands here (30,000)
# CONFORM_SEED      another seed, with CONFORM_MORE calls for each pair (5,000); one of today's if unset
# limit: 3000
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util pkcs11-tool openssl

: "${CONFORM_CALLS:=30000}" "${CONFORM_MORE:=5000}"
: "${CONFORM_SEED:=$(date +%Y%m%d)}"

hosted_programs
MULTIP11=$LIBEXEC/multip11
install -m 755 "$(find_program multip11)" "$MULTIP11" || give_up "no multip11"

# One library, so that it is asked about handles of no token on both sides, with five tokens: `alone`
# and `first` hold keys 1 and 2, `second` 3 and 4, `whole` all of them, `empty` none. The same keys
# have the same labels and identifiers wherever they lie.
for k in 1 2 3 4; do
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "key$k.pem" 2>/dev/null &&
    openssl pkcs8 -topk8 -nocrypt -in "key$k.pem" -out "key$k.p8" || give_up "openssl makes no key"
done
backend_softhsm softhsm empty
export SOFTHSM2_CONF=$SOFTHSM_DIR/softhsm2.conf
fill() { # TOKEN KEY...
  local token=$1 k
  shift
  softhsm2-util --init-token --free --label "$token" --so-pin "$SUITE_SO_PIN" --pin "$SUITE_PIN" \
    >fill.log 2>&1 || give_up "$(cat fill.log)"
  for k in "$@"; do
    softhsm2-util --import "key$k.p8" --token "$token" --label "key $k" --id "0$k" \
      --pin "$SUITE_PIN" >fill.log 2>&1 || give_up "$(cat fill.log)"
  done
}
fill whole 1 2 3 4
fill alone 1 2
fill first 1 2
fill second 3 4
unset SOFTHSM2_CONF
as_root && chown -R "$BACKEND_UID:$BACKEND_UID" "$SOFTHSM_DIR"
texts=$BACKEND_TEXT$'\n'

# Who comes through a socket of his own sees a token of his own, all of one label.
sockets=
client() { # NAME LAYER...: the token "keys-NAME" of these layers for clients of NAME.sock
  local name=$1 layer
  shift
  sockets+="listener $name { path = \"$MULTIP11_TMP/$name.sock\" mode = 0666 principal = $name }"$'\n'
  texts+="token keys-$name { access = read-write allow = {\"local:$name\"}"$'\n'
  for layer in "$@"; do texts+="  layer { backend = softhsm token = $layer required = yes }"$'\n'; done
  texts+="}"$'\n'
  client_config "$name" <<<"server here { address = \"unix://$MULTIP11_TMP/$name.sock\" }"
}
client one alone
client two alone empty
client all whole
client split first second
unset MULTIP11_CONFIG
daemon_config <<<"$sockets$texts"
daemon_up

objects() { MULTIP11_CONFIG=$MULTIP11_TMP/$1.conf pkcs11-tool --module "$MODULE" -O --login --pin "$SUITE_PIN" 2>/dev/null | grep -E '^(Public|Private|  label|  ID)' | paste - - - | sort; }
check_equal "two layers show what one token does" "$(objects all)" "$(objects split)"
check_equal "an empty layer shows nothing" "$(objects one)" "$(objects two)"
check "there is something to be seen" [ "$(objects split | wc -l)" = 8 ]

# Both pairs at the same time; they have no token in common.
compare() { # A B
  local calls seed
  for run in "$CONFORM_CALLS 1" "$CONFORM_MORE $CONFORM_SEED"; do
    read -r calls seed <<<"$run"
    MULTIP11_PIN=$SUITE_PIN "$MULTIP11" conform --named --threads 2 --against "$MODULE" \
      --direct-env "MULTIP11_CONFIG=$MULTIP11_TMP/$1.conf" \
      --hosted-env "MULTIP11_CONFIG=$MULTIP11_TMP/$2.conf" --calls "$calls" --seed "$seed" \
      "$MODULE" >"said-$2-$seed" 2>&1
  done
}
start compare-two.log compare one two
pids=($!)
start compare-split.log compare all split
pids+=($!)
wait "${pids[@]}"
shown() { # NAME WHAT
  local calls seed said
  for run in "$CONFORM_CALLS 1" "$CONFORM_MORE $CONFORM_SEED"; do
    read -r calls seed <<<"$run"
    said=$(cat "said-$1-$seed" "compare-$1.log")
    check_match "$2: $calls calls with seed $seed without a difference" '^no difference' "$said"
    printf '%s\n' "$said" | grep -E 'calls compared|functions|mechanisms' | cut -c1-150 | sed 's/^/    /'
  done
}
shown two "a second layer that is empty"
shown split "objects on two layers"
daemon_down
finish
