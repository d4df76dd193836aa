#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/mutation/run.sh OUT BUILD [--long]: a sample of 30 mutations, drawn by
# the commit, as far as 200 seconds go; all of them with --long. It fails when
# more survive than may, or when there was time for fewer than five.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tests/lib/results.sh
. "$top/tests/lib/results.sh"

out=$1 work=$2/mutation
seed=$(git -C "$top" rev-parse --short=12 HEAD 2>/dev/null) || seed=none
# Far above what survives (docs/TESTING.md), as a sample of 30 scatters.
limit=30
sample=(--sample 30 "$seed" --seconds 200)
[ "${3:-}" != --long ] || sample=()

python3 "$top/tests/mutation/mutate.py" run "$work" "$out/build.log" \
    "${sample[@]}" >"$out/mutants" || true
killed=$(count_results "$out/mutants" killed)
survived=$(count_results "$out/mutants" survived)
text="$killed killed, $survived survived, $(count_results "$out/mutants" equivalent)\
 equivalent, $(count_results "$out/mutants" unjudged) without time, drawn by $seed"
grep '^survived' "$out/mutants" || true
if [ $((killed + survived)) -ge 5 ] && [ $((survived * 100)) -le $(((killed + survived) * limit)) ]; then
    result "$out/results" pass mutants "$text"
else
    result "$out/results" fail mutants "$text, see $out/mutants"
fi
