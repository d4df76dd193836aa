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

# It says nothing between "starting" and the first event: that it watches what it
# was told to shows in where it sleeps, which is in poll() from then on.
watches()
{
    grep -q '^starting' /tmp/access && grep -q poll "/proc/$client/wchan"
}

# access MODE WORDS...: xen-access beside a guest that makes 10 iterations.
access()
{
    mode=$1
    shift
    section "xen-access $mode"
    guest_boot 1 count=10 "$@" || { echo "no guest" >>$out; return; }
    xen-access -m "$DOMID" "$mode" >/tmp/access 2>&1 &
    client=$!
    wait_until 60 watches || echo "xen-access does not come to its poll()" >>$out
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
