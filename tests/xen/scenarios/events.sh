# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Every kind of event that this emulated processor raises, printed by vmi-agent
# and answered, over both ABIs; writes that an answer refuses, and registers
# that it changes. What was seen goes to the host as a table (surface.txt).
#
# RIG_MENDED=1: on a QEMU with its intercepts mended, whose processor has XSAVE.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

kinds="guest-request cr0 cr3 cr4 msr cpuid desc debug interrupt"
if [ -n "${RIG_MENDED:-}" ]; then
    kinds="$kinds xcr0 int3 icebp icebp-skip"
fi
for abi in v2 legacy; do
    for kind in $kinds deny-cr0 deny-cr3 deny-cr4 deny-msr reply-cpuid \
        reply-guest-request; do
        plan "$abi-$kind"
    done
done
plan table
each=20
table=/tmp/surface.txt

printf '%-20s %-7s %7s %9s %9s  %s\n' event abi raised received answered \
    'effect seen in the guest' >$table

# row NAME ABI RAISED EFFECT: raised is the guest's own count, the effect too.
row()
{
    printf '%-20s %-7s %7s %9s %9s  %s\n' "$1" "$2" "$3" \
        "$(total received /tmp/agent.err)" \
        "$(total answered /tmp/agent.err)" "$4" >>$table
}

# The iterations that the guest counted as complete.
raised() { echo $(($(total iterations /tmp/counts) * per)); }

# What the guest does, what the agent watches, how many events an iteration
# makes and what the guest's counters must show of it.
describe()
{
    word=$1 watch=$1 mode=sync per=1 shows="" seen=$each
    case $1 in
    guest-request) word=gr ;;
    cr0 | cr3 | cr4 | xcr0 | msr) shows=kept ;;
    cpuid) shows=cpuid_native ;;
    desc) per=3 ;;
    # A guest whose #DB an answer swallows would step on for ever.
    debug) word=step mode=async shows=traps ;;
    icebp) watch=debug mode=async shows=traps ;;
    # Skipped: the guest's own handler does not run.
    icebp-skip) word=icebp watch=debug shows=traps seen=0 ;;
    int3) shows=traps seen=0 ;;
    # A write that is told of, goes on, and ends in #GP: the next interrupt.
    interrupt) word=gp watch=msr=176:sync,interrupt per=2 shows=traps ;;
    esac
}

# run ABI WORDS AGENT-OPTION...: leaves /tmp/counts and /tmp/agent.{out,err}.
run()
{
    abi=$1 words=$2
    shift 2
    guest_boot 1 "$words" count=$each || return 1
    agent_start "$abi" "$@" || { guest_destroy; return 1; }
    guestmem "$DOMID" run
    guestmem "$DOMID" wait-done 20 || note "$abi $words: not done"
    guestmem "$DOMID" show >/tmp/counts
    agent_stop
    status=$?
    guest_destroy
    cat /tmp/agent.out /tmp/agent.err /tmp/counts
}

one()
{
    describe "$2"
    : >/tmp/counts
    status=none
    run "$1" "$word" -e "$watch:$mode"
    row "$2" "$1" "$(raised)" "${shows:-went on}${shows:+=$(total "${shows:-none}" /tmp/counts)}"
    want=$((each * per))
    answers=$want
    [ $mode = sync ] || answers=0
    printed=$(grep -vc '^[#a-z]' /tmp/agent.out)
    if [ "$status" = 0 ] && [ "$(total received /tmp/agent.err)" = $want ] &&
        [ "$(total answered /tmp/agent.err)" = $answers ] &&
        [ "$printed" = $want ] &&
        { [ -z "$shows" ] || [ "$(total $shows /tmp/counts)" = $seen ]; }; then
        pass "$1-$2" "$(grep -v '^[#a-z]' /tmp/agent.out | head -n 1 | tr -s ' ')"
    else
        fail "$1-$2" "exit $status, $printed lines, wanted $want: $(grep ^total /tmp/agent.err) $(grep ^total /tmp/counts) $(head -n 1 /tmp/agent.err)"
    fi
}

deny()
{
    describe "$2"
    : >/tmp/counts
    status=none
    run "$1" "$word" -e "$watch:sync" --deny "$2" -q
    row "$2 (deny)" "$1" "$(raised)" "denied=$(total denied /tmp/counts) kept=$(total kept /tmp/counts)"
    if [ "$status" = 0 ] && [ "$(total denied /tmp/counts)" = $each ] &&
        [ "$(total kept /tmp/counts)" = 0 ]; then
        pass "$1-deny-$2" "$each writes refused, each read back unchanged"
    else
        fail "$1-deny-$2" "exit $status: $(grep ^total /tmp/counts) $(head -n 1 /tmp/agent.err)"
    fi
}

# reply ABI KIND WORDS COUNTER: registers that the answer sets reach the guest.
reply()
{
    describe "$2"
    : >/tmp/counts
    status=none
    run "$1" "$3" -e "$2:sync" --reply -q
    row "$2 (set)" "$1" "$(raised)" "$4=$(total "$4" /tmp/counts) mismatched=$(total mismatched /tmp/counts)"
    if [ "$status" = 0 ] && [ "$(total "$4" /tmp/counts)" = $each ] &&
        [ "$(total mismatched /tmp/counts)" = 0 ]; then
        pass "$1-reply-$2" "$each times the guest saw the registers of the answer"
    else
        fail "$1-reply-$2" "exit $status: $(grep ^total /tmp/counts) $(head -n 1 /tmp/agent.err)"
    fi
}

for abi in v2 legacy; do
    for kind in $kinds; do
        one "$abi" "$kind"
    done
    for kind in cr0 cr3 cr4 msr; do
        deny "$abi" "$kind"
    done
    reply "$abi" cpuid cpuid cpuid_replaced
    reply "$abi" guest-request "gr reply" checked
done

# Every row: raised is what was received.
rows=$(tail -n +2 $table | wc -l)
same=$(tail -n +2 $table | sed 's/ ([a-z]*)//' | awk '$3 > 0 && $3 == $4' | wc -l)
want=$((2 * ($(echo "$kinds" | wc -w) + 6)))
cat $table
hand_out $table
if [ "$rows" = $want ] && [ "$same" = $want ]; then
    pass table "$rows rows, in each the guest raised what the agent received"
else
    fail table "$same of $rows rows have as many raised as received"
fi
