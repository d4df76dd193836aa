#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/run.sh [--variants] OUT [BUILD_DIR] [--long]: the booted-Xen suite.
# Builds the hypervisors, dom0 and the guest, boots them, runs the scenarios and
# writes OUT/results; console logs and what scenarios handed out stand beside
# it. BUILD_DIR is a CMake build of this repository, from which vmi-agent is
# taken. --variants is the other half of the suite: the configurations that
# Debian's package does not have.
#
#   RIG_ONLY=BOOT   only that boot, e.g. patched-sync (for work on one thing)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$here/../lib/results.sh"

# What an unpatched hypervisor must show too, and what only ours has.
common_scenarios=(legacy waitqueue agent-legacy compat)
v2_scenarios=(events surface operate death livepatch async badcalls msr latency
              workers)

# The further configurations: all must build, two of them are booted as well.
configurations=(
    "no-legacy|VM_EVENT_LEGACY=n"
    "debug|DEBUG=y"
    "debug-no-legacy|DEBUG=y VM_EVENT_LEGACY=n"
    "arm64|--arch arm64"
)

# boot NAME XEN TIMEOUT [NAME=VALUE...] SCENARIO...: one boot, its results
# under its name. The times, in seconds, are for a machine that has other work
# to do as well: they end what hangs.
boot()
{
    local name=$1 xen=$2 limit=$3 word
    local -a arguments=()

    shift 3
    if [ -n "${RIG_ONLY:-}" ] && [ "$RIG_ONLY" != "$name" ]; then
        return 0
    fi
    for word; do
        case $word in
        *=*) arguments+=(--set "$word") ;;
        *)   arguments+=(--scenario "$word") ;;
        esac
    done
    say "booting ($name): $*"
    "$here/boot.py" --xen "$xen" --dom0 "$dom0" \
        --layer "$out/layer.cpio" --out "$out/$name" --timeout "$limit" --limit "$limit" \
        --set "RIG_HYPERVISOR=${name%%-*}" "${arguments[@]}" || true
    import_results "$results" "$name" "$out/$name/results"
}

build_variants()
{
    local variant name words

    for variant in "${configurations[@]}"; do
        name=${variant%%|*} words=${variant#*|}
        # shellcheck disable=SC2086 # an option and its value are two words
        if "$here/build-xen.sh" patched $words >"$out/variant-$name" \
            2>"$out/variant-$name.log"; then
            result "$results" pass "build.$name" "the patched tree builds with $words"
        else
            result "$results" fail "build.$name" "see $out/variant-$name.log"
        fi
    done
}

# The tree that is built must hold no trace of what was deleted; the null
# scheduler calls a list of its own by that name.
check_tree()
{
    local tree=$out/tree found

    "$here/build-xen.sh" patched --source "$tree"
    found=$(grep -rniE 'waitqueue|wait_event|check_wakeup' "$tree/xen" |
        grep -v '/xen/common/sched/null\.c:' | head -n 3 || true)
    if [ -z "$found" ]; then
        result "$results" pass tree.no-waitqueues "nothing in xen/ but sched/null.c speaks of waitqueues"
    else
        result "$results" fail tree.no-waitqueues "$found"
    fi
    rm -rf "$tree"
}

# build VARIABLE WORDS...: sets it to the folder of that hypervisor.
build()
{
    local -n folder=$1

    shift
    # shellcheck disable=SC2034 # a reference to the variable of that name
    if folder=$("$here/build-xen.sh" "$@"); then
        result "$results" pass "build.$1" "the $1 tree builds"
    else
        result "$results" fail "build.$1" "the $1 tree does not build"
        return 1
    fi
}

boot_variant()
{
    local name=$1 xen

    shift
    xen=$(cat "$out/variant-$name" 2>/dev/null || true)
    # A variant that does not build has failed already.
    [ -z "$xen" ] || boot "patched-$name" "$xen" "$@"
}

# What Debian's configuration gives.
boot_main()
{
    boot stock "$stock" 900 "${common_scenarios[@]}"
    boot patched "$patched" "$limit" "RIG_PATCHES=$patches" "${common_scenarios[@]}" \
        "${v2_scenarios[@]}"
    compare
    boot patched-sync "$patched" 900 sync
    boot patched-lifecycle "$patched" 1500 "RIG_CYCLES=$cycles" lifecycle
}

# The other configurations. A debug build is slower, and finds more: Xen's own
# assertions look at everything that the scenarios do.
build_and_boot_variants()
{
    build_variants
    boot_variant debug 1500 RIG_SYNC_EVENTS=10000 RIG_EVENTS_EACH=100 RIG_PATCHES=4 \
        RIG_CYCLES=4 legacy waitqueue "${v2_scenarios[@]}" sync lifecycle
    boot_variant no-legacy 400 no-legacy
}

compare()
{
    [ -z "${RIG_ONLY:-}" ] || return 0
    "$here/compare-compat.sh" compare "$out/stock/compat.raw" \
        "$out/patched/compat.raw" "$out/compat"
    import_results "$results" compat "$out/compat"
}

main()
{
    local stock='' patched='' variants='' cycles=50 patches=10 limit=1500
    local -a positional=()

    while [ $# -gt 0 ]; do
        case $1 in
        --long) cycles=200 patches=100 limit=4000 ;;
        --variants) variants=1 ;;
        *) positional+=("$1") ;;
        esac
        shift
    done
    out=$(mkdir -p "${positional[0]}" && cd "${positional[0]}" && pwd)
    results=$out/results
    : >"$results"

    dom0=$("$here/build-dom0.sh")
    "$here/build-programs.sh" "$out/layer.cpio" "${positional[1]:-}"
    if [ -n "$variants" ]; then
        build_and_boot_variants
        return 0
    fi
    build stock stock || return 0
    build patched patched || return 0
    if [ -z "${RIG_ONLY:-}" ]; then
        check_tree
    fi
    boot_main
}

main "$@"
