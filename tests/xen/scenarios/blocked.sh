# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# The agent's standard output is a pipe that is read, then one that nobody reads
# any more: the guest's requests go on being answered, the agent does not try to
# write, and what was not printed is counted.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan no-writes answers drops
seconds=10
full=/tmp/full
printed=/tmp/full.out

# What SIGUSR1 prints.
statistics() { grep -c '^total ' /tmp/agent.err; }
more_statistics() { [ "$(statistics)" -gt "$1" ]; }
ask()
{
    asked=$(statistics)
    kill -USR1 "$AGENT"
    wait_until 60 more_statistics "$asked"
}
counted() { sed -n "s/^counts .*\b$1=\([0-9]*\).*/\1/p" /tmp/agent.err | tail -n 1; }
drops_grow()
{
    ask
    [ "$(total output_drops /tmp/agent.err)" -gt 0 ]
}

# iterations_in S: the guest's in so many seconds.
iterations()
{
    guestmem "$DOMID" show >/tmp/counts
    total iterations /tmp/counts
}
iterations_in()
{
    before=$(iterations)
    sleep "$1"
    echo $(($(iterations) - before))
}

mkfifo $full
guest_boot 2 gr || exit 1
: >/tmp/agent.err
cat $full >$printed &
READER=$!
(exec chroot /agent /usr/sbin/vmi-agent --domid "$DOMID" --abi v2 -o json \
    -e guest-request >$full 2>/tmp/agent.err) &
AGENT=$!
wait_for_line '"type":"start"' $printed 60 || exit 1
guestmem "$DOMID" run
guestmem "$DOMID" wait-count 1000 60
reading=$(iterations_in $seconds)

kill -STOP $READER
wait_until 120 drops_grow || note "nothing is dropped"
ask
writes=$(counted output_writes)
dropped=$(total output_drops /tmp/agent.err)
blocked=$(iterations_in $seconds)
ask
if [ "$(counted output_writes)" = "$writes" ] &&
    [ "$(total output_drops /tmp/agent.err)" -gt "$dropped" ]; then
    pass no-writes "$writes before and after $seconds s in which $(($(total output_drops /tmp/agent.err) - dropped)) lines were dropped"
else
    fail no-writes "$writes, then $(counted output_writes); drops $dropped, then $(total output_drops /tmp/agent.err)"
fi
if [ "$reading" -gt 100 ] && [ $((blocked * 10)) -ge $((reading * 8)) ]; then
    pass answers "$blocked requests in $seconds s, $reading in those before"
else
    fail answers "$blocked requests in $seconds s, $reading in those before"
fi

kill -CONT $READER
guestmem "$DOMID" stop
agent_stop
status=$?
wait $READER
guest_destroy
received=$(total received /tmp/agent.err)
lines=$(grep -c '"type":"event"' $printed)
if [ $status = 0 ] && [ "$lines" -gt 100 ] &&
    [ "$(total output_drops /tmp/agent.err)" = $((received - lines)) ]; then
    pass drops "$received received, $lines printed, the rest is counted"
else
    fail drops "exit $status, $lines lines: $(grep ^total /tmp/agent.err | tail -n 1)"
fi
