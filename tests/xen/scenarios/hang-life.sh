# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What happens to a domain and its vCPUs while requests wait (docs/LIFECYCLE.md):
# shutdown for each reason, a checkpoint, save and restore, vCPUs that go off and
# on and are reset, a pause by the toolstack; and what else than an answer a
# deadline can end in.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan shutdown-told checkpoint save-restore vcpu-off vcpu-reset pause \
    deadline-deny deadline-detach deadline-crash

status_text() { agent v2 --status "$DOMID" -o text; }
pending() { status_text | sed -n 's/.*, pending \([0-9]*\),.*/\1/p'; }
pending_is() { [ "$(pending)" = "$1" ]; }
slot_value() { status_text | sed -n "s/^vcpu $1 .*\b$2=\([0-9]*\).*/\1/p"; }
made() { guestmem "$DOMID" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p'; }
more() { [ "$(made)" -ge "$1" ]; }
told() { sed -n 's/^# domain is //p' /tmp/agent.out | tr '\n' ';'; }
# The state letters of xl list, such as -b---- or ---s--.
xl_state() { xl list | awk -v d="$DOMID" '$2 == d { print $5 }'; }
is_shut_down() { case $(xl_state) in ???s*) ;; *) return 1 ;; esac; }
is_crashed() { case $(xl_state) in ????c*) ;; *) return 1 ;; esac; }
agent_over() { [ "$(awk '/^State:/ { print $2 }' "/proc/$AGENT/status" 2>/dev/null)" != S ] &&
    [ "$(awk '/^State:/ { print $2 }' "/proc/$AGENT/status" 2>/dev/null)" != R ]; }

# goes_on N: the guest makes N more iterations.
goes_on() { guestmem "$DOMID" wait-count $(($(made) + $1)) 30; }

# serve OPTION...: a guest whose vCPU 0 does what it is told, beside three that
# make requests, and its agent.
serve()
{
    guest_boot 4 gr reply serve || exit 1
    agent_start v2 -e guest-request -q --reply "$@" || exit 1
    guestmem "$DOMID" run
    goes_on 50 || note "no requests: $(guestmem "$DOMID" show | grep ^total)"
}

# freeze: the agent stands still, and three requests wait.
freeze()
{
    kill -STOP "$AGENT"
    wait_until 30 pending_is 3
}

# no_wrong_answer: ends guest and agent, and compares.
no_wrong_answer()
{
    guestmem "$DOMID" stop
    guestmem "$DOMID" wait-done 30 || return 1
    guestmem "$DOMID" show >/tmp/counts
    [ "$(total checked /tmp/counts)" = "$(total iterations /tmp/counts)" ] &&
        [ "$(total mismatched /tmp/counts)" = 0 ]
}

# --- shutdown, for each reason, with requests outstanding ---
trouble=''
for reason in 0:poweroff 1:reboot 3:crash 4:watchdog; do
    serve
    freeze || trouble="$trouble $reason: pending $(pending)"
    guestmem "$DOMID" command shutdown "${reason%:*}"
    wait_until 20 is_shut_down || trouble="$trouble $reason: xl says $(xl_state)"
    waiting=$(pending)
    kill -CONT "$AGENT"
    wait_for_line '^# domain is' /tmp/agent.out 20
    [ "$(told)" = "shutdown, reason ${reason#*:};" ] && [ "$waiting" = 3 ] ||
        trouble="$trouble $reason: told $(told) pending $waiting"
    guest_destroy
    wait "$AGENT"
    [ $? = 8 ] || trouble="$trouble $reason: the agent did not end with 8"
done
if [ -z "$trouble" ]; then
    pass shutdown-told "poweroff, reboot, crash and watchdog: the reason is told, three requests stay until then"
else
    fail shutdown-told "$trouble"
fi

# As a guest's own driver does: sees the toolstack's wish in xenstore, says so,
# and suspends.
wish() { [ "$(xenstore-read "/local/domain/$DOMID/control/shutdown")" = suspend ]; }
suspend_when_asked()
{
    wait_until 30 wish || return 1
    xenstore-write "/local/domain/$DOMID/control/shutdown" ''
    guestmem "$DOMID" command shutdown 2
}

# --- a checkpoint: suspended, and resumed where it was ---
# Once with the agent at work, which is told of both; once with it stopped.
checkpoint()
{
    xl save -c "$DOMID" /tmp/image >/tmp/save 2>&1 &
    save=$!
    suspend_when_asked
    wait $save
}
serve
checkpoint
saved=$?
goes_on 100
freeze
checkpoint
saved="$saved $?"
waiting=$(pending)
kill -CONT "$AGENT"
if [ "$saved" = "0 0" ] && [ "$waiting" = 3 ] && goes_on 100 && no_wrong_answer &&
    [ "$(told)" = "shutdown, reason suspend;running;" ]; then
    pass checkpoint "told: $(told) three requests waited through another suspend and resume; $(total checked /tmp/counts) answers, all right"
else
    fail checkpoint "xl save $saved: $(tail -n 1 /tmp/save); pending $waiting; told: $(told) $(grep ^total /tmp/counts)"
fi
agent_stop
guest_destroy
rm -f /tmp/image

# --- save and restore: another domain, and the agent comes to it ---
serve
old=$DOMID
xl save "$DOMID" /tmp/image >/tmp/save 2>&1 &
save=$!
suspend_when_asked
wait $save
saved=$?
wait "$AGENT"
ended=$?
text=$(told)
before=unknown
if [ $saved = 0 ] && xl restore -p /tmp/image >>/tmp/save 2>&1; then
    DOMID=$(xl domid guest)
    before=$(made)
    if agent_start v2 -e guest-request -q --reply; then
        xl unpause "$DOMID"
        goes_on 100
    fi
fi
# What the three did between the last answer and the suspend was seen by nobody,
# or was let go as the old domain died: at most one each.
guestmem "$DOMID" stop
guestmem "$DOMID" wait-done 30
guestmem "$DOMID" show >/tmp/counts
if [ $ended = 8 ] && [ "$text" = "shutdown, reason suspend;dying;" ] &&
    [ "$DOMID" != "$old" ] && [ "$(total iterations /tmp/counts)" -ge $((before + 100)) ] &&
    [ "$(total mismatched /tmp/counts)" -le 3 ]; then
    pass save-restore "the agent was told '$text' and ended with 8; of domain $DOMID, which was $old, it answers from $before requests on"
else
    fail save-restore "xl $saved: $(tail -n 1 /tmp/save); agent ended with $ended, told '$text'; $old, then $DOMID from $before: $(grep ^total /tmp/counts)"
fi
agent_stop
guest_destroy
rm -f /tmp/image

# --- a vCPU that waits for its answer is switched off and on ---
serve
freeze
before=$(made)
guestmem "$DOMID" command down 2
guestmem "$DOMID" wait-command 20
off=$?
kill -CONT "$AGENT"
# The other two go on; the one that is off has its answer and does not move.
goes_on 100
third=$(guestmem "$DOMID" show | sed -n 's/^vcpu 2 .*iterations=\([0-9]*\).*/\1/p')
goes_on 100
still=$(guestmem "$DOMID" show | sed -n 's/^vcpu 2 .*iterations=\([0-9]*\).*/\1/p')
guestmem "$DOMID" command up 2
guestmem "$DOMID" wait-command 20
on=$?
third_is_on() { [ "$(guestmem "$DOMID" show | sed -n 's/^vcpu 2 .*iterations=\([0-9]*\).*/\1/p')" -ge $((still + 20)) ]; }
if [ "$off $on" = "0 0" ] && [ "$third" = "$still" ] &&
    wait_until 20 third_is_on && no_wrong_answer; then
    pass vcpu-off "off with a request outstanding, it stood at $still while the others went on; on again, each of its answers was right"
else
    fail vcpu-off "off $off on $on, from $before: $third then $still; $(grep ^total /tmp/counts)"
fi
agent_stop
guest_destroy

# --- ... or is reset: its request is void, and so is the answer ---
serve
freeze
guestmem "$DOMID" command init 2
guestmem "$DOMID" wait-command 20
void_is_counted() { [ "$(slot_value 2 cancelled)" = 1 ] && pending_is 2; }
wait_until 20 void_is_counted
void="cancelled=$(slot_value 2 cancelled) pending=$(pending)"
kill -CONT "$AGENT"
goes_on 100
third=$(guestmem "$DOMID" show | sed -n 's/^vcpu 2 .*iterations=\([0-9]*\).*/\1/p')
guestmem "$DOMID" command sipi 2
guestmem "$DOMID" wait-command 20
still=$third
if [ "$void" = "cancelled=1 pending=2" ] && wait_until 20 third_is_on && no_wrong_answer; then
    pass vcpu-reset "INIT with a request outstanding: $void; after SIPI each of its answers was right"
else
    fail vcpu-reset "$void; vCPU 2 stood at $third; $(slot_value 2 raised) raised; $(grep ^total /tmp/counts)"
fi
agent_stop
guest_destroy

# --- the toolstack's pause: answers wait for its end, and so does a deadline ---
serve --deadline 500
kill -STOP "$AGENT"
wait_until 30 pending_is 3
xl pause "$DOMID"
before="$(made) $(slot_value 1 released)"
# Three times the deadline, by the clock on which it runs.
until_uptime=$(($(uptime_seconds) + 3))
later() { [ "$(uptime_seconds)" -ge $until_uptime ]; }
wait_until 20 later
held=$(pending)
kill -CONT "$AGENT"
wait_until 20 pending_is 0
after="$(made) $(slot_value 1 released)"
xl unpause "$DOMID"
if [ "$held" = 3 ] && [ "$before" = "$after" ] && goes_on 100 && no_wrong_answer; then
    pass pause "three requests stood through 3 s of pause with a deadline of 500 ms, were answered in it, and went on after it"
else
    fail pause "pending $held; $before then $after; $(grep ^total /tmp/counts)"
fi
agent_stop
guest_destroy

# --- deadlines that deny, detach, crash ---
guest_boot 2 cr0 count=5 || exit 1
agent_start v2 -e cr0 -q --deadline 100:deny || exit 1
kill -STOP "$AGENT"
guestmem "$DOMID" run
guestmem "$DOMID" wait-done 60
guestmem "$DOMID" show >/tmp/counts
kill -CONT "$AGENT"
agent_stop
if [ "$(total denied /tmp/counts)" = 10 ] && [ "$(total kept /tmp/counts)" = 0 ] &&
    [ "$(total expired /tmp/agent.err)" = 10 ]; then
    pass deadline-deny "10 writes of CR0, of two vCPUs, were refused in the stopped agent's place"
else
    fail deadline-deny "$(grep ^total /tmp/counts) $(grep ^total /tmp/agent.err)"
fi
guest_destroy

guest_boot 2 gr || exit 1
agent_start v2 -e guest-request -q --deadline 100:detach || exit 1
kill -STOP "$AGENT"
guestmem "$DOMID" run
if guestmem "$DOMID" wait-count 1000 30; then
    raised=$(($(slot_value 0 raised) + $(slot_value 1 raised)))
    status_text >/tmp/status
    kill -CONT "$AGENT"
    wait_until 20 agent_over
    kill -INT "$AGENT" 2>/dev/null
    wait "$AGENT"
    status=$?
    if [ "$raised" -le 4 ] && grep -q 'expired [1-9]' /tmp/status; then
        pass deadline-detach "$raised requests, then the guest ran 1000 iterations unwatched; the agent ended with $status: $(head -n 1 /tmp/agent.err)"
    else
        fail deadline-detach "$raised raised; $(sed -n 2p /tmp/status)"
    fi
else
    fail deadline-detach "the guest stands: $(status_text | sed -n 2p)"
    kill -KILL "$AGENT"
fi
guest_destroy

guest_boot 2 gr || exit 1
agent_start v2 -e guest-request -q --deadline 100:crash || exit 1
kill -STOP "$AGENT"
guestmem "$DOMID" run
wait_until 30 is_crashed
state=$(xl_state)
kill -CONT "$AGENT"
wait_for_line '^# domain is' /tmp/agent.out 20
case $state in
????c*)
    judge deadline-crash "xl says $state, the agent was told: $(told)" \
        [ "$(told)" = "shutdown, reason crash;" ] ;;
*)
    fail deadline-crash "xl says $state; $(status_text | sed -n 2p)" ;;
esac
guest_destroy
wait "$AGENT"

# Which ended as it was told; what counts is above.
true
