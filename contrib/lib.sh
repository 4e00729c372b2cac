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

# For contrib/quickstart and contrib/check, which source it.

export LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# Numbers of processors, for make.
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

# TEXT LOG COMMAND...: runs the command, its output into the log, a dot every two seconds; on failure
# prints the end of the log. Says nothing more when it took less than a second.
long_step() {
  local text=$1 log=$2 ticker status
  shift 2
  printf '%s ' "$text"
  SECONDS=0
  (while sleep 2; do printf .; done) &
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null
  status=$?
  kill "$ticker" 2>/dev/null
  wait "$ticker" 2>/dev/null
  if [ $status -eq 0 ]; then
    [ $SECONDS -gt 0 ] && echo " $SECONDS s" || echo
    return 0
  fi
  echo " failed"
  echo "--- the end of $log"
  tail -n 40 "$log"
  echo "---"
  return $status
}

# SOURCE BUILD OPTION...: configures, with these options, and builds. Quick when nothing changed.
build_in() {
  local source=$1 build=$2
  shift 2
  if [ -e "$source/config.status" ]; then
    echo "$source was configured in place; run make distclean there first" >&2
    return 1
  fi
  mkdir -p "$build" || return 1
  if [ ! -x "$source/configure" ]; then
    (cd "$source" && ./autogen.sh) || return 1
  fi
  if [ ! -e "$build/Makefile" ] || [ "$*" != "$(cat "$build/options" 2>/dev/null)" ]; then
    (cd "$build" && "$source/configure" "$@") || return 1
    echo "$*" >"$build/options"
  fi
  make -C "$build" -j"$jobs"
}
