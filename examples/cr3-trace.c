/* SPDX-License-Identifier: MIT */
/*
 * cr3-trace: which address space each vCPU of a guest switches to.
 *
 * The events are asynchronous: no vCPU waits for this program, and what it is
 * too slow for is lost, counted, and said where it happened.
 *
 *     cr3-trace DOMID [SOCKET|CAPTURE]     of vmi-sim, or a file, instead of Xen
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

static void print(const struct vmiring_event *ev)
{
    struct vmiring_ctrlreg reg;
    struct vmiring_lost lost;

    if ( !vmiring_get_ctrlreg(ev, &reg) )
        printf("%6" PRIu64 ".%09" PRIu64 " %4" PRIu32 " 0x%016" PRIx64
               " 0x%016" PRIx64 "\n", ev->time / 1000000000,
               ev->time % 1000000000, ev->vcpu, reg.old_value, reg.new_value);
    else if ( !vmiring_get_lost(ev, &lost) )
        printf("%16s %4" PRIu32 " %" PRIu64 " lost\n", "", ev->vcpu,
               lost.count);
}

/* 0: go on; -1: the domain has gone, or worse (errno). */
static int handle(vmiring *h)
{
    struct vmiring_event ev[BATCH];
    int n = vmiring_receive(h, ev, BATCH);

    if ( n < 0 && errno == EAGAIN )
        return vmiring_wait(h, 1000) && errno != EAGAIN && errno != EINTR ?
               -1 : 0;
    for ( int i = 0; i < n; i++ )
    {
        print(&ev[i]);
        /* None was asked for, but an answer is owed if one comes. */
        if ( ev[i].flags & VMIRING_EV_SYNC )
            vmiring_respond(h, &ev[i], NULL);
    }
    vmiring_release(h);
    return n < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = on_signal };
    vmiring_options opts = { .size = sizeof(opts) };
    struct vmiring_subscription cr3 = {
        .size = sizeof(cr3), .reason = VMIRING_WRITE_CTRLREG,
        .index = VMIRING_CR3, .regs = VMIRING_REGS_NONE, .onchangeonly = 1
    };
    struct vmiring_stats stats = { .size = sizeof(stats) };
    vmiring *h;
    int rc = 0;

    if ( argc < 2 || argc > 3 )
    {
        fprintf(stderr, "usage: %s DOMID [SOCKET|CAPTURE]\n", argv[0]);
        return 2;
    }
    opts.domid = strtoul(argv[1], NULL, 10);
    target(&opts, argv[2]);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);

    h = vmiring_open(&opts);
    if ( !h )
    {
        fprintf(stderr, "%s\n", vmiring_open_error());
        return 1;
    }
    if ( vmiring_subscribe(h, &cr3) )
    {
        fprintf(stderr, "%s\n", vmiring_error(h));
        vmiring_close(h);
        return 1;
    }

    printf("%16s %4s %-18s %-18s\n", "time", "vcpu", "from", "to");
    while ( !stop && !rc )
        rc = handle(h);
    if ( rc && errno != ENODEV )
        fprintf(stderr, "%s\n", vmiring_error(h));
    else
        rc = 0;
    if ( !vmiring_stats(h, &stats) )
        printf("received %" PRIu64 ", lost %" PRIu64 "\n", stats.received,
               stats.lost);
    vmiring_close(h);
    return rc ? 1 : 0;
}
