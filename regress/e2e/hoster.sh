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

# What a hoster gives three people: each one token of layers, the keys of the person above those of
# the group above those of the company, from two libraries that know nothing of each other. If this
# failed, somebody would see or lose keys, or would write where they may only read.
# limit: 300
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util pkcs11-tool openssl

hosted_programs
realm_up
realm_user carol secret || give_up "the realm has no carol"
people="alice bob carol"

# ---- The libraries: `people` holds a token for each person; `shared` those of groups and company

declare -A pin_of=([stamps]=9876501) # of tokens that have one of their own
token_of() { # BACKEND TOKEN
  SOFTHSM2_CONF=$MULTIP11_TMP/softhsm-$1/softhsm2.conf softhsm2-util --init-token --free \
    --label "$2" --so-pin "$SUITE_SO_PIN" --pin "${pin_of[$2]:-$SUITE_PIN}" >token.log 2>&1 ||
    give_up "token $2: $(cat token.log)"
}
direct() { # BACKEND TOKEN ARGUMENT...: the library itself
  SOFTHSM2_CONF=$MULTIP11_TMP/softhsm-$1/softhsm2.conf pkcs11-tool --module "$SOFTHSM_MODULE" \
    --token-label "$2" --login --pin "${pin_of[$2]:-$SUITE_PIN}" "${@:3}" 2>&1
}
# Each key has a CKA_ID of its own, as pkcs11-tool signs with nothing else.
declare -A id=([alice]=10 [bob]=11 [carol]=12 [ops]=13 [dev]=14 [company]=15 [stamps]=16 [team]=17)
new_key() { # BACKEND TOKEN
  direct "$1" "$2" --keypairgen --key-type rsa:2048 --label "$2's key" --id "${id[$2]}" >key.log ||
    give_up "key of $2: $(cat key.log)"
  direct "$1" "$2" --read-object --type pubkey --id "${id[$2]}" --output-file "$2.der" >key.log &&
    openssl pkey -pubin -inform DER -in "$2.der" -out "$2.pem" 2>key.log ||
    give_up "public key of $2: $(cat key.log)"
}
backend_softhsm people alice
people_backend=$BACKEND_TEXT people_uid=$BACKEND_UID
for t in bob carol keys; do token_of people $t; done
backend_softhsm shared ops
shared_backend=$BACKEND_TEXT shared_uid=$BACKEND_UID
for t in dev company papers stamps team; do token_of shared $t; done
for t in $people; do new_key people $t; done
for t in ops dev company stamps team; do new_key shared $t; done
install -m 755 "$MULTIP11_BUILD/regress/mock/.libs/mock.so" "$LIBEXEC/" || give_up "no mock library"
if as_root; then
  chown -R "$people_uid:$people_uid" softhsm-people
  chown -R "$shared_uid:$shared_uid" softhsm-shared
fi

# ---- The daemon

safes=$MULTIP11_TMP/safes
(umask 077 && openssl rand -hex 32 >master-key)
mkdir -p skeleton/tokens
printf '%s\n' 'directories.tokendir = @directory@/tokens' 'log.level = ERROR' \
  >skeleton/softhsm2.conf.in
chmod 755 skeleton skeleton/tokens
chmod 644 skeleton/softhsm2.conf.in
token_text() { # PERSON: the same layers for all, those of groups for their members
  echo "token \"$1's\" {"
  echo "  layer { backend = people token = $1 access = read-write required = yes }"
  for g in ops dev; do
    echo "  layer { backend = shared token = $g access = read-only allow = {\"group:$g\"} }"
  done
  echo "  layer { backend = shared token = company access = read-only pin = none }"
  echo "  allow = {\"$1@$realm_name\", \"local:$1\"}"
  echo "}"
  # Which nobody makes.
  echo "token \"$1's safe\" {"
  echo "  layer { backend = safes token = $1 on-demand = yes access = read-write }"
  echo "  allow = {\"$1@$realm_name\", \"local:$1\"}"
  echo "}"
}
configure_layers() {
  # Listeners whose clients are one person, for the same views by a local socket.
  for p in $people; do
    echo "listener $p { path = \"$MULTIP11_TMP/$p.sock\" mode = 0666 principal = $p }"
  done
  echo "$people_backend"
  echo "$shared_backend"
  echo "state-directory = \"$safes\" master-key = \"$MULTIP11_TMP/master-key\""
  echo "backend safes {"
  echo "  module = \"$SOFTHSM_MODULE\" skeleton = \"$MULTIP11_TMP/skeleton\" token-lock = yes"
  as_root && echo "  uids = \"61800-61899\"" || echo "  isolate = token"
  echo "  environment = {\"SOFTHSM2_CONF=%d/softhsm2.conf\"}"
  echo "}"
  echo "group ops { file = \"$MULTIP11_TMP/ops.members\" }"
  echo "group dev { file = \"$MULTIP11_TMP/dev.members\" }"
  for g in ops dev; do
    echo "token \"desk of $g\" {"
    echo "  layer { backend = shared token = $g }"
    echo "  layer { backend = shared token = company pin = none }"
    echo "  allow = {\"group:$g\"}"
    echo "}"
  done
  for p in $people; do token_text $p; done
  # Of one who has no ticket.
  echo "listener dave { path = \"$MULTIP11_TMP/dave.sock\" mode = 0666 principal = dave }"
  echo "token cabinet {"
  echo "  layer { backend = people token = keys create = {public-key, private-key} }"
  echo "  layer { backend = shared token = papers create = {certificate, data} }"
  echo "  access = read-write allow = {\"local:dave\"}"
  echo "}"
  # A third library, another's altogether: above the papers, and of another PIN.
  echo "backend mock {"
  echo "  module = \"$LIBEXEC/mock.so\" environment = {\"MOCK_EXHIBIT=dave's exhibit\"}"
  as_root && echo "  user = \"$next_backend_uid:$next_backend_uid\""
  echo "}"
  echo "token museum {"
  echo "  layer { backend = mock pin = none }"
  echo "  layer { backend = shared token = papers }"
  echo "  allow = {\"local:dave\"}"
  echo "}"
  # Keys whose PIN nobody knows who uses them: alone, and below dave's own.
  echo "token stamps {"
  echo "  layer { backend = shared token = stamps pin = \"file:$MULTIP11_TMP/stamps.pin\" }"
  echo "  allow = {\"local:dave\"}"
  echo "}"
  echo "token office {"
  echo "  layer { backend = people token = keys }"
  echo "  layer { backend = shared token = stamps pin = \"file:$MULTIP11_TMP/stamps.pin\" }"
  echo "  allow = {\"local:dave\"}"
  echo "}"
  # What is the team's is called so, and what dave has himself replaces it.
  echo "token desk {"
  echo "  layer { backend = people token = keys blind = yes create = {certificate} }"
  echo "  layer { backend = shared token = team create = {data}"
  echo "    label-prefix = \"team: \" id-prefix = 74 }"
  echo "  access = read-write allow = {\"local:dave\"}"
  echo "}"
  # The same two without names or replacement.
  echo "token bench {"
  echo "  layer { backend = people token = keys create = {certificate} }"
  echo "  layer { backend = shared token = team create = {data} }"
  echo "  access = read-write allow = {\"local:dave\"}"
  echo "}"
  # The same keys, as far as they are for a shop; and what would be refused there.
  for policy in enforce audit; do
    echo "token \"shop $policy\" {"
    echo "  layer {"
    echo "    backend = people token = keys policy = $policy"
    echo "    no-functions = {C_DestroyObject} no-mechanisms = {\"CKM_*RSA*\"}"
    echo "    show = {\"label=shop-*\"} hide = {\"id=2b*\"} no-export = yes"
    echo "  }"
    echo "  access = read-write allow = {\"local:dave\"}"
    echo "}"
  done
}
members() { # GROUP NAME...
  local p
  for p in "${@:2}"; do printf '%s@%s\nlocal:%s\n' "$p" "$realm_name" "$p"; done >"$1.members"
  chmod 644 "$1.members"
}
(umask 077 && echo "${pin_of[stamps]}" >stamps.pin)
members ops alice bob
members dev carol
daemon_config < <(configure_layers)
daemon_up
reloaded() { [ "$(grep -c 'new configuration is in effect' "$daemon_log")" -gt "$1" ]; }
reload() {
  local before
  before=$(grep -c 'new configuration is in effect' "$daemon_log")
  kill -HUP "$DAEMON"
  wait_for 20 reloaded "$before" || not_ok "SIGHUP has no effect"
}

use_client gss
client_config local-dave <<<"server here { address = \"unix://$MULTIP11_TMP/dave.sock\" }"
for p in $people; do
  realm_kinit $p secret -c "FILE:$MULTIP11_TMP/$p.ccache" || give_up "no ticket for $p"
  client_config "local-$p" <<<"server here { address = \"unix://$MULTIP11_TMP/$p.sock\" }"
done
mode=gss
as() { # PERSON ARGUMENT...: pkcs11-tool in this mode
  local p=$1 conf=$MULTIP11_TMP/gss.conf
  shift
  [ $mode = local ] && conf=$MULTIP11_TMP/local-$p.conf
  KRB5CCNAME=FILE:$MULTIP11_TMP/$p.ccache MULTIP11_CONFIG=$conf \
    pkcs11-tool --module "$MODULE" "$@" 2>&1
}
in_token() { as "$1" --token-label "$2" --login --pin "$SUITE_PIN" "${@:3}"; }
tokens() { as "$1" -L | sed -n 's/^ *token label *: *//p' | sort | paste -sd,; }
# What lies in it, as CLASS LABEL: a private key is seen by who is logged in where it lies.
listed() {
  sed -n -e 's/^\(Private\|Public\) Key Object.*/\1/p' -e 's/^  label: *//p' | paste -d' ' - - | sort |
    paste -sd,
}
objects() { in_token "$1" "$2" -O | listed; }

# ---- Who sees what

portfolio() { # PERSON GROUP
  check_equal "$mode: $1 sees these tokens" "$1's,$1's safe,desk of $2" "$(tokens $1)"
  check_equal "$mode: $1 sees the layers of $1, $2 and company" \
    "$(printf '%s\n' "Private $1's key" "Public $1's key" "Private $2's key" "Public $2's key" \
      "Public company's key" | sort | paste -sd,)" "$(objects $1 "$1's")"
  check_equal "$mode: who is not logged in sees public keys" \
    "$(printf '%s\n' "Public $1's key" "Public $2's key" "Public company's key" | sort | paste -sd,)" \
    "$(as $1 --token-label "$1's" -O | listed)"
}
echo "the text that is signed" >text
lacks() { # PERSON TOKEN KEY'S-OWNER: there is no such key to sign with
  ! signs "$@" && grep -q 'Private key not found' sign.log
}
signs() { # PERSON TOKEN KEY'S-OWNER
  rm -f signature
  in_token "$1" "$2" --sign --mechanism SHA256-RSA-PKCS --id "${id[$3]}" --input-file text \
    --output-file signature >sign.log && [ -s signature ] &&
    openssl dgst -sha256 -verify "$3.pem" -signature signature text || {
    cat sign.log
    return 1
  }
}
for mode in gss local; do
  portfolio alice ops
  portfolio bob ops
  portfolio carol dev
  for p in "alice ops" "bob ops" "carol dev"; do
    read -r who group <<<"$p"
    check "$mode: $who signs with a key of their own" signs $who "$who's" $who
    check "$mode: $who signs with the key of $group below it" signs $who "$who's" $group
    check "$mode: $who signs with it in the group's token" signs $who "desk of $group" $group
    check "$mode: $who does not sign with the company's" lacks $who "$who's" company
  done
  check "$mode: carol does not sign with a key of ops" lacks carol "carol's" ops
done
mode=gss

# ---- A safe for each, there when it is needed

made() { find "$safes/tokens" -name token.object 2>/dev/null | wc -l; }
safe() { as "$1" --token-label "$1's safe" --login --pin "" "${@:2}"; }
check_equal "nobody has used a safe" 0 "$(made)"
n=0
for p in $people; do
  n=$((n + 1))
  check "$p puts a key into a safe" safe $p --keypairgen --key-type EC:prime256v1 --id 5$n \
    --label "of $p"
  check_equal "which is there now" $n "$(made)"
  check_equal "and has nothing else in it" "Private of $p,Public of $p" "$(safe $p -O | listed)"
done
mode=local
check_equal "by another way it is the same" "Private of bob,Public of bob" "$(safe bob -O | listed)"
mode=gss
check_equal "there are no more" 3 "$(made)"
as_root && check_equal "each is a user's of its own" 3 \
  "$(find "$safes/tokens" -name token.object -printf '%u\n' | sort -u | wc -l)"

# ---- Where things are written

state_of() { direct shared "$1" -O | grep -v '^Using slot' | sort; }
before=$(state_of ops; state_of company)
check_match "there is something to be kept" "company's key" "$before"
check "alice makes a key" in_token alice "alice's" --keypairgen --key-type EC:prime256v1 \
  --label "alice's new" --id 77
check_match "it lies on her own layer" "alice's new" "$(direct people alice -O)"
check_match "and she finds it" "Private alice's new" "$(objects alice "alice's" | tr , '\n')"
refused() { # WHAT ERROR PERSON ARGUMENT...
  check_match "$1" "$2" "$(in_token "${@:3}")"
}
prohibited='CKR_ACTION_PROHIBITED|0x1b\)' # no name in older versions
refused "bob cannot remove the key of ops" "$prohibited" \
  bob "bob's" --delete-object --type privkey --id "${id[ops]}"
refused "nor the company's" "$prohibited" \
  bob "bob's" --delete-object --type pubkey --id "${id[company]}"
refused "nor change it" "$prohibited" \
  bob "bob's" --set-id 99 --type privkey --id "${id[ops]}"
refused "nor make one where all layers are read-only" CKR_TOKEN_WRITE_PROTECTED \
  bob "desk of ops" --keypairgen --key-type EC:prime256v1 --label planted --id 78
check "alice removes her new key" \
  in_token alice "alice's" --delete-object --type privkey --label "alice's new"
check_equal "nothing of it is on the read-only layers" "$before" "$(state_of ops; state_of company)"

mode=local
check "dave makes a key" in_token dave cabinet --keypairgen --key-type EC:prime256v1 \
  --label "dave's key" --id 79
check "and keeps a note" in_token dave cabinet --write-object text --type data \
  --label "dave's note"
check_match "the key lies with the keys" "dave's key" "$(direct people keys -O)"
check_match "the note with the papers" "dave's note" "$(direct shared papers -O)"
check_equal "neither elsewhere" "" \
  "$(direct people keys -O | grep note; direct shared papers -O | grep key)"
check_match "he sees both" "dave's key.*dave's note" "$(in_token dave cabinet -O | tr '\n' ' ')"
refused "nobody takes a secret key" CKR_TEMPLATE_INCONSISTENT \
  dave cabinet --keygen --key-type AES:16 --label none

# ---- A third library

check_equal "dave sees his tokens" "bench,cabinet,desk,museum,office,shop audit,shop enforce,stamps" "$(tokens dave)"
check_match "the museum has what the mock library shows, and the papers" \
  "dave's exhibit.*dave's note" "$(in_token dave museum -O | tr '\n' ' ')"
check_match "without a PIN, too" "dave's exhibit" \
  "$(as dave --token-label museum -O)"

# ---- A PIN that the daemon knows

flags() { # BACKEND TOKEN: what the library says of the PIN of a token
  SOFTHSM2_CONF=$MULTIP11_TMP/softhsm-$1/softhsm2.conf pkcs11-tool --module "$SOFTHSM_MODULE" -L 2>&1 |
    grep -A5 "token label *: $2\$" | grep 'token flags'
}
as_it_was=$(flags shared stamps)
check "dave signs with a key of stamps, whose PIN he does not know" signs dave office stamps
check_match "and sees it" "Private stamps's key" "$(objects dave office | tr , '\n')"
check_equal "who types another PIN than his own sees no private key" "" \
  "$(as dave --token-label office --login --pin 000000 -O | grep Private)"
check_equal "nor who types that of stamps" "" \
  "$(as dave --token-label office --login --pin "${pin_of[stamps]}" -O | grep Private)"
check "dave's own PIN is right again" signs dave office stamps
check_equal "stamps has heard of no wrong PIN" "$as_it_was" "$(flags shared stamps)"
alone() { # ARGUMENT...: no PIN is typed
  as dave --token-label stamps --login "$@" </dev/null
}
check_match "alone it asks for none" "Private stamps's key" "$(alone -O | listed | tr , '\n')"
rm -f signature
alone --sign --mechanism SHA256-RSA-PKCS --id "${id[stamps]}" --input-file text \
  --output-file signature >sign.log
check "and signs" openssl dgst -sha256 -verify stamps.pem -signature signature text
refused "nobody changes it" CKR_FUNCTION_NOT_SUPPORTED \
  dave stamps --change-pin --new-pin 111111
old=${pin_of[stamps]}
direct shared stamps --change-pin --new-pin 2468013 >pin.log || not_ok "$(cat pin.log)"
pin_of[stamps]=2468013
check "with another PIN than the file's dave does without" lacks dave office stamps
echo "${pin_of[stamps]}" >stamps.pin
check "who looks at stamps directly unlocks it" direct shared stamps -O
reload
check "with the new PIN in the file he signs again" signs dave office stamps
check_equal "the old one is in no log" 0 "$(grep -c "$old" "$daemon_log")"
check_equal "it is in no log" 0 "$(grep -c "${pin_of[stamps]}" "$daemon_log")"

# ---- Filters: what is for the shop, of the same keys

for key in "shop-1 2a" "shop-2 2b"; do
  check "dave makes the key ${key% *}" in_token dave cabinet --keypairgen --key-type EC:prime256v1 \
    --label "${key% *}" --id "${key#* }" --extractable
done
check_equal "the shop sees its key, and no other" "Private shop-1,Public shop-1" \
  "$(objects dave "shop enforce")"
check_equal "under audit it sees them all" \
  "Private dave's key,Private shop-1,Private shop-2,Public dave's key,Public shop-1,Public shop-2" \
  "$(objects dave "shop audit")"
head -c 32 /dev/zero >hash
signs_hash() { # TOKEN ID
  rm -f signature
  in_token dave "$1" --sign --mechanism ECDSA --id "$2" --input-file hash --output-file signature \
    >sign.log && [ -s signature ]
}
check "the shop signs with its key" signs_hash "shop enforce" 2a
check "but not with one that is hidden" eval '! signs_hash "shop enforce" 2b'
check "under audit it does" signs_hash "shop audit" 2b
in_token dave "shop enforce" -M >shop.mechanisms
check_match "ECDSA is listed" ECDSA "$(cat shop.mechanisms)"
check_equal "RSA is not" "" "$(grep RSA shop.mechanisms)"
check_match "under audit it is" RSA "$(in_token dave "shop audit" -M)"
refused "RSA keys are not made" "RSA mechanism not supported" \
  dave "shop enforce" --keypairgen --key-type rsa:2048 --label shop-3 --id 2c
refused "nor keys to be exported" CKR_TEMPLATE_INCONSISTENT \
  dave "shop enforce" --keypairgen --key-type EC:prime256v1 --label shop-3 --id 2c --extractable
refused "nothing is destroyed" CKR_FUNCTION_NOT_SUPPORTED \
  dave "shop enforce" --delete-object --type privkey --id 2a
check "a secret key is made there" \
  in_token dave "shop enforce" --keygen --key-type AES:16 --sensitive --label shop-4 --id 2d
check_match "and stays there, whoever looks" "never extractable" \
  "$(direct people keys -O --type secrkey --id 2d | tr '\n' ' ')"
check "under audit a key is destroyed" \
  in_token dave "shop audit" --delete-object --type secrkey --id 2d
shop_log=$(grep 'token "shop' "$daemon_log")
check_match "the log says what was refused" \
  'token "shop enforce", layer 1: C_DestroyObject: the function, refused' "$shop_log"
check_match "and what would have been" \
  'token "shop audit", layer 1: C_DestroyObject: the function, but this is an audit' "$shop_log"
check_match "and what would be hidden" \
  'token "shop audit", layer 1: C_FindObjects: an object that is hidden, but this is an audit' "$shop_log"
check "dave clears the shop" eval 'for id in 2a 2b; do for t in privkey pubkey; do
  in_token dave cabinet --delete-object --type $t --id $id || exit 1; done; done'

# ---- The team's things: by names that say so, and replaced by dave's own

check_match "the team's key is called so" "Private team: team's key" \
  "$(objects dave desk | tr , '\n')"
check "its public half is found by that name" in_token dave desk --read-object --type pubkey \
  --label "team: team's key" --output-file named.der
check "and is the one" cmp named.der team.der
check_match "by the library's own name it is not" "object not found" \
  "$(in_token dave desk --read-object --type pubkey --label "team's key" --output-file bare.der)"
id[desk]=74${id[team]}
rm -f signature
in_token dave desk --sign --mechanism SHA256-RSA-PKCS --id "${id[desk]}" --input-file text \
  --output-file signature >sign.log
check "the key signs by the id with the prefix" \
  openssl dgst -sha256 -verify team.pem -signature signature text
check "and by no other" lacks dave desk team
check "dave writes the team a note" in_token dave desk --write-object text --type data \
  --label "team: note"
check_equal "the library has it without the prefix" "label:          'note'" \
  "$(direct shared team -O --type data | grep -o 'label:.*')"
check_match "dave sees it with the prefix" "'team: note'" "$(in_token dave desk -O --type data)"
refused "a note of another name finds no place" CKR_TEMPLATE_INCONSISTENT \
  dave desk --write-object text --type data --label note
for who in "team 17" "dave 17" "team 18"; do
  openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj "/CN=${who% *}" \
    -outform DER -out cert.der 2>/dev/null
  where="shared team"
  [ "${who% *}" = dave ] && where="people keys"
  direct $where --write-object cert.der --type cert --label "$who" --id "${who#* }" >cert.log ||
    not_ok "$(cat cert.log)"
done
give_back() { # what root has written
  as_root || return 0
  chown -R "$people_uid:$people_uid" softhsm-people
  chown -R "$shared_uid:$shared_uid" softhsm-shared
}
give_back
certificates() { # TOKEN
  in_token dave "$1" -O --type cert | sed -n 's/^  label: *//p' | sort | paste -sd,
}
check_equal "there are three certificates" "dave 17,team 17,team 18" "$(certificates bench)"
check_equal "dave's hides the team's of the same id, and no other" "dave 17,team: team 18" \
  "$(certificates desk)"
check_match "it does not hide the key, which is of another class" "team: team's key" \
  "$(in_token dave desk -O --type privkey)"
direct people keys --delete-object --type cert --id 17 >cert.log || not_ok "$(cat cert.log)"
give_back
check_equal "without it the team's is there again" "team: team 17,team: team 18" \
  "$(certificates desk)"
mode=gss

# ---- Wrong PINs

as_it_was=$(flags shared ops)
refused=0
for i in {1..12}; do
  as alice --token-label "alice's" --login --pin "wrong$i" -O >wrong.out || refused=$((refused + 1))
done
check_equal "each of twelve wrong PINs is refused" 12 $refused
check_match "her own token has counted them" 'count low|final try|locked' "$(flags people alice)"
check_equal "the group's token has heard of none" "$as_it_was" "$(flags shared ops)"
check "the right PIN opens all layers" signs alice "alice's" ops
check "and the group's token is open to direct use" direct shared ops -O

# Who has another PIN than the group's token makes it be left out, once and not until it is locked.
check_match "bob gets another PIN" "successfully changed" \
  "$(direct people bob --change-pin --new-pin 5678)"
for i in {1..12}; do as bob --token-label "bob's" --login --pin 5678 -O >other.out; done
check_equal "he has his own keys with it, and of the group's what is public" \
  "Private bob's key,Public bob's key,Public company's key,Public ops's key" "$(listed <other.out)"
check "meanwhile alice does without the group's" lacks alice "alice's" ops
check_equal "which is not locked" "" "$(flags shared ops | grep -E "final try|locked")"
check "the right PIN for it alone" signs alice "desk of ops" ops
check "gives it back" signs alice "alice's" ops
check_match "bob gets his old PIN" "successfully changed" \
  "$(direct people bob --pin 5678 --change-pin --new-pin "$SUITE_PIN")"

# ---- Bob leaves ops

members ops alice
reload
check_equal "without him in the group's file its token is gone" "bob's,bob's safe" "$(tokens bob)"
check_fails "also for who knows its label" in_token bob "desk of ops" -O
check_equal "alice still sees it" "alice's,alice's safe,desk of ops" "$(tokens alice)"
check_equal "and so is its layer in his own token" \
  "Private bob's key,Public bob's key,Public company's key" "$(objects bob "bob's")"
check "he does not sign with its key" lacks bob "bob's" ops
check "he signs with his own" signs bob "bob's" bob
check "alice signs with the key of ops" signs alice "alice's" ops
members ops alice bob
reload
check_equal "who comes back sees the group again" "bob's,bob's safe,desk of ops" "$(tokens bob)"
check "and signs with its key" signs bob "bob's" ops

daemon_down
finish
