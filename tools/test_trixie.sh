#!/bin/bash
# Builds Gatehouse and runs its tests on Debian 13 (gcc 14, OpenSSL 3.5), in a root of its own made with debootstrap: there raw public keys and
# hybrid key exchange are exercised. Where that cannot be done: one line that says why, and exit code 0. Never changes the machine outside FOLDER.
#   tools/test_trixie.sh [--shell | STEP,STEP..]     (the steps of tools/run_tests.py; default release,tools,unit,story)
#   GH_TRIXIE_DIR     FOLDER of the root, kept between runs (build-trixie)
#   GH_TRIXIE_MIRROR  where Debian is (http://deb.debian.org/debian)
#   JOBS              parallel jobs
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
folder=${GH_TRIXIE_DIR:-$here/build-trixie}
mirror=${GH_TRIXIE_MIRROR:-http://deb.debian.org/debian}
what=${1:-release,tools,unit,story}
root=$folder/root

skip() {
  echo "test-trixie: skipped: $*"
  exit 0
}

# In the root, with mounts that end with the command: nothing is left mounted, however this ends.
inside() {
  # shellcheck disable=SC2016
  unshare --mount sh -c 'root=$1; shift
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" || exit 125
    exec chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
      ASAN_OPTIONS=fast_unwind_on_malloc=0 LSAN_OPTIONS=suppressions=/gatehouse/tests/lsan-openssl35.supp:print_suppressions=0 "$@"' \
    inside "$root" "$@"
}

make_root() {
  [ -e "$root" ] && return
  command -v debootstrap >/dev/null || "$here/tools/setup.sh" trixie >&2 || skip "debootstrap is missing and could not be installed"
  mkdir -p "$folder"
  rm -rf --one-file-system "$root.part" # of a run that was interrupted
  echo "test-trixie: making a Debian 13 root in $root"
  if ! debootstrap --variant=minbase trixie "$root.part" "$mirror" >"$folder/debootstrap.log" 2>&1; then
    skip "debootstrap failed (no network?): $(tail -1 "$folder/debootstrap.log")"
  fi
  mv "$root.part" "$root"
}

# The sources as they are now, committed or not; build folders in the root stay, so that a second run is quick. What has not
# changed since keeps its time there, what has changed is as new as now: a build may have begun after it was edited.
copy_sources() {
  local old=$root/gatehouse new=$root/gatehouse.new file
  rm -rf --one-file-system "$new"
  mkdir -p "$old" "$new"
  tar -C "$here" --exclude='./build*' --exclude=./.git -cf - . | tar -C "$new" --no-same-owner -mxf -
  (cd "$new" && find . -type f -print0) | while IFS= read -r -d '' file; do
    if cmp -s "$new/$file" "$old/$file"; then touch -r "$old/$file" "$new/$file"; fi
  done
  find "$old" -mindepth 1 -maxdepth 1 ! -name 'build*' -exec rm -rf {} +
  find "$new" -mindepth 1 -maxdepth 1 -exec mv -t "$old" {} +
  rmdir "$new"
}

[ "$(id -u)" -eq 0 ] || skip "chroot needs root"
[ "$(uname -s)" = Linux ] || skip "not Linux"
make_root
inside true || skip "this machine does not let us mount and chroot"
copy_sources
if [ "$what" = --shell ]; then
  inside bash -c 'cd /gatehouse && exec bash'
  exit
fi
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
if ! inside bash -c 'cd /gatehouse && tools/setup.sh test' >"$folder/setup.log" 2>&1; then
  grep -q 'apt-get update failed' "$folder/setup.log" && skip "no package list (no network?)"
  tail -20 "$folder/setup.log" >&2
  echo "test-trixie: FAILED: the packages of tools/setup.sh cannot be installed in Debian 13" >&2
  exit 1
fi
inside openssl version | sed 's/^/test-trixie: /'
code=0
inside bash -c "cd /gatehouse && python3 tools/run_tests.py --only $what --jobs ${JOBS:-$(nproc)}" || code=$?
[ "$code" -eq 0 ] && echo "test-trixie: passed" || echo "test-trixie: FAILED"
exit "$code"
