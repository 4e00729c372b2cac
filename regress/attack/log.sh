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


# limit: 300
# A multip11-log that somebody owns: owned_service stands in the real one's place. It may forge lines and
# hold them back; it cannot hold up anybody else.
#
# attack: reads-nothing full pipes to the log hold up neither [priv] nor any client
# attack: dies-always a log that ends at once, again and again, holds up nobody
# attack: speaks-to-priv a request for a backend ends it
# attack: back-to-work another log takes its place
. "$(dirname "$0")/../lib.sh" || exit 2
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-owned.sh"

owned log
realm_up
backend_softhsm hsm mine
daemon_config <<END
log-level = debug
max-connections-per-source = 500
$BACKEND_TEXT
token mine { layer { backend = hsm token = mine } access = read-write
  allow = {"$(me local)", "alice@$realm_name"} }
END
signs() { # all ways
  local way
  for way in local gss; do
    use_client $way
    timeout 60 "$P11TEST" "$MODULE" sign mine </dev/null | grep -qx signed || return 1
  done
}

mode deaf
daemon_up
log=$(pids_of -log)
knocks() { # [priv] writes lines of each; a pipe holds 64 KiB
  local i fd
  for ((i = 0; i < 1000; i++)); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$TCP_PORT" && exec {fd}>&-
  done
}
knocks
check "reads-nothing: it is the same log, and has read nothing" [ "$log" = "$(pids_of -log)" ]
attack reads-nothing signs
daemon_down

mode dies
daemon_up
attack dies-always signs
daemon_down

# What kills it says so to nobody, until there is a log again.
mode speaks
daemon_up
check "speaks-to-priv: clients are served" signs
install -m 755 "$(find_program multip11-log)" "$LIBEXEC/multip11-log.new"
mv "$LIBEXEC/multip11-log.new" "$LIBEXEC/multip11-log"
attack back-to-work wait_for 60 grep -q 'starting; 2 listeners' "$daemon_log"
attack_match speaks-to-priv 'multip11-log\[[0-9]*\] broke the form of its records; killed' \
  "$(cat "$daemon_log")"
daemon_down
finish_attacks
