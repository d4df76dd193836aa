# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# That the machine can be believed: dom0's processes keep their vector registers
# beside a guest that uses them too. Where they do not, as on a QEMU whose XSAVE
# does not heed CR0.TS, the end of any memcpy() in dom0 may be another's.
# shellcheck source=tests/xen/dom0/lib.sh
. /lib.sh

plan dom0 beside
guest_boot 2 xmm || exit
guestmem "$DOMID" run
text=$(xmmcheck 10)
judge dom0 "two processes beside a guest that computes: $text" [ $? = 0 ]
guestmem "$DOMID" show >/tmp/counts
guest_destroy
# The guest was there: it uses no XSAVE itself, so that its own are safe anyway.
judge beside "the guest made $(total checked /tmp/counts) rounds, $(total mismatched /tmp/counts) of them wrong" \
    [ "$(total checked /tmp/counts)" -ge 200 -a "$(total mismatched /tmp/counts)" = 0 ]
