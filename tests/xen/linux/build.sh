#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/linux/build.sh OUT DOM0: an archive for dom0's initramfs with a Linux
# guest: dom0's kernel (DOM0 is what build-dom0.sh printed) and an initramfs of
# one program.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../../scripts/common.sh"

main()
{
    local out=${1:?usage: build.sh OUT DOM0} dom0=${2:?} root=$1.root

    rm -rf "$root"
    mkdir -p "$root/init" "$root/layer/linux"
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$root/init/init" \
        "$here/init.c"
    pack_cpio "$root/init" "$root/layer/linux/initramfs"
    cp "$dom0/vmlinux" "$root/layer/linux/"
    pack_cpio "$root/layer" "$out"
    rm -rf "$root"
}

main "$@"
