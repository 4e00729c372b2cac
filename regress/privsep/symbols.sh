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

# What each binary is made of: exactly these shared libraries, and no code of a library that has no
# business there, whether linked or called. This is what the folders' include paths are for.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands readelf nm

grep -q '^SANITIZE_FLAGS = .*-fsanitize' "$MULTIP11_BUILD/Makefile" &&
  skip_test "a build with sanitizers has their libraries and symbols"

# Boost has a version in its name.
json=$(readelf -d "$(find_program multip11)" | sed -n 's/.*\[\(libboost_json\.so\.[0-9.]*\)\]/\1/p')
text="libexpat.so.1 ${json:-libboost_json.so}"
base="libc.so.6 libgcc_s.so.1 libm.so.6 libstdc++.so.6 ld-linux-x86-64.so.2 ld-linux-aarch64.so.1"
declare -A may_need=(
  [multip11d]="libseccomp.so.2 libconfuse.so.2"
  [multip11-auth]="libseccomp.so.2 libgssapi_krb5.so.2 libkrb5.so.3 libk5crypto.so.3 libcom_err.so.2"
  [multip11-vault]="libseccomp.so.2 libsqlite3.so.0 libcrypto.so.3"
  [multip11-log]="libseccomp.so.2"
  [multip11-monitor]="libseccomp.so.2"
  [multip11-net]="libseccomp.so.2 libk5crypto.so.3 libsctp.so.1 libssl.so.3 libcrypto.so.3 $text"
  [multip11-backend]="libseccomp.so.2"
  [multip11-remote]="libseccomp.so.2 libgssapi_krb5.so.2 libkrb5.so.3 libk5crypto.so.3 libcom_err.so.2 libsctp.so.1 libssl.so.3 libcrypto.so.3 $text"
  [multip11.so]="libconfuse.so.2 libconfuse.so.1"
  [multip11]="$text"
)
parsers='(XML_|_ZN5boost4json)'
asn1='(asn_DEF_|asn_.*_(check_constraints|skip_length)|[bd]er_(encode|decode|tlv)|xer_|uper_)'
tls='(SSL_|EVP_|OSSL_|CRYPTO_|BIO_)'
kerberos='(krb5_|gss_)'
loader='(dlopen|dlmopen)(@|$)'
declare -A must_not=(
  [multip11d]="$parsers|$asn1|$tls|$kerberos|$loader"
  [multip11-auth]="$parsers|$asn1|$tls|$loader"
  [multip11-vault]="$parsers|$asn1|SSL_|BIO_|$kerberos|$loader"
  [multip11-log]="$parsers|$asn1|$tls|$kerberos|$loader"
  [multip11-monitor]="$parsers|$asn1|$tls|$kerberos|$loader"
  [multip11-net]="gss_|krb5_(init_context|rd_|kt_|cc_|get_)|$loader"
  [multip11-backend]="$parsers|$asn1|$tls|$kerberos"
  [multip11-remote]="$loader"
  [multip11.so]="$parsers|$asn1|$tls|$kerberos|seccomp_|$loader"
  [multip11]="$tls|$kerberos|seccomp_"
)

# Every symbol, defined or not, static or dynamic, without its C++ mangling's own noise.
symbols() { { nm "$1"; nm -D "$1"; } 2>/dev/null | awk '{ print $NF }' | sort -u; }

for name in "${!may_need[@]}"; do
  file=$(find_program "$name")
  needed=$(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
  check_equal "$name: shared libraries" "" \
    "$(grep -vxFf <(tr ' ' '\n' <<<"$base ${may_need[$name]}") <<<"$needed" | paste -sd' ')"
  all=$(symbols "$file")
  check "$name: has symbols to look at" [ "$(wc -l <<<"$all")" -gt 50 ]
  check_equal "$name: no symbol that does not belong there" "" \
    "$(grep -E "^(${must_not[$name]})" <<<"$all" | head -n 5 | paste -sd' ')"
  headers=$(readelf -lW "$file")
  check_match "$name: relocations are read-only" 'GNU_RELRO' "$headers"
  check_match "$name: and bound at start" 'BIND_NOW|NOW' "$(readelf -d "$file")"
  check_match "$name: the stack is not executable" 'GNU_STACK .* RW ' "$headers"
  check_match "$name: position independent" 'Type:.*DYN' "$(readelf -h "$file")"
done

# The looking itself works: what must not be in one is in another.
check_match "Kerberos is in multip11-auth" "^$kerberos" "$(symbols "$(find_program multip11-auth)")"
check_match "asn1c is in multip11-net" "^$asn1" "$(symbols "$(find_program multip11-net)")"
check_match "TLS is in multip11-net" "^SSL_" "$(symbols "$(find_program multip11-net)")"
check_match "expat is in multip11-net" "^$parsers" "$(symbols "$(find_program multip11-net)")"
check_match "dlopen is in multip11-backend" "^$loader" "$(symbols "$(find_program multip11-backend)")"

exported=$(nm -D --defined-only "$(find_program multip11.so)" | awk '{ print $NF }' | sed 's/@.*//')
check_equal "multip11.so exports C_ functions alone" "" "$(grep -v '^C_' <<<"$exported" | paste -sd' ')"
check_equal "multip11.so exports the 68 functions of PKCS #11 2.40 at least" 68 \
  "$(awk '$3 <= 2.40 { print $2 }' "$MULTIP11_SOURCE/common/pkcs11/functions.tsv" |
    grep -cxFf <(echo "$exported"))"
check_equal "multip11.so has no constructors of its own" "" \
  "$(nm "$(find_program multip11.so)" | awk '$NF ~ /^_GLOBAL__sub_I/ { print $NF }' | paste -sd' ')"
finish
