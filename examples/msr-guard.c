/* SPDX-License-Identifier: MIT */
/*
 * msr-guard: a guest may not change an MSR any more.
 *
 * The write waits for the answer; DENY makes the guest go on behind the
 * instruction, with the old value.
 *
 *     msr-guard DOMID MSR [SOCKET|CAPTURE]    MSR in hex, as c0000082 for LSTAR
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "target.h"

#define BATCH 64

static volatile sig_atomic_t stop;
static uint64_t denied;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static int answer(vmiring *h, const struct vmiring_event *ev)
{
    struct vmiring_response deny = { .size = sizeof(deny),
                                     .flags = VMIRING_RSP_DENY };
    struct vmiring_msr msr;
    uint64_t rip = 0;

    if ( !(ev->flags & VMIRING_EV_SYNC) )
        return 0;
    /* Xen refused the denial: a guest that goes on is better than none. */
    if ( vmiring_get_msr(ev, &msr) || (ev->flags & VMIRING_EV_AGAIN) )
        return vmiring_respond(h, ev, NULL);

    (void)vmiring_get_reg(ev, VMIRING_RIP, &rip);
    printf("%4" PRIu32 " 0x%016" PRIx64 " 0x%016" PRIx64 " 0x%016" PRIx64 "\n",
           ev->vcpu, rip, msr.old_value, msr.new_value);
    denied++;

    /* Ended by policy meanwhile: then there is nothing to deny. */
    return vmiring_respond(h, ev, &deny) && errno != ECANCELED ? -1 : 0;
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

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = on_signal };
    vmiring_options opts = { .size = sizeof(opts) };
    struct vmiring_subscription msr = {
        .size = sizeof(msr), .reason = VMIRING_MOV_TO_MSR, .sync = 1,
        .regs = VMIRING_REGS_CORE, .onchangeonly = 1
    };
    vmiring *h;
    int rc;

    if ( argc < 3 || argc > 4 )
    {
        fprintf(stderr, "usage: %s DOMID MSR [SOCKET|CAPTURE]\n", argv[0]);
        return 2;
    }
    opts.domid = strtoul(argv[1], NULL, 10);
    msr.msr = strtoul(argv[2], NULL, 16);
    target(&opts, argv[3]);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);

    h = vmiring_open(&opts);
    if ( !h )
    {
        fprintf(stderr, "%s\n", vmiring_open_error());
        return 1;
    }
    printf("vcpu %-18s %-18s %-18s\n", "rip", "stays", "refused");
    rc = vmiring_subscribe(h, &msr);
    while ( !stop && !rc )
        rc = handle(h);
    if ( rc && errno == ENODEV )
        rc = 0;              /* the domain, or the capture, has ended */
    if ( rc )
        fprintf(stderr, "%s\n", vmiring_error(h));
    printf("denied %" PRIu64 "\n", denied);
    vmiring_close(h);
    return rc ? 1 : 0;
}
