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

# A daemon with idle connections sleeps: no process of it wakes up by itself. If this failed, a thousand
# idle clients would keep a processor busy.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
bench=$MULTIP11_BUILD/regress/bench/p11bench
[ -x "$bench" ] || give_up "regress/bench/p11bench is not built"

hosted_programs
realm_up
backend_softhsm daemon idle
daemon_config <<END
$BACKEND_TEXT
token idle {
  layer { backend = daemon token = "idle" }
  access = read-write
  allow = {"$(me local)", "$(me gss)"}
}
END
daemon_up
use_client local
check "a key" p11test make-key idle first
for mode in local gss; do
  use_client $mode
  start "$mode.log" "$bench" -l idle -p 1234 -I 600 "$MODULE"
  wait_for 60 grep -q '^ready' "$mode.log" || give_up "$mode: $(cat "$mode.log")"
done

# "PID NAME SWITCHES": how often each process, with all its threads, went to sleep by itself.
switches() {
  local p name
  while read -r p name; do
    echo "$p $name $(cat "/proc/$p"/task/*/status | awk '/^voluntary/ { n += $2 } END { print n }')"
  done < <(daemon_processes)
}
# Memory that the calls used is given back some time after the last one, and the pools are filled.
# The daemon is asleep when it has been so for longer than anything that it does later takes to come.
asleep() {
  switches >before
  sleep 11
  switches >after
  cmp -s before after
}
if wait_for 120 asleep; then
  ok "nobody wakes up for nothing"
else
  not_ok "nobody wakes up for nothing"
  diff before after
fi
check_match "both connections are there" 'multip11-net' "$(cat after)"
check_equal "each has its backend" 2 "$(grep -c multip11-backend after)"
finish
