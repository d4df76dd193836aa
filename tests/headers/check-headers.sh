#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every public header compiles alone, in each language that may include it.
#
# The 32-bit and cross builds are freestanding: then the compiler's own
# <stdint.h> answers, and no other machine's C library is needed.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
strict=(-Wall -Wextra -Wundef -pedantic -Wno-long-long -Werror -fsyntax-only)
tried=0
failed=0

# try WHAT COMPILER ARGS...: a translation unit that is nothing but the header,
# twice, in case it lacks a guard.
try()
{
    local header=$1 log

    shift
    tried=$((tried + 1))
    if ! log=$(printf '#include "%s"\n#include "%s"\nextern int end;\n' \
        "$header" "$header" | "$@" "${strict[@]}" - 2>&1); then
        failed=$((failed + 1))
        echo "FAIL $header: $*"
        head -n 20 <<<"$log"
    fi
}

languages()
{
    local header=$1 cc=$2 cxx=$3

    shift 3
    # -ansi has no // comments and no declarations in the middle of a block.
    try "$header" "$cc" "$@" -x c -ansi
    try "$header" "$cc" "$@" -x c -std=c99
    try "$header" "$cc" "$@" -x c -std=c11
    try "$header" "$cxx" "$@" -x c++ -std=c++98
    try "$header" "$cxx" "$@" -x c++ -std=gnu++98
    try "$header" "$cxx" "$@" -x c++ -std=c++17
}

mapfile -t headers < <(find "$root/libvmi-ring/include" \
    "$root/xen/include/public" -name '*.h' | sort)
[ ${#headers[@]} -ge 2 ] || { echo "FAIL: headers are missing"; exit 1; }

for header in "${headers[@]}"; do
    languages "$header" gcc g++
    languages "$header" clang clang++
    languages "$header" gcc g++ -m32 -ffreestanding
    languages "$header" clang clang++ -m32 -ffreestanding
    for target in aarch64-linux-gnu armv7-linux-gnueabihf riscv64-linux-gnu; do
        try "$header" clang --target=$target -ffreestanding -x c -std=c99
    done
done

# A program for the SDK needs no header of Xen, though one may be installed.
if echo '#include <vmiring.h>' | gcc -I"$root/libvmi-ring/include" -M -x c - |
    grep -w xen; then
    echo "FAIL vmiring.h includes a header of Xen"
    failed=$((failed + 1))
fi

echo "$tried compilations of ${#headers[@]} headers, $failed failed"
[ "$failed" -eq 0 ]
