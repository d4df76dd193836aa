# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Subscriptions to MSRs that are not like the others, over both ABIs, and to
# registers by who has no ring. EFER's reads are what the Linux guest looks at
# (linux.sh).
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan hypervisor-range unknown no-ring

# No processor's bitmap has 0x40000000: an unpatched Xen panics on AMD.
guest_boot 2 gr || exit 1
refused=''
for abi in legacy v2; do
    agent_start $abi -e msr=40000000,msr=40001fff,guest-request -c 20 || refused="$refused $abi"
    guestmem "$DOMID" run
    wait "$AGENT" || refused="$refused $abi"
done
judge hypervisor-range "watched beside guest requests, over both ABIs${refused:+, but not:$refused}" \
    [ -z "$refused" ]

agent v2 --domid "$DOMID" --abi v2 -e msr=c0010015 -o text >/tmp/out 2>&1
status=$?
judge unknown "an MSR that cannot be watched: $(tail -n 1 /tmp/out)" [ $status = 10 ]
guest_destroy

# Nobody to tell, so each write is just done.
guest_boot 2 gr cr0 cr3 cr4 || exit 1
guestmem "$DOMID" run
legacy-monitor --domid "$DOMID" --no-ring -e cr0,cr3,cr4 >/tmp/out 2>&1 &
monitor=$!
wait_for_line attached /tmp/out 20
from=$(guestmem "$DOMID" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p')
guestmem "$DOMID" wait-count $((from + 1000)) 60
went_on=$?
kill -TERM $monitor
wait $monitor && [ $went_on = 0 ]
status=$?
agent_start v2 -e guest-request -c 20
wait "$AGENT" || status=agent
judge no-ring "writes of CR0, CR3 and CR4 watched by nobody, 1000 of each and more: $status" [ "$status" = 0 ]
guest_destroy
