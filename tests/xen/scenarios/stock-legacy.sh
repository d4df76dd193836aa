# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# The rig itself: a guest's requests reach a client of the kind that exists
# today, its answers reach the guest, and the guest's own counters agree.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan monitor-sees-all guest-agrees

guest_boot 2 gr reply count=50 || exit 1
legacy-monitor --domid "$DOMID" -c 100 --reply --per-vcpu --duration 60 \
    >/tmp/monitor 2>&1 &
monitor=$!
wait_for_line attached /tmp/monitor 20
guestmem "$DOMID" run
wait $monitor
cat /tmp/monitor
guestmem "$DOMID" wait-done 10
guestmem "$DOMID" show | tee /tmp/counts

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
guest_destroy
