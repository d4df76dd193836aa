#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/compare-compat.sh normalise FILE
#     what scenarios/compat.sh handed out, without what differs from boot to
#     boot (domain numbers, ports, times) and from build to build
# tests/xen/compare-compat.sh compare STOCK PATCHED OUT
#     one result line per section into OUT, and checks of the comparison itself
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$here/../lib/results.sh"

# Every rule names what it takes away; what no rule names is compared as it is.
normalise()
{
    # - how many wake-ups the same events took depends on timing
    # - domain numbers count up over a boot: dom0 apart, all are N
    # - event channel ports: where the allocator was
    # - xl list / vcpu-list: CPU time used; momentary run state and CPU
    # - build ids are hashes of the build
    sed -E \
        -e '/^Got event from Xen$/d' \
        -e 's/^(starting [a-z0-9_]+) [0-9]+$/\1 N/' \
        -e 's/^(xenaccess shut(ting)? down) on signal.*/\1/' \
        -e 's/\b([dD]omain |dom|d)[1-9][0-9]*\b/\1N/g' \
        -e 's/^(--- guestmem) [0-9]+/\1 N/' \
        -e 's/\bport [0-9]+/port N/g' \
        -e 's/^(guest +)[0-9]+( +[0-9]+ +[0-9]+ +)[r-][b-]([p-][s-][c-][d-]) +[0-9.]+$/\1N\2**\3 T/' \
        -e 's/^(Domain-0 .*[^ ]) +[0-9.]+$/\1 T/' \
        -e 's/^(guest +)[0-9]+( +[0-9]+) +([0-9]+|-) +[r-][b-]([p-]) +[0-9.]+ /\1N\2 * **\4 T /' \
        -e 's/[[:space:]]+$//' \
        "$1"
}

sections()
{
    sed -n 's/^=== //p' "$1"
}

# section_of FILE NAME
section_of()
{
    awk -v name="=== $2" '/^=== / { on = $0 == name } on' "$1"
}

# A comparison that cannot fail shows nothing. Drop each line that a program
# printed, one at a time: unless a rule above names it, the outputs must differ
# after that. Prints how many went unseen.
check_dropped_lines()
{
    local raw=$1 normal=$2 line lines missed=0

    lines=$(wc -l <"$raw")
    for ((line = 1; line <= lines; line++)); do
        sed -n "${line}p" "$raw" | grep -qx 'Got event from Xen' && continue
        if sed "${line}d" "$raw" >"$raw.spoilt" &&
            normalise "$raw.spoilt" | cmp -s - "$normal"; then
            missed=$((missed + 1))
        fi
    done
    rm -f "$raw.spoilt"
    echo "$missed of $lines"
}

# Other defects must survive normalising too: an exit status, a register value
# and a count, changed in what the programs printed.
check_raw_defects()
{
    local raw=$1 normal=$2 spoilt=$3 rule missed=''
    local -a rules=(
        '0,/^exit status 0/s//exit status 1/'
        '0,/ rip=0/s// rip=1/'
        '0,/new_value=0/s//new_value=1/'
        '0,/iterations=10/s//iterations=9/'
        '0,/^CPUID executed/{//d}'
        '0,/APPLIED/s//CHECKED/'
    )

    for rule in "${rules[@]}"; do
        sed "$rule" "$raw" >"$spoilt"
        if cmp -s "$raw" "$spoilt"; then
            missed+=" '$rule' matched nothing;"
        elif normalise "$spoilt" | cmp -s - "$normal"; then
            missed+=" '$rule' went unseen;"
        fi
    done
    echo "$missed"
}

compare()
{
    local stock=$1 patched=$2 out=$3 dir name title missed

    dir=$(dirname "$out")
    : >"$out"
    if [ ! -s "$stock" ] || [ ! -s "$patched" ]; then
        result "$out" fail outputs "one of the two boots handed out nothing"
        return
    fi
    normalise "$stock" >"$dir/compat.stock"
    normalise "$patched" >"$dir/compat.patched"
    diff -u "$dir/compat.stock" "$dir/compat.patched" >"$dir/compat.diff" || true

    while read -r title; do
        name=${title//[ _]/-}
        if diff -q <(section_of "$dir/compat.stock" "$title") \
            <(section_of "$dir/compat.patched" "$title") >/dev/null; then
            result "$out" pass "$name" "$(section_of "$dir/compat.stock" "$title" | wc -l) equal lines"
        else
            result "$out" fail "$name" "differs, see $dir/compat.diff"
        fi
    done < <(sections "$dir/compat.stock")

    missed=$(check_dropped_lines "$patched" "$dir/compat.patched")
    if [ "${missed%% *}" = 0 ]; then
        result "$out" pass dropped-lines-differ "$missed dropped lines went unseen"
    else
        result "$out" fail dropped-lines-differ "$missed dropped lines went unseen"
    fi
    missed=$(check_raw_defects "$patched" "$dir/compat.patched" "$dir/compat.spoilt")
    if [ -z "$missed" ]; then
        result "$out" pass injected-defects-differ "every injected defect made the outputs differ"
    else
        result "$out" fail injected-defects-differ "$missed"
    fi
    rm -f "$dir/compat.spoilt"
}

case ${1:-} in
normalise) normalise "$2" ;;
compare) compare "$2" "$3" "$4" ;;
*) die "usage: compare-compat.sh normalise FILE | compare STOCK PATCHED OUT" ;;
esac
