# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Debian's Linux boots while its whole memory is watched, with guests under v2 and
# under legacy in turn on one Xen. RIG_GUESTS names them, RIG_BOOTS times over:
#   n2rwx:ABI   Xen opens a page when it is used first, with an asynchronous event
#   rx:ABI      the first write to a page waits until the agent has opened it
# Its clock ticks on while its memory is watched, while first executions in all
# pages are, and after the agent has gone; what is executed is disassembled.
# The machine counts instructions (boot.py --icount), so that rates do not depend
# on what else this one does.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

boots=${RIG_BOOTS:-1} guests=${RIG_GUESTS:-n2rwx:v2 n2rwx:legacy rx:v2} memory=128 limit=${RIG_UP:-400}
pages=40000-$(printf %x $((0x40000 + memory * 256 - 1)))
console=/var/log/xen/guest-linux.log

plan boots rates ticks disassembled goes-on

ticks() { grep -c '^tick' $console; }
ticked() { [ "$(ticks)" -ge "$1" ]; }

linux_create()
{
    cat >/tmp/linux.cfg <<CFG
name = "linux"
type = "pvh"
kernel = "/guest/Image"
ramdisk = "/guest/linux.cpio"
memory = $memory
vcpus = 1
extra = "console=hvc0 loglevel=4 nokaslr mitigations=off"
CFG
    : >$console
    xl create -q -p /tmp/linux.cfg || return 1
    DOMID=$(xl domid linux)
}

linux_destroy()
{
    xl pause linux
    xl destroy linux
    # xenconsoled has noticed, and will not write to what the next one reads.
    wait_until 10 eval '! xl list linux'
}

# gaps: the ticks of the console that came more than 2 s after the one before,
# or are missing, by the guest's own clock; and what it said to be wrong.
gaps()
{
    awk '/^tick/ { if (n && ($2 != n + 1 || $3 - ms > 2000)) print n, ms, "to", $0
                   n = $2; ms = $3 }
         /^wrong/ { print }' $console
}

# comes_up: as wait_until, but without a process for each look, which would cost
# the guest more than the agent does.
comes_up()
{
    up='' tries=$((limit * 4))
    while [ -z "$up" ] && [ $tries -gt 0 ]; do
        usleep 250000
        while read -r word value; do
            [ "$word" != up ] || up=$value
        done <$console
        tries=$((tries - 1))
    done
    [ -n "$up" ]
}

# boot KIND ABI: a guest whose memory is watched so, up to its second tick.
# Appends "KIND:ABI RATE RECEIVED LOST" to /tmp/rates: events per second of the
# guest's clock. Neither kind is watched again, so the events are those of the boot.
boot()
{
    linux_create || return 1
    ring='--ring 1M'
    [ "$2" = v2 ] || ring=
    # shellcheck disable=SC2086 # two words, or none
    agent_start "$2" -e "mem=$pages/$1" -q $ring || return 1
    xl unpause linux
    comes_up || return 1
    kill -USR1 "$AGENT"
    wait_for_line '^total' /tmp/agent.err 20
    received=$(total received /tmp/agent.err)
    echo "$1:$2 $((received * 1000 / up)) $received $(total lost /tmp/agent.err)" >>/tmp/rates
    wait_until 60 ticked 2
    agent_stop || wrong="$wrong exit $? of the $1:$2 agent;"
    note "$1:$2 up at $up ms of its clock; $(grep ^total /tmp/agent.err | tail -n 1)"
}

# executes ABI: likewise for executions, in the guest as it is; for what the
# agent says of their instructions see judge_disassembled.
executes()
{
    have=$(ticks)
    agent_start "$1" -e "mem=$pages/rw" || return 1
    wait_until 120 ticked $((have + 3))
    agent_stop || wrong="$wrong exit $? of the $1 agent;"
    cat /tmp/agent.out >>/tmp/executes
}

median() { sed -n "s/^$1 \([0-9]*\) .*/\1/p" /tmp/rates | sort -n | sed -n "$(((boots + 1) / 2))p"; }
lowest() { awk '{ print $3 + $4 }' /tmp/rates | sort -n | head -n 1; }

: >/tmp/rates
: >/tmp/executes
wrong='' stopped='' still='' n=0
while [ $n -lt "$boots" ]; do
    for guest in $guests; do
        boot "${guest%:*}" "${guest#*:}" || { wrong="$wrong $guest, boot $n;"; tail -n 5 $console; }
        executes "${guest#*:}" || wrong="$wrong $guest, executions of boot $n;"
        have=$(ticks)
        wait_until 60 ticked $((have + 3)) || still="$still $guest, boot $n: $(tail -n 1 $console);"
        stopped="$stopped$(gaps)"
        grep '^up\|^tick' $console | tr '\n' ';'
        echo
        linux_destroy
    done
    n=$((n + 1))
done

if [ -z "$wrong" ] && [ "$(lowest)" -gt 5000 ]; then
    pass boots "$(wc -l </tmp/rates) guests, $(lowest) pages or more in each: $(tr '\n' ';' </tmp/rates)"
else
    fail boots "at least $(lowest) events;$wrong"
fi
judge rates "events per second of the guest's clock, medians of $n: v2 $(median n2rwx:v2), legacy $(median n2rwx:legacy)" \
    [ "$(median n2rwx:v2)" -ge "$(median n2rwx:legacy)" ]
judge ticks "no tick came later than 2 s after the one before it, by the guest's clock${stopped:+: $stopped}" \
    [ -z "$stopped" ]
all=$(grep -c 'mem-access.*--x' /tmp/executes)
with=$(grep -c 'mem-access.*--x.* ; [0-9a-f]*  *[a-z]' /tmp/executes)
causes=$(sed -n 's/.*--x.* ; \(cannot read\) [^:]*\(.*\)/\1\2/p' /tmp/executes | sort | uniq -c)
explained=$(grep -c '\-\-x.* ; cannot read [^:]*: [A-Z]' /tmp/executes)
if [ "$all" -gt 500 ] && [ $((with * 100)) -ge $((all * 99)) ] &&
    [ $((with + explained)) = "$all" ]; then
    pass disassembled "$with of $all executions with an instruction${causes:+, else $causes}"
else
    fail disassembled "$with of $all, $explained failures explained: $causes $(grep -m 1 mem-access /tmp/executes)"
fi
judge goes-on "three more ticks after each agent had gone${still:+; not: $still}" [ -z "$still" ]
