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


# limit: 300
# A multip11-auth that somebody owns: owned_service stands in the real one's place. It may be anybody
# from the network (SECURITY); it is no local user, has no backend, ends nobody, and sees no PIN.
#
# attack: speaks-for-local a verdict of a local user is refused, and the connection ended
# attack: second-verdict a second verdict ends the connection
# attack: renews-others a renewal of a connection that it has not accepted ends it
# attack: renews-as-another a renewal of its own connection as another user's ends that connection
# attack: ends-others words that end other connections, to [priv], end it alone
# attack: asks-for-backends a request for a backend ends it
# attack: no-backend no backend was started by any of these
# attack: others-unharmed a local client's session, login and key live through all of it
# attack: back-to-work another auth takes its place
. "$(dirname "$0")/../lib.sh" || exit 2
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-owned.sh"

owned auth
realm_up
backend_softhsm hsm mine
mine=$BACKEND_TEXT
backend_softhsm other others
daemon_config <<END
log-level = verbose
$mine
$BACKEND_TEXT
token mine { layer { backend = hsm token = mine } access = read-write
  allow = {"alice@$realm_name", "bob@$realm_name"} }
token others { layer { backend = other token = others } access = read-write
  allow = {"$(me local)"} }
END
for what in local twice renew-as renew-other priv spawn; do
  mode $what
  : >"$daemon_log"
  daemon_up
  victim_up others
  : >stranger.log
  exec {fd}<>"/dev/tcp/127.0.0.1/$TCP_PORT"
  printf '\0' >&$fd
  case $what in
  local)
    reported speaks-for-local
    check_match "speaks-for-local: the vault says why" 'unusable verdict from auth' "$(cat "$daemon_log")"
    ;;
  twice)
    reported second-verdict
    check_match "second-verdict: the vault says why" 'a second verdict' "$(cat "$daemon_log")"
    ;;
  renew-as)
    reported renews-as-another
    check_match "renews-as-another: [priv] says why" 'renewed what it is not' "$(cat "$daemon_log")"
    ;;
  *)
    name=ends-others
    [ $what = spawn ] && name=asks-for-backends
    [ $what = renew-other ] && name=renews-others
    wait_for 20 said "multip11-auth.* broke the form"
    attack_match $name 'multip11-auth\[[0-9]*\] broke the form of its records; killed' \
      "$(cat "$daemon_log")"
    ;;
  esac
  check "$what: a local client is unharmed" victim_lives
  check "$what: no backend was started" not said "backend hsm is process"
  [ $what = spawn ] || {
    exec {fd}>&-
    victim_down
    daemon_down
  }
done
attack_equal no-backend 0 "$(grep -c "backend hsm is process" "$daemon_log")"
install -m 755 "$(find_program multip11-auth)" "$LIBEXEC/multip11-auth.new"
mv "$LIBEXEC/multip11-auth.new" "$LIBEXEC/multip11-auth"
pid=$(pids_of -auth)
[ -z "$pid" ] || kill -KILL $pid
served() { use_client gss; "$P11TEST" "$MODULE" slots 2>&1 | grep -q '^1 slots'; }
attack back-to-work wait_for 30 served
attack others-unharmed victim_lives
victim_down
daemon_down
finish_attacks
