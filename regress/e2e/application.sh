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

# The module in an application of many threads, and its manners towards the application's processes.
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

no_helpers() { [ -z "$(pids_of -backend)$(pids_of -remote)" ]; }

hosted_programs
realm_up
for mode in library local gss kdh; do
  backend_softhsm "app-$mode" "app-$mode"
  if [ $mode != library ]; then
    daemon_config <<END
$BACKEND_TEXT
token "app-$mode" {
  layer { backend = "app-$mode" token = "app-$mode" }
  access = read-write
  allow = {"$(me $mode)"}
}
END
    daemon_up
  fi
  use_client $mode
  for scenario in "threads app-$mode 8 25" "processes app-$mode"; do
    p11test $scenario | sed "s/^\(ok\|not ok\) /&$mode: /" >out
    check_equal "$mode: ${scenario%% *} ran to its end" "0" "${PIPESTATUS[0]}"
    cat out
    failures=$((failures + $(grep -c '^not ok' out)))
  done
  wait_for 5 no_helpers || not_ok "$mode: helpers outlive their application"
  [ $mode = library ] || daemon_down
done
finish
