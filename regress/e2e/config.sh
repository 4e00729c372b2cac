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


# The configuration as the administrator meets it: each mistake is told with file, line and what to do,
# in the exit code, and before anything runs; -T shows what is in effect and reads back the same;
# the example of the manual is good; SIGHUP with a mistake changes nothing.
. "$(dirname "$0")/../lib.sh" || exit 2
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"

hosted_programs
d=$LIBEXEC/multip11d
conf=$MULTIP11_TMP/multip11d.conf
install -m 644 /dev/null "$MULTIP11_TMP/module.so"
install -m 600 /dev/null "$MULTIP11_TMP/keytab"
mkdir -p "$MULTIP11_TMP/data"

head_text=$(if as_root; then
  echo "users { auth = \"61001:61001\" vault = \"61002:61002\" monitor = \"61003:61003\""
  echo "  net = \"61004:61004\" log = \"61005:61005\" }"
else
  echo "unprivileged = yes"
  echo "# no users"
fi)
good=$(cat <<END
$head_text
run-directory = "$MULTIP11_TMP/run"
libexec-directory = "$LIBEXEC"
listener here { path = "$MULTIP11_TMP/socket" peer-uid = yes }
listener there { address = "127.0.0.1" port = 4611 }
keytab = "$MULTIP11_TMP/keytab"
principal = "pkcs11/localhost@EXAMPLE.ORG"
backend hsm { module = "$MULTIP11_TMP/module.so" user = "61010:61010" read = {"$MULTIP11_TMP/data"} }
token Keys { layer { backend = hsm } access = read-write allow = {"alice@EXAMPLE.ORG", "uid:7"} }
END
)
lines=$(printf '%s\n' "$good" | wc -l)
write_conf() { printf '%s\n' "$@" >"$conf" && chmod 644 "$conf"; }

write_conf "$good"
check "a good configuration passes -t" "$d" -t -f "$conf"
check_equal "and says nothing" "" "$("$d" -t -f "$conf" 2>&1)"

# LINE TEXT-OF-ERROR CONFIGURATION...: refused, with that line and text
refused() {
  local line=$1 text=$2 output status
  shift 2
  write_conf "$@"
  output=$("$d" -t -f "$conf" 2>&1 </dev/null)
  status=$?
  check_match "line $line: $text" "^$conf:$line: .*$text" "$output"
  check_match "and what to do: $text" "^$conf:$line: .*;" "$output"
  [ $status -eq 1 ] || not_ok "exit code of '$text' is $status"
}
extra() { refused $((lines + 1)) "$1" "$good" "$2"; }

extra "unknown keyword 'colour'" 'colour = blue'
extra "write a number from" 'pool-size = lots'
extra "write yes or no" "backend b { module = \"$MULTIP11_TMP/module.so\" user = \"61011:61011\" token-lock = maybe }"
extra "already set on line" 'principal = "pkcs11/other@EXAMPLE.ORG"'
extra "duplicate name 'Keys'" 'token Keys { layer { backend = hsm } allow = {"uid:1"} }'
extra "no realm" 'token T { layer { backend = hsm } allow = {"alice"} }'
extra "asterisk within a component" 'token T { layer { backend = hsm } allow = {"al*@EXAMPLE.ORG"} }'
extra "once more" 'token T { layer { backend = hsm } layer { backend = hsm } allow = {"uid:1"} }'
extra "could be one token" 'token T { layer { backend = hsm } layer { backend = hsm token = a } allow = {"uid:1"} }'
extra "admin = yes is for tokens of one layer" 'token T { layer { backend = hsm token = a } layer { backend = hsm token = b } admin = yes allow = {"uid:1"} }'
extra "pin = derived is that of tokens on demand" 'token T { layer { backend = hsm pin = derived } allow = {"uid:1"} }'
extra "write client, none, vault or" 'token T { layer { backend = hsm pin = mine } allow = {"uid:1"} }'
extra "has 33 layers; write 1 to 32" "token T { $(for i in {1..33}; do printf 'layer { backend = hsm token = t%s } ' "$i"; done) allow = {\"uid:1\"} }"
extra "there is no backend 'soft'" 'token T { layer { backend = soft } allow = {"uid:1"} }'
extra "No such file" 'backend b { module = "/nonexistent.so" user = "61011:61011" }'
extra "is relative" 'backend b { module = "x.so" user = "61011:61011" }'
extra "uids = many is not understood" "backend b { module = \"$MULTIP11_TMP/module.so\" uids = many }"
extra "security: 'tls' is none; write kdh, gss or both" 'listener b { address = "::1" security = tls }'
extra "write security = gss" 'listener b { address = "::1" transport = sctp }'
extra "optional belongs to transport = sctp" 'listener b { address = "::1" optional = yes }'
extra "exactly one of peer-uid" 'listener b { path = "/tmp/b" }'
extra "either address and port, or path" 'listener b { path = "/tmp/b" port = 5 peer-uid = yes }'
extra "does not end" 'log-target = "stderr'
extra "not closed" 'listener b {'
if as_root; then
  extra "same uid as backend 'hsm'" "backend b { module = \"$MULTIP11_TMP/module.so\" user = \"61010:61011\" }"
  extra "same uid as multip11-vault" "backend b { module = \"$MULTIP11_TMP/module.so\" user = \"61002:61011\" }"
  extra "is root" "backend b { module = \"$MULTIP11_TMP/module.so\" user = root }"
  extra "there is no user" "backend b { module = \"$MULTIP11_TMP/module.so\" user = nosuchuser }"
fi

write_conf "$good" "pool-size = x" "log-rate = y" "max-startups = z"
check_equal "three mistakes are told in one run" 3 "$("$d" -t -f "$conf" 2>&1 | grep -c "^$conf:")"

# ---- Who can write to what

write_conf "$good"
chmod 666 "$conf"
check_match "a file that others can write to" "^$conf:1: .*chmod go-w" "$("$d" -t -f "$conf" 2>&1)"
check_fails "and it does not start with it" "$d" -D -e -f "$conf"
chmod 644 "$conf"
mkdir -m 777 "$MULTIP11_TMP/open"
cp "$conf" "$MULTIP11_TMP/open/conf"
chmod 777 "$MULTIP11_TMP/open"
check_match "a directory that others can write to" "open can be written to by others; chmod" \
  "$("$d" -t -f "$MULTIP11_TMP/open/conf" 2>&1)"
if as_root; then
  chown 61099 "$conf"
  check_match "a file of somebody else" "belongs to uid 61099; give it to root" \
    "$("$d" -t -f "$conf" 2>&1)"
  chown 0 "$conf"
fi
chmod 666 "$MULTIP11_TMP/module.so"
check_match "a module that others can write to" "^$conf:.*module: .*chmod go-w" \
  "$("$d" -t -f "$conf" 2>&1)"
chmod 644 "$MULTIP11_TMP/module.so"
chmod 644 "$MULTIP11_TMP/keytab"
check_match "a keytab that others can read" "^$conf:.*keytab: .*chmod 600" "$("$d" -t -f "$conf" 2>&1)"
chmod 600 "$MULTIP11_TMP/keytab"

# ---- -T and -o

"$d" -T -f "$conf" >"$MULTIP11_TMP/dump" 2>&1 || not_ok "-T fails"
chmod 644 "$MULTIP11_TMP/dump"
"$d" -T -f "$MULTIP11_TMP/dump" >"$MULTIP11_TMP/dump2" 2>&1
check "-T reads back the same" cmp "$MULTIP11_TMP/dump" "$MULTIP11_TMP/dump2"
check_match "-T shows defaults" '^handshake-timeout = 30$' "$(cat "$MULTIP11_TMP/dump")"
check_match "-o goes over the file" '^pool-size = 9$' "$("$d" -T -f "$conf" -o pool-size=9 2>&1)"
check_match "a bad -o says so" "^option -o: .*write a number" "$("$d" -t -f "$conf" -o pool-size=x 2>&1)"
check_fails "an absent file" "$d" -t -f "$MULTIP11_TMP/absent"
check_fails "an unknown option" "$d" -z

# Layers, as -T -C shows them

write_conf "$good" 'token Both {
  layer { backend = hsm token = upper access = read-write required = yes }
  layer { backend = hsm token = "pkcs11:serial=2" pin = none }
  allow = {"uid:8"}
}'
check_equal "each layer is shown" "slot 2: token \"Both\"
  layer: backend hsm, token \"upper\", read-write, required, the client's PIN, line $((lines + 2))
  layer: backend hsm, token \"pkcs11:serial=2\", read-only, no PIN, line $((lines + 3))" \
  "$("$d" -T -f "$conf" -C user=uid:8,token=Both | head -n 3)"
check_match "its serial number is made from its label" 'serial = "[0-9a-f]{16}"' "$("$d" -T -f "$conf")"

# The example of the distribution, with users and files that are there.
example=$MULTIP11_TMP/example
mkdir -p "$MULTIP11_TMP/etc" "$MULTIP11_TMP/token"
touch "$MULTIP11_TMP/etc/softhsm2.conf"
{
  printf '%s\n' "$head_text"
  sed -e "s,/etc/multip11,$MULTIP11_TMP/etc,; s,/var/lib/multip11/softhsm,$MULTIP11_TMP/token," \
    -e "s,_multip11-softhsm,\"61010:61010\",; s,\"/usr.*so\",\"$MULTIP11_TMP/module.so\"," \
    "$MULTIP11_SOURCE/monitor/multip11d.conf.example"
} >"$example"
chmod 644 "$example"
check "the example passes" "$d" -t -f "$example"

# ---- A running daemon

need_commands softhsm2-util pkcs11-tool
backend_softhsm hsm keys
daemon_config <<END
$BACKEND_TEXT
token Mine { layer { backend = hsm token = keys } allow = {"uid:$(id -u)"} }
END
daemon_up
use_client local
slots() { pkcs11-tool --module "$MODULE" -L 2>&1; }
check_match "a client sees its token" 'token label *: Mine' "$(slots)"
check_match "a second daemon is refused" "another multip11d runs" "$("$d" -D -e -f "$DAEMON_CONFIG" 2>&1)"
cp "$DAEMON_CONFIG" "$MULTIP11_TMP/kept"
echo 'colour = blue' >>"$DAEMON_CONFIG"
kill -HUP "$DAEMON"
check "SIGHUP with a mistake says so" wait_for 5 grep -q "unknown keyword 'colour'" "$daemon_log"
check_match "and the old configuration stays" 'token label *: Mine' "$(slots)"
sed "s/token Mine/token Yours/" "$MULTIP11_TMP/kept" >"$DAEMON_CONFIG"
kill -HUP "$DAEMON"
check "SIGHUP with a good file" wait_for 5 grep -q "new configuration is in effect" "$daemon_log"
check_match "changes what clients see" 'token label *: Yours' "$(slots)"
sed "s/uid:$(id -u)/uid:4242/" "$MULTIP11_TMP/kept" >"$DAEMON_CONFIG"
kill -HUP "$DAEMON"
no_token() { ! slots | grep -q 'token label'; }
check "who is not allowed any more sees nothing" wait_for 5 no_token

# ---- Groups: members come and go in a file, and -T -C tells the same as the daemon does

sees() { "$d" -T -f "$DAEMON_CONFIG" -C "user=uid:$(id -u)$1"; }
{
  echo "group staff { file = \"$MULTIP11_TMP/staff\" }"
  sed "s/\"uid:$(id -u)\"/\"group:staff\"/" "$MULTIP11_TMP/kept"
} >"$DAEMON_CONFIG"
chmod 644 "$DAEMON_CONFIG"
printf '# the others\nuid:4242\nuid:%s # myself\n' "$(id -u)" >"$MULTIP11_TMP/staff"
chmod 644 "$MULTIP11_TMP/staff"
kill -HUP "$DAEMON"
one_token() { slots | grep -q 'token label *: Mine'; }
check "a member of a group sees its token" wait_for 5 one_token
check_match "-T -C says why" "allowed by: \"group:staff\".*\"uid:$(id -u)\", $MULTIP11_TMP/staff:3" "$(sees "")"
check "and exits with 0" eval 'sees "" >/dev/null'
echo 'uid:4242' >"$MULTIP11_TMP/staff"
kill -HUP "$DAEMON"
check "who has left the group sees nothing" wait_for 5 no_token
check_match "-T -C says why not" 'token "Mine", line [0-9]+: not seen' "$(sees ,token=Mine)"
sees "" >/dev/null
check_equal "and exits with 1" 1 $?
check_fails "-C without -T" "$d" -t -f "$DAEMON_CONFIG" -C user=uid:0
"$d" -T -f "$DAEMON_CONFIG" -C user=nobody >"$MULTIP11_TMP/out" 2>&1
check_equal "a user that is none: 2" 2 $?
echo 'uid:one' >"$MULTIP11_TMP/staff"
kill -HUP "$DAEMON"
check "SIGHUP with a mistake in a group's file says where" wait_for 5 grep -q "staff:1: 'uid:one' is not uid:NUMBER" "$daemon_log"
check "and keeps to the old group" no_token
daemon_down
check "the socket file is gone" test ! -e "$LOCAL_SOCKET"
check "the PID file is gone" test ! -e "$MULTIP11_TMP/run/multip11d.pid"
check_match "it says that it stopped" "multip11d\[.*stopped" "$(cat "$daemon_log")"

finish
