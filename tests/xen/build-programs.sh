#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/build-programs.sh OUT [BUILD_DIR]: builds what the tests add to
# dom0's initramfs into the archive OUT: the test guest, the programs in dom0/,
# and, when BUILD_DIR (a CMake build of this repository) is given, vmi-agent
# and its libraries, twice:
#
#   /usr     with everything, the legacy plugin and libxenctrl included
#   /agent   a root of its own, for chroot, in which libxenctrl is not
#            installed: the toolstack (xl) cannot do without that library, the
#            v2 agent must. Nothing under it has the library or the plugin.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"

log=$VMIRING_CACHE/logs/build-programs.log

compile_one()
{
    local root=$1 name=$2

    shift 2
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror -I "$REPO_ROOT/xen/include/public" \
        -o "$root/usr/bin/$name" "$here/dom0/$name.c" "$@"
}

compile()
{
    local root=$1

    "$here/guest/build.sh" "$root/guest/guest.elf"
    compile_one "$root" guestmem -lxenforeignmemory
    compile_one "$root" legacy-monitor -lxenctrl -lxenevtchn
    compile_one "$root" badcalls -lxenforeignmemory -lxenevtchn
    compile_one "$root" portpeer -lxenctrl -lxenevtchn
    compile_one "$root" xmmcheck
    compile_one "$root" scribbler -lxenctrl -lxenevtchn -lxenforeignmemory
}

# copy_closure ROOT SOURCE...: the libraries that the ELF files under the
# SOURCE folders load.
copy_closure()
{
    local root=$1 library
    local ours=$root/usr/lib/x86_64-linux-gnu

    shift
    mkdir -p "$ours" "$root/usr/lib64"
    while read -r library; do
        case $library in
        "$root"/*) ;;
        */ld-linux*) cp -L "$library" "$root/usr/lib64/" ;;
        *) cp -L "$library" "$ours/" ;;
        esac
    done < <(find "$@" -type f \( -perm /111 -o -name '*.so*' \) -print0 |
        LD_LIBRARY_PATH="$ours:$root/usr/lib" xargs -0 -r -n1 ldd 2>/dev/null |
        awk '/=> \// { print $3 } /^\t\/lib/ { print $1 }' | sort -u)
    # Loaded by name when a thread is cancelled: no ldd shows it.
    cp -L /usr/lib/x86_64-linux-gnu/libgcc_s.so.1 "$ours/"
}

install_agent()
{
    local root=$1 build=$2 part

    # Library, plugin and agent; nothing else of the build belongs into dom0.
    DESTDIR=$root run_logged "$log" "installing the library" \
        cmake -DCMAKE_INSTALL_LOCAL_ONLY=ON -P "$build/cmake_install.cmake"
    for part in libvmi-ring agent; do
        DESTDIR=$root run_logged "$log" "installing $part" \
            cmake --install "$build/$part"
    done
    # Several handles at one domain; the SDK's count and nothing else.
    cp "$build"/examples/{vcpu-workers,guest-request-counter} "$root/usr/bin/"
    [ -x "$root/usr/sbin/vmi-agent" ] ||
        die "$build does not install /usr/sbin/vmi-agent (configure it with -DCMAKE_INSTALL_PREFIX=/usr)"
    rm -rf "${root:?}"/usr/{include,share,lib/cmake,lib/pkgconfig} \
        "${root:?}"/usr/lib/x86_64-linux-gnu/{cmake,pkgconfig}
}

# Everything of ours but what is linked against libxenctrl.
make_agent_root()
{
    local from=$1 to=$2 file

    mkdir -p "$to"
    cp -a "$from/usr" "$to/"
    find "$to" -type f -print0 | while IFS= read -r -d '' file; do
        if readelf -d "$file" 2>/dev/null | grep -q 'NEEDED.*libxenctrl'; then
            rm "$file"
        fi
    done
    mkdir -p "$to/etc"
    copy_closure "$to" "$to"
    for link in bin lib lib64; do
        ln -s "usr/$link" "$to/$link"
    done
    # busybox, so that a scenario can look around from inside.
    cp "$(command -v busybox)" "$to/usr/bin/busybox"
    ln -sf busybox "$to/usr/bin/sh"
    ln -sf busybox "$to/usr/bin/find"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$to/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$to/etc/group"
    if [ -n "$(find "$to" -name 'libxenctrl*')" ]; then
        die "the agent needs libxenctrl although its legacy plugin is left out"
    fi
}

main()
{
    local out=${1:?usage: build-programs.sh OUT [BUILD_DIR]} build=${2:-}
    local root=$out.root

    mkdir -p "${log%/*}"
    : >"$log"
    rm -rf "$root"
    mkdir -p "$root/guest" "$root/usr/bin"
    if [ -n "$build" ]; then
        install_agent "$root" "$build"
        make_agent_root "$root" "$root/agent"
    fi
    compile "$root"
    copy_closure "$root" "$root/usr"
    pack_cpio "$root" "$out"
    rm -rf "$root"
}

main "$@"
