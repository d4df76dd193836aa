# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Debian's own arm64 tools, xen-access (write, exec, privcall) and
# test-resource, as packaged. What they print is compared between the
# unpatched and the patched hypervisor (tests/xen/compare-compat.sh).
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan ran
out=/tmp/compat

section() { echo "=== $*" >>$out; }

started() { grep -q '^starting' /tmp/access; }

# access MODE WORDS...: xen-access beside a guest that makes 10 iterations.
access()
{
    mode=$1
    shift
    section "xen-access $mode"
    guest_boot 1 count=10 "$@" || { echo "no guest" >>$out; return; }
    xen-access -m "$DOMID" "$mode" >/tmp/access 2>&1 &
    client=$!
    # It watches what it was told to after it has said so, and says no more.
    wait_until 20 started
    usleep 700000
    guestmem "$DOMID" run
    guestmem "$DOMID" wait-done 20
    echo "guest done: $?" >>$out
    kill -INT "$client" 2>/dev/null
    wait "$client"
    status=$?
    {
        cat /tmp/access
        echo "exit status $status"
        guestmem "$DOMID" show 2>&1
    } >>$out
    guest_destroy
}

: >$out
access write w gr
access exec x gr
access privcall smc
section test-resource
{ test-resource 2>&1; echo "exit status $?"; } >>$out
hand_out $out compat.raw
pass ran "$(wc -l <$out) lines of output"
