# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# A hypervisor built without the legacy ABI (VM_EVENT_LEGACY=n): its clients
# are refused, version 2 works.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan client-refused agent-refused v2-works

guest_boot 2 gr reply count=100 || exit 1
legacy-monitor --domid "$DOMID" -c 1 >/tmp/monitor 2>&1
status=$?
if [ $status != 0 ] && grep -q 'xc_monitor_enable' /tmp/monitor; then
    pass client-refused "$(cat /tmp/monitor)"
else
    fail client-refused "exit $status: $(cat /tmp/monitor)"
fi

vmi-agent --domid "$DOMID" --abi legacy -e guest-request -c 1 >/tmp/legacy 2>&1
status=$?
if [ $status = 7 ]; then
    pass agent-refused "$(head -n 1 /tmp/legacy)"
else
    fail agent-refused "exit $status: $(head -n 1 /tmp/legacy)"
fi

agent_start auto -e guest-request -q --reply || exit 1
guestmem "$DOMID" run
guestmem "$DOMID" wait-done 20
guestmem "$DOMID" show >/tmp/counts
agent_stop
if [ "$(total checked /tmp/counts)" = 200 ] &&
    [ "$(total mismatched /tmp/counts)" = 0 ] &&
    [ "$(total answered /tmp/agent.err)" = 200 ]; then
    pass v2-works "$(grep ^total /tmp/agent.err)"
else
    fail v2-works "$(grep ^total /tmp/counts) $(grep ^total /tmp/agent.err)"
fi
guest_destroy
