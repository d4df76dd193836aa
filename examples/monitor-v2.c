/* SPDX-License-Identifier: MIT */
/*
 * monitor-v2: reports and allows writes of CR4, and skips INT3.
 *
 * monitor-legacy.c is the same monitor on libxenctrl alone: read both.
 *
 *     monitor-v2 DOMID [SOCKET|CAPTURE]
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "target.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

/* CR4: the write is done when the guest goes on. */
static void on_cr4(vmiring *h, const struct vmiring_event *ev)
{
    struct vmiring_ctrlreg reg;

    vmiring_respond(h, ev, NULL);
    if ( !vmiring_get_ctrlreg(ev, &reg) )
        printf("vcpu %" PRIu32 " cr4 0x%" PRIx64 " -> 0x%" PRIx64 "\n",
               ev->vcpu, reg.old_value, reg.new_value);
}

/* INT3: goes on behind it, all other registers as they were. */
static void on_int3(vmiring *h, const struct vmiring_event *ev)
{
    struct vmiring_response rsp = {
        .size = sizeof(rsp), .flags = VMIRING_RSP_SET_REGISTERS
    };
    struct vmiring_debug debug;
    uint64_t rip = 0;

    if ( vmiring_get_debug(ev, &debug) || vmiring_regs_from(ev, &rsp) )
    {
        vmiring_respond(h, ev, NULL);
        return;
    }
    rip = rsp.regs[VMIRING_RIP];
    rsp.regs[VMIRING_RIP] += debug.insn_length;
    vmiring_respond(h, ev, &rsp);
    printf("vcpu %" PRIu32 " int3 at 0x%" PRIx64 "\n", ev->vcpu, rip);
}

static int handle(vmiring *h)
{
    struct vmiring_event ev[64];
    int n = vmiring_receive(h, ev, 64);

    if ( n < 0 && errno == EAGAIN )
        return vmiring_wait(h, 1000) && errno != EAGAIN && errno != EINTR ?
               -1 : 0;
    for ( int i = 0; i < n; i++ )
        if ( ev[i].reason == VMIRING_WRITE_CTRLREG )
            on_cr4(h, &ev[i]);
        else if ( ev[i].reason == VMIRING_SOFTWARE_BREAKPOINT )
            on_int3(h, &ev[i]);
    vmiring_release(h);
    return n < 0 ? -1 : 0;
}

static int subscribe(vmiring *h)
{
    struct vmiring_subscription cr4 = {
        .size = sizeof(cr4), .reason = VMIRING_WRITE_CTRLREG,
        .index = VMIRING_CR4, .sync = 1
    };
    struct vmiring_subscription int3 = {
        .size = sizeof(int3), .reason = VMIRING_SOFTWARE_BREAKPOINT,
        .sync = 1, .regs = VMIRING_REGS_CORE
    };

    return vmiring_subscribe(h, &cr4) || vmiring_subscribe(h, &int3);
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = on_signal };
    vmiring_options opts = { .size = sizeof(opts) };
    vmiring *h;
    int rc;

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
    rc = subscribe(h);
    while ( !stop && !rc )
        rc = handle(h);
    if ( rc && errno == ENODEV )
        rc = 0;              /* the domain has gone: so be it */
    if ( rc )
        fprintf(stderr, "%s\n", vmiring_error(h));
    vmiring_close(h);        /* also releases every vCPU */
    return rc ? 1 : 0;
}
