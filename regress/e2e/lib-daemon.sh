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

# For tests with a daemon: sourced after regress/lib.sh. Everything lives in $MULTIP11_TMP: programs,
# configuration, tokens, realm, sockets. As root each process has a user of its own, numbers that no
# passwd file knows; as an ordinary user the daemon is `unprivileged`.
#
#   hosted_programs               copies the programs; sets LIBEXEC, MODULE; exports MULTIP11_LIBEXEC
#   backend_softhsm NAME LABEL    a SoftHSM with a fresh token, for the backend NAME; sets SOFTHSM_DIR,
#                                 BACKEND_TEXT (the backend's section), SUITE_* (softhsm.sh)
#   softhsm_skeleton              ./skeleton, for a backend with isolate = token
#   realm_up                      a realm with alice, bob (password "secret") and the service
#   daemon_config <<END           the configuration: listeners, keytab and users are there already
#   daemon_up [OPTION...]         starts multip11d and waits until it listens; sets DAEMON
#   daemon_down                   stops it; fails when that takes too long or leaves something
#   use_client library|local|gss|kdh|CONFIG-FILE
#                                 exports MULTIP11_CONFIG for clients
#
# After hosted_programs: LOCAL_SOCKET and TCP_PORT are where the listeners of daemon_config are.

. "$MULTIP11_SOURCE/regress/suites/softhsm.sh"
. "$MULTIP11_SOURCE/regress/e2e/krb5-realm.sh"

# Users of the processes, as root. A backend gets the next number for each name.
AUTH_UID=61001 VAULT_UID=61002 MONITOR_UID=61003 NET_UID=61004 LOG_UID=61005
next_backend_uid=61010
as_root() { [ "$(id -u)" = 0 ]; }

find_program() { # NAME: in the build tree
  local f
  for f in "$MULTIP11_BUILD/$1" "$MULTIP11_BUILD"/*/"$1" "$MULTIP11_BUILD/.libs/$1" \
    "$MULTIP11_BUILD"/*/.libs/"$1"; do
    [ -f "$f" ] && echo "$f" && return
  done
  give_up "$1 is not built in $MULTIP11_BUILD"
}

# The daemon's users must reach the programs, and need not reach a home directory with a checkout.
hosted_programs() {
  local p
  LIBEXEC=$MULTIP11_TMP/libexec
  MODULE=$LIBEXEC/multip11.so
  LOCAL_SOCKET=$MULTIP11_TMP/multip11.sock
  TCP_PORT=$(free_port)
  mkdir -p "$LIBEXEC"
  for p in auth vault log monitor net backend remote; do
    install -m 755 "$(find_program multip11-$p)" "$LIBEXEC/" || give_up "no multip11-$p"
  done
  install -m 755 "$(find_program multip11d)" "$LIBEXEC/" || give_up "no multip11d"
  install -m 755 "$(find_program multip11.so)" "$MODULE" || give_up "no multip11.so"
  export MULTIP11_LIBEXEC=$LIBEXEC
}

backend_softhsm() { # NAME LABEL
  local name=$1 user=
  need_commands softhsm2-util
  SOFTHSM_DIR=$MULTIP11_TMP/softhsm-$name
  prepare_softhsm "$SOFTHSM_DIR" "$2" || give_up "SoftHSM makes no token"
  if as_root; then
    chown -R "$next_backend_uid:$next_backend_uid" "$SOFTHSM_DIR"
    user="user = \"$next_backend_uid:$next_backend_uid\""
    BACKEND_UID=$next_backend_uid
    next_backend_uid=$((next_backend_uid + 1))
  else
    BACKEND_UID=$(id -u)
  fi
  BACKEND_TEXT="backend $name {
  module = \"$SOFTHSM_MODULE\"
  $user
  environment = {\"SOFTHSM2_CONF=$SOFTHSM_DIR/softhsm2.conf\", \"OPENSSL_CONF=$SOFTHSM_DIR/openssl.cnf\"}
  read = {\"$SOFTHSM_DIR\"}
  write = {\"$SOFTHSM_DIR/tokens\"}
  token-lock = yes
  ${BACKEND_MORE:-}
}"
  LIBRARY_TEXT=$(printf '%s\n' "$BACKEND_TEXT" | grep -v '^  user = ')
  # Clients must not find the token by themselves.
  unset SOFTHSM2_CONF
}

softhsm_skeleton() {
  mkdir -p skeleton/tokens
  chmod 755 skeleton skeleton/tokens
  cat >skeleton/softhsm2.conf.in <<'END'
directories.tokendir = @directory@/tokens
objectstore.backend = file
log.level = ERROR
END
  chmod 644 skeleton/softhsm2.conf.in
}

realm_up() {
  realm_have || skip_test "no Kerberos"
  realm_start "$MULTIP11_TMP/realm" || give_up "the realm does not start"
  started_pids+=("$realm_pid")
  { realm_user alice secret && realm_user bob secret &&
    realm_service pkcs11/localhost "$MULTIP11_TMP/service.keytab" &&
    realm_kinit alice secret; } || give_up "the realm has no principals"
}

# The text of listeners, tokens and backends comes on standard input, after what all have.
daemon_config() {
  DAEMON_CONFIG=$MULTIP11_TMP/multip11d.conf
  {
    if as_root; then
      echo "users { auth = \"$AUTH_UID:$AUTH_UID\" vault = \"$VAULT_UID:$VAULT_UID\""
      echo "  monitor = \"$MONITOR_UID:$MONITOR_UID\" net = \"$NET_UID:$NET_UID\""
      echo "  log = \"$LOG_UID:$LOG_UID\" }"
    else
      echo "unprivileged = yes"
    fi
    cat <<END
run-directory = "$MULTIP11_TMP/run"
libexec-directory = "$LIBEXEC"
log-target = stderr
listener local {
  path = "$LOCAL_SOCKET"
  mode = 0666
  peer-uid = yes
}
END
    if [ -n "${realm_name:-}" ]; then
      cat <<END
keytab = "$MULTIP11_TMP/service.keytab"
principal = "pkcs11/localhost@$realm_name"
listener network {
  address = "127.0.0.1"
  port = $TCP_PORT
}
END
    fi
    cat
  } >"$DAEMON_CONFIG"
  mkdir -p "$MULTIP11_TMP/run"
}

DAEMON=
daemon_launcher=() # a program that starts it, with its arguments
daemon_log=$MULTIP11_TMP/daemon.log
daemon_up() {
  env -u KRB5CCNAME ${daemon_launcher[@]+"${daemon_launcher[@]}"} "$LIBEXEC/multip11d" -D -e -f "$DAEMON_CONFIG" "$@" >>"$daemon_log" 2>&1 </dev/null &
  DAEMON=$!
  started_pids+=("$DAEMON")
  if ! wait_for 10 daemon_listens; then
    sed 's/^/    | /' "$daemon_log"
    give_up "multip11d does not start"
  fi
}
daemon_listens() {
  running "$DAEMON" || return 0
  [ -S "$LOCAL_SOCKET" ] && { [ -z "${realm_name:-}" ] || listening "$TCP_PORT"; }
}

daemon_down() {
  local pid=$DAEMON
  DAEMON=
  stop "$pid" 20 || not_ok "multip11d does not stop by itself"
  wait_for 5 no_daemon_processes || {
    not_ok "multip11d leaves processes behind"
    daemon_processes
  }
}

# Every process of ours below that private directory: "PID NAME", the daemon itself included. Who is
# not root may not ask where a process that cannot be traced comes from; then each of his counts.
daemon_processes() {
  local p exe
  if as_root; then
    # One program for all of them: tests ask often.
    find /proc -mindepth 2 -maxdepth 2 -path '/proc/[0-9]*/exe' -lname "*$LIBEXEC/multip11*" \
      -printf '%P %l\n' 2>/dev/null | sed 's,^\([0-9]*\)/exe .*/,\1 ,'
    return 0
  fi
  for p in /proc/[0-9]*; do
    if exe=$(readlink "$p/exe" 2>/dev/null); then
      # In a chroot, the path of a process with mounts of its own begins outside.
      case $exe in *"$LIBEXEC"/multip11*) echo "${p#/proc/} ${exe##*/}" ;; esac
    elif [ -O "$p" ]; then
      exe=$(tr '\0' '\n' <"$p/cmdline" 2>/dev/null | head -n 1)
      case ${exe##*/} in multip11*) echo "${p#/proc/} ${exe##*/}" ;; esac
    fi
  done
}
no_daemon_processes() { [ -z "$(daemon_processes)" ]; }
pids_of() { daemon_processes | awk -v n="multip11$1" '$2 == n { print $1 }'; } # -net, -monitor, d ...

client_config() { # NAME: from standard input; sets and exports MULTIP11_CONFIG
  cat >"$MULTIP11_TMP/$1.conf"
  chmod 644 "$MULTIP11_TMP/$1.conf"
  export MULTIP11_CONFIG=$MULTIP11_TMP/$1.conf
}

use_client() {
  case $1 in
  library)
    # The user's own library: the token belongs to who runs the test.
    as_root && chown -R 0:0 "$SOFTHSM_DIR"
    client_config library <<<"$LIBRARY_TEXT
" ;;
  local)
    client_config local <<<"server here { address = \"unix://$LOCAL_SOCKET\" }" ;;
  gss | kdh)
    client_config "$1" <<END
server there {
  address = "tcp://127.0.0.1:$TCP_PORT"
  principal = "pkcs11/localhost@$realm_name"
  security = $1
}
END
    ;;
  *) export MULTIP11_CONFIG=$1 ;;
  esac
}

# The token of the test, for whom the test's clients are.
me() { # MODE
  case $1 in
  gss | kdh) echo "alice@$realm_name" ;;
  *) echo "uid:$(id -u)" ;;
  esac
}

P11TEST=$MULTIP11_BUILD/regress/e2e/p11test
p11test() { "$P11TEST" "$MODULE" "$@"; } # not for the background: $! would be a shell's
