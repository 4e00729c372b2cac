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

# A daemon with idle connections sleeps: no process of it wakes up by itself. If this failed, a thousand
# isolate = token: each token of a library has a process, a user and a directory of its own, by the
# name that it has for each person, for good. If this failed, who broke a library would have the files
# of everybody who uses it.
# limit: 300
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util pkcs11-tool

hosted_programs
find_softhsm || give_up "no SoftHSM"
unset SOFTHSM2_CONF
install -m 755 "$SOFTHSM_MODULE" "$LIBEXEC/people.so" || give_up "no copy of SoftHSM"
install -m 755 "$MULTIP11_BUILD/regress/rogue/.libs/inside.so" "$LIBEXEC/rogue.so" ||
  give_up "no rogue library"
state=$MULTIP11_TMP/state people=$MULTIP11_TMP/state/tokens/people

# ---- The skeleton: what the library needs to find its directory

softhsm_skeleton

range() { as_root && echo "uids = \"$1\"" || echo "isolate = token"; }
configure() { # ENVIRONMENT...
  local p
  for p in alice bob carol; do
    echo "listener $p { path = \"$MULTIP11_TMP/$p.sock\" mode = 0666 principal = $p }"
  done
  echo "state-directory = \"$state\""
  echo "backend people {"
  echo "  module = \"$LIBEXEC/people.so\" skeleton = \"$MULTIP11_TMP/skeleton\" token-lock = yes"
  range 61900-61902
  echo "  environment = {\"SOFTHSM2_CONF=%d/softhsm2.conf\"$1}"
  echo "}"
  echo "token \"desk of %p\" {"
  echo "  layer { backend = people token = \"%p\" }"
  echo "  layer { backend = people token = club access = read-only allow = {\"local:alice\", \"local:bob\"} }"
  echo "  access = read-write allow = {\"local:alice\", \"local:bob\", \"local:carol\"}"
  echo "}"
}
daemon_config < <(configure "")
daemon_up
for p in alice bob carol; do
  client_config "$p" <<<"server here { address = \"unix://$MULTIP11_TMP/$p.sock\" }"
done
as() { # PERSON ARGUMENT...
  MULTIP11_CONFIG=$MULTIP11_TMP/$1.conf timeout 60 pkcs11-tool --module "$MODULE" "${@:2}" 2>&1
}

# ---- A directory for each, before there is anything in it

check_match "before there is a token, there is none" CKR_TOKEN_NOT_PRESENT \
  "$(as alice -L)"
as bob -L >/dev/null
directories() { (cd "$people" && ls) | paste -sd' '; }
first=61900
as_root || first=1000
club=$((first + 1)) bob=$((first + 2))
check_equal "one for alice, one for bob, one for the club" "$first $club $bob" "$(directories)"
of() { stat -c '%a %u:%g' "$people/$1"; }
for uid in $first $club $bob; do
  if as_root; then
    check_equal "$uid is its own user's alone" "700 $uid:$uid" "$(of $uid)"
  else
    check_equal "$uid is nobody else's" "700" "$(of $uid | cut -d' ' -f1)"
  fi
  check_equal "$uid has the skeleton" "directories.tokendir = $people/$uid/tokens" \
    "$(head -n 1 "$people/$uid/softhsm2.conf")"
done
check_equal "the vault's directory is its own" "700" "$(stat -c %a "$state/vault")"
if as_root; then
  check_equal "and of its user" "$VAULT_UID:$VAULT_UID" "$(stat -c %u:%g "$state/vault")"
  check_match "a range that is used up is told" "all of uids = 61900-61902 are given; widen it" \
    "$(as carol -L >/dev/null; cat "$daemon_log")"
  check_equal "and no directory is made" "$first $club $bob" "$(directories)"
fi

# ---- Tokens in them, as an administrator makes them

make_token() { # UID LABEL
  local owner=$1
  as_root || owner=$(id -u)
  SOFTHSM2_CONF=$people/$1/softhsm2.conf softhsm2-util --init-token --free --label "$2" \
    --so-pin 12345678 --pin 1234 >token.log 2>&1 || give_up "token $2: $(cat token.log)"
  as_root && chown -R "$owner:$owner" "$people/$1"
}
make_token $first alice
make_token $club club
make_token $bob bob
make_key() { # PERSON
  as "$1" --login --pin 1234 --keypairgen --key-type EC:prime256v1 --label "$1's key" --id 01 \
    >key.log || not_ok "no key for $1: $(cat key.log)"
}
make_key alice
make_key bob
objects() { as "$1" --login --pin 1234 -O | sed -n 's/^  label: *//p' | sort -u | paste -sd,; }
for p in alice bob; do
  check_equal "$p sees one token" "desk of $p" "$(as $p -L | sed -n 's/^ *token label *: *//p')"
  check_equal "$p sees what is $p's" "$p's key" "$(objects $p)"
done
check_match "alice's key lies in alice's directory" "token.object" \
  "$(find "$people/$first/tokens" -type f)"

# ---- The uid stays, whatever ends

kill -KILL $(pids_of -vault)
served() { as alice -L | grep -q "desk of alice"; }
check "another vault knows them" wait_for 30 served
check_equal "alice's is alice's" "alice's key" "$(objects alice)"
daemon_down
daemon_up
check_equal "after another start, too" "bob's key" "$(objects bob)"
check_equal "and there is nothing new" "$first $club $bob" "$(directories)"
sed 's/uids = .*/uids = "61910-61919"/; s/isolate = token/uids = "2000-2009"/' "$DAEMON_CONFIG" >moved
cp moved "$DAEMON_CONFIG"
kill -HUP "$DAEMON"
said() { grep -q "$1" "$daemon_log"; }
moved() { as alice -L >/dev/null; said "is not of uids"; }
check "a range that leaves a token out is told" wait_for 20 moved
check_equal "and loses nothing" "$first $club $bob" "$(directories)"
daemon_down

# ---- A rogue build in the library's place

read=$people/$first:$people/$first/softhsm2.conf:$people/$club:$people/$club/softhsm2.conf:$state/vault
for f in $(find "$people/$first/tokens" "$people/$club/tokens" "$state/vault" -type f); do
  read=$read:$f
done
daemon_config < <(configure ", \"INSIDE_READ=$read\", \"INSIDE_WRITE=$read\", \
  \"INSIDE_DIRECTORIES=$people/$first:$people/$first/tokens:$people/$club:$state/vault:$people:$state\", \
  \"INSIDE_MINE=\"")
sed -i '/layer { backend = people token = club/d' "$DAEMON_CONFIG"
install -m 755 "$LIBEXEC/rogue.so" "$LIBEXEC/people.so"
: >"$daemon_log"
before=$(find "$people/$first" "$people/$club" -type f -exec cksum {} + | sort)
daemon_up
as bob -L >/dev/null
as bob --generate-random 8 >/dev/null
tried() { said "inside initialize tried"; }
check "bob's library tries" wait_for 20 tried
for where in constructor initialize; do
  check_match "$where: it tries many" "inside $where tried [1-9][0-9]" "$(cat "$daemon_log")"
  check_equal "$where: and none works" "" \
    "$(grep -o "inside $where worked.*\(people/$first\|people/$club\|state\).*" "$daemon_log" | sort -u)"
done
check_equal "alice's files and the club's are as they were" "$before" \
  "$(find "$people/$first" "$people/$club" -type f -exec cksum {} + | sort)"
daemon_down
finish
