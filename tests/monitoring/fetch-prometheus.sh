#!/bin/sh
# Fetches Debian's Prometheus and promtool, verified by apt, into var/prometheus, as an ordinary user: nothing is installed.
set -eu
cd "$(dirname "$0")/../.."
if command -v promtool >/dev/null && command -v prometheus >/dev/null; then exit 0; fi
programs=var/prometheus/usr/bin
if [ -x "$programs/promtool" ] && [ -x "$programs/prometheus" ]; then exit 0; fi
command -v apt-get >/dev/null || { echo "no apt-get here: install Prometheus, or name its directory in TEST_PROMETHEUS" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
# Lists of its own: a fresh machine may have none, and only root may write those of the system.
apt() { apt-get -qq -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User= "$@"; }
apt update
(cd "$work" && apt download prometheus)
dpkg-deb --extract "$work"/prometheus_*.deb "$work/tree"
mkdir -p "$programs"
mv "$work/tree/usr/bin/promtool" "$work/tree/usr/bin/prometheus" "$programs/"
