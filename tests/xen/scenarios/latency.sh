# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# vmi-latency in dom0, while vmi-agent answers a guest: what it counts must fit
# with what the agent and the kernel count.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan stages agrees nobody

guest_boot 4 gr || exit 1
agent_start v2 -e guest-request -q || exit 1

interrupts()
{
    awk '/evtchn:vmi-agent/ { n += $2 } END { print n + 0 }' /proc/interrupts
}

before=$(interrupts)
vmi-latency --pid "$AGENT" --comm vmi-agent >/tmp/latency 2>&1 &
measuring=$!
if ! wait_for_line '^# measuring' /tmp/latency 30; then
    note "vmi-latency did not start: $(tr '\n' ' ' </tmp/latency)"
fi
guestmem "$DOMID" run
guestmem "$DOMID" wait-count 2000 60
guestmem "$DOMID" stop
guestmem "$DOMID" wait-done 20
kill -INT $measuring
wait $measuring
status=$?
after=$(interrupts)
agent_stop
cat /tmp/latency

# stage NAME: how often it was measured.
stage() { sed -n "s/^$1: \([0-9]*\).*/\1/p" /tmp/latency; }
seen=$(sed -n 's/^interrupts of evtchn:vmi-agent: \([0-9]*\),.*/\1/p' /tmp/latency)
unwoken=$(sed -n 's/.* of which \([0-9]*\) found.*/\1/p' /tmp/latency)
answers=$(sed -n 's/.*answers: \([0-9]*\)$/\1/p' /tmp/latency)
woke=$(stage 'interrupt to wake-up') ran=$(stage 'wake-up to run')
answered=$(stage 'run to answer')

if [ $status = 0 ] && [ "${woke:-0}" -gt 0 ] && [ "${ran:-0}" -gt 0 ] &&
    [ "${answered:-0}" -gt 0 ]; then
    pass stages "$woke wake-ups, $ran runs, $answered answers measured"
else
    fail stages "exit $status: $(tr '\n' ' ' </tmp/latency)"
fi

# The kernel's count begins before ours and ends after it. No thread runs, or
# answers, more often than it was woken, and each interrupt wakes at most one.
if [ "${seen:-0}" -gt 0 ] && [ "$seen" -le $((after - before)) ] &&
    [ $((woke + unwoken)) = "$seen" ] && [ "$ran" -le "$woke" ] &&
    [ "$answered" -le "$ran" ] && [ "$answers" = "$answered" ] &&
    [ "$answered" -le "$(total answered /tmp/agent.err)" ]; then
    pass agrees "$seen interrupts of $((after - before)) in the kernel's count, $answered answers of $(total answered /tmp/agent.err) events"
else
    fail agrees "seen $seen of $((after - before)), woke $woke, unwoken $unwoken, ran $ran, answered $answered ($answers)"
fi

vmi-latency --comm nobody --duration 1 >/tmp/latency 2>&1
status=$?
judge nobody "without such an agent it says so, exit 3" [ $status = 3 ]
guest_destroy
