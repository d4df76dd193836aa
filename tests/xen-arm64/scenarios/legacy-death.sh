# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What legacy cannot do (docs/CAVEATS.md): an agent that was killed leaves its
# pages watched, the vCPUs waiting that ran into them, and no room for the next
# one, until somebody lets go (--release).
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan waits released next-agent

made() { guestmem "$DOMID" show | sed -n 's/^total.*iterations=\([0-9]*\).*/\1/p'; }
stands() { was=$(made); usleep 500000; [ "$(made)" = "$was" ]; }
moves() { [ "$(made)" -gt "$was" ]; }

guest_boot 4 w gr || exit 1
agent_start legacy -q --rearm -e mem=41200-413ff/rx,guest-request || exit 1
guestmem "$DOMID" run
guestmem "$DOMID" wait-count 20 60
kill -KILL "$AGENT"
wait "$AGENT"
if wait_until 30 stands && ! wait_until 3 moves; then
    pass waits "every vCPU waits after kill -9, $was iterations made"
else
    fail waits "the guest goes on: $was, $(made) iterations"
fi
# The next agent is refused until somebody lets go of what the dead one held.
legacy() { vmi-agent --abi legacy "$@" 2>/tmp/refused; }
legacy --domid "$DOMID" -e guest-request -c 1
refused=$?
if [ $refused != 0 ] && grep -q -- --release /tmp/refused &&
    legacy --release "$DOMID" && wait_until 60 moves; then
    pass released "the next agent is refused (status $refused); after --release $(made) iterations, $was before"
else
    fail released "status $refused, $was iterations, $(made) now: $(tr '\n' ' ' </tmp/refused)"
fi
was=$(made)
if agent_start legacy -q --rearm -e mem=41200-413ff/rx,guest-request &&
    wait_until 60 moves; then
    agent_stop
    pass next-agent "exit $?, $(grep ^total /tmp/agent.err)"
else
    fail next-agent "$was iterations, $(made) now: $(tr '\n' ' ' </tmp/agent.err)"
fi
guest_destroy
