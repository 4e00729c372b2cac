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

# Hosted equals direct, statement by statement, and what the standard decides for us: each point of
# the list below on SoftHSM itself and, with the same tokens, in library mode, through the local
# socket and through TCP with GSS-API. What is told (conformance.h) is compared by name; what is
# asserted counts for the hosted runs.
#
#    1  C_Initialize takes every combination of flags and callbacks that the standard allows
#    2  bad arguments are judged by the library, in its order; what ends an operation ends it
#    3  mechanism lists are whole, for every size of the buffer
#    4  parameters of mechanisms of every length
#    5  infos are the library's own words
#    6  templates in templates and lists of mechanisms, both ways
#    7  bad slots, slot events, a new free slot
#    8  transparent backends, with and without `admin`
#    9  whatever a library writes into is zeroed before
#   10  one C_Initialize at a time; DES, 3DES and MD5
#   11  fork
#   12  two users of the module in one process
#   13  functions and interfaces
# limit: 900
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

modes=(library local gss)
[ -n "${MODES:-}" ] && read -ra modes <<<"$MODES"
CLIENT=$MULTIP11_BUILD/regress/e2e/conformance
SPY=$MULTIP11_TMP/spy.so

# Those that are told alike wherever they run, in this order: the last ones change the tokens.
compared=(
  "1 initialize-arguments" "2 init-calls" "2 operation-calls" "2 single-calls"
  "3 mechanism-lists" "4 parameter-lengths" "5 infos" "6 nested-templates" "7 slot-calls"
  "10 legacy-mechanisms" "12 two-users" "7 new-slot" "8 admin-calls"
)

# MODE POINT MODULE ARGUMENT...: lines into MODE-POINT.lines.
tell() {
  timeout 120 "$CLIENT" "$3" "$2" "${@:4}" >"$1-$2.lines" 2>"$1-$2.errors"
}

# MODE NUMBER POINT ARGUMENT...: one check for each verdict of the hosted run, and that it ended.
asserted() {
  local name="$1/$2/$3" status
  tell "$1" "$3" "$MODULE" "${@:4}"
  status=$?
  sed -n "s,^\(ok\|not ok\) ,\1 $name: ,p" "$1-$3.lines" >verdicts
  cat verdicts
  failures=$((failures + $(grep -c '^not ok' verdicts)))
  check_equal "$name: ran to its end" 0 $status
  [ $status = 0 ] || head -n 5 "$1-$3.errors"
}

# MODE NUMBER POINT: and one for each line that the direct run told.
compare() {
  awk -F'\t' -v name="$1/$2/$3" '
    /^(not )?ok / { next }
    FNR == NR { direct[$1] = $2; names[++count] = $1; next }
    !($1 in direct) { print "not ok " name ": " $1 " was not told directly"; next }
    { hosted[$1] = $2 }
    END {
      for (i = 1; i <= count; i++) {
        n = names[i]
        told = n in hosted ? hosted[n] : "nothing"
        if (told == direct[n]) print "ok " name ": " n
        else print "not ok " name ": " n "\n    direct: " direct[n] "\n    hosted: " told
      }
    }' "direct-$3.lines" "$1-$3.lines" >compared
  cat compared
  failures=$((failures + $(grep -c '^not ok' compared)))
}

# MODE: every mode has the same tokens, with the same serial numbers.
same_tokens() {
  backend_softhsm "$1" conformance
  rm -rf "$SOFTHSM_DIR/tokens"
  cp -a master/tokens "$SOFTHSM_DIR/tokens"
  as_root && chown -R "$BACKEND_UID:$BACKEND_UID" "$SOFTHSM_DIR/tokens"
}

# NAME: a backend of the library that tells on its caller; sets SPY_TEXT.
backend_spy() {
  local user=
  if as_root; then
    user="user = \"$next_backend_uid:$next_backend_uid\""
    next_backend_uid=$((next_backend_uid + 1))
  fi
  SPY_TEXT="backend $1 {
  module = \"$SPY\"
  $user"
}

# ---- Directly

hosted_programs
install -m 755 "$MULTIP11_BUILD/regress/rogue/.libs/spy.so" "$SPY" || give_up "spy.so is not built"
case " ${modes[*]} " in *" gss "*) realm_up ;; esac
prepare_softhsm "$MULTIP11_TMP/master" conformance || give_up "SoftHSM makes no token"
unset SOFTHSM2_CONF OPENSSL_CONF
(
  mkdir direct
  cp -a master/tokens master/openssl.cnf direct/
  sed "s,$MULTIP11_TMP/master,$MULTIP11_TMP/direct," master/softhsm2.conf >direct/softhsm2.conf
  export SOFTHSM2_CONF=$MULTIP11_TMP/direct/softhsm2.conf
  export OPENSSL_CONF=$MULTIP11_TMP/direct/openssl.cnf
  for point in "${compared[@]}"; do
    tell direct "${point#* }" "$SOFTHSM_MODULE" || give_up "${point#* } does not run on SoftHSM"
  done
) || exit 1
# What a configured token shows has no free slot beside it.
grep -v '^the free' direct-infos.lines >direct-infos-configured.lines

# ---- Hosted

# The tokens that are not transparent, and libraries beside each other; for a daemon only.
configured_points() { # MODE
  local mode=$1 me
  me=$(me "$mode")
  same_tokens "$mode-configured"
  daemon_config <<END
$BACKEND_TEXT
token conformance {
  layer { backend = "$mode-configured" token = conformance }
  access = read-write
  allow = {"$me"}
}
END
  daemon_up
  use_client "$mode"
  asserted "$mode" 5 infos-configured
  compare "$mode" 5 infos-configured
  asserted "$mode" 8 no-admin conformance
  daemon_down

  backend_spy "$mode-spy"
  daemon_config <<END
$BACKEND_TEXT
$SPY_TEXT
}
token Shown {
  layer { backend = "$mode-configured" token = conformance }
  serial = 12345
  allow = {"$me"}
}
token Spied {
  layer { backend = "$mode-spy" }
  allow = {"$me"}
}
END
  daemon_up
  asserted "$mode" 5 infos-configured Shown 12345
  check_equal "$mode/5/two libraries: the token has its library's manufacturer and model" \
    "$(sed -n "s/^the token: token's manufacturerID\t//p; s/^the token: model\t//p" direct-infos.lines)" \
    "$(sed -n 's/^the token: manufacturerID\t//p; s/^the token: model\t//p' "$mode-infos-configured.lines")"
  daemon_down

  same_tokens "$mode-plain"
  daemon_config <<END
${BACKEND_TEXT%\}}
  transparent = yes
  allow = {"$me"}
}
END
  daemon_up
  asserted "$mode" 8 no-admin conformance
  daemon_down
}

spy_points() { # MODE
  local mode=$1
  if [ "$mode" = library ]; then
    client_config spy <<<"backend spy { module = \"$SPY\" }"
  else
    backend_spy "$mode-spied"
    daemon_config <<END
$SPY_TEXT
  transparent = yes
  allow = {"$(me "$mode")"}
}
END
    daemon_up
    use_client "$mode"
  fi
  asserted "$mode" 4 parameter-forms
  asserted "$mode" 9 zeroed-results
  asserted "$mode" 10 initialize-once
  [ "$mode" = library ] || daemon_down
}

for mode in "${modes[@]}"; do
  BACKEND_MORE=
  if [ "$mode" != library ]; then
    BACKEND_MORE="transparent = yes
  admin = yes
  allow = {\"$(me "$mode")\"}"
  fi
  same_tokens "$mode"
  if [ "$mode" != library ]; then
    daemon_config <<<"$BACKEND_TEXT"
    daemon_up
  fi
  use_client "$mode"
  for point in "${compared[@]}"; do
    read -r number name <<<"$point"
    asserted "$mode" "$number" "$name"
    compare "$mode" "$number" "$name"
  done
  asserted "$mode" 10 initialize-at-once 20
  asserted "$mode" 11 forked
  asserted "$mode" 13 interfaces
  [ "$mode" = library ] || daemon_down
  BACKEND_MORE=
  [ "$mode" = library ] || configured_points "$mode"
  spy_points "$mode"
done
finish
