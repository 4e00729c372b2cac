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

# No PIN and no key in a log, at any level, nor in a file that is ours: with everything at debug, right
# and wrong PINs, changed PINs and imported keys, in all three modes.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands pkcs11-tool

hosted_programs
realm_up

first=Right-Pin-71530 second=Other-Pin-88264 wrong=Wrong-Pin-30977 key=SecretKeyOctets-5521-01234567890
printf %s "$key" >key.octets
secrets=("$first" "$second" "$wrong" SecretKeyOctets)
# As text, and as the hexadecimal digits in which a dump would show them.
patterns=("${secrets[@]}")
for s in "${secrets[@]}"; do patterns+=("$(printf %s "$s" | od -An -tx1 | tr -d ' \n')"); done

for mode in library local gss kdh; do
  backend_softhsm "log-$mode" "log-$mode"
  if [ $mode != library ]; then
    daemon_config <<END
log-level = debug
$BACKEND_TEXT
token "log-$mode" {
  layer { backend = "log-$mode" token = "log-$mode" }
  access = read-write
  admin = yes
  allow = {"$(me $mode)"}
}
END
    daemon_up
  fi
  use_client $mode
  echo "log-level = debug" >>"$MULTIP11_CONFIG"
  export MULTIP11_DEBUG=1
  tool=(pkcs11-tool --module "$MODULE" --token-label "log-$mode")
  {
    "${tool[@]}" --login --pin "$SUITE_PIN" --change-pin --new-pin "$first" &&
      "${tool[@]}" --login --pin "$first" --change-pin --new-pin "$second" &&
      "${tool[@]}" --login --login-type so --so-pin "$SUITE_SO_PIN" --init-pin --new-pin "$first" &&
      "${tool[@]}" --login --pin "$first" --write-object key.octets --type secrkey \
        --key-type AES:32 --label imported &&
      "${tool[@]}" --login --pin "$first" --list-objects
  } >"client-$mode.log" 2>&1 </dev/null
  check_equal "$mode: PINs are changed and a key is imported" 0 $?
  check_fails "$mode: a wrong PIN is refused" "${tool[@]}" --login --pin "$wrong" --list-objects
  "${tool[@]}" --login --pin "$wrong" --list-objects >>"client-$mode.log" 2>&1 </dev/null
  [ $mode = library ] || daemon_down
done

check "the daemon logged at debug" grep -q 'debug' "$daemon_log"
for p in "${patterns[@]}"; do
  check_equal "no log has ${p:0:11}..." "" \
    "$(grep -rilaF -- "$p" "$daemon_log" client-*.log "$MULTIP11_TMP/run" ./*.conf | paste -sd' ')"
done
finish
