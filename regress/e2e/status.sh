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


# `multip11 status` and `multip11 explain`: what a daemon says of itself before, while and after a
# library of it fails; to whom; and that neither a name nor a reader can do anything with it. If this
# failed, an administrator would look for the fault in the wrong place, or be shown what somebody else
# wrote.
. "$(dirname "$0")/../lib.sh" || exit 2
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util

hosted_programs
realm_up
tool=$LIBEXEC/multip11
install -m 755 "$(find_program multip11)" "$tool" || give_up "no multip11"
install -m 755 "$MULTIP11_BUILD/regress/mock/.libs/mock.so" "$LIBEXEC/mock.so" || give_up "no mock library"
backend_softhsm people alice
people=$BACKEND_TEXT
user_line() { as_root && echo "user = \"$1:$1\""; }
daemon_config <<END
pool-size = 1
$people
backend gallery {
  module = "$LIBEXEC/mock.so" $(user_line 61020) environment = {"MOCK_EXHIBIT=picture"}
  max-instances = 3
}
token Desk {
  layer { backend = people token = alice access = read-write no-functions = {"C_Wrap*"} }
  layer { backend = gallery pin = none show = {"label=pict*"} }
  allow = {"uid:$(id -u)"}
}
token Alone { layer { backend = people token = alice } access = read-write allow = {"*@$realm_name"} }
END
socket=$MULTIP11_TMP/run/status.sock
status() { "$tool" status --socket "$socket" "$@"; }
# KEYWORD PATTERN: some line of that word matches; value WORD KEY: of its first line
line() { status | grep -E "^$1 " | grep -E -- "$2"; }
value() { status | sed -n "s/^$1 .*\\b$2=\"\\{0,1\\}\\([^ \"]*\\).*/\\1/p" | head -n 1; }

# ---- No daemon

status >out 2>err
check_equal "without a daemon the exit code is 1" 1 $?
check_match "and it says so" "status.sock: no multip11d runs there; start it" "$(cat err)"
status --colour >out 2>err
check_equal "an option that there is none of: 2" 2 $?
daemon_up
check_equal "the socket is its owner's alone" "600 $(id -u)" "$(stat -c '%a %u' "$socket")"

# ---- Before anybody comes

check "the daemon says how it is" status
check_match "it serves" "^multip11d status=1 version=\"[^ ]+\" pid=$DAEMON since=20[^ ]+Z .*state=serving$" \
  "$(status | head -n 1)"
check_equal "the report has an end" "end left-out=0" "$(status | tail -n 1)"
check_equal "nobody is there" 0 "$(status | grep -c '^connection ')"
check_match "a backend that nobody uses" 'name="gallery" running=0 waiting=0 max-instances=3 started=0 refused=0 failed=0$' \
  "$(line backend gallery)"
check_match "the vault runs" "pid=$(pids_of -vault) " "$(line service vault)"

# ---- With a client

use_client local
mkfifo hold.in
"$P11TEST" "$MODULE" hold Desk <hold.in >hold.out 2>&1 &
client=$!
started_pids+=($client)
exec 8>hold.in
wait_for 20 grep -q ready hold.out || give_up "the client: $(cat hold.out)"
finds() { # COUNT
  local before
  before=$(grep -c found hold.out)
  echo "find picture" >&8
  wait_for 30 eval '[ "$(grep -c found hold.out)" -gt '"$before"' ]' &&
    [ "$(tail -n 1 hold.out)" = "found $1" ]
}
check "the client finds the picture" finds 1
number=$(value connection number)
check_match "its connection" \
  "number=$number since=[^ ]+Z state=running from=local listener=\"local\" peer=\"uid:$(id -u) pid [0-9]+ on local\" kind=local principal=\"uid:$(id -u)\" monitor=[0-9]+ backends=2 left-out=0 configuration=present" \
  "$(line connection .)"
check_match "its library" "running=1 waiting=0 max-instances=3 started=1 refused=0 failed=0$" "$(line backend gallery)"
gallery=$(line process '"gallery"' | sed 's/.*pid=\([0-9]*\).*/\1/')
check_match "its process is that of the connection" "connection=$number" "$(line process '"gallery"')"
check "which runs" running "$gallery"

# ---- A library fails

mv "$LIBEXEC/mock.so" "$LIBEXEC/away.so"
kill -SEGV "$gallery"
check "without the library the client finds nothing" finds 0
failed() { [ "$(status | sed -n 's/^backend name="gallery".* failed=\([0-9]*\).*/\1/p')" -ge 1 ]; }
check "its failures are counted" wait_for 10 failed
check_match "and the last one is said" 'last-failed=[^ ]+Z last-failure="[^"]+"' "$(line backend gallery)"
check_match "the layer is left out, and why" \
  "connection=$number slot=1 token=\"Desk\" layer=2 backend=\"gallery\" since=[^ ]+Z rv=0x[0-9a-f]{8} rv-name=CKR_" \
  "$(line left-out .)"
check_match "its connection says how many" "left-out=1 " "$(line connection .)"
check_match "the other library has not failed" "failed=0$" "$(line backend '"people"')"
mv "$LIBEXEC/away.so" "$LIBEXEC/mock.so"
check "when the library is back the client finds the picture" finds 1
check_equal "no layer is left out any more" 0 "$(status | grep -c '^left-out ')"
check_match "what was is still said" "last-failure=" "$(line backend gallery)"

# ---- For programs

check "JSON is JSON" python3 -c "
import json, sys
all = json.loads(sys.argv[1])
assert all[0]['line'] == 'multip11d' and all[0]['pid'] == $DAEMON, all[0]
assert all[-1] == {'line': 'end', 'left-out': 0}, all[-1]
mine = [one for one in all if one['line'] == 'connection']
assert len(mine) == 1 and mine[0]['principal'] == 'uid:$(id -u)', mine
" "$(status --json)"

# ---- Who is told

if as_root; then
  as_other() { setpriv --reuid=61999 --regid=61999 --clear-groups "$@"; }
  chmod 755 "$MULTIP11_TMP"
  as_other "$tool" status --socket "$socket" >out 2>err
  check_equal "another user is refused" 2 $?
  check_match "and told why" "only root, or who runs the daemon, is told" "$(cat err)"
  chmod 666 "$socket"
  as_other "$tool" status --socket "$socket" >out 2>err
  check_equal "whatever the mode of the file" 2 $?
  check_equal "he is told nothing" "" "$(cat out)"
  check_match "the log has it" "uid:61999 .* is not told the status" "$(grep status "$daemon_log")"
  chmod 600 "$socket"
fi

# ---- Who reads nothing, or says something

python3 - "$socket" >talk.out 2>&1 <<'END' &
import socket, sys, time
idle = []
for i in range(30):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(sys.argv[1])
    idle.append(s)
    try:
        s.send(b"x" * 100000)
    except OSError:
        pass
print("connected", flush=True)
time.sleep(60)
END
talker=$!
started_pids+=($talker)
check "thirty readers that do not read, and talk" wait_for 20 grep -q connected talk.out
check "do not keep the client" finds 1
check "nor another reader" status
check "nor a new client" "$P11TEST" "$MODULE" sign Desk
kill $talker 2>/dev/null

# ---- What somebody is called

bad=$'mal\e[2J"\xe2\x80\xae' # a terminal's control sequence, a quote, and text from right to left
realm_user "$bad" secret && realm_kinit "$bad" secret || give_up "no such principal: $(cat "$realm_dir"/*.log)"
use_client gss
mkfifo bad.in
"$P11TEST" "$MODULE" hold Alone <bad.in >bad.out 2>&1 &
started_pids+=($!)
exec 9>bad.in
wait_for 20 grep -q ready bad.out || give_up "the client: $(cat bad.out)"
there() { [ -n "$(line connection 'from=network .*kind=kerberos')" ]; }
check "somebody of a strange name is there" wait_for 20 there
check_match "it is shown, and forges nothing" \
  ' listener="network" peer="127.0.0.1 port [0-9]+" kind=kerberos principal="mal\\x1b\[2J\\x22\\xe2\\x80\\xae@'"$realm_name"'" until=20[^ ]+Z ' \
  "$(line connection from=network)"
check_equal "no octet of the report controls a terminal" "" \
  "$(status | LC_ALL=C tr -d '\n' | LC_ALL=C tr -d ' -~' | od -An -tx1)"
check "JSON takes it" python3 -c "
import json, sys
names = [one.get('principal') for one in json.loads(sys.argv[1])]
assert r'mal\x1b[2J\x22\xe2\x80\xae@$realm_name' in names, names
" "$(status --json)"
exec 9>&-

# ---- multip11 explain

explain() { "$tool" explain --program "$LIBEXEC/multip11d" -f "$DAEMON_CONFIG" "user=uid:$(id -u)" "$@"; }
check_match "who would sign with a key" '^  answer: layer 1, backend people; or layer 2, backend gallery$' \
  "$(explain token=Desk function=C_SignInit mechanism=CKM_ECDSA 'object=pkcs11:object=picture;type=private')"
explain token=Desk 'object=pkcs11:object=note' | grep -q 'hidden, as no entry of show is about it'
check_equal "what hides an object" 0 $?
explain token=Desk function=C_WrapKey >out
check_match "which pattern refuses" 'layer 1, .*CKR_FUNCTION_NOT_SUPPORTED by no-functions "C_Wrap\*"' "$(cat out)"
explain token=Alone >out
check_equal "nothing is seen: 1" 1 $?
explain function=C_Nothing >out 2>err
check_equal "a question that is none: 2" 2 $?
"$tool" explain --program /nonexistent -f "$DAEMON_CONFIG" user=uid:0 2>err
check_equal "without multip11d: 2" 2 $?
check_match "and what to do" "/nonexistent: No such file.*install it" "$(cat err)"
if as_root; then
  as_other "$tool" explain --program "$LIBEXEC/multip11d" -f "$DAEMON_CONFIG" user=uid:7 >out 2>err
  check_match "no privilege is needed" "2 not seen" "$(cat out err)"
fi

# ---- Afterwards

exec 8>&-
wait $client
gone() { [ "$(status | grep -c '^connection ')" = 0 ]; }
check "when the clients have gone, so have their lines" wait_for 10 gone
check_match "no process is left" 'name="gallery" running=0 ' "$(line backend gallery)"
daemon_down
check "the socket goes with the daemon" test ! -e "$socket"

# A daemon that was killed leaves it; the next one starts all the same.
daemon_up
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null
check "who was killed leaves a socket" test -S "$socket"
status >out 2>err
check_equal "at which nobody listens" 1 $?
wait_for 10 no_daemon_processes
daemon_up
check "the next one takes its place" status
daemon_down

finish
