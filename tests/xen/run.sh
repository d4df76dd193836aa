#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/run.sh OUT [BUILD_DIR] [--long]: the booted-Xen suite. Builds the
# hypervisors, dom0 and the guest, boots them, runs the scenarios and writes
# OUT/results; console logs and what scenarios handed out stand beside it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$here/../lib/results.sh"

stock_scenarios=(legacy waitqueue agent-legacy compat)

# boot NAME XEN TIMEOUT SCENARIO...: one boot, its results under its name.
boot()
{
    local name=$1 xen=$2 limit=$3 scenario
    local -a arguments=()

    shift 3
    for scenario; do
        arguments+=(--scenario "$scenario")
    done
    say "booting ($name): $*"
    "$here/boot.py" --xen "$xen" --dom0 "$dom0" --layer "$out/layer.cpio" \
        --out "$out/$name" --set "RIG_HYPERVISOR=${name%%-*}" --timeout "$limit" "${arguments[@]}" || true
    import_results "$results" "$name" "$out/$name/results"
}

main()
{
    local stock

    out=$(mkdir -p "$1" && cd "$1" && pwd)
    results=$out/results
    : >"$results"

    dom0=$("$here/build-dom0.sh")
    stock=$("$here/build-xen.sh" stock)
    "$here/build-programs.sh" "$out/layer.cpio" "${2:-}"
    boot stock "$stock" 300 "${stock_scenarios[@]}"
}

main "$@"
