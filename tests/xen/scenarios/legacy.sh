# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# A guest's requests reach a client of the kind that exists today, its answers
# reach the guest, and the guest's own counters agree. On an unpatched
# hypervisor this shows that the rig works, on ours that nothing changed.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan monitor-sees-all guest-agrees registers

# one VCPUS COUNT TOTAL EVENTS WORDS...: runs the client, until it has seen
# TOTAL events, beside a guest that makes COUNT iterations on each vCPU; leaves
# /tmp/monitor and /tmp/counts.
one()
{
    vcpus=$1 each=$2 all=$3 events=$4
    shift 4
    guest_boot "$vcpus" "count=$each" "$@" || return 1
    legacy-monitor --domid "$DOMID" -e "$events" --duration 60 --reply \
        -c "$all" --per-vcpu >/tmp/monitor 2>&1 &
    monitor=$!
    wait_for_line attached /tmp/monitor 20
    guestmem "$DOMID" run
    wait "$monitor"
    guestmem "$DOMID" wait-done 20
    guestmem "$DOMID" show >/tmp/counts
    guest_destroy
    cat /tmp/monitor /tmp/counts
}

one 2 50 100 guest-request gr reply
if [ "$(total received /tmp/monitor)" = 100 ] &&
    [ "$(total answered /tmp/monitor)" = 100 ]; then
    pass monitor-sees-all "100 guest requests of 2 vCPUs received and answered"
else
    fail monitor-sees-all "$(grep ^total /tmp/monitor)"
fi

if [ "$(total iterations /tmp/counts)" = 100 ] &&
    [ "$(total checked /tmp/counts)" = 100 ] &&
    [ "$(total mismatched /tmp/counts)" = 0 ]; then
    pass guest-agrees "the guest made 100 requests and saw 100 right answers"
else
    fail guest-agrees "$(grep ^total /tmp/counts)"
fi

one 1 20 160 cr0,cr3,cr4,msr,cpuid,desc cr0 cr3 cr4 msr cpuid desc
# Each iteration: four writes, one CPUID, SGDT, SIDT and LIDT.
if [ "$(total kept /tmp/counts)" = 80 ] &&
    [ "$(total cpuid_replaced /tmp/counts)" = 20 ] &&
    [ "$(total received /tmp/monitor)" = 160 ]; then
    pass registers "control registers, MSR, CPUID and descriptor tables: $(grep ^total /tmp/monitor)"
else
    fail registers "$(grep ^total /tmp/monitor); $(grep ^total /tmp/counts)"
fi
