#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/mutation/run.sh OUT BUILD [--long]: a sample of 30 mutations, drawn by
# the commit, as far as 240 seconds go; all of them with --long. It fails when
# one survives that tests/mutation/survivors does not know, and when there was
# time for fewer than five.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tests/lib/results.sh
. "$top/tests/lib/results.sh"

out=$1 work=$2/mutation
seed=$(git -C "$top" rev-parse --short=12 HEAD 2>/dev/null) || seed=none
sample=(--sample 30 "$seed" --seconds 240)
[ "${3:-}" != --long ] || sample=()

python3 "$top/tests/mutation/mutate.py" run "$work" "$out/build.log" \
    --sched "$2/sched" "${sample[@]}" >"$out/mutants" ||
    result "$out/results" fail runner "mutate.py ended with $?, see $out/mutants"
{ grep -E '^(survived|error)' "$out/mutants" || true; } |
    while read -r kind name; do
        result "$out/results" fail "$kind" "$name, see $out/build.log"
    done
{ grep '^killed .* (take it out' "$out/mutants" || true; } |
    while read -r _ name; do
        result "$out/results" fail known "$name"
    done

# Those that this run killed.
killed=$(grep '^killed ' "$out/mutants" | grep -vc 'by the suite sched' || true)
text="$killed killed, $(grep -c 'by the suite sched' "$out/mutants" || true) left to the suite sched, $(count_results "$out/mutants" survived) survived,\
 $(count_results "$out/mutants" known) known to survive,\
 $(count_results "$out/mutants" equivalent) equivalent,\
 $(count_results "$out/mutants" stillborn) stillborn,\
 $(count_results "$out/mutants" unjudged) without time; drawn by $seed"
echo "$text"
if [ "$killed" -ge 5 ]; then
    result "$out/results" pass mutants "$text"
else
    result "$out/results" fail mutants "$text, see $out/mutants"
fi
