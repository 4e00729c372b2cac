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

# The same calls in DER, XER and JER, over TCP with TLS-KDH and with GSS-API: the tests that pkcs11-tool
# has, and random calls compared with the same in DER over GSS-API. If this failed, who looks into a
# connection, or protects it otherwise, would see or do something else.
#
# CONFORM_CALLS     random calls in each (2,000)
# limit: 900
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util pkcs11-tool

: "${CONFORM_CALLS:=2000}"
hosted_programs
MULTIP11=$LIBEXEC/multip11
install -m 755 "$(find_program multip11)" "$MULTIP11" || give_up "no multip11"
realm_up
backend_softhsm softhsm encoded
BINARY_PORT=$(free_port)
daemon_config <<END
$BACKEND_TEXT
listener binary {
  address = "127.0.0.1"
  port = $BINARY_PORT
  encodings = {"der"}
}
token keys { layer { backend = softhsm required = yes } access = read-write allow = {"alice@$realm_name"} }
END
daemon_up

cells=()
for security in gss kdh; do
  for encoding in der xer jer; do
    client_config "$security-$encoding" <<END
server there {
  address = "tcp://127.0.0.1:$TCP_PORT"
  principal = "pkcs11/localhost@$realm_name"
  security = $security
  encoding = $encoding
}
END
    cells+=("$security-$encoding")
  done
done
unset MULTIP11_CONFIG

tool() { # CELL OPTION...
  local config=$MULTIP11_TMP/$1.conf
  shift
  MULTIP11_CONFIG=$config pkcs11-tool --module "$MODULE" "$@" 2>&1
}
made=
for cell in "${cells[@]}"; do
  check "$cell: pkcs11-tool --test" tool "$cell" --login --pin "$SUITE_PIN" --test
  check "$cell: a key is made" tool "$cell" --login --pin "$SUITE_PIN" --keypairgen \
    --key-type EC:secp256r1 --label "made in $cell <&>" --id "0${#made}"
  made+=1
done
objects() { tool "$1" --login --pin "$SUITE_PIN" -L -M -O; }
objects gss-der >objects.der
check "there is something to compare" [ "$(grep -c 'made in' objects.der)" = 12 ]
for cell in "${cells[@]:1}"; do
  check_equal "$cell: slots, mechanisms and objects as in gss-der" "$(cat objects.der)" \
    "$(objects "$cell")"
  said=$(MULTIP11_PIN=$SUITE_PIN "$MULTIP11" conform --named --threads 2 --against "$MODULE" \
    --direct-env "MULTIP11_CONFIG=$MULTIP11_TMP/gss-der.conf" \
    --hosted-env "MULTIP11_CONFIG=$MULTIP11_TMP/$cell.conf" --calls "$CONFORM_CALLS" --seed 1 \
    "$MODULE" 2>&1)
  check_match "$cell: $CONFORM_CALLS calls without a difference from gss-der" '^no difference' "$said"
  printf '%s\n' "$said" | grep -E 'calls compared|functions|mechanisms' | cut -c1-150 | sed 's/^/    /'
done

# ---- A listener for DER alone

binary() { # ENCODING: on which slots there are, there
  sed "s/:$TCP_PORT/:$BINARY_PORT/" "kdh-$1.conf" >binary.conf
  MULTIP11_CONFIG=$MULTIP11_TMP/binary.conf pkcs11-tool --module "$MODULE" -L 2>&1
}
check_match "a listener for DER takes DER" 'Slot 0' "$(binary der)"
for encoding in xer jer; do
  check_equal "a listener for DER takes no $encoding" "" "$(binary $encoding | grep 'Slot 0')"
done
check_match "and the log says why" 'an encoding that this listener does not take' "$(cat daemon.log)"
daemon_down
finish
