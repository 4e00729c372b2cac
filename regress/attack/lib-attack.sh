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


# For attack tests, sourced after regress/lib.sh. Each is one file attack/WHO.sh for one who is owned
# or hostile, and declares its attacks among its first lines, one a line:
#
#     # attack: NAME    what is tried, and what must come of it
#
#   attack NAME COMMAND...            the wall holds when the command ends with 0 (check)
#   attack_equal NAME EXPECTED ACTUAL
#   attack_match NAME PATTERN TEXT
#   attack_held NAME yes|no [DETAIL] [WHERE]   what an attacker's program says of its own attempt
#   honest_up LABEL               an application of the local socket, of that token, that goes on calling:
#                                 process $honest, until descriptor $honest_in is closed; honest.out
#   finish_attacks                    the last line, instead of finish
#
# An attack that is declared and not tried, or tried and not declared, is a failure. SECURITY names
# each as [attack/WHO: NAME], which regress/security.sh compares with the declarations. The text
# after NAME is what a verdict's line says.

attack_file=$MULTIP11_SOURCE/regress/attack/$(basename "$0")
declare -A attack_text attack_tried
while read -r attack_name attack_what; do
  [ -n "${attack_text[$attack_name]:-}" ] && give_up "$attack_name is declared twice"
  attack_text[$attack_name]=$attack_what
done < <(sed -n 's/^# attack: //p' "$attack_file")

attack_begin() { # NAME: sets attack_line
  attack_line="$1: ${attack_text[$1]:-}"
  attack_tried[$1]=yes
  [ -n "${attack_text[$1]:-}" ] || not_ok "$1 is not declared by a line '# attack: $1 ...'"
}
attack() {
  attack_begin "$1"
  shift
  check "$attack_line" "$@"
}
attack_equal() {
  attack_begin "$1"
  check_equal "$attack_line" "$2" "$3"
}
attack_match() {
  attack_begin "$1"
  check_match "$attack_line" "$2" "$3"
}
attack_held() {
  attack_begin "$1"
  attack_line+=${4:+ [$4]}
  if [ "$2" = yes ]; then ok "$attack_line"; else not_ok "$attack_line (${3:-it worked})"; fi
}
honest_up() { # LABEL
  use_client local
  mkfifo honest.in
  P11TEST_PIN=$SUITE_PIN "$MULTIP11_BUILD/regress/attack/honest" "$MODULE" "$1" calls \
    <honest.in >honest.out 2>&1 &
  honest=$!
  started_pids+=("$honest")
  exec {honest_in}>honest.in
  wait_for 30 grep -q ready honest.out || give_up "the honest application: $(cat honest.out)"
}
finish_attacks() {
  local name
  for name in "${!attack_text[@]}"; do
    [ -n "${attack_tried[$name]:-}" ] || not_ok "$name is declared and was not tried"
  done
  finish
}
