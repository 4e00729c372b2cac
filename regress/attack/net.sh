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


# limit: 600
# A multip11-net that somebody owns: owned_net stands in the real one's place. It has its own client and
# what auth says of it; not other connections, not a backend before auth has spoken, not [priv].
#
# attack: own-descriptors has the descriptors of its own connection and no others
# attack: early-channel before authentication gets no channel from the monitor, whatever it sends
# attack: own-verdict cannot say itself who its client is
# attack: asks-auth-twice has one exchange with auth, whatever its outcome
# attack: auth-after-verdict gets no second verdict once auth has spoken
# attack: renews-with-nothing has its client's ticket, and no fresh one: it renews nothing
# attack: says-renewal words that auth says of a renewal, said to auth, end its place there
# attack: asks-for-backends a request for a backend, sent to [priv], ends it
# attack: allows-itself words of the vault, sent to [priv], end it
# attack: ends-others words that end other connections end it alone
# attack: no-backend-before no backend was started by any of these
# attack: foreign-slots after authentication sees its client's token and no other
# attack: foreign-sessions no session of another client's, which has some, at any handle
# attack: foreign-objects no object of another client's at any handle
# attack: others-unharmed another client's session, login and key live through all of it
. "$(dirname "$0")/../lib.sh" || exit 2
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-owned.sh"

owned net
realm_up
backend_softhsm hsm mine
mine=$BACKEND_TEXT
backend_softhsm other others
daemon_config <<END
pool-size = 1
log-level = verbose
log-rate = 10000
$mine
$BACKEND_TEXT
token mine { layer { backend = hsm token = mine } access = read-write
  allow = {"alice@$realm_name"} }
token others { layer { backend = other token = others } access = read-write
  allow = {"$(me local)"} }
END
mode none
daemon_up
victim_up others
started() { grep -c "backend hsm is process" "$daemon_log"; }

# A client that says one octet, so that it is given a net.
stranger() {
  mode "$1"
  local fd
  exec {fd}<>"/dev/tcp/127.0.0.1/$TCP_PORT"
  printf '\0' >&$fd
  wait_for 20 ended "$1"
  exec {fd}>&-
}
stranger before
for name in own-descriptors early-channel own-verdict; do reported $name; done
stranger twice
reported asks-auth-twice
for what in spawn allow end; do
  case $what in
  spawn) name=asks-for-backends ;;
  allow) name=allows-itself ;;
  end) name=ends-others ;;
  esac
  : >"$daemon_log"
  stranger $what
  attack_match $name 'multip11-net\[[0-9]*\] broke the form of its records; killed' "$(cat "$daemon_log")"
  check "$name: it did not live on" not said "attack $what no"
done
attack_equal no-backend-before 0 "$(started)"

use_client gss
for what in renew say-renewal; do
  mode $what
  : >"$daemon_log"
  timeout 60 "$P11TEST" "$MODULE" slots >/dev/null 2>&1 </dev/null
  wait_for 60 ended $what
  [ $what = renew ] && reported renews-with-nothing || reported says-renewal
  check "$what: no monitor was told" not said 'ticket renewed, ends at'
done
mode after
: >"$daemon_log"
timeout 60 "$P11TEST" "$MODULE" slots >/dev/null 2>&1 </dev/null
wait_for 60 ended after
check_equal "an owned net serves its own client" "yes yes" \
  "$(verdict serves | cut -d' ' -f1) $(verdict own-session | cut -d' ' -f1)"
for name in auth-after-verdict foreign-slots foreign-sessions foreign-objects; do reported $name; done
attack others-unharmed victim_lives
check "the daemon lives" running "$DAEMON"
victim_down
daemon_down
finish_attacks
