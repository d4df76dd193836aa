/* SPDX-License-Identifier: MIT */
/*
 * access-watch: who writes to a range of guest pages.
 *
 * The pages lose the right to be written (Intel with HAP, or Arm); each write
 * is an event, and Xen emulates it when the answer says so.  The rights are
 * given back at the end.
 *
 *     access-watch DOMID FIRST-GFN NR-PAGES [SOCKET|CAPTURE]     numbers in hex
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "target.h"

#define BATCH 64

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static int answer(vmiring *h, const struct vmiring_event *ev)
{
    struct vmiring_response emulate = { .size = sizeof(emulate),
                                        .flags = VMIRING_RSP_EMULATE };
    struct vmiring_mem mem;
    uint64_t rip = 0;

    if ( !(ev->flags & VMIRING_EV_SYNC) )
        return 0;
    if ( vmiring_get_mem(ev, &mem) )
        return vmiring_respond(h, ev, NULL);

    (void)vmiring_get_reg(ev, VMIRING_RIP, &rip);
    printf("%4" PRIu32 " 0x%016" PRIx64 " 0x%08" PRIx64 " 0x%03" PRIx64
           " %c%c%c\n", ev->vcpu, rip, mem.gfn, mem.offset,
           mem.access & VMIRING_MEM_R ? 'r' : '-',
           mem.access & VMIRING_MEM_W ? 'w' : '-',
           mem.access & VMIRING_MEM_X ? 'x' : '-');
    return vmiring_respond(h, ev, &emulate) && errno != ECANCELED ? -1 : 0;
}

static int handle(vmiring *h)
{
    struct vmiring_event ev[BATCH];
    int n = vmiring_receive(h, ev, BATCH);
    int rc = 0;

    if ( n < 0 && errno == EAGAIN )
        return vmiring_wait(h, 1000) && errno != EAGAIN && errno != EINTR ?
               -1 : 0;
    for ( int i = 0; i < n && !rc; i++ )
        rc = answer(h, &ev[i]);
    vmiring_release(h);
    return n < 0 ? -1 : rc;
}

static int watch(vmiring *h, uint64_t first, uint64_t nr)
{
    struct vmiring_subscription s = {
        .size = sizeof(s), .reason = VMIRING_MEM_ACCESS, .sync = 1,
        .regs = VMIRING_REGS_CORE
    };
    int rc;

    /* What is captured with the events; they come from the pages. */
    if ( vmiring_subscribe(h, &s) ||
         vmiring_set_access(h, first, nr, VMIRING_ACCESS_RX) )
        return -1;
    printf("vcpu %-18s %-10s offset access\n", "rip", "gfn");
    do
        rc = handle(h);
    while ( !stop && !rc );
    if ( rc && errno == ENODEV )
        return 0;
    return vmiring_set_access(h, first, nr, VMIRING_ACCESS_RWX) || rc ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = on_signal };
    vmiring_options opts = { .size = sizeof(opts) };
    vmiring *h;
    int rc;

    if ( argc < 4 || argc > 5 )
    {
        fprintf(stderr, "usage: %s DOMID FIRST-GFN NR-PAGES "
                "[SOCKET|CAPTURE]\n", argv[0]);
        return 2;
    }
    opts.domid = strtoul(argv[1], NULL, 10);
    target(&opts, argv[4]);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);

    h = vmiring_open(&opts);
    if ( !h )
    {
        fprintf(stderr, "%s\n", vmiring_open_error());
        return 1;
    }
    rc = watch(h, strtoull(argv[2], NULL, 16), strtoull(argv[3], NULL, 16));
    if ( rc )
        fprintf(stderr, "%s\n", vmiring_error(h));
    vmiring_close(h);
    return rc ? 1 : 0;
}
