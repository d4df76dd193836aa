# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# From one vCPU to 128: create, subscribe, 1000 events per vCPU, destroy; and
# that creating and destroying gives back every page.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan vcpus-1 vcpus-8 vcpus-9 vcpus-64 vcpus-128 memory-returns
each=${RIG_EVENTS_EACH:-1000} cycles=${RIG_CYCLES:-50}

# run VCPUS COUNT LIMIT: sets status, leaves /tmp/counts and /tmp/agent.err.
run()
{
    status=none
    guest_boot "$1" gr reply "count=$2" || return 1
    if ! agent_start v2 -e guest-request -q --reply --per-vcpu; then
        guest_destroy
        return 1
    fi
    guestmem "$DOMID" run
    guestmem "$DOMID" wait-done "$3" || note "$1 vCPUs: not done after $3 s"
    guestmem "$DOMID" show >/tmp/counts
    agent_stop
    status=$?
    guest_destroy
}

for vcpus in 1 8 9 64 128; do
    : >/tmp/counts
    run $vcpus "$each" 240
    want=$((vcpus * each))
    if [ "$status" = 0 ] && [ "$(total checked /tmp/counts)" = $want ] &&
        [ "$(total mismatched /tmp/counts)" = 0 ] &&
        [ "$(total answered /tmp/agent.err)" = $want ]; then
        pass "vcpus-$vcpus" "$want requests made, answered and checked"
    else
        fail "vcpus-$vcpus" "exit $status; guest: $(grep ^total /tmp/counts); agent: $(grep ^total /tmp/agent.err)"
    fi
done

# Teardown of a domain goes on for a moment after xl has returned.
settled()
{
    now=$(free_memory)
    [ "$now" -ge $((wanted - 1)) ]
}

# Until what is free has not changed for ten looks in a row.
steady()
{
    [ "$(free_memory)" = "$last" ] && looks=$((looks + 1)) || looks=0
    last=$(free_memory)
    [ $looks -ge 10 ]
}

# One cycle first: what Xen allocates once stays allocated.
run 4 20 30 || note "the first cycle failed"
last='' looks=0
wait_until 60 steady || note "free memory goes on changing"
wanted=$last
cycle=0
while [ $cycle -lt "$cycles" ]; do
    if [ $((cycle % 2)) = 0 ]; then
        run 4 20 30
    else
        # The agent is still there when its domain goes.
        guest_boot 4 gr && agent_start v2 -e guest-request -q
        guestmem "$DOMID" run
        guest_destroy
        wait "$AGENT"
    fi
    cycle=$((cycle + 1))
done
if wait_until 60 settled; then
    pass memory-returns "$wanted MiB free before, $now after $cycles cycles"
else
    fail memory-returns "$wanted MiB free before, $now MiB after $cycles cycles"
fi
