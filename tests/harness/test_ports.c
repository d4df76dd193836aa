/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports of slots: how many there are when the domain runs out of ports, who is
 * told of a request, whose kick counts, and what becomes of requests when one
 * who served them goes.
 */
#include "harness.h"

#include <xen/monitor.h>

#define NR 5U       /* vCPUs of most guests here */

static const struct vmev2_op_create with_ports = {
    .flags = VMEV2_CREATE_SLOT_PORTS,
};

/* An agent and as many workers, one for each slot from 0 on. */
struct crew {
    struct domain *d;
    struct agent a;
    struct sim_binding *port[NR];
};

static void muster(struct crew *c, unsigned int workers, uint8_t on_death)
{
    const struct vmev2_op_create wish = {
        .flags = VMEV2_CREATE_SLOT_PORTS, .on_death = on_death,
    };
    unsigned int i;

    memset(c, 0, sizeof(*c));
    c->d = new_domain(NR);
    CHECK_EQ(v2_create(&c->a, c->d, &wish), 0);
    CHECK_EQ(v2_bind(&c->a), 0);
    CHECK_EQ(v2_monitor(&c->a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    for ( i = 0; i < workers; i++ )
    {
        CHECK_EQ(v2_bind_slot(&c->a, i, &c->port[i]), 0);
        CHECK_EQ(sim_evtchn_pending(c->port[i]), 1);
    }
    sim_evtchn_pending(c->a.bell);
}

static void worker_dies(struct crew *c, unsigned int i)
{
    sim_evtchn_unbind(c->port[i]);
    c->port[i] = NULL;
    sim_softirq_drain();
}

static void dismiss(struct crew *c)
{
    unsigned int i;

    for ( i = 0; i < NR; i++ )
        if ( c->port[i] )
            worker_dies(c, i);
    if ( c->a.bell )
        v2_die(&c->a);
    sim_domain_kill(c->d, 0);
}

static struct vmev2_op_info info_of(struct domain *d)
{
    struct vmev2_op_info info;

    CHECK_EQ(v2_info(d, &info, 0, 0, NULL), 0);

    return info;
}

static void check_balance(struct domain *d)
{
    unsigned int i;

    for ( i = 0; i < d->max_vcpus; i++ )
    {
        struct vmev2_vcpu_info v = v2_vcpu(d, i);

        CHECK_EQ(v.raised, v.answered + v.released + v.cancelled + v.pending);
        CHECK_EQ(!v.pending,
                 !atomic_read(&d->vcpu[i]->vm_event_pause_count));
    }
}

/* ---- how many ---- */

/* With room for so many ports more, all rings go on working. */
static void test_exhausted(unsigned int room)
{
    struct domain *d = new_domain(NR);
    unsigned int i, slots = room ? min(room - 1, NR) : 0;
    unsigned int own = sim_evtchn_fill(d, room);
    struct agent a;

    test_case("room for %u ports", room);
    CHECK_EQ(v2_create(&a, d, &with_ports), room ? 0 : -ENOSPC);
    CHECK_EQ(sim_evtchn_ports(d), own + (room ? 1 + slots : 0));
    if ( !room )
    {
        sim_domain_kill(d, 0);
        return;
    }

    CHECK_EQ(a.created.slot_ports, slots);
    CHECK_EQ(v2_ctrl(&a)->slot_ports, slots);
    CHECK_EQ(info_of(d).slot_ports, slots);
    CHECK_EQ(!(v2_ctrl(&a)->features & VMEV2_FEAT_SLOT_PORTS), !slots);
    for ( i = 0; i < NR; i++ )
        CHECK_EQ(v2_slot_port(&a, i) != 0, i < slots);

    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    for ( i = 0; i < NR; i++ )
    {
        sim_evtchn_pending(a.bell);
        guest_request(d->vcpu[i]);
        CHECK_EQ(sim_evtchn_pending(a.bell), 1);
        CHECK_EQ(v2_byte(&a, i), i < slots ? VMEV2_PENDING_ORPHAN
                                           : VMEV2_PENDING_SLOT);
        v2_answer(&a, i, 0);
        v2_kick(&a);
        CHECK(sim_vcpu_try_resume(d->vcpu[i]));
    }

    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(sim_evtchn_ports(d), own);
    sim_domain_kill(d, 0);
}

/* Continued after each port, the result is the same. */
static void test_continued(void)
{
    struct domain *d = new_domain(NR);
    struct vm_event_channel *ch;
    struct agent a, b;
    unsigned int n;

    test_case("continued after each port");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    n = sim_preempted();
    sim_preempt_every(1);
    CHECK_EQ(v2_create(&a, d, &with_ports), 0);
    CHECK(sim_preempted() - n >= NR - 1);
    CHECK_EQ(a.created.slot_ports, NR);
    CHECK_EQ(sim_evtchn_ports(d), 1 + NR);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(sim_evtchn_ports(d), 0);

    test_case("begun, and not continued");
    ch = d->vm_event;
    CHECK_EQ(vm_event_lock(d), 0);
    CHECK_EQ(vm_event_ports_open(d, ch, true), -ERESTART);
    CHECK_EQ(vm_event_ports_open(d, ch, true), -ERESTART);
    vm_event_unlock(d);
    CHECK_EQ(sim_evtchn_ports(d), 3);
    sim_preempt_every(0);
    CHECK_EQ(v2_create(&b, d, NULL), 0);
    CHECK_EQ(b.created.slot_ports, 0);
    CHECK_EQ(sim_evtchn_ports(d), 1);
    CHECK_EQ(v2_bind(&b), 0);
    CHECK_EQ(v2_destroy(&b), 0);
    CHECK_EQ(sim_evtchn_ports(d), 0);
    sim_domain_kill(d, 0);
}

/* Any allocation may fail: fewer ports, or an error, and nothing is left. */
static void test_no_memory(void)
{
    struct domain *d = new_domain(NR);
    unsigned int n, fewer = 0;
    struct agent a;

    test_case("no memory");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    for ( n = 1; ; n++ )
    {
        int rc;

        sim_fail_alloc(n);
        rc = v2_create(&a, d, &with_ports);
        if ( !sim_alloc_failed() )
        {
            sim_fail_alloc(0);
            CHECK_EQ(v2_bind(&a), 0);
            CHECK_EQ(v2_destroy(&a), 0);
            break;
        }
        CHECK(!rc || rc == -ENOMEM);
        if ( rc )
            CHECK_EQ(sim_evtchn_ports(d), 0);
        else
        {
            CHECK_EQ(sim_evtchn_ports(d), 1 + a.created.slot_ports);
            fewer += a.created.slot_ports < NR;
            CHECK_EQ(v2_bind(&a), 0);
            CHECK_EQ(v2_destroy(&a), 0);
        }
        CHECK_EQ(sim_evtchn_ports(d), 0);
    }
    CHECK_EQ(fewer, NR);
    sim_domain_kill(d, 0);
}

/* ---- who is told ---- */

static void test_notified(void)
{
    struct crew c;

    muster(&c, 3, VMEV2_DEATH_DETACH);

    test_case("bound: its own port rings, no other");
    guest_request(c.d->vcpu[1]);
    CHECK_EQ(sim_evtchn_pending(c.port[1]), 1);
    CHECK_EQ(sim_evtchn_pending(c.port[0]), 0);
    CHECK_EQ(sim_evtchn_pending(c.port[2]), 0);
    CHECK_EQ(sim_evtchn_pending(c.a.bell), 0);
    CHECK_EQ(v2_byte(&c.a, 1), VMEV2_PENDING_SLOT);
    v2_answer(&c.a, 1, 0);
    v2_ring(c.port[1]);
    CHECK(sim_vcpu_try_resume(c.d->vcpu[1]));
    CHECK_EQ(v2_byte(&c.a, 1), VMEV2_PENDING_NONE);

    test_case("not bound: the doorbell rings, and it is an orphan");
    guest_request(c.d->vcpu[3]);
    CHECK_EQ(sim_evtchn_pending(c.a.bell), 1);
    CHECK_EQ(v2_byte(&c.a, 3), VMEV2_PENDING_ORPHAN);
    v2_answer(&c.a, 3, 0);
    v2_kick(&c.a);
    CHECK(sim_vcpu_try_resume(c.d->vcpu[3]));

    test_case("the next one, once it is bound, is no orphan");
    CHECK_EQ(v2_bind_slot(&c.a, 3, &c.port[3]), 0);
    CHECK_EQ(info_of(c.d).slot_ports_bound, 4);
    sim_evtchn_pending(c.port[3]);
    guest_request(c.d->vcpu[3]);
    CHECK_EQ(sim_evtchn_pending(c.port[3]), 1);
    CHECK_EQ(sim_evtchn_pending(c.a.bell), 0);
    CHECK_EQ(v2_byte(&c.a, 3), VMEV2_PENDING_SLOT);

    test_case("from the stash likewise");
    v2_answer(&c.a, 3, 0);
    v2_ring(c.port[3]);
    CHECK(sim_vcpu_try_resume(c.d->vcpu[3]));
    sim_vcpu_on(c.d->vcpu[3]);
    monitor_guest_request();
    monitor_guest_request();
    sim_vcpu_off(c.d->vcpu[3]);
    sim_evtchn_pending(c.port[3]);
    v2_answer(&c.a, 3, 0);
    v2_ring(c.port[3]);
    CHECK(!sim_vcpu_try_resume(c.d->vcpu[3]));
    CHECK_EQ(sim_evtchn_pending(c.port[3]), 1);
    CHECK_EQ(sim_evtchn_pending(c.a.bell), 0);
    dismiss(&c);
}

/* The kick of one slot's port is no look at another slot. */
static void test_wrong_kick(void)
{
    struct crew c;

    test_case("a kick of another slot's port");
    muster(&c, 3, VMEV2_DEATH_DETACH);
    guest_request(c.d->vcpu[0]);
    guest_request(c.d->vcpu[1]);
    guest_request(c.d->vcpu[4]);
    v2_answer(&c.a, 0, 0);
    v2_answer(&c.a, 1, 0);
    v2_answer(&c.a, 4, 0);

    v2_ring(c.port[2]);
    CHECK_EQ(nr_paused(c.d), 3);
    v2_ring(c.port[1]);
    CHECK_EQ(nr_paused(c.d), 2);
    CHECK(vcpu_runnable(c.d->vcpu[1]));
    v2_kick(&c.a);
    CHECK_EQ(nr_paused(c.d), 0);
    CHECK_EQ(resume_all(c.d), NR);
    dismiss(&c);
}

/* An answer that is refused comes back to who gave it. */
static void test_refused(void)
{
    struct crew c;
    uint64_t seq;

    test_case("refused: told on the slot's port");
    muster(&c, 1, VMEV2_DEATH_DETACH);
    guest_request(c.d->vcpu[0]);
    sim_evtchn_pending(c.port[0]);
    v2_answer(&c.a, 0, 1U << 31);
    v2_ring(c.port[0]);
    CHECK_EQ(sim_evtchn_pending(c.port[0]), 1);
    CHECK_EQ(sim_evtchn_pending(c.a.bell), 0);
    CHECK_EQ(v2_byte(&c.a, 0), VMEV2_PENDING_SLOT);
    v2_answer(&c.a, 0, 0);
    v2_ring(c.port[0]);
    CHECK(sim_vcpu_try_resume(c.d->vcpu[0]));

    test_case("refused: an orphan stays one");
    guest_request(c.d->vcpu[1]);
    seq = v2_pending(&c.a, 1);
    CHECK_EQ(v2_bind_slot(&c.a, 1, &c.port[1]), 0);
    sim_evtchn_pending(c.port[1]);
    sim_evtchn_pending(c.a.bell);
    v2_answer(&c.a, 1, 1U << 31);
    v2_kick(&c.a);
    CHECK(v2_pending(&c.a, 1) > seq);
    CHECK_EQ(v2_byte(&c.a, 1), VMEV2_PENDING_ORPHAN);
    CHECK_EQ(sim_evtchn_pending(c.port[1]), 0);
    CHECK_EQ(sim_evtchn_pending(c.a.bell), 1);

    test_case("refused after the port was lost");
    guest_request(c.d->vcpu[0]);
    v2_answer(&c.a, 0, 1U << 31);
    sim_evtchn_pending(c.a.bell);
    CHECK_EQ(vm_event_lock(c.d), 0);    /* keeps the tasklet out */
    sim_evtchn_unbind(c.port[0]);
    c.port[0] = NULL;
    v2_kick(&c.a);
    CHECK_EQ(v2_byte(&c.a, 0), VMEV2_PENDING_ORPHAN);
    CHECK_EQ(sim_evtchn_pending(c.a.bell), 1);
    vm_event_unlock(c.d);
    sim_softirq_drain();
    dismiss(&c);
}

/* ---- who goes ---- */

static void test_dead_worker(void)
{
    struct crew c;

    test_case("a worker dies with a request");
    muster(&c, 3, VMEV2_DEATH_DETACH);
    guest_request(c.d->vcpu[0]);
    guest_request(c.d->vcpu[1]);
    guest_request(c.d->vcpu[2]);
    sim_evtchn_pending(c.a.bell);

    worker_dies(&c, 1);
    CHECK_EQ(v2_state(c.d), VMEV2_STATE_ARMED);
    CHECK_EQ(info_of(c.d).slot_ports_bound, 2);
    CHECK_EQ(sim_evtchn_pending(c.a.bell), 1);
    CHECK_EQ(v2_byte(&c.a, 1), VMEV2_PENDING_ORPHAN);
    CHECK_EQ(v2_byte(&c.a, 0), VMEV2_PENDING_SLOT);
    CHECK_EQ(v2_byte(&c.a, 2), VMEV2_PENDING_SLOT);
    v2_answer(&c.a, 1, 0);
    v2_kick(&c.a);
    CHECK(sim_vcpu_try_resume(c.d->vcpu[1]));

    test_case("a worker dies with an answer that Xen does not know of");
    v2_answer(&c.a, 2, 0);
    worker_dies(&c, 2);
    CHECK_EQ(sim_evtchn_pending(c.a.bell), 1);
    v2_kick(&c.a);
    CHECK(sim_vcpu_try_resume(c.d->vcpu[2]));

    test_case("a worker dies with nothing to do");
    v2_answer(&c.a, 0, 0);
    v2_ring(c.port[0]);
    CHECK(sim_vcpu_try_resume(c.d->vcpu[0]));
    worker_dies(&c, 0);
    CHECK_EQ(sim_evtchn_pending(c.a.bell), 0);
    guest_request(c.d->vcpu[0]);
    CHECK_EQ(sim_evtchn_pending(c.a.bell), 1);
    check_balance(c.d);
    dismiss(&c);
}

/* R7: closed, and bound by another, before the tasklet has looked. */
static void test_quick_successor(void)
{
    struct crew c;

    test_case("bound again before the tasklet ran");
    muster(&c, 2, VMEV2_DEATH_DETACH);
    guest_request(c.d->vcpu[0]);
    CHECK_EQ(vm_event_lock(c.d), 0);
    sim_evtchn_unbind(c.port[0]);
    CHECK_EQ(v2_bind_slot(&c.a, 0, &c.port[0]), 0);
    vm_event_unlock(c.d);
    sim_softirq_drain();
    CHECK_EQ(v2_byte(&c.a, 0), VMEV2_PENDING_SLOT);
    CHECK_EQ(sim_evtchn_pending(c.port[0]), 1);
    CHECK_EQ(info_of(c.d).slot_ports_bound, 2);
    v2_answer(&c.a, 0, 0);
    v2_ring(c.port[0]);
    CHECK(sim_vcpu_try_resume(c.d->vcpu[0]));

    test_case("raised between the close and the tasklet");
    sim_evtchn_pending(c.a.bell);
    CHECK_EQ(vm_event_lock(c.d), 0);
    sim_evtchn_unbind(c.port[0]);
    c.port[0] = NULL;
    sim_vcpu_on(c.d->vcpu[0]);
    monitor_guest_request();
    CHECK_EQ(v2_byte(&c.a, 0), VMEV2_PENDING_ORPHAN);
    vm_event_unlock(c.d);
    sim_vcpu_off(c.d->vcpu[0]);
    sim_softirq_drain();
    CHECK(sim_evtchn_pending(c.a.bell));
    dismiss(&c);
}

/* The doorbell's holder dies before its workers do. */
static void test_headless(uint8_t on_death)
{
    struct crew c;

    test_case("the doorbell goes first, policy %u", on_death);
    muster(&c, 2, on_death);
    guest_request(c.d->vcpu[0]);
    v2_die(&c.a);
    CHECK_EQ(v2_state(c.d), VMEV2_STATE_ARMED);
    CHECK_EQ(info_of(c.d).agent_port, ~0U);
    CHECK_EQ(nr_paused(c.d), 1);
    CHECK(!c.d->is_shut_down);

    /* Who is left serves what is his. */
    v2_answer(&c.a, 0, 0);
    v2_ring(c.port[0]);
    CHECK(sim_vcpu_try_resume(c.d->vcpu[0]));
    guest_request(c.d->vcpu[1]);
    CHECK_EQ(v2_byte(&c.a, 1), VMEV2_PENDING_SLOT);
    v2_answer(&c.a, 1, 0);
    v2_ring(c.port[1]);
    CHECK(sim_vcpu_try_resume(c.d->vcpu[1]));

    /* What nobody hears of is the policy's. */
    guest_request(c.d->vcpu[4]);
    sim_softirq_drain();
    switch ( on_death )
    {
    case VMEV2_DEATH_DETACH:
        CHECK_EQ(nr_paused(c.d), 0);
        CHECK_EQ(v2_vcpu(c.d, 4).released, 1);
        CHECK_EQ(v2_state(c.d), VMEV2_STATE_IDLE);
        CHECK(!vm_event_monitored(c.d));
        CHECK(sim_evtchn_pending(c.port[0]));
        check_balance(c.d);
        break;

    case VMEV2_DEATH_HOLD:
        CHECK_EQ(nr_paused(c.d), 1);
        CHECK_EQ(v2_byte(&c.a, 4), VMEV2_PENDING_ORPHAN);
        CHECK_EQ(v2_state(c.d), VMEV2_STATE_ARMED);
        break;

    case VMEV2_DEATH_CRASH:
        CHECK(c.d->is_shut_down);
        CHECK_EQ(v2_state(c.d), VMEV2_STATE_IDLE);
        break;
    }
    if ( on_death == VMEV2_DEATH_HOLD )
    {
        check_balance(c.d);
        worker_dies(&c, 0);
        CHECK_EQ(v2_state(c.d), VMEV2_STATE_ARMED);
        worker_dies(&c, 1);
        CHECK_EQ(v2_state(c.d), VMEV2_STATE_HELD);
    }
    dismiss(&c);
}

/*
 * A page stays shut while vm_event_monitored(): an access to it that nobody
 * hears of must not be made again for ever.
 */
static void test_watched_page(void)
{
    vm_event_request_t req = { .reason = VM_EVENT_REASON_MEM_ACCESS };
    struct crew c;
    struct agent b;
    unsigned int n;

    test_case("a watched page, the doorbell gone");
    muster(&c, 1, VMEV2_DEATH_DETACH);
    v2_die(&c.a);
    CHECK_EQ(v2_state(c.d), VMEV2_STATE_ARMED);
    for ( n = 0; n < 8 && vm_event_monitored(c.d); n++ )
    {
        sim_vcpu_on(c.d->vcpu[1]);
        CHECK_EQ(monitor_traps(c.d->vcpu[1], true, &req), 0);
        sim_vcpu_off(c.d->vcpu[1]);
        sim_softirq_drain();
    }
    CHECK_EQ(n, 1);

    test_case("bound again before the tasklet ran");
    CHECK_EQ(v2_create(&b, c.d, &with_ports), 0);
    CHECK_EQ(v2_bind(&b), 0);
    worker_dies(&c, 0);
    CHECK_EQ(v2_bind_slot(&b, 0, &c.port[0]), 0);
    CHECK_EQ(vm_event_lock(c.d), 0);    /* keeps the tasklet out */
    sim_evtchn_unbind(b.bell);
    c.d->vm_event->unheard = true;      /* as a vCPU would leave it */
    CHECK_EQ(v2_bind(&b), 0);
    vm_event_unlock(c.d);
    sim_softirq_drain();
    CHECK_EQ(v2_state(c.d), VMEV2_STATE_ARMED);
    v2_die(&b);
    CHECK_EQ(v2_state(c.d), VMEV2_STATE_ARMED);    /* that is over */
    worker_dies(&c, 0);
    CHECK_EQ(v2_state(c.d), VMEV2_STATE_IDLE);
    dismiss(&c);
}

/* An orphan is left when the doorbell goes, though a worker is there. */
static void test_orphaned_twice(uint8_t on_death)
{
    struct crew c;

    test_case("the doorbell goes with an orphan, policy %u", on_death);
    muster(&c, 2, on_death);
    guest_request(c.d->vcpu[0]);
    guest_request(c.d->vcpu[3]);
    v2_die(&c.a);
    switch ( on_death )
    {
    case VMEV2_DEATH_DETACH:
        CHECK_EQ(v2_state(c.d), VMEV2_STATE_IDLE);
        CHECK_EQ(nr_paused(c.d), 0);
        CHECK_EQ(v2_vcpu(c.d, 0).released, 1);
        CHECK(sim_evtchn_pending(c.port[1]));
        break;

    case VMEV2_DEATH_HOLD:
        CHECK_EQ(v2_state(c.d), VMEV2_STATE_ARMED);
        CHECK_EQ(nr_paused(c.d), 2);
        break;

    case VMEV2_DEATH_CRASH:
        CHECK(c.d->is_shut_down);
        break;
    }
    dismiss(&c);

    test_case("the last who heard of a request goes, policy %u", on_death);
    muster(&c, 2, on_death);
    v2_die(&c.a);
    guest_request(c.d->vcpu[0]);
    worker_dies(&c, 0);
    CHECK_EQ(v2_state(c.d), on_death == VMEV2_DEATH_HOLD ? VMEV2_STATE_ARMED
                                                         : VMEV2_STATE_IDLE);
    CHECK_EQ(nr_paused(c.d), on_death == VMEV2_DEATH_HOLD ? 1
                             : on_death == VMEV2_DEATH_CRASH ? NR : 0);
    dismiss(&c);
}

/* A slot that never had a port is the doorbell's as well. */
static void test_portless(void)
{
    struct domain *d = new_domain(NR);
    struct sim_binding *port;
    struct agent a;

    test_case("the doorbell goes, with a request of a slot without a port");
    sim_evtchn_fill(d, 3);
    CHECK_EQ(v2_create(&a, d, &with_ports), 0);
    CHECK_EQ(a.created.slot_ports, 2);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_bind_slot(&a, 0, &port), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    guest_request(d->vcpu[4]);
    CHECK_EQ(nr_paused(d), 1);
    v2_die(&a);
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(v2_state(d), VMEV2_STATE_IDLE);
    sim_evtchn_unbind(port);
    sim_domain_kill(d, 0);
}

/* A port can be bound while a create that has opened it is continued. */
static void test_bound_early(void)
{
    struct domain *d = new_domain(NR);
    struct sim_binding *port, *later;
    struct agent a;

    test_case("a slot's port is bound before it is the slot's");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_preempt_every(1);
    CHECK_EQ(vm_event_lock(d), 0);
    CHECK_EQ(vm_event_ports_open(d, d->vm_event, true), -ERESTART);
    vm_event_unlock(d);
    sim_preempt_every(0);
    CHECK_EQ(sim_evtchn_bind(d, vm_event_of(d->vcpu[0])->fresh, &port), 0);

    CHECK_EQ(v2_create(&a, d, &with_ports), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    CHECK_EQ(v2_bind_slot(&a, 0, &later), -EINVAL);
    guest_request(d->vcpu[0]);
    CHECK_EQ(v2_byte(&a, 0), VMEV2_PENDING_ORPHAN);
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK(sim_vcpu_try_resume(d->vcpu[0]));

    sim_evtchn_unbind(port);
    CHECK_EQ(info_of(d).slot_ports_bound, 0);
    CHECK_EQ(v2_bind_slot(&a, 0, &later), 0);
    CHECK_EQ(info_of(d).slot_ports_bound, 1);
    sim_evtchn_unbind(later);
    v2_die(&a);
    CHECK_EQ(v2_state(d), VMEV2_STATE_IDLE);
    sim_domain_kill(d, 0);
}

/* A slot's port is no doorbell: it does not arm the channel. */
static void test_order_of_binds(void)
{
    struct crew c;
    struct agent b;

    test_case("a slot's port is bound first");
    memset(&c, 0, sizeof(c));
    c.d = new_domain(NR);
    CHECK_EQ(v2_create(&c.a, c.d, &with_ports), 0);
    CHECK_EQ(v2_bind_slot(&c.a, 0, &c.port[0]), 0);
    CHECK_EQ(v2_state(c.d), VMEV2_STATE_CREATED);
    CHECK_EQ(v2_monitor(&c.a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    guest_request(c.d->vcpu[0]);
    CHECK_EQ(nr_paused(c.d), 0);
    CHECK_EQ(v2_vcpu(c.d, 0).released, 1);
    CHECK_EQ(v2_bind(&c.a), 0);
    CHECK_EQ(v2_state(c.d), VMEV2_STATE_ARMED);
    CHECK_EQ(v2_bind_slot(&c.a, 0, &c.port[1]), -EINVAL);

    test_case("create while a worker is there");
    CHECK_EQ(v2_create(&b, c.d, NULL), -EBUSY);
    dismiss(&c);
}

/* ---- the next agent ---- */

static void answer_all(struct crew *c, struct agent *b)
{
    unsigned int i;

    for ( i = 0; i < NR; i++ )
        if ( v2_pending(b, i) )
            v2_answer(b, i, 0);
    v2_kick(b);
    CHECK_EQ(nr_paused(c->d), 0);
    CHECK_EQ(resume_all(c->d), NR);
}

static void test_reattach(bool slots)
{
    evtchn_port_t old[NR];
    unsigned int i;
    struct agent b;
    struct crew c;

    test_case("re-attach, %s ports of slots", slots ? "with" : "without");
    muster(&c, 3, VMEV2_DEATH_HOLD);
    for ( i = 0; i < NR; i++ )
        old[i] = v2_slot_port(&c.a, i);
    guest_request(c.d->vcpu[0]);
    guest_request(c.d->vcpu[4]);
    v2_die(&c.a);
    for ( i = 0; i < 3; i++ )
        worker_dies(&c, i);
    CHECK_EQ(v2_state(c.d), VMEV2_STATE_HELD);

    CHECK_EQ(v2_attach(&b, c.d, slots ? VMEV2_ATTACH_SLOT_PORTS : 0), 0);
    CHECK_EQ(b.created.slot_ports, slots ? NR : 0);
    CHECK_EQ(sim_evtchn_ports(c.d), slots ? 1 + NR : 1);
    CHECK_EQ(!(v2_ctrl(&b)->features & VMEV2_FEAT_SLOT_PORTS), !slots);
    for ( i = 0; i < NR; i++ )
    {
        CHECK(v2_slot_port(&b, i) != old[i]);
        CHECK_EQ(v2_slot_port(&b, i) != 0, slots);
        CHECK_EQ(sim_evtchn_bind(c.d, old[i], &c.port[i]), -EINVAL);
        c.port[i] = NULL;
    }
    CHECK_EQ(v2_bind(&b), 0);
    if ( slots )
        CHECK_EQ(v2_byte(&b, 0), VMEV2_PENDING_ORPHAN);
    CHECK(v2_byte(&b, 4));
    answer_all(&c, &b);
    check_balance(c.d);
    CHECK_EQ(v2_destroy(&b), 0);
    dismiss(&c);
}

/* A guest that takes every port there is does not keep the next agent out. */
static void test_guest_full(void)
{
    const struct vmev2_op_create hold = { .on_death = VMEV2_DEATH_HOLD };
    struct domain *d = new_domain(2);
    struct agent a, b;

    test_case("re-attach, no port is left");
    CHECK_EQ(v2_create(&a, d, &hold), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    sim_evtchn_fill(d, 0);
    guest_request(d->vcpu[0]);
    CHECK_EQ(v2_attach(&b, d, VMEV2_ATTACH_TAKEOVER), -ENOSPC);
    v2_die(&a);
    CHECK_EQ(v2_attach(&b, d, VMEV2_ATTACH_SLOT_PORTS), 0);
    CHECK_EQ(b.created.port, a.created.port);
    CHECK_EQ(b.created.slot_ports, 0);
    CHECK_EQ(v2_state(d), VMEV2_STATE_HELD);

    /* It is the attacher's for as long as he may take to bind it. */
    CHECK_EQ(v2_attach(&a, d, 0), -EBUSY);
    CHECK_EQ(v2_attach(&a, d, VMEV2_ATTACH_TAKEOVER), -EBUSY);
    CHECK_EQ(v2_bind(&b), 0);
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);
    sim_evtchn_pending(b.bell);
    guest_request(d->vcpu[1]);
    CHECK_EQ(sim_evtchn_pending(b.bell), 1);
    v2_answer(&b, 0, 0);
    v2_answer(&b, 1, 0);
    v2_kick(&b);
    CHECK_EQ(nr_paused(d), 0);
    v2_die(&b);
    CHECK_EQ(v2_state(d), VMEV2_STATE_HELD);
    CHECK_EQ(v2_attach(&a, d, 0), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

static void test_takeover(void)
{
    struct crew c;
    struct agent b;

    test_case("takeover tells workers, and their ports go");
    muster(&c, 2, VMEV2_DEATH_HOLD);
    guest_request(c.d->vcpu[0]);
    sim_evtchn_pending(c.port[0]);
    CHECK_EQ(v2_attach(&b, c.d, VMEV2_ATTACH_SLOT_PORTS), -EBUSY);
    CHECK_EQ(v2_attach(&b, c.d, VMEV2_ATTACH_SLOT_PORTS |
                                VMEV2_ATTACH_TAKEOVER), 0);
    CHECK(sim_evtchn_pending(c.port[0]));
    CHECK(sim_evtchn_pending(c.port[1]));
    CHECK_EQ(info_of(c.d).slot_ports_bound, 0);
    CHECK_EQ(v2_bind(&b), 0);
    CHECK_EQ(v2_byte(&b, 0), VMEV2_PENDING_ORPHAN);

    /* What the old ones still do reaches nobody. */
    v2_answer(&b, 0, 0);
    v2_ring(c.port[0]);
    CHECK_EQ(nr_paused(c.d), 1);
    worker_dies(&c, 0);
    CHECK_EQ(v2_state(c.d), VMEV2_STATE_ARMED);
    answer_all(&c, &b);
    CHECK_EQ(v2_destroy(&b), 0);
    dismiss(&c);

    test_case("no takeover is needed where only workers are left");
    muster(&c, 2, VMEV2_DEATH_HOLD);
    guest_request(c.d->vcpu[1]);
    v2_die(&c.a);
    CHECK_EQ(v2_attach(&b, c.d, 0), 0);
    CHECK(sim_evtchn_pending(c.port[1]));
    CHECK_EQ(v2_bind(&b), 0);
    answer_all(&c, &b);
    CHECK_EQ(v2_destroy(&b), 0);
    dismiss(&c);
}

/* ---- the end ---- */

static void test_destroyed(void)
{
    struct crew c;
    unsigned int i;

    test_case("destroyed with ports bound");
    muster(&c, 3, VMEV2_DEATH_HOLD);
    guest_request(c.d->vcpu[0]);
    sim_evtchn_pending(c.port[0]);
    CHECK_EQ(v2_destroy(&c.a), 0);
    CHECK_EQ(sim_evtchn_ports(c.d), 0);
    CHECK_EQ(nr_paused(c.d), 0);
    CHECK_EQ(v2_vcpu(c.d, 0).cancelled, 1);
    for ( i = 0; i < 3; i++ )
    {
        CHECK(sim_evtchn_pending(c.port[i]));
        v2_ring(c.port[i]);
    }
    dismiss(&c);

    test_case("shut down with ports bound");
    muster(&c, 3, VMEV2_DEATH_DETACH);
    domain_shutdown(c.d, SHUTDOWN_poweroff);
    CHECK(sim_evtchn_pending(c.a.bell));
    for ( i = 0; i < 3; i++ )
        CHECK(sim_evtchn_pending(c.port[i]));
    dismiss(&c);

    test_case("the domain dies with ports bound");
    muster(&c, 3, VMEV2_DEATH_CRASH);
    guest_request(c.d->vcpu[0]);
    get_knownalive_domain(c.d);
    for ( i = 0; i < 3; i++ )
        sim_evtchn_pending(c.port[i]);
    CHECK_EQ(sim_domain_kill(c.d, 0), 0);
    for ( i = 0; i < 3; i++ )
    {
        CHECK(sim_evtchn_pending(c.port[i]));
        v2_ring(c.port[i]);
        worker_dies(&c, i);
    }
    v2_die(&c.a);
    CHECK(!c.d->is_shut_down);
    CHECK_EQ(c.d->vcpu[0]->pause_count.counter, 0);
    put_domain(c.d);
}

/* The guest resets its event channels, and a vCPU. */
static void test_reset(void)
{
    struct crew c;

    test_case("EVTCHNOP_reset");
    muster(&c, 2, VMEV2_DEATH_DETACH);
    CHECK_EQ(sim_evtchn_fill(c.d, 1000), 1023 - 1000 - 1 - NR);
    sim_evtchn_reset(c.d);
    CHECK_EQ(sim_evtchn_ports(c.d), 1 + NR);
    CHECK_EQ(info_of(c.d).slot_ports_bound, 2);
    guest_request(c.d->vcpu[1]);
    CHECK_EQ(sim_evtchn_pending(c.port[1]), 1);

    test_case("a vCPU is reset with a request outstanding");
    domain_pause(c.d);
    vm_event_vcpu_reset(c.d->vcpu[1]);
    domain_unpause(c.d);
    CHECK_EQ(v2_byte(&c.a, 1), VMEV2_PENDING_NONE);
    CHECK_EQ(nr_paused(c.d), 0);
    v2_answer(&c.a, 1, 0);
    v2_ring(c.port[1]);
    CHECK_EQ(v2_vcpu(c.d, 1).cancelled, 1);
    resume_all(c.d);
    guest_request(c.d->vcpu[1]);
    CHECK_EQ(v2_byte(&c.a, 1), VMEV2_PENDING_SLOT);
    check_balance(c.d);
    dismiss(&c);
}

int main(void)
{
    unsigned int i;

    sim_init();
    for ( i = 0; i <= NR + 2; i++ )
        test_exhausted(i);
    test_continued();
    test_no_memory();
    test_notified();
    test_wrong_kick();
    test_refused();
    test_dead_worker();
    test_quick_successor();
    for ( i = VMEV2_DEATH_DETACH; i <= VMEV2_DEATH_CRASH; i++ )
    {
        test_headless(i);
        test_orphaned_twice(i);
    }
    test_watched_page();
    test_portless();
    test_order_of_binds();
    test_bound_early();
    test_reattach(true);
    test_reattach(false);
    test_guest_full();
    test_takeover();
    test_destroyed();
    test_reset();

    return test_end();
}
