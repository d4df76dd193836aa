/* SPDX-License-Identifier: MIT */
/*
 * null-agent: the least that an agent can do, to measure a round trip.
 *
 * Every guest request is answered at once with "continue".  A vCPU that does
 * nothing but ask makes one round (guest, Xen, agent, Xen, guest) between two
 * of its requests, so the time between them is the round trip.
 *
 *     null-agent DOMID ROUNDS [SOCKET|CAPTURE]
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

struct rounds {
    uint64_t *last;          /* per vCPU: when its last request came, ns */
    uint64_t *ns;            /* [nr] of room */
    size_t nr, room;
};

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void measure(struct rounds *r, uint32_t vcpu, uint64_t now)
{
    if ( r->last[vcpu] && r->nr < r->room )
        r->ns[r->nr++] = now - r->last[vcpu];
    r->last[vcpu] = now;
}

static int handle(vmiring *h, struct rounds *r)
{
    struct vmiring_event ev[BATCH];
    int n = vmiring_receive(h, ev, BATCH);
    uint64_t now;

    if ( n < 0 && errno == EAGAIN )
        return vmiring_wait(h, 1000) && errno != EAGAIN && errno != EINTR ?
               -1 : 0;
    if ( n < 0 )
        return -1;
    for ( int i = 0; i < n; i++ )
        if ( ev[i].flags & VMIRING_EV_SYNC )
            vmiring_respond(h, &ev[i], NULL);
    vmiring_flush(h);        /* the guest goes on, only then we count */
    now = now_ns();
    for ( int i = 0; i < n; i++ )
        if ( ev[i].reason == VMIRING_GUEST_REQUEST )
            measure(r, ev[i].vcpu, now);
    vmiring_release(h);
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void report(struct rounds *r, uint64_t ns)
{
    if ( !r->nr )
    {
        printf("no round was completed\n");
        return;
    }
    qsort(r->ns, r->nr, sizeof(*r->ns), compare);
    printf("rounds   per second      min   median      99%%      max (ns)\n");
    printf("%6zu %12.0f %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 "\n",
           r->nr, r->nr * 1e9 / ns, r->ns[0], r->ns[r->nr / 2],
           r->ns[r->nr * 99 / 100], r->ns[r->nr - 1]);
}

static int run(vmiring *h, struct rounds *r)
{
    struct vmiring_geometry geo = { .size = sizeof(geo) };
    struct vmiring_subscription s = {
        .size = sizeof(s), .reason = VMIRING_GUEST_REQUEST, .sync = 1,
        .regs = VMIRING_REGS_NONE
    };
    uint64_t start;
    int rc = 0;

    if ( vmiring_geometry(h, &geo) || vmiring_subscribe(h, &s) )
        return -1;
    r->last = calloc(geo.nr_vcpus, sizeof(*r->last));
    r->ns = calloc(r->room, sizeof(*r->ns));
    if ( !r->last || !r->ns )
        return -1;

    start = now_ns();
    while ( !stop && !rc && r->nr < r->room )
        rc = handle(h, r);
    if ( rc && errno == ENODEV )
        rc = 0;              /* the domain, or the capture, has ended */
    if ( vmiring_caps(h) & VMIRING_CAP_SIMULATED )
        printf("simulated host: this is no measurement of Xen\n");
    report(r, now_ns() - start);
    return rc;
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = on_signal };
    vmiring_options opts = { .size = sizeof(opts) };
    struct rounds r = { .nr = 0 };
    vmiring *h;
    int rc;

    if ( argc < 3 || argc > 4 || (r.room = strtoul(argv[2], NULL, 10)) < 1 )
    {
        fprintf(stderr, "usage: %s DOMID ROUNDS [SOCKET|CAPTURE]\n", argv[0]);
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
    rc = run(h, &r);
    if ( rc )
        fprintf(stderr, "%s\n", vmiring_error(h));
    vmiring_close(h);
    free(r.last);
    free(r.ns);
    return rc ? 1 : 0;
}
