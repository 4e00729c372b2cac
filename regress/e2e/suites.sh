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

# Hosted must equal direct: every suite of regress/suites, run on SoftHSM itself and through
# multip11 in library mode, through the local socket and through TCP with GSS-API. One check for
# each line of a suite.
# limit: 1200
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands pkcs11-tool openssl softhsm2-util

declare -A needs=(
  [pkcs11-tool]="pkcs11-tool openssl"
  [gnutls]="p11tool certtool gnutls-serv gnutls-cli"
  [openssl-engine]="openssl pkcs11-tool curl"
  [ssh]="ssh-keygen ssh-agent pkcs11-tool"
  [nss]="modutil certutil cmsutil pk12util"
)
suites=(pkcs11-tool gnutls openssl-engine ssh nss)
[ -n "${SUITES:-}" ] && read -ra suites <<<"$SUITES"
modes=(library local gss)
[ -n "${MODES:-}" ] && read -ra modes <<<"$MODES"

have_all() {
  local c
  for c; do command -v "$c" >/dev/null || { echo "$c"; return 1; }; done
}

# SUITE MODE MODULE: runs it on the token that was prepared, lines into MODE-SUITE.lines.
run_suite() {
  local work=$MULTIP11_TMP/work-$2-$1
  mkdir -p "$work"
  SUITE_WORK=$work "$MULTIP11_SOURCE/regress/suites/$1.sh" "$3" >"$2-$1.lines" 2>"$work/errors"
}

# A difference that is right: the standard lets a forked child call C_Initialize, SoftHSM does not.
allowed() { # SUITE NAME DIRECT HOSTED
  [ "$1 $2 $3 $4" = "pkcs11-tool selftest/test-fork FAIL PASS" ]
}

compare() { # SUITE MODE
  local name direct hosted
  while read -r name direct hosted; do
    if [ "$direct" = "$hosted" ]; then
      ok "$2/$1/$name"
    elif allowed "$1" "$name" "$direct" "$hosted"; then
      ok "$2/$1/$name (the difference that is allowed)"
    else
      not_ok "$2/$1/$name: direct $direct, hosted $hosted"
      sed -n "\\,^### $name: ,,/^### /p" "work-$2-$1/suite.log" | head -n 20 | cut -c1-200 |
        sed 's/^/    | /'
    fi
  done < <(join -a 1 -a 2 -e missing -o 0,1.2,2.2 "direct-$1.lines" "$2-$1.lines")
}

run_hosted() { # SUITE MODE
  BACKEND_MORE= backend_softhsm "$2-$1" suite-token
  if [ "$2" != library ]; then
    daemon_config <<END
$BACKEND_TEXT
token suite-token {
  layer { backend = "$2-$1" token = "suite-token" }
  access = read-write
  admin = yes
  allow = {"$(me "$2")"}
}
END
    daemon_up
  fi
  use_client "$2"
  run_suite "$1" "$2" "$MODULE"
  [ "$2" = library ] || daemon_down
  compare "$1" "$2"
}

hosted_programs
case " ${modes[*]} " in *" gss "*) realm_up ;; esac
for suite in "${suites[@]}"; do
  if ! lacks=$(have_all ${needs[$suite]}); then
    skip "$suite" "$lacks is not installed"
    continue
  fi
  (
    prepare_softhsm "$MULTIP11_TMP/direct-$suite" suite-token || exit 1
    run_suite "$suite" direct "$SOFTHSM_MODULE"
  )
  [ -s "direct-$suite.lines" ] || give_up "$suite does not run on SoftHSM itself"
  for mode in "${modes[@]}"; do run_hosted "$suite" "$mode"; done
done
finish
