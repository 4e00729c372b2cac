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

# Tickets that are renewed while a connection lives: multip11-remote finds the fresh one in the user's
# cache, and the session, its login and its key live on. If this failed, whatever runs for longer than
# a ticket would lose its sessions although its tickets are looked after.
# limit: 300
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

hosted_programs
realm_up
backend_softhsm hsm keys
daemon_config <<END
log-level = verbose
$BACKEND_TEXT
token keys { layer { backend = hsm token = keys } access = read-write allow = {"alice@$realm_name"} }
END
daemon_up
export P11TEST_PIN=$SUITE_PIN
said() { grep -qE -- "$1" "$daemon_log"; }

# An application with a ticket of 30 s, in a cache of its own.
begin() { # SECURITY NAME
  use_client "$1"
  export KRB5CCNAME=FILE:$MULTIP11_TMP/cache-$2
  realm_kinit alice secret -l 30s || give_up "no ticket"
  mkfifo "in-$2"
  "$P11TEST" "$MODULE" hold keys <"in-$2" >"out-$2" 2>&1 &
  started_pids+=("$!")
  exec {held}>"in-$2"
  wait_for 15 grep -q ready "out-$2" || give_up "$2: $(cat "out-$2")"
}
signs() { # FD NAME: the answer
  local before
  before=$(grep -c '^sign ' "out-$2")
  echo >&"$1"
  wait_for 20 eval '[ "$(grep -c "^sign " "out-'"$2"'")" -gt '"$before"' ]' || echo nothing
  tail -n 1 "out-$2"
}

begin kdh kdh && kdh=$held
begin gss gss && gss=$held
begin kdh idle && idle=$held # makes no call until it is over
begin kdh never && never=$held
for name in kdh gss idle; do
  KRB5CCNAME=FILE:$MULTIP11_TMP/cache-$name realm_kinit alice secret -l 10m || give_up "no fresh ticket"
done
for name in kdh gss; do
  fd=${!name}
  check_equal "$name: before the old end" "sign CKR_OK" "$(signs "$fd" "$name")"
done
# Another vault and another auth: the old one is kept for those that it has accepted.
kill -HUP "$DAEMON"
check "SIGHUP meanwhile" wait_for 10 said "new configuration is in effect"
sleep 33
check_equal "three were renewed" 3 "$(grep -c 'ticket renewed, ends at' "$daemon_log")"
for name in kdh gss idle; do
  fd=${!name}
  check_equal "$name: beyond it, the same session with its login and key" "sign CKR_OK" \
    "$(signs "$fd" "$name")"
done
check_match "never: who renews nothing is ended" "^sign CKR_(DEVICE|SESSION|TOKEN)" \
  "$(signs "$never" never)"
check "and it is said" said "the client's ticket has ended"
for fd in $kdh $gss $idle $never; do exec {fd}>&-; done
check "nothing was killed by its sandbox" not said 'SIGSYS|seccomp'
daemon_down
finish
