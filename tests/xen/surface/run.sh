#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/surface/run.sh OUT BUILD [--long]: what a client gets on a booted
# Xen. One boot raises every event that SVM offers, over both ABIs, on a QEMU
# whose intercepts are mended; docs/SURFACE.md must say what was seen. Another
# watches Linux, and an agent whose output nobody reads.
#
#   tests/xen/surface/run.sh --write OUT BUILD     docs/SURFACE.md from the run
#   RIG_ONLY=BOOT   only that boot: events or linux
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$here/../lib/results.sh"

# As boot.py has it for the processor, but with XSAVE, which is mended.
mended_cpu="max,-smap,-rdtscp,-avx,-avx2,-pku"

# boot NAME LIMIT OPTION...
boot()
{
    local name=$1 limit=$2

    shift 2
    if [ -n "${RIG_ONLY:-}" ] && [ "$RIG_ONLY" != "$name" ]; then
        return 0
    fi
    say "booting ($name)"
    "$here/boot.py" --xen "$xen" --dom0 "$dom0" --qemu "$qemu" \
        --layer "$out/layer.cpio" --out "$out/$name" --timeout "$limit" \
        --limit "$limit" --set RIG_HYPERVISOR=patched "$@" || true
    import_results "$results" "$name" "$out/$name/results"
}

main()
{
    local write='' ticks=20

    if [ "$1" = --write ]; then
        write=$1
        shift
    fi
    out=$(mkdir -p "$1" && cd "$1" && pwd)
    build=$(cd "$2" && pwd)
    results=$out/results
    : >"$results"
    [ "${3:-}" != --long ] || ticks=60

    dom0=$("$here/build-dom0.sh")
    "$here/build-programs.sh" "$out/layer.cpio" "$build"
    "$here/linux/build.sh" "$out/linux.cpio" "$dom0"
    if ! qemu=$("$here/build-qemu.sh"); then
        result "$results" fail build "QEMU does not build"
        return 0
    fi
    if ! xen=$("$here/build-xen.sh" patched); then
        result "$results" fail build "the patched tree does not build"
        return 0
    fi
    boot events 1800 --cpu "$mended_cpu" --set RIG_MENDED=1 \
        --scenario xmm --scenario events --scenario surface
    # Its clock counts instructions: what else this machine does is no gap in it.
    boot linux 2400 --icount --memory 3G --layer "$out/linux.cpio" \
        --set RIG_TICKS=$ticks --scenario blocked --scenario linux
    if [ -f "$out/events/surface.txt" ]; then
        python3 -B "$here/surface/table.py" ${write:+"$write"} "$out/events/surface.txt" \
            "$build" >>"$results"
    fi
}

main "$@"
