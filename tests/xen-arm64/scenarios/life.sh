# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# 1 and 128 vCPUs whose accesses are watched; destruction of a guest while its
# pages are watched and its vCPUs wait; no room that stays taken.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan vcpus-1 vcpus-128 destroyed memory-returns
count=${RIG_LIFE_COUNT:-3}

run()
{
    status=none
    : >/tmp/counts
    guest_boot "$1" "w gr count=$count" || return 1
    if agent_start v2 -e mem=41200-413ff/rx,guest-request --rearm -q; then
        guestmem "$DOMID" run
        guestmem "$DOMID" wait-done 120 || note "$1 vCPUs: not done"
        guestmem "$DOMID" show >/tmp/counts
        agent_stop
        status=$?
    fi
    guest_destroy
}

for vcpus in 1 128; do
    run $vcpus
    want=$((vcpus * count))
    if [ "$status" = 0 ] && [ "$(total iterations /tmp/counts)" = $want ] &&
        [ "$(total answered /tmp/agent.err)" = $((2 * want)) ]; then
        pass "vcpus-$vcpus" "$want writes and $want requests made and answered"
    else
        fail "vcpus-$vcpus" "exit $status; guest: $(grep ^total /tmp/counts); agent: $(grep ^total /tmp/agent.err)"
    fi
done

free_memory() { xl info | awk '/^free_memory/ { print $3 }'; }
settled() { [ "$(free_memory)" -ge "$1" ]; }

# The agent has a request of each vCPU when the guest goes.
destroy_under_watch()
{
    guest_boot 4 w gr || return 1
    agent_start v2 -e mem=41200-413ff/rx,guest-request -q || return 1
    guestmem "$DOMID" run
    guestmem "$DOMID" wait-count 20 60
    kill -STOP "$AGENT"
    xl destroy guest
    kill -CONT "$AGENT"
    wait "$AGENT"
    ended=$?
}

destroy_under_watch
before=$(free_memory) codes=''
while [ ${#codes} -lt 6 ]; do
    destroy_under_watch || break
    codes="$codes $ended"
done
# 8: the domain went away while it was watched.
if [ "$codes" = " 8 8 8" ] && grep -q '^total' /tmp/agent.err; then
    pass destroyed "3 agents noticed and ended with status 8"
else
    fail destroyed "exit statuses$codes: $(head -n 2 /tmp/agent.err)"
fi
if wait_until 30 settled "$before"; then
    pass memory-returns "$(free_memory) MiB free, as before"
else
    fail memory-returns "$(free_memory) MiB free, $before before"
fi
