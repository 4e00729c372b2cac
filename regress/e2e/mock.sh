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

# The numbers of a library that are large, random and many, and keys that parameters of mechanisms
# name: a mock library, used directly, in library mode, and hosted, over the local socket and over
# GSS, as a token of one layer, of one with a filter, and as the upper of two. If this failed, a
# client would use another key than the one that it named, or see numbers that are the library's.
# limit: 300
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

hosted_programs
realm_up
mock=$LIBEXEC/mock.so
client=$MULTIP11_BUILD/regress/mock/mock_client
install -m 755 "$MULTIP11_BUILD/regress/mock/.libs/mock.so" "$mock" || give_up "no mock library"
[ -x "$client" ] || give_up "no mock client"
many=20000 some=2000 # objects

backend_mock() { # NAME
  echo "backend $1 {"
  echo "  module = \"$mock\""
  as_root && echo "  user = \"$next_backend_uid:$next_backend_uid\""
  echo "  environment = {\"MOCK_LABEL=$1\"}"
  echo "}"
}
configure_mocks() {
  backend_mock mock
  next_backend_uid=$((next_backend_uid + 1))
  backend_mock lower
  local allow="access = read-write allow = {\"$(me local)\", \"alice@$realm_name\"}"
  echo "token mock { layer { backend = mock } $allow }"
  echo "token filtered { layer { backend = mock hide = {\"label=none\"} no-export = no } $allow }"
  echo "token two { layer { backend = mock } layer { backend = lower } $allow }"
}
daemon_config < <(configure_mocks)
daemon_up

run() { timeout 120 "$client" "$1" "$2" "$3"; } # MODULE LABEL OBJECTS
run "$mock" mock $some >direct.$some
run "$mock" mock $many >direct.$many
check_match "direct: keys are derived" "^ECMQV: .*key\(first\) .*key\(second\)" "$(cat direct.$many)"
check_match "direct: parameters give keys back" "^counter KDF: .* more 2$" "$(cat direct.$many)"
check_match "direct: and octets" "^TLS 1.2: .*revres" "$(cat direct.$many)"
check_match "direct: there are many objects" "^each is what it was made as: $many$" \
  "$(cat direct.$many)"
same() { # WHAT MODULE LABEL OBJECTS
  run "$2" "$3" "$4" >this.out || cat this.out
  check_equal "$1: the same as direct" "" "$(diff "direct.$4" this.out)"
}
client_config library < <(backend_mock mock | grep -v '^  user = ')
same library "$MODULE" mock $some
use_client local
for token in mock filtered; do same "local, $token" "$MODULE" $token $some; done
same "local, two" "$MODULE" two $many
use_client gss
for token in mock two; do same "gss, $token" "$MODULE" $token $some; done
