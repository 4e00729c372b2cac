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

# limit: 900
# Whoever owns a program of multip11's has its system calls. Each class of those that a program must
# not make, in each program, running as the daemon or the module starts it: inject makes them there.
# A cell of SECURITY's table (section 2) is one check; what is allowed by design stands there with
# its reason, and the table must be the tests' own (regress/security.sh).
#
# attack: exec starting another program
# attack: fork making a process or a namespace
# attack: sockets a socket of any family
# attack: network binding, connecting, listening, options of a socket that reach further
# attack: files the keytab, other backends' tokens, other files of the same user
# attack: trace reading, writing and tracing other processes
# attack: signals ending or signalling other processes
# attack: identity becoming somebody else, or traceable again
# attack: namespaces mounts, roots and namespaces
# attack: kernel interfaces of the kernel that no program needs
# attack: memory memory that is written and then run
# attack: machine the machine's clock, name and limits
. "$(dirname "$0")/../lib.sh" || exit 2
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"
need_root "it traces processes that are not dumpable"
[ "$(uname -m)" = x86_64 ] || skip_test "it puts x86-64's registers into other processes"

INJECT=$MULTIP11_BUILD/regress/attack/inject
attempts=$("$INJECT" count)
hosted_programs
install -m 755 "$P11TEST" "$LIBEXEC/p11test"
realm_up
backend_softhsm other others
other_token=$(find "$SOFTHSM_DIR/tokens" -name token.object)
backend_softhsm hsm shared
realm_service uplink/here "$MULTIP11_TMP/uplink.keytab" || give_up "no uplink/here"
UPLINK_UID=61998
# The daemon there is this one, by its own network listener.
daemon_config <<END
pool-size = 1
handshake-timeout = 3600
$BACKEND_TEXT
backend uplink {
  server = "tcp://localhost:$TCP_PORT"
  keytab = "$MULTIP11_TMP/uplink.keytab"
  user = "$UPLINK_UID:$UPLINK_UID"
  environment = {"KRB5_CONFIG=$KRB5_CONFIG"}
}
token shared {
  layer { backend = hsm token = "shared" }
  access = read-write
  allow = {"$(me local)", "alice@$realm_name", "uplink/here@$realm_name"}
}
token through { layer { backend = uplink token = "shared" } access = read-write allow = {"uid:61999"} }
END

# The application, and what runs as its user.
APP_UID=61999
as_app() { setpriv --reuid=$APP_UID --regid=$APP_UID --clear-groups "$@"; }
app=$MULTIP11_TMP/app
mkdir "$app"
cp -a "$SOFTHSM_DIR" "$app/softhsm"
sed -i "s,$SOFTHSM_DIR,$app/softhsm,g" "$app/softhsm"/*.c*nf*
cp "${KRB5CCNAME#FILE:}" "$app/ccache"
chown -R $APP_UID:$APP_UID "$app"
use_client gss
use_client local
client_config library <<<"${LIBRARY_TEXT//$SOFTHSM_DIR/$app/softhsm}
"

declare -A uid_of=([priv]=0 [auth]=$AUTH_UID [vault]=$VAULT_UID [log]=$LOG_UID [monitor]=$MONITOR_UID
  [net]=$NET_UID [backend]=$BACKEND_UID [remote]=$APP_UID [uplink]=$UPLINK_UID
  [library]=$APP_UID [control]=$APP_UID)
declare -A victim next
for who in "${!uid_of[@]}"; do
  uid=${uid_of[$who]}
  next[$who]=0
  [ -n "${victim[$uid]:-}" ] && continue
  echo own >"own.$uid"
  chown "$uid:$uid" "own.$uid"
  setpriv --reuid="$uid" --regid="$uid" --clear-groups sleep 3600 &
  victim[$uid]=$!
  started_pids+=($!)
done

# WHO PID: makes attempts from next[WHO] on, until one ends it. A process that was about to end when
# it was found, or that is not there yet, is no outcome: it is looked for again.
missed=0
inject() {
  local who=$1 pid=$2 uid=${uid_of[$1]} output after
  output=$("$INJECT" "$who" "$pid" -v "${victim[$uid]}" -k "$MULTIP11_TMP/service.keytab" \
    -t "$other_token" -o "$MULTIP11_TMP/own.$uid" "${next[$who]}" 2>inject.err)
  after=$(sed -n 's/^next //p' <<<"$output")
  if [ -z "$after" ] && { [ -z "$pid" ] || [ ! -e "/proc/$pid" ]; } &&
    [ "$((missed += 1))" -le 10 ]; then
    sleep 0.2
    return
  fi
  [ -n "$after" ] || give_up "$who (process $pid, attempt ${next[$who]}): $(cat inject.err)"
  grep -v '^next' <<<"$output" >>outcomes
  next[$who]=$after
}
unfinished() { [ "${next[$1]}" -lt "$attempts" ]; }

# MODE COMMAND...: runs the command while a client holds a session.
holding() {
  local mode=$1 token=${token:-shared} as=(as_app env "HOME=$app" "KRB5CCNAME=FILE:$app/ccache") pid fd
  rm -f hold.in held.out
  mkfifo hold.in
  MULTIP11_DEBUG=1 MULTIP11_CONFIG=$MULTIP11_TMP/$1.conf "${as[@]}" \
    "$LIBEXEC/p11test" "$MODULE" hold "$token" <hold.in >held.out 2>&1 &
  pid=$!
  exec {fd}>hold.in
  wait_for 20 grep -q ready held.out || give_up "$mode: $(cat held.out; tail -n 5 "$daemon_log")"
  shift
  "$@"
  exec {fd}>&-
  { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null
  wait_for 10 no_helper
}
no_helper() { [ -z "$(helper backend)$(helper remote)" ]; }

# NAME: the daemon's newest child of that name. (No other program is started for these: they run
# more than a thousand times.)
child() {
  local pids p comm found=
  read -r -a pids <"/proc/$DAEMON/task/$DAEMON/children"
  for p in "${pids[@]}"; do
    read -r comm 2>/dev/null <"/proc/$p/comm" && [ "$comm" = "multip11-${1:0:6}" ] && found=$p
  done
  echo "$found"
}
helper() { # NAME: the application's
  local p comm key uid x
  for p in /proc/[0-9]*; do
    read -r comm 2>/dev/null <"$p/comm" && [ "$comm" = "multip11-${1:0:6}" ] || continue
    [ "$p/exe" -ef "$LIBEXEC/multip11-$1" ] || continue
    while read -r key uid x; do
      [ "$key" = Uid: ] && [ "$uid" = $APP_UID ] && echo "${p#/proc/}" && return
    done 2>/dev/null <"$p/status"
  done
}
serving() { # NAME: the daemon's child of that name that has more than its control socket
  local pids p comm
  read -r -a pids <"/proc/$DAEMON/task/$DAEMON/children"
  for p in "${pids[@]}"; do
    read -r comm 2>/dev/null <"/proc/$p/comm" && [ "$comm" = "multip11-${1:0:6}" ] || continue
    [ -e "/proc/$p/fd/4" ] && echo "$p" && return
  done
  return 1
}
confined() { grep -qs '^Seccomp:	2' "/proc/$1/status"; }

gss_side() {
  unfinished backend && inject backend "$(child backend)"
  unfinished remote && inject remote "$(helper remote)"
}
uplink_side() { inject uplink "$(child remote)"; }
library_side() { inject library "$(helper backend)"; }
stranger_side() { # WHO: net, or monitor, of a stranger's connection
  local fd
  exec {fd}<>"/dev/tcp/127.0.0.1/$TCP_PORT"
  printf '\0' >&$fd # who says nothing at all is given no process
  wait_for 10 serving "$1" || give_up "no $1 serves"
  inject "$1" "$(serving "$1")"
  exec {fd}>&-
}
control_side() {
  local pid
  setpriv --reuid=$APP_UID --regid=$APP_UID --clear-groups sleep 3600 &
  pid=$!
  disown
  wait_for 10 grep -q "^sleep" "/proc/$pid/comm"
  inject control "$pid"
  kill -KILL "$pid" 2>/dev/null
}

# A service that ends comes back later and later, so each round has a daemon of its own.
round() {
  local who
  unfinished control && control_side
  unfinished library && holding library library_side
  daemon_up
  unfinished monitor && stranger_side monitor
  unfinished net && stranger_side net
  if unfinished backend || unfinished remote; then holding gss gss_side; fi
  unfinished uplink && token=through holding local uplink_side
  for who in auth vault log; do
    wait_for 10 confined "$(child $who)"
    unfinished $who && inject $who "$(child $who)"
  done
  unfinished priv && inject priv "$DAEMON"
  { kill -KILL "$DAEMON" && wait "$DAEMON"; } 2>/dev/null
  stop "$DAEMON"
  rm -f "$LOCAL_SOCKET"
}
all_done() {
  local who
  for who in "${!uid_of[@]}"; do unfinished "$who" && return 1; done
  return 0
}
: >outcomes
until all_done; do round; done
"$INJECT" judge <outcomes >judged

for kind in exec fork sockets network files trace signals identity namespaces kernel memory machine; do
  for who in priv auth vault log monitor net backend remote uplink library; do
    verdict=$(sed -n "s/^$who $kind //p" judged)
    attack_held $kind "$([ "$verdict" = held ] && echo yes)" "$verdict" "$who"
  done
  check_equal "$kind: the same calls are possible without a sandbox" held \
    "$(sed -n "s/^control $kind //p" judged)"
done
finish_attacks
