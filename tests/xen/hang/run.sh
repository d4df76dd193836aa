#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/hang/run.sh OUT BUILD [--long]: nobody hangs. Agents are killed,
# stopped, made to race and detached, domains destroyed, on a booted Xen.
#
# QEMU counts instructions instead of time here: what is asserted about times
# is what Xen's stamps say, and no other work of this machine shows in them.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$here/../lib/results.sh"

main()
{
    local dom0 xen limit=1500
    local -a counts=() scenarios=(hang-stop hang-kill hang-churn hang-life)

    out=$(mkdir -p "$1" && cd "$1" && pwd)
    results=$out/results
    : >"$results"
    if [ "${3:-}" = --long ]; then
        limit=14400
        counts=(RIG_KILLS=1000 RIG_LEGACY_KILLS=100 RIG_EXPIRIES=5000
            RIG_DESTROYS=200 RIG_DETACHES=1000 RIG_RACES=1000 RIG_SOAK=3600)
        scenarios+=(soak)
    fi
    dom0=$("$here/build-dom0.sh")
    "$here/build-programs.sh" "$out/layer.cpio" "$2"
    xen=$("$here/build-xen.sh" patched)
    # shellcheck disable=SC2046,SC2086 # words
    "$here/boot.py" --xen "$xen" --dom0 "$dom0" --layer "$out/layer.cpio" \
        --out "$out/boot" --timeout "$limit" --limit "$limit" --icount \
        --set RIG_HYPERVISOR=patched $([ ${#counts[@]} = 0 ] || printf -- '--set %s ' "${counts[@]}") \
        $(printf -- '--scenario %s ' ${RIG_ONLY:-"${scenarios[@]}"}) || true
    import_results "$results" hang "$out/boot/results"
}

main "$@"
