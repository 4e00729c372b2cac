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

# For tests that look at the daemon's processes, sourced after e2e/lib-daemon.sh: a daemon with a client
# on the local socket, one on TCP, and one of a token whose backend is a multip11d: this one, to which
# that is a third. All are logged in and idle; client[local], client[gss] and client[above] are they.
# The uplink, multip11-remote, runs as UPLINK_UID.

hosted_programs
realm_up
realm_service relay/here "$MULTIP11_TMP/relay.keytab" || give_up "no principal for the uplink"
backend_softhsm hsm shared
UPLINK_UID=61040
daemon_config <<END
pool-size = 1
$BACKEND_TEXT
backend up {
  server = "tcp://localhost:$TCP_PORT"
  principal = "pkcs11/localhost@$realm_name"
  keytab = "$MULTIP11_TMP/relay.keytab"
  environment = {"KRB5_CONFIG=$KRB5_CONFIG"}
  user = "$UPLINK_UID:$UPLINK_UID"
}
listener above { path = "$MULTIP11_TMP/above.sock" mode = 0666 principal = above }
token shared {
  layer { backend = hsm token = "shared" }
  access = read-write
  allow = {"$(me local)", "alice@$realm_name", "relay/here@$realm_name"}
}
token up { layer { backend = up token = "shared" } access = read-write allow = {"local:above"} }
END
daemon_up
client_config above <<<"server here { address = \"unix://$MULTIP11_TMP/above.sock\" }"

declare -A client
for mode in local gss above; do
  label=shared
  if [ $mode = above ]; then use_client "$MULTIP11_TMP/above.conf" && label=up; else use_client $mode; fi
  mkfifo "hold.$mode"
  "$P11TEST" "$MODULE" hold $label <"hold.$mode" >"held.$mode" 2>&1 &
  client[$mode]=$!
  started_pids+=($!)
  exec {fd}>"hold.$mode"
  wait_for 20 grep -q ready "held.$mode" || give_up "$mode: $(cat "held.$mode")"
done
sleep 1 # a process that is being started for the pool has confined itself by then
