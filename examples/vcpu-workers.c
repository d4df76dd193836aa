/* SPDX-License-Identifier: MIT */
/*
 * vcpu-workers: several threads, or processes, answer the requests of one
 * domain, each those of its own vCPUs.
 *
 *     vcpu-workers [--reply] DOMID WORKERS [SOCKET]       as many threads
 *     vcpu-workers [--reply] DOMID ports [SOCKET]         none, but ports for ...
 *     vcpu-workers [--reply] DOMID FIRST-LAST [SOCKET]    ... a process like this
 *
 * The main handle subscribes and answers what no worker has: that of vCPUs
 * without a port, and what a worker leaves behind.  With 0 workers all goes by
 * the doorbell.  --reply gives the answer that the guest of tests/xen checks.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

#define BATCH 64
#define WORKERS_MAX 64U

struct worker {
    vmiring_options opts;
    uint64_t generation;
    uint32_t first, nr;      /* vCPUs */
    pthread_t thread;
};

static volatile sig_atomic_t stop;
static int reply;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

/* "Continue", or RDI changed behind the hypercall instruction. */
static int answer(vmiring *h, const struct vmiring_event *ev)
{
    struct vmiring_response rsp = { .size = sizeof(rsp) };

    if ( !reply )
        return vmiring_respond(h, ev, NULL);
    if ( vmiring_regs_from(ev, &rsp) )
        return -1;
    rsp.flags = VMIRING_RSP_SET_REGISTERS;
    rsp.regs[VMIRING_RDI] ^= 0x5a5aa5a5U;
    rsp.regs[VMIRING_RIP] += 3;
    rsp.regs[VMIRING_RAX] = 0;
    return vmiring_respond(h, ev, &rsp);
}

/* Answers until it is told to stop, or the domain or the channel ends. */
static void serve(vmiring *h, const char *who)
{
    struct vmiring_event ev[BATCH];
    uint64_t answered = 0;

    while ( !stop )
    {
        int n = vmiring_receive_wait(h, ev, BATCH, 200);

        if ( n < 0 && errno != EAGAIN && errno != EINTR )
            break;
        for ( int i = 0; i < n; i++ )
            if ( ev[i].flags & VMIRING_EV_SYNC )
                answered += answer(h, &ev[i]) == 0;
        if ( n > 0 )
            vmiring_release(h);
    }
    if ( !stop && errno != ENODEV )
        fprintf(stderr, "%s: %s\n", who, vmiring_error(h));
    printf("%s: answered=%" PRIu64 "\n", who, answered);
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    uint32_t vcpus[1024];
    struct vmiring_worker how = {
        .size = sizeof(how), .generation = w->generation, .vcpus = vcpus,
        .nr_vcpus = w->nr
    };
    vmiring *h;
    char who[32];

    for ( uint32_t i = 0; i < w->nr; i++ )
        vcpus[i] = w->first + i;
    snprintf(who, sizeof(who), "worker %u", w->first);
    h = vmiring_worker_open(&w->opts, &how);
    if ( !h )                /* its vCPUs stay the main handle's */
    {
        fprintf(stderr, "%s: %s\n", who, vmiring_open_error());
        return NULL;
    }
    printf("%s: %d of %u vCPUs have a port\n", who,
           vmiring_worker_vcpus(h, NULL, 0), w->nr);
    serve(h, who);
    vmiring_close(h);
    return NULL;
}

/* What Xen says of all vCPUs together. */
static void report(vmiring *h, uint32_t nr)
{
    struct vmiring_vcpu_info *info = calloc(nr, sizeof(*info));
    uint64_t raised = 0, answered = 0, bad = 0;

    if ( !info )
        return;
    info[0].size = sizeof(*info);
    for ( int i = vmiring_info(h, 0, nr, info) - 1; i >= 0; i-- )
    {
        raised += info[i].raised;
        answered += info[i].answered;
        bad += info[i].bad + info[i].stale;
    }
    printf("xen: raised=%" PRIu64 " answered=%" PRIu64 " bad=%" PRIu64 "\n",
           raised, answered, bad);
    free(info);
}

static int run_main(vmiring_options opts, unsigned int nr)
{
    static struct worker workers[WORKERS_MAX];
    struct vmiring_subscription s = {
        .size = sizeof(s), .reason = VMIRING_GUEST_REQUEST, .sync = 1,
        .regs = VMIRING_REGS_CORE
    };
    struct vmiring_geometry g = { .size = sizeof(g) };
    vmiring_options plain = opts;
    vmiring *h = vmiring_open(&opts);

    plain.flags = 0;
    if ( !h || vmiring_geometry(h, &g) || vmiring_subscribe(h, &s) )
    {
        fprintf(stderr, "%s\n", h ? vmiring_error(h) : vmiring_open_error());
        return 1;
    }
    nr = nr < g.nr_vcpus ? nr : g.nr_vcpus;
    for ( unsigned int i = 0; i < nr; i++ )
    {
        struct worker *w = &workers[i];

        w->opts = plain;
        w->generation = g.generation;
        w->first = g.nr_vcpus * i / nr;
        w->nr = g.nr_vcpus * (i + 1) / nr - w->first;
        if ( pthread_create(&w->thread, NULL, run_worker, w) )
            abort();
    }
    printf("main: %u of %u vCPUs have a port\n", g.slot_ports, g.nr_vcpus);

    serve(h, "main");
    stop = 1;
    for ( unsigned int i = 0; i < nr; i++ )
        pthread_join(workers[i].thread, NULL);
    report(h, g.nr_vcpus);
    vmiring_close(h);
    return 0;
}

int main(int argc, char **argv)
{
    vmiring_options opts = { .size = sizeof(opts) };
    struct worker w = { .first = 0 };
    unsigned int last;

    reply = argc > 1 && !strcmp(argv[1], "--reply");
    argc -= reply;
    argv += reply;
    if ( argc < 3 || argc > 4 || strtoul(argv[2], NULL, 10) > WORKERS_MAX )
    {
        fprintf(stderr, "usage: vcpu-workers [--reply] DOMID "
                "WORKERS|ports|FIRST-LAST [SOCKET]\n");
        return 2;
    }
    opts.domid = strtoul(argv[1], NULL, 10);
    target(&opts, argc > 3 ? argv[3] : NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);

    if ( sscanf(argv[2], "%" SCNu32 "-%u", &w.first, &last) == 2 &&
         last >= w.first && last - w.first < 1024 )
    {
        w.opts = opts;
        w.nr = last - w.first + 1;
        run_worker(&w);
        return stop ? 0 : 1;
    }
    opts.flags = strcmp(argv[2], "0") ? VMIRING_OPEN_SLOT_PORTS : 0;
    return run_main(opts, strtoul(argv[2], NULL, 10));
}
