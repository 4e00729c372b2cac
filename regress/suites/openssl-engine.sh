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

# OpenSSL with libp11's engine: sign, decrypt, derive, requests, certificates, CMS, a TLS server, and
# curl with a client certificate. Needs: openssl libengine-pkcs11-openssl opensc curl.
. "$(dirname "$0")/lib.sh"

tool="pkcs11-tool --module $MODULE --token-label $SUITE_LABEL --login --pin $SUITE_PIN"
export PKCS11_MODULE_PATH=$MODULE
url="pkcs11:token=$SUITE_LABEL"
pin="pin-value=$SUITE_PIN"
engine="-engine pkcs11 -keyform engine"

tls() { # TYPE LABEL PRIVATE
  local t=$1 l=$2 private=$3 port version
  port=$(suite_port)
  serve openssl s_server $engine -key "$private" -cert $l.crt -accept 127.0.0.1:$port -www -quiet
  await_port $port
  for version in 1_3 1_2; do
    check_sh $t/tls$version-server "echo | timeout 10 openssl s_client -tls$version \
      -connect 127.0.0.1:$port -CAfile $l.crt -verify_return_error 2>&1 |
      grep 'Verification: OK'"
  done
  end_server

  openssl req -x509 -newkey rsa:2048 -nodes -keyout sv.key -out sv.crt -subj /CN=localhost \
    -days 10 >/dev/null 2>&1
  port=$(suite_port)
  serve openssl s_server -key sv.key -cert sv.crt -accept 127.0.0.1:$port -www -quiet \
    -Verify 1 -CAfile $l.crt -verify_return_error
  await_port $port
  check_sh $t/curl-client-cert "timeout 20 curl -s --noproxy '*' \
    --resolve localhost:$port:127.0.0.1 --cacert sv.crt --cert $l.crt --engine pkcs11 \
    --key-type ENG --key '$private' https://localhost:$port/ | grep s_server"
  end_server
}

one_key() { # TYPE LABEL
  local t=$1 l=$2 private public h
  private="$url;object=$l;type=private;$pin"
  public="$url;object=$l;type=public;$pin"
  check_sh $t/pubkey "openssl pkey -engine pkcs11 -inform engine -pubin -in '$public' -pubout \
    -out $l.pub"
  for h in sha1 sha256 sha384 sha512; do
    check_sh $t/dgst-$h "openssl dgst $engine -$h -sign '$private' -out s data &&
      openssl dgst -$h -verify $l.pub -signature s data"
  done
  check_sh $t/req "openssl req -new -x509 -days 100 -subj /CN=localhost $engine -key '$private' \
    -out $l.crt -sha256 && openssl verify -CAfile $l.crt $l.crt"
  check_sh $t/csr "openssl req -new -subj /CN=$l $engine -key '$private' -out $l.csr -sha256 &&
    openssl req -verify -in $l.csr -noout"
  check_sh $t/cms "openssl cms -sign $engine -inkey '$private' -signer $l.crt -in data \
    -out $l.cms -nodetach -binary -outform DER &&
    openssl cms -verify -CAfile $l.crt -inform DER -in $l.cms -binary -out /dev/null -purpose any"
  tls $t $l "$private"
}

head -c 5000 /dev/zero >data
head -c 32 data >short
{
  check setup/rsa $tool --keypairgen --key-type RSA:2048 --id 01 --label rk
  check setup/ec $tool --keypairgen --key-type EC:prime256v1 --id 02 --label ek
  one_key rsa rk
  one_key ec ek
  private="$url;object=rk;type=private;$pin"
  check_sh rsa/pss "openssl dgst $engine -sha256 -sigopt rsa_padding_mode:pss \
    -sigopt rsa_pss_saltlen:32 -sign '$private' -out s data &&
    openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 \
      -verify rk.pub -signature s data"
  check_sh rsa/decrypt "openssl pkeyutl -encrypt -pubin -inkey rk.pub -in short -out e &&
    openssl pkeyutl $engine -decrypt -inkey '$private' -in e -out d && cmp d short"
  oaep="-pkeyopt rsa_padding_mode:oaep"
  check_sh rsa/decrypt-oaep "openssl pkeyutl -encrypt -pubin -inkey rk.pub $oaep -in short \
    -out e && openssl pkeyutl $engine -decrypt $oaep -inkey '$private' -in e -out d &&
    cmp d short"
  openssl ecparam -name prime256v1 -genkey -noout -out peer.pem
  openssl pkey -in peer.pem -pubout -out peer.pub
  check_sh ec/derive "openssl pkeyutl $engine -derive -inkey '$url;object=ek;type=private;$pin' \
    -peerkey peer.pub -out z1 && openssl pkeyutl -derive -inkey peer.pem -peerkey ek.pub \
    -out z2 && cmp z1 z2"
} >result
sort -u result
