#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/static/run.sh OUT BUILD [--long]: what analysers say of the sources.
# Those that look for one kind of mistake are shown one first.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$REPO_ROOT/tests/lib/results.sh"

here=$REPO_ROOT/tests/static
includes=(-I"$REPO_ROOT/libvmi-ring/include" -I"$REPO_ROOT/libvmi-ring/src"
          -I"$REPO_ROOT/xen/include/public")

# silent OUT NAME COMMAND...: passes if it succeeds and says nothing.
silent()
{
    local out=$1 name=$2

    shift 2
    if timeout 300 "$@" >"$out/$name.log" 2>&1 && ! [ -s "$out/$name.log" ]; then
        result "$out/results" pass "$name"
    else
        head -n 20 "$out/$name.log"
        result "$out/results" fail "$name" "see $out/$name.log"
    fi
}

double_fetch()
{
    spatch --very-quiet --macro-file "$here/macros.h" \
        --sp-file "$here/double-fetch.cocci" "$@" 2>&1 |
        grep -E 'double fetch|plain read' || true
}

check_double_fetch()
{
    local out=$1

    # What spatch cannot parse it leaves out, and says nothing.
    spatch --parse-c --macro-file "$here/macros.h" \
        "$REPO_ROOT"/xen/common/vm_event/*.c >"$out/double-fetch.parse" 2>&1 || true
    if grep -q 'nb bad = 0 ' "$out/double-fetch.parse"; then
        result "$out/results" pass double-fetch.parses
    else
        result "$out/results" fail double-fetch.parses "see $out/double-fetch.parse"
    fi
    double_fetch "$here/seeded-double-fetch.c" >"$out/double-fetch-seed.log"
    if [ "$(grep -c 'double fetch of \(emul_size\|cons\)\|plain read of cons' \
        "$out/double-fetch-seed.log")" = 3 ]; then
        result "$out/results" pass double-fetch.finds-seeded
    else
        result "$out/results" fail double-fetch.finds-seeded "found none"
    fi
    double_fetch "$REPO_ROOT"/xen/common/vm_event/*.c >"$out/double-fetch.txt"
    silent "$out" double-fetch cat "$out/double-fetch.txt"
}

# alarms FILE: how many alarms Eva leaves.
alarms()
{
    local effort=100

    [[ $1 != *walk* ]] || effort=500
    timeout 120 frama-c -cpp-extra-args="${includes[*]} -D_GNU_SOURCE $2" \
        -machdep gcc_x86_64 -eva -eva-precision $((3 + effort / 150)) -eva-split-return auto \
        -eva-slevel "$effort" -eva-msg-key=-final-states "$1" 2>&1 |
        tee "$3" | sed -n 's/^ *\([0-9]*\) alarms\{0,1\} generated.*/\1/p'
}

# eva OUT NAME FILE PATTERN: FILE has no alarm; once the lines of it that match
# PATTERN are gone it has.
eva()
{
    local out=$1 name=$2 file=$3 change=$4 driver=$here/eva_$2.c got

    got=$(alarms "$driver" "" "$out/eva-$name.log")
    if [ "$got" = 0 ]; then
        result "$out/results" pass "eva.$name" "0 alarms"
    else
        result "$out/results" fail "eva.$name" "${got:-no} alarms: see $out/eva-$name.log"
    fi
    sed -E "$change" "$REPO_ROOT/$file" >"$out/broken-$name.c"
    cmp -s "$REPO_ROOT/$file" "$out/broken-$name.c" &&
        result "$out/results" fail "eva.$name.finds-broken" "nothing to break"
    sed "s#\"../../$file\"#\"$out/broken-$name.c\"#; s#\"../../xen#\"$REPO_ROOT/xen#" \
        "$driver" >"$out/driver-$name.c"
    got=$(alarms "$out/driver-$name.c" "-I$REPO_ROOT/$(dirname "$file")" \
        "$out/eva-$name-broken.log")
    if [ "${got:-0}" -gt 0 ]; then
        result "$out/results" pass "eva.$name.finds-broken" "$got alarms"
    else
        result "$out/results" fail "eva.$name.finds-broken" "no alarm"
    fi
}

shared_memory()
{
    sparse -std=gnu11 -D_GNU_SOURCE -D__x86_64__ "${includes[@]}" \
        -DVMIRING_LEGACY_PLUGIN='""' "$@" 2>&1 | grep -v '^/usr/' || true
}

# Pointers to what Xen shares are noderef: only the accessors follow them.
check_shared_memory()
{
    local out=$1

    if shared_memory tests/static/seeded-shared.c | grep -q 'dereference of noderef'; then
        result "$out/results" pass sparse.finds-seeded
    else
        result "$out/results" fail sparse.finds-seeded "found none"
    fi
    shared_memory libvmi-ring/src/*.c >"$out/sparse.txt"
    silent "$out" sparse cat "$out/sparse.txt"
}

# agent_pages BUILD FILE...: of Xen's side, as the harness compiles it.
agent_pages()
{
    local build=$1 file shim=$REPO_ROOT/sim/shim

    shift
    for file; do
        sparse -std=gnu11 -D_GNU_SOURCE -D__x86_64__ -D__XEN_TOOLS__ \
            -I"$shim/include" -I"$shim" -I"$REPO_ROOT/sim/arch" \
            -I"$REPO_ROOT/xen/include" -I"$REPO_ROOT/xen/common/vm_event" \
            -isystem "$build/sim-sys" -include xen/config.h "$file" 2>&1
    done | grep -v '^/usr/' || true
}

# Likewise pointers to pages that an agent can map; the seeds have one of each.
check_agent_pages()
{
    local out=$1 build=$2 seeds=tests/static/seeded-agent.c

    agent_pages "$build" "$seeds" |
        sed -nE 's/^[^:]*:([0-9]+):.*(noderef expr|different addr).*/\1/p' |
        sort -nu >"$out/sparse-xen.found"
    if grep -n '/\* seeded \*/' "$seeds" | cut -d: -f1 |
        diff - "$out/sparse-xen.found" >"$out/sparse-xen.diff"; then
        result "$out/results" pass sparse-xen.finds-seeded
    else
        result "$out/results" fail sparse-xen.finds-seeded \
            "missed or too many: see $out/sparse-xen.diff"
    fi
    agent_pages "$build" xen/common/vm_event/*.c >"$out/sparse-xen.txt"
    silent "$out" sparse-xen cat "$out/sparse-xen.txt"
}

# What Xen 4.17's docs/misra/rules.rst adopts, as far as cppcheck has it.
misra_rules='1\.3|3\.2|5\.[1-4]|6\.2|8\.([14568]|10|12)|9\.[12]|13\.6|14\.1'
misra_rules+='|16\.7|17\.[34]|20\.(7|13|14)'

# misra FILE...: "RULE | FILE" for each breach of an adopted rule.
misra()
{
    local file shim=$REPO_ROOT/sim/shim/include

    for file; do
        timeout 120 cppcheck --addon=misra --std=c99 --quiet --max-configs=1 \
            --template='{id} {file}' --include="$shim/xen/config.h" \
            -D__XEN_TOOLS__ -D__x86_64__ -D__GNUC__ -I"$shim" \
            -I"$REPO_ROOT/sim/shim" -I"$REPO_ROOT/sim/arch" -Ixen/include \
            -Ixen/common/vm_event "$file" 2>&1
    done | grep -E "^misra-c2012-($misra_rules) (xen|tests)/" |
        sed 's/^misra-c2012-//; s/ / | /' | sort -u
}

# No breach that is not a deviation, and no deviation that is not one any more.
check_misra()
{
    local out=$1

    if misra tests/static/seeded-misra.c | grep -q '^20\.7'; then
        result "$out/results" pass misra.finds-seeded
    else
        result "$out/results" fail misra.finds-seeded "found none"
    fi
    misra xen/common/vm_event/*.c xen/arch/x86/vm_event_v2.c >"$out/misra.found"
    grep -v '^#' "$here/misra-deviations" | sed 's/ | [^|]*$//' | sort -u |
        diff - "$out/misra.found" >"$out/misra.diff" || true
    silent "$out" misra cat "$out/misra.diff"
}

main()
{
    local out build=$2 file
    local -a scripts sources

    mkdir -p "$1"
    out=$(cd "$1" && pwd)
    cd "$REPO_ROOT"
    mapfile -t scripts < <(git ls-files '*.sh' check demo)
    silent "$out" shellcheck shellcheck -x -P SCRIPTDIR -P . "${scripts[@]}"
    check_double_fetch "$out"
    check_misra "$out"
    check_shared_memory "$out"
    check_agent_pages "$out" "$build"

    eva "$out" record libvmi-ring/src/event.c 's/ \|\| rec->size > avail//'
    eva "$out" validate xen/common/vm_event/validate.c \
        's/i < ARRAY_SIZE\(rsp->pad1\)/i <= ARRAY_SIZE(rsp->pad1)/'
    eva "$out" walk libvmi-ring/src/memory.c \
        's/^    \*p = \(struct paging\).*;$//'

    mapfile -t sources < <(git ls-files 'libvmi-ring/src/*.c')
    silent "$out" cppcheck cppcheck --enable=warning,portability --quiet -j 2 \
        --std=c11 --inline-suppr --error-exitcode=1 "${includes[@]}" \
        "${sources[@]}"
    # Not legacy.c and regs.c: gcc 12 follows a NULL that cannot be there, and a
    # struct's padding.
    for file in v2 event legacy_convert receive respond memory; do
        silent "$out" "analyzer.$file" gcc -std=gnu11 -O2 -fanalyzer -Wall \
            -Wextra -D_GNU_SOURCE "${includes[@]}" -c \
            "libvmi-ring/src/$file.c" -o /dev/null
    done
    # Eva's record parser, and what handles memory that an agent can write.
    clang-tidy -p "$build" --quiet --checks="$(cat "$here/tidy-checks")" \
        xen/common/vm_event/{ring,validate,slot}.c \
        libvmi-ring/src/{event,v2,capture_parse}.c \
        2>/dev/null | grep -E 'warning:|error:' >"$out/tidy.txt" || true
    silent "$out" clang-tidy cat "$out/tidy.txt"
}

main "$@"
