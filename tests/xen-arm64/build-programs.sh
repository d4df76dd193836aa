#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen-arm64/build-programs.sh OUT BUILD_DIR: cross-compiles what the tests
# add to dom0's initramfs into the archive OUT: the guests, programs of dom0 and
# vmi-agent with its libraries, twice as in tests/xen/build-programs.sh: in /usr
# with everything, and in /agent without libxenctrl. The CMake build lies in
# BUILD_DIR.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"
# shellcheck source=tests/xen-arm64/common.sh
. "$here/common.sh"

log=$VMIRING_CACHE/logs/build-programs-arm64.log

cross_build()
{
    local build=$1

    run_logged "$log" "configuring for arm64" cmake -G Ninja -S "$REPO_ROOT" \
        -B "$build" -DCMAKE_TOOLCHAIN_FILE="$REPO_ROOT/cmake/aarch64-linux-gnu.cmake" \
        -DVMIRING_SYSROOT="$sys" -DCMAKE_INSTALL_PREFIX=/usr \
        -DCMAKE_INSTALL_LIBDIR=lib/aarch64-linux-gnu
    run_logged "$log" "compiling for arm64" ninja -C "$build" -j2
}

install_agent()
{
    local root=$1 build=$2

    DESTDIR=$root run_logged "$log" "installing the library" \
        cmake -DCMAKE_INSTALL_LOCAL_ONLY=ON -P "$build/cmake_install.cmake"
    for part in libvmi-ring agent; do
        DESTDIR=$root run_logged "$log" "installing $part" \
            cmake --install "$build/$part"
    done
    [ -x "$root/usr/sbin/vmi-agent" ] || die "$build does not install /usr/sbin/vmi-agent"
    rm -rf "${root:?}"/usr/{include,share,lib/cmake,lib/pkgconfig} \
        "${root:?}/$libdir"/{cmake,pkgconfig}
}

# Everything of ours but what is linked against libxenctrl.
make_agent_root()
{
    local from=$1 to=$2 file

    mkdir -p "$to/etc"
    cp -a "$from/usr" "$to/"
    find "$to" -type f -print0 | while IFS= read -r -d '' file; do
        if readelf -d "$file" 2>/dev/null | grep -q 'NEEDED.*libxenctrl'; then
            rm "$file"
        fi
    done
    copy_closure "$sys" "$to"
    for link in bin lib; do
        ln -s "usr/$link" "$to/$link"
    done
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$to/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$to/etc/group"
    if [ -n "$(find "$to" -name 'libxenctrl*')" ]; then
        die "the agent needs libxenctrl although its legacy plugin is left out"
    fi
}

compile_one()
{
    aarch64-linux-gnu-gcc --sysroot="$sys" -std=gnu11 -O2 -Wall -Wextra -Werror \
        -include "$here/guest/arm64.h" -I "$REPO_ROOT/xen/include/public" \
        -Wl,-rpath-link,"$sys/$libdir" \
        -o "$1/usr/bin/$(basename "$2")" "$here/../$2.c" "${@:3}"
}

# The Linux guest's, of one static program; its kernel is dom0's (run.sh).
make_linux_initramfs()
{
    local root=$1 tree=$1.linux

    rm -rf "$tree"
    mkdir -p "$tree"
    aarch64-linux-gnu-gcc --sysroot="$sys" -std=gnu11 -O2 -Wall -Wextra -Werror \
        -static -s -o "$tree/init" "$here/guest/init.c"
    pack_cpio "$tree" "$root/guest/linux.cpio"
    rm -rf "$tree"
}

main()
{
    local out=${1:?usage: build-programs.sh OUT BUILD_DIR} build=${2:?}
    local root=$out.root

    mkdir -p "${log%/*}"
    : >"$log"
    sys=$("$here/fetch-packages.sh")/sys
    rm -rf "$root"
    mkdir -p "$root/guest" "$root/usr/bin"
    cross_build "$build"
    install_agent "$root" "$build"
    make_agent_root "$root" "$root/agent"
    "$here/guest/build.sh" "$root/guest/guest.img"
    compile_one "$root" xen/dom0/guestmem -lxenforeignmemory
    compile_one "$root" xen/dom0/badcalls -lxenforeignmemory -lxenevtchn
    compile_one "$root" xen/dom0/scribbler -lxenctrl -lxenevtchn -lxenforeignmemory
    compile_one "$root" xen-arm64/dom0/freepages -lxenctrl
    cp "$build/examples/watch-exec" "$root/usr/bin/"
    make_linux_initramfs "$root"
    copy_closure "$sys" "$root"
    pack_cpio "$root" "$out"
    rm -rf "$root"
}

main "$@"
