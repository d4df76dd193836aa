# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Every kind of event that this emulated processor raises, printed by vmi-agent
# and answered, over both ABIs; and writes that an answer refuses.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

kinds="guest-request cr0 cr3 cr4 msr cpuid desc debug"
for abi in v2 legacy; do
    for kind in $kinds deny-cr0 deny-cr4 deny-msr; do
        plan "$abi-$kind"
    done
done
each=20

# What the guest does, what the agent watches, how many events an iteration
# makes and what the guest's counters must show of it.
describe()
{
    word=$1 watch=$1 mode=sync per=1 shows=
    case $1 in
    guest-request) word=gr ;;
    cr0 | cr3 | cr4 | msr) shows=kept ;;
    cpuid) shows=cpuid_native ;;
    desc) per=3 ;;
    # A guest whose #DB an answer swallows would step on for ever.
    debug) word=step mode=async shows=traps ;;
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
    want=$((each * per))
    answers=$want
    [ $mode = sync ] || answers=0
    printed=$(grep -vc '^[#a-z]' /tmp/agent.out)
    if [ "$status" = 0 ] && [ "$(total received /tmp/agent.err)" = $want ] &&
        [ "$(total answered /tmp/agent.err)" = $answers ] &&
        [ "$printed" = $want ] &&
        { [ -z "$shows" ] || [ "$(total $shows /tmp/counts)" = $each ]; }; then
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
    if [ "$status" = 0 ] && [ "$(total denied /tmp/counts)" = $each ] &&
        [ "$(total kept /tmp/counts)" = 0 ]; then
        pass "$1-deny-$2" "$each writes refused, each read back unchanged"
    else
        fail "$1-deny-$2" "exit $status: $(grep ^total /tmp/counts) $(head -n 1 /tmp/agent.err)"
    fi
}

for abi in v2 legacy; do
    for kind in $kinds; do
        one "$abi" "$kind"
    done
    for kind in cr0 cr4 msr; do
        deny "$abi" "$kind"
    done
done
