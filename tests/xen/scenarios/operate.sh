# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What an operator asks for on the first day: who watches what, and why not me.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan no-libxenctrl list name status busy-names-holder release no-domain restricted

if [ -z "$(find /agent -name 'libxenctrl*')" ] &&
    [ -x /agent/usr/sbin/vmi-agent ]; then
    in_files=none
else
    in_files="$(find /agent -name 'libxenctrl*')"
fi

guest_boot 2 gr || exit 1
agent_start v2 -e guest-request || exit 1
guestmem "$DOMID" run
guestmem "$DOMID" wait-count 10 20
if [ "$in_files" = none ] && ! grep -q xenctrl "/proc/$AGENT/maps" &&
    grep -q vmi-ring "/proc/$AGENT/maps"; then
    pass no-libxenctrl "an agent at work over v2, in a root without libxenctrl"
else
    fail no-libxenctrl "files: $in_files, mapped: $(grep -c xenctrl "/proc/$AGENT/maps")"
fi

# As the kernel sees the process that holds the channel.
if grep -q '^Uid:[[:space:]]*65534' "/proc/$AGENT/status" &&
    grep -q '^CapEff:[[:space:]]*0000000000000000' "/proc/$AGENT/status" &&
    grep -q '^Seccomp:[[:space:]]*2' "/proc/$AGENT/status"; then
    pass restricted "the agent is nobody, without capabilities, under seccomp"
else
    fail restricted "$(grep -E '^(Uid|CapEff|Seccomp):' "/proc/$AGENT/status" | tr '\n' ' ')"
fi

agent v2 --list -o text >/tmp/list 2>&1
cat /tmp/list
if grep -Eq "^ *$DOMID +guest +armed +2 .*vmi-agent" /tmp/list; then
    pass list "$(grep -E "^ *$DOMID " /tmp/list)"
else
    fail list "$(tr '\n' ' ' </tmp/list)"
fi

agent v2 --status "$DOMID" -o text >/tmp/status 2>&1
cat /tmp/status
if grep -q "holder .*vmi-agent" /tmp/status &&
    grep -q 'policy on-death detach' /tmp/status &&
    [ "$(grep -c '^vcpu [01] pending=[01] .*age_ms=.*lost=0 ' /tmp/status)" = 2 ]; then
    pass status "$(sed -n 2p /tmp/status)"
else
    fail status "$(tr '\n' ' ' </tmp/status)"
fi

agent v2 --domid "$DOMID" --abi v2 -e guest-request -c 1 >/tmp/busy 2>&1
status=$?
cat /tmp/busy
if [ $status = 6 ] && grep -q "vmi-agent.*$AGENT\|$AGENT.*vmi-agent" /tmp/busy; then
    pass busy-names-holder "$(head -n 1 /tmp/busy)"
else
    fail busy-names-holder "exit $status: $(head -n 1 /tmp/busy)"
fi

# A stopped agent otherwise holds the channel for ever.
kill -STOP "$AGENT"
agent v2 --release "$DOMID" >/tmp/release 2>&1
status=$?
if [ $status = 0 ] &&
    agent v2 --domid "$DOMID" --abi v2 -e guest-request -c 5 -q >/tmp/next 2>&1; then
    pass release "$(cat /tmp/release)"
else
    fail release "exit $status: $(cat /tmp/release /tmp/next | tr '\n' ' ')"
fi
kill -CONT "$AGENT"
kill -INT "$AGENT"
wait "$AGENT"

agent v2 --name guest --abi v2 -e guest-request -c 5 -o text >/tmp/name 2>&1
status=$?
if [ $status = 0 ] && grep -q "^# domain $DOMID (guest)" /tmp/name; then
    pass name "$(grep -m1 '^# domain' /tmp/name)"
else
    fail name "exit $status: $(head -n 1 /tmp/name)"
fi
gone=$DOMID
guest_destroy

agent v2 --domid "$gone" -c 1 >/tmp/none 2>&1
status=$?
agent v2 --name nobody-here -c 1 >/tmp/none2 2>&1
by_name=$?
if [ $status = 3 ] && [ $by_name = 3 ]; then
    pass no-domain "$(head -n 1 /tmp/none)"
else
    fail no-domain "exit $status and $by_name: $(cat /tmp/none /tmp/none2 | tr '\n' ' ')"
fi
