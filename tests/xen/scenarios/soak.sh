# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# A mixed load for as long as RIG_SOAK says (seconds of the guest's clock): guests
# of drawn sizes that make requests, write CR3 and are answered, while agents are
# killed, stopped, replaced and end, domains are paused and destroyed under load,
# and livepatches come and go. Each round is a guest of its own and draws from
# RIG_SEED and its number: RIG_ROUND=N begins with the N-th, to go on or to see one
# round again.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan rounds memory
seed=${RIG_SEED:-1} round=${RIG_ROUND:-1} seconds=${RIG_SOAK:-40}

# draw N: sets drawn to a number below N, from the round's own state (a linear
# congruence; the upper bits, as the lower ones have short periods).
draw()
{
    state=$(((state * 1103515245 + 12345) % 2147483648))
    drawn=$((state / 65536 % $1))
}

pick() { draw $#; shift "$drawn"; picked=$1; }

status_text() { agent v2 --status "$DOMID" -o text; }
xen_sum() { sed -n "s/^vcpu .* $1=\([0-9]*\).*/\1/p" /tmp/status | awk '{ n += $1 } END { print n + 0 }'; }
made() { guestmem "$DOMID" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p'; }
is_listed() { xl list | awk -v d="$1" 'NR > 1 && $2 == d { n++ } END { exit !n }'; }
not_listed() { ! is_listed "$1"; }

trouble() { troubles="$troubles round $round, $1: $2;"; }

# begin OPTION...: an agent for the round's guest.
begin()
{
    # shellcheck disable=SC2086 # words
    agent_start v2 -e guest-request,cr3:async -q --reply --no-disasm --on-death "$policy" \
        $rings "$@" && return
    trouble begin "$(tail -n 1 /tmp/agent.err)"
    return 1
}

goes_on() { guestmem "$DOMID" wait-count $(($(made) + 20 * vcpus)) 60 || trouble "$1" stuck; }

# What Xen counts adds up whoever is attached, and at any moment.
books()
{
    status_text >/tmp/status || { trouble books "no status"; return; }
    [ "$(xen_sum raised)" = $(($(xen_sum answered) + $(xen_sum released) + $(xen_sum cancelled) + \
        $(sed -n 's/.*, pending \([0-9]*\),.*/\1/p' /tmp/status))) ] ||
        trouble books "$(tr '\n' ' ' </tmp/status)"
}

step_kill()
{
    kill -KILL "$AGENT"
    wait "$AGENT" 2>/dev/null
    if [ "$policy" = hold ]; then begin --reattach; else begin; fi
}

step_stop()
{
    kill -STOP "$AGENT"
    draw 20
    usleep $((drawn * 10000))
    books
    kill -CONT "$AGENT"
}

step_takeover()
{
    old=$AGENT
    begin --takeover || return
    wait "$old"
    status=$?
    # Taken over; or, without HOLD, ended by somebody else.
    [ $status = 9 ] || [ $status = 13 ] || trouble takeover "the first ended with $status"
}

step_end()
{
    agent_stop
    status=$?
    [ $status = 0 ] || trouble end "status $status"
    goes_on end-unwatched
    begin
}

step_pause()
{
    xl pause "$DOMID"
    draw 10
    usleep $((drawn * 10000))
    xl unpause "$DOMID"
}

step_patch()
{
    pick xen_hello_world xen_replace_world xen_expectations
    if ! { xen-livepatch load "/livepatch/$picked.livepatch" >/tmp/patch 2>&1 &&
        xen-livepatch revert "$picked" >>/tmp/patch 2>&1 &&
        xen-livepatch unload "$picked" >>/tmp/patch 2>&1; }; then
        trouble patch "$(tail -n 1 /tmp/patch)"
    fi
}

step_legacy_refused()
{
    vmi-agent --domid "$DOMID" --abi legacy -e guest-request -q >/dev/null 2>&1 &&
        trouble legacy "attached beside v2"
}

# end_quietly: every vCPU comes to its end, and each answer was the right one, if
# nobody let a request go without.
end_quietly()
{
    guestmem "$DOMID" stop
    guestmem "$DOMID" wait-done 60 || trouble end "vCPUs are stuck"
    books
    guestmem "$DOMID" show >/tmp/counts
    if [ "$policy" = hold ] && [ "$unwatched" = no ] &&
        { [ "$(total mismatched /tmp/counts)" != 0 ] ||
            [ "$(total checked /tmp/counts)" != "$(total iterations /tmp/counts)" ]; }; then
        trouble end "$(grep ^total /tmp/counts)"
    fi
    agent_stop || trouble end "the agent's status $?"
    guest_destroy
}

# Under load, as it stands.
end_destroyed()
{
    ended=$DOMID
    guest_destroy
    wait "$AGENT"
    status=$?
    [ $status = 8 ] || trouble destroy "the agent's status $status"
    wait_until 20 not_listed "$ended" || trouble destroy "still listed"
}

one_round()
{
    state=$(((seed * 7919 + round * 104729) % 2147483648))
    draw 2; draw 2
    pick 1 2 4 8 12; size=$picked
    pick hold detach; policy=$picked
    pick '' --split-rings '--ring 4K' '--split-rings --ring 4K'; rings=$picked
    unwatched=no
    guest_boot "$size" gr cr3 reply || { trouble boot "no guest"; return; }
    begin || { guest_destroy; return; }
    guestmem "$DOMID" run
    draw 5
    left=$((drawn + 2))
    while [ $left -gt 0 ]; do
        left=$((left - 1))
        pick kill kill stop takeover end pause patch legacy_refused
        [ "$picked" != end ] || unwatched=yes
        [ "$picked" != takeover ] || [ "$policy" = hold ] || continue
        made_steps="$made_steps$picked
"
        "step_$picked"
        is_alive || break
        goes_on "$picked"
        books
    done
    draw 2
    if ! is_alive; then
        guest_destroy
    elif [ "$drawn" = 0 ]; then
        end_quietly
    else
        end_destroyed
    fi
}

is_alive() { kill -0 "$AGENT" 2>/dev/null; }

# A first round, not counted, after which what Xen keeps for good is there.
rounds=0 troubles='' made_steps='' first=$round
one_round
free=$(free_pages) round=$((round + 1))
until_then=$(($(uptime_seconds) + seconds))
while [ "$(uptime_seconds)" -lt $until_then ] && [ -z "$troubles" ]; do
    one_round
    note "round $round: $(free_pages) pages free"
    rounds=$((rounds + 1)) round=$((round + 1))
done

steps=$(echo "$made_steps" | sort | uniq -c | awk 'NF == 2 { printf "%s%d %s", sep, $1, $2; sep = ", " }')
kinds=$(echo "$made_steps" | sort -u | grep -c .)
# So many rounds leave no kind of step out.
[ "$rounds" -lt 20 ] || [ "$kinds" = 7 ] || troubles="$troubles only $kinds kinds of steps of 7"
if [ -z "$troubles" ] && [ $rounds -gt 0 ]; then
    pass rounds "$rounds, seed $seed, $first to $((round - 1)): $steps"
else
    fail rounds "seed $seed:$troubles"
fi
are_back() { [ "$(free_pages)" -ge $((free - FREE_SLACK)) ]; }
if wait_until 20 are_back; then
    pass memory "$free pages free after the first round, $(free_pages) at the end"
else
    fail memory "$free pages free after the first round, $(free_pages) at the end"
fi
