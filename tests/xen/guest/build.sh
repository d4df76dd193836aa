#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/guest/build.sh OUT: builds the test guest, an ELF file that
# `xl create` takes as a PVH kernel. Freestanding, so no 32-bit C library is
# needed; Xen's public headers come from libxen-dev.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:?usage: build.sh OUT}

gcc -m32 -march=i686 -std=gnu11 -O1 -Wall -Wextra -Werror \
    -ffreestanding -fno-pic -no-pie -fno-stack-protector -mgeneral-regs-only \
    -fcf-protection=none -fno-asynchronous-unwind-tables \
    -nostdlib -static -Wl,-T,"$here/guest.ld" -Wl,--build-id=none,--no-warn-rwx-segments \
    -DSTACK_SIZE=4096 -D__XEN_INTERFACE_VERSION__=0x00040e00 \
    -o "$out" "$here/entry.S" "$here/guest.c" "$here/life.c" "$here/machine.c"
