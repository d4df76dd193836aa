#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The rules of xen/apply and xen/mkpatches on a tree of three small files:
# where a hunk may go, what is refused, and that a run which fails or is killed
# at any step leaves the tree as it was.
set -euo pipefail
# shellcheck source=tests/apply/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The same lines twice, as Xen's code has them.
write_base()
{
    mkdir -p "$1/xen/common" "$1/xen/include"
    printf 'obj-y += a.o\nobj-y += old.o\nobj-y += z.o\n' >"$1/xen/common/Makefile"
    cat >"$1/xen/common/a.c" <<'C'
#include <one.h>
#include <old.h>

int first(void)
{
    lock();
    work();
    unlock();
}

int second(void)
{
    lock();
    work();
    unlock();
}
C
    echo 'int old;' >"$1/xen/common/old.c"
    echo 'int replaced;' >"$1/xen/include/rewritten.h"
    chmod 755 "$1/xen/common/a.c"
}

edit_tree()
{
    sed -i '/old/d' "$1/xen/common/Makefile"
    sed -i -e '/old/d' -e '14s/work/work_more/' \
        "$1/xen/common/a.c"
    rm "$1/xen/common/old.c"
    mkdir -p "$1/xen/common/deep/er"
    echo 'int ours;' >"$1/xen/common/deep/er/ours.c"
    echo 'int rewritten;' >"$1/xen/include/rewritten.h"
}

# An edits folder for that tree, made by mkpatches.
setup()
{
    write_base base
    cp -a base edited
    git -C edited init -q
    git -C edited add -A
    git -C edited commit -qm base
    edit_tree edited
    mkdir -p edits/9.1
    cp "$EDITS/apply" "$EDITS/mkpatches" edits/
    echo 'the test' >edits/9.1/about
    printf '%s\n' '10-more:' '    xen/common/a.c :/work/' \
        '20-less:' '    xen/common/Makefile' '    xen/common/a.c' \
        >edits/9.1/groups
    printf '%s\n' '# ours' 'xen/common/deep/er/ours.c 20-less' \
        'xen/include/rewritten.h 10-more' >edits/9.1/files
    echo 'xen/common/old.c 20-less - not needed' >edits/9.1/delete
    printf 'a: do more\n\nBecause.\n' >edits/9.1/10-more.desc
    printf 'a: do less\n\nBecause of that.\n' >edits/9.1/20-less.desc
    edits/mkpatches --copy-own edited 9.1
}

fresh() { rm -rf "$1"; cp -a base "$1"; }
applied_sum() { rm -rf "$1/.vmi-ring"; tree_sum "$1"; }

t_a_applies_as_edited()
{
    fresh t
    expect 0 "applied: xen/9.1, 5 files" edits/apply t
    cmp t/xen/common/a.c edited/xen/common/a.c
    same "$(stat -c %a t/xen/common/a.c)" 755 "the mode of a.c"
    fresh u
    expect 0 "applied" edits/apply u/xen
    same "$(applied_sum t)" "$(rm -rf edited/.git; applied_sum edited)" result
}

t_again_changes_nothing()
{
    fresh t
    edits/apply t
    before=$(find t -printf '%p %T@ %C@\n' | grep -v '^t ' | sort)
    expect 0 "already applied" edits/apply t
    same "$before" "$(find t -printf '%p %T@ %C@\n' | grep -v '^t ' | sort)" times
}

t_unapply_restores()
{
    fresh t
    edits/apply t
    expect 0 "taken out: 5 files" edits/apply --unapply t
    same "$(tree_sum t)" "$(tree_sum base)" tree
    expect 1 "no record" edits/apply --unapply t
}

t_shifted_but_clear()
{
    fresh t
    sed -i '1i/* two */\n/* lines more */' t/xen/common/a.c
    expect 0 "applied" edits/apply t
    { printf '/* two */\n/* lines more */\n'; cat edited/xen/common/a.c; } |
        cmp - t/xen/common/a.c
}

# In a file that is not the known one, a text that stands twice under the same
# heading is refused, although it also stands at the very line.
t_ambiguous_refused()
{
    fresh t
    sed -i '16i\    lock();\n    work();\n    unlock();' t/xen/common/a.c
    before=$(tree_sum t)
    expect 1 "this text stands in 2 places" edits/apply t
    same "$(tree_sum t)" "$before" tree
}

t_other_function_refused()
{
    fresh t
    sed -i 's/second/third/' t/xen/common/a.c
    before=$(tree_sum t)
    expect 1 'first mismatch, 9.1/10-more' edits/apply t
    expect 1 'xen/common/a.c, hunk 1: this text is not there' edits/apply t
    expect 1 'int second(void)' edits/apply t
    expect 1 'XEN_SRC=DIR' edits/apply t
    same "$(tree_sum t)" "$before" tree
}

t_deleted_file_differs()
{
    fresh t
    echo >>t/xen/common/old.c
    before=$(tree_sum t)
    expect 1 "old.c, which is to be deleted, is not the file that we know" edits/apply t
    same "$(tree_sum t)" "$before" tree
}

t_own_file_is_there_already()
{
    fresh t
    mkdir -p t/xen/common/deep/er
    cp edited/xen/common/deep/er/ours.c t/xen/common/deep/er/
    expect 1 "ours.c, which is ours, is there already" edits/apply t
    fresh t
    echo >>t/xen/include/rewritten.h
    expect 1 "rewritten.h, which is ours, is there already" edits/apply t
}

t_symlink_refused()
{
    fresh t
    mv t/xen/common/a.c t/xen/common/b.c
    ln -s b.c t/xen/common/a.c
    expect 1 "not a regular file" edits/apply t
}

t_damaged_patch()
{
    fresh t
    cp -a edits damaged
    sed -i '/^@@/,$s/^ /+/' damaged/9.1/10-more.patch
    before=$(tree_sum t)
    expect 1 "10-more" damaged/apply t
    same "$(tree_sum t)" "$before" tree
}

t_usage()
{
    expect 0 "usage:" edits/apply --help
    expect 2 "usage:" edits/apply
    expect 2 "usage:" edits/apply --bogus t
    expect 2 "usage:" edits/apply t t
    expect 1 "no such folder" edits/apply nowhere
    expect 1 "not an unpacked Xen source" edits/apply edits
    fresh t
    expect 0 "applied" env XEN_SRC=t edits/apply
}

t_edited_after_applying()
{
    fresh t
    edits/apply t
    echo >>t/xen/common/a.c
    before=$(tree_sum t)
    expect 1 "xen/common/a.c" edits/apply t
    expect 1 "were changed since" edits/apply --unapply t
    same "$(tree_sum t)" "$before" tree
}

# A newer state of the edits: one file more is touched, one less, ours moved.
newer_edits()
{
    rm -rf newer
    cp -a edits newer
    rm -rf e2
    cp -a base e2
    git -C e2 init -q
    git -C e2 add -A
    git -C e2 commit -qm base
    edit_tree e2
    (cd e2 && git checkout -q xen/common/Makefile)
    mkdir -p e2/xen/common/new
    mv e2/xen/common/deep/er/ours.c e2/xen/common/new/ours.c
    rm -r e2/xen/common/deep
    sed -i 's/lock/spin_lock/' e2/xen/common/a.c
    sed -i '/Makefile/d' newer/9.1/groups
    sed -i 's|deep/er|new|' newer/9.1/files
    rm -r newer/common
    newer/mkpatches --copy-own e2 9.1
    rm -rf e2/.git
}

t_update_in_place()
{
    newer_edits
    fresh t
    edits/apply t
    expect 0 "brought up to date" newer/apply t
    expect 0 "already applied" newer/apply t
    rm -rf u
    cp -a t u
    rm -rf u/.vmi-ring
    find u -type d -empty -delete
        same "$(tree_sum u)" "$(tree_sum e2)" "updated tree"
    expect 0 "taken out" newer/apply --unapply t
    same "$(tree_sum t)" "$(tree_sum base)" "after unapply"
}

# Commands that fail, or kill xen/apply, at the nth call that works on the
# tree's files on their way.
fake_commands()
{
    local name

    rm -rf bin
    mkdir bin
    for name; do
        cat >"bin/$name" <<'M'
#!/bin/bash
case "$*" in *.vmi-ring*)
    n=$(($(cat "$STOP_COUNT") + 1))
    echo "$n" >"$STOP_COUNT"
    if [ "$n" -eq "$STOP_AT" ]; then
        [ "$STOP_HOW" = kill ] || exit 1
        kill -9 "$PPID"
        exit 1
    fi ;;
esac
exec "/bin/${0##*/}" "$@"
M
        chmod +x "bin/$name"
    done
}

# stopped_everywhere HOW COMMAND...: COMMAND works on tree t, which is made from
# tree start; it is stopped at its first, second, ... step.  Then the tree is
# either as before or as after, and a second run ends well.  Unless
# VMIRING_EVERY_STEP is set, only at every third, from a place drawn anew.
stopped_everywhere()
{
    local how=$1 n rc before after now untouched=0 first=1 step=1 stops=0

    if [ -z "${VMIRING_EVERY_STEP:-}" ]; then
        step=3
        first=$((1 + RANDOM % step))
    fi
    shift
    # Stopped in a mkdir or in the mv behind it: that makes no difference.
    fake_commands mv rm
    before=$(tree_sum start)
    rm -rf t
    cp -a start t
    "$@"
    after=$(tree_sum t)
    for ((n = first; ; n += step)); do
        rm -rf t
        cp -a start t
        echo 0 >count
        rc=0
        STOP_COUNT=$PWD/count STOP_AT=$n STOP_HOW=$how PATH=$PWD/bin:$PATH \
            "$@" || rc=$?
        [ "$(cat count)" -ge "$n" ] || break
        stops=$((stops + 1))
        # A run that was killed is undone by the next, whatever that is for.
        [ "$how" = fail ] || edits/apply --series "$(mktemp -d -p .)" t
        now=$(tree_sum t)
        [ "$rc" -ne 0 ] || same "$now" "$after" "ended well, stopped at $n ($how)"
        [ "$now" = "$before" ] || same "$now" "$after" "stopped at $n ($how)"
        [ "$now" = "$before" ] || continue
        untouched=$((untouched + 1))
        "$@"
        same "$(tree_sum t)" "$after" "second run, stopped at $n ($how)"
    done
    echo "stopped at $stops places, from $first on, $untouched times the tree was untouched"
    [ "$untouched" -ge $(((5 - first) / step + 1)) ]
}

t_stopped_apply()
{
    fresh start
    stopped_everywhere fail edits/apply t
    stopped_everywhere kill edits/apply t
}

t_stopped_update()
{
    newer_edits
    fresh start
    edits/apply start
    stopped_everywhere fail newer/apply t
    stopped_everywhere kill newer/apply t
}

t_stopped_unapply()
{
    fresh start
    edits/apply start
    stopped_everywhere fail edits/apply --unapply t
    stopped_everywhere kill edits/apply --unapply t
}

t_two_releases()
{
    cp -a edits two
    cp -a edits/9.1 two/9.2
    rm -rf e3
    cp -a base e3
    sed -i 's/second/third/' e3/xen/common/a.c
    cp -a e3 t3
    git -C e3 init -q
    git -C e3 add -A
    git -C e3 commit -qm base
    sed -i '14s/work/work_more/' e3/xen/common/a.c
    printf '%s\n' '10-more: xen/common/a.c' >two/9.2/groups
    rm two/9.2/20-less.*
    sed -i 's/20-less/10-more/' two/9.2/files
    sed -i '/rewritten/d' two/9.2/files
    : >two/9.2/delete
    mkdir -p e3/xen/common/deep/er
    cp edits/common/deep/er/ours.c e3/xen/common/deep/er/
    two/mkpatches e3 9.2
    expect 0 "applied: xen/9.2" two/apply t3
    fresh t
    expect 0 "applied: xen/9.1" two/apply t
}

t_series()
{
    rm -rf series
    fresh t
    before=$(tree_sum t)
    expect 0 "2 patches" edits/apply --author 'A B <a@b>' --series series t
    same "$(tree_sum t)" "$before" tree
    expect 1 "not empty" edits/apply --series series t
    git -C t init -q
    git -C t add -A
    git -C t commit -qm base
    git -C t am -q "$PWD"/series/*
    same "$(git -C t log -1 --format='%an <%ae> %s')" "A B <a@b> a: do less" author
    expect 0 "already applied (xen/9.1), but not by this program" edits/apply t
    rm -rf t/.git
    fresh u
    edits/apply u
    same "$(applied_sum t)" "$(applied_sum u)" "series against apply"
    # The series can also be had from a tree that has the changes.
    fresh u
    edits/apply u
    edits/apply --author 'A B <a@b>' --series again u
    diff -r -I '^Date: ' series again
}

t_mkpatches_refuses()
{
    rm -rf e4 m
    cp -a edits m
    cp -a base e4
    git -C e4 init -q
    git -C e4 add -A
    git -C e4 commit -qm base
    edit_tree e4
    echo 'int x;' >e4/xen/common/x.c
    echo 'int y;' >>e4/xen/common/Makefile
    sed -i '/Makefile/d' m/9.1/groups
    before=$(tree_sum m)
    expect 1 "xen/common/x.c is new: add it to files" m/mkpatches e4 9.1
    expect 1 "xen/common/Makefile has changes that no group takes" m/mkpatches e4 9.1
    same "$(tree_sum m)" "$before" "the edits folder"
}

t_mkpatches_is_stable()
{
    before=$(tree_sum edits)
    rm -rf e5
    cp -a base e5
    git -C e5 init -q
    git -C e5 add -A
    git -C e5 commit -qm base
    edit_tree e5
    edits/mkpatches e5 9.1
    same "$(tree_sum edits)" "$before" "the edits folder"
}

(cd "$WORK" && setup) >"$WORK/setup.log" 2>&1 || {
    cat "$WORK/setup.log"
    exit 1
}
run_all
