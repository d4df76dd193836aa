# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# How many events a second, by turns on one guest of one boot: the guest counts
# what it did. The clock counts the emulator's instructions (boot.py --icount), so
# that a busy machine shows nowhere; a second is what it takes for 125 million of
# all processors together, and nothing about a real one.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan async-12 async-12-no-pauses sync-12 sync-64
rounds=${RIG_ROUNDS:-3} seconds=${RIG_SECONDS:-1}

made() { guestmem "$DOMID" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p'; }
centiseconds() { awk '{ print int($1 * 100) }' /proc/uptime; }
it_is() { [ "$(centiseconds)" -ge "$until" ]; }
status_text() { agent v2 --status "$DOMID" -o text; }
held_by() { status_text | grep -q "holder $1"; }
all_joined() { [ "$(grep -c 'vCPUs have a port' /tmp/agent.out)" = $(($1 + 1)) ]; }
# Of all vCPUs.
sum() { status_text | sed -n "s/^vcpu .* $1=\([0-9]*\).*/\1/p" | awk '{ n += $1 } END { print n + 0 }'; }
# Nanoseconds, by the scheduler's own account, and sleeps of a process.
run_time() { cat "/proc/$AGENT"/task/*/schedstat | awk '{ n += $1 } END { print n }'; }
sleeps() { cat "/proc/$AGENT"/task/*/status | awk '/^voluntary/ { n += $2 } END { print n }'; }

# guest VCPUS: runs, on a CPU of its own if the machine has one.
guest()
{
    guest_boot "$1" gr || exit 1
    [ "$(xl info | sed -n 's/^nr_cpus *: //p')" = 1 ] || xl vcpu-pin guest all 1
    guestmem "$DOMID" run
}

# span: what the guest makes in the seconds that follow, per second; sets rate.
span()
{
    from=$(made) began=$(centiseconds)
    until=$((began + seconds * 100))
    wait_until 600 it_is
    to=$(made) ended=$(centiseconds)
    rate=$(((to - from) * 100 / (ended - began)))
}

# attend MODE: starts it and waits until it watches; 1: it does not come.
attend()
{
    case $1 in
    count | count-legacy)
        where=${1#count}
        guest-request-counter "$DOMID" 3600 ${where:+legacy} >/tmp/agent.out 2>&1 &
        AGENT=$!
        wait_until 60 held_by guest-request ;;
    workers-*)
        vcpu-workers "$DOMID" "${1#workers-}" >/tmp/agent.out 2>&1 &
        AGENT=$!
        wait_until 60 all_joined "${1#workers-}" ;;
    *-spin) agent_start "${1%-spin}" -e guest-request -q --no-disasm --spin 10000 ;;
    *) agent_start "$1" -e guest-request -q --no-disasm ;;
    esac
}

# turn MODE: adds "rate, hundredths of an event for each sleep, ns of the agent
# for each, pauses, lost" to the file of that name.
turn()
{
    if ! attend "$1"; then
        note "$1: $(tail -n 1 /tmp/agent.out) $(tail -n 1 /tmp/agent.err)"
        trouble="$trouble $1"
        kill -KILL "$AGENT"
        wait "$AGENT"
        return
    fi
    ran=$(run_time) slept=$(sleeps) paused=$(sum pauses) lost=$(sum lost)
    span
    ran=$((($(run_time) - ran) / (to - from + 1)))
    slept=$(((to - from) * 100 / ($(sleeps) - slept + 1)))
    echo "$rate $slept $ran $(($(sum pauses) - paused)) $(($(sum lost) - lost))" >>"/tmp/$1"
    kill -INT "$AGENT"
    wait "$AGENT"
}

column() { cut -d' ' -f"$2" "$1" | sort -n; }
median() { column "$1" "$2" | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
most() { column "$1" "$2" | sed -n '$p'; }

# row NAME FILE
row()
{
    printf '  %-36s %7s %7s..%-7s %10s %9s\n' "$1" "$(median "$2" 1)" \
        "$(column "$2" 1 | sed -n 1p)" "$(most "$2" 1)" \
        "$(awk "BEGIN { print $(median "$2" 2) / 100 }")" "$(median "$2" 3)" >>/tmp/bench.txt
}

head_line()
{
    printf '%s\n  %-36s %7s %16s %10s %9s\n' "$1" "" "events/s" "least..most" \
        "per sleep" "agent, ns" >>/tmp/bench.txt
}

: >/tmp/bench.txt
trouble=''
rm -f /tmp/count /tmp/count-legacy

# --- asynchronous; beside it the same loop without an agent ---
guest 12
: >/tmp/alone
i=0
while [ $i -lt "$rounds" ]; do
    i=$((i + 1))
    span
    echo "$rate 0 0 0 0" >>/tmp/alone
    turn count-legacy
    turn count
done
guest_destroy
head_line "12 vCPUs, asynchronous requests, counted by guest-request-counter"
row "nobody watches" /tmp/alone
row "legacy" /tmp/count-legacy
row "v2" /tmp/count
alone=$(median /tmp/alone 1) old=$(median /tmp/count-legacy 1) new=$(median /tmp/count 1)
# What it must not fall behind; what it should reach is in docs/BENCH.md.
if [ -z "$trouble" ] && [ $((new * 10)) -ge $((old * 16)) ] && [ $((new * 10)) -ge $((alone * 7)) ] &&
    [ "$(most /tmp/count 5)" = 0 ]; then
    pass async-12 "$new events a second, none lost; legacy $old, nobody watching $alone"
else
    fail async-12 "$new events a second, $(most /tmp/count 5) lost; legacy $old, nobody watching $alone;$trouble"
fi
judge async-12-no-pauses "at most $(most /tmp/count 4) pauses in a turn; legacy $(most /tmp/count-legacy 4)" \
    [ "$(most /tmp/count 4)" = 0 ]

# --- synchronous ---
modes="legacy v2 legacy-spin v2-spin workers-0 workers-1 workers-4"
sync()
{
    guest "$1"
    trouble='' i=0
    for mode in $modes; do
        : >"/tmp/$mode"
    done
    while [ $i -lt "$rounds" ]; do
        i=$((i + 1))
        for mode in $modes; do
            turn "$mode"
        done
    done
    guest_destroy
    head_line "$1 vCPUs, synchronous requests"
    row "vmi-agent, legacy" /tmp/legacy
    row "vmi-agent, v2" /tmp/v2
    row "vmi-agent --spin 10000, legacy" /tmp/legacy-spin
    row "vmi-agent --spin 10000, v2" /tmp/v2-spin
    row "vcpu-workers, doorbell" /tmp/workers-0
    row "vcpu-workers, ports, 1 worker" /tmp/workers-1
    row "vcpu-workers, ports, 4 workers" /tmp/workers-4
    text="legacy $(median /tmp/legacy 1), v2 $(median /tmp/v2 1), doorbell $(median /tmp/workers-0 1), ports $(median /tmp/workers-1 1) and $(median /tmp/workers-4 1) a second"
    if [ -z "$trouble" ] && [ $(($(median /tmp/v2 1) * 10)) -ge $(($(median /tmp/legacy 1) * 6)) ] &&
        [ $(($(median /tmp/v2-spin 1) * 10)) -ge $(($(median /tmp/legacy-spin 1) * 6)) ]; then
        pass "sync-$1" "$text"
    else
        fail "sync-$1" "$text;$trouble"
    fi
}
sync 12
sync 64

hand_out /tmp/bench.txt
cat /tmp/bench.txt
