#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/build-dom0.sh: prints the folder that holds dom0's kernel (vmlinux)
# and the base of its initramfs (base.cpio): busybox, Debian's Xen toolstack
# and the kernel modules that it needs.
#
# Kernel and toolstack are downloaded and unpacked, never installed: their
# maintainer scripts are meant for a machine that runs Xen. What is fetched
# once stays in the cache; VMIRING_REFRESH=1 fetches it again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"

debs=$VMIRING_CACHE/debs
log=$VMIRING_CACHE/logs/build-dom0.log

toolstack_packages=(
    xen-utils-4.17 xen-utils-common xenstore-utils libxenmisc4.17
    libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1
    libxengnttab1 libxenhypfs1 libxenstore4 libxentoolcore1 libxentoollog1
)

# Names as in Debian's xen-utils; what a release lacks is left out.
toolstack_programs=(
    xl xenstored xenconsoled xenconsole xen-init-dom0 libxl-save-helper
    xen-access xen-livepatch xen-diag xen-hvmctx xenctx lsevtchn xen-mfndump
    xen-lowmemd xenperf xen-memshare xenpaging xen-vmtrace test-resource
)

kernel_modules=(xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xenfs)

# The system's package sources, but lists and downloads in the cache: neither
# root nor a fresh /var/lib/apt is needed, and nothing of the system changes.
private_apt()
{
    local dir=$VMIRING_CACHE/apt-binary tool=$1

    shift
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    "$tool" -q -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" \
        -o "APT::Sandbox::User=$(id -un)" "$@"
}

kernel_package()
{
    private_apt apt-cache depends linux-image-amd64 |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

fetch_packages()
{
    local kernel

    [ -z "${VMIRING_REFRESH:-}" ] || rm -rf "$debs"
    [ ! -e "$debs/done" ] || return 0
    say "fetching Debian's kernel and Xen toolstack packages"
    rm -rf "$debs"
    mkdir -p "$debs"
    private_apt apt-get update >>"$log" 2>&1 ||
        say "going on with the package lists as they are"
    kernel=$(kernel_package)
    [ -n "$kernel" ] || die "linux-image-amd64 is not in this system's package sources"
    (cd "$debs" && run_logged "$log" "downloading packages" \
        private_apt apt-get download "${toolstack_packages[@]}" "$kernel") ||
        die "cannot download the packages: is this machine offline?"
    touch "$debs/done"
}

# unpack_kernel DIR: vmlinuz and the modules only; the rest is 400 MB.
unpack_kernel()
{
    local deb

    deb=$(echo "$debs"/linux-image-*.deb)
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$1" --wildcards \
        './boot/vmlinuz-*' './lib/modules/*/kernel/drivers/xen/*'
}

# The compressed kernel inside vmlinuz, unpacked here: under emulation the
# guest's own unpacking takes seconds of every boot.
extract_vmlinux()
{
    python3 - "$1" "$2" <<'PYTHON'
import lzma
import subprocess
import sys

image = open(sys.argv[1], "rb").read()
start = image.find(b"\xfd7zXZ\x00")
if start >= 0:
    kernel = lzma.LZMADecompressor().decompress(image[start:])
else:
    start = image.find(b"\x28\xb5\x2f\xfd")
    if start < 0:
        sys.exit("the kernel's payload is neither xz nor zstd")
    unpacked = subprocess.run(["zstd", "-dqc"], input=image[start:],
                              stdout=subprocess.PIPE, check=False)
    kernel = unpacked.stdout
if kernel[:4] != b"\x7fELF":
    sys.exit("the kernel's payload is not an ELF file")
with open(sys.argv[2], "wb") as out:
    out.write(kernel)
PYTHON
}

# What the programs under ROOT load, Xen's libraries from the packages, the
# rest (C library and the like) from this machine.
library_closure()
{
    local root=$1 unpacked=$2

    (find "$root" -type f -perm /111 -print0 |
        LD_LIBRARY_PATH=$unpacked/usr/lib/x86_64-linux-gnu \
            xargs -0 -n1 ldd 2>/dev/null ||
        true) |  # ldd fails on programs that load nothing
        awk '/=> not found/ { print "missing " $1 }
             /=> \//        { print $3 }
             /^\t\/lib/     { print $1 }' | sort -u
}

copy_libraries()
{
    local root=$1 unpacked=$2 library

    while read -r library; do
        case $library in
        missing\ *) die "dom0's programs need ${library#missing }, which is not installed here" ;;
        */ld-linux*) cp -L "$library" "$root/usr/lib64/" ;;
        *) cp -L "$library" "$root/usr/lib/x86_64-linux-gnu/" ;;
        esac
    done < <(library_closure "$root" "$unpacked")
    # Loaded by name when a thread is cancelled: no ldd shows it.
    cp -L /usr/lib/x86_64-linux-gnu/libgcc_s.so.1 "$root/usr/lib/x86_64-linux-gnu/"
}

make_skeleton()
{
    local root=$1 applet

    mkdir -p "$root"/usr/{bin,lib,lib64,lib/modules,lib/x86_64-linux-gnu} \
        "$root"/usr/lib/xen-4.17/{bin,boot} \
        "$root"/{dev,proc,sys,tmp,run,root,scenarios,guest} \
        "$root"/etc/xen/scripts "$root"/var/{lib,log,lock,cache}/xen \
        "$root"/var/lib/xen/dump "$root"/var/lib/xenstored
    ln -s usr/bin "$root/bin"
    ln -s usr/bin "$root/sbin"
    ln -s usr/lib "$root/lib"
    ln -s usr/lib64 "$root/lib64"
    ln -s ../run "$root/var/run"
    cp "$(command -v busybox)" "$root/usr/bin/busybox"
    for applet in $("$root/usr/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/usr/bin/$applet"
    done
    # Guest memory is what dom0_mem leaves free: no ballooning of dom0.
    echo 'autoballoon="off"' >"$root/etc/xen/xl.conf"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'nobody:x:65534:65534:nobody:/:/bin/false' >>"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    echo 'nogroup:x:65534:' >>"$root/etc/group"
}

build_base()
{
    local out=$1 unpacked root deb module program

    unpacked=$out/unpacked root=$out/root
    rm -rf "$out"
    mkdir -p "$unpacked"
    for deb in "$debs"/*xen*.deb; do
        dpkg -x "$deb" "$unpacked"
    done
    unpack_kernel "$unpacked"
    extract_vmlinux "$(echo "$unpacked"/boot/vmlinuz-*)" "$out/vmlinux"

    make_skeleton "$root"
    for program in "${toolstack_programs[@]}"; do
        if [ -f "$unpacked/usr/lib/xen-4.17/bin/$program" ]; then
            cp "$unpacked/usr/lib/xen-4.17/bin/$program" "$root/usr/lib/xen-4.17/bin/"
        else
            say "note: Debian's packages have no $program"
        fi
    done
    for program in xenstore-ls xenstore-read xenstore-write xenstore-rm; do
        cp -L "$unpacked/usr/bin/$program" "$root/usr/bin/"
    done
    copy_libraries "$root" "$unpacked"
    for module in "${kernel_modules[@]}"; do
        find "$unpacked/lib/modules" -name "$module.ko" -exec cp {} "$root/usr/lib/modules/" \;
    done

    pack_cpio "$root" "$out/base.cpio"
    rm -rf "$unpacked" "$root"
}

main()
{
    local key out

    mkdir -p "${log%/*}"
    lock_cache dom0
    : >"$log"
    fetch_packages
    key=$(cd "$debs" && printf '%s\n' ./*.deb | LC_ALL=C sort |
        cat - "$here/build-dom0.sh" | sha256sum | cut -c1-16)
    out=$VMIRING_CACHE/dom0/$key
    if [ ! -e "$out/done" ]; then
        say "building dom0's initramfs"
        build_base "$out"
        touch "$out/done"
    fi
    echo "$out"
}

main "$@"
