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

# Another multip11d as a layer: here a token has a layer of a library of its own and one of the daemon
# there, which ends, comes back, refuses, and is asked with a keytab that is no good. If this failed, a
# daemon would lose a token for what happens elsewhere, use keys there as somebody else, or have a
# process on the network that can do more than speak to its one peer.
# limit: 120
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
need_commands softhsm2-util pkcs11-tool openssl

hosted_programs
realm_up
for who in relay stale stranger brief; do
  realm_service $who/here "$MULTIP11_TMP/$who.keytab" || give_up "no $who"
done
realm_kadmin cpw -randkey stale/here || give_up "the key does not change" # the keytab is of before
realm_kadmin modprinc -maxlife "10 seconds" brief/here || give_up "the tickets are not short"

# ---- There: a daemon that hosts SoftHSM, for relay/here alone

there=$MULTIP11_TMP/there there_port=$(free_port) there_pid=
mkdir "$there"
cp "$MULTIP11_TMP/service.keytab" "$there/"
on_there() { # COMMAND...: what lib-daemon.sh does is done to the daemon there
  local MULTIP11_TMP=$there LOCAL_SOCKET=$there/multip11.sock TCP_PORT=$there_port
  local daemon_log=$there/daemon.log DAEMON_CONFIG=$there/multip11d.conf DAEMON=$there_pid
  "$@"
  there_pid=$DAEMON
}
fill() { # TOKEN ID: a key and a data object, by the library itself
  local t=(env "SOFTHSM2_CONF=$SOFTHSM_DIR/softhsm2.conf" pkcs11-tool --module "$SOFTHSM_MODULE"
    --token-label "$1" --login --pin "$SUITE_PIN")
  echo data >data
  { "${t[@]}" --keypairgen --key-type rsa:2048 --label "key $1" --id "$2" &&
    "${t[@]}" --write-object data --type data --label "data $1" &&
    "${t[@]}" --read-object --type pubkey --id "$2" --output-file "$1.der" &&
    openssl pkey -pubin -inform DER -in "$1.der" -out "$1.pem"; } >fill.log 2>&1 ||
    give_up "token $1: $(cat fill.log)"
  as_root && chown -R "$BACKEND_UID:$BACKEND_UID" "$SOFTHSM_DIR"
}
backend_softhsm far far
fill far 22
on_there daemon_config <<END
$BACKEND_TEXT
token far { layer { backend = far token = far } access = read-write
  allow = {"relay/here@$realm_name", "brief/here@$realm_name"} }
END
on_there daemon_up

# ---- Here

backend_softhsm near near
fill near 11
uplink() { # NAME UID KEYTAB PORT
  echo "backend $1 {
  server = \"tcp://localhost:$4\"
  principal = \"pkcs11/localhost@$realm_name\"
  keytab = \"$MULTIP11_TMP/$3.keytab\"
  environment = {\"KRB5_CONFIG=$KRB5_CONFIG\"}
  $(as_root && echo "user = \"$2:$2\"")
}"
}
mixed() { # BACKEND WHOM: a token of the local library, and of the one there
  echo "token $1 {
  layer { backend = near token = near }
  layer { backend = $1 token = far }
  access = read-write
  allow = {\"$2\"}
}"
}
UPLINK_UID=61040
printf '%s\n' "$SUITE_PIN" >pin
chmod 600 pin
(umask 077 && openssl rand -hex 32 >master.key) || give_up "no master key"
daemon_config <<END
state-directory = "$MULTIP11_TMP/state"
master-key = "$MULTIP11_TMP/master.key"
$BACKEND_TEXT
$(uplink relay $UPLINK_UID relay "$there_port")
$(uplink stale 61041 stale "$there_port")
$(uplink stranger 61042 stranger "$there_port")
$(uplink brief 61043 brief "$there_port")
listener short { path = "$MULTIP11_TMP/short.sock" mode = 0666 principal = short }
listener other { path = "$MULTIP11_TMP/other.sock" mode = 0666 principal = other }
listener vault { path = "$MULTIP11_TMP/vault.sock" mode = 0666 principal = vault }
token kept { layer { backend = relay token = far pin = vault } access = read-write allow = {"local:vault"} }
$(mixed relay "uid:$(id -u)")
$(mixed brief local:short)
$(mixed stale local:other)
$(mixed stranger local:other)
token open { layer { backend = relay token = far pin = none } allow = {"uid:$(id -u)"} }
token sealed {
  layer { backend = relay token = "pkcs11:token=far" pin = "file:$MULTIP11_TMP/pin" }
  allow = {"uid:$(id -u)"}
}
END
daemon_up
use_client local
on_token() { # TOKEN ARGUMENT...
  pkcs11-tool --module "$MODULE" --token-label "$1" --login --pin "$SUITE_PIN" "${@:2}" 2>&1
}
keys() { on_token "$1" -O --type privkey | sed -n 's/^  label: *//p' | sort | paste -sd,; }

# ---- It is a layer as any

check_equal "keys of both layers are there" "key far,key near" "$(keys relay)"
echo "the text that is signed" >text
for t in far:22 near:11; do
  rm -f signature
  check "the key of ${t%:*} signs" on_token relay --sign --id "${t#*:}" --mechanism SHA256-RSA-PKCS \
    --input-file text --output-file signature
  check "and the signature is that key's" openssl dgst -sha256 -verify "${t%:*}.pem" \
    -signature signature text
done
check_equal "a PIN that stands in a file here opens the token there" "key far" \
  "$(pkcs11-tool --module "$MODULE" --token-label sealed --login -O --type privkey 2>&1 |
    sed -n 's/^  label: *//p')"
without_pin() { # TYPE: labels of what a token shows where nobody has a PIN
  pkcs11-tool --module "$MODULE" --token-label open --login -O --type "$1" 2>&1 |
    sed -n "s/^  label: *//p" | tr -d "'"
}
check_equal "with pin = none what is public there is seen" "data far,key far" \
  "$(without_pin data),$(without_pin pubkey)"
check_equal "and nothing that is private" "" "$(without_pin privkey)"
check_match "the daemon there knows who it is" "relay/here@$realm_name" "$(cat "$there/daemon.log")"

# ---- With a client that stays

children() { # NAME: of the daemon here (pids_of looks at every process of the machine)
  local pids p comm
  read -r -a pids <"/proc/$DAEMON/task/$DAEMON/children"
  for p in "${pids[@]}"; do
    read -r comm 2>/dev/null <"/proc/$p/comm" && [ "$comm" = "multip11-$1" ] && echo "$p"
  done
}

declare -A in_of pid_of
holds() { # TOKEN: a client of that token
  mkfifo "$1.in"
  "$P11TEST" "$MODULE" hold "$1" <"$1.in" >"$1.out" 2>&1 &
  pid_of[$1]=$!
  started_pids+=($!)
  exec {fd}>"$1.in"
  in_of[$1]=$fd
  wait_for 20 grep -q ready "$1.out" || give_up "the client of $1: $(cat "$1.out")"
}
says() { # TOKEN LINE: what its client answers
  local before
  before=$(wc -l <"$1.out")
  echo "$2" >&"${in_of[$1]}"
  wait_for 30 eval "[ \$(wc -l <$1.out) -gt $before ]"
  tail -n 1 "$1.out"
}
finds() { [ "$(says "$1" "find $2")" = "found $3" ]; } # TOKEN LABEL COUNT
leaves() { stop "${pid_of[$1]}"; } # TOKEN
client_config short <<<"server here { address = \"unix://$MULTIP11_TMP/short.sock\" }"
holds brief
check "with a ticket that is short the data object there is found" finds brief "data far" 1
short=$(children remote)
ends=$((SECONDS + 11))

use_client local
holds relay
check "the data object there is found" finds relay "data far" 1

if as_root; then
  status_of() { sed -n "s/^$2:\t//p" "/proc/$1/status"; } # PID FIELD
  pid=$(children remote | grep -vx "$short")
  u=$UPLINK_UID
  check_equal "the process is of the backend's user" "$u	$u	$u	$u" "$(status_of "$pid" Uid)"
  check_equal "and group" "$u	$u	$u	$u" "$(status_of "$pid" Gid)"
  for set in CapPrm CapEff CapBnd; do
    check_equal "with $set empty" 0000000000000000 "$(status_of "$pid" $set)"
  done
  check_equal "its system calls are filtered, by what is for one that is connected too" 2 \
    "$(status_of "$pid" Seccomp_filters | awk '{ print $1 - 1 }')"
  check_equal "it cannot be looked into" 0 "$(stat -c %u "/proc/$pid/environ")"
  check_equal "it has its channel and its connection, and no keytab" \
    "null null pipe socket socket" "$(for f in $(ls "/proc/$pid/fd" | sort -n); do
      readlink "/proc/$pid/fd/$f"
    done | sed 's,^/dev/,,; s/:.*//' | paste -sd' ')"
  key_in() { # KEYTAB PID: what is said of each of its keys in that process's memory
    local key
    klist -kK "$1" | sed -n 's/.*(0x\([0-9a-f]*\)).*/\1/p' | while read -r key; do
      printf "$(sed 's/../\\x&/g' <<<"$key")" >key
      PIN_FILE=$MULTIP11_TMP/key "$MULTIP11_BUILD/regress/privsep/pin_memory" scan "$2"
    done | sort -u
  }
  check_match "multip11-auth has its keys in memory" " multip11-auth bare " \
    "$(key_in service.keytab "$(children auth)")"
  check_equal "this process has wiped the key that it got its ticket with" scanned \
    "$(key_in relay.keytab "$pid")"
fi

# ---- The ticket ends; the process, then the daemon there, goes and comes back

while [ $SECONDS -lt $ends ]; do sleep 0.2; done
check "a ticket's end ends its connection" wait_for 10 not running "$short"
check "with the next ticket there is another" wait_for 10 finds brief "data far" 1
leaves brief
kill -KILL $(children remote)
check "a connection that died is made again" wait_for 10 finds relay "data far" 1
on_there eval 'kill -KILL "$DAEMON"; wait "$DAEMON" 2>/dev/null'
check "without the daemon there its objects are not" wait_for 10 finds relay "data far" 0
check "those here are" finds relay "data near" 1
check_equal "and their keys sign" "sign CKR_OK" "$(says relay sign)"
check_match "the log says that the layer is left out" 'token "relay", layer 2 .*left out' "$(cat "$daemon_log")"
check_match "and why" "backend relay.* no connection to localhost port $there_port.*is multip11d running there" \
  "$(cat "$daemon_log")"
check_equal "a client that comes now has the token" "key near" "$(keys relay)"
on_there daemon_up
check "when it is there again its objects are" wait_for 20 finds relay "data far" 1
check_match "and the log says so" 'token "relay", layer 2 .* is there again' "$(cat "$daemon_log")"
leaves relay

# ---- What is refused

client_config other <<<"server here { address = \"unix://$MULTIP11_TMP/other.sock\" }"
check_equal "with a keytab of an old key the layer is left out" "key near" "$(keys stale)"
check_match "and the log says what to do" "backend stale.*the keytab's key of stale/here@$realm_name is not the one that the KDC has; make the keytab anew" \
  "$(cat "$daemon_log")"
check_equal "whom the daemon there shows nothing has nothing of it" "key near" "$(keys stranger)"
check_match "and the log says that" 'token "stranger", layer 2 .*left out' "$(cat "$daemon_log")"

# ---- The PIN there is the vault's here, which changes it there

admin() { "$(find_program multip11)" vault --socket "$MULTIP11_TMP/run/vault.sock" "$@" 2>&1; }
kept() {
  MULTIP11_CONFIG=$MULTIP11_TMP/vault.conf pkcs11-tool --module "$MODULE" --token-label kept --login \
    -O --type privkey 2>&1 | sed -n 's/^  label: *//p'
}
client_config vault <<<"server here { address = \"unix://$MULTIP11_TMP/vault.sock\" }"
admin set relay far <pin >admin.out || give_up "vault set: $(cat admin.out)"
check_equal "the vault's PIN opens the token there" "key far" "$(kept)"
admin rotate relay far </dev/null >admin.out || give_up "vault rotate: $(cat admin.out)"
check_equal "the login that changes it does too" "key far" "$(kept)"
use_client local
check_equal "it was changed there: the old one opens no key" "key near" "$(keys relay)"

on_there stop "$there_pid"
daemon_down
finish
