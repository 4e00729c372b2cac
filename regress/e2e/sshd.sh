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

# An ssh login with a hosted key: a real sshd on loopback with a configuration of its own; the key is
# made, listed and used through multip11. Nothing in /etc is read or written by us (sshd reads the
# passwd entry of who runs the test).
. "$(dirname "$0")/../lib.sh"
. "$MULTIP11_SOURCE/regress/e2e/lib-daemon.sh"
PATH=$PATH:/usr/sbin:/sbin
need_commands sshd ssh ssh-keygen pkcs11-tool
user=$(id -un) || skip_test "this user has no name"

hosted_programs
realm_up

made_run_sshd=no
end_ssh() {
  stop_all
  [ $made_run_sshd = yes ] && rmdir /run/sshd
}
trap end_ssh EXIT
if as_root; then
  getent passwd sshd >/dev/null || skip_test "the user sshd is missing (Debian: openssh-server)"
  # sshd insists on this empty directory; a service manager would make it.
  [ -d /run/sshd ] || { mkdir -m 755 /run/sshd && made_run_sshd=yes; }
fi

sshd_port=$(free_port)
ssh-keygen -q -t ed25519 -N '' -f host_key
cat >sshd_config <<END
Port $sshd_port
ListenAddress 127.0.0.1
HostKey $MULTIP11_TMP/host_key
AuthorizedKeysFile $MULTIP11_TMP/authorized_keys
PidFile $MULTIP11_TMP/sshd.pid
AuthenticationMethods publickey
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
LogLevel VERBOSE
END
: >authorized_keys
start sshd.log "$(command -v sshd)" -D -e -f "$MULTIP11_TMP/sshd_config"
sshd=$!
wait_for 10 listening "$sshd_port" || give_up "sshd does not start: $(cat sshd.log)"
echo "[127.0.0.1]:$sshd_port $(cut -d' ' -f1,2 host_key.pub)" >known_hosts

printf '#!/bin/sh\necho %s\n' 1234 >ask
chmod +x ask
export SSH_ASKPASS=$MULTIP11_TMP/ask SSH_ASKPASS_REQUIRE=force DISPLAY=:0

login() { # OPTION...: prints what the other side answers
  timeout 60 ssh -F none -p "$sshd_port" -o UserKnownHostsFile="$MULTIP11_TMP/known_hosts" \
    -o StrictHostKeyChecking=yes -o PreferredAuthentications=publickey -o IdentitiesOnly=yes \
    -o PKCS11Provider="$MODULE" "$@" "$user@127.0.0.1" 'echo logged in with $((6 * 7))' </dev/null
}

for mode in library local gss; do
  backend_softhsm "ssh-$mode" "ssh-$mode"
  if [ $mode != library ]; then
    daemon_config <<END
$BACKEND_TEXT
token "ssh-$mode" {
  layer { backend = "ssh-$mode" token = "ssh-$mode" }
  access = read-write
  allow = {"$(me $mode)"}
}
END
    daemon_up
  fi
  use_client $mode
  for type in RSA:2048 EC:prime256v1; do
    [ $type = RSA:2048 ] && id=01 || id=02
    : >authorized_keys
    check "$mode: a key $type is made" pkcs11-tool --module "$MODULE" --token-label "ssh-$mode" \
      --login --pin 1234 --keypairgen --key-type $type --id $id --label "$type"
    ssh-keygen -D "$MODULE" 2>keygen.err | grep "$type" >key.pub
    if [ "$(grep -c '^\(ssh-rsa\|ecdsa\)' key.pub)" != 1 ]; then
      not_ok "$mode: ssh-keygen lists the key $type"
      sed 's/^/    /' keygen.err
      continue
    fi
    ok "$mode: ssh-keygen lists the key $type"
    chmod 600 key.pub
    check_fails "$mode: no login while $type is not authorised" \
      login -o IdentityFile="$MULTIP11_TMP/key.pub"
    cp key.pub authorized_keys
    check_match "$mode: ssh logs in with the hosted key $type" '^logged in with 42$' \
      "$(login -o IdentityFile="$MULTIP11_TMP/key.pub" 2>&1)"
    fingerprint=$(ssh-keygen -lf key.pub | awk '{ print $2 }')
    check_equal "$mode: and sshd accepted that key once" 1 \
      "$(grep 'Accepted publickey' sshd.log | grep -cF "${fingerprint:-none}")"
  done
  [ $mode = library ] || daemon_down
done
finish
