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

# Library mode: multip11.so runs SoftHSM, and libraries that misbehave, in a process of its own.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/suites/softhsm.sh"
need_commands pkcs11-tool softhsm2-util nm flock

# ---- The programs, where any user reaches them

libexec=$MULTIP11_TMP/libexec
mkdir -p "$libexec"
take() { install -m 755 "$MULTIP11_BUILD/$1" "$libexec/" || give_up "$1 is not built"; }
take .libs/multip11.so
take multip11-backend
take regress/e2e/probe
take regress/rogue/.libs/rogue.so
module=$libexec/multip11.so
export MULTIP11_LIBEXEC=$libexec
probe() { timeout 120 "$libexec/probe" "$1" "$module" "${@:2}"; }

helper_pids() { # running, of this test; zombies have no exe
  local p
  for p in /proc/[0-9]*; do
    [ "$(readlink "$p/exe" 2>/dev/null)" = "$libexec/multip11-backend" ] && echo "${p#/proc/}"
  done
}
no_helpers() { [ -z "$(helper_pids)" ]; }
check_no_helpers() { check "$1" wait_for 5 no_helpers; }

config() { # from standard input
  cat >"$MULTIP11_TMP/client.conf"
  chmod 600 "$MULTIP11_TMP/client.conf"
  export MULTIP11_CONFIG=$MULTIP11_TMP/client.conf
}
softhsm_config() { # MORE-LINES
  config <<END
backend softhsm {
  module = "$SOFTHSM_MODULE"
  environment = {"SOFTHSM2_CONF=$softhsm/softhsm2.conf", "OPENSSL_CONF=$softhsm/openssl.cnf"}
  read = {"$softhsm/softhsm2.conf", "$softhsm/openssl.cnf"}
  write = {"$softhsm/tokens"}
  ${1:-}
}
END
}
rogue_config() { # BEHAVIOUR MORE-LINES
  config <<END
backend rogue {
  module = "$libexec/rogue.so"
  environment = {"ROGUE=$1", "ROGUE_FILE=$MULTIP11_TMP/secret"}
  ${2:-}
}
END
}

# ---- What the module is

exported=$(nm -D --defined-only "$module" | awk '{ print $3 }')
check_equal "only C_* is exported" "" "$(grep -v '^C_' <<<"$exported")"
wanted=$(sed -n 's/^P11_FUNCTION([0-9]*, \([A-Za-z]*\),.*/C_\1/p' \
  "$MULTIP11_SOURCE/common/p11_functions.def" | grep -v '^C_GetInterface' | sort)
check_equal "every function but C_GetInterface* is exported" "" \
  "$(diff <(echo "$wanted") <(sort <<<"$exported"))"
check_equal "no library of keys, tickets or ASN.1 comes into the application" "" \
  "$(readelf -d "$module" | grep NEEDED | grep -E 'ssl|crypto|krb5|gssapi|asn1|seccomp|sqlite')"
check_match "it stays loaded" 'NODELETE' "$(readelf -d "$module")"
check_equal "no global constructors" "" "$(nm "$module" | grep -E '_GLOBAL__(sub_I|I)_')"

# ---- SoftHSM

softhsm=$MULTIP11_TMP/softhsm
prepare_softhsm "$softhsm" || give_up "SoftHSM makes no token"
unset SOFTHSM2_CONF OPENSSL_CONF
softhsm_config

tool() { timeout 120 pkcs11-tool --module "$module" --token-label "$SUITE_LABEL" "$@"; }
check_match "slots" "token label *: $SUITE_LABEL" "$(tool --list-slots 2>&1)"
check "pkcs11-tool --test" tool --login --pin "$SUITE_PIN" --test
# SoftHSM has no ECDSA with SHA-1, which this test wants at its end: hosted must end as direct does.
test_ec() {
  timeout 120 pkcs11-tool --module "$1" --token-label "$SUITE_LABEL" --login --pin "$SUITE_PIN" \
    --session-rw --test-ec --key-type EC:secp256r1 --id 70 2>&1 | grep -v EC_POINT
}
check_equal "pkcs11-tool --test-ec" \
  "$(SOFTHSM2_CONF=$softhsm/softhsm2.conf test_ec "$SOFTHSM_MODULE")" "$(test_ec "$module")"
check "pkcs11-tool --test-fork" tool --test-fork
check_fails "a wrong PIN" tool --login --pin 9999 --list-objects

check "what the standard says of C_Initialize and C_Finalize" probe rules
check "sixteen threads with sessions and keys" probe threads "$SUITE_LABEL" "$SUITE_PIN" 16
check "no SIGCHLD, nothing for wait()" probe signals
check "fork" probe fork "$SUITE_LABEL" "$SUITE_PIN"
check "kill -9 in the middle of a call" probe kill "$SUITE_LABEL" "$SUITE_PIN"
check "C_Finalize while threads are inside" probe finalize "$SUITE_LABEL"
check_no_helpers "nothing runs on after C_Finalize"

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  nobody() {
    setpriv --reuid 61900 --regid 61900 --clear-groups --inh-caps=-all --bounding-set=-all \
      env HOME=/nonexistent "$@"
  }
  chown -R 61900:61900 "$softhsm"
  chown 61900:61900 "$MULTIP11_CONFIG"
  check "as an ordinary user" nobody timeout 60 "$libexec/probe" threads "$module" "$SUITE_LABEL" \
    "$SUITE_PIN" 2
  chown -R 0:0 "$softhsm" "$MULTIP11_CONFIG"
else
  skip "as an ordinary user" "this is one already, or there is no setpriv"
fi

# ---- The helper as /proc shows it

mkfifo hold.in
"$libexec/probe" hold "$module" <hold.in >hold.out 2>&1 &
application=$!
started_pids+=("$application")
exec 9>hold.in
wait_for 10 grep -q ready hold.out || give_up "the application does not start"
helper=$(awk '/ready/ { print $2 }' hold.out)
status=$(cat "/proc/$helper/status")
check_match "seccomp" '^Seccomp:.2$' "$status"
check_match "no new privileges" '^NoNewPrivs:.1$' "$status"
check_match "no capabilities" '^CapPrm:.0000000000000000$' "$status"
check_match "no capabilities to be had" '^CapEff:.0000000000000000$' "$status"
if [ "$(id -u)" = 0 ]; then # it is not dumpable, so only root sees these
  check_equal "the environment is the configuration's" "" "$(tr '\0' '\n' <"/proc/$helper/environ")"
  check_equal "0 and 1 are /dev/null" "/dev/null /dev/null" \
    "$(for n in 0 1; do readlink "/proc/$helper/fd/$n"; done | xargs)"
  check_match "2 is a pipe" '^pipe:' "$(readlink "/proc/$helper/fd/2")"
  check_match "3 is the channel's socket" '^socket:' "$(readlink "/proc/$helper/fd/3")"
  check_equal "4, the start block, is closed" "" "$(readlink "/proc/$helper/fd/4")"
  check_match "5 is the application's pidfd" 'pidfd' "$(readlink "/proc/$helper/fd/5")"
  inode=$(awk '/rw-s.*memfd:/ { print $5 }' "/proc/$helper/maps" | sort -u)
  check_equal "its segment is mapped by two processes" \
    "$(printf '%s\n' "$application" "$helper" | sort)" \
    "$(grep -lE " $inode +/memfd:" /proc/[0-9]*/maps 2>/dev/null | cut -d/ -f3 | sort)"
fi
parent=$(sed -n 's/^PPid:\t//p' "/proc/$helper/status")
check "it is no child of the application" [ "$parent" != "$application" ]
{ kill -KILL "$application" && wait "$application"; } 2>/dev/null
check_no_helpers "kill -9 of the application ends it"
exec 9>&-

# ---- Libraries that misbehave

echo secret >secret
chmod 600 secret
removed='^32 00000000$'
rogue_config none
check_equal "a good library" "0 42424242" "$(probe random)"
rogue_config order
check "calls of one session run one at a time, four sessions side by side" probe order
rogue_config crash
check_equal "a crash, each time, and a new start, each time" "3 lines" \
  "$(probe random 3 | grep -c "$removed") lines"
rogue_config exit
check_match "a library that exits" "$removed" "$(probe random)"
rogue_config hang 'deadline = 1'
check_match "a library that hangs" "$removed" "$(probe random)"
rogue_config exec
check_match "a library that starts a program is ended" "$removed" "$(probe random)"
check_match "and the reason is told" 'execve' "$(MULTIP11_DEBUG=1 probe random 2>&1)"
rogue_config socket
check_equal "a library gets no socket" "0 00424242" "$(probe random)"
rogue_config read
check_equal "a library reads no file that it was not given" "0 00424242" "$(probe random)"
rogue_config read "read = {\"$MULTIP11_TMP/secret\"}"
check_equal "and reads one that it was given" "0 01424242" "$(probe random)"
rogue_config write "read = {\"$MULTIP11_TMP/secret\"}"
check_equal "but does not write to it" "0 00424242" "$(probe random)"
rogue_config write "write = {\"$MULTIP11_TMP/secret\"}"
check_equal "unless it was given for that" "0 01424242" "$(probe random)"
rogue_config preinit
check_equal "its constructor runs inside the sandbox" "0 42424242" "$(probe random)"
rogue_config preinit "read = {\"$MULTIP11_TMP/secret\"}"
check_match "(and would tell)" 'C_Initialize: 0x6' "$(probe random 2>&1)"
rogue_config scribble 'read = {"/proc/self/maps"}'
check_match "a library that scribbles over the segment" "$removed" "$(probe random)"
rogue_config none
missing=$(MULTIP11_DEBUG=1 probe missing "$libexec/rogue.so" 2>&1) &&
  ok "a library that is gone for a while is back when it is back" ||
  not_ok "a library that is gone for a while: $missing"
starts=$(grep -c 'started multip11-backend' <<<"$missing")
check "and was not started again all the time ($starts starts)" [ "$starts" -le 7 ]
rogue_config stillborn
stillborn=$(MULTIP11_DEBUG=1 probe stillborn 2>&1)
starts=$(grep -c 'started multip11-backend' <<<"$stillborn")
check "nor is one that dies whenever it is initialised ($starts starts)" \
  [ "$starts" -ge 2 -a "$starts" -le 7 ]
check_no_helpers "nothing runs on after all this"

# ---- The token lock

softhsm_config "token-lock = yes
  deadline-start = 1
  lock-file = \"$MULTIP11_TMP/state/lock\""
check "with token-lock" probe threads "$SUITE_LABEL" "$SUITE_PIN" 4
check "the lock file was made" test -f state/lock
check_match "a lock that somebody else holds" 'C_Initialize: 0x5' \
  "$(flock -x state/lock "$libexec/probe" random "$module" 2>&1)"
softhsm_config "token-lock = yes
  lock-file = \"$MULTIP11_TMP/state/lock\""
pids=()
for i in 1 2 3 4 5 6 7 8; do
  timeout 120 "$libexec/probe" threads "$module" "$SUITE_LABEL" "$SUITE_PIN" 1 >"at-once.$i" 2>&1 &
  pids+=($!)
done
at_once=0
for p in "${pids[@]}"; do wait "$p" || at_once=$((at_once + 1)); done
check_equal "eight applications at once all find the token" 0 "$at_once"
[ $at_once = 0 ] || head -n 3 at-once.*

# ---- Configurations

told() { MULTIP11_DEBUG=1 probe random 2>&1; }
config <<END
# a comment
backend b {
  modul = "$SOFTHSM_MODULE"
}
END
check_match "a mistake is told with file and line" "client.conf:3: .*modul" "$(told)"
check_match "and C_Initialize fails" 'C_Initialize: 0x5' "$(probe random 2>&1)"
config <<END
backend b { module = "$libexec/probe" }
END
check_match "a module that is none" 'cannot|not|no PKCS #11' "$(told)"
check_match "is a C_Initialize that fails" 'C_Initialize: 0x5' "$(probe random 2>&1)"
chmod 666 "$MULTIP11_CONFIG"
check_match "a file that others may write to" 'chmod go-w' "$(told)"
unset MULTIP11_CONFIG
export HOME=$MULTIP11_TMP/empty XDG_CONFIG_HOME=
mkdir -p "$HOME"
if [ ! -e /etc/multip11/multip11.conf ]; then
  check_match "without a configuration there are no slots" '^no such token$' "$(probe random 2>&1)"
fi
check_match "MULTIP11_SERVER that is no address" 'write tcp://' \
  "$(MULTIP11_SERVER=somewhere MULTIP11_DEBUG=1 probe random 2>&1)"
check_no_helpers "nothing runs on in the end"
finish
