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


# limit: 300
# A multip11-vault that somebody owns: owned_service stands in the real one's place, and owned_monitor
# asks for what it promises. It may give any token to anybody (SECURITY); it starts nothing itself, gives
# nothing that the configuration has not, and has neither keytab, network nor host.
#
# attack: asks-for-backends a request for a backend ends it
# attack: wrong-count words for more backends than a record holds end it
# attack: unknown-backend a backend that is not configured ends it
# attack: runs-as-another a uid that is not of that backend's range, or none, ends it
# attack: beyond-configuration words for connections that are none give nothing
# attack: widens-running a running connection is given nothing more
# attack: sends-descriptors descriptors that nobody asked for stay nowhere in [priv]
# attack: erases-others asking for directories that are not to be emptied, or two at once, ends it
# attack: erases-used the directory of a token that a connection may use is not emptied
# attack: back-to-work another vault takes its place
. "$(dirname "$0")/../lib.sh" || exit 2
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-attack.sh"
. "$MULTIP11_SOURCE/regress/attack/lib-owned.sh"
need_root "the attacker is another user"

owned vault monitor
backend_softhsm hsm mine
mine=$BACKEND_TEXT
backend_softhsm other others
(umask 077 && head -c 32 /dev/zero | od -An -vtx1 | tr -d ' \n' >master.key)
daemon_config <<END
pool-size = 1
log-level = verbose
$mine
$BACKEND_TEXT
state-directory = "$MULTIP11_TMP/state"
backend apart {
  module = "$SOFTHSM_MODULE" isolate = token uids = "61900-61999"
}
backend doomed {
  module = "$SOFTHSM_MODULE" isolate = token uids = "61800-61899"
}
master-key = "$MULTIP11_TMP/master.key"
token doomed {
  layer { backend = doomed token = x on-demand = yes access = read-write retire = destroy retire-after = 1 }
  allow = {"uid:61998"}
}
token mine { layer { backend = hsm token = mine } access = read-write allow = {"uid:0"} }
token others { layer { backend = other token = others } access = read-write allow = {"uid:0"} }
END
use_client local
knock() {
  timeout 30 setpriv --reuid=61998 --regid=61998 --clear-groups "$LIBEXEC/p11test" "$MODULE" slots \
    >/dev/null 2>&1 </dev/null
}
plant() {
  local d
  for d in doomed/61800 doomed/61801 apart/61900; do
    mkdir -p "$MULTIP11_TMP/state/tokens/$d"
    echo key >"$MULTIP11_TMP/state/tokens/$d/key"
    chown -R "${d#*/}:${d#*/}" "$MULTIP11_TMP/state/tokens/$d"
  done
  chmod 755 "$MULTIP11_TMP/state" "$MULTIP11_TMP/state/tokens"
}
left() { (cd "$MULTIP11_TMP/state/tokens" && find . -name key | sort | paste -sd' '); }
all="./apart/61900/key ./doomed/61800/key ./doomed/61801/key"
for what in spawn count unknown uid root other-uid beyond widen descriptors \
  erase-unknown erase-shared erase-keeps erase-root erase-range erase-twice erase-used erase-unused; do
  mode $what
  plant
  : >"$daemon_log"
  daemon_up
  before=$(descriptors)
  # Most of those who erase ask as soon as they are there.
  [[ $what = erase-* && $what != erase-used ]] || knock
  case $what in
  spawn | count | unknown | uid | root | other-uid)
    name=runs-as-another
    [ $what = spawn ] && name=asks-for-backends
    [ $what = count ] && name=wrong-count
    [ $what = unknown ] && name=unknown-backend
    wait_for 20 said "multip11-vault.* broke the form"
    attack_match $name 'multip11-vault\[[0-9]*\] broke the form of its records; killed' \
      "$(cat "$daemon_log")"
    check "$name: no backend was started" not said "backend .* is process"
    ;;
  beyond | widen)
    name=beyond-configuration
    [ $what = widen ] && name=widens-running
    wait_for 20 said 'asked '
    attack_match $name ': asked 0 1 1 1$' "$(cat "$daemon_log")"
    check "$name: the other backend was not started" not said "backend other is process"
    ;;
  erase-used)
    wait_for 20 said 'erased '
    attack_match erases-used 'erased 2$' "$(cat "$daemon_log")"
    check_equal "erases-used: nothing was removed" "$all" "$(left)"
    ;;
  erase-unused) # The attacks before have asked for what can be asked for.
    wait_for 20 said 'erased '
    check_match "one that is asked for rightly is removed" 'erased 1$' "$(cat "$daemon_log")"
    check_equal "and no other" "./apart/61900/key ./doomed/61800/key" "$(left)"
    ;;
  erase-*)
    wait_for 20 said "multip11-vault.* broke the form"
    attack_match erases-others 'multip11-vault\[[0-9]*\] broke the form of its records; killed' \
      "$(cat "$daemon_log")"
    [ $what = erase-twice ] || check_equal "$what: nothing was removed" "$all" "$(left)"
    ;;
  descriptors)
    wait_for 20 said 'done descriptors'
    wait_for 10 eval '[ -z "$(pids_of -backend)" ]'
    attack sends-descriptors kept_none "$before"
    ;;
  esac
  check "$what: the daemon lives" running "$DAEMON"
  [ $what = erase-unused ] || daemon_down
done
install -m 755 "$(find_program multip11-vault)" "$LIBEXEC/multip11-vault.new"
mv "$LIBEXEC/multip11-vault.new" "$LIBEXEC/multip11-vault"
kill -KILL $(pids_of -vault)
served() { "$P11TEST" "$MODULE" slots 2>&1 | grep -q '^2 slots'; }
attack back-to-work wait_for 30 served
daemon_down
finish_attacks
