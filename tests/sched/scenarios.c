/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who does what at the same time.  Every number that is drawn belongs to the
 * seed.  Rings have a page, so that they wrap and fill.
 */
#include "world.h"

#include <asm/vm_event.h>

#include <stdlib.h>

static struct sdk_agent a1, a2;
static bool over;               /* others than the vCPUs are to end */

static bool is_over(void)
{
    return __atomic_load_n(&over, __ATOMIC_ACQUIRE);
}

static struct agent_wish wish(void)
{
    return (struct agent_wish){
        .domid = SCHED_DOMID, .nr_vcpus = w.nr, .ring_bytes = 4096,
        .batch = 1 + rt_draw(4),
    };
}

static void must_open(struct sdk_agent *a, const struct agent_wish *how,
                      bool core)
{
    if ( !agent_open(a, how) )
        rt_fail("open: errno %d", a->err);
    if ( !agent_subscribe(a, w.kind != EVENT_ASYNC, w.kind != EVENT_SYNC, core) )
        rt_fail("subscribe: errno %d", a->err);
}

/* ---- an agent that works until all has been told ---- */

static uint64_t goal;

static void agent_to_goal(void *arg)
{
    struct sdk_agent *a = arg;

    glue_become_dom0();
    while ( agent_total(a) < goal )
        if ( !agent_turn(a) )
            agent_sleep(a);
    rt_done();
}

/* The whole story of one good agent. */
static void good_agent(struct agent_wish how, bool core, unsigned int prelude,
                       bool unread)
{
    must_open(&a1, &how, core);
    world_prelude(prelude, EVENT_ASYNC);
    while ( !unread && agent_turn(&a1) > 0 )
        ;
    goal = world_total() + (uint64_t)prelude * w.nr;
    world_start_vcpus();
    rt_spawn("agent", agent_to_goal, &a1);
    rt_run();

    world_check_books();
    world_check_agent(&a1);
    world_nobody_waits();
    agent_close(&a1);
    world_end();
}

static void run_sync(void)
{
    struct agent_wish how;

    world_make(2, 2, EVENT_SYNC);
    w.must_change = true;
    how = wish();
    how.strict = how.change = true;
    good_agent(how, false, 0, false);
}

/* Several vCPUs, answers without registers: little but the protocol. */
static void run_sync_many(void)
{
    struct agent_wish how;

    world_make(4, 2, EVENT_SYNC);
    how = wish();
    how.strict = true;
    good_agent(how, false, 0, false);
}

static void run_async(void)
{
    struct agent_wish how;

    world_make(2, 3, EVENT_ASYNC);
    how = wish();
    how.strict = true;
    /* 73 records of 56 bytes fill a ring: up to there and a little more. */
    good_agent(how, false, 33 + rt_draw(4), false);
}

static void run_async_regs(void)
{
    struct agent_wish how;

    world_make(2, 3, EVENT_ASYNC);
    how = wish();
    how.strict = true;
    good_agent(how, true, 4 + rt_draw(4), false);
}

static void run_full(void)
{
    struct agent_wish how;

    world_make(2, 4, EVENT_ASYNC);
    how = wish();
    how.strict = true;
    good_agent(how, false, 34 + rt_draw(5), true);
}

static void run_split(void)
{
    struct agent_wish how;

    world_make(2, 3, EVENT_ASYNC);
    how = wish();
    how.strict = how.split = true;
    good_agent(how, false, 69 + rt_draw(5), rt_draw(2));
}

/* Few records fill the ring: the agent has read it before it would promise. */
static void run_full_regs(void)
{
    struct agent_wish how;

    world_make(2, 2, EVENT_ASYNC);
    how = wish();
    how.strict = true;
    how.batch = 8;
    how.split = rt_draw(2);
    good_agent(how, true, (how.split ? 14 : 7) + rt_draw(3), true);
}

/*
 * The agent promises to look unasked at its first look, and takes that back
 * before it sleeps, again and again (R6).
 */
static void run_awake(bool split)
{
    struct agent_wish how;

    world_make(2, 4, EVENT_ASYNC);
    how = wish();
    how.strict = true;
    how.split = split;
    how.spin_us = 1 + rt_draw(3);
    good_agent(how, false, 0, false);
}

static void run_awake_shared(void)
{
    run_awake(false);
}

static void run_awake_split(void)
{
    run_awake(true);
}

static void run_mixed(void)
{
    struct agent_wish how;

    world_make(2, 4, EVENT_MIXED);
    w.must_change = true;
    how = wish();
    how.strict = how.change = true;
    how.split = rt_draw(2);
    good_agent(how, false, 0, false);
}

/*
 * Notifications that nothing stands behind, from another processor, so that
 * Xen looks at the slots while the agent writes there.
 */
static void kicker(void *unused)
{
    unsigned int n = 10 + rt_draw(30);

    sim_thread_init();
    while ( n-- )
        agent_kick(&a1);
    rt_done();
}

static void run_kicks(void)
{
    struct agent_wish how;

    world_make(2, 3, EVENT_SYNC);
    w.must_change = true;
    how = wish();
    how.strict = how.change = true;
    rt_spawn("kicker", kicker, NULL);
    good_agent(how, false, 0, false);
}

/* Every second notification is lost, which an agent makes good for by looking. */
static void run_deaf(void)
{
    struct agent_wish how;

    world_make(2, 4, EVENT_MIXED);
    w.must_change = true;
    how = wish();
    how.strict = how.change = how.deaf = true;
    good_agent(how, false, 0, false);
}

/*
 * A vCPU stands somewhere in its count of a loss while the agent, which the
 * ring no longer keeps busy, looks for losses; and both go on by steps, in turn
 * or together.
 */
static void losses_meet(void *unused)
{
    struct vcpu *v = w.d->vcpu[0];
    unsigned int i;

    sim_thread_init();
    rt_until_still(v);
    rt_hold_at(&a1, &vm_event_of(v)->ring->line->lost);
    rt_until_still(&a1);
    for ( i = 0; i < 3; i++ )
    {
        rt_hold(&a1, rt_draw(8));
        if ( rt_draw(2) )
            rt_until_still(&a1);
        rt_hold(v, rt_draw(6));
        if ( rt_draw(2) )
            rt_until_still(v);
    }
    rt_let_go(&a1);
    rt_until_still(&a1);
    rt_let_go(v);
    rt_done();
}

static void run_loss_meets(void)
{
    struct agent_wish how;

    world_make(1, 3, EVENT_ASYNC);
    how = wish();
    how.strict = true;
    how.split = rt_draw(2);
    must_open(&a1, &how, false);
    /* 73 records fill it; some are lost already. */
    world_prelude(73 + rt_draw(3), EVENT_ASYNC);
    goal = world_total() + w.first[0];
    world_start_vcpus();
    rt_spawn("agent", agent_to_goal, &a1);
    rt_hold(&a1, 0);
    /* Once it knows that there is no room. */
    rt_hold(w.d->vcpu[0], 2 + rt_draw(8));
    rt_spawn("director", losses_meet, NULL);
    rt_run();
    world_check_books();
    world_check_agent(&a1);
    agent_close(&a1);
    world_end();
}

/*
 * The agent found its ring empty, and stands before its look for losses while
 * the vCPU fills the ring and loses more.
 */
static void loss_behind(void *unused)
{
    struct vcpu *v = w.d->vcpu[0];

    sim_thread_init();
    rt_until_still(&a1);
    rt_hold(v, 400 + rt_draw(600));
    rt_until_still(v);
    rt_hold(&a1, rt_draw(8));
    rt_until_still(&a1);
    rt_let_go(v);
    rt_until_still(v);
    rt_let_go(&a1);
    rt_done();
}

static void run_loss_behind(void)
{
    struct agent_wish how;

    /* With registers 14 fill it. */
    world_make(1, 15 + rt_draw(3), EVENT_ASYNC);
    how = wish();
    how.strict = true;
    how.split = rt_draw(2);
    must_open(&a1, &how, true);
    goal = world_total();
    world_start_vcpus();
    rt_spawn("agent", agent_to_goal, &a1);
    rt_hold_at(&a1, &vm_event_of(w.d->vcpu[0])->ring->line->lost);
    rt_hold(w.d->vcpu[0], 0);
    rt_spawn("director", loss_behind, NULL);
    rt_run();
    world_check_books();
    world_check_agent(&a1);
    agent_close(&a1);
    world_end();
}

/* ---- snapshots ---- */

static void info_thread(void *unused)
{
    unsigned int i;

    sim_thread_init();
    rt_done();
    while ( !is_over() )
    {
        for ( i = 0; i < 3; i++ )
            world_check_books();
        sched_yield();
    }
}

static void run_info(void)
{
    struct agent_wish how;

    world_make(2, 2, EVENT_MIXED);
    how = wish();
    how.strict = true;
    must_open(&a1, &how, false);
    goal = world_total();
    over = false;
    world_start_vcpus();
    rt_spawn("agent", agent_to_goal, &a1);
    rt_spawn("info", info_thread, NULL);
    rt_run();
    over = true;
    world_check_books();
    world_check_agent(&a1);
    agent_close(&a1);
    world_end();
}

/* ---- agents that come and go ---- */

static void on_kill(void *arg)
{
    struct sdk_agent *a = arg;

    agent_dies(a);
    a->killed = true;
    rt_wake(&a->killed);
}

/* Until nobody needs it any more, its channel ends, or it is killed. */
static void serve(struct sdk_agent *a)
{
    int n = a->h ? 1 : -1;

    rt_done();
    if ( a->wish.kill_after )
        rt_kill_after(a->wish.kill_after, on_kill, a);
    while ( n >= 0 )
    {
        bool last = is_over();

        n = agent_turn(a);
        if ( n == 0 && last )
            break;
        if ( n == 0 && !is_over() )
            agent_sleep(a);
    }
    rt_kill_after(0, NULL, NULL);
    if ( a->h )
        agent_close(a);
}

static void agent_for_ever(void *arg)
{
    glue_become_dom0();
    serve(arg);
}

/* After the run. */
static void end_agents(void)
{
    over = true;
    agent_nudge(&a1);
    agent_nudge(&a2);
    rt_join_arg(&a1);
    rt_join_arg(&a2);
    agent_bury(&a1);
    agent_bury(&a2);
    sim_softirq_drain();
    world_check_books();
}

static void begin_agents(const struct agent_wish *how)
{
    memset(&a2, 0, sizeof(a2));
    over = false;
    must_open(&a1, how, false);
    world_start_vcpus();
}

/* Killed at any of its steps: the guest goes on, and the books balance. */
static void run_killed(void)
{
    struct agent_wish how;

    world_make(2, 3, EVENT_MIXED);
    how = wish();
    how.change = true;
    how.kill_after = 1 + rt_draw(900);
    begin_agents(&how);
    rt_spawn("agent", agent_for_ever, &a1);
    rt_run();
    end_agents();
    world_nobody_waits();
    world_end();
}

/* Waits for the first one's end; false: it never came. */
static bool first_was_killed(void)
{
    rt_done();
    while ( !a1.killed && !is_over() )
        rt_block(&a1.killed, rt_now() + MILLISECS(1));

    return a1.killed;
}

/* Attaches to what the first left when it was killed. */
static void successor(void *arg)
{
    struct agent_wish how = a1.wish;

    glue_become_dom0();
    if ( !first_was_killed() )
        return;
    how.reattach = true;
    how.kill_after = 0;
    if ( !agent_open(arg, &how) )
        rt_fail("attach: errno %d", a2.err);
    serve(arg);
}

/* HOLD: nothing is lost by it, not one request goes unanswered. */
static void run_held(void)
{
    struct agent_wish how;
    unsigned int i;

    world_make(2, 3, EVENT_SYNC);
    w.must_change = true;
    how = wish();
    how.change = how.hold = true;
    how.kill_after = 1 + rt_draw(700);
    begin_agents(&how);
    rt_spawn("agent", agent_for_ever, &a1);
    rt_spawn("successor", successor, &a2);
    rt_run();
    for ( i = 0; i < w.nr; i++ )
        if ( v2_vcpu(w.d, i).answered != w.events )
            rt_fail("vCPU %u: %"PRIu64" answers", i, v2_vcpu(w.d, i).answered);
    world_nobody_waits();
    end_agents();
    world_end();
}

static void takes_over(void *arg)
{
    struct agent_wish how = a1.wish;

    glue_become_dom0();
    how.takeover = true;
    if ( !agent_open(arg, &how) )
        rt_fail("takeover: errno %d", a2.err);
    serve(arg);
}

static void run_takeover(void)
{
    struct agent_wish how;

    world_make(2, 3, EVENT_SYNC);
    w.must_change = true;
    how = wish();
    how.change = how.hold = true;
    begin_agents(&how);
    rt_spawn("agent", agent_for_ever, &a1);
    rt_spawn("second", takes_over, &a2);
    rt_run();
    world_nobody_waits();
    end_agents();
    world_end();
}

/* Closes in the middle of everything, and may come back. */
static void agent_closes(void *arg)
{
    struct sdk_agent *a = arg;
    unsigned int turns = rt_draw(5);
    struct agent_wish how = a->wish;

    glue_become_dom0();
    while ( turns-- )
        agent_turn(a);
    agent_close(a);
    if ( rt_draw(2) )
        must_open(a, &how, false);
    serve(a);
}

static void run_close(void)
{
    struct agent_wish how;

    world_make(2, 3, EVENT_MIXED);
    how = wish();
    how.hold = rt_draw(2);
    begin_agents(&how);
    rt_spawn("agent", agent_closes, &a1);
    rt_run();
    end_agents();
    world_nobody_waits();
    world_end();
}

/* Takes its subscription back, and drains what was raised before. */
static void agent_unsubscribes(void *arg)
{
    struct sdk_agent *a = arg;
    unsigned int turns = rt_draw(4);

    glue_become_dom0();
    while ( turns-- )
        agent_turn(a);
    if ( !agent_unsubscribe_sync(a) )
        rt_fail("unsubscribe");
    serve(a);
}

static void run_unsubscribe(void)
{
    struct agent_wish how;

    world_make(2, 3, EVENT_MIXED);
    how = wish();
    how.change = true;
    begin_agents(&how);
    rt_spawn("agent", agent_unsubscribes, &a1);
    rt_run();
    world_nobody_waits();
    end_agents();
    world_check_agent(&a1);
    world_end();
}

/* Killed while it opens, bound or not; another opens until it may. */
static void opens_and_dies(void *arg)
{
    struct sdk_agent *a = arg;
    struct agent_wish how = wish();

    glue_become_dom0();
    how.kill_after = 1 + rt_draw(2500);
    how.hold = rt_draw(2);
    rt_kill_after(how.kill_after, on_kill, a);
    if ( agent_open(a, &how) )
    {
        agent_subscribe(a, true, true, false);
        while ( agent_turn(a) > 0 )
            ;
    }
    rt_kill_after(0, NULL, NULL);
    on_kill(a);
}

static void opens_later(void *arg)
{
    struct sdk_agent *a = arg;
    struct agent_wish how = wish();

    glue_become_dom0();
    while ( !a1.killed )
        rt_block(&a1.killed, rt_now() + MILLISECS(1));
    how.takeover = true;
    while ( !agent_open(a, &how) )
        if ( a->err != EBUSY && a->err != ESTALE )
            rt_fail("takeover: errno %d", a->err);
    if ( !agent_subscribe(a, true, true, false) && a->err != EEXIST )
        rt_fail("subscribe: errno %d", a->err);
    serve(a);
}

static void run_killed_open(void)
{
    world_make(1, 3, EVENT_MIXED);
    memset(&a1, 0, sizeof(a1));
    memset(&a2, 0, sizeof(a2));
    over = false;
    world_start_vcpus();
    rt_spawn("agent", opens_and_dies, &a1);
    rt_spawn("second", opens_later, &a2);
    rt_run();
    end_agents();
    world_nobody_waits();
    world_end();
}

/* Mapping against destroy and create: nothing but pages of the domain's. */
static void mapper(void *unused)
{
    xen_pfn_t mfn[4];
    unsigned int n = 12, kind, i;

    sim_thread_init();
    while ( n-- )
    {
        kind = n % VMEV2_RES_KINDS;
        if ( sim_acquire_resource(SCHED_DOMID, XENMEM_resource_vm_event,
                                  VMEV2_RES_ID(1 + rt_draw(2), kind), 0, 1, mfn) )
            continue;
        for ( i = 0; i < 1; i++ )
            if ( mfn_to_page(_mfn(mfn[i]))->owner != w.d )
                rt_fail("a page of somebody else's");
    }
    rt_done();
}

static void creator(void *unused)
{
    const struct vmev2_op_create small = { .ring_bytes = 4096 },
                                 large = { .ring_bytes = 8192 };
    struct agent a;
    unsigned int i;

    sim_thread_init();
    for ( i = 0; i < 2; i++ )
    {
        CHECK_EQ(v2_create(&a, w.d, i ? &large : &small), 0);
        CHECK_EQ(v2_bind(&a), 0);
        CHECK_EQ(v2_destroy(&a), 0);
    }
    rt_done();
}

static void run_acquire(void)
{
    world_make(1, 1, EVENT_ASYNC);
    rt_spawn("creator", creator, NULL);
    rt_spawn("mapper", mapper, NULL);
    world_start_vcpus();
    rt_run();
    world_end();
}

/* ---- deadlines ---- */

/* Time that passes though others have work to do. */
static void clock_goes(void *unused)
{
    unsigned int n = w.nr * w.events;

    while ( n-- )
    {
        sched_yield();
        rt_advance(MILLISECS(1));
    }
    rt_done();
}

/* Every request was answered, or ended without. */
static void check_ends(void)
{
    unsigned int i;

    for ( i = 0; i < w.nr; i++ )
        if ( v2_vcpu(w.d, i).answered + v2_vcpu(w.d, i).released != w.events )
            rt_fail("vCPU %u: %"PRIu64" answers, %"PRIu64" without", i,
                    v2_vcpu(w.d, i).answered, v2_vcpu(w.d, i).released);
}

/* A deadline ends requests while the agent reads and answers them. */
static void run_deadline(void)
{
    struct agent_wish how;

    world_make(1 + rt_draw(2), 5, EVENT_SYNC);
    how = wish();
    how.change = rt_draw(2);
    how.deadline_ms = 1;
    begin_agents(&how);
    rt_spawn("agent", agent_for_ever, &a1);
    rt_spawn("clock", clock_goes, NULL);
    rt_run();
    check_ends();
    world_nobody_waits();
    end_agents();
    world_end();
}

/*
 * The agent stands somewhere in its look at a request while that ends and the
 * vCPU raises the next, which stands somewhere in its publication while the
 * agent goes on a little.
 */
static void meets(void *unused)
{
    struct vcpu *v = w.d->vcpu[0];

    sim_thread_init();
    rt_until_still(v);              /* its first request waits */
    rt_hold(&a1, rt_draw(48));      /* a record has 31 words */
    rt_until_still(&a1);
    rt_hold(v, rt_draw(40));
    rt_advance(MILLISECS(2));
    rt_give_way();
    rt_until_still(v);
    if ( rt_draw(4) )
        rt_hold_at(&a1, vm_event_channel(w.d)->pending);
    else
        rt_hold(&a1, rt_draw(48));
    rt_until_still(&a1);
    rt_let_go(v);
    rt_until_still(v);
    rt_let_go(&a1);
    rt_done();
}

static void run_deadline_meets(void)
{
    struct agent_wish how;

    world_make(1, 3, EVENT_SYNC);
    how = wish();
    how.change = rt_draw(2);
    how.deadline_ms = 1;
    begin_agents(&how);
    rt_spawn("agent", agent_for_ever, &a1);
    rt_hold(&a1, 0);
    rt_spawn("director", meets, NULL);
    rt_run();
    check_ends();
    world_nobody_waits();
    end_agents();
    world_end();
}

/* ---- the end of a domain ---- */

static void toolstack(void *unused)
{
    unsigned int n = rt_draw(300);

    sim_thread_init();
    while ( n-- )
        rt_point();
    rt_note("kills the domain");
    sim_domain_kill(w.d, 0);
    rt_done();
}

static void run_dies(void)
{
    struct agent_wish how;

    world_make(2, 8, EVENT_MIXED);
    w.endless = true;
    get_knownalive_domain(w.d);
    how = wish();
    begin_agents(&how);
    rt_spawn("agent", agent_for_ever, &a1);
    rt_spawn("toolstack", toolstack, NULL);
    rt_run();
    over = true;
    agent_nudge(&a1);
    rt_join_arg(&a1);
    world_end_dead();
}

/* ---- hostile agents ---- */

static struct agent foe;

/* One word of what an agent may write, and sometimes a kick. */
static void scribble(struct agent *a)
{
    struct vmev2_slot *slot = v2_slot(a, rt_draw(w.nr));
    uint64_t *word = (uint64_t *)&slot->rsp;
    unsigned int at = rt_draw(4) ? 0 : rt_draw(sizeof(slot->rsp) / 8);
    uint64_t value = (uint64_t)rt_draw(UINT32_MAX) << rt_draw(33);

    if ( at == 0 )
        value = __atomic_load_n(&slot->req_seq, __ATOMIC_RELAXED) +
                rt_draw(3) - 1;
    else if ( at == 1 )
        value = rt_draw(8) ? 0 : value & VMEV2_RSP_KNOWN;
    __atomic_store_n(&word[at], value, __ATOMIC_RELAXED);

    if ( !rt_draw(3) )
        __atomic_store_n(&v2_user(a, 0)->cons,
                         __atomic_load_n(&v2_user(a, 0)->cons,
                                         __ATOMIC_RELAXED) + rt_draw(4096),
                         __ATOMIC_RELAXED);
    if ( !rt_draw(3) )
        v2_kick(a);
}

static void adversary(void *unused)
{
    unsigned int n = 20 + rt_draw(60);

    sim_thread_init();
    while ( n-- )
        scribble(&foe);
    if ( rt_draw(2) )
        CHECK_EQ(v2_destroy(&foe), 0);
    else
        v2_die(&foe);
    rt_done();
}

static void run_hostile(void)
{
    const struct vmev2_op_create how = { .ring_bytes = 4096 };

    world_make(2, 4, EVENT_MIXED);
    CHECK_EQ(v2_create(&foe, w.d, &how), 0);
    CHECK_EQ(v2_bind(&foe), 0);
    CHECK_EQ(v2_monitor(&foe, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    CHECK_EQ(v2_monitor(&foe, VMEV2_REASON_WRITE_CTRLREG, true, false, 0), 0);
    over = false;
    w.lies = true;
    /* Half the time a full ring: only then does Xen look at cons for room. */
    world_prelude(rt_draw(2) ? 36 : 0, EVENT_ASYNC);
    rt_mem_lies();
    world_start_vcpus();
    rt_spawn("adversary", adversary, NULL);
    rt_spawn("info", info_thread, NULL);
    rt_run();
    over = true;
    sim_softirq_drain();
    world_check_books();
    world_nobody_waits();
    world_end();
}

const struct scenario scenarios[] = {
    { "sync", "2 vCPUs' requests, answers change registers", run_sync },
    { "sync-many", "4 vCPUs' requests", run_sync_many },
    { "async", "the shared ring, where it wraps", run_async },
    { "async-regs", "the shared ring, records with registers", run_async_regs },
    { "full", "a shared ring that is almost full: losses", run_full },
    { "split", "a ring per vCPU: wraps and losses", run_split },
    { "full-regs", "few large records that fill the ring: losses at its end",
      run_full_regs },
    { "awake", "an agent that spins: promises to look, and takes them back",
      run_awake_shared },
    { "awake-split", "the same with a ring per vCPU", run_awake_split },
    { "mixed", "both kinds: their order", run_mixed },
    { "kicks", "notifications too many, while answers are written", run_kicks },
    { "deaf", "notifications get lost, the agent looks unasked", run_deaf },
    { "info", "snapshots that balance at any moment", run_info },
    { "killed", "DETACH: the agent is killed at any step", run_killed },
    { "held", "HOLD: killed at any step, another attaches", run_held },
    { "killed-open", "killed while it opens, another takes over",
      run_killed_open },
    { "acquire", "mapping against create and destroy", run_acquire },
    { "takeover", "HOLD: another takes over from a living one", run_takeover },
    { "close", "close and open again with events in flight", run_close },
    { "unsubscribe", "unsubscribe and drain", run_unsubscribe },
    { "deadline", "requests that end while the agent reads them", run_deadline },
    { "deadline-meets", "one ends and the next comes while the agent looks",
      run_deadline_meets },
    { "loss-meets", "a loss is counted while the agent looks for losses",
      run_loss_meets },
    { "loss-behind", "the ring fills and loses while the agent looks for losses",
      run_loss_behind },
    { "heir-answers", "taken over: the old agent's answer comes late",
      run_heir_answers },
    { "heir-sleeps", "taken over: its ring position or promise comes late",
      run_heir_sleeps },
    { "dies", "the domain is destroyed", run_dies },
    { "hostile", "an agent that writes anything", run_hostile },
    { "legacy", "the old ring: 8 entries, requests and events", run_legacy },
    { "legacy-library", "the old ring, the library's agent", run_legacy_library },
    { "legacy-enable", "enable, while the guest scribbles on the page",
      run_legacy_enable },
    { "legacy-hostile", "the old ring, whatever is written there",
      run_legacy_hostile },
    { NULL, NULL, NULL }
};
