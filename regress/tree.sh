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

# The tree itself: every file is built or distributed, has its licence, is formatted, and keeps to
# what its folder may include; no secret is printed; what the documents name is there.
. "$(dirname "$0")/lib.sh"
source=$MULTIP11_SOURCE

cd "$source" || exit 2
folders="common asn1 monitor netproc backendproc client"
files=$(find $folders regress contrib .ci \( -name generated -o -name include -o -name include-remote \
  -o -name .deps -o -name .libs -o -path regress/fuzz/corpus \) -prune -o -type f ! -name '*.o' ! -name '*.lo' ! -name '*~' \
  ! -name .dirstamp -print)
code=$(grep -E '\.(cc|c|h)$' <<<"$files" | grep -v '^common/cryptoki\.h$')

# ---- Built and distributed

# A file a line: those that no Makefile.inc has in its text.
unlisted=$(grep -vE '/Makefile\.inc$|^\.ci/run$' <<<"$files" |
  awk 'FILENAME != "-" { text = text " " $0; next } !index(text, $0)' Makefile.am ./*/Makefile.inc -)
check_equal "every file is named in a Makefile.inc" "" "$(paste -sd' ' <<<"$unlisted")"

# ---- Licence, size, format

licensed=$(grep -E '\.sh$|^contrib/(check|quickstart|packages)$|^\.ci/|regress/run$|bench/run$|bench/(guest|idle|loaded)$|^regress/guest/|^regress/bench/.*\.awk$' <<<"$files")
check_equal "every source file has the licence" "" \
  "$(awk 'FNR == 1 { name(); file = FILENAME } FNR <= 30 && /Copyright \(c\) 2026 The multip11 authors/ { file = "" }
    function name() { if (file != "") print file } END { name() }' $code $licensed | paste -sd' ')"
check_equal "no source file has more than 700 lines, no test more than 1000" "" \
  "$(wc -l $code | awk '$2 != "total" && $1 > ($2 ~ /^regress\// ? 1000 : 700) { print $2 }' | paste -sd' ')"
scripts=$(awk 'FNR > 1 { nextfile } /^#!\/bin\/(ba)?sh/ { print FILENAME } { nextfile }' $files)
check_equal "every shell script parses" "" \
  "$(for f in $scripts; do
    bash -n "$f" 2>/dev/null || echo "$f"
  done | paste -sd' ')"
# Other versions set other breaks.
clang_format=$(command -v clang-format-14)
if [ -n "$clang_format" ]; then
  unformatted() { # PROGRAM, and files on standard input
    xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 40 "$1" --dry-run --Werror 2>&1 |
      sed -n 's/^\([^ :]*\):[0-9]*:.* error: .*/\1/p' | sort -u | paste -sd' '
  }
  check_equal "every source file is formatted (make format)" "" \
    "$(printf '%s\n' $code | unformatted "$clang_format")"
else
  skip "format" "clang-format-14 is not installed"
fi

# ---- Folders (HACKING): what may include what. The compiler's include paths say the same.

forbidden_includes() { # FOLDER HEADER-FOLDER...: prints where FOLDER includes a header of those
  local folder=$1 f header other
  shift
  for f in "$folder"/*.cc "$folder"/*.h; do
    sed -n 's/^#include "\([^"]*\)".*/\1/p' "$f" | while read -r header; do
      [ -e "$folder/$header" ] && continue
      for other; do [ -e "$other/$header" ] && echo "$f:$header"; done
    done
  done
}
check_equal "common/ includes no sibling" "" \
  "$(forbidden_includes common asn1 monitor netproc backendproc client)"
check_equal "monitor/ includes common/ only" "" \
  "$(forbidden_includes monitor asn1 netproc backendproc client)"
check_equal "netproc/ includes common/ and asn1/" "" \
  "$(forbidden_includes netproc monitor backendproc client)"
check_equal "backendproc/ includes common/ only" "" \
  "$(forbidden_includes backendproc asn1 monitor netproc client)"
check_equal "asn1/ includes common/ only" "" \
  "$(forbidden_includes asn1 monitor netproc backendproc client)"
check_equal "client/ includes nothing of backendproc/" "" "$(forbidden_includes client backendproc)"
check_equal "krb5 and GSS-API are in multip11-auth, multip11-net and multip11-remote alone" "" \
  "$(grep -lE '^#include <(krb5|gssapi)' common/* backendproc/* asn1/* monitor/*.{cc,h} client/*.{cc,h} \
    netproc/* 2>/dev/null | grep -vE '^(monitor/auth_|netproc/gss_wrap|client/(gss|kdh|kerberos|remote|service)_)')"
check_equal "TLS is in multip11-net and multip11-remote alone" "" \
  "$(grep -lE '^#include <openssl/(ssl|tls)' common/* backendproc/* asn1/* monitor/*.{cc,h} \
    client/*.{cc,h} netproc/* 2>/dev/null | grep -vE '^(netproc/(kdh|tls)|client/kdh)_')"
check_equal "no iostream in what is installed" "" \
  "$(for f in $folders; do grep -lE '^#include <(iostream|sstream|fstream)>' "$f"/*.{cc,h}; done 2>/dev/null)"

# ---- Secrets: a PIN's or key's octets never go to a log call or printf

check_equal "no log line is made of a PIN or a key" "" \
  "$(grep -nE '(log_[a-z]+|fatal|printf|syslog)\(.*(pin|key|secret|password)[a-z_]*(\.data|\(\)\.data|->data)' \
    $(grep -vE '^regress/' <<<"$code"))"

# ---- Documents

for doc in README README.privsep PROTOCOL PROTOCOL.internal SECURITY LAYERS PERFORMANCE HACKING regress/README LICENSE; do
  check "$doc is there" [ -s "$doc" ]
done
# A path in a document, such as common/channel.h, exists.
missing=$(for doc in README README.privsep PROTOCOL PROTOCOL.internal SECURITY LAYERS PERFORMANCE HACKING regress/README; do
  [ -e "$doc" ] || continue
  grep -oE '\b(common|asn1|monitor|netproc|backendproc|client|regress|contrib)/[A-Za-z0-9_./-]*[A-Za-z0-9_]' \
    "$doc" | grep -v '^client/include' | sort -u | while read -r path; do
    compgen -G "$path*" >/dev/null || echo "$doc:$path"
  done
done)
check_equal "the files that the documents name exist" "" "$(paste -sd' ' <<<"$missing")"
if command -v mandoc >/dev/null; then
  for page in monitor/*.[1-9] client/*.[1-9]; do
    check_equal "$page has no mistake that mandoc finds" "" "$(mandoc -T lint -W warning "$page" 2>&1)"
  done
else
  skip "manual pages" "mandoc is not installed"
fi
cd "$MULTIP11_TMP" || exit 2
finish
