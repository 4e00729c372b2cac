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
#
# A throw-away Kerberos realm (MIT) on loopback, for tests and demonstrations. Source it; it sets
# functions and variables that begin with realm_ and nothing else until realm_start. Everything
# lives in one private directory: no file in /etc is read or written, DNS is not asked, and any
# user can do it.
#
#   . krb5-realm.sh
#   realm_have || exit 77                  # says what is missing
#   realm_start DIR [REALM]                # exports KRB5_CONFIG, KRB5_KDC_PROFILE, KRB5CCNAME
#   realm_user alice secret                # a user with a password
#   realm_user_keytab bob DIR/bob.keytab   # a user with a random key
#   realm_service pkcs11/localhost DIR/service.keytab [ENCTYPE:normal]
#   realm_kinit alice secret [KINIT-OPTION...]
#   realm_stop                             # ends the KDC; the directory is the caller's
#
# Variables afterwards: realm_name, realm_dir, realm_port, realm_pid. DIR/realm.pid has the KDC's
# process number, for who stops it from another shell: realm_stop_dir DIR.

realm_have() {
  realm_missing=
  for realm_tool in krb5kdc kadmin.local kdb5_util kinit; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$realm_tool" >/dev/null 2>&1 ||
      realm_missing="$realm_missing $realm_tool"
  done
  [ -z "$realm_missing" ] && return 0
  echo "missing:$realm_missing (Debian: krb5-kdc krb5-admin-server krb5-user)"
  return 1
}

realm_write_configuration() {
  cat >"$realm_dir/krb5.conf" <<EOF
[libdefaults]
	default_realm = $realm_name
	default_ccache_name = FILE:$realm_dir/ccache
	dns_lookup_kdc = false
	dns_lookup_realm = false
	dns_uri_lookup = false
	dns_canonicalize_hostname = false
	rdns = false
	kdc_timesync = 0
	udp_preference_limit = 1
	permitted_enctypes = aes256-cts-hmac-sha384-192 aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha256-128 aes128-cts-hmac-sha1-96
[realms]
	$realm_name = {
		kdc = 127.0.0.1:$realm_port
	}
[domain_realm]
	localhost = $realm_name
EOF
  cat >"$realm_dir/kdc.conf" <<EOF
[kdcdefaults]
	kdc_listen = 127.0.0.1:$realm_port
	kdc_tcp_listen = 127.0.0.1:$realm_port
[realms]
	$realm_name = {
		database_name = $realm_dir/principal
		key_stash_file = $realm_dir/stash
		acl_file = $realm_dir/kadm5.acl
		max_life = 1d
		master_key_type = aes256-cts-hmac-sha384-192
		supported_enctypes = aes256-cts-hmac-sha384-192:normal aes256-cts-hmac-sha1-96:normal
	}
[logging]
	kdc = FILE:$realm_dir/kdc.log
	default = FILE:$realm_dir/kdc.log
EOF
}

# Starts the KDC on realm_port. Fails when the port is taken.
realm_start_kdc() {
  realm_write_configuration
  : >"$realm_dir/kdc.log"
  # The descriptors beyond 2 of whoever calls (a test's log, a lock) are not the KDC's.
  krb5kdc -n -r "$realm_name" </dev/null >"$realm_dir/kdc.out" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
  realm_pid=$!
  realm_tries=0
  while [ "$realm_tries" -lt 100 ]; do
    grep -q 'commencing operation' "$realm_dir/kdc.log" && return 0
    kill -0 "$realm_pid" 2>/dev/null || break
    sleep 0.05
    realm_tries=$((realm_tries + 1))
  done
  realm_stop
  return 1
}

realm_start() {
  PATH=$PATH:/usr/sbin:/sbin
  mkdir -p "$1" && realm_dir=$(cd "$1" && pwd) || return 1
  realm_name=${2:-MULTIP11.TEST}
  realm_port=0
  realm_pid=
  KRB5_CONFIG=$realm_dir/krb5.conf
  KRB5_KDC_PROFILE=$realm_dir/kdc.conf
  KRB5CCNAME=FILE:$realm_dir/ccache
  export PATH KRB5_CONFIG KRB5_KDC_PROFILE KRB5CCNAME
  unset KRB5_KTNAME KRB5_CLIENT_KTNAME KRB5RCACHENAME KRB5_TRACE
  realm_write_configuration
  (umask 077 && od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$realm_dir/master")
  if ! kdb5_util create -s -r "$realm_name" -P "$(cat "$realm_dir/master")" \
    >"$realm_dir/create.log" 2>&1; then
    echo "kdb5_util:" && cat "$realm_dir/create.log"
    return 1
  fi
  realm_round=0
  while [ "$realm_round" -lt 10 ]; do
    # Below the range from which the kernel gives ports to clients (32768 and up), and those from
    # which free_port takes one for a daemon that does not listen yet.
    realm_port=$((10000 + $(od -An -N2 -tu2 /dev/urandom) % 10000))
    if realm_start_kdc; then
      echo "$realm_pid" >"$realm_dir/realm.pid"
      return 0
    fi
    realm_round=$((realm_round + 1))
  done
  echo "the KDC does not start:" && cat "$realm_dir/kdc.out" "$realm_dir/kdc.log"
  return 1
}

# One kadmin command; its words come as words.
realm_kadmin() {
  kadmin.local -r "$realm_name" -p "admin@$realm_name" "$@" >"$realm_dir/kadmin.log" 2>&1 && return 0
  echo "kadmin.local $1:" && cat "$realm_dir/kadmin.log"
  return 1
}

realm_user() { realm_kadmin addprinc -pw "$2" "$1"; }

# Adds the principal with random keys and writes them to the keytab (only those of the enctypes
# given as third word, when there is one).
realm_service() {
  realm_kadmin addprinc -randkey ${3:+-e "$3"} "$1" &&
    (umask 077 && realm_kadmin ktadd -norandkey -k "$2" "$1")
}
realm_user_keytab() { realm_service "$@"; }

# The password goes in by a pipe.
realm_kinit() {
  realm_who=$1
  realm_password=$2
  shift 2
  printf '%s\n' "$realm_password" | kinit "$@" "$realm_who" >"$realm_dir/kinit.log" 2>&1 && return 0
  echo "kinit $realm_who:" && cat "$realm_dir/kinit.log"
  return 1
}

realm_stop() {
  [ -n "${realm_pid:-}" ] || return 0
  kill "$realm_pid" 2>/dev/null
  wait "$realm_pid" 2>/dev/null
  rm -f "$realm_dir/realm.pid"
  realm_pid=
}

# For a realm that another shell started: the process must still be a KDC.
realm_stop_dir() {
  realm_pid=$(cat "$1/realm.pid" 2>/dev/null) || return 0
  if [ "$(cat "/proc/$realm_pid/comm" 2>/dev/null)" = krb5kdc ]; then
    kill "$realm_pid" 2>/dev/null
  fi
  rm -f "$1/realm.pid"
  realm_pid=
}
