/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An agent takes a channel over from one that is still alive and about to
 * store; that store lands in what is the heir's by then.
 *
 * What no look can mend (CAVEATS) is left out: an old answer whose words mix
 * with the new one's, and a position or promise that lands when the heir has
 * looked already.  The latter happens here too, but then something else rings.
 */
#include "world.h"

#include <asm/vm_event.h>

#include "private.h"

static struct sdk_agent a1, a2;
static bool may_open, opened, may_work, gone, over;
static bool ring_now[2];

/* The newest value: an old one would be waited on after its only wake-up. */
static bool is_set(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static void set(bool *flag)
{
    __atomic_store_n(flag, true, __ATOMIC_SEQ_CST);
    rt_wake(flag);
}

static void wait_for(const bool *flag)
{
    while ( !is_set(flag) )
        rt_give_way();
}

/* Works until it finds that it was replaced. */
static void predecessor(void *arg)
{
    struct sdk_agent *a = arg;

    glue_become_dom0();
    while ( agent_turn(a) >= 0 )
        agent_sleep(a);
    set(&gone);
    rt_done();
    while ( !is_set(&over) )
        rt_block(&over, RT_FOREVER);
}

/*
 * All that was raised has reached the heir.  Of requests it need not know: who
 * waits for an answer is a vCPU.
 */
static bool is_enough(void)
{
    unsigned int i;

    for ( i = 0; w.kind == EVENT_ASYNC && i < w.nr; i++ )
        if ( a2.next[i] <= w.first[i] + w.events )
            return false;

    return w.kind == EVENT_ASYNC || is_set(&over);
}

/*
 * Takes over at a position that we need not know: a vCPU's first record may be
 * any (check_told() says more), and from there on none is left out.
 */
static void heir(void *arg)
{
    struct sdk_agent *a = arg;
    struct agent_wish how = a1.wish;
    int n;

    glue_become_dom0();
    wait_for(&may_open);
    how.takeover = true;
    how.batch = 1 + rt_draw(4);
    how.spin_us = rt_draw(2) ? 0 : how.spin_us;
    if ( !agent_open(a, &how) )
        rt_fail("takeover: errno %d", a->err);
    if ( !how.hold &&
         !agent_subscribe(a, w.kind != EVENT_ASYNC, w.kind != EVENT_SYNC, false) )
        rt_fail("subscribe: errno %d", a->err);
    memset(a->next, 0, sizeof(a->next));
    a->wish.strict = w.kind == EVENT_ASYNC;
    set(&opened);
    wait_for(&may_work);
    if ( w.kind == EVENT_SYNC )
        rt_done();
    while ( !is_enough() )
    {
        n = agent_turn(a);
        if ( n < 0 )
            rt_fail("the heir's errno is %d", a->err);
        if ( !n && !is_enough() )
            agent_sleep(a);
    }
    rt_done();
}

/*
 * The old agent goes on with its store, which everybody sees then.  It may need
 * a lock which the heir stands with.
 */
static void lands(void)
{
    unsigned int n;

    rt_note("the old agent goes on");
    rt_let_go(&a1);
    for ( n = 300; n && !is_set(&gone); n-- )
        rt_give_way();
    rt_let_go(&a2);
    wait_for(&gone);
}

static void begin(const struct agent_wish *how)
{
    may_open = opened = may_work = gone = over = false;
    ring_now[0] = ring_now[1] = false;
    memset(&a2, 0, sizeof(a2));
    if ( !agent_open(&a1, how) )
        rt_fail("open: errno %d", a1.err);
    if ( !agent_subscribe(&a1, w.kind != EVENT_ASYNC, w.kind != EVENT_SYNC,
                          false) )
        rt_fail("subscribe: errno %d", a1.err);
}

/* What the old agent was not told of, the heir was. */
static void check_told(void)
{
    unsigned int i;

    for ( i = 0; i < w.nr; i++ )
    {
        uint64_t lost = v2_vcpu(w.d, i).lost;

        if ( a2.lost[i] != lost || a2.async[i] + lost + a1.next[i] <=
                                   w.first[i] + w.events )
            rt_fail("vCPU %u: %"PRIu64" records, told of %"PRIu64" lost, Xen "
                    "lost %"PRIu64, i, a2.async[i], a2.lost[i], lost);
    }
}

static void run(void (*director)(void *unused), const void *word)
{
    world_start_vcpus();
    rt_spawn("agent", predecessor, &a1);
    rt_spawn("heir", heir, &a2);
    rt_spawn("director", director, NULL);
    rt_hold_at(&a1, word);
    rt_run();
    set(&over);
    set(&ring_now[0]);
    set(&ring_now[1]);
    agent_nudge(&a2);
    rt_join_arg(ring_now);
    rt_join_arg(&a1);
    rt_join_arg(&a2);
    agent_close(&a1);
    world_check_books();
    world_nobody_waits();
    if ( w.kind == EVENT_ASYNC )
        check_told();
    agent_close(&a2);
    world_end();
}

/* ---- an answer ---- */

static const struct vmev2_rsp __agent *old_answer(void)
{
    return &vm_event_slot(vm_event_channel(w.d), 0)->rsp;
}

/*
 * The old agent stands before the number of its answer, or without registers,
 * which all answers have in common, somewhere in it.  The heir stands where it
 * looks at the number or stores its own, or a little behind.
 */
static void answers_meet(void *unused)
{
    unsigned int n;

    sim_thread_init();
    rt_until_still(w.d->vcpu[0]);       /* its first request waits */
    rt_until_still(&a1);
    if ( !a1.wish.change )
    {
        rt_hold(&a1, rt_draw(7));
        rt_until_still(&a1);
    }
    set(&may_open);
    wait_for(&opened);
    rt_hold(&a2, 0);
    set(&may_work);
    for ( n = rt_draw(12); n; n-- )
    {
        rt_hold_at(&a2, &old_answer()->rsp_seq);
        rt_until_still(&a2);
        rt_hold(&a2, 1);
        rt_until_still(&a2);
    }
    rt_hold(&a2, rt_draw(6));
    rt_until_still(&a2);
    lands();
    rt_done();
}

void run_heir_answers(void)
{
    struct agent_wish how = {
        .domid = SCHED_DOMID, .ring_bytes = 4096, .batch = 1,
    };

    /* One alone, or the old agent could be held in Xen, which reads there. */
    world_make(1, 4, EVENT_SYNC);
    how.nr_vcpus = w.nr;
    how.change = rt_draw(2);
    how.hold = rt_draw(4);
    w.must_change = how.change && how.hold;
    begin(&how);
    run(answers_meet, how.change ? (const void *)&old_answer()->rsp_seq
                                 : &old_answer()->flags);
}

/* ---- a position, a promise ---- */

/*
 * Something that has nothing to do with the rings.  Not the director's to do:
 * it may take a lock which somebody stands with.
 */
static void bell(void *unused)
{
    unsigned int i;

    sim_thread_init();
    rt_done();
    for ( i = 0; i < ARRAY_SIZE(ring_now); i++ )
    {
        while ( !is_set(&ring_now[i]) )
            rt_block(&ring_now[i], RT_FOREVER);
        rt_note("rings");
        vm_event_notify(vm_event_channel(w.d));
    }
}

static void rings(unsigned int i)
{
    set(&ring_now[i]);
    rt_until_still(ring_now);
}

/*
 * The old agent's word lands while the heir sleeps, or in its look before that.
 * After the next ring all is to be right, whatever is raised during the look
 * that mends it.
 */
static void words_meet(void *unused)
{
    struct vcpu *v = w.d->vcpu[0];
    unsigned int i, n = 0;

    sim_thread_init();
    rt_until_still(&a1);
    set(&may_open);
    wait_for(&opened);
    set(&may_work);
    rt_until_still(&a2);
    rt_hold_at(v, &vm_event_of(v)->ring->line->prod);
    domain_unpause(w.d);
    rt_until_still(v);
    if ( !rt_draw(3) )
    {
        rt_hold(v, rt_draw(24));
        rt_until_still(v);
    }
    if ( rt_draw(2) )
    {
        rt_hold(&a2, rt_draw(24));
        rings(n++);
        rt_until_still(&a2);
    }
    lands();
    rt_until_still(&a2);

    rt_hold(&a2, rt_draw(24));
    rings(n);
    rt_until_still(&a2);
    for ( i = 0; i < 3; i++ )
    {
        rt_hold(v, rt_draw(14));
        if ( rt_draw(2) )
            rt_until_still(v);
        rt_hold(&a2, rt_draw(6));
        if ( rt_draw(2) )
            rt_until_still(&a2);
    }
    rt_let_go(v);
    if ( rt_draw(2) )
        rt_until_still(v);
    rt_let_go(&a2);
    rt_done();
}

void run_heir_sleeps(void)
{
    struct agent_wish how = {
        .domid = SCHED_DOMID, .ring_bytes = 4096, .batch = 2, .hold = true,
    };
    const struct vmev2_user_line __agent *user;
    bool promise = rt_draw(3) == 0;
    unsigned int i, before = 1 + rt_draw(4);

    world_make(1 + rt_draw(2), 4, EVENT_ASYNC);
    how.nr_vcpus = w.nr;
    how.split = rt_draw(2);
    how.spin_us = promise || !rt_draw(3) ? 1 + rt_draw(3) : 0;
    begin(&how);
    /*
     * 73 records fill a ring: with an old position Xen loses some.  Who had
     * promised has yet to read, and reads what was overwritten since.
     */
    if ( !promise && rt_draw(4) == 0 )
        before = how.split || w.nr == 1 ? 69 + rt_draw(5) : 34 + rt_draw(3);
    world_prelude(before, EVENT_ASYNC);
    for ( i = promise ? 0 : rt_draw(3); i; i-- )
        agent_turn(&a1);
    user = vm_event_of(w.d->vcpu[0])->ring->user;
    domain_pause(w.d);
    rt_spawn("bell", bell, ring_now);
    run(words_meet, promise ? &user->awake : &user->cons);
}
