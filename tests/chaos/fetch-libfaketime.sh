#!/bin/sh
# Fetches Debian's libfaketime, verified by apt, into var/faketime, as an ordinary user: nothing is installed.
set -eu
cd "$(dirname "$0")/../.."
for found in /usr/lib/*/faketime/libfaketimeMT.so.1 var/faketime/usr/lib/*/faketime/libfaketimeMT.so.1; do
    if [ -e "$found" ]; then exit 0; fi
done
command -v apt-get >/dev/null || { echo "no apt-get here: install libfaketime" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
# Lists of its own: a fresh machine may have none, and only root may write those of the system.
apt() { apt-get -qq -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User= "$@"; }
apt update
(cd "$work" && apt download libfaketime)
mkdir -p var
dpkg-deb --extract "$work"/libfaketime_*.deb "$work/tree"
rm -rf var/faketime
mv "$work/tree" var/faketime
