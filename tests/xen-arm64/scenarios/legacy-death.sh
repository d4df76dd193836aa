# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What legacy cannot do (docs/CAVEATS.md): an agent that was killed leaves its
# pages watched and the vCPUs waiting that ran into them. The next one frees them.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan waits next-agent

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
if agent_start legacy -q --rearm -e mem=41200-413ff/rx,guest-request &&
    wait_until 60 moves; then
    pass next-agent "$(made) iterations, $was before"
else
    fail next-agent "$was iterations, $(made) now: $(tr '\n' ' ' </tmp/agent.err)"
fi
agent_stop
guest_destroy
