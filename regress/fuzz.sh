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

# Fuzzing. First every input of every corpus once, with this build: what was found before would be
# there again if it failed. Then each target 10 seconds with libFuzzer, if `make fuzzers` has built
# them: what is found is a parser that reads or writes where it must not, or believes what it must
# not (regress/fuzz).
# limit: 900
. "$(dirname "$0")/lib.sh"
unset LD_PRELOAD # g++'s sanitizers, in a build that has them; these programs bring their own

replay() { # TARGET
  "$MULTIP11_BUILD/regress/fuzz/fuzz_$1" "$MULTIP11_SOURCE/regress/fuzz/corpus/$1" \
    >"$MULTIP11_TMP/$1.out" 2>&1 || {
    tail -n 20 "$MULTIP11_TMP/$1.out"
    return 1
  }
}
for source in "$MULTIP11_SOURCE"/regress/fuzz/fuzz_*.cc; do
  target=${source##*/fuzz_}
  target=${target%.cc}
  check "corpus of $target" replay "$target"
done

fuzzers=$MULTIP11_BUILD/fuzzers
if [ -e "$fuzzers/regress/fuzz/built" ]; then
  "$MULTIP11_SOURCE/regress/fuzz/run" -b "$fuzzers" -s 10 >"$MULTIP11_TMP/fuzz.out"
  ended=$?
  cat "$MULTIP11_TMP/fuzz.out"
  check_equal "all targets ended" 0 $ended
else
  echo "skip fuzz: make fuzzers has built none (it needs clang with libFuzzer)"
fi
finish
