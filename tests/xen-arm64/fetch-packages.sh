#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen-arm64/fetch-packages.sh: prints a folder with Debian's arm64
# packages unpacked: a sysroot to compile against, the Xen toolstack and a
# kernel. Nothing is installed and nothing of the system's apt changes: the
# architecture, the package lists and the downloads are those of a private apt
# configuration in the cache, with the system's own sources and keys.
#
#   sys/         the packages, a root file system (and cmake's sysroot)
#   Image        the kernel, uncompressed as QEMU's guest-loader wants it
#   modules/     the kernel's Xen modules
#
# What is fetched once stays; VMIRING_REFRESH=1 fetches it again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"

debs=$VMIRING_CACHE/debs-arm64
apt_dir=$VMIRING_CACHE/apt-arm64
log=$VMIRING_CACHE/logs/fetch-arm64.log

packages=(
    # what dom0 runs
    xen-utils-4.17 xen-utils-common xenstore-utils libxenmisc4.17
    libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1
    libxengnttab1 libxenhypfs1 libxenstore4 libxentoolcore1 libxentoollog1
    busybox-static libc6 libgcc-s1 liblzma5 libuuid1 zlib1g libzstd1 libyajl2
    libtinfo6 libncurses6 libbz2-1.0 liblzo2-2 libfdt1 libnl-3-200
    libnl-route-3-200 libaio1 libgnutls30
    # what ours links
    libc6-dev linux-libc-dev libcrypt-dev libxen-dev
    libjson-c5 libjson-c-dev libcapstone4 libcapstone-dev
    libseccomp2 libseccomp-dev libsystemd0 libsystemd-dev
    libcap2 libgcrypt20 libgpg-error0 liblz4-1
    libpcap0.8 libpcap0.8-dev libpcap-dev libdbus-1-3 libdbus-1-dev
)

private_apt()
{
    local tool=$1

    shift
    mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial"
    : >"$apt_dir/status"
    "$tool" -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
        -o "Dir::State::lists=$apt_dir/lists" -o "Dir::Cache=$apt_dir/cache" \
        -o "Dir::State::status=$apt_dir/status" \
        -o "APT::Sandbox::User=$(id -un)" "$@"
}

kernel_package()
{
    private_apt apt-cache depends linux-image-arm64 |
        sed -n 's/^ *Depends: \(linux-image-[0-9][^:]*\).*$/\1/p' | head -n 1
}

# A package that a point release renamed or dropped is not worth a failure
# here: what is really missing shows in dom0's library closure.
offered()
{
    local package

    for package; do
        if private_apt apt-cache show "$package" >/dev/null 2>&1; then
            echo "$package"
        else
            say "note: Debian's arm64 packages have no $package"
        fi
    done
}

fetch()
{
    local kernel
    local -a wanted

    say "fetching Debian's arm64 packages"
    rm -rf "$debs"
    mkdir -p "$debs"
    private_apt apt-get update >>"$log" 2>&1 ||
        say "going on with the package lists as they are"
    kernel=$(kernel_package)
    [ -n "$kernel" ] || die "linux-image-arm64 is not in this system's package sources"
    mapfile -t wanted < <(offered "${packages[@]}")
    (cd "$debs" && run_logged "$log" "downloading packages" \
        private_apt apt-get download "${wanted[@]}" "$kernel") ||
        die "cannot download the packages: is this machine offline?"
    echo "${packages[*]}" >"$debs/done"
}

# The kernel is an EFI program of zboot form in later releases; Debian 12's is
# an Image, which starts with "MZ" and carries its magic number at 0x38.
unpack()
{
    local out=$1 deb image

    rm -rf "$out"
    mkdir -p "$out/sys" "$out/modules" "$out/kernel"
    for deb in "$debs"/*.deb; do
        case ${deb##*/} in
        linux-image-*)
            dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$out/kernel" --wildcards \
                './boot/vmlinuz-*' './lib/modules/*/kernel/drivers/xen/*' ;;
        *) dpkg -x "$deb" "$out/sys" ;;
        esac
    done
    # Links to absolute paths would lead out of the sysroot.
    find "$out/sys" -type l -lname '/*' -printf '%p %l\n' |
        while read -r link target; do
            ln -sfrT "$out/sys$target" "$link"
        done
    image=$(echo "$out"/kernel/boot/vmlinuz-*)
    if [ "$(head -c 2 "$image" | od -An -tx1)" = " 1f 8b" ]; then
        gzip -dc "$image" >"$out/Image"
    else
        mv "$image" "$out/Image"
    fi
    [ "$(tail -c +57 "$out/Image" | head -c 3)" = ARM ] ||
        die "$image is not an arm64 Image"
    find "$out/kernel/lib" -name '*.ko' -exec mv {} "$out/modules/" \;
    rm -rf "$out/kernel"
}

main()
{
    local key out

    mkdir -p "${log%/*}"
    lock_cache packages-arm64
    if [ -n "${VMIRING_REFRESH:-}" ] || [ ! -e "$debs/done" ] ||
        [ "$(cat "$debs/done")" != "${packages[*]}" ]; then
        : >"$log"
        fetch
    fi
    key=$(cd "$debs" && printf '%s\n' ./*.deb | LC_ALL=C sort |
        cat - "$here/fetch-packages.sh" | sha256sum | cut -c1-16)
    out=$VMIRING_CACHE/sys-arm64/$key
    if [ ! -e "$out/done" ]; then
        unpack "$out"
        touch "$out/done"
    fi
    echo "$out"
}

main "$@"
