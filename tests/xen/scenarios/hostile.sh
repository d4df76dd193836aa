# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# A hostile agent writes over everything that it shares with Xen, and a guest
# floods every event that it can raise. Xen must not crash, loop, assert or
# log without limit (boot.py looks for panics; a debug build asserts), and only
# the domain that is introspected may suffer: a second guest, which nobody
# watches, is measured. RIG_SEED repeats a run, RIG_LONG makes it longer.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan v2-survives legacy-survives runaway others-go-on calls-short honest-after \
    flood-accounted flood-others log-bounded memory-returns
seed=${RIG_SEED:-20261126}
rounds=2 seconds=6
[ "$RIG_ARCH" != arm64 ] || rounds=1
if [ -n "$RIG_LONG" ]; then
    rounds=25 seconds=30
fi
# What the victim and the other guest do, and the flood: its words, its events,
# and how many records an iteration makes.
words='gr cpuid cr3 cr4 msr' other_words='cr3 cpuid spin=2000'
flood='gr cr0 cr3 cr4 msr cpuid desc' records=4
events=guest-request:async,cr0:async,cr3:async,cr4:async,msr=176,cpuid,desc
if [ "$RIG_ARCH" = arm64 ]; then
    words='gr w smc' other_words='w'
    flood='gr smc' records=1
    events=guest-request:async,privcall
fi

made_by() { guestmem "$1" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p'; }
now_ms() { sed 's/\([0-9]*\)\.\([0-9]*\) .*/\1\20/' /proc/uptime; }

# The other guest: one vCPU, busy, nobody's subject.
other_start()
{
    cat >/tmp/other.cfg <<CFG
name = "other"
type = "pvh"
kernel = "${RIG_GUEST:-/guest/guest.elf}"
memory = 32
vcpus = 1
extra = "smp=1 wait $other_words"
CFG
    xl create -q /tmp/other.cfg || return 1
    other=$(xl domid other)
    guestmem "$other" wait-ready 60 && guestmem "$other" run
}

# measure COMMAND...: runs it; what the other guest made a second meanwhile.
measure()
{
    measured_from=$(made_by "$other") measured_at=$(now_ms)
    "$@"
    measured_status=$?
    rate=$((($(made_by "$other") - measured_from) * 1000 / ($(now_ms) - measured_at)))
    return $measured_status
}

# victim SEED: a guest of 4 vCPUs that raises what the scribbler subscribes to.
victim()
{
    # shellcheck disable=SC2086 # words
    guest_boot 4 $words && guestmem "$DOMID" run
}

# lowest NEW OLD: the smaller one; OLD may be empty.
lowest() { if [ -z "$2" ] || [ "$1" -lt "$2" ]; then echo "$1"; else echo "$2"; fi; }

# scribble ABI: the rounds. What counts of the other guest's rate is how it
# compares with the rate beside an idle scribbler, which uses dom0 as much and
# calls nothing, just before. Sets worst (the lowest, in percent), slow, wrong.
scribble()
{
    round=0 worst='' wrong='' writes=0
    while [ $round -lt "$rounds" ]; do
        victim || return 1
        measure scribbler "$DOMID" idle "$seed" $((seconds / 2)) >/dev/null
        quiet=$rate
        log_begin
        measure scribbler "$DOMID" "$1" $((seed + round)) "$seconds" >/tmp/scribbler 2>&1 ||
            wrong="$wrong round $round: $(tail -n 1 /tmp/scribbler);"
        log_end
        note "$1 seed $((seed + round)): $(tail -n 1 /tmp/scribbler), the other at $rate/s ($quiet before), victim $(xl list "$DOMID" | awk 'NR > 1 { print $5 }')"
        worst=$(lowest $((rate * 100 / quiet)) "$worst")
        took=$(total slowest_us /tmp/scribbler)
        [ "${took:-0}" -le "$slow" ] || slow=$took
        writes=$((writes + $(total writes /tmp/scribbler)))
        guest_destroy
        round=$((round + 1))
    done
}

# Console lines while a hostile agent or guest is at work; Xen's words on the
# creation of guests are not among them.
lines=0
log_begin() { xl dmesg -c >/dev/null; }
# What Xen's emulator says of a guest that was sent to nowhere is a guest's line,
# which Xen limits by itself; but not here, where guest_loglvl lets all through.
log_end()
{
    xl dmesg -c >/tmp/dmesg
    lines=$((lines + $(grep -vc 'emulation failed (' /tmp/dmesg)))
    head -n 20 /tmp/dmesg
}

settled() { [ "$(free_pages)" -ge $((free - FREE_SLACK)) ] && ! xl list | grep -q null; }


# Xen's heap settles over the first guests, two at a time as below.
for i in 8 4 8 4; do
    other_start && guest_boot "$i" gr && guest_destroy
    xl pause other
    xl destroy other
done
usleep 1000000
free=$(free_pages)
other_start || exit 1

slow=0
scribble v2
v2_share=$worst
judge v2-survives "$rounds seeds from $seed, $writes writes over control, slot, user and ring pages${wrong:+; $wrong}" \
    [ -z "$wrong" ]
scribble legacy
legacy_share=$worst
judge legacy-survives "$rounds seeds from $seed, $writes writes over the ring's page${wrong:+; $wrong}" \
    [ -z "$wrong" ]

victim || exit 1
log_begin
scribbler "$DOMID" runaway >/tmp/runaway 2>&1
status=$?
log_end
cat /tmp/runaway
if [ $status = 0 ]; then
    pass runaway "rsp_prod = rsp_cons + 0x80000100 is refused ($(sed -n 's/^runaway: //p' /tmp/runaway)), then $(tail -n 1 /tmp/runaway)"
else
    fail runaway "exit $status: $(tr '\n' ';' </tmp/runaway)"
fi
guest_destroy

judge others-go-on "the other guest makes at least $v2_share % (v2), $legacy_share % (legacy) of what it makes beside the same guest unwatched and a process that uses as much of dom0" \
    eval "[ $v2_share -ge 50 ] && [ $legacy_share -ge 50 ]"
# One emulated CPU: a call may be preempted for other vCPUs' time slices.
if [ "$slow" -le 2000000 ]; then
    pass calls-short "no notification or control call took longer than $slow us"
else
    fail calls-short "a call took $slow us"
fi

# A flood of every event that this CPU can raise, at an agent that can only lose.
# shellcheck disable=SC2086 # words
guest_boot 8 $flood || exit 1
guestmem "$DOMID" run
measure sleep $((seconds / 2))
quiet=$rate
guest_destroy
# shellcheck disable=SC2086 # words
guest_boot 8 $flood || exit 1
agent_start v2 -q --ring 4K --batch-sleep 20 --per-vcpu --regs all -e "$events" || exit 1
flooder=$DOMID
log_begin
guestmem "$flooder" run
measure sleep "$seconds"
flood_rate=$rate
# The agent is live: it answers a request for its counts, under load.
log_end
kill -USR1 "$AGENT"
live=no
wait_for_line '^total' /tmp/agent.err 20 && live=yes
guestmem "$flooder" stop
guestmem "$flooder" wait-done 60 || note "vCPUs are stuck"
guestmem "$flooder" show >/tmp/counts
agent_stop
status=$?
cat /tmp/counts
tail -n 9 /tmp/agent.err
wrong=''
for v in 0 1 2 3 4 5 6 7; do
    produced=$(vcpu_value produced /tmp/agent.err $v)
    raised=$(vcpu_value raised /tmp/agent.err $v)
    received=$(vcpu_value received /tmp/agent.err $v)
    gone=$(vcpu_value lost /tmp/agent.err $v)
    made=$(vcpu_value iterations /tmp/counts $v)
    if [ "$produced" != $((made * records)) ] ||
        [ $((received + gone)) != $((produced + raised)) ]; then
        wrong="$wrong vcpu $v: made $made, produced $produced, raised $raised, received $received, lost $gone;"
    fi
done
if [ $status = 0 ] && [ $live = yes ] && [ -z "$wrong" ] &&
    [ "$(total lost /tmp/agent.err)" -gt 0 ]; then
    pass flood-accounted "per vCPU produced = $records x iterations and received + lost = produced + raised; $(grep ^total /tmp/agent.err | tail -n 1)"
else
    fail flood-accounted "exit $status, live $live: $wrong $(tail -n 1 /tmp/agent.err)"
fi
guest_destroy
judge flood-others "the other guest makes $flood_rate/s beside the flood, $quiet/s when nobody watches the same guest" \
    [ "$flood_rate" -ge $((quiet / 2)) ]

# An honest agent on a new guest, after all of that.
guest_boot 4 gr || exit 1
agent_start v2 -q -e guest-request -c 200 && guestmem "$DOMID" run
wait "$AGENT"
status=$?
judge honest-after "exit $status, $(grep ^total /tmp/agent.err)" \
    [ "$(total answered /tmp/agent.err)" -ge 200 ]
guest_destroy
xl pause other
xl destroy other

# One that says so per ring and channel, and what a guest's crash prints.
limit=$((60 * rounds))
judge log-bounded "$lines lines on Xen's console in all of this, at most $limit allowed" \
    [ "$lines" -le $limit ]
if wait_until 60 settled; then
    pass memory-returns "$free pages free before, $(free_pages) after, no zombie"
else
    fail memory-returns "$free pages free before, $(free_pages) after; $(xl list | tail -n 1)"
fi
