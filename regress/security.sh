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


# SECURITY, section 2, against the tests. If this failed, something that is said to be kept would not be
# tried, or an attack would be tried and said nowhere. The form of both is in regress/README.
. "$(dirname "$0")/lib.sh"
regress=$MULTIP11_SOURCE/regress
document=${SECURITY:-$MULTIP11_SOURCE/SECURITY}

# One line for each thing that is kept: everything from "kept:" to the next line of another kind.
section_2() { sed -n '/^2\. /,/^3\. /p' "$document"; }
kept_items() {
  section_2 | awk '
    /^    kept:/ { text = text "\n" substr($0, 10); on = 1; next }
    /^    / && !/^    lost:/ && on { sub(/^ +/, " "); text = text $0; next }
    { on = 0 }
    END { print text }' | tr ';' '\n' | sed 's/^ *//; s/[. ]*$//; /^$/d'
}
# "FOLDER/TEST NAME" for each reference; NAME is - where there is none.
references() {
  tr '\n' ' ' <"$document" | grep -oE '\[(attack|e2e|unit|privsep)/[^]]*\]' | tr -d '[]' |
    sed 's/  */ /g' | while IFS=: read -r test names; do
    [ -n "$names" ] || echo "$test -"
    for name in ${names//,/ }; do echo "$test $name"; done
  done | sort -u
}
declared() {
  local f
  for f in "$regress"/attack/*.sh; do
    sed -n "s,^# attack: \([a-z0-9-]*\).*,attack/$(basename "$f" .sh) \1,p" "$f"
  done | grep -v '^attack/lib-' | sort -u
}
exists() { # TEST NAME
  case $1 in
  attack/*) [ "$2" = - ] && [ -x "$regress/$1.sh" ] ||
    grep -q "^# attack: $2 " "$regress/$1.sh" 2>/dev/null ;;
  unit/*) [ -e "$regress/$1/$2.cc" ] ;;
  *) [ "$2" = - ] && [ -x "$regress/$1.sh" ] ;;
  esac
}

items=$(kept_items)
check "SECURITY says what is kept ($(grep -c '' <<<"$items") things)" [ "$(grep -c '' <<<"$items")" -ge 20 ]
check_equal "each row of the table says what is kept, but [priv]'s" \
  "$(($(section_2 | grep -c '^    lost:') - 1))" "$(section_2 | grep -c '^    kept:')"
check_equal "each thing that is kept has a test" "" "$(grep -vE '\[[a-z0-9]+/[^]]+\]' <<<"$items")"
check_equal "each test that SECURITY names is there" "" "$(references | while read -r test name; do
  exists "$test" "$name" || echo "$test: $name"
done)"
check_equal "each attack is named by SECURITY" "" \
  "$(comm -23 <(declared) <(references) | sed 's/ /: /')"

inject=$MULTIP11_BUILD/regress/attack/inject
if [ -x "$inject" ]; then
  check_equal "the table of system calls is that of the tests" "$("$inject" matrix)" \
    "$(section_2 | sed -n '/^    class /,/^That /p' | sed '$d' | sed '$d')"
else
  not_ok "the table of system calls: $inject is not built"
fi
finish
