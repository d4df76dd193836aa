# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# examples/watch-exec, the program that tests/agent/examples.py runs on a capture
# of an x86-64 guest: 16 pages of 4 vCPUs, each execution seen, with its
# registers and its instruction.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan watch-exec
count=${RIG_PRINTED:-50} touch=4 vcpus=4

guest_boot $vcpus "x touch=$touch count=$count" || exit 1
watch-exec "$DOMID" 41400-41407,41408-4140f >/tmp/exec 2>&1 &
client=$!
wait_for_line '^vcpu' /tmp/exec 60
guestmem "$DOMID" run
guestmem "$DOMID" wait-done 60 || note "vCPUs are stuck"
kill -INT $client
wait $client
status=$?
tail -n 5 /tmp/exec
made=$((vcpus * touch * count))
# The pages hold nothing but a return each; the caller is in the guest's image.
seen=$(grep -c '^ *[0-3] 0x000000004140[0-9a-f]000 0x0004140[0-9a-f] ; c0035fd6 ret$' /tmp/exec)
regs=$(grep -c '^ *x0=.* x30=4008[0-9a-f]* .*sp_el1=' /tmp/exec)
if [ $status = 0 ] && [ "$seen" = $made ] && [ "$regs" = $made ] &&
    grep -q "^seen $made, disassembled $made$" /tmp/exec &&
    [ "$(guestmem "$DOMID" show | sed -n 's/^total.*iterations=\([0-9]*\).*/\1/p')" = $((vcpus * count)) ]; then
    pass watch-exec "$made executions made and seen, each with registers and instruction"
else
    fail watch-exec "exit $status: $seen of $made, $regs with registers: $(tail -n 3 /tmp/exec | tr '\n' ';')"
fi
guest_destroy
