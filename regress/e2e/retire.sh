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


# retire: what becomes of a token on demand when nobody may use it any more. If this failed, somebody
# who comes back would find the keys of before where they should be set aside, or files of others would
# be removed with those of a token that is destroyed.
# limit: 120
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util pkcs11-tool openssl python3

hosted_programs
find_softhsm || give_up "no SoftHSM"
unset SOFTHSM2_CONF
MULTIP11=$(find_program multip11)
state=$MULTIP11_TMP/state people=$MULTIP11_TMP/state/tokens/people
(umask 077 && openssl rand -hex 32 >master.key) || give_up "no master key"
softhsm_skeleton

# 1. What the layer says; the others who may use it.
configure() {
  local p
  for p in alice bob; do
    echo "listener $p { path = \"$MULTIP11_TMP/$p.sock\" mode = 0666 principal = $p }"
  done
  echo "state-directory = \"$state\" master-key = \"$MULTIP11_TMP/master.key\""
  echo "backend people {"
  echo "  module = \"$SOFTHSM_MODULE\" skeleton = \"$MULTIP11_TMP/skeleton\" token-lock = yes"
  as_root && echo '  uids = "62000-62999"' || echo '  isolate = token'
  echo "  environment = {\"SOFTHSM2_CONF=%d/softhsm2.conf\"}"
  echo "}"
  echo "token \"keys of %p\" {"
  echo "  layer { backend = people token = \"%p\" on-demand = yes access = read-write $1 }"
  echo "  allow = {$(printf '"local:%s", ' "${@:2}" | sed 's/, $//')}"
  echo "}"
}
in_effect() { [ "$(grep -c 'configuration is in effect' "$daemon_log")" -gt "$before" ]; }
reload() { # as configure
  before=$(grep -c 'configuration is in effect' "$daemon_log")
  [ $# = 0 ] || daemon_config < <(configure "$@")
  kill -HUP "$DAEMON"
  wait_for 10 in_effect || not_ok "no new configuration: $(tail -n 3 "$daemon_log")"
}
daemon_config < <(configure "retire = hide" alice bob)
daemon_up
for p in alice bob; do
  client_config "$p" <<<"server here { address = \"unix://$MULTIP11_TMP/$p.sock\" }"
done
as() { # PERSON ARGUMENT...
  MULTIP11_CONFIG=$MULTIP11_TMP/$1.conf timeout 60 pkcs11-tool --module "$MODULE" "${@:2}" 2>&1
}
key() { # PERSON ID: makes one
  as "$1" --token-label "keys of $1" --login --pin "" --keypairgen --key-type EC:prime256v1 --id "$2"
}
keys() { # PERSON: the ids of what there is
  as "$1" --token-label "keys of $1" --login --pin "" -O --type privkey | sed -n 's/^  ID: *//p' | paste -sd,
}
admin() { "$MULTIP11" vault --socket "$MULTIP11_TMP/run/vault.sock" "$@" </dev/null 2>&1; }
said() { grep -qE "$1" "$daemon_log"; }
sums() { (cd "$people/$1" && find . -type f -exec cksum {} + | sort); }

age() { # DAYS: that many more have passed for what is not used
  python3 - "$state/vault/state.db" "$1" <<'END' || not_ok "the database is not changed"
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=10) as db:
    days = int(sys.argv[2])
    assert db.execute("UPDATE gone SET waited = waited + 86400 * ?", [days]).rowcount == 1
END
}

check "alice has a token, and a key" key alice 01
check "bob, too" key bob 02
alice=$(ls "$people" | head -n 1) bob=$(ls "$people" | tail -n 1)

# ---- Hidden

reload "retire = hide" bob
check "for a day nothing happens" wait_for 10 said 'token "alice" on people: nobody may use it any more'
age 1
reload
check "alice's is hidden" wait_for 10 said 'audit: token "alice" on people was hidden'
check_equal "alice sees nothing" "" "$(as alice -L | grep 'keys of')"
reload "retire = hide" alice bob
check "alice comes back and has a token" key alice 11
check_equal "without the keys of before" 11 "$(keys alice)"
check_equal "both lie there" 2 "$(find "$people/$alice" -name token.object | wc -l)"
hidden=$(admin list | awk '$3 == "hidden" { print $6, $7 }')
check_match "an administrator sees the old one" '^[0-9a-f]{32} alice$' "$hidden"
id=${hidden% *}
pin=$(admin --yes --hidden export people "$id")
check_match "its PIN is exported, and opens it" "ID: *01" "$(SOFTHSM2_CONF=$people/$alice/softhsm2.conf \
  pkcs11-tool --module "$SOFTHSM_MODULE" --token-label "$id" --login --pin "$pin" -O 2>&1)"
check "which is told" said "audit: .* has been shown the PIN of hidden token \"$id\""
as_root && chown -R "$alice:$alice" "$people/$alice"
check "it is forgotten" admin --yes --hidden remove people "$id"
check_equal "and not listed any more" "" "$(admin list | grep hidden)"
check_match "once" "no such hidden token" "$(admin --yes --hidden remove people "$id")"

# ---- Destroyed: not before its time

reload "retire = destroy retire-after = 30" alice bob
install -m 644 /dev/null "$MULTIP11_TMP/of-others"
bobs=$people/$bob
mkdir -p "$bobs/closed/inside" "$bobs/a/b/c"
ln -s "../$alice" "$bobs/down"
ln -s "$MULTIP11_TMP/of-others" "$bobs/file"
ln -s .. "$bobs/up"
echo x >"$bobs/closed/inside/x"
as_root && chown -hR "$bob:$bob" "$bobs"
chmod 000 "$bobs/closed/inside" "$bobs/closed"
alices=$(sums "$alice")
mkfifo hold.in
MULTIP11_CONFIG=$MULTIP11_TMP/bob.conf "$P11TEST" "$MODULE" hold "keys of bob" <hold.in >hold.out 2>&1 &
holder=$!
started_pids+=($holder)
exec 7>hold.in
wait_for 20 grep -q ready hold.out || not_ok "bob does not hold: $(cat hold.out)"

reload "retire = destroy retire-after = 30" alice
check "the days are counted" wait_for 10 said 'token "bob" on people: nobody may use it any more'
check_match "which the list shows" "bob, unused since 20" "$(admin list)"
reload
check_equal "nothing goes before they are over" 1 "$(find "$bobs" -name token.object | wc -l)"
age 31

# ---- Nor while somebody could use it

reload
check "it waits for who is connected" wait_for 10 said '"bob" on people is not destroyed yet: somebody is connected'
check_equal "whose token is whole" 1 "$(find "$bobs" -name token.object | wc -l)"
check "and who signs" eval 'echo >&7; wait_for 10 grep -q "sign CKR_OK" hold.out'
exec 7>&-
wait $holder
nobody() { [ -z "$(pids_of -backend)" ]; }
wait_for 10 nobody || not_ok "a library lives on"

# ---- And then whole, and nothing else

reload
check "it is destroyed" wait_for 20 said 'audit: token "bob" on people was destroyed'
check_equal "nothing is left of it" "" "$(ls -A "$bobs")"
check_equal "its directory stays its own" "$(as_root && echo "$bob" || id -u)" "$(stat -c %u "$bobs")"
check_equal "alice's is as it was" "$alices" "$(sums "$alice")"
check "what a link named is there" [ -f "$MULTIP11_TMP/of-others" ]
check_equal "and in use" 11 "$(keys alice)"
check_equal "the vault knows of it no more" "" "$(admin list | grep -w bob)"
reload "retire = destroy retire-after = 30" alice bob
check_equal "who comes back has nothing" "" "$(keys bob)"
check "and gets a new one" key bob 12
check_equal "in the same place" 1 "$(find "$bobs" -name token.object | wc -l)"
check_equal "no program was ended for it" "" "$(grep -E 'stopped by its sandbox|broke the form' "$daemon_log")"
daemon_down
finish
