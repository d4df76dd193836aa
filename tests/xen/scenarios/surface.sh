# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the agent keeps of a real guest: a capture that replays to the same
# lines, over both ABIs; a rule that denies, seen in the guest; a filter; the
# counts of a capture of many events.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

for abi in v2 legacy; do
    plan "$abi-replay" "$abi-guard"
done
plan filter
each=50

# Where both roots find files.
mkdir -p /agent/tmp /files
mount --bind /files /agent/tmp

# here ABI: the folder as that agent sees it.
here()
{
    if [ "$1" = v2 ]; then echo /tmp; else echo /files; fi
}

# What a replay repeats: everything but the objects "live" and the counts.
normalised()
{
    sed 's/,"live":{[^}]*}//' "$1" | grep -v '"type":"summary"'
}

replay()
{
    abi=$1
    guest_boot 2 "gr cr0 cr3 cr4 msr cpuid" count=$each || return
    agent "$abi" --domid "$DOMID" --abi "$abi" -o json \
        -e guest-request,cr0,cr3,cr4,msr,cpuid --guard default \
        -w "$(here "$abi")/$abi.pcap" >"/files/$abi.live" 2>/files/err &
    AGENT=$!
    wait_for_line '"type":"start"' "/files/$abi.live" 60
    guestmem "$DOMID" run
    guestmem "$DOMID" wait-done 60 || note "$abi: not done"
    # The agent may be a child of the subshell that runs it.
    killall -INT vmi-agent
    wait $AGENT
    status=$?
    guest_destroy
    agent "$abi" -r "$(here "$abi")/$abi.pcap" -o json --guard default \
        >"/files/$abi.again" 2>>/files/err
    normalised "/files/$abi.live" >/files/a
    normalised "/files/$abi.again" >/files/b
    events=$(grep -c '"type":"event"' /files/a)
    if [ "$status" = 0 ] && [ "$events" -ge $((6 * each)) ] &&
        cmp /files/a /files/b; then
        pass "$abi-replay" "$events events of a real guest, $(wc -c <"/files/$abi.pcap") bytes: the same $(wc -l </files/a) lines"
    else
        fail "$abi-replay" "exit $status, $events events, $(wc -l </files/a) and $(wc -l </files/b) lines: $(tail -n 2 /files/err)"
    fi
    # The serial line is slow, and a capture repeats itself.
    gzip -c "/files/$abi.pcap" >"/files/$abi.pcap.gz"
    hand_out "/files/$abi.pcap.gz"
}

# The guest toggles CR0.WP: it can set it once, and never clear it.
guard()
{
    abi=$1
    echo '{ "rules": { "cr0-wp": "deny" } }' >/files/rules
    guest_boot 1 cr0 count=$each || return
    agent_start "$abi" -e cr0:sync --guard "$(here "$abi")/rules" -q ||
        { guest_destroy; return; }
    guestmem "$DOMID" run
    guestmem "$DOMID" wait-done 30 || note "$abi: not done"
    guestmem "$DOMID" show >/tmp/counts
    agent_stop
    status=$?
    guest_destroy
    lines=$(grep -c '^! .*DENIED cr0-wp' /tmp/agent.out)
    if [ "$status" = 0 ] && [ "$lines" = $((each - 1)) ] &&
        [ "$(total denied /tmp/counts)" = $((each - 1)) ] &&
        [ "$(total kept /tmp/counts)" = 1 ]; then
        pass "$abi-guard" "$lines writes that clear CR0.WP denied, each told"
    else
        fail "$abi-guard" "exit $status, $lines lines: $(grep ^total /tmp/counts) $(tail -n 1 /tmp/agent.err)"
    fi
}

filter()
{
    agent v2 -r /tmp/v2.pcap -o json --filter 'reg = CR3 and vcpu = 1' \
        >/files/filtered 2>/files/err
    got=$(grep -c '"type":"event"' /files/filtered)
    want=$(grep '"type":"event"' /files/v2.live | grep '"vcpu":1,' |
        grep -c '"register":"cr3"')
    if [ "$got" = "$want" ] && [ "$got" -ge $each ]; then
        pass filter "$got events of one vCPU and register out of a capture"
    else
        fail filter "$got events, wanted $want: $(head -n 1 /files/err)"
    fi
}

for abi in v2 legacy; do
    replay "$abi"
    guard "$abi"
done
filter
