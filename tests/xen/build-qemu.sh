#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/build-qemu.sh: prints the path of a qemu-system-x86_64 whose SVM
# intercepts are whole: Debian's source package with qemu/svm-intercepts.patch,
# the one target, and nothing that a boot without disk, network and screen does
# not need. Firmware and option ROMs are those of Debian's binary packages.
#
# It is kept in the cache under a hash of what went into it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"

patch_file=$here/qemu/svm-intercepts.patch
log=$VMIRING_CACHE/logs/build-qemu.log

configure_tree()
{
    (cd "$1" && ./configure --meson=/usr/bin/meson \
        --target-list=x86_64-softmmu --without-default-features \
        --enable-tcg --disable-docs --disable-tools \
        --disable-guest-agent --disable-werror \
        --firmwarepath=/usr/share/qemu:/usr/share/seabios)
}

build()
{
    local source=$1 result=$2 tree=$VMIRING_CACHE/build/qemu
    local started=$SECONDS

    say "building QEMU with its SVM intercepts mended; log: $log"
    rm -rf "$tree" "$result"
    mkdir -p "$tree" "$result"
    cp -a "$source/." "$tree"
    run_logged "$log" "$patch_file" \
        patch -d "$tree" -p1 --fuzz=0 -i "$patch_file"
    run_logged "$log" "QEMU's configure" configure_tree "$tree"
    run_logged "$log" "building QEMU" \
        ninja -C "$tree/build" -j2 qemu-system-x86_64
    strip -o "$result/qemu-system-x86_64" "$tree/build/qemu-system-x86_64"
    rm -rf "$tree"
    touch "$result/done"
    say "built QEMU in $((SECONDS - started)) s"
}

main()
{
    local source key result

    source=$("$here/fetch-source.sh" qemu)
    key=$(printf '%s\n' "$(basename "$source")" "$(gcc -dumpfullversion)" \
        "$(cat "$patch_file" "$here/build-qemu.sh" | sha256sum)" |
        sha256sum | cut -c1-16)
    result=$VMIRING_CACHE/qemu/$key
    mkdir -p "$VMIRING_CACHE/logs"
    lock_cache build-qemu
    if [ ! -e "$result/done" ]; then
        : >"$log"
        build "$source" "$result"
    fi
    echo "$result/qemu-system-x86_64"
}

main "$@"
