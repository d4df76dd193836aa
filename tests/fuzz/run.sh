#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/fuzz/run.sh OUT BUILD [--long]: each fuzzer first replays its corpus,
# then goes on from there for a while: FUZZ_SECONDS, 9 by default, 600 with
# --long. New inputs stay in OUT; a crashing one is named in the result.
#
# tests/fuzz/run.sh --minimise FROM: the smallest files of FROM/NAME/corpus that
# reach what all of them reach become tests/fuzz/corpus/NAME.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$REPO_ROOT/tests/lib/results.sh"

fuzzers=(dmop validate ring legacy walk cli capture filter guard)
here=$REPO_ROOT/tests/fuzz
max_len=1024

build_fuzzers()
{
    local from=$1 log=$2

    run_logged "$log" "cmake" cmake -S "$REPO_ROOT" -B "$from" -G Ninja \
        -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DVMIRING_FUZZ=ON -DVMIRING_ASAN=ON -DBUILD_TESTING=ON &&
        run_logged "$log" "building the fuzzers" cmake --build "$from" -j 2 \
            --target "${fuzzers[@]/#/fuzz_}"
}

# One line of libFuzzer's last report: "#1234 DONE cov: 10 ft: 20 corp: ...".
growth()
{
    sed -nE 's/^#([0-9]+)[[:space:]]+(INITED|DONE) +cov: ([0-9]+) ft: ([0-9]+).*/\2 \1 \3 \4/p' "$1" |
        awk '$1 == "INITED" { c = $3 } { n = $2; d = $3; f = $4 }
             END { printf "%d executions, coverage %d -> %d, features %d", n, c, d, f }'
}

run_one()
{
    local out=$1 name=$2 program=$3 seconds=$4 dir=$1/$2

    mkdir -p "$dir/corpus"
    if timeout -k 10 $((seconds * 3 + 120)) "$program" \
        -max_total_time="$seconds" -max_len=$max_len -timeout=20 \
        -rss_limit_mb=3000 -artifact_prefix="$dir/" \
        "$dir/corpus" "$here/corpus/$name" >"$dir/log" 2>&1; then
        result "$out/results" pass "$name" "$(growth "$dir/log")"
    else
        tail -n 30 "$dir/log"
        result "$out/results" fail "$name" \
            "see $dir/log; replay: $program $(find "$dir" -maxdepth 1 -type f ! -name log | head -n 1)"
    fi
}

minimise()
{
    local from=$1 name

    for name in "${fuzzers[@]}"; do
        [ -d "$from/$name/corpus" ] || continue
        mkdir -p "$here/corpus/$name.new"
        "$REPO_ROOT/build/fuzz/tests/fuzz/fuzz_$name" -merge=1 -use_counters=0 -max_len=$max_len \
            "$here/corpus/$name.new" "$from/$name/corpus" "$here/corpus/$name"
        rm -rf "$here/corpus/$name"
        mv "$here/corpus/$name.new" "$here/corpus/$name"
    done
}

main()
{
    local out=$1 build=$2/fuzz long=${3:-} name seconds=${FUZZ_SECONDS:-9}

    mkdir -p "$out"
    [ -z "$long" ] || seconds=${FUZZ_SECONDS:-600}
    if ! build_fuzzers "$build" "$out/build.log"; then
        result "$out/results" fail build "see $out/build.log"
        return
    fi
    for name in "${fuzzers[@]}"; do
        run_one "$out" "$name" "$build/tests/fuzz/fuzz_$name" "$seconds"
    done
}

if [ "${1:-}" = --minimise ]; then
    minimise "$2"
else
    main "$@"
fi
