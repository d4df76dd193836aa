# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# A livepatch applies while each vCPU waits for the answer to an access.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan every-slot delivered
vcpus=8 count=5

pending()
{
    agent v2 --status "$DOMID" -o text | sed -n 's/.*, pending \([0-9]*\),.*/\1/p'
}
all_pending() { [ "$(pending)" = "$vcpus" ]; }

# patch: applies and takes back; its own words in /tmp/patch.
patch()
{
    xen-livepatch load /livepatch/xen_hello_world.livepatch >/tmp/patch 2>&1 &&
        xl info | grep -q 'xen_extra.*Hello World' &&
        xen-livepatch revert xen_hello_world >>/tmp/patch 2>&1 &&
        xen-livepatch unload xen_hello_world >>/tmp/patch 2>&1
}

guest_boot $vcpus "w gr count=$count" || exit 1
agent_start v2 -e mem=41200-413ff/rx,guest-request --rearm -q || exit 1
kill -STOP "$AGENT"
guestmem "$DOMID" run
wait_until 60 all_pending
before=$(pending)
if patch && [ "$before" = "$vcpus" ] && [ "$(pending)" = "$vcpus" ]; then
    pass every-slot "applied and reverted with $before of $vcpus slots outstanding, before and after"
else
    fail every-slot "pending $before, then $(pending): $(tr '\n' ' ' </tmp/patch)"
fi
kill -CONT "$AGENT"
guestmem "$DOMID" wait-done 60
agent_stop
want=$((2 * vcpus * count))
if [ "$(total answered /tmp/agent.err)" = $want ]; then
    pass delivered "all $want events arrived and were answered after that"
else
    fail delivered "$want wanted: $(grep ^total /tmp/agent.err)"
fi
guest_destroy
