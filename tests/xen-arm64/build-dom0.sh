#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen-arm64/build-dom0.sh: prints the folder that holds dom0's arm64
# kernel (Image) and the base of its initramfs (base.cpio): busybox, Debian's
# Xen toolstack and the kernel modules that it needs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"
# shellcheck source=tests/xen-arm64/common.sh
. "$here/common.sh"

# Names as in Debian's xen-utils; what the arm64 package lacks is left out.
programs=(
    xl xenstored xenconsoled xenconsole xen-init-dom0 libxl-save-helper
    xen-access xen-livepatch xen-diag xenctx lsevtchn xenperf test-resource
)
kernel_modules=(xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xenfs)
applets="sh ash mount umount mkdir ls cat echo sleep usleep insmod dmesg poweroff ps
    kill grep egrep head tail date uname ln mknod sed awk tr wc timeout cut seq
    test expr od sort uniq env basename dirname chroot base64 mv cp rm find tee
    true false setsid cttyhack stty printf touch free top sync xargs uptime nice
    chmod cmp diff"

make_skeleton()
{
    local root=$1 applet

    mkdir -p "$root"/usr/{bin,lib/modules} "$root/$libdir" \
        "$root"/usr/lib/xen-4.17/{bin,boot} \
        "$root"/{dev,proc,sys,tmp,run,root,scenarios,guest} \
        "$root"/etc/xen/scripts "$root"/var/{lib,log,lock,cache}/xen \
        "$root"/var/lib/xen/dump "$root"/var/lib/xenstored
    ln -s usr/bin "$root/bin"
    ln -s usr/bin "$root/sbin"
    ln -s usr/lib "$root/lib"
    ln -s ../run "$root/var/run"
    cp "$sys/bin/busybox" "$root/usr/bin/busybox"
    for applet in $applets; do
        ln -s busybox "$root/usr/bin/$applet"
    done
    # Guest memory is what dom0_mem leaves free: no ballooning of dom0.
    echo 'autoballoon="off"' >"$root/etc/xen/xl.conf"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
}

build_base()
{
    local out=$1 name
    local root=$out/root

    rm -rf "$out"
    mkdir -p "$root"
    make_skeleton "$root"
    for name in "${programs[@]}"; do
        if [ -f "$sys/usr/lib/xen-4.17/bin/$name" ]; then
            cp "$sys/usr/lib/xen-4.17/bin/$name" "$root/usr/lib/xen-4.17/bin/"
        fi
    done
    for name in xenstore-ls xenstore-read xenstore-write xenstore-rm; do
        cp -L "$sys/usr/bin/$name" "$root/usr/bin/"
    done
    copy_closure "$sys" "$root"
    # Loaded by name when a thread is cancelled.
    cp -L "$(library_path "$sys" libgcc_s.so.1)" "$root/$libdir/"
    for name in "${kernel_modules[@]}"; do
        cp "$packages/modules/$name.ko" "$root/usr/lib/modules/"
    done
    cp "$packages/Image" "$out/Image"
    pack_cpio "$root" "$out/base.cpio"
    rm -rf "$root"
}

main()
{
    local key out

    packages=$("$here/fetch-packages.sh")
    sys=$packages/sys
    lock_cache dom0-arm64
    key=$(cat "$here/build-dom0.sh" "$here/common.sh" <(echo "$packages") |
        sha256sum | cut -c1-16)
    out=$VMIRING_CACHE/dom0-arm64/$key
    if [ ! -e "$out/done" ]; then
        say "building dom0's arm64 initramfs"
        build_base "$out"
        touch "$out/done"
    fi
    echo "$out"
}

main "$@"
