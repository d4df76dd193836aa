#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen-arm64/run.sh OUT BUILD [--long]: the booted-Xen suite on arm64.
# Builds the hypervisors, dom0, the guest and the agent (cross-compiled into
# BUILD/xen-arm64), boots them under qemu-system-aarch64, and writes OUT/results.
#
#   RIG_ONLY=BOOT   only that boot: patched, minimal, debug, linux or stock
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$here/../lib/results.sh"

# The dm_op of device models, which version 2 must not need, is EXPERT only.
full=(EXPERT=y UNSUPPORTED=y IOREQ_SERVER=y MEM_ACCESS=y LIVEPATCH=y)
minimal=(MEM_ACCESS=y LIVEPATCH=y)

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
        --icount) arguments+=(--icount) ;;
        *.cpio) arguments+=(--layer "$word") ;;
        *=*) arguments+=(--set "$word") ;;
        *)   arguments+=(--scenario "$word") ;;
        esac
    done
    say "booting ($name): $*"
    "$here/../xen/boot.py" --arch arm64 --xen "$xen" --dom0 "$dom0" \
        --layer "$out/layer.cpio" --memory 768M --out "$out/$name" \
        --scenarios "$here/scenarios" --timeout "$limit" --limit "$limit" \
        --set RIG_ARCH=arm64 --set RIG_GUEST=/guest/guest.img \
        --set RIG_PORT=/dev/console \
        "${arguments[@]}" || true
    import_results "$results" "$name" "$out/$name/results"
}

# build VARIABLE NAME VARIANT KEY=VALUE...
build()
{
    local -n folder=$1
    local name=$2

    shift 2
    # shellcheck disable=SC2034 # a reference to the variable of that name
    if folder=$("$here/../xen/build-xen.sh" "$1" --arch arm64 "${@:2}"); then
        result "$results" pass "build.$name" "the $1 tree builds with ${*:2}"
    else
        result "$results" fail "build.$name" "the $1 tree does not build with ${*:2}"
        return 1
    fi
}

# What Debian's tools print, on both hypervisors; then the comparison itself,
# with a defect put into what was printed.
compare()
{
    local stock=$out/stock/compat.raw patched=$out/patched/compat.raw rule missed=''
    local normalise="$here/../xen/compare-compat.sh normalise"

    [ -z "${RIG_ONLY:-}" ] || return 0
    if [ ! -s "$stock" ] || [ ! -s "$patched" ]; then
        result "$results" fail compat.outputs "one of the two boots handed out nothing"
        return
    fi
    $normalise "$stock" >"$out/compat.stock"
    $normalise "$patched" >"$out/compat.patched"
    if diff -u "$out/compat.stock" "$out/compat.patched" >"$out/compat.diff"; then
        result "$results" pass compat.same "$(wc -l <"$out/compat.patched") equal lines, $(grep -c 'PAGE ACCESS\|Privileged' "$out/compat.patched") of them events"
    else
        result "$results" fail compat.same "differs, see $out/compat.diff"
    fi
    for rule in '0,/-w-/s//r--/' '0,/--x/s//-w-/' '0,/pc=4/s//pc=5/' \
        '0,/exit status 0/s//exit status 1/' '0,/iterations=10/s//iterations=9/'; do
        sed "$rule" "$patched" >"$out/compat.spoilt"
        if $normalise "$out/compat.spoilt" | cmp -s - "$out/compat.stock"; then
            missed+=" $rule"
        fi
    done
    rm -f "$out/compat.spoilt"
    if [ -z "$missed" ]; then
        result "$results" pass compat.defects-differ "every injected defect made the outputs differ"
    else
        result "$results" fail compat.defects-differ "went unseen:$missed"
    fi
}

# Debian's kernel, for a guest this time.
pack_kernel()
{
    mkdir -p "$out/kernel/guest"
    cp "$dom0/Image" "$out/kernel/guest/"
    pack_cpio "$out/kernel" "$out/kernel.cpio"
    rm -r "$out/kernel"
}

# What needs no Xen runs under qemu-aarch64.
unit_tests()
{
    if ctest --test-dir "$build_dir/xen-arm64" --output-on-failure >"$out/unit.log" 2>&1 &&
        grep -q '100% tests passed' "$out/unit.log"; then
        result "$results" pass unit "$(grep '100%' "$out/unit.log")"
    else
        result "$results" fail unit "see $out/unit.log"
    fi
}

main()
{
    local stock='' patched='' small='' debug='' long=''
    local -a positional=() more=(RIG_PRINTED=15 RIG_PAGES_COUNT=2) boots=()

    while [ $# -gt 0 ]; do
        case $1 in
        --long) long=1 ;;
        *) positional+=("$1") ;;
        esac
        shift
    done
    out=$(mkdir -p "${positional[0]}" && cd "${positional[0]}" && pwd)
    build_dir=${positional[1]:?usage: run.sh OUT BUILD [--long]}
    results=$out/results
    : >"$results"
    if [ -n "$long" ]; then
        more=(RIG_PRINTED=500 RIG_PAGES_COUNT=20 RIG_LIFE_COUNT=100 RIG_LONG=1)
        boots=(RIG_BOOTS=3 "RIG_GUESTS=n2rwx:v2 n2rwx:legacy rx:v2 rx:legacy")
    fi

    dom0=$("$here/build-dom0.sh")
    "$here/build-programs.sh" "$out/layer.cpio" "$build_dir/xen-arm64"
    unit_tests
    build stock stock stock "${full[@]}" || return 0
    build patched ioreq patched "${full[@]}" || return 0
    build small no-ioreq patched "${minimal[@]}" || return 0
    build debug debug patched "${minimal[@]}" DEBUG=y || return 0

    boot stock "$stock" 400 compat
    boot patched "$patched" 1200 compat mem exec n2rwx death legacy-death \
        livepatch life badcalls "${more[@]}"
    compare
    # Without the device models' dm_op, and with Xen's own assertions.
    boot minimal "$small" 400 RIG_ABIS=v2 RIG_PRINTED=5 RIG_PAGES_COUNT=1 mem
    boot debug "$debug" 1500 RIG_PRINTED=5 RIG_PAGES_COUNT=1 \
        ${long:+RIG_LONG=1} mem n2rwx life hostile
    # QEMU counts instructions instead of time here, for the rates.
    pack_kernel
    boot linux "$patched" $((long ? 7200 : 1500)) linux "$out/kernel.cpio" \
        --icount "${boots[@]}"
}

main "$@"
