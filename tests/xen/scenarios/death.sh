# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# kill -9 of an agent that has every vCPU's request: the guest goes on (policy
# DETACH), the next agent attaches at once and says what was let go.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan outstanding guest-goes-on second-attaches first-report hold
vcpus=4

pending() { agent v2 --status "$DOMID" -o text | sed -n 's/.*, pending \([0-9]*\),.*/\1/p'; }
all_pending() { [ "$(pending)" = "$vcpus" ]; }

# stall OPTION...: an agent that holds one request of each vCPU.
stall()
{
    guest_boot "$vcpus" gr || return 1
    agent_start v2 -e guest-request -q "$@" || return 1
    kill -STOP "$AGENT"
    guestmem "$DOMID" run
    wait_until 10 all_pending
}

made() { guestmem "$DOMID" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p'; }

if stall; then
    pass outstanding "$vcpus requests are pending"
else
    fail outstanding "$(pending) of $vcpus requests are pending"
fi
before=$(made)
kill -KILL "$AGENT"
wait "$AGENT"
if guestmem "$DOMID" wait-count $((before + 1000)) 20; then
    pass guest-goes-on "1000 iterations after the agent was killed"
else
    fail guest-goes-on "$(made) iterations, $before when the agent was killed"
fi

if agent_start v2 -e guest-request -c 100 --per-vcpu; then
    wait "$AGENT"
    status=$?
else
    status=none
fi
cat /tmp/agent.err
if [ "$status" = 0 ] && [ "$(total received /tmp/agent.err)" -ge 100 ]; then
    pass second-attaches "no EBUSY; $(grep ^total /tmp/agent.err)"
else
    fail second-attaches "exit $status: $(head -n 1 /tmp/agent.err)"
fi
if [ "$(head -n 1 /tmp/agent.out)" = "released $vcpus requests left unanswered by the previous agent" ]; then
    pass first-report "$(head -n 1 /tmp/agent.out)"
else
    fail first-report "$(head -n 1 /tmp/agent.out)"
fi
guest_destroy

# Under HOLD the requests wait for the next agent instead, none is let go.
stall --on-death hold
before=$(made)
kill -KILL "$AGENT"
wait "$AGENT"
sleep 1
after=$(made)
: >/tmp/agent.err
if [ "$before" = "$after" ] &&
    agent_start v2 -e guest-request -q --on-death hold --reattach -c 200; then
    wait "$AGENT"
    status=$?
    if [ $status = 0 ] && [ "$(total answered /tmp/agent.err)" -ge 200 ] &&
        ! grep -q '^released' /tmp/agent.out; then
        pass hold "all vCPUs stood still until the next agent answered"
    else
        fail hold "exit $status: $(head -n 1 /tmp/agent.out) $(grep ^total /tmp/agent.err)"
    fi
else
    fail hold "$before iterations when the agent died, $after a second later; $(head -n 1 /tmp/agent.err)"
fi
guest_destroy
