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


# For the scripts that measure: sourced first. After it, in a private directory,
#
#   bench_start SOURCE BUILD      sets bench (p11bench), configurations; starts everything: a realm,
#                                 multip11d, p11-kit's server, a SoftHSM for each
#   configure NAME                direct, p11-kit, library, local or gss: exports what a client of it
#                                 needs, and sets client_module
#   client_up NAME MODULE OPERATIONS THREADS
#                                 starts a p11bench that takes orders
#   order NAME OPERATION THREADS SECONDS WARM-UP
#                                 prints its line: operation threads ops/s p50_us p99_us
#   private_kib PID...            private memory of processes, together
#
# Before it DAEMON_MORE may have general lines of multip11d.conf, DAEMON_BACKEND_MORE lines for its
# backend. configurations: what can be measured here; p11-kit is missing where its client module is,
# else p11_kit_server is its process.

declare -A client_in client_out

bench_end() {
  stop_all
  rm -rf "$MULTIP11_TMP"
}

bench_start() {
  export MULTIP11_SOURCE=$1 MULTIP11_BUILD=$2
  MULTIP11_TMP=$(mktemp -d "${TMPDIR:-/tmp}/multip11-bench.XXXXXX") || exit 2
  chmod 755 "$MULTIP11_TMP"
  export HOME=$MULTIP11_TMP
  . "$MULTIP11_SOURCE/regress/lib.sh"
  . "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
  trap bench_end EXIT
  trap 'exit 130' INT TERM HUP
  bench=$MULTIP11_BUILD/regress/bench/p11bench
  [ -x "$bench" ] || give_up "$bench is not built: make check-programs"
  need_commands p11-kit softhsm2-util
  hosted_programs
  realm_up
  start_servers
}

make_key() { "$MULTIP11_BUILD/regress/e2e/p11test" "$1" make-key bench first >/dev/null; } # MODULE

# Each has a token of its own: SoftHSM's processes disturb each other where they share one.
start_servers() {
  local f p11_kit_client=
  configurations=(direct)
  prepare_softhsm "$MULTIP11_TMP/direct" bench && make_key "$SOFTHSM_MODULE" || give_up "no SoftHSM"
  for f in /usr/lib/*/pkcs11/p11-kit-client.so /usr/lib64/pkcs11/p11-kit-client.so; do
    [ -e "$f" ] && p11_kit_client=$f && break
  done
  if [ -n "$p11_kit_client" ]; then
    prepare_softhsm "$MULTIP11_TMP/p11-kit" bench && make_key "$SOFTHSM_MODULE" || give_up "no SoftHSM"
    # In a session of its own like any server: the kernel may share processors out by sessions.
    start p11-kit.log setsid p11-kit server --provider "$SOFTHSM_MODULE" -f \
      -n "$MULTIP11_TMP/p11-kit.sock" pkcs11:
    p11_kit_server=$!
    wait_for 5 test -S p11-kit.sock || give_up "p11-kit server does not start: $(cat p11-kit.log)"
    export P11_KIT_SERVER_ADDRESS=unix:path=$MULTIP11_TMP/p11-kit.sock
    configurations+=(p11-kit)
    P11_KIT_CLIENT=$p11_kit_client
  else
    echo "p11-kit-client.so is not installed; its figures are missing" >&2
  fi
  unset SOFTHSM2_CONF
  configurations+=(library local gss)

  backend_softhsm library bench
  use_client library
  make_key "$MODULE" || give_up "library mode makes no key"
  BACKEND_MORE=${DAEMON_BACKEND_MORE:-} backend_softhsm daemon bench
  daemon_config <<END
${DAEMON_MORE:-}
$BACKEND_TEXT
token bench {
  layer { backend = daemon token = "bench" }
  access = read-write
  allow = {"$(me local)", "alice@$realm_name"}
}
END
  daemon_up
  use_client local
  make_key "$MODULE" || give_up "the daemon makes no key"
  use_client gss
}

configure() { # NAME
  client_module=$MODULE
  unset SOFTHSM2_CONF
  case $1 in
  direct)
    export SOFTHSM2_CONF=$MULTIP11_TMP/direct/softhsm2.conf
    client_module=$SOFTHSM_MODULE
    ;;
  p11-kit) client_module=$P11_KIT_CLIENT ;;
  *) export MULTIP11_CONFIG=$MULTIP11_TMP/$1.conf ;;
  esac
}

client_up() { # NAME MODULE OPERATIONS THREADS
  local name=$1 in out line
  mkfifo "$name.in" "$name.out"
  "$bench" -i -l bench -p 1234 -t "$4" -o "$3" "$2" <"$name.in" >"$name.out" 2>"$name.errors" &
  started_pids+=($!)
  exec {in}>"$name.in" {out}<"$name.out"
  client_in[$name]=$in client_out[$name]=$out
  read -r -t 60 line <&"$out" || give_up "$name: $(cat "$name.errors")"
}

order() { # NAME OPERATION THREADS SECONDS WARM-UP
  local line
  echo "$2 $3 $4 $5" >&"${client_in[$1]}"
  read -r -t 120 line <&"${client_out[$1]}" || give_up "$1 does not answer: $(cat "$1.errors")"
  echo "$line"
}

private_kib() { # PID...: Private_Dirty
  local p
  for p; do cat "/proc/$p/smaps_rollup" 2>/dev/null; done |
    awk '/^Private_Dirty:/ { sum += $2 } END { print sum + 0 }'
}
