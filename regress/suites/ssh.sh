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

# OpenSSH: ssh-keygen -D, a certificate authority's key on the token, ssh-agent with its PKCS #11
# helper, ssh-keygen -Y sign through the agent. Needs: openssh-client opensc.
. "$(dirname "$0")/lib.sh"

tool="pkcs11-tool --module $MODULE --token-label $SUITE_LABEL --login --pin $SUITE_PIN"
printf '#!/bin/sh\necho %s\n' "$SUITE_PIN" >ask
chmod +x ask
export SSH_ASKPASS=$SUITE_WORK/ask SSH_ASKPASS_REQUIRE=force DISPLAY=:0
# The path of a socket may have 107 octets; the work directory's may be longer.
sockets=$(mktemp -d /tmp/agent.XXXXXX)
trap 'rm -rf "$sockets"' EXIT

{
  check setup/rsa $tool --keypairgen --key-type RSA:2048 --id 01 --label rk
  check setup/ec $tool --keypairgen --key-type EC:prime256v1 --id 02 --label ek
  check_sh keygen-D "ssh-keygen -D $MODULE | tee keys.txt | grep -c '^\\(ssh-rsa\\|ecdsa\\)' |
    grep -x 2"
  grep ssh-rsa keys.txt >rk.pub
  grep ecdsa keys.txt >ek.pub
  ssh-keygen -q -t ed25519 -N '' -f user
  for k in rk ek; do
    cp user.pub u-$k.pub
    check_sh ca-sign/$k "ssh-keygen -q -s $k.pub -D $MODULE -I id1 -n me -V +1d u-$k.pub &&
      ssh-keygen -L -f u-$k-cert.pub | grep 'Signing CA'"
  done
  eval "$(ssh-agent -P '/*' -a "$sockets/agent" 2>>"$log")" >>"$log"
  check agent/add ssh-add -s $MODULE
  check_sh agent/list "ssh-add -l | grep 2048"
  echo hello >message
  for k in rk ek; do
    check_sh agent/sign-$k "rm -f message.sig; ssh-keygen -q -Y sign -f $k.pub -n file message &&
      echo \"me \$(cut -d' ' -f1,2 $k.pub)\" >allowed &&
      ssh-keygen -Y verify -f allowed -I me -n file -s message.sig <message"
    check agent/test-$k ssh-add -T $k.pub
  done
  check agent/remove ssh-add -e $MODULE
  kill "$SSH_AGENT_PID" 2>>"$log"
} >result
sort -u result
