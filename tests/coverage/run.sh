#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/coverage/run.sh OUT BUILD [--long]: which lines, branches and conditions
# (MC/DC) of xen/ and of the library the harness and the unit tests reach. Fails
# below a file's floor (tests/coverage/floors); docs/COVERAGE.md says what is
# not reached. With --long the threads of 128 vCPUs run as well; with --write the
# table there is made anew.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$REPO_ROOT/tests/lib/results.sh"

instrument='-fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc'

build_instrumented()
{
    local from=$1 log=$2
    local -a targets

    run_logged "$log" "cmake" cmake -S "$REPO_ROOT" -B "$from" -G Ninja \
        -DCMAKE_C_COMPILER=clang-19 -DCMAKE_BUILD_TYPE=Debug \
        -DCMAKE_C_FLAGS="$instrument" -DVMIRING_WERROR=OFF || return 1
    mapfile -t targets < <(ninja -C "$from" -t targets all |
        sed -n 's/^\(harness_[a-z_]*\|unit-[a-z0-9_-]*\): phony$/\1/p')
    run_logged "$log" "building" cmake --build "$from" -j 2 \
        --target "${targets[@]}"
}

main()
{
    local out=$1 from=$2/coverage long='' write='' skip='threads\..*\.128$' program
    local -a objects=() sources

    case ${3:-} in
    --long) long=yes ;;
    --write) write=--write ;;
    esac
    mkdir -p "$out/profile"
    rm -f "$out"/profile/*
    [ -z "$long" ] || skip='^$'
    if ! build_instrumented "$from" "$out/build.log"; then
        result "$out/results" fail build "see $out/build.log"
        return
    fi
    # A program merges into a few files of its own, which its forks share.
    if ! LLVM_PROFILE_FILE=$out/profile/%4m.profraw timeout 900 \
        ctest --test-dir "$from" -R '^(harness\.|sdk-)' -E "$skip" \
        --timeout 120 --output-on-failure >"$out/tests.log" 2>&1; then
        result "$out/results" fail tests "see $out/tests.log"
    fi
    llvm-profdata-19 merge -sparse "$out"/profile/*.profraw \
        -o "$out/all.profdata"
    for program in "$from"/tests/harness/harness_* "$from"/tests/unit/unit-*; do
        [ -f "$program" ] && [ -x "$program" ] && objects+=("-object=$program")
    done
    sources=("$REPO_ROOT"/xen/common/vm_event/*.[ch]
             "$REPO_ROOT"/xen/arch/x86/*.c "$REPO_ROOT"/libvmi-ring/src/*.[ch])
    llvm-cov-19 export -summary-only -instr-profile="$out/all.profdata" \
        "${objects[0]#-object=}" "${objects[@]:1}" -sources "${sources[@]}" \
        >"$out/summary.json" 2>"$out/cov.log"
    llvm-cov-19 show -show-branches=count -show-mcdc \
        -instr-profile="$out/all.profdata" "${objects[0]#-object=}" \
        "${objects[@]:1}" -sources "${sources[@]}" >"$out/annotated.txt" \
        2>>"$out/cov.log"
    python3 "$REPO_ROOT/tests/coverage/floors.py" "$REPO_ROOT" \
        "$out/summary.json" "$out/results" ${write:+"$write"} | tee "$out/table"
}

main "$@"
