# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# The agent is killed again and again while requests are in flight. Under v2 and
# HOLD the next one finds them all; under legacy it must first be let go of.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan v2-nothing-lost v2-memory legacy-goes-on
kills=${RIG_KILLS:-60} legacy_kills=${RIG_LEGACY_KILLS:-10} vcpus=4

# The sum of a counter over the vCPUs, as Xen has it.
xen_sum()
{
    agent v2 --status "$DOMID" -o text |
        sed -n "s/^vcpu .* $1=\([0-9]*\).*/\1/p" |
        awk '{ n += $1 } END { print n + 0 }'
}
memory_is_back() { [ "$(free_memory)" -ge $((free - 1)) ]; }
made() { guestmem "$DOMID" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p'; }

# Another moment each time, the same ones in each run.
moment() { usleep $(($1 * 7919 % 50 * 2000)); }

free=$(free_memory)
guest_boot "$vcpus" gr reply || exit 1
agent_start v2 -e guest-request -q --reply --on-death hold || exit 1
guestmem "$DOMID" run
i=0
while [ "$i" -lt "$kills" ]; do
    i=$((i + 1))
    moment $i
    kill -KILL "$AGENT"
    wait "$AGENT" 2>/dev/null
    agent_start v2 -e guest-request -q --reply --on-death hold --reattach || break
done
guestmem "$DOMID" wait-count $(($(made) + 100)) 30
guestmem "$DOMID" stop
guestmem "$DOMID" wait-done 30
stuck=$?
guestmem "$DOMID" show >/tmp/counts
answered=$(xen_sum answered) raised=$(xen_sum raised)
ended="released $(xen_sum released) cancelled $(xen_sum cancelled)"
made=$(total iterations /tmp/counts)
agent_stop
if [ "$i" = "$kills" ] && [ $stuck = 0 ] && [ "$made" -gt 0 ] &&
    [ "$answered" = "$made" ] && [ "$raised" = "$made" ] &&
    [ "$ended" = "released 0 cancelled 0" ] &&
    [ "$(total checked /tmp/counts)" = "$made" ] &&
    [ "$(total mismatched /tmp/counts)" = 0 ]; then
    pass v2-nothing-lost "$kills kills: $made requests made, raised and answered, each answer right; $ended"
else
    fail v2-nothing-lost "$i kills, stuck $stuck, raised $raised answered $answered $ended; guest: $(grep ^total /tmp/counts)"
fi
guest_destroy
if wait_until 20 memory_is_back; then
    pass v2-memory "$free MiB free before and after, no domain left"
else
    fail v2-memory "$free MiB free before, $(free_memory) MiB after; $(xl list | tail -n +3)"
fi

# Weaker: what waits when a legacy agent dies is let go by --release, unanswered.
guest_boot "$vcpus" gr || exit 1
guestmem "$DOMID" run
i=0
while [ "$i" -lt "$legacy_kills" ]; do
    agent_start legacy -e guest-request -q || break
    i=$((i + 1))
    moment $i
    kill -KILL "$AGENT"
    wait "$AGENT" 2>/dev/null
    vmi-agent --abi legacy --release "$DOMID" 2>/tmp/release || break
    guestmem "$DOMID" wait-count $(($(made) + 100)) 20 || break
done
if [ "$i" = "$legacy_kills" ] &&
    guestmem "$DOMID" wait-count $(($(made) + 100)) 20; then
    pass legacy-goes-on "$i kills: after each --release all went on"
else
    fail legacy-goes-on "$i kills: $(tail -n 1 /tmp/release) $(tail -n 1 /tmp/agent.err)"
fi
guest_destroy
