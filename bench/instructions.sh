#!/bin/bash
# SPDX-License-Identifier: MIT
#
# bench/instructions.sh BENCH COMPILER [--print]
#
# Counts the instructions that the producer and the SDK's receiving half
# execute for each event, under callgrind, and compares them with the committed
# figures.  They do not depend on what else the machine does, so that a change
# which makes a fast path heavier fails here, and a slow machine does not.
# --print: prints the figures as instructions.txt has them, and compares none.
set -euo pipefail

readonly here=${BASH_SOURCE[0]%/*}
readonly figures=$here/instructions.txt
readonly tolerance=10       # percent, both ways

# name, what to run, its events in one repetition, where counting is on
readonly cases=(
    "publish-64-shared|publish-64/v2 shared 64|50000|vm_event_ring_put"
    "publish-128-shared|publish-128/v2 shared 64|50000|vm_event_ring_put"
    "publish-128-split|publish-128/v2 split 64|50000|vm_event_ring_put"
    "publish-128-sleepy|publish-128/v2 split, agent|50000|vm_event_ring_put"
    "receive-128|receive-128/SDK|20480|agent_batch"
)

die()
{
    echo "$0: $*" >&2
    exit 1
}

# count BENCH ONLY EVENTS FUNCTION: instructions per event, in tenths.
count()
{
    local out=$scratch/callgrind.out log=$scratch/log total

    valgrind --tool=callgrind --callgrind-out-file="$out" \
        --toggle-collect="$4" "$1" --reps 1 --warmup 0 --only "$2" \
        >"$log" 2>&1 || { cat "$log" >&2; die "the run of '$2' failed"; }
    total=$(awk '/^(totals|summary):/ { print $2; exit }' "$out")
    [ "${total:-0}" -gt 0 ] || die "nothing was counted in $4"
    echo $((total * 10 / $3))
}

compare()
{
    local name=$1 counted=$2 expected=$3

    printf '%-20s %5d.%d instructions, committed %5d.%d: ' "$name" \
        $((counted / 10)) $((counted % 10)) \
        $((expected / 10)) $((expected % 10))
    if [ $((counted * 100)) -gt $((expected * (100 + tolerance))) ]; then
        echo "heavier by more than $tolerance %"
        return 1
    fi
    if [ $((counted * 100)) -lt $((expected * (100 - tolerance))) ]; then
        echo "lighter by more than $tolerance %: commit the new figure"
        return 1
    fi
    echo "ok"
}

main()
{
    local bench=$1 compiler=$2 print=${3-} entry name only events function
    local counted expected failed=0

    # Up to the major version: GNU-12.
    compiler=${compiler%%.*}
    if ! command -v valgrind >/dev/null; then
        echo "skipped: valgrind is not installed"
        exit 77
    fi
    if [ -z "$print" ] && ! grep -q "^$compiler " "$figures"; then
        echo "skipped: no figures for $compiler in $figures"
        exit 77
    fi

    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    for entry in "${cases[@]}"; do
        IFS='|' read -r name only events function <<<"$entry"
        counted=$(count "$bench" "$only" "$events" "$function")
        if [ -n "$print" ]; then
            echo "$compiler $name $counted"
            continue
        fi
        expected=$(awk -v c="$compiler" -v n="$name" \
                       '$1 == c && $2 == n { print $3 }' "$figures")
        [ -n "$expected" ] || die "no figure for $compiler $name"
        compare "$name" "$counted" "$expected" || failed=1
    done

    return $failed
}

[ $# -ge 2 ] || die "usage: instructions.sh BENCH COMPILER [--print]"
main "$@"
