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


# Who is not authenticated, before the TCP port. If this failed, a stranger could stop, slow down or
# fill up what others use.
#
# attack: truncated       a token cut off behind each of its octets is not answered, and closed
# attack: oversized       lengths beyond the limit, or of other protocols, are refused at sight
# attack: endless         who goes on sending is closed
# attack: slow            one octet at a time ends with handshake-timeout
# attack: garbage         octets that are no token, and tokens with changed octets
# attack: other-service   a ticket for another service is refused
# attack: forged          tickets of another realm, and of this one without its keys
# attack: expired         a ticket that is over
# attack: replayed        a token that was taken once is not taken again
# attack: half-closed     who closes his half and says nothing
# attack: reset           five hundred that come and are gone
# attack: silent-cost     who says nothing costs no process
# attack: silent-flood    ten thousand silent ones from a hundred addresses are all closed
# attack: silent-log      one line each up to log-rate, the rest as a count
# attack: octet-flood     a thousand that send one octet are all closed
# attack: octet-log       their lines are bounded by log-rate too
# attack: honest-calls    meanwhile each call of an honest client on its connection succeeds
# attack: honest-connects and each new connection from another address
# attack: nothing-left    no process, descriptor or memory of the daemon's stays taken
# limit: 900
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"

driver=$MULTIP11_BUILD/regress/attack/wire_driver
hosted_programs
realm_up
realm_service http/localhost "$MULTIP11_TMP/http.keytab" || give_up "no other service"
backend_softhsm hsm keys
log_rate=100
daemon_config <<END
handshake-timeout = 4
log-rate = $log_rate
$BACKEND_TEXT
token keys { layer { backend = hsm token = keys } allow = {"alice@$realm_name"} }
END
daemon_up
use_client gss
stranger() { "$driver" "$TCP_PORT" "pkcs11/localhost@$realm_name" "$@"; }

# NAME: an honest client whose end is the end of its input.
declare -A honest_in
honest() {
  local in
  mkfifo "honest.$1"
  "$MULTIP11_BUILD/regress/attack/honest" "$MODULE" keys "$1" <"honest.$1" >"honest.$1.out" 2>&1 &
  started_pids+=($!)
  exec {in}>"honest.$1"
  honest_in[$1]=$in
  honest_pid[$1]=$!
  wait_for 30 grep -q ready "honest.$1.out" || give_up "the honest client: $(cat "honest.$1.out")"
}
declare -A honest_pid
honest_stop() { # NAME
  local fd=${honest_in[$1]}
  exec {fd}>&-
}

# What the daemon has: "NAME descriptors" of each process that is not one connection's, and how many
# of those there are.
census() {
  daemon_processes | sort -k 2 | while read -r pid name; do
    case $name in
    multip11-net | multip11-monitor | multip11-backend) echo "$name" ;;
    multip11-remote) ;; # the honest client's
    *) echo "$name $(find "/proc/$pid/fd" -mindepth 1 2>/dev/null | wc -l)" ;;
    esac
  done | sort | uniq -c
}
memory() { # KiB of [priv], auth, vault and log, each
  daemon_processes | sort -k 2 | while read -r pid name; do
    case $name in multip11-net | multip11-monitor | multip11-backend | multip11-remote) continue ;; esac
    awk -v n="$name" '/^RssAnon/ { print n, $2 }' "/proc/$pid/status"
  done
}

honest calls
wait_for 10 test "$(pids_of -net | wc -l)" -ge 4 # the pool is full again
sleep 1
census >census.before
memory >memory.before
honest connects

attack truncated stranger truncated
attack oversized stranger oversized
attack endless stranger endless
attack slow stranger slow
attack garbage stranger garbage
attack other-service stranger other-service "http/localhost@$realm_name"
attack forged stranger forged
realm_kinit alice secret -l 3s -c "FILE:$MULTIP11_TMP/short"
attack expired env KRB5CCNAME="FILE:$MULTIP11_TMP/short" "$driver" "$TCP_PORT" \
  "pkcs11/localhost@$realm_name" expired 4
attack replayed stranger replayed
attack half-closed stranger half-closed
attack reset stranger reset

# Processes beyond those of the honest and of the pool.
start holding "$driver" "$TCP_PORT" "" hold 200 3
holding=$!
wait_for 10 grep -q open holding
most=$((4 + 2 + 2)) # the pool, the honest, and one of each that is ending
attack silent-cost test "$(pids_of -net | wc -l)" -le "$most"
wait "$holding"

lines_of() { grep -cE "$1" "$daemon_log"; } # PATTERN
dropped() { # NAME: as the log counts them
  grep -E "multip11-log.*$1: [0-9]+ lines above|$1\[[0-9]*\]: warning: [0-9]+ lines above" "$daemon_log" |
    sed 's/ lines above.*//; s/.* //' | awk '{ n += $1 } END { print n + 0 }'
}
wait_for 20 test "$(dropped multip11d)" -ge 0
sleep 6 # what was dropped before has been told
lines_before=$(lines_of ' 127\.1\.') dropped_before=$(dropped multip11d) since=$SECONDS
attack silent-flood stranger flood 10000 100 silent
all_told() {
  lines=$(($(lines_of ' 127\.1\.') - lines_before)) counted=$(($(dropped multip11d) - dropped_before))
  [ $((lines + counted)) -ge 10000 ]
}
if wait_for 20 all_told && [ "$lines" -le $((log_rate * (SECONDS - since + 3))) ] &&
  [ "$(grep -oE ' 127\.1\.[0-9.]+ port [0-9]+' "$daemon_log" | sort | uniq -d | wc -l)" -eq 0 ]; then
  attack_held silent-log yes
else
  attack_held silent-log no "$lines lines, $counted counted"
fi
echo "10000 connections: $lines lines, $counted counted"

: >"$daemon_log" # it is appended to
since=$SECONDS
attack octet-flood stranger flood 1000 50 octet
sleep 6
lines=$(lines_of '127\.1\.')
attack octet-log test "$lines" -le $((2 * log_rate * (SECONDS - since + 3)))
echo "1000 connections: $lines lines"

# The second has the first one's input open as well.
for name in calls connects; do honest_stop $name; done
for name in connects calls; do
  wait "${honest_pid[$name]}"
  attack_equal honest-$name "0 ready" "$? $(head -n 1 honest.$name.out)"
  tail -n 1 honest.$name.out
done

same_census() {
  census >census.after
  # The honest client's own processes have gone with it.
  # One process of each kind as before, with no more descriptors.
  awk 'NR == FNR { had[$2] = $3; next }
    NF == 3 && ($1 != 1 || $3 > had[$2]) { print "now", $0, "before", had[$2]; bad = 1 }
    END { exit bad }' census.before census.after >census.diff &&
    [ "$(pids_of -net | wc -l)" -le 4 ] && [ "$(pids_of -monitor | wc -l)" -le 4 ]
}
memory_kept() { # a process may keep a little of what it had at the height
  memory | join memory.before - | awk '$3 > $2 + 4096 { print; bad = 1 } END { exit bad }'
}
nothing_left() { wait_for 30 same_census && memory_kept; }
attack nothing-left nothing_left
cat census.diff
memory | join memory.before -
daemon_down
finish_attacks
