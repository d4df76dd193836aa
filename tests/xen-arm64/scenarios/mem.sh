# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# MEM_ACCESS for writes, reads and executes, over both ABIs: each access of each
# vCPU is one synchronous event, because the page is watched again before that
# vCPU goes on. 512 pages of 8 vCPUs likewise; and secure monitor calls.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

abis=${RIG_ABIS:-v2 legacy}
for abi in $abis; do
    plan "$abi-write" "$abi-read" "$abi-execute" "$abi-pages" "$abi-smc" \
        "$abi-disassembled"
done
printed=${RIG_PRINTED:-50}
pages_count=${RIG_PAGES_COUNT:-4}

# watch ABI VCPUS EVENTS WORDS... -- OPTION...: runs a guest to its end under an
# agent; the counts of both are in /tmp/counts and /tmp/agent.err.
watch()
{
    abi=$1 vcpus=$2 events=$3 words=$4
    shift 4
    : >/tmp/counts
    guest_boot "$vcpus" "$words" || return 1
    if agent_start "$abi" -e "$events" --rearm "$@"; then
        guestmem "$DOMID" run
        guestmem "$DOMID" wait-done 60 || note "vCPUs are stuck"
        guestmem "$DOMID" show >/tmp/counts
        agent_stop
        status=$?
    else
        status=none
    fi
    guest_destroy
    cat /tmp/agent.err
    [ "$status" = 0 ]
}

# lines WORD: how many events the agent printed with that word.
lines() { grep -c "$1" /tmp/agent.out; }

# access ABI NAME WORD EVENTS LETTERS: as many events of that access as the guest
# made, and as many guest requests; none else.
access()
{
    abi=$1 name=$2 word=$3 events=$4 letters=$5
    watch "$abi" 4 "$events,guest-request" "$word gr count=$printed"
    made=$(total iterations /tmp/counts)
    seen=$(lines "mem-access.* access $letters ")
    requests=$(lines '^ .*guest-request')
    received=$(total received /tmp/agent.err)
    if [ "$status" = 0 ] && [ "$made" = $((4 * printed)) ] &&
        [ "$seen" = "$made" ] && [ "$received" = $((2 * made)) ]; then
        pass "$abi-$name" "4 vCPUs made $made accesses and requests; $seen and $requests events"
    else
        fail "$abi-$name" "exit $status: $made made, $seen accesses of $received events seen"
    fi
}

# Every printed event has its instruction: code was read at the captured pc.
disassembled()
{
    all=$(lines '^ .*mem-access')
    with=$(lines 'mem-access.* ; [0-9a-f]*  *[a-z]')
    if [ "$all" -gt 0 ] && [ "$with" = "$all" ]; then
        pass "$1-disassembled" "$with of $all with an instruction: $(sed -n 's/.*mem-access.* ; [0-9a-f]* *//p' /tmp/agent.out | sort -u | tr '\n' ',')"
    else
        fail "$1-disassembled" "$with of $all with an instruction: $(grep -m 1 mem-access /tmp/agent.out)"
    fi
}

pages()
{
    abi=$1 want=$((8 * 64 * pages_count))
    watch "$abi" 8 mem=41200-413ff/rx,guest-request \
        "w gr touch=64 count=$pages_count" -q --per-vcpu
    received=$(total received /tmp/agent.err)
    answered=$(total answered /tmp/agent.err)
    # shellcheck disable=SC2046 # smallest and largest, two words
    set -- $(spread received /tmp/agent.err)
    each=$((65 * pages_count))
    if [ "$status" = 0 ] && [ "$1" = $each ] && [ "$2" = $each ] &&
        [ "$received" = $((want + 8 * pages_count)) ] &&
        [ "$answered" = "$received" ]; then
        pass "$abi-pages" "512 pages, 8 vCPUs: $want writes, $each events with requests on each vCPU, all answered"
    else
        fail "$abi-pages" "exit $status: $received received, $answered answered, $1 to $2 on a vCPU, $each wanted"
    fi
}

smc()
{
    abi=$1
    watch "$abi" 4 privcall "smc count=$printed"
    made=$(total iterations /tmp/counts)
    seen=$(lines '^ .*privileged-call')
    if [ "$status" = 0 ] && [ "$made" = $((4 * printed)) ] &&
        [ "$seen" = "$made" ] && [ "$(total traps /tmp/counts)" = 0 ]; then
        pass "$abi-smc" "$made calls, $seen events, each skipped"
    else
        fail "$abi-smc" "exit $status: $made made, $seen seen, $(grep -m 1 vcpu /tmp/agent.out)"
    fi
}

for abi in $abis; do
    access "$abi" write w mem=41200-413ff/rx -w-
    disassembled "$abi"
    access "$abi" read r mem=41200-413ff/x r--
    access "$abi" execute x mem=41400-415ff/rw --x
    pages "$abi"
    smc "$abi"
done
