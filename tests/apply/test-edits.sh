#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the edits promise about themselves, whatever tree they are for.
set -euo pipefail
# shellcheck source=tests/apply/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

releases() { find "$EDITS" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*'; }

t_there_is_a_release() { [ -n "$(releases)" ]; }

t_patches_have_a_head()
{
    local patch

    find "$EDITS" -name '*.patch' >patches
    [ -s patches ]
    while read -r patch; do
        echo "$patch"
        [ "$(head -n 1 "$patch")" = "SPDX-License-Identifier: GPL-2.0-only" ]
        sed -n 2p "$patch" | grep -q '^Subject: [^ ].*: .'
        sed -n '4,/^---$/p' "$patch" | grep -v '^---$' | grep -q .
    done <patches
}

# A hunk in a file of Xen is a call site.  What decides is in files of our own,
# which the harness compiles.  Blank lines, includes and help texts are no code.
t_hunks_are_small()
{
    find "$EDITS" -name '*.patch' -exec awk '
        FNR == 1 { in_hunk = 0 }
        /^\+\+\+ b\// && !in_hunk { code = $2 !~ /Kconfig$/ }
        /^@@ / { added = 0; in_hunk = 1; hunk = $0; next }
        /^# sha256/ { in_hunk = 0; next }
        in_hunk && code && /^\+./ && !/^\+#include/ && ++added == 11 {
            print FILENAME ": " hunk ": more than 10 lines of code"; bad = 1
        }
        END { exit bad }' {} +
}

t_least_context()
{
    find "$EDITS" -name '*.patch' -exec awk '
        FNR == 1 { in_hunk = 0 }
        /^@@ / { run = 0; in_hunk = 1; next }
        in_hunk && /^ / { run++ }
        in_hunk && /^[-+]/ { if ( run > 2 ) { print FILENAME ": " FNR; bad = 1 } run = 0 }
        END { exit bad }' {} +
}

t_every_file_of_ours_goes_somewhere()
{
    local path

    (cd "$EDITS" && find . -mindepth 2 -type f ! -path './[0-9]*' -printf '%P\n') |
        sort >ours
    [ -s ours ]
    while read -r path; do
        grep -qE "^xen/$path( |$)" "$EDITS"/[0-9]*/files || {
            echo "$path is in no list"
            exit 1
        }
    done <ours
}

t_licences()
{
    local path want

    while read -r path; do
        want=GPL-2.0-only
        [ "${path#include/public/}" = "$path" ] || want=MIT
        head -n 3 "$EDITS/$path" | grep -q "SPDX-License-Identifier: $want" || {
            echo "$path: expected SPDX-License-Identifier: $want"
            exit 1
        }
    done < <(cd "$EDITS" && find . -type f ! -path './[0-9]*' \
        ! -path '*/__pycache__/*' -printf '%P\n')
}

run_all
