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

# Acting as another identity: alice is an operator and may act as svc/web, whose token has a PIN of
# its own; mallory may not, and tries. If this failed, somebody would use keys of an identity that the
# configuration does not give to him, or learn which he could.
# limit: 300
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util pkcs11-tool openssl

hosted_programs
realm_up
web=svc/web@$realm_name db=svc/db@$realm_name

# ---- One library, with a token for each

declare -A pin_of=([$web]=7654321 [$db]=8765432 [mallory]=2345678)
declare -A id_of=([alice]=10 [$web]=11 [$db]=12)
backend_softhsm keys alice
for t in mallory "$web" "$db"; do
  SOFTHSM2_CONF=$SOFTHSM_DIR/softhsm2.conf softhsm2-util --init-token --free --label "$t" \
    --so-pin "$SUITE_SO_PIN" --pin "${pin_of[$t]}" >token.log 2>&1 ||
    give_up "token $t: $(cat token.log)"
done
direct() { # TOKEN ARGUMENT...: the library itself
  SOFTHSM2_CONF=$SOFTHSM_DIR/softhsm2.conf pkcs11-tool --module "$SOFTHSM_MODULE" \
    --token-label "$1" --login --pin "${pin_of[$1]:-$SUITE_PIN}" "${@:2}" 2>&1
}
for t in alice "$web" "$db"; do
  direct "$t" --keypairgen --key-type rsa:2048 --label "key of $t" --id "${id_of[$t]}" >key.log ||
    give_up "key of $t: $(cat key.log)"
done
direct "$web" --read-object --type pubkey --id 11 --output-file web.der >key.log &&
  openssl pkey -pubin -inform DER -in web.der -out web.pem 2>key.log ||
  give_up "public key: $(cat key.log)"
as_root && chown -R "$BACKEND_UID:$BACKEND_UID" "$SOFTHSM_DIR"

# ---- The daemon

operators() { # NAME...
  printf '%s\n' "$@" >operators
  chmod 644 operators
}
configuration() {
  local p
  for p in alice mallory; do
    echo "listener $p { path = \"$MULTIP11_TMP/$p.sock\" mode = 0666 principal = $p }"
  done
  cat <<END
$BACKEND_TEXT
group operators { file = "$MULTIP11_TMP/operators" }
token desk {
  layer { backend = keys token = alice access = read-write
          allow = {"alice@$realm_name", "local:alice"} }
  layer { backend = keys token = mallory allow = {"local:mallory"} }
  layer { backend = keys token = "%p" allow = {"$web", "$db"} }
  pin-select = yes
  allow = {"alice@$realm_name", "local:alice", "local:mallory", "$web", "$db"}
}
act-as "$web" { allow = {"group:operators"} }
act-as "$db" { allow = {"nobody@$realm_name"} }
END
}
operators "alice@$realm_name" local:alice
daemon_config < <(configuration)
explained=$("$LIBEXEC/multip11d" -T -f "$DAEMON_CONFIG" -C user=local:alice)
check_match "the configuration says whom alice may act as" "acts as $web" "$explained"
check_equal "and nobody else" 1 "$(grep -c 'acts as' <<<"$explained")"
check_match "and mallory nobody" "acts as nobody else" \
  "$("$LIBEXEC/multip11d" -T -f "$DAEMON_CONFIG" -C user=local:mallory)"
daemon_up

use_client gss
for p in alice mallory; do
  client_config "local-$p" <<<"server here { address = \"unix://$MULTIP11_TMP/$p.sock\" }"
done
as() { # PERSON PIN ARGUMENT...: pkcs11-tool; PERSON gss is alice with her ticket
  local conf=$MULTIP11_TMP/local-$1.conf
  [ "$1" = gss ] && conf=$MULTIP11_TMP/gss.conf
  MULTIP11_CONFIG=$conf pkcs11-tool --module "$MODULE" --token-label desk --login --pin "$2" "${@:3}" 2>&1
}
keys() { as "$1" "$2" -O --type privkey | sed -n 's/^  label: *//p' | sort | paste -sd,; }

# ---- Who may

for who in alice gss; do
  check_equal "$who: with her own PIN alice has her key" "key of alice" "$(keys $who "$SUITE_PIN")"
  check_equal "$who: and with a + before it" "key of alice" "$(keys $who "+$SUITE_PIN")"
  check_equal "$who: as svc/web she has that one's, and not hers" "key of $web" \
    "$(keys $who "$web+${pin_of[$web]}")"
  echo "the text that is signed" >text
  rm -f signature
  check "$who: and signs with it" as $who "$web+${pin_of[$web]}" --sign --id 11 \
    --mechanism SHA256-RSA-PKCS --input-file text --output-file signature
  check "$who: which verifies" openssl dgst -sha256 -verify web.pem -signature signature text
done
check_match "the log says so" "alice acts as $web in token" "$(cat "$daemon_log")"
check_match "and that she no longer does" "alice no longer acts as $web in token" "$(cat "$daemon_log")"

# ---- Who may not

refused() { # WHAT PERSON PIN
  local start end
  start=$(date +%s%N)
  check_match "$1" CKR_PIN_INCORRECT "$(as "$2" "$3" -O)"
  end=$(date +%s%N)
  check "$1: after half a second" [ $(((end - start) / 1000000)) -ge 500 ]
}
refused "a wrong PIN of svc/web is refused" alice "$web+1111111"
refused "alice is not svc/db, with the right PIN" alice "$db+${pin_of[$db]}"
refused "mallory is not svc/web, with the right PIN" mallory "$web+${pin_of[$web]}"
for pin in "$db+${pin_of[$db]}" "alice+$SUITE_PIN" "local:alice+$SUITE_PIN" "svc/web+${pin_of[$web]}" \
  "$web++${pin_of[$web]}" "*@$realm_name+${pin_of[$web]}" "$web" "+$web+${pin_of[$web]}" \
  "mallory+${pin_of[mallory]}"; do
  refused "nor is it $pin that helps him" mallory "$pin"
done
check_equal "he still logs in as himself" "" "$(as mallory "${pin_of[mallory]}" -O | grep CKR_)"
check_match "the log tells of him" 'mallory is refused in token "desk"' "$(cat "$daemon_log")"
check_match "and of alice's wrong PIN" "alice is refused as $web in token" "$(cat "$daemon_log")"
for pin in "${pin_of[$web]}" "${pin_of[$db]}" 1111111; do
  check_equal "no PIN is in it ($pin)" 0 "$(grep -c -e "$pin" "$daemon_log")"
done

# ---- An operator no longer

operators "nobody@$realm_name"
before=$(grep -c 'new configuration is in effect' "$daemon_log")
reloaded() { [ "$(grep -c 'new configuration is in effect' "$daemon_log")" -gt "$before" ]; }
kill -HUP "$DAEMON"
wait_for 20 reloaded || not_ok "SIGHUP has no effect"
refused "who has left the operators is not svc/web" alice "$web+${pin_of[$web]}"
check_equal "and has her own" "key of alice" "$(keys alice "$SUITE_PIN")"

daemon_down
finish
