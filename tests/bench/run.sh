#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/bench/run.sh OUT BUILD [--long]: the benchmark as a test.  Instructions
# for each event against the committed figures; then a short run of every case,
# of which only the accounting counts: times are no test's business here.
# --long: the repetitions that a table needs, and a plot.
set -euo pipefail

out=$1 build=$2 long=${3-}
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bench=$build/bench/vmiring-bench
# shellcheck source=tests/lib/results.sh
. "$top/tests/lib/results.sh"

run_cases()
{
    local name left

    "$bench" --list | grep -v ' (left out)$' >"$out/list"
    left=$("$bench" --list | grep -c ' (left out)$' || true)
    if "$bench" "$@" --csv "$out/bench.csv" >"$out/bench.log" 2>&1; then
        result "$out/results" pass accounting "every event of every case accounted, $left cases left out"
    else
        tail -n 20 "$out/bench.log"
        result "$out/results" fail accounting "see $out/bench.log"
    fi
    while read -r name; do
        grep -qF "${name/\//,\"}" "$out/bench.csv" || {
            result "$out/results" fail cases "$name did not run"
            return
        }
    done <"$out/list"
    result "$out/results" pass cases "$(wc -l <"$out/list") cases ran"
}

: >"$out/results"
run_ctest "$out" "" "$build" -R '^bench-instructions$'
if [ -n "$long" ]; then
    run_cases --reps 21
    "$top/bench/plot.sh" "$out/bench.csv" "$out/bench.svg"
else
    run_cases --reps 2 --warmup 0
    # A suite has one processor: those whose sides both look need another.
    if taskset -c "0-$(($(nproc --all) - 1))" "$bench" --only sync-two-threads/ \
        --reps 2 >"$out/two.log" 2>&1; then
        result "$out/results" pass two-processors "$(grep -c OVERSUBSCRIBED "$out/two.log" || true) of them were oversubscribed"
    else
        tail -n 20 "$out/two.log"
        result "$out/results" fail two-processors "see $out/two.log"
    fi
fi
