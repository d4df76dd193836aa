# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What an agent at work can do to a domain that is not its own: everything
# before it has confined itself, nothing after. The attempts are made by the
# agent's own process with the handles that it holds, on the path that it takes
# in production (--self-test-privilege, docs/AGENT.md).
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan before restricted confined own-domain still-possible at-work violations \
    legacy-says legacy-open privileged many-watched many-apart many-come-and-go \
    many-end

# tried STAGE DOMID WHAT RESULT: number of attempts that ended so.
tried() { grep -c "^self-test $1 [a-z0-9-]* domain $2 $3: $4\$" /tmp/agent.err; }
# attempts STAGE DOMID WHAT: number of attempts.
attempts() { grep -c "^self-test $1 [a-z0-9-]* domain $2 $3: " /tmp/agent.err; }

# every STAGE DOMID RESULT WHAT...: each was tried, and each time ended so.
every()
{
    every_stage=$1 every_domid=$2 every_result=$3
    shift 3
    for what in "$@"; do
        number=$(attempts "$every_stage" "$every_domid" "$what")
        if [ "$number" = 0 ] ||
            [ "$number" != "$(tried "$every_stage" "$every_domid" "$what" "$every_result")" ]; then
            note "$every_stage $what of $every_domid: $(grep "^self-test $every_stage .*domain $every_domid $what" /tmp/agent.err | tr '\n' ';')"
            return 1
        fi
    done
}

guest_boot 2 gr || exit 1
sed -e 's/^name = .*/name = "other"/' /tmp/guest.cfg >/tmp/other.cfg
xl create -q -p /tmp/other.cfg
other=$(xl domid other)
port=$(portpeer "$other" alloc)
guestmem "$DOMID" run

# Attached, tested, and at work: five events answered afterwards.
agent_start v2 -e guest-request -c 5 --self-test-privilege "$other,port=$port"
wait "$AGENT"
status=$?
grep '^self-test' /tmp/agent.err

handles="foreign-map dm-op resource-map"
# shellcheck disable=SC2086 # a list of words
{
    judge before "maps, dm_op, hypercall and bind reach domain $other: $(attempts before "$other" '[a-z-]*') attempts" \
        every before "$other" ok $handles hypercall bind open-privcmd open-evtchn
    judge restricted "EPERM for maps, dm_op and hypercalls, EACCES for bind and open" \
        eval "every restricted $other EPERM $handles hypercall &&
              every restricted $other EACCES bind open-privcmd open-evtchn"
    judge confined "refused likewise under the filter: $(attempts confined "$other" '[a-z-]*') attempts" \
        eval "every confined $other EPERM $handles &&
              every confined $other EACCES open-privcmd open-evtchn"
    judge own-domain "the same calls reach domain $DOMID at every stage" \
        eval "every before $DOMID ok $handles && every restricted $DOMID ok $handles &&
              every confined $DOMID ok $handles"
}
# The refusals were not the other domain's doing.
judge still-possible "a process that is not restricted still binds port $port of domain $other" \
    portpeer "$other" bind "$port"
if [ $status = 0 ] && [ "$(total answered /tmp/agent.err)" -ge 5 ]; then
    pass at-work "then $(grep ^total /tmp/agent.err)"
else
    fail at-work "exit $status, $(tail -n 1 /tmp/agent.err)"
fi

# A forbidden call ends the agent by SIGSYS (128 + 31), and the guest goes on.
# violated CALL
violated()
{
    agent_start v2 -q -e guest-request \
        --self-test-privilege "$other,port=$port,violate=$1" || true
    wait "$AGENT"
    status=$?
    if [ $status != 159 ] || ! grep -q "^self-test violating: $1" /tmp/agent.err ||
        grep -q '^self-test violated' /tmp/agent.err; then
        bad="$bad $1:$status"
    fi
    killed=$((killed + 1))
}

bad='' killed=0
for call in hypercall bind exec fork ptrace inet exec-memory kill setown setsig setuid; do
    violated $call
done
before=$(guestmem "$DOMID" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p')
audited=$(dmesg | grep -c 'type=1326')
if [ -z "$bad" ] && guestmem "$DOMID" wait-count $((before + 100)) 60; then
    pass violations "$killed kinds of forbidden call end the agent by SIGSYS ($audited audit lines), the guest goes on"
else
    fail violations "$bad; $(tail -n 1 /tmp/agent.err)"
fi

# The old ABI's hypercalls cannot be restricted: it is said, and it is so.
if :; then
    agent_start legacy -q -e guest-request -c 5 --self-test-privilege "$other,port=$port"
    wait "$AGENT"
    status=$?
    grep '^self-test' /tmp/agent.err
    judge legacy-says "$(grep -m1 'legacy ABI needs' /tmp/agent.err)" \
        grep -q 'the legacy ABI needs unrestricted hypercalls: this process can control every domain' /tmp/agent.err
    # shellcheck disable=SC2086
    judge legacy-open "under legacy every map, dm_op and hypercall still reaches domain $other; opening does not" \
        eval "every confined $other ok $handles hypercall &&
              every confined $other EACCES open-privcmd open-evtchn"
fi

agent_start v2 -q -e guest-request -c 5 --privileged
wait "$AGENT"
judge privileged "$(grep -m1 'warning: --privileged' /tmp/agent.err)" \
    grep -q 'warning: --privileged: keeping all privileges' /tmp/agent.err

# ---- one supervisor, one worker per domain ----

# handles PID DEVICE: how many of its descriptors are that device.
handles()
{
    # shellcheck disable=SC2010 # links, which only ls -l shows
    ls -l "/proc/$1/fd" | grep -c -- "-> .*$2\$"
}
worker_of() { sed -n "s/.* # domain $1 watching: process \([0-9]*\)\$/\1/p" /tmp/many.out | tail -n 1; }
uuid_of() { xenstore-read "/local/domain/$1/vm" | sed 's|.*/||'; }
# watched NAME DOMID: an event of that domain, under its name and UUID.
watched() { grep -q "^$1 $(uuid_of "$2") .*guest-request" /tmp/many.out; }
many_gone() { ! pidof vmi-agent >/dev/null; }

# Guests that leave dom0's one CPU some time: every event is printed.
xl destroy other
guest_destroy
guest_boot 2 gr spin=2000000 || exit 1
guestmem "$DOMID" run
sed -e 's/^name = .*/name = "other"/' /tmp/guest.cfg >/tmp/other.cfg
xl create -q /tmp/other.cfg
other=$(xl domid other)
guestmem "$other" wait-ready 60
guestmem "$other" run
(exec chroot /agent /usr/sbin/vmi-agent --all -e guest-request --no-disasm \
    -o text >/tmp/many.out 2>/tmp/many.err) &
many=$!
if wait_until 60 watched guest "$DOMID" && wait_until 60 watched other "$other"; then
    pass many-watched "--all: events of two domains in one stream, each under its name and UUID"
else
    fail many-watched "$(tail -n 3 /tmp/many.out /tmp/many.err | tr '\n' ';')"
fi

first=$(worker_of "$DOMID") second=$(worker_of "$other")
# The library has two privcmd descriptors and one of evtchn for a domain.
devices() { echo "$(handles "$1" /dev/xen/privcmd)+$(handles "$1" /dev/xen/evtchn)"; }
text="supervisor $(devices "$many"), workers $(devices "$first") and $(devices "$second") (privcmd+evtchn)"
if [ "$(devices "$many")" = 0+0 ] &&
    [ "$(devices "$first")" = 2+1 ] &&
    [ "$(devices "$second")" = 2+1 ] &&
    grep -q '^Uid:[[:space:]]*65534' "/proc/$first/status" &&
    grep -q '^Seccomp:[[:space:]]*2' "/proc/$second/status"; then
    pass many-apart "handles: $text; the workers are nobody, under the filter"
else
    fail many-apart "handles: $text"
fi

come_and_go=yes
for name in third fourth; do
    sed -e "s/^name = .*/name = \"$name\"/" /tmp/guest.cfg >/tmp/more.cfg
    xl create -q /tmp/more.cfg
    more=$(xl domid $name)
    guestmem "$more" wait-ready 60 && guestmem "$more" run
    wait_until 60 watched $name "$more" || come_and_go="no event of $name"
    xl destroy $name
    wait_for_line "^$name .* # domain $more left\$" /tmp/many.out 60 ||
        come_and_go="the end of $name was not seen"
done
if [ "$come_and_go" = yes ] && wait_until 20 eval '! xl list | grep -q null'; then
    pass many-come-and-go "two domains came, were watched and left; no zombie"
else
    fail many-come-and-go "$come_and_go; $(tail -n 3 /tmp/many.out | tr '\n' ';')"
fi

kill -TERM "$many"
wait "$many"
status=$?
before=$(guestmem "$DOMID" show | sed -n 's/^total .*iterations=\([0-9]*\).*/\1/p')
if [ $status = 0 ] && wait_until 10 many_gone &&
    guestmem "$DOMID" wait-count $((before + 10)) 60 &&
    grep -q '^supervisor domains=4 restarts=0 bad_lines=0 output_drops=0' /tmp/many.err; then
    pass many-end "$(tail -n 1 /tmp/many.err); nothing is left, the guest goes on"
else
    fail many-end "exit $status: $(tail -n 3 /tmp/many.err | tr '\n' ';')"
fi

xl destroy other
guest_destroy
