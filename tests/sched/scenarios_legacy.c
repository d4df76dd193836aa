/* SPDX-License-Identifier: GPL-2.0-only */
/* The legacy ABI: an agent of our own, the library's, and hostile ones. */
#include "world.h"

#include <asm/vm_event.h>
#include <public/io/ring.h>

#include <poll.h>
#include <sys/mman.h>

static uint64_t goal;

static struct legacy legacy;
static bool legacy_change;

static void wait_bell(struct sim_binding *bell)
{
    struct pollfd fd = { .fd = sim_evtchn_fd(bell), .events = POLLIN };

    rt_note("sleeps");
    poll(&fd, 1, -1);
    sim_evtchn_pending(bell);
}

/* The look after the bell, as every client of the old ring has it. */
static void legacy_agent(void *unused)
{
    vm_event_request_t req;
    uint64_t got = 0;

    sim_thread_init();
    while ( got < goal )
    {
        unsigned int nr = 0;

        while ( legacy_next(&legacy, &req) )
        {
            vm_event_response_t rsp = req;

            if ( req.reason == VM_EVENT_REASON_GUEST_REQUEST &&
                 req.data.regs.x86.rax !=
                 sched_mark(req.data.regs.x86.rdi, 0) )
                rt_fail("a torn request");
            if ( legacy_change && (req.flags & VM_EVENT_FLAG_VCPU_PAUSED) )
            {
                rsp.flags |= VM_EVENT_FLAG_SET_REGISTERS;
                rsp.data.regs.x86.rdi ^= SCHED_KEY;
            }
            legacy_put(&legacy, &rsp);
            nr++;
        }
        got += nr;
        if ( nr )
            legacy_kick(&legacy);
        else
            wait_bell(legacy.bell);
    }
    rt_done();
}

static void legacy_open(bool sync)
{
    CHECK_EQ(legacy_enable(&legacy, w.d), 0);
    CHECK_EQ(legacy_bind(&legacy), 0);
    if ( w.kind != EVENT_ASYNC )
        CHECK_EQ(legacy_monitor(w.d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                                XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST, sync),
                 0);
    if ( w.kind != EVENT_SYNC )
        CHECK_EQ(legacy_monitor(w.d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                                XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG, false),
                 0);
}

/* The ring has 8 entries; the prelude leaves some of them taken. */
void run_legacy(void)
{
    unsigned int prelude = rt_draw(5);

    world_make(2, 4, EVENT_MIXED);
    w.must_change = legacy_change = true;
    legacy_open(true);
    world_prelude(prelude, EVENT_ASYNC);
    goal = world_total() + prelude * w.nr;
    world_start_vcpus();
    rt_spawn("agent", legacy_agent, NULL);
    rt_run();
    world_nobody_waits();
    legacy_stop(&legacy);
    world_end();
}

static void legacy_adversary(void *unused)
{
    uint64_t *page = sim_ring_page(w.d, SIM_RING_MONITOR);
    vm_event_sring_t *ring = (void *)page;
    unsigned int n = 20 + rt_draw(60);

    sim_thread_init();
    while ( n-- )
    {
        unsigned int what = rt_draw(6);
        RING_IDX at = __atomic_load_n(&ring->rsp_prod, __ATOMIC_RELAXED);

        if ( what == 0 )
            __atomic_store_n(&ring->rsp_prod, at + rt_draw(3), __ATOMIC_RELAXED);
        else if ( what == 1 )
            __atomic_store_n(&ring->rsp_prod, rt_draw(UINT32_MAX),
                             __ATOMIC_RELAXED);
        else if ( what == 2 )
            __atomic_store_n(&ring->req_event, rt_draw(UINT32_MAX),
                             __ATOMIC_RELAXED);
        else
            __atomic_store_n(&page[8 + rt_draw(120)], rt_draw(64),
                             __ATOMIC_RELAXED);
        if ( !rt_draw(3) )
            legacy_kick(&legacy);
    }
    legacy_stop(&legacy);
    rt_done();
}

void run_legacy_hostile(void)
{
    world_make(2, 4, EVENT_MIXED);
    w.lies = true;
    rt_mem_lies();
    legacy_open(true);
    world_start_vcpus();
    rt_spawn("adversary", legacy_adversary, NULL);
    rt_run();
    world_nobody_waits();
    world_end();
}

/* XSA-99: the guest has the ring's page, and writes there, as it is set up. */
static void ring_scribbler(void *unused)
{
    uint64_t *page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                          sim_ring_fd(w.d, SIM_RING_MONITOR), 0);
    unsigned int n = 40;

    while ( n-- )
        __atomic_store_n(&page[rt_draw(16)], (uint64_t)rt_draw(UINT32_MAX) << 16,
                         __ATOMIC_RELAXED);
    munmap(page, PAGE_SIZE);
    rt_done();
}

static void legacy_enabler(void *unused)
{
    sim_thread_init();
    legacy_open(true);
    legacy_kick(&legacy);
    legacy_stop(&legacy);
    rt_done();
}

void run_legacy_enable(void)
{
    world_make(2, 3, EVENT_MIXED);
    w.lies = true;
    rt_mem_lies();
    world_start_vcpus();
    rt_spawn("guest", ring_scribbler, NULL);
    rt_spawn("toolstack", legacy_enabler, NULL);
    rt_run();
    world_nobody_waits();
    world_end();
}

/* ---- the library's agent ---- */

static struct sdk_agent library;

static void library_agent(void *unused)
{
    glue_become_dom0();
    while ( agent_total(&library) < goal )
        if ( !agent_turn(&library) )
            agent_sleep(&library);
    rt_done();
}

static void library_open(void)
{
    const struct agent_wish how = {
        .domid = SCHED_DOMID, .legacy = true, .nr_vcpus = w.nr, .strict = true,
        .change = true, .batch = 1 + rt_draw(4),
    };

    if ( !agent_open(&library, &how) )
        rt_fail("open: errno %d", library.err);
}

/* So that Xen looks for answers while one is written. */
static void library_kicker(void *unused)
{
    unsigned int n = rt_draw(30);

    sim_thread_init();
    while ( n-- )
        agent_kick(&library);
    rt_done();
}

/* Sync or async alone or both; the prelude leaves entries taken. */
void run_legacy_library(void)
{
    unsigned int prelude = rt_draw(4), i;

    world_make(2, 4, rt_draw(3));
    if ( w.kind == EVENT_SYNC )
        prelude = 0;
    w.must_change = true;
    library_open();
    if ( !agent_subscribe(&library, w.kind != EVENT_ASYNC, w.kind != EVENT_SYNC,
                          true) )
        rt_fail("subscribe: errno %d", library.err);
    world_prelude(prelude, EVENT_ASYNC);
    goal = world_total() + prelude * w.nr;
    world_start_vcpus();
    rt_spawn("agent", library_agent, NULL);
    rt_spawn("kicker", library_kicker, NULL);
    rt_run();
    for ( i = 0; i < w.nr; i++ )
        if ( library.lost[i] || library.sync[i] != w.changed[i] ||
             library.async[i] + library.sync[i] != w.first[i] + w.events )
            rt_fail("vCPU %u: %"PRIu64" events, %"PRIu64" requests, %"PRIu64
                    " changed", i, library.async[i], library.sync[i],
                    w.changed[i]);
    world_nobody_waits();
    agent_close(&library);
    world_end();
}
