#!/bin/bash
# SPDX-License-Identifier: MIT
#
# check-package.sh BUILD: installs BUILD into a scratch prefix, and builds and
# runs programs with nothing but what was installed there.
set -euo pipefail
export LC_ALL=C

build=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAIL $*"; exit 1; }

cmake --install "$build" --prefix "$work/first" >"$work/log" 2>&1 ||
    { cat "$work/log"; fail "cmake --install"; }
mv "$work/first" "$work/usr"   # found by its own place, not by the prefix

lib=$(find "$work/usr" -name libvmi-ring.so)
[ -n "$lib" ] || fail "libvmi-ring.so was not installed"
libdir=${lib%/*}

cat >"$work/prog.c" <<'C'
#include <vmiring.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The version of the structure is its size: zero is none. */
int main(void)
{
    vmiring_options opts;

    memset(&opts, 0, sizeof(opts));
    if (vmiring_open(&opts) || errno != EINVAL)
        return 1;
    puts(vmiring_open_error());
    return vmiring_open_error()[0] == '\0';
}
C
cp "$work/prog.c" "$work/prog.cc"

export PKG_CONFIG_PATH=$libdir/pkgconfig
flags=$(pkg-config --cflags --libs vmi-ring)
# shellcheck disable=SC2086 # several words
gcc -Wall -Wextra -Werror -o "$work/c" "$work/prog.c" $flags
# shellcheck disable=SC2086
g++ -Wall -Wextra -Werror -o "$work/cc" "$work/prog.cc" $flags
for prog in c cc; do
    LD_LIBRARY_PATH=$libdir "$work/$prog" || fail "$prog: vmiring_open()"
done

mkdir "$work/src"
cp "$work/prog.c" "$work/src/"
cat >"$work/src/CMakeLists.txt" <<'M'
cmake_minimum_required(VERSION 3.21)
project(prog C)
find_package(vmiring REQUIRED)
add_executable(prog prog.c)
target_link_libraries(prog PRIVATE vmiring::vmiring)
M
cmake -S "$work/src" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/usr" \
    >"$work/log" 2>&1 || { cat "$work/log"; fail "find_package(vmiring)"; }
cmake --build "$work/cmake" >"$work/log" 2>&1 || { cat "$work/log"; fail "build"; }
"$work/cmake/prog" || fail "the program built with CMake"

# What the library exports is what its headers declare, and nothing of it
# depends on the release of Xen.
nm -D --defined-only "$lib" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
    sort >"$work/exported"
gcc -E -P -I"$work/usr/include" -include vmiring_capture.h -x c /dev/null |
    tr '\n' ' ' | grep -oE 'vmiring_[a-z0-9_]+ ?\(' | tr -d ' (' |
    sort -u >"$work/declared"
diff "$work/declared" "$work/exported" ||
    fail "declared (<) and exported (>) functions differ"
if readelf -d "$lib" | grep -E 'NEEDED.*(xenctrl|xenguest|xenlight)'; then
    fail "the library needs an unstable library of Xen"
fi

for header in vmiring.h vmiring_capture.h vmiring/vm_event_v2.h; do
    [ -f "$work/usr/include/$header" ] || fail "$header was not installed"
done
cmp "$work/usr/include/vmiring.h" "$root/libvmi-ring/include/vmiring.h"
echo "$(wc -l <"$work/exported") functions exported"
