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
# A backend whose library is an attacker's (rogue/inside.cc), or was exploited: what it tries in its
# constructor, in C_Initialize, in a call and in a thread, in the daemon and in library mode. Calls that
# end it are tried in syscalls.sh; replies that lie in unit/monitor (session_hostile_test), segments
# that change in unit/common (channel_hostile_test), crashes and hangs in e2e/library.
#
# attack: constructor no file, directory or socket that it was not given, before C_Initialize
# attack: initialize nor in C_Initialize
# attack: call nor in a call, when every library is loaded
# attack: thread nor in a thread of its own
# attack: descriptors has those of its own connection, and a limit to what it opens
# attack: memory has no more memory than its configuration gives it
# attack: bells bells without end, of every size, with descriptors, harm nobody
# attack: log-lines what it writes to descriptor 2 is no line of anybody else's
# attack: others-unharmed another client's session, login and key live through all of it
. "$(dirname "$0")/../lib.sh" || exit 2
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-owned.sh"
need_root "the backends have users of their own"

owned
install -m 755 "$MULTIP11_BUILD/regress/rogue/.libs/inside.so" "$LIBEXEC/inside.so"
install -m 755 "$MULTIP11_BUILD/regress/e2e/probe" "$LIBEXEC/probe"
realm_up
backend_softhsm other others
others_token=$(find "$SOFTHSM_DIR/tokens" -name token.object)
OTHERS_DIR=$SOFTHSM_DIR

# What there is to be had.
read=$MULTIP11_TMP/service.keytab:$MULTIP11_TMP/multip11d.conf:$others_token:/etc/shadow:/etc/passwd
read=$read:/proc/self/mem:/proc/self/environ:/proc/self/maps:/proc/1/mem:/proc/1/environ:/proc/kcore
read=$read:/proc/net/tcp:/proc/net/unix:/dev/mem:/dev/kmsg:/dev/tty:/proc/sys/kernel/core_pattern
read=$read:$MULTIP11_TMP/run/lock/other:$MULTIP11_TMP/run/multip11d.pid:$LIBEXEC/multip11d
write=$others_token:$LIBEXEC/inside.so:$MULTIP11_TMP/multip11d.conf:$LOCAL_SOCKET:/etc/ld.so.cache
write=$write:/proc/self/oom_score_adj:/proc/sys/kernel/core_pattern:/dev/shm
directories=/:/tmp:/var/tmp:/dev/shm:/proc:/root:/home:/etc:/run:$MULTIP11_TMP:$MULTIP11_TMP/run
directories=$directories:$OTHERS_DIR/tokens:$LIBEXEC
mine_daemon=$MULTIP11_TMP/mine.daemon mine_library=$MULTIP11_TMP/mine.library
APP_UID=61999
attempts_of() { # MINE [FILL]: the environment
  printf '"INSIDE_READ=%s", "INSIDE_WRITE=%s", "INSIDE_DIRECTORIES=%s", "INSIDE_MINE=%s", "INSIDE_FILL=%s"' \
    "$read" "$write" "$directories" "$1" "${2:-}"
}
INSIDE_UID=$next_backend_uid
configure() { # [FILL]
  daemon_config <<END
pool-size = 1
log-level = verbose
log-rate = 10000
$BACKEND_TEXT
backend inside {
  module = "$LIBEXEC/inside.so"
  user = "$INSIDE_UID:$INSIDE_UID"
  environment = {$(attempts_of "$mine_daemon" "${1:-}")}
  memory-limit = 128
}
token others { layer { backend = other token = others } access = read-write allow = {"uid:0"} }
token inside { layer { backend = inside token = inside } access = read-write
  allow = {"uid:$APP_UID"} }
END
  client_config inside <<END
backend inside {
  module = "$LIBEXEC/inside.so"
  environment = {$(attempts_of "$mine_library" "${1:-}")}
  memory-limit = 128
}
END
}
configure
for who in "$INSIDE_UID $mine_daemon" "$APP_UID $mine_library"; do
  echo "these are forty octets, not one or none" >"${who#* }"
  chown "${who%% *}" "${who#* }"
  chmod 600 "${who#* }"
done
as_app() { setpriv --reuid=$APP_UID --regid=$APP_UID --clear-groups timeout 120 "$@"; }
knock() { as_app "$LIBEXEC/probe" random "$MODULE" >knock.out 2>&1 </dev/null; }

# Without a host around it the library gets what its user may have.
env "INSIDE_READ=$read" "INSIDE_WRITE=" "INSIDE_DIRECTORIES=/tmp" "INSIDE_MINE=$mine_library" \
  "$LIBEXEC/probe" random "$LIBEXEC/inside.so" >direct.out 2>&1 </dev/null
for what in "read $MULTIP11_TMP/service.keytab" "read $others_token" "chmod" "truncate" "make /tmp/" \
  "socket 2" "fchmod by O_PATH"; do
  [ "$what" = "fchmod by O_PATH" ] && continue # works nowhere; tried all the same
  check_match "directly it works: $what" "inside call worked: $what" "$(cat direct.out)"
done
echo "these are forty octets, not one or none" >"$mine_library"
chmod 600 "$mine_library"

judge() { # WHERE LOG
  local where text worked
  for where in constructor initialize call thread; do
    text=$(grep -o "inside $where .*" "$2")
    worked=$(grep "worked" <<<"$text" | sort -u | paste -sd';')
    grep -q "inside $where tried [1-9][0-9][0-9]" <<<"$text" || worked="it did not try"
    attack_held $where "$([ -z "$worked" ] && echo yes)" "$worked" "$1"
  done
}
unchanged() { # FILE
  check_equal "$1 is as it was" "600 40" "$(stat -c '%a %s' "$1")"
}

daemon_up
victim_up others
client_config library <"$MULTIP11_TMP/inside.conf"
MULTIP11_DEBUG=1 knock
judge library knock.out
unchanged "$mine_library"
use_client local
knock
wait_for 20 said "inside thread tried"
judge daemon "$daemon_log"
unchanged "$mine_daemon"
attack others-unharmed victim_lives
victim_down
daemon_down

# One limit a daemon.
for what in descriptors memory bells lines; do
  configure $what
  : >"$daemon_log"
  daemon_up
  victim_up others
  before=$(descriptors)
  use_client local
  knock
  case $what in
  descriptors)
    wait_for 20 said "inside descriptors:"
    attack_match descriptors 'inside descriptors: 4 open, 2[0-9][0-9] more' "$(cat "$daemon_log")"
    ;;
  memory)
    wait_for 20 said "inside memory:"
    attack_match memory 'inside memory: ([0-9]|[0-9][0-9]|1[0-2][0-9]) MiB, 0 MiB shared$' \
      "$(cat "$daemon_log")"
    ;;
  bells)
    wait_for 20 said "inside bells:"
    check "bells: [priv] has kept no descriptor" kept_none "$before"
    attack bells victim_lives
    ;;
  lines)
    wait_for 20 said "inside says"
    attack_equal log-lines "" "$(
      grep -aE 'inside (says|escapes|noise)' "$daemon_log" | grep -av ' backend inside\[[0-9]*\]: '
    )"
    check "log-lines: no escape is passed on" not grep -q "$(printf '\033')" "$daemon_log"
    check "log-lines: no line is forged" not grep -q '^multip11d\[1\]' "$daemon_log"
    ;;
  esac
  check "$what: the other client is served" victim_lives
  victim_down
  daemon_down
done
finish_attacks
