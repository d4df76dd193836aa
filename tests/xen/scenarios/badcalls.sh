# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Calls that Xen must refuse, each with its documented errno and without
# changing anything; and a domain destroyed while its channel is mapped.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan refused mapped memory-returns

# Two guests: a handle restricted to the one must not reach the other.
guest_boot 2 gr || exit 1
first=$DOMID
sed -e 's/^name = .*/name = "other"/' /tmp/guest.cfg >/tmp/other.cfg
xl create -q -p /tmp/other.cfg
badcalls "$first" "$(xl domid other)" >/tmp/badcalls 2>&1
status=$?
cat /tmp/badcalls
xl destroy other
if [ $status = 0 ] && [ "$(total cases /tmp/badcalls)" -ge 80 ]; then
    pass refused "$(total cases /tmp/badcalls) calls, each with its errno, nothing changed"
else
    fail refused "$(tr '\n' ';' </tmp/badcalls)"
fi
guest_destroy

# This channel has 19 pages.
settled() { [ "$(free_pages)" -ge $((wanted - 2 * FREE_SLACK)) ]; }

sleep 1
wanted=$(free_pages)
guest_boot 4 gr || exit 1
badcalls "$DOMID" mapped >/tmp/mapped 2>&1 &
client=$!
wait_for_line '^mapped' /tmp/mapped 10
guest_destroy
wait $client
status=$?
cat /tmp/mapped
if [ $status = 0 ]; then
    pass mapped "$(tail -n 1 /tmp/mapped)"
else
    fail mapped "$(tr '\n' ';' </tmp/mapped)"
fi
if wait_until 20 settled && ! xl list | grep -q null; then
    pass memory-returns "$wanted pages free before, $(free_pages) after, no zombie"
else
    fail memory-returns "$wanted pages free before, $(free_pages) after; $(xl list | tail -n 1)"
fi
