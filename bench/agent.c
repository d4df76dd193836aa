/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SDK as it is, on a host that is a function call away.  What the agent
 * pays beyond that (hypercalls) is not in these figures.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "private.h"

#include "agent.h"
#include "hyper.h"

#define BATCH 64

struct agent {
    struct host host;
    struct world *w;
    vmiring *h;
    struct vmiring_event ev[BATCH];
};

static void must(bool ok, const char *what)
{
    if ( ok )
        return;

    fprintf(stderr, "vmiring-bench: %s failed: errno %d\n", what, errno);
    abort();
}

static struct world *world_of(struct host *host)
{
    return ((struct agent *)host)->w;
}

static int bench_dm_op(struct host *host, uint32_t domid, void *buf0,
                       size_t size0, void *buf1, size_t size1)
{
    (void)domid;
    errno = world_dm_op(world_of(host), buf0, size0, buf1, size1);

    return errno ? -1 : 0;
}

static void *bench_map(struct host *host, uint32_t domid, uint32_t type,
                       uint32_t id, uint64_t first, uint64_t nr, int prot,
                       unsigned int times)
{
    (void)domid;

    return world_map(world_of(host), type, id, first, nr, prot, times);
}

static void bench_unmap(struct host *host, void *addr, uint64_t nr,
                        unsigned int times)
{
    (void)host;
    munmap(addr, nr * HOST_PAGE * times);
}

static int bench_bind(struct host *host, uint32_t domid, uint32_t port)
{
    int local;

    (void)domid;
    errno = world_bind(world_of(host), port, &local);

    return errno ? -1 : local;
}

static int bench_unbind(struct host *host, int local)
{
    (void)local;
    world_unbind(world_of(host));

    return 0;
}

static int bench_notify(struct host *host, int local)
{
    (void)local;
    world_kick(world_of(host));

    return 0;
}

static int bench_fd(struct host *host)
{
    return world_fd(world_of(host));
}

static int bench_drain(struct host *host)
{
    return world_pending(world_of(host));
}

static void bench_forget(struct host *host)
{
    (void)host;
}

static void bench_close(struct host *host, bool child)
{
    (void)host;
    (void)child;
}

static const struct host_ops bench_ops = {
    .name = "benchmark",
    .caps = VMIRING_CAP_SIMULATED,
    .dm_op = bench_dm_op,
    .map = bench_map,
    .unmap = bench_unmap,
    .bind = bench_bind,
    .unbind = bench_unbind,
    .notify = bench_notify,
    .fd = bench_fd,
    .drain = bench_drain,
    .forget = bench_forget,
    .close = bench_close,
};

struct agent *agent_open(struct world *w, uint32_t ring_bytes, bool split,
                         uint32_t spin_us)
{
    struct agent *a = calloc(1, sizeof(*a));
    vmiring_options o = {
        .size = sizeof(o), .domid = world_domid(w), .abi = VMIRING_ABI_V2,
        .ring_bytes = ring_bytes,
        .flags = split ? VMIRING_OPEN_SPLIT_RINGS : 0,
        .spin_us = spin_us,
    };

    must(a, "calloc");
    a->host.ops = &bench_ops;
    a->w = w;
    a->h = vmiring_open_on(&a->host, NULL, &o);
    if ( !a->h )
        fprintf(stderr, "vmiring-bench: %s\n", vmiring_open_error());
    must(a->h, "vmiring_open_on");

    return a;
}

void agent_close(struct agent *a)
{
    vmiring_close(a->h);
    free(a);
}

void agent_watch(struct agent *a)
{
    struct vmiring_subscription s = {
        .size = sizeof(s), .reason = VMIRING_GUEST_REQUEST, .sync = 1,
    };

    must(!vmiring_subscribe(a->h, &s), "vmiring_subscribe");
}

static void take(struct agent *a, int nr, uint64_t *received, uint64_t *lost)
{
    int i;

    for ( i = 0; i < nr; i++ )
    {
        struct vmiring_lost l;

        if ( a->ev[i].reason != VMIRING_LOST )
        {
            ++*received;
            continue;
        }
        must(!vmiring_get_lost(&a->ev[i], &l), "vmiring_get_lost");
        *lost += l.count;
    }
}

void agent_consume(struct agent *a, const bool *done, uint64_t *received,
                   uint64_t *lost)
{
    unsigned int spins = 0;

    *received = *lost = 0;
    for ( ; ; )
    {
        bool last = __atomic_load_n(done, __ATOMIC_ACQUIRE);
        int n = vmiring_receive_wait(a->h, a->ev, BATCH, 0);

        if ( n > 0 )
        {
            take(a, n, received, lost);
            vmiring_release(a->h);
            spins = 0;
            continue;
        }
        must(errno == EAGAIN, "vmiring_receive");
        if ( last )
            return;
        hyper_relax(&spins);
    }
}

void agent_batch(struct agent *a, unsigned int expect)
{
    must(vmiring_receive(a->h, a->ev, BATCH) == (int)expect,
         "vmiring_receive of a whole batch");
    vmiring_release(a->h);
}

void agent_answer(struct agent *a)
{
    must(vmiring_receive(a->h, a->ev, BATCH) == 1, "vmiring_receive");
    must(!vmiring_respond(a->h, &a->ev[0], NULL), "vmiring_respond");
    vmiring_release(a->h);
}

static void answer_one(struct agent *a)
{
    must(!vmiring_respond(a->h, &a->ev[0], NULL), "vmiring_respond");
    vmiring_release(a->h);
}

void agent_wait_answer(struct agent *a)
{
    must(vmiring_receive_wait(a->h, a->ev, 1, 60000) == 1,
         "vmiring_receive_wait");
    answer_one(a);
}

void agent_poll_answer(struct agent *a)
{
    unsigned int spins = 0;

    while ( vmiring_receive_wait(a->h, a->ev, 1, 0) != 1 )
    {
        must(errno == EAGAIN, "vmiring_receive_wait");
        hyper_relax(&spins);
    }
    answer_one(a);
}
