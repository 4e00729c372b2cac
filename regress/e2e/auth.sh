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

# multip11-auth as it runs in the daemon, sandbox included, with tickets of a real KDC: who is let
# in, who is not and what he is told, and that nothing a client, net or vault does ends it.

. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/krb5-realm.sh"

auth=$MULTIP11_BUILD/multip11-auth
driver=$MULTIP11_BUILD/regress/e2e/auth_driver
[ -x "$auth" ] && [ -x "$driver" ] || give_up "not built: $auth, $driver"
missing=$(realm_have) || skip_test "$missing"

# Its own uid has to reach it: the build directory may be closed to others.
cp "$auth" multip11-auth
chmod 755 multip11-auth
trap 'stop_all; realm_stop' EXIT

realm_start "$MULTIP11_TMP/realm" || give_up "no KDC"
service=pkcs11/localhost@$realm_name
{
  realm_user alice secret &&
    realm_service pkcs11/localhost service.keytab &&
    realm_service pkcs11/sha1 sha1.keytab aes256-cts-hmac-sha1-96:normal &&
    realm_service http/localhost http.keytab &&
    realm_service pkcs11/renewed old.keytab &&
    realm_user_keytab host/client.example.org client.keytab &&
    realm_kinit alice secret
} || give_up "the realm cannot be filled"

# NAME CASE [OPTION VALUE]...
run() {
  local name=$1 case=$2
  shift 2
  check "$name" "$driver" --auth "$PWD/multip11-auth" --keytab service.keytab \
    --principal "$service" --client "alice@$realm_name" --log auth.log "$@" "$case"
}
logged() { check_match "$1: the log says why" "$2" "$(cat auth.log)"; } # NAME PATTERN

run "a client is accepted, and net can talk to it" accept
logged accepted "^<6>connection 1: alice@$realm_name authenticated by GSS-API, encryption type 20"
run "a service with an AES-SHA1 key" accept --keytab sha1.keytab --principal "pkcs11/sha1@$realm_name"
KRB5CCNAME=FILE:$PWD/client.ccache kinit -kt client.keytab host/client.example.org
KRB5CCNAME=FILE:$PWD/client.ccache \
  run "a client with an instance" accept --client "host/client.example.org@$realm_name"

run "a token is taken once" replay
logged replay "alice@$realm_name: replayed authenticator"
run "tokens that are none" garbage
run "records that are none" malformed
run "a second token, a second verdict" second
run "who hangs up gets nothing" hangup
run "who is silent is cut off" silent --handshake-ms 300
logged silence "connection 1: no token within the deadline"
run "more handshakes at once than there is room for" many
logged room "too many handshakes at once"

run "a ticket for another service" refuse --service "http/localhost@$realm_name" --error ""
logged "another service" "connection [0-9]+: refused: "
run "one-way authentication" refuse --one-way yes --error ""
logged one-way "does not ask for mutual authentication"
realm_kinit alice secret -l 3s -c "FILE:$PWD/short.ccache"
KRB5CCNAME=FILE:$PWD/short.ccache \
  run "a ticket that ends before its token arrives" refuse --hold 4 --error "Ticket expired"
logged expiry "alice@$realm_name: ticket has expired"
run "a token that is older than the clock skew" refuse --clockskew 1 --hold 3 \
  --error "Clock skew too great"
logged skew "clocks differ by -[34] seconds"

# The KDC gives the service a new key that its keytab does not have.
realm_kadmin cpw -randkey pkcs11/renewed
run "a keytab that is out of date" refuse --keytab old.keytab \
  --principal "pkcs11/renewed@$realm_name" --error ""
logged "old keytab" "refused: "

run "a keytab of another service" no-start --keytab http.keytab
logged "wrong keytab" "^<2>the keytab has no AES key of pkcs11/localhost@"
run "a keytab that is none" no-start --keytab realm/krb5.conf
logged "no keytab" "^<2>cannot read the keytab"
run "a start block that is wrong" no-start --clockskew 9999
logged "start block" "^<2>start block: bad line 'clockskew=9999'"

# The other end, GssClient.
run "multip11-remote's side of it" client
run "a server that does not answer" client --silent yes --error "timed out"
KRB5CCNAME=FILE:$PWD/none run "no ticket" client --error "run kinit"
sleep 1 # the short ticket has ended
KRB5CCNAME=FILE:$PWD/short.ccache run "an expired ticket" client --error "has expired; run kinit"
run "a service without a principal" client --service "pkcs11/nobody@$realm_name" \
  --error "the KDC does not know this service"
run "the server lacks the key" client --keytab old.keytab --principal "pkcs11/renewed@$realm_name" \
  --error "keytab does not have the key"
run "a name that is none" client --service "a@b@c" --error "authentication to a@b@c failed"
realm_stop
run "no KDC" client --service "pkcs11/unasked@$realm_name" --error "cannot be reached"
finish
