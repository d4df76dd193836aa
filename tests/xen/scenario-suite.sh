#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/scenario-suite.sh SCENARIO debian|debug OUT BUILD [--long]: a suite
# that is one boot of the patched Xen, in Debian's configuration or with Xen's
# own assertions, with one scenario. --long sets RIG_LONG=1 for it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$here/../lib/results.sh"

main()
{
    local scenario=$1 flavour=$2 out build=$4 limit=600 xen dom0
    local -a options=() settings=(--set RIG_HYPERVISOR=patched)

    out=$(mkdir -p "$3" && cd "$3" && pwd)
    : >"$out/results"
    if [ "$flavour" = debug ]; then
        options=(DEBUG=y)
    fi
    if [ "${5:-}" = --long ]; then
        limit=3000
        settings+=(--set RIG_LONG=1)
    fi
    dom0=$("$here/build-dom0.sh")
    "$here/build-programs.sh" "$out/layer.cpio" "$build"
    if ! xen=$("$here/build-xen.sh" patched "${options[@]}"); then
        result "$out/results" fail build "the patched tree does not build"
        return 0
    fi
    "$here/boot.py" --xen "$xen" --dom0 "$dom0" --layer "$out/layer.cpio" \
        --out "$out/boot" --timeout "$limit" --limit "$limit" \
        "${settings[@]}" --scenario "$scenario" || true
    # The scenario's name is the suite's: ./check writes it before each line.
    sed -E "s/^(pass|fail|skip) $scenario\./\1 /" "$out/boot/results" >>"$out/results"
}

main "$@"
