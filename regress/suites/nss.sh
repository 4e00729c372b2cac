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

# NSS: modutil, certutil, cmsutil, pk12util, and selfserv as a TLS server, with the module in an NSS
# database. Needs: libnss3-tools openssl.
. "$(dirname "$0")/lib.sh"

db="-d sql:db"
token="-h $SUITE_LABEL"
mkdir db
printf '%s\n' "$SUITE_PIN" >pin
printf 'NSS Certificate DB:\n%s:%s\n' "$SUITE_LABEL" "$SUITE_PIN" >pins
head -c 64 /dev/urandom >noise
head -c 2000 /dev/zero >data
certutil -N $db --empty-password >>"$log" 2>&1

self_sign="certutil -S $db $token -f pin -z noise -s CN=localhost -x -t CTu,CTu,CTu -v 12"
{
  check modutil/add modutil -dbdir sql:db -add suite -libfile $MODULE -force
  check_sh modutil/list "modutil -dbdir sql:db -list suite | grep $SUITE_LABEL"
  check_sh modutil/list-modules "modutil -dbdir sql:db -list | grep suite"
  check certutil/selfsign-rsa $self_sign -n ra -k rsa -g 2048 -m 1
  check certutil/selfsign-ec $self_sign -n ea -k ec -q nistp256 -m 2
  check_sh certutil/list-keys "certutil -K $db $token -f pin | grep '^<'"
  check_sh certutil/list-certs "certutil -L $db $token -f pin | grep $SUITE_LABEL:"
  check_sh certutil/export "certutil -L $db $token -f pin -n $SUITE_LABEL:ra -a >ra.pem &&
    openssl verify -CAfile ra.pem ra.pem"
  check_sh certutil/req "certutil -R $db $token -f pin -z noise -s CN=req -k rsa -g 2048 -a \
    -o req.pem && openssl req -in req.pem -verify -noout"
  check certutil/issue certutil -C $db -c $SUITE_LABEL:ra -f pins -i req.pem -a -o iss.pem -m 7 -v 3
  check certutil/validate certutil -V $db -n $SUITE_LABEL:ra -u V -f pins
  for k in ra ea; do
    check_sh cmsutil/sign-$k "cmsutil -S $db -f pins -N $SUITE_LABEL:$k -i data -o $k.cms -G \
      -H SHA256 && openssl cms -verify -inform DER -in $k.cms -noverify -binary -out o &&
      cmp o data"
  done
  # cmsutil -D of what openssl encrypted is left out: it fails in three runs of ten on SoftHSM itself.
  openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=p12 -days 10 \
    >/dev/null 2>&1
  openssl pkcs12 -export -legacy -inkey k.pem -in c.pem -name p12 -passout pass:x -out x.p12 \
    >/dev/null 2>&1
  check_sh pk12util/import "pk12util -i x.p12 $db $token -k pin -W x &&
    certutil -L $db $token -f pin | grep p12"
  for k in ra ea; do
    port=$(suite_port)
    serve timeout 30 selfserv $db -n $SUITE_LABEL:$k -p $port -f pins -V tls1.2:tls1.3
    await_port $port
    check_sh tls/selfserv-$k "echo | timeout 10 openssl s_client -connect 127.0.0.1:$port 2>&1 |
      grep 'New, TLS'"
    end_server
  done
  check certutil/delete certutil -F $db -n $SUITE_LABEL:ea -f pin
  check modutil/delete modutil -dbdir sql:db -delete suite -force
} >result 2>>"$log"
sort -u result
