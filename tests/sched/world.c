/* SPDX-License-Identifier: GPL-2.0-only */
#include "world.h"

#include <xen/monitor.h>
#include <asm/hvm/monitor.h>
#include "cpu.h"

#include <stdlib.h>

struct world w;

/* ---- what a guest does ---- */

static void set_regs(struct vcpu *v, uint32_t n)
{
    struct cpu_user_regs *regs = &v->arch.user_regs;
    uint64_t token = sched_token(v->vcpu_id, n);

    regs->rdi = token;
    regs->rax = sched_mark(token, 0);
    regs->rbx = sched_mark(token, 1);
    regs->r8 = sched_mark(token, 2);
    regs->r15 = sched_mark(token, 3);
}

static bool is_sync(enum kind kind, uint32_t n)
{
    return kind == EVENT_SYNC || (kind == EVENT_MIXED && n % 2 == 0);
}

/* Whatever an agent wrote, Xen's own position is one that can be. */
static void check_ring(struct vcpu *v)
{
    const struct vm_event_vcpu *vv = v->vm_event;
    struct vm_event_ring *ring = vv ? vv->ring : NULL;
    bool bad;

    if ( !ring || !ring->data )
        return;
    if ( ring->shared )
        spin_lock(&ring->lock);
    bad = ring->prod - ring->cons > ring->size;
    if ( ring->shared )
        spin_unlock(&ring->lock);
    if ( bad )
        rt_fail("the ring's position is %"PRIu64" bytes behind",
                ring->prod - ring->cons);
}

static void raise_event(struct vcpu *v, enum kind kind, uint32_t n)
{
    set_regs(v, n);
    rt_note("raises event %u of vCPU %u", n, v->vcpu_id);
    if ( is_sync(kind, n) )
        monitor_guest_request();
    else
        sim_write_cr(v, 3, sched_cr3(v->vcpu_id, n), true);
    if ( w.lies )
        check_ring(v);
}

static void look_at_answer(struct vcpu *v, uint32_t n)
{
    uint64_t token = sched_token(v->vcpu_id, n);
    uint64_t rdi = v->arch.user_regs.rdi;

    w.raised[v->vcpu_id]++;
    if ( w.lies )
        return;
    if ( rdi == (token ^ SCHED_KEY) )
        w.changed[v->vcpu_id]++;
    else if ( rdi != token )
        rt_fail("vCPU %u runs on with rdi %#"PRIx64, v->vcpu_id, rdi);
    else if ( w.must_change )
        rt_fail("vCPU %u's event %u ended without its answer", v->vcpu_id, n);
}

static void vcpu_thread(void *arg)
{
    struct vcpu *v = arg;
    uint32_t n = w.first[v->vcpu_id], last = n + w.events;
    bool in;

    if ( w.endless )
        rt_done();
    in = sim_vcpu_enter(v) && sim_vcpu_return_to_guest(v);
    while ( in && n++ < last )
    {
        raise_event(v, w.kind, n);
        in = sim_vcpu_return_to_guest(v);
        if ( in && is_sync(w.kind, n) )
            look_at_answer(v, n);
    }
    rt_done();
    /* From where anybody may still pause it. */
    while ( in )
    {
        sim_vcpu_idle(v, SECONDS(3600));
        in = sim_vcpu_return_to_guest(v);
    }
}

/* ---- life ---- */

void world_make(unsigned int nr, unsigned int events, enum kind kind)
{
    memset(&w, 0, sizeof(w));
    w.nr = nr;
    w.events = events;
    w.kind = kind;
    w.d = sim_domain_create("guest", SCHED_DOMID, nr);
}

void world_start_vcpus(void)
{
    static const char *const names[SCHED_VCPUS] = {
        "vcpu0", "vcpu1", "vcpu2", "vcpu3"
    };
    unsigned int i;

    for ( i = 0; i < w.nr; i++ )
        rt_spawn(names[i], vcpu_thread, w.d->vcpu[i]);
}

void world_prelude(unsigned int n, enum kind kind)
{
    unsigned int i, vcpu;

    for ( i = 0; i < n; i++ )
        for ( vcpu = 0; vcpu < w.nr; vcpu++ )
        {
            struct vcpu *v = w.d->vcpu[vcpu];

            sim_vcpu_on(v);
            raise_event(v, kind, ++w.first[vcpu]);
            sim_vcpu_off(v);
        }
}

static void stop_vcpus(void)
{
    unsigned int i;

    for ( i = 0; i < w.nr; i++ )
        sim_vcpu_stop(w.d->vcpu[i]);
    rt_join();
}

void world_end(void)
{
    stop_vcpus();
    sim_domain_kill(w.d, 0);
    sim_softirq_drain();
    if ( sim_leaks() )
        rt_fail("something is left behind");
}

void world_end_dead(void)
{
    stop_vcpus();
    if ( w.d->xen_pages )
        rt_fail("%u pages of a dead domain are left", w.d->xen_pages);
    put_domain(w.d);
    sim_softirq_drain();
    if ( sim_leaks() )
        rt_fail("something is left behind");
}

/* ---- what must hold ---- */

void world_check_books(void)
{
    unsigned int i;

    for ( i = 0; i < w.nr; i++ )
    {
        struct vmev2_vcpu_info one = v2_vcpu(w.d, i);

        if ( one.raised != one.answered + one.released + one.cancelled +
                           one.pending )
            rt_fail("vCPU %u: raised %"PRIu64" answered %"PRIu64" released %"
                    PRIu64" cancelled %"PRIu64" pending %u", i, one.raised,
                    one.answered, one.released, one.cancelled, one.pending);
        if ( one.lost > one.produced )
            rt_fail("vCPU %u lost more than it produced", i);
    }
}

void world_check_agent(const struct sdk_agent *a)
{
    unsigned int i;

    for ( i = 0; i < w.nr; i++ )
    {
        struct vmev2_vcpu_info one = v2_vcpu(w.d, i);

        if ( one.produced != a->async[i] + a->lost[i] || one.lost != a->lost[i] )
            rt_fail("vCPU %u: produced %"PRIu64" lost %"PRIu64
                    ", received %"PRIu64", told of %"PRIu64" lost", i,
                    one.produced, one.lost, a->async[i], a->lost[i]);
        if ( one.answered != a->sync[i] )
            rt_fail("vCPU %u: answered %"PRIu64", the agent says %"PRIu64, i,
                    one.answered, a->sync[i]);
        if ( one.pending )
            rt_fail("vCPU %u still waits", i);
        if ( one.bad || one.stale )
            rt_fail("vCPU %u: good answers were taken for bad ones", i);
    }
    if ( v2_vcpu(w.d, 0).pauses && w.kind == EVENT_ASYNC )
        rt_fail("asynchronous events paused a vCPU");
}

void world_nobody_waits(void)
{
    unsigned int i;

    for ( i = 0; i < w.nr; i++ )
    {
        struct vcpu *v = w.d->vcpu[i];

        if ( !vcpu_runnable(v) )
            rt_fail("vCPU %u is paused, and nobody will release it", i);
        if ( atomic_read(&v->vm_event_pause_count) )
            rt_fail("vCPU %u: pause count %d", i,
                    atomic_read(&v->vm_event_pause_count));
    }
}
