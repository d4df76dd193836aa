# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# 12 vCPUs in a tight loop of synchronous requests, each answered by vmi-agent
# with a changed register that the guest checks, over both ABIs. The guest's
# counters and the agent's must agree to the last event.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan v2-answered v2-fair v2-pauses legacy-answered legacy-fair
vcpus=12 events=${RIG_SYNC_EVENTS:-100000}

# run ABI: leaves /tmp/counts (the guest's) and /tmp/agent.err.
run()
{
    guest_boot "$vcpus" gr reply || return 1
    agent_start "$1" -e guest-request -q --reply --per-vcpu || return 1
    began=$(date +%s)
    guestmem "$DOMID" run
    guestmem "$DOMID" wait-count "$events" 240 || note "slow: $events not reached"
    guestmem "$DOMID" stop
    guestmem "$DOMID" wait-done 20 || note "vCPUs are stuck"
    note "$1: $events events in $(($(date +%s) - began)) s"
    guestmem "$DOMID" show >/tmp/counts
    agent_stop
    status=$?
    guest_destroy
    cat /tmp/counts /tmp/agent.err
}

# judge_run ABI
judge_run()
{
    made=$(total iterations /tmp/counts)
    if [ "$status" = 0 ] && [ "$made" -ge "$events" ] &&
        [ "$(total checked /tmp/counts)" = "$made" ] &&
        [ "$(total mismatched /tmp/counts)" = 0 ] &&
        [ "$(total received /tmp/agent.err)" = "$made" ] &&
        [ "$(total answered /tmp/agent.err)" = "$made" ] &&
        [ "$(total lost /tmp/agent.err)" = 0 ] &&
        [ "$(grep -c 'phase=done' /tmp/counts)" = "$vcpus" ]; then
        pass "$1-answered" "$made requests of $vcpus vCPUs: guest and agent agree, no reply wrong"
    else
        fail "$1-answered" "exit $status; guest: $(grep ^total /tmp/counts); agent: $(grep ^total /tmp/agent.err)"
    fi

    # shellcheck disable=SC2046 # smallest and largest, two words
    set -- "$1" $(spread iterations /tmp/counts)
    if [ "${2:-0}" -gt 0 ] && [ "$3" -lt $((3 * $2)) ]; then
        pass "$1-fair" "$2 to $3 requests per vCPU"
    else
        fail "$1-fair" "$2 to $3 requests per vCPU"
    fi
}

run v2 && judge_run v2
# shellcheck disable=SC2046
set -- $(spread pauses /tmp/agent.err)
if [ "${1:-0}" -gt 0 ]; then
    pass v2-pauses "Xen counts $1 to $2 pauses per vCPU"
else
    fail v2-pauses "Xen counts ${1:-no} pauses"
fi

run legacy && judge_run legacy
