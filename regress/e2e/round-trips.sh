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

# Fewer round trips: how often a client waits for the server, with eager and without, and that it is
# told the same. If this failed, applications far from the server would be slow, and nobody would see.
#
# limit: 600
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util pkcs11-tool

hosted_programs
realm_up
backend_softhsm softhsm trips
daemon_config <<END
$BACKEND_TEXT
token keys { layer { backend = softhsm required = yes } access = read-write allow = {"alice@$realm_name"} }
END
daemon_up

# What the client sends within this time of an answer is one journey: a busy machine is slower than a
# program, so the fewest of a few runs count.
delay=20
start tokens "$MULTIP11_BUILD/regress/bench/token_relay" -d $delay "$TCP_PORT"
wait_for 5 grep -q ^port tokens || give_up "token_relay does not start"
relay_port=$(sed -n 's/^port //p' tokens)

client() { # NAME PORT EAGER
  client_config "$1" <<END
server there {
  address = "tcp://127.0.0.1:$2"
  principal = "pkcs11/localhost@$realm_name"
  security = gss
  eager = $3
}
END
}
client near "$TCP_PORT" no
client plain "$relay_port" no
client eager "$relay_port" yes

tool() { # CLIENT OPTION...
  local config=$MULTIP11_TMP/$1.conf
  shift
  MULTIP11_CONFIG=$config pkcs11-tool --module "$MODULE" "$@"
}
tool near --login --pin "$SUITE_PIN" --keypairgen --key-type EC:prime256v1 --label ec --id 01 >made 2>&1 &&
  tool near --login --pin "$SUITE_PIN" --keypairgen --key-type rsa:2048 --label rsa --id 02 >>made 2>&1 ||
  give_up "no keys: $(cat made)"
head -c 32 /dev/zero >data

# Journeys so far: runs of tokens that the client sends, each of which ends with an answer.
journeys() { awk '$1 == ">" && last != ">" { n++ } $1 == ">" || $1 == "<" { last = $1 } END { print n + 0 }' tokens; }
trips() { # CLIENT COMMAND...: sets fewest, and keeps what it says in said.CLIENT
  local client=$1 before i n
  shift
  fewest=
  for i in 1 2 3; do
    before=$(journeys)
    MULTIP11_CONFIG=$MULTIP11_TMP/$client.conf "$@" >"said.$client" 2>&1 || give_up "$*: $(cat "said.$client")"
    n=$(($(journeys) - before))
    [ -n "$fewest" ] && [ "$fewest" -le "$n" ] || fewest=$n
  done
}
# NAME MOST COMMAND...: at most so many with eager, fewer than without, and the same is said.
saves() {
  local name=$1 most=$2 plain
  shift 2
  trips plain "$@"
  plain=$fewest
  trips eager "$@"
  echo "    $name: $plain round trips, with eager $fewest"
  check "$name: at most $most round trips ($fewest)" [ "$fewest" -le "$most" ]
  check "$name: fewer than without eager ($plain)" [ "$fewest" -lt "$plain" ]
  check_equal "$name: the same is said" "$(cat said.plain)" "$(cat said.eager)"
}
list() { pkcs11-tool --module "$MODULE" "$@"; }
sign() { # ID MECHANISM: an ECDSA signature is another each time, so that it was made is said
  rm -f signature
  pkcs11-tool --module "$MODULE" --login --pin "$SUITE_PIN" --sign --id "$1" --mechanism "$2" \
    --input-file data --output-file signature && wc -c <signature
}

saves "pkcs11-tool -L" 3 list -L
saves "pkcs11-tool -M" 75 list -M
saves "pkcs11-tool -O" 69 list --login --pin "$SUITE_PIN" -O
saves "a signature with RSA" 11 sign 02 SHA256-RSA-PKCS
saves "a signature with ECDSA" 11 sign 01 ECDSA
command -v ssh-keygen >/dev/null && saves "ssh-keygen -D" 11 ssh-keygen -D "$MODULE"
# GnuTLS asks for the length of each signature.
export GNUTLS_PIN=$SUITE_PIN
command -v p11tool >/dev/null && saves "p11tool --test-sign" 44 p11tool --provider="$MODULE" --login \
  --test-sign "pkcs11:token=keys;object=rsa;type=private"
daemon_down
finish
