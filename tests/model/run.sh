#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/model/run.sh OUT BUILD [--long]: Spin explores every state of each
# model; each of its broken twins must be seen to fail. --long raises the number
# of events per vCPU.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$REPO_ROOT/tests/lib/results.sh"

here=$REPO_ROOT/tests/model

# explore DIR MODEL WHAT OPTION...: leaves pan.log; fails if pan cannot be built.
# A twin fails within moments: compiling it is what takes time.
explore()
{
    local dir=$1 model=$2 what=$3 args='' optimise=-O2
    local -a how=(-DSAFETY -DNOCLAIM)

    [[ " $* " != *" -DTWIN_"* ]] || optimise=-O0

    shift 3
    if [ "$what" != safety ]; then
        how=(-DNFAIR=3)
        args="-a -f -N $what"
    fi
    mkdir -p "$dir"
    # shellcheck disable=SC2086 # args are options
    (cd "$dir" && spin -a "$@" "$here/$model.pml" >spin.log 2>&1 &&
        gcc $optimise -w -DCOLLAPSE "${how[@]}" -o pan pan.c &&
        { timeout 300 ./pan -m1000000 $args >pan.log 2>&1 || true; })
}

# verdict DIR: holds, fails or (did not finish) unknown.
verdict()
{
    if grep -q 'max search depth too small\|out of memory' "$1/pan.log"; then
        echo unknown
    elif grep -q 'errors: 0$' "$1/pan.log"; then
        echo holds
    elif grep -q 'errors: [1-9]' "$1/pan.log"; then
        echo fails
    else
        echo unknown
    fi
}

states_of()
{
    sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1 states/p' "$1/pan.log" |
        head -n 1
}

run_one()
{
    local out=$1 model=$2 what=$3 twin=$4 wanted=holds suffix="" name dir got

    shift 4
    [[ " $* " != *HOSTILE* ]] || suffix=-hostile
    name=$model.$what$suffix
    if [ "$twin" != - ]; then
        wanted=fails
        name=$name.without-$twin
        set -- "-DTWIN_$twin" "$@"
    fi
    dir=$out/$name
    if ! explore "$dir" "$model" "$what" "$@"; then
        result "$out/results" fail "$name" "does not compile: see $dir/spin.log"
        return
    fi
    got=$(verdict "$dir")
    rm -f "$dir"/pan "$dir"/pan.[bchmpt] "$dir"/_spin_nvr.tmp
    if [ "$got" = "$wanted" ]; then
        result "$out/results" pass "$name" "$got, $(states_of "$dir")"
    else
        result "$out/results" fail "$name" "$got, wanted: $wanted; see $dir/pan.log"
    fi
}

main()
{
    local out=$1 long=${3:-} model what twin options

    mkdir -p "$out"
    "$here/functions.py" >>"$out/results" || true
    while read -r model what twin options; do
        case $model in '#'* | '') continue ;; esac
        # One event more per vCPU, which ten times as many states may need.
        [ -z "$long" ] || options=${options/EVENTS=2/EVENTS=3}
        # shellcheck disable=SC2086 # options are words
        run_one "$out" "$model" "$what" "$twin" $options
    done <"$here/models"
}

main "$@"
