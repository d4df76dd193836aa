# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Many vCPUs on the legacy ring while answers are withheld (the client is
# stopped). The ring has 8 entries: an unpatched Xen puts the 9th vCPU to sleep
# in a waitqueue, which keeps a reference of the domain and makes a livepatch
# fail with EBUSY. RIG_HYPERVISOR says which Xen this is: the same steps must
# show the waitqueue on `stock` (else the test proves nothing) and none on
# `patched`. Both must deliver every event once the client goes on.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan 8-vcpus-no-waiter 9-vcpus 12-vcpus livepatch all-delivered
payload=/livepatch/xen_hello_world.livepatch
delivered=yes

all_paused() { [ "$(paused_of "$(domain_dump)")" = "$vcpus" ]; }

# hold VCPUS: every vCPU has a request outstanding; sets WAITERS.
hold()
{
    vcpus=$1
    guest_boot "$vcpus" gr reply count=20 || return 1
    legacy-monitor --domid "$DOMID" -c $((vcpus * 20)) --reply --duration 60 \
        >/tmp/monitor 2>&1 &
    monitor=$!
    wait_for_line attached /tmp/monitor 20 || return 1
    before=$(domain_dump)
    kill -STOP "$monitor"
    guestmem "$DOMID" run
    wait_until 20 all_paused || return 1
    after=$(domain_dump)
    waiters=$(($(refcnt_of "$after") - $(refcnt_of "$before")))
    note "$vcpus vCPUs, answers withheld: before $before, after $after"
}

# go_on: the client takes up its work; nothing may be lost.
go_on()
{
    kill -CONT "$monitor"
    wait "$monitor"
    guestmem "$DOMID" wait-done 20
    guestmem "$DOMID" show >/tmp/counts
    want=$((vcpus * 20))
    if [ "$(total received /tmp/monitor)" != $want ] ||
        [ "$(total checked /tmp/counts)" != $want ] ||
        [ "$(total mismatched /tmp/counts)" != 0 ]; then
        delivered="$vcpus vCPUs: $(grep ^total /tmp/monitor); $(grep ^total /tmp/counts)"
    fi
    guest_destroy
}

# judge_waiters NAME WANTED-ON-STOCK
judge_waiters()
{
    wanted=0
    [ "$RIG_HYPERVISOR" != stock ] || wanted=$2
    if [ "$waiters" = "$wanted" ]; then
        pass "$1" "$waiters vCPUs wait inside Xen, as expected of $RIG_HYPERVISOR"
    else
        fail "$1" "$waiters vCPUs wait inside Xen, expected of $RIG_HYPERVISOR: $wanted"
    fi
}

try_livepatch()
{
    xen-livepatch load $payload >/tmp/livepatch 2>&1
    loaded=$?
    cat /tmp/livepatch
    xen-livepatch list | tee /tmp/livepatch-list
    if [ "$RIG_HYPERVISOR" = stock ]; then
        if [ $loaded != 0 ] && grep -q 'busy' /tmp/livepatch; then
            pass livepatch "refused: $(grep busy /tmp/livepatch | head -n 1)"
        else
            fail livepatch "not refused although vCPUs wait: $(tr '\n' ' ' </tmp/livepatch)"
        fi
    elif [ $loaded = 0 ] && grep -q 'xen_hello_world.*APPLIED' /tmp/livepatch-list; then
        pass livepatch "applied with every vCPU's request outstanding"
    else
        fail livepatch "$(tr '\n' ' ' </tmp/livepatch)"
    fi
    xen-livepatch revert xen_hello_world >/dev/null 2>&1
    xen-livepatch unload xen_hello_world >/dev/null 2>&1
}

if hold 8; then judge_waiters 8-vcpus-no-waiter 0; fi
go_on
if hold 9; then judge_waiters 9-vcpus 1; fi
try_livepatch
go_on
if hold 12; then judge_waiters 12-vcpus 4; fi
go_on

if [ "$delivered" = yes ]; then
    pass all-delivered "every request of 8, 9 and 12 vCPUs arrived and was answered"
else
    fail all-delivered "$delivered"
fi
