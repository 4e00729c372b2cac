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

# pkcs11-tool (OpenSC): its own tests (--test, --test-ec, --test-fork), every mechanism that it can
# use, the life of a key, PINs. --test-threads is not run: the tool crashes or hangs in it by itself
# in most runs, on a library used directly too. Needs: opensc openssl.
. "$(dirname "$0")/lib.sh"

tool="pkcs11-tool --module $MODULE --token-label $SUITE_LABEL"
login="$tool --login --pin $SUITE_PIN"

lower() { printf %s "$1" | tr A-Z a-z | tr -d -; }

information() {
  check info/show $tool --show-info
  check info/list-slots $tool --list-slots
  check info/list-token-slots $tool --list-token-slots
  check info/list-mechanisms $tool --list-mechanisms
  # One line a mechanism: none may be hidden.
  $tool --list-mechanisms 2>>"$log" | sed -n 's/^  \([A-Za-z0-9-]*\), .*/info\/mechanism\/\1 PASS/p'
  check_sh info/random "$tool --generate-random 4096 --output-file rnd && [ \$(stat -c %s rnd) = 4096 ]"
  local h
  for h in MD5 SHA-1 SHA224 SHA256 SHA384 SHA512; do
    printf 'what is hashed with %s' $h >d.$h
    check_sh hash/$h "$tool --hash -m $h --input-file d.$h --output-file h.$h &&
      openssl dgst -$(lower $h) -binary d.$h | cmp - h.$h"
  done
}

generate_keys() {
  local id=10 k
  for k in RSA:1024 RSA:2048 RSA:3072 EC:secp256r1 EC:secp384r1 EC:secp521r1 EC:brainpoolP256r1 \
    EC:secp256k1; do
    id=$((id + 1))
    check keypairgen/$k $login --keypairgen --key-type $k --id $id --label k-$k \
      --usage-sign --usage-decrypt --usage-derive
    check_sh read-pubkey/$k "$tool --read-object --type pubkey --id $id --output-file $id.der &&
      openssl pkey -pubin -inform DER -in $id.der -noout"
  done
  id=30
  for k in AES:16 AES:24 AES:32 DES:8 DES3:24 GENERIC:32 GENERIC:64; do
    id=$((id + 1))
    check keygen/$k $login --keygen --key-type $k --id $id --label s-$k
  done
  check keygen/AES-extractable $login --keygen --key-type AES:16 --id 41 --label ext --extractable
}

# Key 12 is RSA:2048.
rsa_signatures() {
  local m h f
  for m in RSA-PKCS RSA-X-509; do
    f=short
    [ $m = RSA-X-509 ] && f=block
    check sign/$m $login --sign -m $m --id 12 --input-file $f --output-file s.$m
    check verify/$m $login --verify -m $m --id 12 --input-file $f --signature-file s.$m
  done
  for h in MD5 SHA1 SHA224 SHA256 SHA384 SHA512; do
    check_sh sign/$h-RSA-PKCS "$login --sign -m $h-RSA-PKCS --id 12 --input-file data \
      --output-file s.$h &&
      openssl dgst -$(lower $h) -verify 12.der -keyform DER -signature s.$h data"
    check verify/$h-RSA-PKCS $login --verify -m $h-RSA-PKCS --id 12 --input-file data \
      --signature-file s.$h
    [ $h = MD5 ] && continue
    check_sh sign/$h-RSA-PKCS-PSS "$login --sign -m $h-RSA-PKCS-PSS --id 12 --input-file data \
      --output-file p.$h && openssl dgst -$(lower $h) -verify 12.der -keyform DER \
      -sigopt rsa_padding_mode:pss -signature p.$h data"
    check verify/$h-RSA-PKCS-PSS $login --verify -m $h-RSA-PKCS-PSS --id 12 --input-file data \
      --signature-file p.$h
  done
  check_sh sign/RSA-PKCS-PSS-sha256 "$login --sign -m RSA-PKCS-PSS --hash-algorithm SHA256 \
    --mgf MGF1-SHA256 --salt-len 32 --id 12 --input-file hash --output-file p.raw &&
    openssl pkeyutl -verify -pubin -keyform DER -inkey 12.der -in hash -sigfile p.raw \
      -pkeyopt rsa_padding_mode:pss -pkeyopt digest:sha256"
  head -c 1023 data >tampered
  check_sh negative/verify-tampered "! $login --verify -m SHA256-RSA-PKCS --id 12 \
    --input-file tampered --signature-file s.SHA256 | grep 'Signature is valid'"
}

rsa_decryption() {
  local encrypt="openssl pkeyutl -encrypt -pubin -keyform DER -inkey 12.der"
  check_sh decrypt/RSA-PKCS "$encrypt -in short -out c1 &&
    $login --decrypt -m RSA-PKCS --id 12 --input-file c1 --output-file c1.d && cmp short c1.d"
  check_sh decrypt/RSA-PKCS-OAEP "$encrypt -pkeyopt rsa_padding_mode:oaep -in short -out c2 &&
    $login --decrypt -m RSA-PKCS-OAEP --hash-algorithm SHA-1 --mgf MGF1-SHA1 --id 12 \
      --input-file c2 --output-file c2.d && cmp short c2.d"
  check_sh decrypt/RSA-X-509 "$encrypt -pkeyopt rsa_padding_mode:none -in block -out c3 &&
    $login --decrypt -m RSA-X-509 --id 12 --input-file c3 --output-file c3.d && cmp block c3.d"
}

elliptic_curves() {
  local id=13 k curve
  for k in secp256r1 secp384r1 secp521r1 brainpoolP256r1 secp256k1; do
    id=$((id + 1))
    curve=$k
    [ $k = secp256r1 ] && curve=prime256v1
    check_sh sign/ECDSA-$k "$login --sign -m ECDSA --id $id --input-file hash --output-file e.$k \
      --signature-format openssl &&
      openssl pkeyutl -verify -pubin -keyform DER -inkey $id.der -in hash -sigfile e.$k"
    check_sh derive/ECDH1-$k "
      openssl ecparam -name $curve -genkey -noout -outform DER -out peer.$k &&
      openssl pkey -inform DER -in peer.$k -pubout -outform DER -out peerpub.$k &&
      $login --derive -m ECDH1-DERIVE --id $id --input-file peerpub.$k --output-file z1.$k &&
      openssl pkeyutl -derive -keyform DER -inkey peer.$k -peerform DER -peerkey $id.der \
        -out z2.$k && cmp z1.$k z2.$k"
  done
}

# Key 37 is GENERIC:64, key 31 AES:16.
macs() {
  local m
  for m in MD5-HMAC SHA-1-HMAC SHA224-HMAC SHA256-HMAC SHA384-HMAC SHA512-HMAC; do
    check sign/$m $login --sign -m $m --id 37 --input-file data --output-file m.$m
    check verify/$m $login --verify -m $m --id 37 --input-file data --signature-file m.$m
  done
  check sign/AES-CMAC $login --sign -m AES-CMAC --id 31 --input-file data --output-file m.cmac
  check verify/AES-CMAC $login --verify -m AES-CMAC --id 31 --input-file data --signature-file m.cmac
}

objects() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=suite \
    -days 3650 >/dev/null 2>&1
  openssl x509 -in cert.pem -outform DER -out cert.der
  openssl x509 -in cert.pem -pubkey -noout >cert.pub
  openssl pkey -in key.pem -outform DER -out key.der
  check object/write-cert $login --write-object cert.der --type cert --id 61 --label cert
  check_sh object/read-cert "$tool --read-object --type cert --id 61 --output-file cert.out &&
    cmp cert.der cert.out"
  check object/write-privkey $login --write-object key.der --type privkey --id 62 --label imp
  check_sh object/sign-imported "$login --sign -m SHA256-RSA-PKCS --id 62 --input-file data \
    --output-file imp.sig && openssl dgst -sha256 -verify cert.pub -signature imp.sig data"
  check object/write-data $login --write-object data --type data --label blob \
    --application-label app
  check_sh object/read-data "$login --read-object --type data --label blob \
    --application-label app --output-file blob.out && cmp data blob.out"
  check object/write-data-private $login --write-object data --type data --label pblob --private
  check_sh object/private-invisible-without-login "! $tool --list-objects --type data | grep pblob"
  check_sh object/private-visible-with-login "$login --list-objects --type data | grep pblob"
  head -c 32 /dev/zero | tr '\0' k >k32
  check object/write-secretkey $login --write-object k32 --type secrkey --key-type AES:32 --id 63 \
    --label impaes
  check_sh object/list-all "[ \$($login --list-objects | grep -c label) = 29 ]"
  check object/delete-data $login --delete-object --type data --label blob --application-label app
  check object/delete-pubkey $login --delete-object --type pubkey --id 11
  check object/set-id $login --set-id 6f --type privkey --id 62
}

own_tests() {
  check selftest/test $login --test
  check selftest/test-oaep-sha1 $login --test --hash-algorithm SHA-1 --mgf MGF1-SHA1
  check selftest/test-ec $login --test-ec --key-type EC:secp256r1 --id 70 --session-rw
  check selftest/test-fork $tool --test-fork
}

pins() {
  local so="$tool --login --login-type so"
  check_sh pin/wrong-pin-rejected "! $tool --login --pin 9999 --list-objects"
  check pin/change-user $login --change-pin --new-pin 567890
  check pin/login-new $tool --login --pin 567890 --list-objects
  check pin/so-unblock $so --so-pin $SUITE_SO_PIN --init-pin --new-pin $SUITE_PIN
  check_sh pin/so-change "$so --so-pin $SUITE_SO_PIN --change-pin --new-pin 87654321 &&
    $so --so-pin 87654321 --change-pin --new-pin $SUITE_SO_PIN"
  check pin/login-back $login --list-objects
}

head -c 1024 /dev/zero | tr '\0' x >data
head -c 32 data >short
head -c 256 /dev/zero >block
openssl dgst -sha256 -binary data >hash
{
  information
  generate_keys
  rsa_signatures
  rsa_decryption
  elliptic_curves
  macs
  objects
  own_tests
  pins
} >result
sort -u result
