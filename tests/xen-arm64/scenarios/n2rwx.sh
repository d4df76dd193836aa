# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Asynchronous memory accesses (n2rwx) of 8 vCPUs. Under v2 the ring holds a few
# of them and the agent is slow: on each vCPU Xen produced as many records as
# the guest opened pages, and each was received or is counted as lost. With a
# larger ring, and under the legacy ABI, nothing is lost.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan v2-lost v2-accounted v2-guest-agrees v2-all legacy-all
vcpus=8 touch=64

# run ABI COUNT OPTION...
run()
{
    abi=$1 count=$2 status=none
    shift 2
    guest_boot "$vcpus" "w gr touch=$touch count=$count" || return 1
    if agent_start "$abi" -e mem=41200-413ff/n2rwx,guest-request -q \
        --per-vcpu "$@"; then
        guestmem "$DOMID" run
        guestmem "$DOMID" wait-done 90 || note "vCPUs are stuck"
        guestmem "$DOMID" show
        agent_stop
        status=$?
    fi
    cat /tmp/agent.err
    guest_destroy
}

run v2 1 --ring 4K --batch 32 --batch-sleep 20
lost=$(total lost /tmp/agent.err)
if [ "$status" = 0 ] && [ "${lost:-0}" -gt 0 ]; then
    pass v2-lost "$(grep ^total /tmp/agent.err)"
else
    fail v2-lost "exit $status, $(grep ^total /tmp/agent.err)"
fi
accounted='' agrees=''
v=0
while [ $v -lt "$vcpus" ]; do
    produced=$(vcpu_value produced /tmp/agent.err $v)
    received=$(vcpu_value received /tmp/agent.err $v)
    gone=$(vcpu_value lost /tmp/agent.err $v)
    raised=$(vcpu_value raised /tmp/agent.err $v)
    [ "$((received + gone))" = "$((produced + raised))" ] ||
        accounted="$accounted vcpu $v: $produced produced, $raised raised, $received received, $gone lost;"
    if [ "$produced" != $((touch * count)) ] || [ "$raised" != "$count" ]; then
        agrees="$agrees vcpu $v: $produced of $((touch * count)), $raised of $count;"
    fi
    v=$((v + 1))
done
if [ -z "$accounted" ]; then
    pass v2-accounted "on each of $vcpus vCPUs produced + raised = received + lost"
else
    fail v2-accounted "$accounted"
fi
if [ -z "$agrees" ]; then
    pass v2-guest-agrees "each vCPU opened $((touch * count)) pages, Xen produced as many records"
else
    fail v2-guest-agrees "$agrees"
fi

# all ABI OPTION...: with room enough, and pages watched again after each round.
all()
{
    abi=$1
    shift
    run "$abi" 5 --rearm "$@"
    want=$((vcpus * (touch * 5 + 5)))
    if [ "$status" = 0 ] && [ "$(total received /tmp/agent.err)" = $want ]; then
        pass "$abi-all" "$want of $want events, none lost"
    else
        fail "$abi-all" "exit $status, $want wanted: $(grep ^total /tmp/agent.err)"
    fi
}

all v2 --ring 1M
all legacy
