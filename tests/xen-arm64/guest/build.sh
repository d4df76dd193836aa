#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen-arm64/guest/build.sh OUT: compiles the arm64 test guest's Image.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:?usage: build.sh OUT}
lib=$(aarch64-linux-gnu-gcc -print-file-name=include)

# With the MMU off all memory is device memory: no unaligned access, and no
# instruction that needs exclusive monitors.
aarch64-linux-gnu-gcc -std=gnu11 -Os -Wall -Wextra -Werror -nostdinc -isystem "$lib" \
    -ffreestanding -fno-pic -no-pie -fno-stack-protector -mgeneral-regs-only \
    -mstrict-align -mno-outline-atomics -nostdlib -static \
    -fno-tree-loop-distribute-patterns \
    -Wl,-T,"$here/guest.ld" -Wl,--build-id=none -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 \
    -o "$out.elf" "$here/entry.S" "$here/guest.c"
aarch64-linux-gnu-objcopy -O binary -R .stacks "$out.elf" "$out"
rm "$out.elf"
