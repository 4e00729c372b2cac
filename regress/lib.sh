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

# For shell tests: `. "$MULTIP11_SOURCE/regress/lib.sh"`. regress/run sets
#   MULTIP11_SOURCE, MULTIP11_BUILD   top of the source and of the build
#   MULTIP11_TMP                      this test's private directory, which is also the current one
# and counts the lines `ok NAME`, `not ok NAME` and `skip NAME reason` on standard output.
#
# A test started by hand (MULTIP11_BUILD=... regress/e2e/x.sh) makes its own directory.

set -u
export LC_ALL=C
: "${MULTIP11_SOURCE:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
: "${MULTIP11_BUILD:=$PWD}"
if [ -z "${MULTIP11_TMP:-}" ]; then
  MULTIP11_TMP=$(mktemp -d "${TMPDIR:-/tmp}/multip11-test.XXXXXX")
  chmod 755 "$MULTIP11_TMP"
  echo "directory: $MULTIP11_TMP"
  export HOME=$MULTIP11_TMP
fi
export MULTIP11_SOURCE MULTIP11_BUILD MULTIP11_TMP
cd "$MULTIP11_TMP" || exit 2

failures=0

# ---- Verdicts

ok() { echo "ok $*"; }
not_ok() {
  echo "not ok $*"
  failures=$((failures + 1))
}
skip() { echo "skip $*"; } # NAME REASON

# NAME COMMAND...: ok when the command ends with 0. Its output goes to the log when it does not.
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1 </dev/null); then
    ok "$name"
  else
    local status=$?
    not_ok "$name (status $status)"
    printf '%s\n' "$output" | tail -n 20 | sed 's/^/    /'
  fi
}

# NAME COMMAND...: ok when the command fails by itself: not by a signal, not by being absent. (ssh's own
# failures are 255.)
check_fails() {
  local name=$1 output status
  shift
  output=$("$@" 2>&1 </dev/null)
  status=$?
  if [ $status -eq 255 ] || { [ $status -ne 0 ] && [ $status -lt 124 ]; }; then
    ok "$name"
  else
    not_ok "$name (status $status, expected a failure)"
    printf '%s\n' "$output" | tail -n 20 | sed 's/^/    /'
  fi
}

# NAME EXPECTED ACTUAL
check_equal() {
  if [ "$2" = "$3" ]; then
    ok "$1"
  else
    not_ok "$1"
    printf '    expected: %s\n    actual:   %s\n' "$2" "$3" | head -n 20 | cut -c1-400
  fi
}

# NAME PATTERN TEXT: ok when a line of the text matches the extended regular expression.
check_match() {
  if printf '%s\n' "$3" | grep -qE -- "$2"; then
    ok "$1"
  else
    not_ok "$1"
    printf '    no line matches %s in:\n' "$2"
    printf '%s\n' "$3" | head -n 40 | sed 's/^/    | /'
  fi
}

# The last line of every test.
finish() {
  stop_all
  exit $((failures > 0))
}

# Ends the whole test: nothing that follows could mean anything.
give_up() {
  not_ok "$*"
  exit 1
}

# For tests that cannot run here at all.
skip_test() {
  echo "$*"
  exit 77
}

need_root() { [ "$(id -u)" = 0 ] || skip_test "needs root: $1"; }

# COMMAND...: each must be installed. contrib/packages names the packages.
need_commands() {
  local c
  for c; do
    command -v "$c" >/dev/null || skip_test "$c is not installed (contrib/packages install test)"
  done
}

# ---- Processes

started_pids=()

# LOG COMMAND...: starts it in the background; $! is its process id, which stop takes.
start() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 </dev/null &
  started_pids+=($!)
}

running() { # PID: it runs, and is no zombie
  local state
  state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)
  [ -n "$state" ] && [ "$state" != Z ]
}

# PID [SECONDS]: asks it to end, waits, and fails when it had to be killed.
stop() {
  local pid=$1 seconds=${2:-15} status=0
  kill -TERM "$pid" 2>/dev/null
  if ! wait_for "$seconds" not running "$pid"; then
    kill -KILL "$pid" 2>/dev/null
    status=1
  fi
  wait "$pid" 2>/dev/null
  local kept=() p
  for p in ${started_pids[@]+"${started_pids[@]}"}; do [ "$p" = "$pid" ] || kept+=("$p"); done
  started_pids=(${kept[@]+"${kept[@]}"})
  return $status
}

stop_all() {
  local i
  for ((i = ${#started_pids[@]} - 1; i >= 0; i--)); do stop "${started_pids[i]}"; done
  started_pids=()
}
trap stop_all EXIT

not() { ! "$@"; }

# SECONDS COMMAND...: tries the command ten times a second until it succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

# Prints a TCP port on which nobody listens now, below those that the kernel gives to clients.
free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)) && listening "$port"; do :; done
  echo "$port"
}
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; } # PORT
