#!/bin/sh
# Makes ./configure and what it needs, in a checkout.
# See LICENSE for the terms of use.
set -e
cd "$(dirname "$0")"
for tool in autoreconf:autoconf automake:automake libtoolize:libtool pkg-config:pkg-config; do
  if ! command -v "${tool%:*}" >/dev/null; then
    echo "autogen.sh: ${tool%:*} is missing (Debian: ${tool#*:})" >&2
    exit 1
  fi
done
mkdir -p m4
exec autoreconf --install --force --warnings=all,no-obsolete
