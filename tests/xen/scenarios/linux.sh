# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Debian's Linux as a guest, watched while it boots and works: it keeps its
# clock, every event is received or counted as lost, and nearly every one gives
# the instruction that made it.
#
#   RIG_TICKS=N   seconds of the guest's clock, from its first tick on
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan boots ticks losses instructions
wanted=${RIG_TICKS:-20}
log=/var/log/xen/guest-guest.log
metrics=/tmp/linux.prom

# As an operator finds it: the rig lets dom0 win otherwise (see init).
xl sched-credit2 -d 0 -w 256

ticks() { tr -d '\r' <$log | grep '^tick [0-9]* [0-9]* [0-9]*$'; }
has_ticks() { [ "$(ticks | wc -l)" -gt "$1" ]; }

# metric NAME: the sum of its values.
metric()
{
    awk -v name="vmi_agent_$1{" 'index($0, name) == 1 { n += $NF }
        END { print n + 0 }' $metrics
}

cat >/tmp/guest.cfg <<CFG
name = "guest"
type = "pvh"
kernel = "/linux/vmlinux"
ramdisk = "/linux/initramfs"
memory = 1024
vcpus = 2
extra = "console=hvc0 nokaslr mitigations=off"
on_crash = "preserve"
on_poweroff = "preserve"
CFG
xl create -q -p /tmp/guest.cfg || exit 1
DOMID=$(xl domid guest)
agent_start v2 -e cr3,msr --rate-limit 10 --per-vcpu --metrics $metrics ||
    exit 1
xl unpause guest

if wait_until 300 has_ticks 0; then
    pass boots "with $(grep -vc '^[#a-z]' /tmp/agent.out) lines of events by its first tick, at $(ticks | head -n 1 | cut -d' ' -f3) ms of its clock"
else
    fail boots "no tick: $(tail -n 1 $log)"
fi
wait_until 600 has_ticks "$wanted"
agent_stop
status=$?
xl pause guest
guest_destroy
xl sched-credit2 -d 0 -w 4096
cat /tmp/agent.err $metrics
hand_out $log linux.log
hand_out $metrics
hand_out /tmp/agent.out linux.out

# Of the guest's clock: from each tick to the next.
gap=$(ticks | awk '{ if (NR > 1 && $3 - last > max) max = $3 - last; last = $3 }
    END { print max + 0 }')
count=$(ticks | wc -l)
if [ "$count" -gt "$wanted" ] && [ "$gap" -lt 2000 ]; then
    pass ticks "$count ticks, the longest gap $gap ms, $(ticks | tail -n 1 | cut -d' ' -f4) passes between processes"
else
    fail ticks "$count ticks of $wanted, the longest gap $gap ms"
fi

# Per vCPU, by Xen's own count of the asynchronous ones and of the others.
wrong='' all=0
for v in 0 1; do
    made=$(($(vcpu_value produced /tmp/agent.err $v) + $(vcpu_value raised /tmp/agent.err $v)))
    got=$(($(vcpu_value received /tmp/agent.err $v) + $(vcpu_value lost /tmp/agent.err $v)))
    all=$((all + made))
    [ $made = $got ] || wrong="$wrong vcpu $v: $made raised, $got received or lost;"
done
lost=$(total lost /tmp/agent.err)
if [ "$status" = 0 ] && [ -z "$wrong" ] && [ $all -gt 1000 ]; then
    pass losses "$all events raised = $(total received /tmp/agent.err) received + $lost lost"
else
    fail losses "exit $status, $all events:$wrong"
fi

events=$(metric events_total)
read=$(metric instructions_total)
failed=$(metric instruction_errors_total)
unexplained=$((events - read - failed))
causes=$(sed -n 's/^vmi_agent_instruction_errors_total{.*errno="\([0-9]*\)"} \(.*\)/errno \1: \2/p' $metrics | tr '\n' ' ')
if [ "$events" = "$(total received /tmp/agent.err)" ] && [ $unexplained = 0 ] &&
    [ "$events" -gt 1000 ] && [ $((read * 100)) -ge $((events * 99)) ]; then
    pass instructions "$read of $events events with their instruction, $failed without (${causes:-none}), $unexplained unexplained"
else
    fail instructions "$read of $events, $failed failed (${causes:-none}), $unexplained unexplained"
fi
