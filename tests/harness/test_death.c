/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The death of an agent, which is the loss of its port: at each stage, with
 * each policy; and who comes after it.
 */
#include "harness.h"

#include <xen/monitor.h>
#include "cpu.h"

static const struct vmev2_op_create policy[] = {
    { .on_death = VMEV2_DEATH_DETACH }, { .on_death = VMEV2_DEATH_HOLD },
    { .on_death = VMEV2_DEATH_CRASH },
};

/* Stages at which the agent may be when it dies. */
enum stage {
    BOUND,          /* nothing subscribed to */
    SUBSCRIBED,
    OUTSTANDING,    /* two vCPUs wait, one of them with a stash */
    UNKICKED,       /* an answer that Xen has not been told of */
    ANSWERED,       /* an answer that its vCPU has not come to yet */
    WRITE,          /* a CR write waits */
    STAGES
};

static void reach(struct agent *a, struct domain *d, enum stage stage)
{
    CHECK_EQ(v2_bind(a), 0);
    if ( stage == BOUND )
        return;
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_GUEST_REQUEST, true, true, 1), 0);
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_WRITE_CTRLREG, true, true, 1), 0);
    if ( stage == SUBSCRIBED )
        return;
    if ( stage == WRITE )
    {
        sim_vcpu_on(d->vcpu[0]);
        sim_write_cr(d->vcpu[0], 3, 0x9000, true);
        sim_vcpu_off(d->vcpu[0]);
        return;
    }

    guest_request(d->vcpu[0]);
    sim_vcpu_on(d->vcpu[1]);
    monitor_guest_request();
    monitor_guest_request();
    sim_vcpu_off(d->vcpu[1]);
    if ( stage == OUTSTANDING )
        return;
    v2_answer(a, 0, 0);
    if ( stage == ANSWERED )
        v2_kick(a);
}

/* Requests that nobody has answered at a stage. */
static unsigned int open_at(enum stage stage)
{
    switch ( stage )
    {
    case OUTSTANDING:
    case UNKICKED:
        return 3;

    case ANSWERED:
        return 2;

    case WRITE:
        return 1;

    default:
        return 0;
    }
}

static uint64_t sum_released(struct domain *d)
{
    return v2_vcpu(d, 0).released + v2_vcpu(d, 1).released;
}

/* P3, P4: nobody waits without an owner, and each request ends once. */
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

static void test_detach(enum stage stage)
{
    struct domain *d = new_domain(2);
    struct agent a, b;

    test_case("DETACH, stage %u", stage);
    CHECK_EQ(v2_create(&a, d, &policy[VMEV2_DEATH_DETACH]), 0);
    reach(&a, d, stage);
    v2_die(&a);

    CHECK_EQ(v2_state(d), VMEV2_STATE_IDLE);
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(resume_all(d), 2);
    CHECK_EQ(sum_released(d), open_at(stage));
    CHECK(!d->monitor.guest_request_enabled);
    CHECK(!d->arch.monitor.write_ctrlreg_enabled);
    CHECK_EQ(sim_evtchn_ports(d), 0);
    check_balance(d);
    if ( stage == WRITE )
        CHECK_EQ(d->vcpu[0]->arch.hvm.guest_cr[3], 0x9000);

    /* At once, without EBUSY, and told of what was released. */
    CHECK_EQ(v2_create(&b, d, NULL), 0);
    CHECK_EQ(b.created.released_before, open_at(stage));
    CHECK_EQ(v2_bind(&b), 0);
    CHECK_EQ(v2_monitor(&b, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    guest_request(d->vcpu[0]);
    CHECK(v2_pending(&b, 0));
    v2_answer(&b, 0, 0);
    v2_kick(&b);
    CHECK_EQ(resume_all(d), 2);
    CHECK_EQ(v2_destroy(&b), 0);

    /* Told once. */
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(a.created.released_before, 0);
    sim_domain_kill(d, 0);
}

/* P8: the next agent finds every request that was not answered. */
static void test_hold(enum stage stage)
{
    struct domain *d = new_domain(2);
    unsigned int i, answered = 0;
    uint64_t before;
    struct agent a, b;

    test_case("HOLD, stage %u", stage);
    CHECK_EQ(v2_create(&a, d, &policy[VMEV2_DEATH_HOLD]), 0);
    reach(&a, d, stage);
    v2_die(&a);

    CHECK_EQ(v2_state(d), VMEV2_STATE_HELD);
    CHECK_EQ(sum_released(d), 0);
    CHECK_EQ(v2_ctrl(&a)->state, VMEV2_STATE_HELD);
    CHECK_EQ(nr_paused(d), stage < OUTSTANDING ? 0
                           : stage == ANSWERED || stage == WRITE ? 1 : 2);
    check_balance(d);
    resume_all(d);

    /* Events go on being raised, for the next agent to find. */
    if ( stage == SUBSCRIBED )
    {
        guest_request(d->vcpu[1]);
        CHECK_EQ(nr_paused(d), 1);
    }

    CHECK_EQ(v2_create(&b, d, NULL), -EBUSY);
    CHECK_EQ(v2_attach(&b, d, 0), 0);
    CHECK(b.generation != a.generation);
    CHECK_EQ(v2_ctrl(&b)->generation, b.generation);
    CHECK_EQ(v2_bind(&b), 0);
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);
    CHECK(sim_evtchn_pending(b.bell));

    before = v2_vcpu(d, 0).answered + v2_vcpu(d, 1).answered;
    /* What its predecessor had answered counts; a kick is all it takes. */
    v2_kick(&b);
    for ( i = 0; i < 10 && nr_paused(d); i++ )
    {
        if ( v2_pending(&b, 0) )
            v2_answer(&b, 0, 0);
        if ( v2_pending(&b, 1) )
            v2_answer(&b, 1, 0);
        v2_kick(&b);
        resume_all(d);
    }
    answered = v2_vcpu(d, 0).answered + v2_vcpu(d, 1).answered - before;
    CHECK_EQ(answered, stage == SUBSCRIBED ? 1 : open_at(stage));
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(resume_all(d), 2);
    check_balance(d);

    CHECK_EQ(v2_destroy(&b), 0);
    CHECK_EQ(nr_paused(d), 0);
    sim_domain_kill(d, 0);
}

/* Destroyed by somebody else while held: nobody stays behind. */
static void test_hold_destroyed(enum stage stage)
{
    struct domain *d = new_domain(2);
    struct vmev2_op_info info;
    struct agent a;

    test_case("HOLD, destroyed, stage %u", stage);
    CHECK_EQ(v2_create(&a, d, &policy[VMEV2_DEATH_HOLD]), 0);
    reach(&a, d, stage);
    v2_die(&a);
    CHECK_EQ(v2_info(d, &info, 0, 0, NULL), 0);
    a.generation = info.generation;
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(resume_all(d), 2);
    check_balance(d);
    sim_domain_kill(d, 0);
}

static void test_crash(enum stage stage)
{
    struct domain *d = new_domain(2);
    struct agent a;

    test_case("CRASH, stage %u", stage);
    CHECK_EQ(v2_create(&a, d, &policy[VMEV2_DEATH_CRASH]), 0);
    reach(&a, d, stage);
    v2_die(&a);
    CHECK(d->is_shut_down);
    CHECK_EQ(d->shutdown_code, SHUTDOWN_crash);
    CHECK_EQ(v2_state(d), VMEV2_STATE_IDLE);
    CHECK_EQ(d->vcpu[0]->pause_count.counter, 0);
    CHECK_EQ(d->vcpu[1]->pause_count.counter, 0);
    sim_domain_kill(d, 0);
}

/* The domain dies first: the agent's port goes silent, nothing is left. */
static void test_domain_first(enum stage stage, unsigned int on_death)
{
    struct domain *d = new_domain(2);
    struct agent a;

    test_case("domain first, policy %u, stage %u", on_death, stage);
    CHECK_EQ(v2_create(&a, d, &policy[on_death]), 0);
    reach(&a, d, stage);
    sim_evtchn_pending(a.bell);
    get_knownalive_domain(d);
    CHECK_EQ(sim_domain_kill(d, 0), 0);
    CHECK(sim_evtchn_pending(a.bell));
    v2_kick(&a);
    v2_die(&a);
    CHECK(!d->is_shut_down);
    CHECK_EQ(d->vcpu[0]->pause_count.counter, 0);
    CHECK_EQ(d->vcpu[1]->pause_count.counter, 0);
    put_domain(d);
}

/*
 * R7: the agent's port closes and another agent binds before the tasklet has
 * looked.  The new one must not be detached.
 */
static void test_quick_successor(void)
{
    struct domain *d = new_domain(2);
    struct agent a, b;

    test_case("bound again before the tasklet ran");
    v2_start(&a, d, true);
    guest_request(d->vcpu[0]);

    /* The control lock keeps the tasklet from its look. */
    CHECK_EQ(vm_event_lock(d), 0);
    sim_evtchn_unbind(a.bell);
    CHECK_EQ(v2_bind(&a), 0);
    vm_event_unlock(d);
    sim_softirq_drain();
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);
    CHECK_EQ(nr_paused(d), 1);
    CHECK(v2_pending(&a, 0));
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK_EQ(resume_all(d), 2);

    test_case("destroyed and created again before the tasklet ran");
    CHECK_EQ(vm_event_lock(d), 0);
    sim_evtchn_unbind(a.bell);
    a.bell = NULL;
    vm_event_unlock(d);
    CHECK(v2_destroy(&a) == 0 || v2_state(d) == VMEV2_STATE_IDLE);
    CHECK_EQ(v2_create(&b, d, NULL), 0);
    sim_softirq_drain();
    CHECK_EQ(v2_state(d), VMEV2_STATE_CREATED);
    CHECK_EQ(v2_bind(&b), 0);
    CHECK_EQ(v2_destroy(&b), 0);
    sim_domain_kill(d, 0);
}

/* Without a listener a request goes to the policy and nobody waits. */
static void test_no_listener(void)
{
    struct domain *d = new_domain(1);
    struct agent a;
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(policy); i++ )
    {
        test_case("not bound yet, policy %u", i);
        CHECK_EQ(v2_create(&a, d, &policy[i]), 0);
        CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
        guest_request(d->vcpu[0]);
        CHECK_EQ(nr_paused(d), 0);
        CHECK_EQ(v2_vcpu(d, 0).raised, 1);
        CHECK_EQ(v2_vcpu(d, 0).released, 1);
        CHECK_EQ(v2_pending(&a, 0), 0);
        CHECK_EQ(v2_bind(&a), 0);
        guest_request(d->vcpu[0]);
        CHECK_EQ(nr_paused(d), 1);
        CHECK_EQ(v2_destroy(&a), 0);
        CHECK_EQ(nr_paused(d), 0);
    }
    sim_domain_kill(d, 0);
}

/* A takeover leaves the requests standing and cuts the old agent off. */
static void test_takeover(void)
{
    struct domain *d = new_domain(2);
    struct agent a, b;

    test_case("takeover");
    CHECK_EQ(v2_create(&a, d, &policy[VMEV2_DEATH_HOLD]), 0);
    reach(&a, d, OUTSTANDING);
    sim_evtchn_pending(a.bell);
    CHECK_EQ(v2_attach(&b, d, 0), -EBUSY);
    CHECK_EQ(v2_attach(&b, d, VMEV2_ATTACH_TAKEOVER), 0);
    CHECK(sim_evtchn_pending(a.bell));      /* told */
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_CPUID, true, true, 0), -ENOTCONN);
    v2_answer(&a, 0, 0);
    v2_kick(&a);                            /* its bell rings nowhere */
    CHECK_EQ(nr_paused(d), 2);
    sim_evtchn_unbind(a.bell);              /* and its death changes nothing */
    sim_softirq_drain();
    CHECK_EQ(v2_state(d), VMEV2_STATE_HELD);

    CHECK_EQ(v2_bind(&b), 0);
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);
    v2_kick(&b);
    resume_all(d);
    CHECK_EQ(nr_paused(d), 1);
    CHECK_EQ(v2_destroy(&b), 0);
    CHECK_EQ(nr_paused(d), 0);

    test_case("takeover of what is not held");
    CHECK_EQ(v2_create(&a, d, &policy[VMEV2_DEATH_DETACH]), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_attach(&b, d, VMEV2_ATTACH_TAKEOVER), -EOPNOTSUPP);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_CPUID, true, true, 0), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* Records that were committed before the death are still there after it. */
static void test_hold_ring(void)
{
    struct domain *d = new_domain(1);
    uint64_t room[VMEV2_REC_MAX / 8];
    const struct vmev2_rec *rec;
    struct agent a, b;
    unsigned int i;

    test_case("records survive under HOLD");
    CHECK_EQ(v2_create(&a, d, &policy[VMEV2_DEATH_HOLD]), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, false, 0), 0);
    for ( i = 0; i < 5; i++ )
        guest_request(d->vcpu[0]);
    CHECK(v2_next(&a, 0, &a.pos, room));
    v2_consumed(&a, 0, a.pos);
    v2_die(&a);
    guest_request(d->vcpu[0]);

    CHECK_EQ(v2_attach(&b, d, 0), 0);
    CHECK_EQ(v2_bind(&b), 0);
    b.pos = v2_user(&b, 0)->cons;
    for ( i = 2; (rec = v2_next(&b, 0, &b.pos, room)); i++ )
        CHECK_EQ(rec->seq, i);
    CHECK_EQ(i, 7);
    CHECK_EQ(v2_vcpu(d, 0).lost, 0);
    CHECK_EQ(v2_destroy(&b), 0);
    sim_domain_kill(d, 0);
}

/*
 * An agent that dies between lowering its promise to look by itself (R6) and
 * telling Xen leaves a word that says nothing; its successor is woken all the
 * same.
 */
static void test_promise_ends(uint32_t flags)
{
    const struct vmev2_op_create wish = {
        .on_death = VMEV2_DEATH_HOLD, .flags = flags,
    };
    struct domain *d = new_domain(1);
    struct agent a, b;

    test_case("a dead agent's promise, flags %u", flags);
    CHECK_EQ(v2_create(&a, d, &wish), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, false, 0), 0);
    v2_user(&a, 0)->awake = 2048;
    guest_request(d->vcpu[0]);
    v2_user(&a, 0)->awake = 0;
    v2_die(&a);

    CHECK_EQ(v2_attach(&b, d, 0), 0);
    CHECK_EQ(v2_bind(&b), 0);
    sim_evtchn_pending(b.bell);
    v2_consumed(&b, 0, v2_ring_line(&b, 0)->prod);
    guest_request(d->vcpu[0]);
    CHECK_EQ(sim_evtchn_pending(b.bell), 1);

    CHECK_EQ(v2_destroy(&b), 0);
    sim_domain_kill(d, 0);
}

/* The domain's own end shows in the channel, and wakes the agent. */
static void test_shutdown(void)
{
    struct domain *d = new_domain(2);
    struct agent a;

    test_case("shutdown shows");
    v2_start(&a, d, true);
    sim_evtchn_pending(a.bell);
    domain_shutdown(d, SHUTDOWN_reboot);
    CHECK_EQ(v2_ctrl(&a)->domain, VMEV2_DOMAIN_SHUTDOWN);
    CHECK_EQ(v2_ctrl(&a)->shutdown_code, SHUTDOWN_reboot);
    CHECK(sim_evtchn_pending(a.bell));
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);

    test_case("and so does that it goes on after all");
    d->is_shut_down = false;
    vm_event_domain_resume(d);
    CHECK_EQ(v2_ctrl(&a)->domain, VMEV2_DOMAIN_RUNNING);
    CHECK(sim_evtchn_pending(a.bell));
    d->is_shut_down = true;
    CHECK_EQ(v2_destroy(&a), 0);

    test_case("a channel created after the shutdown");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_ctrl(&a)->domain, VMEV2_DOMAIN_SHUTDOWN);
    CHECK_EQ(v2_ctrl(&a)->shutdown_code, SHUTDOWN_reboot);
    sim_domain_kill(d, 0);
}

/*
 * A create is taken away before its creator has bound: the number that he was
 * given is nobody else's, or he would be the next one's dead agent.
 */
static void test_late_bind(uint8_t on_death)
{
    const struct vmev2_op_create wish = { .on_death = on_death };
    struct domain *d = new_domain(2);
    struct agent a, b;

    test_case("bound too late, policy %u", on_death);
    CHECK_EQ(v2_create(&a, d, &wish), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(sim_evtchn_ports(d), 1);
    CHECK_EQ(v2_create(&b, d, &wish), 0);
    CHECK_EQ(sim_evtchn_ports(d), 1);
    CHECK(b.created.port != a.created.port);
    CHECK_EQ(v2_bind(&a), -EINVAL);
    CHECK_EQ(v2_bind(&b), 0);
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);
    CHECK_EQ(v2_destroy(&b), 0);
    CHECK_EQ(sim_evtchn_ports(d), 0);

    test_case("bound while there is no channel, policy %u", on_death);
    CHECK_EQ(v2_create(&a, d, &wish), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_state(d), VMEV2_STATE_IDLE);
    CHECK(!vm_event_monitored(d));
    CHECK_EQ(v2_create(&b, d, &wish), 0);
    CHECK_EQ(v2_state(d), VMEV2_STATE_CREATED);
    CHECK_EQ(v2_bind(&b), 0);
    v2_die(&a);
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);
    CHECK(!d->is_shut_down);
    CHECK_EQ(v2_destroy(&b), 0);

    test_case("let go of while there is no channel, policy %u", on_death);
    CHECK_EQ(v2_create(&a, d, &wish), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(v2_bind(&a), 0);
    v2_die(&a);
    CHECK_EQ(v2_state(d), VMEV2_STATE_IDLE);
    CHECK(!d->is_shut_down);
    CHECK_EQ(v2_create(&b, d, &wish), 0);
    CHECK_EQ(v2_bind(&b), 0);
    CHECK_EQ(v2_destroy(&b), 0);
    CHECK_EQ(sim_evtchn_ports(d), 0);
    sim_domain_kill(d, 0);
}

int main(void)
{
    unsigned int stage, i;

    sim_init();
    for ( stage = BOUND; stage < STAGES; stage++ )
    {
        test_detach(stage);
        test_hold(stage);
        test_hold_destroyed(stage);
        test_crash(stage);
        for ( i = 0; i < ARRAY_SIZE(policy); i++ )
            test_domain_first(stage, i);
    }
    for ( i = 0; i < ARRAY_SIZE(policy); i++ )
        test_late_bind(policy[i].on_death);
    test_quick_successor();
    test_no_listener();
    test_takeover();
    test_hold_ring();
    test_promise_ends(0);
    test_promise_ends(VMEV2_CREATE_SPLIT_RINGS);
    test_shutdown();

    return test_end();
}
