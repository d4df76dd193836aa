# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# vmi-agent over the ABI that every Xen has, on the unpatched hypervisor as on
# ours: it prints the events, answers them, and takes the right ABI by itself.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan prints json auto refuses-v2

guest_boot 2 gr reply
agent_start legacy -e guest-request -c 10 --reply --per-vcpu
guestmem "$DOMID" run
wait "$AGENT"
status=$?
guestmem "$DOMID" stop
guestmem "$DOMID" wait-done 10
cat /tmp/agent.out /tmp/agent.err
lines=$(grep -c ' guest-request .*sync' /tmp/agent.out)
if [ $status = 0 ] && [ "$lines" = 10 ] &&
    [ "$(total received /tmp/agent.err)" = 10 ] &&
    [ "$(total answered /tmp/agent.err)" = 10 ]; then
    pass prints "$(grep -m1 ' guest-request ' /tmp/agent.out)"
else
    fail prints "exit $status, $lines lines, $(grep ^total /tmp/agent.err)"
fi
guest_destroy

guest_boot 1 gr
vmi-agent --domid "$DOMID" --abi legacy -e guest-request -c 3 -o json \
    >/tmp/json 2>/tmp/agent.err &
AGENT=$!
guestmem "$DOMID" run
wait "$AGENT"
cat /tmp/json
hand_out /tmp/json events.json
if [ "$(grep -c '^{.*"guest-request".*}$' /tmp/json)" -ge 3 ]; then
    pass json "$(grep -m1 '"guest-request"' /tmp/json | cut -c1-160)"
else
    fail json "$(head -n 1 /tmp/json)"
fi
guest_destroy

if [ "$RIG_HYPERVISOR" = stock ]; then
    wanted=legacy refused=7
else
    wanted=v2 refused=0
fi
guest_boot 1 gr
vmi-agent --domid "$DOMID" -e guest-request -o text -c 1 >/tmp/agent.out 2>&1 &
AGENT=$!
guestmem "$DOMID" run
wait "$AGENT"
if grep -q "abi $wanted" /tmp/agent.out; then
    pass auto "--abi auto takes $wanted on the $RIG_HYPERVISOR hypervisor"
else
    fail auto "$(head -n 3 /tmp/agent.out | tr '\n' ' ')"
fi
vmi-agent --domid "$DOMID" --abi v2 -e guest-request -o text -c 1 \
    >/tmp/agent.out 2>&1
status=$?
if [ $status = $refused ]; then
    pass refuses-v2 "--abi v2 ends with status $status on the $RIG_HYPERVISOR hypervisor"
else
    fail refuses-v2 "--abi v2 ended with status $status: $(head -n 2 /tmp/agent.out | tr '\n' ' ')"
fi
guest_destroy
