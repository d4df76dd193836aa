# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Debian's own unmodified binaries, one section of output each. This scenario
# judges little: it hands the outputs to the host, where compare-compat.sh
# holds those of the unpatched and of our hypervisor against each other. Guests
# have one vCPU or sorted output, so that the outputs repeat.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan ran
out=/tmp/compat

section() { echo "=== $*" >>$out; }

# logged COMMAND...: its output and its exit status.
logged()
{
    {
        echo "--- $*"
        "$@" 2>&1
        echo "exit status $?"
    } >>$out
}

port_is_bound() { lsevtchn "$DOMID" 2>/dev/null | grep -q Interdomain; }

# access MODE WORDS...: xen-access beside a guest that makes 10 iterations.
access()
{
    mode=$1
    shift
    section "xen-access $mode"
    guest_boot 1 count=10 "$@" || { echo "no guest" >>$out; return; }
    xen-access -m "$DOMID" "$mode" >/tmp/access 2>&1 &
    client=$!
    # It subscribes after it has bound its port, and says nothing then.
    if wait_until 5 port_is_bound; then
        usleep 700000
    fi
    guestmem "$DOMID" run
    guestmem "$DOMID" wait-done 10
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

domain_states()
{
    section xl life cycle
    guest_create 4 gr || return
    logged xl list
    logged xl unpause guest
    guestmem "$DOMID" wait-ready 20
    logged guestmem "$DOMID" wait-count 100 20
    logged xl pause guest
    logged xl list
    logged xl vcpu-set guest 2
    logged xl vcpu-list guest
    logged xl unpause guest
    logged xl vcpu-set guest 4
    logged xl pause guest
    logged xl vcpu-list guest
    logged xl destroy guest
    logged xl list
    logged xl pause guest
    DOMID=
}

live_patches()
{
    section xen-livepatch
    logged xen-livepatch list
    logged xen-livepatch upload hello /livepatch/xen_hello_world.livepatch
    logged xen-livepatch upload hello /livepatch/xen_hello_world.livepatch
    logged xen-livepatch list
    logged xen-livepatch apply hello
    logged xen-livepatch list
    xl info | grep xen_extra >>$out
    logged xen-livepatch revert hello
    logged xen-livepatch unload hello
    logged xen-livepatch list
    # Two that depend on each other: bye_world was made against hello_world.
    logged xen-livepatch load /livepatch/xen_hello_world.livepatch
    logged xen-livepatch load /livepatch/xen_bye_world.livepatch
    logged xen-livepatch list
    xl info | grep xen_extra >>$out
    logged xen-livepatch revert xen_hello_world
    logged xen-livepatch revert xen_bye_world
    logged xen-livepatch revert xen_hello_world
    logged xen-livepatch unload xen_bye_world
    logged xen-livepatch unload xen_hello_world
    logged xen-livepatch list
}

: >$out
access breakpoint int3
access cpuid cpuid
access desc_access desc
access write_ctrlreg_cr4 cr4
access debug step
access write gr
access exec gr
access altp2m_write gr
access altp2m_exec gr
section test-resource
logged test-resource
domain_states
live_patches
hand_out $out compat.raw
pass ran "$(wc -l <$out) lines of output"
