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

# gnutls-bin: p11tool, certtool, and gnutls-serv with keys on the token. Needs: gnutls-bin openssl.
. "$(dirname "$0")/lib.sh"

export GNUTLS_PIN=$SUITE_PIN GNUTLS_SO_PIN=$SUITE_SO_PIN
p11tool="p11tool --provider=$MODULE"
certtool="certtool --provider $MODULE"
url="pkcs11:token=$SUITE_LABEL"

one_key() { # TYPE OPTIONS SUFFIX
  local type=$1 options=$2 x=$3 private public
  private="$url;object=k-$x;type=private"
  public="$url;object=k-$x;type=public"
  check gen/$x $p11tool --login --generate-privkey=$type $options --label k-$x \
    --outfile pub-$x.pem "$url"
  check test-sign/$x $p11tool --login --test-sign "$private"
  cat >template <<END
cn = $x
ca
cert_signing_key
signing_key
encryption_key
tls_www_server
tls_www_client
expiration_days = 100
serial = 1
END
  check_sh certtool-selfsign/$x "$certtool --generate-self-signed --template template \
    --load-privkey '$private' --load-pubkey '$public' --outfile c-$x.pem &&
    openssl verify -CAfile c-$x.pem c-$x.pem"
  check_sh certtool-request/$x "$certtool --generate-request --template template \
    --load-privkey '$private' --load-pubkey '$public' --outfile r-$x.pem &&
    openssl req -in r-$x.pem -verify -noout"
  check write-cert/$x $p11tool --login --write --load-certificate c-$x.pem --label k-$x "$url"
  check_sh export-cert/$x "$p11tool --export '$url;object=k-$x;type=cert' --outfile e.pem &&
    openssl x509 -in e.pem -noout"
  check_sh export-pubkey/$x "$p11tool --login --export-pubkey '$private' --outfile ep.pem &&
    openssl pkey -pubin -in ep.pem -noout"
}

tls_server() { # SUFFIX
  local port
  port=$(suite_port)
  serve gnutls-serv --provider $MODULE -p $port --x509certfile c-$1.pem \
    --x509keyfile "$url;object=k-$1;type=private" --http -q
  await_port $port
  check_sh tls-server/$1 "echo GET / | timeout 10 gnutls-cli --x509cafile c-$1.pem \
    --no-ca-verification -p $port 127.0.0.1 | grep 'Handshake was completed'"
  end_server
}

{
  check_sh p11tool/list-tokens "$p11tool --list-tokens | grep 'token=$SUITE_LABEL'"
  check_sh p11tool/list-token-urls "$p11tool --list-token-urls | grep $SUITE_LABEL"
  check_sh p11tool/list-mechanisms "$p11tool --list-mechanisms '$url' | grep CKM_RSA_PKCS"
  check_sh p11tool/random "$p11tool --generate-random=64 '$url' | wc -c"
  one_key rsa "--bits 2048" rsa-2048
  one_key ecdsa "--curve secp256r1" ecdsa-secp256r1
  one_key ecdsa "--curve secp384r1" ecdsa-secp384r1
  one_key ecdsa "--curve secp521r1" ecdsa-secp521r1
  check_sh list-all "$p11tool --login --list-all '$url' | grep Label:"
  check_sh list-privkeys "$p11tool --login --list-privkeys '$url' | grep 'Private key'"
  check rsa-pss-sign $p11tool --login --test-sign --sign-params=RSA-PSS --hash SHA256 \
    "$url;object=k-rsa-2048;type=private"
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out i.pem >/dev/null 2>&1
  check write-privkey $p11tool --login --write --load-privkey i.pem --label imp "$url"
  check sign-imported $p11tool --login --test-sign "$url;object=imp;type=private"
  check write-secret $p11tool --login --write --secret-key 000102030405060708090a0b0c0d0e0f \
    --label sk "$url"
  check set-label $p11tool --login --set-label imp2 "$url;object=imp;type=private"
  check set-id $p11tool --login --set-id=aabbcc "$url;object=imp2;type=private"
  check delete $p11tool --login --batch --delete "$url;object=imp2;type=private"
  tls_server rsa-2048
  tls_server ecdsa-secp256r1
} >result
sort -u result
