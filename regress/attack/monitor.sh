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


# limit: 600
# A multip11-monitor that somebody owns: owned_monitor stands in the real one's place for the user
# 61998, and is the real one for all others. More of what it may ask of [priv] is tried in
# regress/e2e/rogue-monitor.sh: unknown backends, too many, the same twice, and never reading.
#
# attack: ends-foreign-backends cannot end the backends of others
# attack: other-records records that only others may send, or of a wrong size, end it and nothing else
# attack: sends-descriptors descriptors that nobody asked for stay nowhere in [priv]
# attack: large-record a record larger than any ends it
# attack: speaks-to-vault words to the vault end it
# attack: unasked-change cannot make the vault forget a PIN by saying that it was changed
# attack: foreign-backend gets no process and no lock of a backend outside of its portfolio
# attack: foreign-lock holds the lock of its own backend; who uses another logs in meanwhile
# attack: lock-after-death its end frees the lock that it held
# attack: own-backends-end its backends end with it
# attack: layers-of-others what it says of layers that are not its client's ends it
# attack: layer-flood fills some lines of its own connection in the status, and nothing else
# attack: others-unharmed another client's session, login and key live through all of it
. "$(dirname "$0")/../lib.sh" || exit 2
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-owned.sh"
need_root "the attacker is another user"

owned monitor
install -m 755 "$(find_program multip11)" "$LIBEXEC/multip11" || give_up "no multip11"
status() { "$LIBEXEC/multip11" status --socket "$MULTIP11_TMP/run/status.sock"; }
(umask 077 && openssl rand -hex 32 >master.key) || give_up "no master key"
backend_softhsm hsm mine
mine=$BACKEND_TEXT
backend_softhsm other others
daemon_config <<END
pool-size = 1
log-level = verbose
log-rate = 10000
$mine
$BACKEND_TEXT
state-directory = "$MULTIP11_TMP/state"
master-key = "$MULTIP11_TMP/master.key"
token mine { layer { backend = hsm token = mine } access = read-write
  allow = {"uid:61998", "uid:0"} }
token others { layer { backend = other token = others } access = read-write allow = {"uid:0"} }
$(for t in 3 4 5; do
  echo "token deep$t {"
  for l in {1..32}; do echo "  layer { backend = hsm token = t$t.$l }"; done
  echo "  allow = {\"uid:61997\"} }"
done)
token kept { layer { backend = hsm token = mine pin = vault } allow = {"uid:61998"} }
END
mode none
daemon_up
victim_up others
backends=$(pids_of -backend | wc -l) # the victim's
settled() { [ "$(pids_of -backend | wc -l)" = "$backends" ] && [ -z "$(attackers)" ]; }
attackers() { pgrep -u 61998; }
# The attacker's client: connects, and waits for its monitor.
attacker() {
  mode "$*"
  : >"$daemon_log"
  timeout 30 setpriv --reuid=61998 --regid=61998 --clear-groups "$LIBEXEC/p11test" "$MODULE" slots \
    >/dev/null 2>&1 </dev/null
}

attacker ends
wait_for 20 ended ends
reported ends-foreign-backends
check "ends-foreign-backends: the other's backend runs" [ "$(pids_of -backend | wc -l)" = "$backends" ]

number=0 ended=0
while attacker record $number; ! said "no more records"; do
  said "multip11-monitor.* broke the form of its records; killed" && ended=$((ended + 1))
  said "attack record no" && ended=-1000
  number=$((number + 1))
done
attack_equal other-records "40 of 40" "$ended of $number"
number=0 ended=0
while attacker layer $number; ! said "no more layers"; do
  said "multip11-monitor.* broke the form of its records; killed" && ended=$((ended + 1))
  said "attack layer no" && ended=-1000
  number=$((number + 1))
done
attack_equal layers-of-others "15 of 15" "$ended of $number"
attacker large
attack_match large-record 'broke the form of its records; killed' "$(cat "$daemon_log")"
check "large-record: it did not live on" not said "attack large no"

wait_for 10 settled
before=$(descriptors)
attacker descriptors
check "sends-descriptors: the request is served" wait_for 10 said "spawned 0"
wait_for 10 settled
attack sends-descriptors kept_none "$before"
attacker vault
attack_match speaks-to-vault 'the monitor sent something; ended' "$(cat "$daemon_log")"
check "speaks-to-vault: it did not live on" not said "attack vault no"

admin() { "$(find_program multip11)" vault --socket run/vault.sock --yes "$@" 2>&1; }
admin set hsm mine <<<"kept-pin" && admin rotate hsm mine || not_ok "no PIN to be changed"
attacker turned
check "unasked-change: it knew the layer" said "layer hsm mine"
check_match "unasked-change: it is ended" 'the monitor sent something; ended' "$(cat "$daemon_log")"
attack_match unasked-change '^kept-pin$' "$(admin export hsm mine)"
check_equal "unasked-change: the new one is kept as well" 2 \
  "$(admin export hsm mine | grep -cE '^(kept-pin|[a-z2-7]{32})$')"
attacker ask
attack_match foreign-backend '^.*asked 0 1 1 1$' "$(cat "$daemon_log")"
check "foreign-backend: it was never started for it" not said "backend other is process"
wait_for 10 settled

mode flood
: >"$daemon_log"
setpriv --reuid=61998 --regid=61998 --clear-groups timeout 120 "$LIBEXEC/p11test" "$MODULE" slots \
  >/dev/null 2>&1 </dev/null &
flooder=$!
started_pids+=($flooder)
check "layer-flood: the victim signs meanwhile" victim_lives
check "an owned monitor says what it likes of layers" wait_for 60 said flooded
number=$(status | sed -n 's/^connection number=\([0-9]*\) .*uid:61998.*/\1/p')
lines=$(status | grep '^left-out ')
attack_equal layer-flood "64 of its layers, more, and 0 of others" \
  "$(grep -c "connection=$number .* layer=" <<<"$lines") of its layers, $(sed -n \
    "s/^left-out connection=$number more=yes\$/more/p" <<<"$lines"), and $(grep -cv \
    "connection=$number " <<<"$lines") of others"
kill -KILL $flooder $(attackers) 2>/dev/null
mode none
kill -KILL "$(sed -n 's/.*multip11-monitor\[\([0-9]*\)\].*flooded/\1/p' "$daemon_log")"
wait_for 10 settled
check "layer-flood: its lines go with it" not eval 'status | grep -q "^left-out "'

mode lock
: >"$daemon_log"
setpriv --reuid=61998 --regid=61998 --clear-groups timeout 60 "$LIBEXEC/p11test" "$MODULE" slots \
  >/dev/null 2>&1 </dev/null &
holder=$!
started_pids+=($holder)
check "an owned monitor has its own backend's lock" wait_for 20 said "lock taken"
check "foreign-lock: another's token is used meanwhile" timeout 60 "$P11TEST" "$MODULE" sign others
reported foreign-lock
kill -KILL $holder $(attackers) 2>/dev/null
monitor=$(sed -n 's/.*multip11-monitor\[\([0-9]*\)\].*lock taken/\1/p' "$daemon_log")
mode none
kill -KILL "$monitor"
attack lock-after-death timeout 60 "$P11TEST" "$MODULE" sign mine
attack own-backends-end wait_for 20 settled
attack others-unharmed victim_lives
check "the daemon lives" running "$DAEMON"
victim_down
daemon_down
finish_attacks
