#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/sched/run.sh OUT BUILD [--long]: the deterministic scheduler. Every
# scenario in every model and mode, the same run twice, and the broken twins.
# The seeds depend on the commit, so that each commit tries others.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tests/lib/results.sh
. "$top/tests/lib/results.sh"

out=$1 build=$2/sched each=650
[ "${3:-}" != --long ] || each=20000

# first_seed: from the commit's number, 1 where there is none.
first_seed()
{
    local id

    id=$(git -C "$top" rev-parse --short=6 HEAD 2>/dev/null) || id=0
    echo $((16#$id * 1000 + 1))
}

# run_model SCENARIO MODEL FROM
run_model()
{
    local scenario=$1 model=$2 from=$3 mode log=$out/$1-$2.log

    for mode in random pct; do
        timeout 600 "$build/sched" run "$scenario" "$model" "$mode" "$from" \
            "$each" >>"$log" 2>&1 || {
            cat "$log"
            result "$out/results" fail "$scenario.$model" "see $log"
            return
        }
    done
    total=$((total + 2 * each))
    result "$out/results" pass "$scenario.$model" \
        "$((2 * each)) schedules, seeds from $from"
}

# The same seed makes the same run, also alone and in another process.
check_determinism()
{
    local one two replayed

    one=$("$build/sched" run mixed weak pct 1 200)
    two=$("$build/sched" run mixed weak pct 1 200)
    if [ "$one" = "$two" ]; then
        result "$out/results" pass determinism "200 seeds twice"
    else
        result "$out/results" fail determinism "$one against $two"
    fi
    one=$("$build/sched" run killed weak random 7 1)
    replayed=$("$build/sched" replay killed weak random 7 | tail -n 1)
    two=$(sed -n 's/.*; \([0-9]*\) steps.*/\1/p' <<<"$replayed")
    if [[ $one == *" steps ${two:-none} "* ]]; then
        result "$out/results" pass replay "seed 7: $two steps"
    else
        result "$out/results" fail replay "$one against $replayed"
    fi
}

if ! make -s -C "$top/tests/sched" OUT="$build" >"$out/build.log" 2>&1; then
    tail -n 20 "$out/build.log"
    result "$out/results" fail build "see $out/build.log"
    exit 0
fi

total=0 started=$SECONDS
from=$(first_seed)
while read -r scenario _; do
    for model in sc tso weak; do
        run_model "$scenario" "$model" "$from"
    done
done < <("$build/sched" list)
echo "$total schedules in $((SECONDS - started)) s, seeds from $from"
if [ "$total" -ge 100000 ]; then
    result "$out/results" pass schedules "$total in $((SECONDS - started)) s"
else
    result "$out/results" fail schedules "only $total"
fi
check_determinism
python3 "$top/tests/sched/twins.py" "$build/twins" "$out/twins.log" \
    >>"$out/results" || result "$out/results" fail twins "twins.py failed"
