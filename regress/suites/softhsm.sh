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

# A fresh SoftHSM token. To be sourced.

# Sets SOFTHSM_MODULE, where SoftHSM's library is. Not earlier: it may be installed in between.
find_softhsm() {
  local f
  [ -n "${SOFTHSM_MODULE:-}" ] && return
  for f in /usr/lib/*/softhsm/libsofthsm2.so /usr/lib/softhsm/libsofthsm2.so \
    /usr/lib64/pkcs11/libsofthsm2.so /usr/local/lib/softhsm/libsofthsm2.so; do
    [ -e "$f" ] && export SOFTHSM_MODULE=$f && return
  done
  echo "libsofthsm2.so is not where it is looked for; set SOFTHSM_MODULE" >&2
  return 1
}

# DIR [LABEL]: makes DIR/softhsm2.conf and DIR/tokens with one token in it. Exports SOFTHSM2_CONF,
# SOFTHSM_MODULE, OPENSSL_CONF, SUITE_LABEL, SUITE_SO_PIN and SUITE_PIN.
prepare_softhsm() {
  local dir=$1
  find_softhsm || return 1
  export SUITE_LABEL=${2:-suite-token} SUITE_SO_PIN=12345678 SUITE_PIN=1234
  mkdir -p "$dir/tokens"
  cat >"$dir/softhsm2.conf" <<END
directories.tokendir = $dir/tokens
objectstore.backend = file
log.level = ERROR
slots.removable = false
slots.mechanisms = ALL
library.reset_on_fork = false
END
  # DES, 3DES and MD5 need OpenSSL's legacy provider.
  cat >"$dir/openssl.cnf" <<END
openssl_conf = openssl_init
[openssl_init]
providers = provider_sect
[provider_sect]
default = default_sect
legacy = legacy_sect
[default_sect]
activate = 1
[legacy_sect]
activate = 1
END
  export SOFTHSM2_CONF=$dir/softhsm2.conf OPENSSL_CONF=$dir/openssl.cnf
  softhsm2-util --init-token --free --label "$SUITE_LABEL" --so-pin $SUITE_SO_PIN --pin $SUITE_PIN \
    >"$dir/init.log" 2>&1 || { cat "$dir/init.log" >&2; return 1; }
}
