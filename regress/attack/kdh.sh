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


# Who is let in by TLS-KDH, and who is not: each thing that a client must not do is done by a driver
# with tickets of a real KDC, against the daemon as it runs. If this failed, somebody would be taken
# for another, or a connection would lack what TLS-KDH promises: Diffie-Hellman and Kerberos, both.
#
# attack: wrong-service    a ticket for another service
# attack: wrong-key        a keytab that is out of date: the client is told
# attack: expired          a ticket that has ended
# attack: wrong-psk        the right AP-REQ, and not the key that is in it
# attack: other-hello      an AP-REQ that was made for another ClientHello
# attack: used-again       the AP-REQ of an earlier connection in a ClientHello of one's own
# attack: replayed         a whole ClientHello that was sent before
# attack: no-finish        who never ends the handshake is closed
# attack: changed-hello    a ClientHello with one octet changed, at sixty places
# attack: cut-hello        a ClientHello cut off behind many of its octets
# attack: psk-only         a key exchange without Diffie-Hellman alone
# attack: no-group         no group that the server has
# attack: early-data       early data is offered
# attack: no-psk           no pre-shared key
# attack: other-after-hrr  another AP-REQ in the second ClientHello
# attack: other-suite      a cipher suite with another hash
# attack: other-protocol   another protocol (ALPN)
# attack: tls12            TLS 1.2
# attack: foreign-clients  OpenSSL's and GnuTLS's own clients, with keys that are no AP-REQ
# attack: certificate      a server with a certificate instead of the service's key: left at once
# attack: impostor         a server with another service's key
# attack: no-downgrade     security = kdh: a server that speaks GSS-API alone gets no token
# attack: gss-only         a listener for GSS-API takes no TLS, and one for TLS no GSS-API
# attack: honest           meanwhile and afterwards others are served
# limit: 600
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"
need_commands gnutls-cli openssl

driver=$MULTIP11_BUILD/regress/attack/kdh_driver
hosted_programs
realm_up
realm_service http/localhost "$MULTIP11_TMP/http.keytab" || give_up "no other service"
realm_service pkcs11/renewed "$MULTIP11_TMP/old.keytab" || give_up "no third service"
backend_softhsm hsm keys
keys_backend=$BACKEND_TEXT
GSS_PORT=$(free_port)
KDH_PORT=$(free_port)
daemon_config <<END
log-level = verbose
$keys_backend
listener gss-alone { address = "127.0.0.1" port = $GSS_PORT security = gss }
listener kdh-alone { address = "127.0.0.1" port = $KDH_PORT security = {"kdh"} }
token keys { layer { backend = hsm token = keys } allow = {"alice@$realm_name"} }
END
daemon_up
service=pkcs11/localhost@$realm_name
kdh() { "$driver" "$TCP_PORT" "$service" "$@"; } # CASE [ARGUMENT]
said() { grep -qE -- "$1" "$daemon_log"; }
logged() { check "$1: the log says why" wait_for 5 said "$2"; } # NAME PATTERN

# ---- What is taken

check_equal "an honest client" "accepted X25519 TLS_AES_256_GCM_SHA384" "$(kdh honest)"
logged honest "alice@$realm_name authenticated by TLS-KDH, encryption type 20"
check_equal "P-256 will do" "accepted prime256v1 TLS_AES_256_GCM_SHA384" "$(kdh p256)"
check_equal "after a HelloRetryRequest, with the same AP-REQ" \
  "accepted X25519 TLS_AES_256_GCM_SHA384" "$(kdh hrr)"
check_equal "who allows both exchanges gets the one with Diffie-Hellman" \
  "accepted X25519 TLS_AES_256_GCM_SHA384" "$(kdh both-modes)"
for octets in 40000 60000 63500; do
  check_equal "a ticket of $octets octets and more" "accepted X25519 TLS_AES_256_GCM_SHA384" \
    "$(kdh padded $octets)"
done

# ---- What is not

attack_equal wrong-service "refused 115" "$("$driver" "$TCP_PORT" "http/localhost@$realm_name" wrong)"
logged wrong-service "refused: Cannot decrypt ticket"
realm_kinit alice secret -l 3s -c "FILE:$MULTIP11_TMP/short"
attack_equal expired "refused 45" \
  "$(KRB5CCNAME=FILE:$MULTIP11_TMP/short "$driver" "$TCP_PORT" "$service" held 4)"
logged expired "alice@$realm_name: ticket has expired"
attack_match wrong-psk "^refused (47|51)" "$(kdh wrong-psk)"
attack_equal other-hello "refused 49" "$(kdh other-hello)"
logged other-hello "alice@$realm_name: authenticator was made for another ClientHello"
attack_equal used-again "refused 49" "$(kdh again)"
attack_equal replayed "refused 40" "$(kdh replay)"
logged replayed "alice@$realm_name: replayed authenticator"
attack_equal no-finish closed "$(kdh no-finish)"
logged no-finish "the client did not finish the handshake"
attack_equal changed-hello closed "$(kdh changed)"
attack_equal cut-hello closed "$(kdh cut)"
attack_equal psk-only "refused 40" "$(kdh psk-only)"
logged psk-only "a key exchange without Diffie-Hellman"
attack_match no-group "^refused (40|47|109)" "$(kdh no-group)"
attack_equal early-data "refused 40" "$(kdh early-data)"
logged early-data ": early data"
attack_match no-psk "^refused (109|40)" "$(kdh no-psk)"
attack_equal other-after-hrr "refused 47" "$(kdh other-after-hrr)"
attack_match other-suite "^refused (40|47)" "$(kdh other-suite)"
attack_equal other-protocol "refused 120" "$(kdh other-alpn)"
attack_match tls12 "^refused (40|70)" "$(kdh tls12)"

# Programs of others.
foreign() {
  ! timeout 20 openssl s_client -connect "127.0.0.1:$TCP_PORT" -tls1_3 -psk_identity alice \
    -psk 0123456789abcdef0123456789abcdef </dev/null 2>&1 | grep -q 'Cipher is TLS_AES' &&
    ! timeout 20 openssl s_client -connect "127.0.0.1:$TCP_PORT" -tls1_3 </dev/null 2>&1 |
      grep -q 'Cipher is TLS_AES' &&
    for priority in NORMAL:-KX-ALL:+PSK NORMAL:-KX-ALL:+PSK:+ECDHE-PSK; do
      timeout 20 gnutls-cli --no-ca-verification --port "$TCP_PORT" --pskusername alice \
        --pskkey 0123456789abcdef --priority "$priority:-VERS-ALL:+VERS-TLS1.3" 127.0.0.1 \
        </dev/null >gnutls.log 2>&1 && return 1
      grep -q 'Fatal error' gnutls.log || return 1
    done
  return 0
}
attack foreign-clients foreign

# ---- The client's side

client() { # PORT SERVICE SECURITY: what slots it sees
  client_config there <<END
server there { address = "tcp://127.0.0.1:$1" principal = "$2" ${3:+security = $3}
  deadline-start = 10 }
END
  MULTIP11_DEBUG=1 timeout 60 "$P11TEST" "$MODULE" slots 2>&1
}
check_match "security = kdh" '^1 slots' "$(client "$TCP_PORT" "$service" kdh)"
check_match "security = gss" '^1 slots' "$(client "$TCP_PORT" "$service" gss)"
: >"$daemon_log"
check_match "without a word of it" '^1 slots' "$(client "$TCP_PORT" "$service" "")"
logged "without a word of it" "authenticated by TLS-KDH"
check_match "without a word of it, to a listener for GSS-API" '^1 slots' \
  "$(client "$GSS_PORT" "$service" "")"
logged "a listener for GSS-API" "authenticated by GSS-API"

gss_only() {
  client "$GSS_PORT" "$service" kdh | grep -q 'it may not speak TLS-KDH' &&
    client "$KDH_PORT" "$service" gss | grep -q 'authentication failed' &&
    client "$KDH_PORT" "$service" kdh | grep -q '^1 slots'
}
attack gss-only gss_only
logged gss-only "TLS, which this listener does not take"
logged kdh-only "GSS-API, which this listener does not take"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem \
  -days 2 -subj /CN=localhost >/dev/null 2>&1 || give_up "no certificate"
other_port=$(free_port)
start s_server openssl s_server -accept "127.0.0.1:$other_port" -tls1_3 -key key.pem -cert cert.pem -www
wait_for 10 listening "$other_port" || give_up "s_server: $(cat s_server)"
s_server=$!
# Refused, whether TLS-KDH is asked for or preferred; GSS-API is never tried after that.
refuses() { # PATTERN PORT SERVICE
  local security said
  for security in kdh ""; do
    said=$(client "$2" "$3" "$security")
    printf '%s\n' "$said"
    grep -qE -- "$1" <<<"$said" && ! grep -qE '^1 slots|going on by GSS-API' <<<"$said" || return 1
  done
}
attack certificate refuses 'the server does not use the key' "$other_port" "$service"
stop "$s_server"
# Whatever the KDC gave a ticket for, the service's key has to be there.
attack impostor refuses 'keytab does not have the key' "$TCP_PORT" "http/localhost@$realm_name"
realm_kadmin cpw -randkey pkcs11/renewed
attack wrong-key refuses 'keytab does not have the key' "$TCP_PORT" "pkcs11/renewed@$realm_name"

# Who closes what begins with TLS, and would take a GSS token.
rogue_port=$(free_port)
start rogue env "KRB5_KTNAME=FILE:$MULTIP11_TMP/service.keytab" KRB5RCACHENAME=none: \
  "$MULTIP11_BUILD/regress/attack/rogue_server" tcp "$rogue_port" honest
rogue=$!
wait_for 10 grep -q listening rogue || give_up "no rogue: $(cat rogue)"
downgraded() {
  client "$rogue_port" "$service" kdh >downgrade.log
  grep -q 'it may not speak TLS-KDH' downgrade.log && ! grep -q '^accepted' rogue
}
attack no-downgrade downgraded
# Else that would mean nothing.
client "$rogue_port" "$service" "" >preferred.log
check_match "without a word of it, it is logged" 'going on by GSS-API' "$(cat preferred.log)"
check "and the rogue has its token" grep -q '^accepted' rogue
stop "$rogue"

attack_match honest '^1 slots' "$(client "$TCP_PORT" "$service" kdh)"
check "nothing was killed by its sandbox" not said 'SIGSYS|seccomp'
check "and nothing crashed" not said 'signal (4|6|7|8|11)'
daemon_down
finish_attacks
