#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/sim/run.sh OUT BUILD [--long]: the agent and the library against the
# simulated host; then the harness, which has the hypervisor's own files in it,
# once more under ASan with UBSan and under TSan.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tests/lib/results.sh
. "$top/tests/lib/results.sh"

# run_sanitized NAME OUT BUILD OPTION
run_sanitized()
{
    local name=$1 out=$2 from=$3/$1 option=$4
    local -a targets

    if cmake -S "$top" -B "$from" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        "-D$option=ON" >"$out/$name-build.log" 2>&1 &&
        mapfile -t targets < <(ninja -C "$from" -t targets all |
            sed -n 's/^\(harness_[a-z]*\): phony$/\1/p') &&
        cmake --build "$from" -j 1 --target "${targets[@]}" \
            >>"$out/$name-build.log" 2>&1; then
        run_ctest "$out" "$name" "$from" -R '^harness\.'
    else
        tail -n 20 "$out/$name-build.log"
        result "$out/results" fail "$name.build" "see $out/$name-build.log"
    fi
}

run_ctest "$1" plain "$2" -L '^sim$'
run_sanitized asan "$1" "$2" VMIRING_ASAN
run_sanitized tsan "$1" "$2" VMIRING_TSAN
