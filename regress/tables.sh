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


# The tables of common/ against the tables of the specification in common/pkcs11/: names, order,
# versions, arguments, kinds and forms. cryptoki.h is written once more and compared.
: "${MULTIP11_SOURCE:=$(cd "$(dirname "$0")/.." && pwd)}"
. "$MULTIP11_SOURCE/regress/lib.sh"

common=$MULTIP11_SOURCE/common
spec=$common/pkcs11

# A .def file as one row a line: no comments, no line breaks within a row.
rows() { # FILE MACRO
  sed 's,/\*.*\*/,,; /^\/\*/,/\*\//d' "$1" | tr '\n' ' ' | sed "s/\($2(\)/\n\1/g; s/P11_[A-Z]*(/\n&/g" |
    grep "^$2(" | sed 's/[ 	][ 	]*/ /g; s/ *$//'
}

# ---- cryptoki.h

awk -f "$spec/gen-cryptoki.awk" "$spec/constants.tsv" "$spec/structs.tsv" "$spec/functions.tsv" \
  >cryptoki.h || give_up "cryptoki.h cannot be written"
check "cryptoki.h is what its tables make" diff "$common/cryptoki.h" cryptoki.h

# ---- functions: number, name, since, then the names of all arguments

awk -F'\t' '!/^#/ {
  n = split($4, argument, ", ")
  line = $1 " " substr($2, 3) " " $3 * 100
  for (i = 1; i <= n; i++) { m = split(argument[i], word, /[ *]+/); line = line " " word[m] }
  print line
}' "$spec/functions.tsv" >functions.spec
rows "$common/p11_functions.def" P11_FUNCTION | awk '{
  head = $0; sub(/^P11_FUNCTION\(/, "", head); split(head, field, /, */)
  line = field[1] " " field[2] " " field[3]
  while (match($0, /ARG[1-3]\([^)]*\)/)) {
    n = split(substr($0, RSTART + 5, RLENGTH - 6), argument, /, */)
    for (i = 2; i <= n; i++) line = line " " argument[i]
    $0 = substr($0, RSTART + RLENGTH)
  }
  print line
}' >functions.def
check "there are 104 functions" test "$(grep -c . functions.def)" = 104
check "functions: numbers, names, versions and arguments" diff functions.spec functions.def

# ---- attributes: value and kind; several names of one value are one row

awk -F'\t' '
BEGIN { name["attribute-array"] = "Template"; name["ulong-array"] = "Ulongs"
        name["big-integer"] = "BigInteger" }
!/^#/ && $4 != "?" {
  kind = $4 in name ? name[$4] : toupper(substr($4, 1, 1)) substr($4, 2)
  if (!seen[tolower($2)]++) print tolower($2), "k" kind
}' "$spec/attributes.tsv" | sort >attributes.spec
rows "$common/p11_attributes.def" P11_ATTRIBUTE | sed 's/^P11_ATTRIBUTE(//; s/[,)]//g' |
  awk 'NR == FNR { if ($1 ~ /^CKA_/) value[$1] = tolower($2); next } { print value["CKA_" $1], $2 }' \
    <(cut -f1,2 "$spec/attributes.tsv") - | sort >attributes.def
check "attributes: values and kinds" diff attributes.spec attributes.def

# ---- mechanisms: every value has one row, whose form is that of the specification

rows "$common/p11_params.def" P11_MECHANISM | sed 's/^P11_MECHANISM(//; s/)$//; s/, /\t/' >mechanisms.rows
awk -F'\t' 'NR == FNR { value[$1] = tolower($2); next } { print value[$1] }' \
  "$spec/mechanisms.tsv" mechanisms.rows | sort >mechanisms.def
awk -F'\t' '!/^#/ && $1 != "CKM_VENDOR_DEFINED" { print tolower($2) }' "$spec/mechanisms.tsv" | sort -u >mechanisms.spec
check "mechanisms: each value has its row" diff mechanisms.spec mechanisms.def

rows "$common/p11_params.def" P11_STRUCT >structs.rows
sed 's/^P11_STRUCT(//; s/,.*//' structs.rows >structs
# A structure that has a row is carried by every mechanism that takes it; any other is NotCarried.
awk -F'\t' '
FILENAME == "structs" { carried[$1] = 1; next }
FILENAME == "mechanisms.rows" { form[$1] = $2; next }
/^#/ || !($1 in form) { next }
{
  f = form[$1]
  if ($4 ~ /^none/) good = f == "NoParameter"
  else if ($4 ~ /^(bytes|CK_VERSION|CK_BYTE )/) good = f == "Octets"
  else if ($4 ~ /^CK_(MAC_GENERAL|EXTRACT|RC2)_PARAMS/) good = f == "Number"
  else if ($4 ~ /^CK_OBJECT_HANDLE/) good = f == "Handle"
  else {
    n = split($4, word, /[^A-Z0-9_]+/); named = 0; good = 1
    for (i = 1; i <= n; i++) if (word[i] in carried) {
      named = 1
      if (index(f, word[i]) == 0) good = 0
    }
    if (f ~ /^Struct/ ? !named : f != "NotCarried") good = 0
  }
  if (!good) { print $1 " takes " $4 " and is carried as " f; bad = 1 }
}
END { exit bad }' structs mechanisms.rows "$spec/mechanisms.tsv" >mechanisms.bad
check "mechanisms: each has the form of its parameter" diff /dev/null mechanisms.bad

# ---- structures: members in order, each of its kind; above all, every handle is a HANDLE

awk -F'\t' '
NR == FNR { wanted[$1] = 1; next }
$1 in wanted {
  line = $1; n = split($3, field, "; ")
  for (i = 1; i <= n; i++) {
    split(field[i], word, " "); type = word[1]; name = word[2]
    kind = "ULONG"
    if (type == "CK_OBJECT_HANDLE") kind = "HANDLE"
    else if (type == "CK_OBJECT_HANDLE_PTR") kind = "HANDLE_AT"
    else if (type == "CK_MECHANISM_PTR") kind = "MECHANISM"
    else if (type == "CK_ATTRIBUTE_PTR") kind = "TEMPLATE"
    else if (type == "CK_ULONG_PTR") kind = "ROOM"
    else if (type ~ /_PTR$/) kind = "POINTER"
    else if (type ~ /_RANDOM_DATA$/) kind = "INSIDE"
    else if (name ~ /\[/) kind = "ARRAY"
    else if (type ~ /^CK_(BBOOL|BYTE)$/) kind = "OCTET"
    sub(/\[.*/, "", name)
    line = line " " kind ":" name
  }
  print line
}' structs "$spec/structs.tsv" | sort >structs.spec
awk '
BEGIN {
  n = split("BYTES BYTES_INOUT BITS FIXED FIXED_OUT FIXED_INOUT TEXT STRUCTS VALUE OUTER_OUT " \
            "BUFFER_OUT POINTER_BITS", p, " ")
  for (i = 1; i <= n; i++) name[p[i]] = "POINTER"
  name["HANDLE_OUT"] = "HANDLE"; name["ULONG_INOUT"] = "ULONG"; name["OCTET_INOUT"] = "OCTET"
}
{
  line = $0; sub(/^P11_STRUCT\([^,]*,/, "", $0); sub(/^P11_STRUCT\(/, "", line); sub(/,.*/, "", line)
  while (match($0, /[A-Z_]+\([a-zA-Z][^)]*\)/)) {
    split(substr($0, RSTART, RLENGTH - 1), part, /[(,]/)
    line = line " " (part[1] in name ? name[part[1]] : part[1]) ":" part[2]
    $0 = substr($0, RSTART + RLENGTH)
  }
  print line
}' structs.rows | sort >structs.def
check "structures: members, order and kinds" diff structs.spec structs.def

finish
