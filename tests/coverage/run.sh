#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/coverage/run.sh OUT BUILD [--long|--write]: which lines, branches and
# conditions (MC/DC) of xen/ and of the library the harness and the unit tests
# reach, as the two programs of tests/plain. Fails below a file's floor
# (tests/coverage/floors); docs/COVERAGE.md says what is not reached. With --write
# the table there is made anew.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$REPO_ROOT/tests/lib/results.sh"

# An ASSERT is no branch that a test could reach.
instrument='-O0 -DSIM_COVERAGE -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc'

# run_tests OUT PROGRAM
run_tests()
{
    local out=$1 program=$2 log=$1/${2##*/}.log

    # A program merges into a few files, which its forks share.
    if LLVM_PROFILE_FILE=$out/profile/%4m.profraw timeout 600 "$program" \
        >"$log" 2>&1; then
        result "$out/results" pass "${program##*/}" "$(tail -n 1 "$log")"
    else
        tail -n 5 "$log"
        result "$out/results" fail "${program##*/}" "see $log"
    fi
}

main()
{
    local out=$1 from=$2/coverage
    local -a programs=("$from/xen-tests" "$from/sdk-tests") sources

    mkdir -p "$out/profile"
    rm -f "$out"/profile/*
    if ! run_logged "$out/build.log" "building" make -s -C "$REPO_ROOT/tests/plain" \
        OUT="$from" CC=clang-19 SANITIZE="$instrument" all; then
        result "$out/results" fail build "see $out/build.log"
        return
    fi
    run_tests "$out" "${programs[0]}"
    run_tests "$out" "${programs[1]}"
    llvm-profdata-19 merge -sparse "$out"/profile/*.profraw \
        -o "$out/all.profdata"
    sources=("$REPO_ROOT"/xen/common/vm_event/*.[ch]
             "$REPO_ROOT"/xen/arch/x86/*.c "$REPO_ROOT"/libvmi-ring/src/*.[ch])
    llvm-cov-19 export -summary-only -instr-profile="$out/all.profdata" \
        "${programs[0]}" "-object=${programs[1]}" -sources "${sources[@]}" \
        >"$out/summary.json" 2>"$out/cov.log"
    llvm-cov-19 show -show-branches=count -show-mcdc \
        -instr-profile="$out/all.profdata" "${programs[0]}" \
        "-object=${programs[1]}" -sources "${sources[@]}" >"$out/annotated.txt" \
        2>>"$out/cov.log"
    python3 "$REPO_ROOT/tests/coverage/floors.py" "$REPO_ROOT" \
        "$out/summary.json" "$out/results" \
        "$([ "${3:-}" != --write ] || echo --write)" | tee "$out/table"
}

main "$@"
