#!/bin/bash
# Installs the Debian packages that Gatehouse needs and that are missing. Says which and why; changes nothing else.
#   tools/setup.sh build    to build and run        (make, make demo)
#   tools/setup.sh test     that, and the tests     (make test, make check)
#   tools/setup.sh bench    that, and the benchmark (make bench)
#   tools/setup.sh trixie   what makes a Debian 13 root, alone (make test-trixie)
set -euo pipefail

build_packages="
build-essential     C compiler and linker
cmake               build system
pkg-config          finds the libraries
libssl-dev          OpenSSL: TLS, certificates, ciphers
libuv1-dev          event loop
libhttp-parser-dev  HTTP/1.1 parser
libwslay-dev        WebSocket framing
libnghttp2-dev      HTTP/2 framing
libmosquitto-dev    client of an MQTT broker
libsqlite3-dev      SQLite: the embedded store
libconfig-dev       configuration files
libcurl4-openssl-dev  asks OCSP responders and CRL servers
libjemalloc-dev     allocator of the program gatehouse
libutf8proc-dev     Unicode normal forms of passphrases and names
python3             generates tables from data/, runs the tests
"
test_packages="
libcmocka-dev       unit tests
libjansson-dev      second opinion for the JSON codec
libcbor-dev         second opinion for the CBOR codec
openssl             raw TLS client in the tests
curl                raw HTTPS client in the tests
nghttp2-client      HTTP/2 clients of another maker
gnutls-bin          TLS client and server of another maker
python3-websockets  WebSocket client of another maker
python3-cbor2       CBOR codec of another maker
nodejs              runs the WebSocket client of node-ws
node-ws             WebSocket client of a third maker
node-cbor           CBOR codec of a third maker
mosquitto           MQTT broker
mosquitto-clients   MQTT clients of another maker
libcoap3-bin        CoAP client of another maker
valgrind            memory checker
clang               compiler for the fuzz targets
libclang-rt-14-dev|libclang-rt-dev  libFuzzer and sanitizer run time
clang-format        layout check
clang-tidy          static analysis
sqlite3             looks into stores from the tests
iproute2            looks at sockets from the tests, and makes a network of their own
util-linux          enters it: unshare, nsenter
"
bench_packages="
nginx               the web server we measure against
wrk                 HTTP load generator
libcoap3-dev        the CoAP server we measure against
"
trixie_packages="
debootstrap         makes the Debian 13 root of make test-trixie
"

die() {
  echo "setup: $*" >&2
  exit 1
}

installed() {
  dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'
}

# "a|b": satisfied by any of them; when none is there, the first one that apt knows is what we ask for.
missing_of() {
  local choice
  for choice in ${1//|/ }; do
    if installed "$choice"; then return 0; fi
  done
  for choice in ${1//|/ }; do
    if apt-cache show "$choice" >/dev/null 2>&1; then
      echo "$choice"
      return 0
    fi
  done
  echo "${1%%|*}"
}

collect() {
  local names reason name
  while read -r names reason; do
    if [ -z "$names" ]; then continue; fi
    name=$(missing_of "$names")
    if [ -n "$name" ]; then
      missing="$missing $name"
      printf 'setup: missing %-20s %s\n' "$name" "$reason"
    fi
  done <<<"$1"
}

as_root=()
find_root() {
  if [ "$(id -u)" -eq 0 ]; then return; fi
  command -v sudo >/dev/null || die "not root and no sudo; as root run: apt-get install$missing"
  as_root=(sudo)
  if ! [ -t 0 ]; then as_root=(sudo -n); fi
  "${as_root[@]}" true || die "sudo refused; as root run: apt-get install$missing"
}

group="${1:-build}"
wanted="$build_packages"
case "$group" in
  build) ;;
  test) wanted="$wanted$test_packages" ;;
  bench) wanted="$wanted$test_packages$bench_packages" ;;
  trixie) wanted="$trixie_packages" ;;
  *) die "usage: tools/setup.sh [build|test|bench|trixie]" ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "setup: no dpkg here, so nothing is installed. These Debian packages (or their likes) are needed:$wanted" >&2
  exit 0
fi

missing=""
collect "$wanted"
if [ -z "$missing" ]; then exit 0; fi

find_root
export DEBIAN_FRONTEND=noninteractive
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
"${apt[@]}" update || die "apt-get update failed; needed packages:$missing"
# The first list may have been made before apt knew of any package.
missing=""
collect "$wanted" >/dev/null
# shellcheck disable=SC2086
"${apt[@]}" install --no-install-recommends $missing || die "apt-get could not install:$missing"
echo "setup: installed$missing"
