/* SPDX-License-Identifier: MIT */
/*
 * guest-request-counter: counts the requests of each vCPU, waits for none.
 *
 * Shows what is exact about a lossy channel: per vCPU, what Xen produced is
 * what was received plus what was lost.
 *
 *     guest-request-counter DOMID SECONDS [SOCKET|CAPTURE]
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "target.h"

#define BATCH 128

static volatile sig_atomic_t stop;

struct count { uint64_t received, lost; };

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static void add(struct count *vcpu, const struct vmiring_event *ev)
{
    struct vmiring_lost lost;

    if ( !vmiring_get_lost(ev, &lost) )
        vcpu[ev->vcpu].lost += lost.count;
    else if ( ev->reason == VMIRING_GUEST_REQUEST )
        vcpu[ev->vcpu].received++;
}

/* Receives until nothing is there.  -1: errno other than EAGAIN. */
static int drain(vmiring *h, struct count *vcpu)
{
    struct vmiring_event ev[BATCH];
    int n;

    while ( (n = vmiring_receive(h, ev, BATCH)) > 0 )
    {
        for ( int i = 0; i < n; i++ )
            add(vcpu, &ev[i]);
        vmiring_release(h);
    }
    return errno == EAGAIN ? 0 : -1;
}

static int watch(vmiring *h, struct count *vcpu, time_t seconds)
{
    time_t end = time(NULL) + seconds;

    while ( !stop && time(NULL) < end )
        if ( drain(h, vcpu) ||
             (vmiring_wait(h, 100) && errno != EAGAIN && errno != EINTR) )
            return -1;
    return 0;
}

/* 0 if the sums are right for every vCPU, where Xen counts as well. */
static int report(vmiring *h, const struct count *vcpu, uint32_t nr)
{
    struct vmiring_vcpu_info info = { .size = sizeof(info) };
    int rc = 0;

    printf("vcpu   received       lost   produced\n");
    for ( uint32_t i = 0; i < nr; i++ )
    {
        printf("%4" PRIu32 " %10" PRIu64 " %10" PRIu64, i, vcpu[i].received,
               vcpu[i].lost);
        if ( vmiring_info(h, i, 1, &info) != 1 )
        {
            printf(" %10s\n", "-");
            continue;
        }
        printf(" %10" PRIu64 "\n", info.produced);
        if ( info.produced != vcpu[i].received + vcpu[i].lost )
            rc = -1;
    }
    return rc;
}

static int run(vmiring *h, time_t seconds)
{
    struct vmiring_geometry geo = { .size = sizeof(geo) };
    struct vmiring_subscription s = {
        .size = sizeof(s), .reason = VMIRING_GUEST_REQUEST,
        .regs = VMIRING_REGS_NONE
    };
    struct count *vcpu;
    int rc;

    if ( vmiring_geometry(h, &geo) || vmiring_subscribe(h, &s) )
        return -1;
    vcpu = calloc(geo.nr_vcpus, sizeof(*vcpu));
    if ( !vcpu )
        return -1;

    rc = watch(h, vcpu, seconds);
    /* The domain, or the capture, has ended: the counts are what they are. */
    if ( rc && errno == ENODEV )
    {
        rc = report(h, vcpu, geo.nr_vcpus);
        free(vcpu);
        return rc;
    }
    /* No new ones from here on; those in the ring are still ours. */
    if ( !rc && !vmiring_unsubscribe(h, &s) )
        rc = drain(h, vcpu);
    if ( !rc && report(h, vcpu, geo.nr_vcpus) )
    {
        printf("the sums are wrong\n");
        rc = -1;
    }
    free(vcpu);
    return rc;
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = on_signal };
    vmiring_options opts = { .size = sizeof(opts) };
    vmiring *h;
    int rc;

    if ( argc < 3 || argc > 4 )
    {
        fprintf(stderr, "usage: %s DOMID SECONDS [SOCKET|CAPTURE]\n", argv[0]);
        return 2;
    }
    opts.domid = strtoul(argv[1], NULL, 10);
    target(&opts, argv[3]);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);

    h = vmiring_open(&opts);
    if ( !h )
    {
        fprintf(stderr, "%s\n", vmiring_open_error());
        return 1;
    }
    rc = run(h, strtol(argv[2], NULL, 10));
    if ( rc )
        fprintf(stderr, "%s\n", vmiring_error(h));
    vmiring_close(h);
    return rc ? 1 : 0;
}
