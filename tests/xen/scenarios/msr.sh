# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Subscriptions to MSRs that are not like the others, over both ABIs. EFER's
# reads are what the Linux guest looks at (linux.sh).
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan hypervisor-range unknown

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
