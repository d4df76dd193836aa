# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# 12 vCPUs in a tight loop of asynchronous requests, a ring of 64 KiB, and an
# agent that sleeps for a second between batches: the guest never waits, events
# are lost, and every one of them is accounted for.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan guest-goes-on lost accounted guest-agrees no-pauses
vcpus=12

guest_boot "$vcpus" gr || exit 1
agent_start v2 -e guest-request:async -q --ring 64K --batch-sleep 1000 \
    --per-vcpu || exit 1
guestmem "$DOMID" run
guestmem "$DOMID" wait-count 1000 20
guestmem "$DOMID" rates "$AGENT" 10 >/tmp/rates
cat /tmp/rates
guestmem "$DOMID" stop
guestmem "$DOMID" wait-done 20 || note "vCPUs are stuck"
guestmem "$DOMID" show >/tmp/counts
agent_stop
status=$?
cat /tmp/counts /tmp/agent.err

ratio=$(sed -n 's/^ratio=//p' /tmp/rates)
if [ "${ratio:-0}" -ge 50 ]; then
    pass guest-goes-on "the slowest vCPU runs at $ratio % of its rate while the agent sleeps ($(grep ^asleep /tmp/rates); $(grep ^awake /tmp/rates))"
else
    fail guest-goes-on "$(tr '\n' ' ' </tmp/rates)"
fi

lost=$(total lost /tmp/agent.err)
if [ $status = 0 ] && [ "${lost:-0}" -gt 0 ]; then
    pass lost "$(grep ^total /tmp/agent.err)"
else
    fail lost "exit $status, $(grep ^total /tmp/agent.err)"
fi

# Per vCPU: what the guest made, Xen produced, and the agent received or lost.
accounted='' agrees=''
v=0
while [ $v -lt "$vcpus" ]; do
    produced=$(vcpu_value produced /tmp/agent.err $v)
    received=$(vcpu_value received /tmp/agent.err $v)
    gone=$(vcpu_value lost /tmp/agent.err $v)
    made=$(vcpu_value iterations /tmp/counts $v)
    if [ -z "$produced" ] || [ "$produced" != $((received + gone)) ]; then
        accounted="$accounted vcpu $v: $produced produced, $received received, $gone lost;"
    fi
    if [ "$made" != "$produced" ]; then
        agrees="$agrees vcpu $v: $made made, $produced produced;"
    fi
    v=$((v + 1))
done
if [ -z "$accounted" ]; then
    pass accounted "on each of $vcpus vCPUs produced = received + lost"
else
    fail accounted "$accounted"
fi
if [ -z "$agrees" ]; then
    pass guest-agrees "each vCPU made as many requests as Xen produced records"
else
    fail guest-agrees "$agrees"
fi

# shellcheck disable=SC2046 # smallest and largest, two words
set -- $(spread pauses /tmp/agent.err)
if [ "$1" = 0 ] && [ "$2" = 0 ]; then
    pass no-pauses "Xen paused no vCPU"
else
    fail no-pauses "Xen paused vCPUs up to ${2:-?} times"
fi
guest_destroy
