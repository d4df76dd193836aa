# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# A livepatch applies with every slot outstanding and with every ring full.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan every-slot every-ring delivered
vcpus=12

status_text() { agent v2 --status "$DOMID" -o text; }
pending() { status_text | sed -n 's/.*, pending \([0-9]*\),.*/\1/p'; }
all_pending() { [ "$(pending)" = "$vcpus" ]; }
lost_everywhere()
{
    [ "$(status_text | grep -c '^vcpu .* lost=[1-9]')" = "$vcpus" ]
}

# patch: applies and takes back; its own words in /tmp/patch.
patch()
{
    xen-livepatch load /livepatch/xen_hello_world.livepatch >/tmp/patch 2>&1 &&
        xl info | grep -q 'xen_extra.*Hello World' &&
        xen-livepatch revert xen_hello_world >>/tmp/patch 2>&1 &&
        xen-livepatch unload xen_hello_world >>/tmp/patch 2>&1
}

guest_boot "$vcpus" gr reply count=20 || exit 1
agent_start v2 -e guest-request -q --reply || exit 1
kill -STOP "$AGENT"
guestmem "$DOMID" run
wait_until 20 all_pending
before=$(pending)
if patch && [ "$before" = "$vcpus" ] && [ "$(pending)" = "$vcpus" ]; then
    pass every-slot "applied and reverted with $before of $vcpus slots outstanding, before and after"
else
    fail every-slot "pending $before, then $(pending): $(tr '\n' ' ' </tmp/patch)"
fi
kill -CONT "$AGENT"
guestmem "$DOMID" wait-done 20
guestmem "$DOMID" show >/tmp/counts
agent_stop
want=$((vcpus * 20))
if [ "$(total checked /tmp/counts)" = $want ] &&
    [ "$(total mismatched /tmp/counts)" = 0 ] &&
    [ "$(total answered /tmp/agent.err)" = $want ]; then
    pass delivered "every request arrived and was answered after that"
else
    fail delivered "$(grep ^total /tmp/counts) $(grep ^total /tmp/agent.err)"
fi
guest_destroy

guest_boot "$vcpus" gr || exit 1
agent_start v2 -e guest-request:async -q --ring 4K --split-rings || exit 1
kill -STOP "$AGENT"
guestmem "$DOMID" run
wait_until 20 lost_everywhere
if lost_everywhere && patch; then
    pass every-ring "applied and reverted while each of $vcpus rings was full"
else
    fail every-ring "$(tr '\n' ' ' </tmp/patch)"
fi
kill -CONT "$AGENT"
guestmem "$DOMID" stop
agent_stop
guest_destroy
