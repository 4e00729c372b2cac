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

# SCTP, on a kernel that has it: a guest's (regress/guest/run), into which this script goes again. A
# client over SCTP gets what it would get from the library itself, whatever becomes of the order of
# messages; packets that are lost cost time and nothing else; who changes the order of what must have
# one, or repeats something, ends the connection; and a kernel without SCTP is told of. If this failed,
# SCTP would be another protocol than TCP, or a weaker one.
#
# CONFORM_CALLS     random calls over SCTP, compared with the library itself (300)
# FLIGHT_CALLS      calls of 64 threads at the same time, in another order, each way (10,000)
# limit: 2400
. "$(dirname "$0")/../lib.sh"

if [ -z "${GUEST_MODULES:-}" ]; then
  need_commands qemu-system-x86_64 busybox cpio xz tc pkcs11-tool softhsm2-util krb5kdc
  kernel=${MULTIP11_GUEST_KERNEL:-$MULTIP11_BUILD/guest-kernel}
  "$MULTIP11_SOURCE/regress/guest/kernel" "$kernel" || skip_test "no kernel for a guest"
  # In the guest /run and /dev/shm are its own, and the first has room for sockets.
  self=$MULTIP11_SOURCE/regress/e2e/sctp.sh
  cd /
  "$MULTIP11_SOURCE/regress/guest/run" -k "$kernel" -c 2 -m 1536 -t 2300 \
    env -u MULTIP11_TMP GUEST_MODULES="$kernel" TMPDIR=/run "$self"
  status=$?
  [ $status -lt 124 ] || not_ok "the guest (status $status)"
  exit $((failures > 0 ? 1 : status))
fi

. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
: "${CONFORM_CALLS:=300}" "${FLIGHT_CALLS:=10000}"
hosted_programs
MULTIP11=$LIBEXEC/multip11
install -m 755 "$(find_program multip11)" "$MULTIP11" || give_up "no multip11"
realm_up
realm_service relay/here "$MULTIP11_TMP/relay.keytab" || give_up "no relay/here"
direct=$MULTIP11_TMP/direct
prepare_softhsm "$direct" sctp || give_up "SoftHSM makes no token"
BACKEND_MORE="transparent = yes
  admin = yes
  allow = {\"alice@$realm_name\", \"relay/here@$realm_name\"}"
backend_softhsm softhsm sctp
rm -rf "$SOFTHSM_DIR/tokens"
cp -a "$direct/tokens" "$SOFTHSM_DIR/tokens"
chown -R "$BACKEND_UID:$BACKEND_UID" "$SOFTHSM_DIR/tokens"
export P11TEST_PIN=$SUITE_PIN

# At the same port as TCP; and this daemon is a client of itself, as it would be of another.
config() { # OPTIONAL [KEYWORD = VALUE]
  daemon_config <<END
$BACKEND_TEXT
backend far {
  server = "sctp://localhost:$TCP_PORT"
  principal = "pkcs11/localhost@$realm_name"
  keytab = "$MULTIP11_TMP/relay.keytab"
  environment = {"KRB5_CONFIG=$KRB5_CONFIG"}
  user = "61040:61040"
}
token far { layer { backend = far token = sctp } access = read-write allow = {"uid:0"} }
log-level = verbose
listener sctp {
  address = "127.0.0.1"
  port = $TCP_PORT
  transport = sctp
  security = gss
  optional = $1
  ${2:-}
}
END
}
sctp_client() { # NAME PORT
  client_config "$1" <<END
server there {
  address = "sctp://127.0.0.1:$2"
  principal = "pkcs11/localhost@$realm_name"
}
END
}
sctp_client sctp "$TCP_PORT"
tool() { pkcs11-tool --module "$MODULE" "$@" 2>&1; }
connections() { pids_of -net | wc -l; }

# ---- A kernel without SCTP

config no
said=$(env -u KRB5CCNAME "$LIBEXEC/multip11d" -D -e -f "$DAEMON_CONFIG" 2>&1)
check_equal "without SCTP in the kernel the daemon does not start" 1 $?
check_match "and says what to do" "listener 'sctp': this kernel has no SCTP; load its module sctp" "$said"
config yes
daemon_up
check_match "if the listener is optional that is a warning" \
  "warning: listener 'sctp': this kernel has no SCTP" "$(cat "$daemon_log")"
said=$(MULTIP11_DEBUG=1 MULTIP11_CONFIG=$MULTIP11_TMP/sctp.conf tool -L)
check_match "a client says the same" "this kernel has no SCTP; load its module sctp .*use tcp://" "$said"
busybox insmod "$GUEST_MODULES/sctp.ko" || give_up "the module sctp is not loaded"
kill -HUP "$DAEMON"
listens() { grep -q " $TCP_PORT " /proc/net/sctp/eps; }
check "once there is SCTP, the daemon takes it at SIGHUP" wait_for 20 listens
daemon_down

# ---- The same as the library itself

config no
daemon_up
export MULTIP11_CONFIG=$MULTIP11_TMP/sctp.conf
check_match "an address in the environment" 'Slot 0' \
  "$(env -u MULTIP11_CONFIG MULTIP11_SERVER="sctp://localhost:$TCP_PORT" \
    pkcs11-tool --module "$MODULE" -L 2>&1)"
check "pkcs11-tool --test" tool --login --pin "$SUITE_PIN" --test
conform() { # CALLS OPTION...
  local calls=$1
  shift
  MULTIP11_PIN=$SUITE_PIN MULTIP11_SO_PIN=$SUITE_SO_PIN env -u MULTIP11_CONFIG "$MULTIP11" conform \
    --destructive --token sctp --threads 2 --against "$MODULE" --calls "$calls" \
    --direct-env "SOFTHSM2_CONF=$direct/softhsm2.conf" --env "OPENSSL_CONF=$direct/openssl.cnf" \
    --hosted-env "MULTIP11_CONFIG=$MULTIP11_CONFIG" --restore "$direct/tokens" \
    --restore "$SOFTHSM_DIR/tokens" "$@" "$SOFTHSM_MODULE" 2>&1
}
said=$(conform "$CONFORM_CALLS" --seed 1)
check_match "$CONFORM_CALLS calls without a difference" '^no difference' "$said"
printf '%s\n' "$said" | grep -E 'calls compared|functions|mechanisms' | cut -c1-150 | sed 's/^/    /'
flights=$MULTIP11_BUILD/regress/e2e/flights
blocks() { "$flights" "$MODULE" "${2:-sctp}" blocks "$1"; } # TIMES [TOKEN]
check_match "long blocks, and short calls beside them" '^as they went, beside [1-9]' "$(blocks 3 2>&1)"
use_client local
check_match "the same from a token of another daemon" '^as they went, beside [1-9]' "$(blocks 1 far 2>&1)"
export MULTIP11_CONFIG=$MULTIP11_TMP/sctp.conf
check "it was SCTP all the time" awk '$1 == "SctpPassiveEstabs" { exit $2 < 5 }' /proc/net/sctp/snmp
idle() { [ "$(connections)" -le 4 ]; } # those of pool-size
check "of connections that have ended nothing is left" wait_for 20 idle

# ---- Ends that nobody announced

hold() { # HOW: a client that has a session, and is asked to sign after HOW has happened
  local line=
  rm -f hold.in hold.out
  mkfifo hold.in hold.out
  "$P11TEST" "$MODULE" hold sctp <hold.in >hold.out 2>hold.err &
  holder=$!
  started_pids+=("$holder")
  exec 8>hold.in 9<hold.out
  read -r -t 120 line <&9
  [ "$line" = ready ] || give_up "a client that holds a session: $line $(cat hold.err)"
}
hold_asks() { # prints the answer
  local answer="no answer"
  echo sign >&8
  read -r -t 120 answer <&9
  echo "$answer"
}
hold_down() {
  exec 8>&- 9<&-
  stop "$holder" 60
}
hold
busy_net() { # the one with a client
  local p
  for p in $(pids_of -net); do
    grep -q memfd "/proc/$p/maps" && echo "$p"
  done
}
check_equal "a client that waits" "sign CKR_OK" "$(hold_asks)"
for p in $(busy_net); do kill -KILL "$p"; done
check_equal "a server's process that is killed is noticed" "sign CKR_DEVICE_REMOVED" "$(hold_asks)"
hold_down
hold
served=$(busy_net | wc -l)
check_equal "another client" 1 "$served"
for p in $(pids_of -remote); do kill -KILL "$p"; done
gone() { [ "$(busy_net | wc -l)" = 0 ]; }
check "a client's process that is killed is noticed" wait_for 20 gone
hold_down

# ---- A network that loses, delays and mixes packets

busybox insmod "$GUEST_MODULES/sch_netem.ko" || not_ok "the module sch_netem is not loaded"
network() { tc qdisc replace dev lo root netem "$@"; }
if network delay 5ms 4ms 25% loss 2%; then
  check_match "2 % of packets lost: long blocks" '^as they went' "$(blocks 1 2>&1)"
  said=$(conform 100 --seed 2)
  check_match "2 % of packets lost: 100 calls without a difference" '^no difference' "$said"
  network delay 0ms
  hold
  network loss 100%
  before=$SECONDS
  check_equal "a network that is gone" "sign CKR_DEVICE_REMOVED" "$(hold_asks)"
  check "is noticed within a minute ($((SECONDS - before)) s)" [ $((SECONDS - before)) -le 60 ]
  tc qdisc del dev lo root
  hold_down
else
  not_ok "the guest's kernel has no netem"
fi

# ---- Two addresses: the way to one is broken, and the connection goes on by the other

bound_to() { # ADDRESS...: what the listener has
  local have
  have=$(awk -v port="$TCP_PORT" '$6 == port { for (i = 9; i <= NF; i++) print $i }' /proc/net/sctp/eps | sort)
  [ "$have" = "$(printf '%s\n' "$@")" ]
}
check "a listener with one address" wait_for 20 bound_to 127.0.0.1
config no 'also = {"127.0.0.2", "127.0.0.3"}'
kill -HUP "$DAEMON"
check "has further ones after SIGHUP" wait_for 20 bound_to 127.0.0.1 127.0.0.2 127.0.0.3
config no 'also = {"127.0.0.2"}'
kill -HUP "$DAEMON"
check "or fewer" wait_for 20 bound_to 127.0.0.1 127.0.0.2
daemon_down
daemon_up
check "and the same when it starts" wait_for 20 bound_to 127.0.0.1 127.0.0.2
for module in sch_prio cls_u32; do
  busybox insmod "$GUEST_MODULES/$module.ko" || not_ok "the module $module is not loaded"
done
hold
check_equal "a client" "sign CKR_OK" "$(hold_asks)"
break_way() { # ADDRESS: what goes to the daemon there is lost
  tc qdisc add dev lo root handle 1: prio && tc qdisc add dev lo parent 1:3 netem loss 100% &&
    tc filter add dev lo parent 1: protocol ip u32 match ip dst "$1/32" \
      match ip protocol 132 0xff match ip dport "$TCP_PORT" 0xffff flowid 1:3
}
check "the way to its address is broken" break_way 127.0.0.1
before=$SECONDS
check_equal "it goes on by the other" "sign CKR_OK" "$(hold_asks)"
check "within ten seconds ($((SECONDS - before)) s)" [ $((SECONDS - before)) -le 10 ]
dropped() { tc -s qdisc show dev lo | grep -A1 'netem.* 1:3' | grep -q 'dropped [1-9]'; }
check "and something was lost" dropped
tc qdisc del dev lo root
hold_down

# ---- Somebody on the way, who can do what he likes and has no key

RELAY_PORT=$((TCP_PORT + 1))
relay_up() { # WAY HOW
  start relay.log "$MULTIP11_BUILD/regress/attack/sctp_relay" "$RELAY_PORT" "$TCP_PORT" "$@"
  relay=$!
  wait_for 20 grep -q ready relay.log || give_up "the relay: $(cat relay.log)"
}
relay_down() {
  stop "$relay" || :
  : >"$daemon_log"
}
sctp_client relayed "$RELAY_PORT"
for way in there back; do
  relay_up $way reorder
  said=$(conform 100 --seed 3)
  check_match "$way: messages in another order: 100 calls without a difference" '^no difference' "$said"
  check_match "$way: messages in another order: long blocks" '^as they went' "$(blocks 1 2>&1)"
  check_equal "$way: messages in another order: $FLIGHT_CALLS calls of 64 threads" \
    "64 threads, $FLIGHT_CALLS calls, wrong 0" "$("$flights" "$MODULE" sctp threads 64 "$FLIGHT_CALLS" 2>&1)"
  relay_down
done
altered() { # WAY HOW PATTERN
  relay_up "$1" "$2"
  said=$(MULTIP11_DEBUG=1 blocks 1 2>&1)
  check_match "$1, $2: the call fails" '^C_[A-Za-z]*: 0x(32|30|5)$' "$said"
  [ "$1" = there ] && said=$(cat "$daemon_log")
  check_match "$1, $2: and the end that was lied to says why" "$3" "$said"
  relay_down
}
altered there repeat 'a replayed GSS token'
altered back repeat 'a replayed GSS token'
altered there swap 'a fragment that is not in its place'
altered back swap 'frame that breaks a limit'
altered there drop 'a fragment that is not in its place'
altered back drop 'frame that breaks a limit'
daemon_down
finish
