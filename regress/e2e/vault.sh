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

# PINs that the vault keeps: an administrator sets, changes, exports and removes them with
# `multip11 vault`, clients use tokens whose PIN they do not know. If this failed, a token would stay
# closed after its PIN was changed, or a PIN would be seen by somebody who is no administrator.
# limit: 300
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util pkcs11-tool openssl script

hosted_programs
MULTIP11=$(find_program multip11)
state=$MULTIP11_TMP/state

# ---- Two tokens of one library, of a PIN each, with a key each

declare -A pin_of=([stamps]=9876501 [ring]=9876502) id=([stamps]=16 [ring]=17)
direct() { # TOKEN PIN ARGUMENT...: the library itself
  SOFTHSM2_CONF=$SOFTHSM_DIR/softhsm2.conf pkcs11-tool --module "$SOFTHSM_MODULE" \
    --token-label "$1" --login --pin "$2" "${@:3}" 2>&1
}
backend_softhsm hsm unused
for t in stamps ring; do
  SOFTHSM2_CONF=$SOFTHSM_DIR/softhsm2.conf softhsm2-util --init-token --free --label $t \
    --so-pin "$SUITE_SO_PIN" --pin "${pin_of[$t]}" >token.log 2>&1 || give_up "$(cat token.log)"
  direct $t "${pin_of[$t]}" --keypairgen --key-type EC:prime256v1 --label $t --id "${id[$t]}" \
    >key.log || give_up "key of $t: $(cat key.log)"
done
as_root && chown -R "$BACKEND_UID:$BACKEND_UID" "$SOFTHSM_DIR"
opens() { # TOKEN PIN: as the library has it
  direct "$1" "$2" -O | grep -q 'Private Key Object'
}

# ---- The daemon

(umask 077 && openssl rand -hex 32 >master.key) || give_up "no master key"
configure() {
  echo "state-directory = \"$state\""
  echo "master-key = \"$MULTIP11_TMP/master.key\""
  echo "$BACKEND_TEXT"
  echo "token stamps { layer { backend = hsm token = stamps pin = vault } access = read-write"
  echo "  allow = {\"$(me local)\"} }"
  # Below another layer, and read-only: its PIN is changed all the same.
  echo "token desk {"
  echo "  layer { backend = hsm token = unused pin = none access = read-write }"
  echo "  layer { backend = hsm token = ring pin = vault access = read-only }"
  echo "  allow = {\"$(me local)\"}"
  echo "}"
}
daemon_config < <(configure)
daemon_up
use_client local
admin() { "$MULTIP11" vault --socket "$MULTIP11_TMP/run/vault.sock" "$@" </dev/null 2>&1; }
set_pin() { # TOKEN PIN
  "$MULTIP11" vault --socket "$MULTIP11_TMP/run/vault.sock" set hsm "$1" <<<"$2" 2>&1
}
status() { # STATUS COMMAND...: what it says goes to said
  local wanted=$1 got
  shift
  said=$("$@")
  got=$?
  check_equal "exit status of: ${*:1:4}" "$wanted" "$got"
}
entry() { admin list | awk -v t="$1" '$NF == t { print $1, $2, $3, $4 }'; }
head -c 32 /dev/zero >hash
signs() { # TOKEN KEY
  rm -f signature
  pkcs11-tool --module "$MODULE" --token-label "$1" --login --sign --mechanism ECDSA \
    --id "${id[$2]}" --input-file hash --output-file signature </dev/null >sign.log 2>&1
  [ -s signature ]
}
exported() { admin --yes export hsm "$1" | head -n 1; }

check_equal "the socket is for its owner alone" "600 $(id -u)" "$(stat -c '%a %u' run/vault.sock)"
check_equal "no PIN is set at first" "hsm vault not-set -" "$(entry stamps)"
check_fails "nobody signs without one" signs stamps stamps
check_match "the log says what to do" 'run: multip11 vault set hsm .stamps' "$(cat "$daemon_log")"
status 1 admin --yes export hsm stamps
status 1 admin rotate hsm stamps
check_match "there is nothing to change" 'has no PIN yet' "$said"

# ---- Set

status 0 set_pin stamps "${pin_of[stamps]}"
check_equal "nothing is said of it" "" "$said"
check_equal "it is set, under the first key" "hsm vault set 1" "$(entry stamps)"
check "a client signs, who types no PIN" signs stamps stamps
check_fails "with the other token nobody does yet" signs desk ring
(
  sleep 2
  echo "${pin_of[ring]}"
  sleep 2
  echo "${pin_of[ring]}"
  sleep 2
) | script -qec "'$MULTIP11' vault --socket '$MULTIP11_TMP/run/vault.sock' set hsm ring" /dev/null \
  >terminal.log 2>&1
check_match "on a terminal it is asked for twice" 'PIN of the token.*Once more' \
  "$(tr '\r\n' '  ' <terminal.log)"
check "and set" signs desk ring
check_match "both are there" "hsm vault set 1" "$(entry ring)"
status 2 admin set hsm stamps 1111
check_match "a PIN is no argument" '^usage' "$said"
status 2 admin set hsm stamps
check_match "nor is an empty line one" 'no PIN of 1 to 252' "$said"
status 1 set_pin nothing 1234
check_match "nor a token that nobody has" 'no layer has pin = vault' "$said"
check_equal "the right one opens it" "${pin_of[stamps]}" "$(exported stamps)"

# ---- Changed with the next login

old=${pin_of[stamps]}
status 0 admin rotate hsm stamps
check_equal "it is being changed" "hsm vault changing 1" "$(entry stamps)"
check "the old one opens it" opens stamps "$old"
check "the next login signs" signs stamps stamps
check_equal "and has changed it" "hsm vault set 1" "$(entry stamps)"
pin_of[stamps]=$(exported stamps)
check_match "to a long one" '^[a-z2-7]{32}$' "${pin_of[stamps]}"
check "it is used again" signs stamps stamps
check_fails "the old one does not open it" opens stamps "$old"
check_fails "a token that counts a wrong PIN is left alone" signs stamps stamps
check "the new one opens it" opens stamps "${pin_of[stamps]}"
check "and it is used again" signs stamps stamps

status 0 admin rotate hsm ring
check "a read-only layer's, too" signs desk ring
new=$(exported ring)
check "has changed" opens ring "$new"
pin_of[ring]=$new

# Ten who log in at once: one changes it, and none is refused.
status 0 admin rotate hsm stamps
pids=()
for i in {1..10}; do
  pkcs11-tool --module "$MODULE" --token-label stamps --login --sign --mechanism ECDSA \
    --id "${id[stamps]}" --input-file hash --output-file "signature.$i" </dev/null >"sign.$i" 2>&1 &
  pids+=($!)
done
wait "${pids[@]}"
check_equal "ten at once all sign" 10 "$(find . -maxdepth 1 -name 'signature.*' -size +0 | wc -l)"
pin_of[stamps]=$(exported stamps)
check "with the one that it has now" opens stamps "${pin_of[stamps]}"

# ---- Another vault, and another master key

kill -KILL "$(pids_of -vault)"
another() { admin list >another.log; } # who connects meanwhile waits for it
wait_for 30 another || not_ok "no other vault: $(cat another.log)"
check "another vault knows it" signs stamps stamps
openssl rand -hex 32 >>master.key
before=$(grep -c 'new configuration is in effect' "$daemon_log")
kill -HUP "$DAEMON"
reloaded() { [ "$(grep -c 'new configuration is in effect' "$daemon_log")" -gt "$before" ]; }
wait_for 20 reloaded || not_ok "SIGHUP has no effect"
status 0 admin --yes rekey
check_match "rekey says what it did" '2 PINs are encrypted under line 2' "$said"
check_equal "the new key is used" "hsm vault set 2" "$(entry stamps)"
check "and it signs" signs stamps stamps

# ---- Who may

status 2 admin export hsm stamps
check_match "without a terminal nothing is shown" 'no terminal to ask on|nothing was done' "$said"
if as_root; then
  stranger() { setpriv --reuid=61999 --regid=61999 --clear-groups "$MULTIP11" vault \
    --socket "$MULTIP11_TMP/run/vault.sock" --yes "$@" 2>&1; }
  install -m 755 "$MULTIP11" "$LIBEXEC/multip11"
  MULTIP11=$LIBEXEC/multip11
  status 2 stranger export hsm stamps
  check_match "others cannot open the socket" 'only root may' "$said"
  chmod 666 run/vault.sock
  status 2 stranger export hsm stamps
  check_match "and are not heard if they can" 'hung up' "$said"
  chmod 600 run/vault.sock
  check_match "the log says who tried" 'audit: uid 61999, process [0-9]+: is no administrator' \
    "$(cat "$daemon_log")"
fi

# ---- Removed

status 0 admin rotate hsm stamps
status 1 admin --yes remove hsm stamps
check_match "one that is being changed is asked for by itself" 'no terminal|nothing was done' "$said"
check_equal "and is still there" "hsm vault changing 2" "$(entry stamps)"
status 2 admin --force list
check "the next login changes it" signs stamps stamps
pin_of[stamps]=$(exported stamps)
status 0 admin --yes remove hsm stamps
check_equal "it is gone" "hsm vault not-set -" "$(entry stamps)"
check_fails "and nobody signs" signs stamps stamps
status 1 admin --yes remove hsm stamps
status 1 admin rotate nowhere stamps
check_match "a backend that is none" 'no backend nowhere' "$said"

# ---- What is left of it all

log=$(cat "$daemon_log")
me="audit: uid $(id -u), process [0-9]+:"
check_match "audit: set" "$me has set the PIN of token \"stamps\" on hsm" "$log"
check_match "audit: rotate" "$me has asked for another PIN of token \"stamps\" on hsm" "$log"
check_match "audit: changed" 'audit: connection [0-9]+ has changed the PIN of token "stamps"' "$log"
check_match "audit: export" "$me has been shown the PIN of token \"stamps\" on hsm" "$log"
check_match "audit: rekey" "$me has put all PINs under the last master key" "$log"
check_match "audit: remove" "$me has removed the PIN of token \"stamps\" on hsm" "$log"
check_match "audit: refused" "$me has been shown the PIN of .*; refused: it has no PIN yet" "$log"
for pin in "$old" 9876502 "${pin_of[stamps]}" "${pin_of[ring]}"; do
  check_equal "a PIN is in no log" 0 "$(grep -cF -- "$pin" "$daemon_log")"
  check_equal "nor on the terminal" 0 "$(grep -cF -- "$pin" terminal.log)"
  check_equal "nor in the database" "" "$(grep -lF -- "$pin" "$state"/vault/* 2>/dev/null)"
  check_equal "nor in an argument" "" \
    "$(for p in $(daemon_processes | cut -d' ' -f1); do
      tr '\0' '\n' <"/proc/$p/cmdline" | grep -F -- "$pin"
    done)"
done
daemon_down
status 2 admin list
check_match "without a daemon it says so" 'multip11d does not run' "$said"
finish
