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

# Hosted must equal direct, call by call: `multip11 conform` makes the same random calls on SoftHSM
# itself and through multip11 in library mode, through the local socket and through TCP with GSS-API,
# and compares every return value, length and octet. Before that: it finds what is wrong in a module
# that is wrong (rogue/wrong.cc), and shrinks it.
#
# CONFORM_CALLS     calls on each path with the seed that stands here (40,000)
# CONFORM_SEED      another seed, with CONFORM_MORE calls on each path (5,000); one of today's if unset
# limit: 6000
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util

: "${CONFORM_CALLS:=40000}" "${CONFORM_MORE:=5000}"
: "${CONFORM_SEED:=$(date +%Y%m%d)}"
modes=(library local gss)
[ -n "${MODES:-}" ] && read -ra modes <<<"$MODES"

hosted_programs
MULTIP11=$LIBEXEC/multip11
install -m 755 "$(find_program multip11)" "$MULTIP11" || give_up "no multip11"

# The token that is called directly; the one behind multip11 is a copy, serial number and all.
direct=$MULTIP11_TMP/direct
prepare_softhsm "$direct" conform || give_up "SoftHSM makes no token"
export MULTIP11_PIN=$SUITE_PIN MULTIP11_SO_PIN=$SUITE_SO_PIN
unset SOFTHSM2_CONF

conform() { # OPTION...: on the direct side's SoftHSM
  "$MULTIP11" conform --destructive --token conform --direct-env "SOFTHSM2_CONF=$direct/softhsm2.conf" \
    --env "OPENSSL_CONF=$direct/openssl.cnf" --restore "$direct/tokens" "$@" "$SOFTHSM_MODULE"
}
copy_direct() { # DIRECTORY: that SoftHSM once more
  cp -a "$direct" "$1"
  sed -i "s,$direct/,$1/," "$1/softhsm2.conf"
}

# ---- What is wrong is found

against_wrong() { # HOW AFTER OPTION...: prints what conform says
  local how=$1 after=$2 wrong=$MULTIP11_TMP/wrong-$1
  shift 2
  [ -d "$wrong" ] || copy_direct "$wrong"
  conform --against "$MULTIP11_BUILD/regress/rogue/.libs/wrong.so" --hosted-env "SOFTHSM2_CONF=$wrong/softhsm2.conf" \
    --hosted-env "WRONG_MODULE=$SOFTHSM_MODULE" --hosted-env "WRONG=$how" \
    --hosted-env "WRONG_AFTER=$after" --restore "$wrong/tokens" --calls 20000 --seed 7 "$@" 2>&1
}

# Half of them at the same time as the other half, each half with a direct side of its own.
after() { # HOW: how often it is right first
  case $1 in rv) echo 3 ;; length) echo 1 ;; octet | flag | crash) echo 2 ;; *) echo 0 ;; esac
}
half() { # DIRECTORY HOW...
  direct=$1
  shift
  for how; do against_wrong "$how" "$(after "$how")" >"said-$how"; done
}
copy_direct "$MULTIP11_TMP/direct-half"
start half.log half "$MULTIP11_TMP/direct-half" rv octet handle thread
other=$!
said=$(against_wrong nothing 0 --calls 2000)
check_match "a module that is right is found to be right" '^no difference' "$said"
check_equal "no function is left out" "" "$(grep -o '; never: C_.*' <<<"$(against_wrong nothing 0 --calls 12000)")"
(half "$direct" length flag crash state)
wait "$other"

found() { # HOW MOST PATTERN: it is found, and at most that many calls show it
  local said enough
  said=$(cat "said-$1" half.log)
  check_match "a wrong $1 is found" "$3" "$said"
  enough=$(sed -n 's/^ *\([0-9]*\) calls are enough.*/\1/p' <<<"$said" | head -n 1)
  check "a wrong $1 is shown by at most $2 calls (${enough:-none})" [ "${enough:-999}" -le "$2" ]
}
found rv 11 '^difference .*C_GetSessionInfo: CK_RV: direct CKR_OK, hosted CKR_GENERAL_ERROR'
found length 8 '^difference .*C_Digest pDigest: length: direct [0-9]+, hosted [0-9]+'
found octet 15 '^difference .*C_Digest pDigest: octet [0-9]+ of [0-9]+: direct'
found flag 7 '^difference .*C_GetMechanismInfo pInfo: octet'
found handle 12 '^difference .*C_FindObjects phObject: element 1'
# In a build with AddressSanitizer it is that which ends the process, with a status.
found crash 5 '^difference .*the hosted side: (killed by signal 11|ended with status [1-9])'
found state 11 '^difference '
found thread 8 '^difference .*thread [0-9]+, its call [0-9]+: C_Digest'
wrong_again=$(sed -n 's/.*--sequence \([0-9]*\)$/\1/p' said-rv | head -n 1)
check_match "the command that is printed repeats it" '^difference .*C_GetSessionInfo' \
  "$(against_wrong rv 3 --sequence "$wrong_again")"
against_wrong octet 2 >/dev/null
check_equal "its status is 1" 1 $?
check_fails "a module that is none is told" "$MULTIP11" conform /dev/null
check_fails "a command that is none is told" "$MULTIP11" nonesuch

# ---- As users run it: one token for both sides, hosted in library mode, and nothing is changed

objects() { find "$direct/tokens" -type f -name '*.object' | sort; }
before=$(objects)
said=$(env -u MULTIP11_CONFIG -u MULTIP11_SO_PIN "$MULTIP11" conform --against "$MODULE" --token conform \
  --env "SOFTHSM2_CONF=$direct/softhsm2.conf" --env "OPENSSL_CONF=$direct/openssl.cnf" \
  --calls 3000 "$SOFTHSM_MODULE" 2>&1)
check_match "a user's token without a difference" '^no difference' "$said"
check_match "without its PINs and its initialisation" 'never: C_InitToken C_InitPIN C_SetPIN$' "$said"
check_equal "nothing was made on the token, and nothing removed" "$before" "$(objects)"

# ---- The three paths

copy_token() { # the backend's token becomes the copy of the direct one
  rm -rf "$SOFTHSM_DIR/tokens"
  cp -a "$direct/tokens" "$SOFTHSM_DIR/tokens"
  as_root && chown -R "$BACKEND_UID:$BACKEND_UID" "$SOFTHSM_DIR/tokens"
}

case " ${modes[*]} " in *" gss "*) realm_up ;; esac
configs=() restored=() hosted=
for mode in "${modes[@]}"; do
  BACKEND_MORE=
  [ "$mode" = library ] || BACKEND_MORE="transparent = yes
  admin = yes
  allow = {\"$(me "$mode")\"}"
  backend_softhsm "conform-$mode" conform
  copy_token
  [ "$mode" = library ] || hosted+=$BACKEND_TEXT$'\n'
  use_client "$mode"
  configs+=("$MULTIP11_CONFIG")
  restored+=("$SOFTHSM_DIR/tokens")
done
if [ -n "$hosted" ]; then
  daemon_config <<<"$hosted"
  daemon_up
fi

# All at the same time, each with two SoftHSMs that nobody else touches.
compare() { # NUMBER
  local mode=${modes[$1]} calls seed
  direct=$MULTIP11_TMP/direct-$mode
  for run in "$CONFORM_CALLS 1" "$CONFORM_MORE $CONFORM_SEED"; do
    read -r calls seed <<<"$run"
    conform --against "$MODULE" --hosted-env "MULTIP11_CONFIG=${configs[$1]}" \
      --restore "${restored[$1]}" --calls "$calls" --seed "$seed" >"said-$mode-$seed" 2>&1
  done
}
pids=()
for i in "${!modes[@]}"; do
  copy_direct "$MULTIP11_TMP/direct-${modes[i]}"
  start "compare-${modes[i]}.log" compare "$i"
  pids+=($!)
done
wait "${pids[@]}"
for mode in "${modes[@]}"; do
  for run in "$CONFORM_CALLS 1" "$CONFORM_MORE $CONFORM_SEED"; do
    read -r calls seed <<<"$run"
    said=$(cat "said-$mode-$seed" "compare-$mode.log")
    check_match "$mode: $calls calls with seed $seed without a difference" '^no difference' "$said"
    printf '%s\n' "$said" | grep -E 'calls compared|functions|mechanisms' | cut -c1-150 | sed 's/^/    /'
  done
done
[ -z "$hosted" ] || daemon_down
finish
