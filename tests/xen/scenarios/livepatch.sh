# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Livepatches apply and revert, again and again, with every slot outstanding and
# with every ring full, which Xen's own counts say just before and just after.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan effect every-slot every-ring delivered
vcpus=${RIG_PATCH_VCPUS:-64} patches=${RIG_PATCHES:-10}

status_text() { agent v2 --status "$DOMID" -o text; }
pending() { status_text | sed -n 's/.*, pending \([0-9]*\),.*/\1/p'; }
all_pending() { [ "$(pending)" = "$vcpus" ]; }
lost_everywhere()
{
    [ "$(status_text | grep -c '^vcpu .* lost=[1-9]')" = "$vcpus" ]
}

# Those of Xen's own test payloads that can be taken back, in turn. (xen_nop wants a
# function that is compiled in one certain way, and kills any other Xen.)
payloads="xen_hello_world xen_replace_world xen_expectations"
payload() { echo "$payloads" | cut -d' ' -f$(($1 % 3 + 1)); }
is_applied() { xen-livepatch list | grep -q "^ *$1 .*APPLIED"; }

# patch NAME: applies and takes back; the tool's own words in /tmp/patch.
patch()
{
    xen-livepatch load "/livepatch/$1.livepatch" >/tmp/patch 2>&1 &&
        is_applied "$1" &&
        xen-livepatch revert "$1" >>/tmp/patch 2>&1 &&
        ! is_applied "$1" &&
        xen-livepatch unload "$1" >>/tmp/patch 2>&1
}

# repeat CONDITION: patches and reverts so many times; sets n. The condition
# holds before and after each.
repeat()
{
    n=0
    while [ "$n" -lt "$patches" ]; do
        "$1" && patch "$(payload $n)" && "$1" || return 1
        n=$((n + 1))
    done
}

# What the first payload does shows: it really is the code that has changed.
xen-livepatch load /livepatch/xen_hello_world.livepatch >/tmp/patch 2>&1
extra=$(xl info | sed -n 's/^xen_extra *: //p')
xen-livepatch revert xen_hello_world >>/tmp/patch 2>&1
xen-livepatch unload xen_hello_world >>/tmp/patch 2>&1
judge effect "xl info says '$extra' while xen_hello_world is applied" \
    [ "$extra" = "Hello World" ]

guest_boot "$vcpus" gr reply count=20 || exit 1
agent_start v2 -e guest-request -q --reply || exit 1
kill -STOP "$AGENT"
guestmem "$DOMID" run
wait_until 60 all_pending
if repeat all_pending; then
    pass every-slot "$payloads: applied and reverted $n times in turn with all of $vcpus slots outstanding, before and after each"
else
    fail every-slot "$n times, then pending $(pending) of $vcpus: $(tr '\n' ' ' </tmp/patch)"
fi
kill -CONT "$AGENT"
guestmem "$DOMID" wait-done 60
guestmem "$DOMID" show >/tmp/counts
agent_stop
want=$((vcpus * 20))
if [ "$(total checked /tmp/counts)" = $want ] &&
    [ "$(total mismatched /tmp/counts)" = 0 ] &&
    [ "$(total answered /tmp/agent.err)" = $want ]; then
    pass delivered "every request arrived and was answered after that"
else
    fail delivered "$(grep ^total /tmp/counts) $(grep ^total /tmp/agent.err)"
fi
guest_destroy

guest_boot "$vcpus" gr || exit 1
agent_start v2 -e guest-request:async -q --ring 4K --split-rings || exit 1
kill -STOP "$AGENT"
guestmem "$DOMID" run
wait_until 60 lost_everywhere
if repeat lost_everywhere; then
    pass every-ring "applied and reverted $n times while each of $vcpus rings was full"
else
    fail every-ring "$n times: $(tr '\n' ' ' </tmp/patch)"
fi
kill -CONT "$AGENT"
guestmem "$DOMID" stop
agent_stop
guest_destroy
