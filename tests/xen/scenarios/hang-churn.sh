# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Ends at any moment: of the domain under load, of the agent's subscription with
# events in flight, and of the one of two agents that attach at once.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan destroy destroy-memory detach race
destroys=${RIG_DESTROYS:-20} detaches=${RIG_DETACHES:-50} races=${RIG_RACES:-50}

# A page in ten domains is Xen's own loss, watched or not.
memory_is_back() { [ "$(free_pages)" -ge $((free - FREE_SLACK - destroys / 8)) ]; }
made() { guestmem "$DOMID" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p'; }
centiseconds() { awk '{ print int($1 * 100) }' /proc/uptime; }
running() { kill -0 "$1" 2>/dev/null; }
ended() { ! running "$1"; }
moment() { usleep $(($1 * 7919 % 50 * 2000)); }
is_listed() { xl list | awk -v d="$1" 'NR > 1 && $2 == d { n++ } END { exit !n }'; }

# A shell's child that has ended counts as running until it is waited for.
agent_ended() { [ "$(awk '/^State:/ { print $2 }' "/proc/$AGENT/status")" = Z ] || ended "$AGENT"; }

free=$(free_pages)
i=0 longest=0 trouble=''
while [ "$i" -lt "$destroys" ]; do
    guest_boot 2 gr || break
    agent_start v2 -e guest-request -q || break
    guestmem "$DOMID" run
    moment $i
    xl destroy "$DOMID"
    from=$(centiseconds)
    wait_until 20 agent_ended || trouble="$trouble $i: still there"
    took=$(($(centiseconds) - from))
    wait "$AGENT"
    status=$?
    [ $status = 8 ] || trouble="$trouble $i: exit $status"
    is_listed "$DOMID" && trouble="$trouble $i: listed"
    [ $took -le "$longest" ] || longest=$took
    i=$((i + 1))
done
DOMID=
if [ "$i" = "$destroys" ] && [ -z "$trouble" ] && [ "$longest" -le 100 ]; then
    pass destroy "$i times under load: the agent ended with 8 at most ${longest}0 ms after xl, no zombie"
else
    fail destroy "$i of $destroys, longest ${longest}0 ms:$trouble"
fi
if wait_until 20 memory_is_back; then
    pass destroy-memory "$free pages free before, $(free_pages) after"
else
    fail destroy-memory "$free pages free before, $(free_pages) after"
fi

# Each agent ends by itself after another number of events, with more to come.
xen_sum()
{
    sed -n "s/^vcpu .* $1=\([0-9]*\).*/\1/p" /tmp/status |
        awk '{ n += $1 } END { print n + 0 }'
}
guest_boot 4 gr || exit 1
guestmem "$DOMID" run
i=0 trouble=''
while [ "$i" -lt "$detaches" ]; do
    i=$((i + 1))
    agent v2 --domid "$DOMID" --abi v2 -e guest-request -q -o text \
        -c $((i * 7919 % 97 + 1)) >/tmp/agent.out 2>/tmp/agent.err ||
        trouble="$trouble $i: exit $?"
    agent v2 --status "$DOMID" -o text >/tmp/status
    grep -q 'pending 0,' /tmp/status || trouble="$trouble $i: pending"
    [ "$(xen_sum raised)" = "$(($(xen_sum answered) + $(xen_sum released)))" ] ||
        trouble="$trouble $i: raised $(xen_sum raised) answered $(xen_sum answered)"
    # With -c the agent looks at no more: what its vCPUs still wait for is
    # answered as the channel is closed.
    agent=$(total answered /tmp/agent.err) xen=$(xen_sum answered)
    if [ "$xen" -lt "$agent" ] || [ "$xen" -gt $((agent + vcpus)) ]; then
        trouble="$trouble $i: agent $agent Xen $xen"
    fi
    guestmem "$DOMID" wait-count $(($(made) + 50)) 20 || trouble="$trouble $i: stuck"
done
guestmem "$DOMID" stop
guestmem "$DOMID" wait-done 20 || trouble="$trouble vCPUs are stuck"
if [ -z "$trouble" ]; then
    pass detach "$i times under load: each request that was raised was answered, no vCPU paused"
else
    fail detach "$trouble"
fi
guest_destroy

guest_boot 2 gr || exit 1
guestmem "$DOMID" run
one_is_over() { is_over "$a" || is_over "$b"; }
is_over() { [ "$(awk '/^State:/ { print $2 }' "/proc/$1/status" 2>/dev/null)" = Z ] || ended "$1"; }
one_watches() { grep -q '^# watching' /tmp/a.out || grep -q '^# watching' /tmp/b.out; }
i=0 trouble='' won_a=0
while [ "$i" -lt "$races" ]; do
    i=$((i + 1))
    : >/tmp/a.out
    : >/tmp/b.out
    (exec chroot /agent /usr/sbin/vmi-agent --domid "$DOMID" --abi v2 \
        -e guest-request -q -o text >/tmp/a.out 2>/tmp/a.err) &
    a=$!
    (exec chroot /agent /usr/sbin/vmi-agent --domid "$DOMID" --abi v2 \
        -e guest-request -q -o text >/tmp/b.out 2>/tmp/b.err) &
    b=$!
    wait_until 20 one_is_over
    wait_until 20 one_watches
    kill -INT "$a" "$b" 2>/dev/null
    wait "$a"
    first=$?
    wait "$b"
    case "$first $?" in
    "0 6") won_a=$((won_a + 1)) ;;
    "6 0") ;;
    *) trouble="$trouble $i: exits $first $?: $(head -n 1 /tmp/a.err) $(head -n 1 /tmp/b.err)" ;;
    esac
done
if [ -z "$trouble" ] && guestmem "$DOMID" wait-count $(($(made) + 50)) 20; then
    pass race "$i times: one attached ($won_a times the first), the other ended with 6"
else
    fail race "$trouble"
fi
guest_destroy
