#!/bin/bash
# SPDX-License-Identifier: MIT
#
# xen/apply with the real edits on the real source: Debian's, which is fetched
# if it is not there (XEN_SRC=DIR names one by hand).  There is no skip: without
# a source the test fails.
set -euo pipefail
# shellcheck source=tests/apply/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

SOURCE=$("$(dirname "${BASH_SOURCE[0]}")/../xen/fetch-source.sh")
RELEASE=4.17

fresh()
{
    rm -rf "$1"
    mkdir "$1"
    # stubdom and docs are not touched by any edit, and large.
    (cd "$SOURCE" && find . -mindepth 1 -maxdepth 1 ! -name stubdom \
        ! -name docs ! -name .git ! -name .vmi-ring -exec cp -a -t "$WORK/$1" {} +)
}

t_apply_again_unapply()
{
    fresh t
    before=$(tree_sum t)
    expect 0 "applied: xen/$RELEASE" "$EDITS/apply" t
    after=$(tree_sum t)
    [ "$before" != "$after" ]
    expect 0 "already applied" "$EDITS/apply" t
    same "$(tree_sum t)" "$after" "second apply"
    expect 0 "taken out" "$EDITS/apply" --unapply t
    same "$(tree_sum t)" "$before" unapply
}

t_waitqueues_are_gone()
{
    local pattern='waitqueue|wait_event|check_wakeup'

    fresh t
    grep -rniqE "$pattern" t/xen/common
    "$EDITS/apply" t
    grep -rniE "$pattern" t/xen >left || true
    # The null scheduler has a list of that name.
    grep -q '^t/xen/common/sched/null\.c:' left
    if grep -v '^t/xen/common/sched/null\.c:' left; then
        return 1
    fi
    for path in xen/common/wait.c xen/include/xen/wait.h; do
        [ ! -e "t/$path" ]
    done
}

t_unknown_tree_untouched()
{
    local path

    fresh t
    path=$(sed -n 's|^+++ b/||p' "$EDITS/$RELEASE"/*.patch | tail -n 1)
    # Every line that an edit needs gets a blank at its end.
    sed -i 's/$/ /' "t/$path"
    before=$(tree_sum t)
    expect 1 "first mismatch" "$EDITS/apply" t
    grep -qF "$path, hunk 1" said
    grep -qF "XEN_SRC=DIR" said
    same "$(tree_sum t)" "$before" tree
}

t_each_deleted_file_is_checked()
{
    local path

    fresh t
    grep -v -e '^#' -e '^$' "$EDITS/$RELEASE/delete" >gone
    [ -s gone ]
    while read -r path _; do
        cp -p "t/$path" saved
        echo >>"t/$path"
        expect 1 "$path, which is to be deleted, is not" "$EDITS/apply" t
        cp -p saved "t/$path"
    done <gone
    expect 0 "fits" "$EDITS/apply" --check t
}

t_failing_last_patch()
{
    fresh t
    before=$(tree_sum t)
    rm -rf edits
    cp -a "$EDITS" edits
    printf '%s\n' 'SPDX-License-Identifier: GPL-2.0-only' 'Subject: none' '' \
        'none' --- '--- a/xen/common/Makefile' '+++ b/xen/common/Makefile' \
        '@@ -1,2 +1,1 @@' ' no such line' '-nor this' >"edits/$RELEASE/99-none.patch"
    expect 1 "99-none" edits/apply t
    same "$(tree_sum t)" "$before" tree
}

t_series_equals_apply()
{
    fresh t
    fresh u
    rm -rf series
    expect 0 "patches are in" "$EDITS/apply" --series series t
    git -C t init -q
    git -C t add -A -f
    git -C t commit -qm base
    git -C t am "$PWD"/series/*
    rm -rf t/.git
    "$EDITS/apply" u
    rm -rf u/.vmi-ring
    diff -r --no-dereference t u
    same "$(tree_sum t)" "$(tree_sum u)" "git am against apply"
    expect 0 "already applied" "$EDITS/apply" t
}

run_all
