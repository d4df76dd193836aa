# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the tests of xen/apply: a place to work in, and a runner that calls
# every function named t_* in a shell of its own.

# What is tested; a folder laid out as xen/.
EDITS=${EDITS:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../../xen" && pwd)}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export LC_ALL=C
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@localhost
export GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@localhost

# Everything about a tree but times: names, modes, contents.
tree_sum()
{
    (
        cd "$1"
        find . -name .git -prune -o -printf '%P %y %m\n' | sort
        find . -name .git -prune -o -type f -print0 | sort -z |
            xargs -0 sha256sum
    ) | sha256sum
}

# expect RC TEXT COMMAND...: exit code, and a text in what it says.
expect()
{
    local want=$1 text=$2 rc=0

    shift 2
    "$@" >"$WORK/said" 2>&1 || rc=$?
    cat "$WORK/said"
    if [ "$rc" -ne "$want" ]; then
        echo "expected exit code $want, got $rc: $*"
        return 1
    fi
    grep -qF -- "$text" "$WORK/said" || {
        echo "expected it to say: $text"
        return 1
    }
}

same() { [ "$1" = "$2" ] || { echo "differs: $3"; return 1; }; }

run_all()
{
    local t rc failed=0 count=0

    for t in $(declare -F | sed -n 's/^declare -f \(t_.*\)/\1/p'); do
        set +e
        (set -e; cd "$WORK"; "$t") >"$WORK/log" 2>&1
        rc=$?
        set -e
        count=$((count + 1))
        if [ "$rc" -eq 0 ]; then
            echo "ok   $t"
        else
            echo "FAIL $t"
            sed 's/^/     /' "$WORK/log"
            failed=$((failed + 1))
        fi
    done
    echo "$count tests, $failed failed"
    [ "$count" -gt 0 ] && [ "$failed" -eq 0 ]
}
