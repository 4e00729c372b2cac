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


# For the attack tests with owned programs of the daemon (owned.h); after e2e/lib-daemon.sh.
#
#   owned PROGRAM...      the stand-ins of these go to LIBEXEC, which is made; p11test, too
#   mode WORD...          what they try from now on
#   ended WORD            they are done with it, or were killed over it
#   reported NAME         an attack's verdict is what the stand-in said in the log
#   descriptors           how many [priv] has; kept_none BEFORE: it has not kept what was sent to it
#   victim_up TOKEN       a client by the local socket that is logged in, with a session key
#   victim_lives          it signs; victim_down ends it

owned() {
  local p source
  hosted_programs
  install -m 755 "$P11TEST" "$LIBEXEC/p11test"
  for p; do
    source=$p
    case $p in auth | vault | log) source=service ;; esac
    install -m 755 "$MULTIP11_BUILD/regress/attack/owned_$source" "$LIBEXEC/multip11-$p" ||
      give_up "owned_$source is not built"
  done
  mode none
}
mode() {
  echo "$*" >"$LIBEXEC/mode"
  chmod 644 "$LIBEXEC/mode"
}
said() { grep -qE -- "$1" "$daemon_log"; }
ended() { said "(done $1|broke the form|: attack .* no)( |\$)"; }
verdict() { sed -n "s/.*attack $1 \(yes\|no\)/\1/p" "$daemon_log" | tail -n 1; }
reported() { # NAME
  local answer
  wait_for 20 said "attack $1 (yes|no)"
  answer=$(verdict "$1")
  attack_held "$1" "${answer%% *}" "${answer:-it said nothing}"
}

descriptors() { ls "/proc/$DAEMON/fd" | wc -l; }
# The attacks send eighty and more; a process or two for the pool come and go.
kept_none() { wait_for 10 eval '[ "$(descriptors)" -le '$(($1 + 12))' ]'; }

victim_up() {
  use_client local
  rm -f victim.in victim.out
  mkfifo victim.in
  "$P11TEST" "$MODULE" hold "$1" <victim.in >victim.out 2>&1 &
  victim=$!
  started_pids+=($victim)
  exec 7>victim.in
  wait_for 20 grep -q ready victim.out || give_up "the victim: $(cat victim.out)"
}
victim_lives() {
  local before
  before=$(grep -c 'sign CKR_OK' victim.out)
  echo >&7
  wait_for 20 eval '[ "$(grep -c "sign CKR_OK" victim.out)" -gt '"$before"' ]'
}
victim_down() {
  exec 7>&-
  wait $victim
}
