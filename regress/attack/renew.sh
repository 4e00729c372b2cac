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

# A connection lives as long as its ticket, and a fresh ticket makes it live longer: the same client's,
# made for this connection, and taken once. A driver with tickets of a real KDC tries the others,
# over TLS-KDH and over GSS-API. If this failed, somebody would keep a connection that is not his.
#
# attack: before-hello      a renewal from who has not said that it renews
# attack: too-soon          a renewal at once: one client must not fill what auth remembers
# attack: other-user        another user's fresh ticket
# attack: no-newer          a ticket that ends when the one before does
# attack: other-connection  a fresh ticket that was made for another connection of the same user
# attack: for-a-handshake   an AP-REQ that was made for a ClientHello
# attack: used-again        a renewal that was taken, once more
# attack: garbage           octets that are no AP-REQ, or not all of one, or one that was changed
# attack: flood             tickets without end: after eight that are refused none is looked at
# attack: honest            meanwhile and afterwards fresh tickets are taken
# limit: 600
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"

driver=$MULTIP11_BUILD/regress/attack/renew_driver
hosted_programs
realm_up
backend_softhsm hsm keys
daemon_config <<END
log-level = verbose
$BACKEND_TEXT
token keys { layer { backend = hsm token = keys } allow = {"alice@$realm_name"} }
END
daemon_up
service=pkcs11/localhost@$realm_name
said() { grep -qE -- "$1" "$daemon_log"; }
logged() { check "$1: the log says why" wait_for 5 said "$2"; } # NAME PATTERN

present=FILE:$MULTIP11_TMP/present newer=FILE:$MULTIP11_TMP/newer other=FILE:$MULTIP11_TMP/other
realm_kinit alice secret -l 10m -c "$present" || give_up "no ticket"
realm_kinit alice secret -l 30m -c "$newer" || give_up "no newer ticket"
realm_kinit bob secret -l 60m -c "$other" || give_up "no ticket of bob's"
renews() { KRB5CCNAME=$present timeout 120 "$driver" "$TCP_PORT" "$service" "$@"; } # SECURITY CASE CACHE

# Each once for both, as one attack.
both() { # CASE CACHE: the words for TLS-KDH, and those for GSS-API
  renews gss "$@" >gss.out &
  renews kdh "$@" >kdh.out
  wait $!
  printf '%s, %s\n' "$(cat kdh.out)" "$(cat gss.out)"
}
same() { printf '%s, %s\n' "$1" "$1"; }

check_equal "what is asked for is there" "$(same "renewed lives")" "$(both fresh "$newer")"
logged "a fresh ticket" "alice@$realm_name has a fresh ticket"
check_equal "each is told to its monitor" 2 "$(grep -c 'ticket renewed, ends at' "$daemon_log")"
: >"$daemon_log"

attack_equal before-hello "$(same "failure 2 lives")" "$(both before-hello "$newer")"
attack_equal too-soon "$(same "later lives")" "$(both too-soon "$newer")"
logged too-soon "it comes too soon"
attack_equal other-user "$(same "rejected lives")" "$(both fresh "$other")"
logged other-user "bob@$realm_name: the connection is that of alice@$realm_name"
attack_equal no-newer "$(same "rejected lives")" "$(both fresh "$present")"
logged no-newer "ends no later than the one before"
attack_equal other-connection "$(same "rejected lives")" "$(both other-connection "$newer")"
logged other-connection "made for another ClientHello, or another connection"
attack_equal for-a-handshake "$(same "rejected lives")" "$(both for-a-handshake "$newer")"
attack_equal garbage "$(same "rejected rejected rejected rejected lives")" "$(both garbage "$newer")"
refused=$(printf 'rejected %.0s' 1 2 3 4 5 6 7 8)
attack_equal flood "$(same "${refused}never never never lives")" "$(both flood "$newer")"
logged flood "too many tickets that were refused"
check "none of these was told to a monitor" not said 'ticket renewed, ends at'
attack_equal used-again "$(same "renewed rejected lives")" "$(both used-again "$newer")"
attack_equal honest "$(same "renewed lives")" "$(both fresh "$newer")"
check "nothing was killed by its sandbox" not said 'SIGSYS|seccomp'
check "and nothing crashed" not said 'signal (4|6|7|8|11)'
daemon_down
finish_attacks
