# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# The agent is stopped. With a deadline Xen lets each request go when it is
# over, by its own stamps neither earlier nor much later; without one, exactly
# the vCPUs that wait for an answer stand still, and other domains do not.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan deadline-times deadline-complete deadline-told who-waits neighbour \
    status-holder takeover
vcpus=4 want=${RIG_EXPIRIES:-1000}

status_text() { agent v2 --status "$DOMID" -o text; }
pending() { status_text | sed -n 's/.*, pending \([0-9]*\),.*/\1/p'; }
all_but_one_pending() { [ "$(pending)" = $((vcpus - 1)) ]; }
# The numbers of the vCPUs with a request that waits, with commas.
who_waits() { status_text | sed -n 's/^vcpu \([0-9]*\) pending=[1-9].*/\1/p' | paste -sd,; }
expired() { status_text | sed -n 's/.*, expired \([0-9]*\)$/\1/p'; }
enough_expired() { [ "$(expired)" -ge "$want" ]; }

guest_boot "$vcpus" gr || exit 1
agent_start v2 -e guest-request -q --deadline 100 || exit 1
kill -STOP "$AGENT"
guestmem "$DOMID" run
wait_until $((want / 10)) enough_expired
guestmem "$DOMID" stop
guestmem "$DOMID" wait-done 10
status_text >/tmp/status
guestmem "$DOMID" show >/tmp/counts
cat /tmp/status
# shellcheck disable=SC2046 # four numbers
set -- $(sed -n 's/^expired \([0-9]*\) after \([0-9]*\) to \([0-9]*\) us, \([0-9]*\) .*/\1 \2 \3 \4/p' /tmp/status)
if [ "${1:-0}" -ge "$want" ] && [ "$2" -ge 100000 ] &&
    [ $(($4 * 100)) -le "$1" ]; then
    pass deadline-times "$1 expiries $2 to $3 us after publication, $4 of them after more than 120000"
else
    fail deadline-times "expiries, shortest, longest, late: $*"
fi
released=$(sed -n 's/^vcpu .* released=\([0-9]*\).*/\1/p' /tmp/status |
    awk '{ n += $1 } END { print n + 0 }')
if [ "$released" = "${1:-0}" ] &&
    [ "$(total iterations /tmp/counts)" = "$released" ]; then
    pass deadline-complete "the guest made $released requests, Xen ended each of them"
else
    fail deadline-complete "released $released, expired ${1:-0}, guest $(grep ^total /tmp/counts)"
fi
kill -CONT "$AGENT"
agent_stop
if grep -q "^# deadline passed for $1 requests" /tmp/agent.out &&
    [ "$(total expired /tmp/agent.err)" = "$1" ]; then
    pass deadline-told "$(grep '^# deadline' /tmp/agent.out); $(grep ^total /tmp/agent.err)"
else
    fail deadline-told "$(grep '^# deadline' /tmp/agent.out) $(grep ^total /tmp/agent.err)"
fi
guest_destroy

# A neighbour of one vCPU, and what it does in five seconds.
cat >/tmp/neighbour.cfg <<CFG
name = "neighbour"
type = "pvh"
kernel = "/guest/guest.elf"
memory = 32
vcpus = 1
extra = "smp=1 gr"
CFG
xl create -q /tmp/neighbour.cfg
other=$(xl domid neighbour)
guestmem "$other" wait-count 1000 30
others() { guestmem "$other" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p'; }
progress()
{
    from=$(others)
    usleep 5000000
    echo $(($(others) - from))
}

# vCPU 0 makes no requests.
guest_boot "$vcpus" gr serve || exit 1
alone=$(progress)
agent_start v2 -e guest-request -q || exit 1
kill -STOP "$AGENT"
guestmem "$DOMID" run
wait_until 20 all_but_one_pending
dump=$(domain_dump)
if [ "$(who_waits)" = 1,2,3 ] && [ "$(vcpus_of "$dump")" = 1,2,3 ]; then
    pass who-waits "of 4 vCPUs 1, 2 and 3 have requests that wait, and those are paused"
else
    fail who-waits "$(who_waits) have requests that wait, $dump"
fi
beside=$(progress)
if [ "$alone" -gt 0 ] && [ $((beside * 10)) -ge $((alone * 8)) ]; then
    pass neighbour "$beside iterations beside the stopped agent's guest, $alone before"
else
    fail neighbour "$beside iterations beside the stopped agent's guest, $alone before"
fi
xl destroy neighbour

holder=$(status_text | sed -n 's/.*holder \(vmi-agent\[[0-9]*\]\).*/\1/p')
if [ "$holder" = "vmi-agent[$AGENT]" ]; then
    pass status-holder "holder $holder, which is stopped, and $(pending) requests wait"
else
    fail status-holder "$(status_text | sed -n 2p)"
fi
stopped=$AGENT
before=$(guestmem "$DOMID" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p')
if agent_start v2 -e guest-request -q --takeover &&
    guestmem "$DOMID" wait-count $((before + 200)) 20; then
    kill -CONT "$stopped"
    wait "$stopped"
    status=$?
    agent_stop
    if [ $status = 9 ] || [ $status = 6 ]; then
        pass takeover "200 requests answered by the next agent; the stopped one ended with $status"
    else
        fail takeover "the stopped agent ended with $status"
    fi
else
    fail takeover "$(tail -n 1 /tmp/agent.err)"
    kill -KILL "$stopped"
fi
guest_destroy
