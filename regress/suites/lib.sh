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

# For the suites: sourced first, with the module as argument of the suite. A suite drives real clients
# against one PKCS #11 module and prints sorted lines `NAME PASS|FAIL|SKIP`, so that a run on a library
# itself can be compared with a run on the same library behind multip11.
#
# From the environment, set by prepare_softhsm (softhsm.sh):
#   SUITE_LABEL, SUITE_SO_PIN, SUITE_PIN     the token; it is fresh
# and, by the caller:
#   SUITE_WORK        an empty directory for the suite's files and its log

set -u
export LC_ALL=C
MODULE=$(readlink -f "${1:?usage: $0 MODULE}")
: "${SUITE_LABEL:?}" "${SUITE_SO_PIN:?}" "${SUITE_PIN:?}" "${SUITE_WORK:?}"
cd "$SUITE_WORK" || exit 2
log=$SUITE_WORK/suite.log
: >"$log"
# Nothing of the user's own: not OpenSC's configuration, not p11-kit's modules, no home directory.
export OPENSC_CONF=/dev/null HOME=$SUITE_WORK MODULE

# NAME COMMAND...: PASS when it ends with 0, SKIP with 77.
check() {
  local name=$1 status
  shift
  echo "### $name: $*" >>"$log"
  timeout "${CHECK_SECONDS:-120}" "$@" >>"$log" 2>&1 </dev/null
  status=$?
  case $status in
  0) echo "$name PASS" ;;
  77) echo "$name SKIP" ;;
  *) echo "### $name: status $status" >>"$log"; echo "$name FAIL" ;;
  esac
}

# NAME SCRIPT: the same for a piece of bash.
check_sh() { check "$1" bash -o pipefail -c "$2"; }

# COMMAND...: in the background, its output in the log; $server is its process id.
serve() {
  "$@" >>"$log" 2>&1 </dev/null &
  server=$!
}
end_server() {
  kill "$server" 2>/dev/null
  wait "$server" 2>/dev/null
}

# PORT: waits until somebody listens there.
await_port() {
  local i
  for i in {1..50}; do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.1
  done
}
suite_port() {
  local port
  while port=$((20000 + RANDOM % 12000)) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}
