# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What ./demo --xen shows: vmi-agent in dom0, on a guest with 12 vCPUs.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan watched

# shown LINE: the command and what it prints, to the reader's terminal.
shown()
{
    rig_say "SHOW"
    rig_say "SHOW dom0# $1"
    sh -c "$1" >/tmp/shown 2>&1
    shown_status=$?
    while IFS= read -r line; do
        rig_say "SHOW $line"
    done </tmp/shown
    return $shown_status
}

shown "xl info | grep -E '^(release|xen_version|virt_caps|cc_compiler|xen_commandline)'"
guest_boot 12 gr cr3 cpuid spin=2000 || exit 1
guestmem "$DOMID" run
shown "xl list"
shown "vmi-agent --domid $DOMID -e guest-request,cr3,cpuid -c 16 -o text"
status=$?
shown "vmi-agent --list -o text"
shown "vmi-agent --domid $DOMID -e guest-request:async --duration 2 -q --batch-sleep 1000 --ring 64K --per-vcpu -o text"
shown "vmi-agent --domid $DOMID --abi legacy -e cr3:sync -c 4 -o text"
judge watched "vmi-agent watched a guest with 12 vCPUs" [ $status = 0 ]
guest_destroy
