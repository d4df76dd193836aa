/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The response deadline: what becomes of a request that has no answer in time,
 * under each policy; when time stands still; and that an answer which comes at
 * that moment ends the request exactly once.
 */
#include "harness.h"

#include <asm/hvm/monitor.h>
#include <xen/monitor.h>
#include "cpu.h"

#include <pthread.h>
#include <sched.h>

/*
 * Time passes by itself as well, on a busy machine more than one would think:
 * what is looked at lies at least one tick away from what must not matter.
 */
#define TICK_MS 100U

static const struct vmev2_op_create release = { .deadline_ms = 100 * TICK_MS };

static void pass_ticks(unsigned int n)
{
    sim_clock_advance(MILLISECS(n * TICK_MS));
    sim_softirq_drain();
}

/* Most tests want a channel that guest requests of d wait on. */
static void start(struct agent *a, struct domain *d,
                  const struct vmev2_op_create *wish)
{
    CHECK_EQ(v2_create(a, d, wish), 0);
    CHECK_EQ(v2_bind(a), 0);
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
}

static struct vmev2_op_info info_of(struct domain *d)
{
    struct vmev2_op_info info = {};

    CHECK_EQ(v2_info(d, &info, 0, 0, NULL), 0);

    return info;
}

/* P3, P4. */
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

static void test_release(void)
{
    struct domain *d = new_domain(2);
    struct vmev2_op_info info;
    struct agent a;

    test_case("release");
    start(&a, d, &release);
    CHECK(v2_ctrl(&a)->features & VMEV2_FEAT_DEADLINE);
    guest_request(d->vcpu[0]);
    pass_ticks(50);
    guest_request(d->vcpu[1]);
    pass_ticks(48);
    CHECK_EQ(nr_paused(d), 2);
    CHECK_EQ(info_of(d).expired, 0);
    sim_evtchn_pending(a.bell);

    pass_ticks(3);
    CHECK_EQ(nr_paused(d), 1);
    CHECK(vcpu_runnable(d->vcpu[0]));
    CHECK_EQ(v2_vcpu(d, 0).released, 1);
    CHECK(sim_evtchn_pending(a.bell));      /* the agent is told */
    CHECK_EQ(v2_ctrl(&a)->deadline_expired, 1);

    pass_ticks(50);
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(resume_all(d), 2);
    info = info_of(d);
    CHECK_EQ(info.expired, 2);
    CHECK_EQ(info.expired_late, 0);
    CHECK(info.expired_min >= MILLISECS(100 * TICK_MS));
    CHECK(info.expired_max >= info.expired_min);
    CHECK(info.expired_max < MILLISECS(120 * TICK_MS));
    CHECK_EQ(info.deadline_ms, 100 * TICK_MS);
    CHECK_EQ(info.on_deadline, VMEV2_DEADLINE_RELEASE);

    test_case("a late answer");
    v2_answer(&a, 0, VMEV2_RSP_DENY);       /* would be refused, even */
    v2_kick(&a);
    CHECK_EQ(v2_vcpu(d, 0).answered, 0);
    CHECK_EQ(v2_vcpu(d, 0).bad, 0);
    guest_request(d->vcpu[0]);
    v2_kick(&a);
    CHECK_EQ(nr_paused(d), 1);
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK_EQ(resume_all(d), 2);
    check_balance(d);

    test_case("answered in time, and so was one before");
    guest_request(d->vcpu[0]);
    pass_ticks(60);
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK_EQ(resume_all(d), 2);
    guest_request(d->vcpu[0]);
    pass_ticks(60);                            /* the first one's timer fires */
    CHECK_EQ(nr_paused(d), 1);
    pass_ticks(30);
    CHECK_EQ(nr_paused(d), 1);
    pass_ticks(11);
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(info_of(d).expired, 3);

    test_case("very late");
    guest_request(d->vcpu[1]);
    pass_ticks(121);
    CHECK_EQ(info_of(d).expired_late, 1);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(resume_all(d), 2);
    check_balance(d);
    sim_domain_kill(d, 0);
}

/* A write that has no answer is done, or denied, as was asked for. */
static void test_writes(bool deny)
{
    struct vmev2_op_create wish = {
        .deadline_ms = 10 * TICK_MS, .deadline_flags = deny ? VMEV2_RSP_DENY : 0,
    };
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct agent a;

    test_case("register write, deny %u", deny);
    CHECK_EQ(v2_create(&a, d, &wish), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_WRITE_CTRLREG, true, true, 1), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_MOV_TO_MSR, true, true, 1), 0);
    v->arch.hvm.guest_cr[3] = 0x1000;

    sim_vcpu_on(v);
    sim_write_cr(v, 3, 0x9000, true);
    sim_vcpu_off(v);
    CHECK_EQ(nr_paused(d), 1);
    pass_ticks(11);
    CHECK_EQ(resume_all(d), 1);
    CHECK_EQ(v->arch.hvm.guest_cr[3], deny ? 0x1000 : 0x9000);

    sim_vcpu_on(v);
    sim_write_msr(v, 0x176, 0x1234, true);
    sim_vcpu_off(v);
    CHECK_EQ(nr_paused(d), 1);
    pass_ticks(11);
    CHECK_EQ(resume_all(d), 1);
    CHECK_EQ(v->arch.sysenter_eip, deny ? 0 : 0x1234);

    /* What can't be denied is released all the same. */
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    guest_request(v);
    pass_ticks(11);
    CHECK_EQ(resume_all(d), 1);
    CHECK_EQ(info_of(d).expired, 3);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* The other two policies end the channel, as a whole and for good. */
static void test_policy(uint8_t on_deadline)
{
    struct vmev2_op_create wish = { .deadline_ms = 10 * TICK_MS,
                                    .on_deadline = on_deadline,
                                    .on_death = VMEV2_DEATH_HOLD };
    bool crash = on_deadline == VMEV2_DEADLINE_CRASH;
    struct domain *d = new_domain(2);
    struct agent a, b;

    test_case("policy %u", on_deadline);
    start(&a, d, &wish);
    guest_request(d->vcpu[0]);
    pass_ticks(5);
    guest_request(d->vcpu[1]);
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);
    pass_ticks(6);
    CHECK_EQ(v2_state(d), VMEV2_STATE_IDLE);
    CHECK_EQ(d->is_shut_down, crash);
    if ( crash )
        CHECK_EQ(d->shutdown_code, SHUTDOWN_crash);
    CHECK_EQ(v2_vcpu(d, 0).released, 1);
    CHECK_EQ(v2_vcpu(d, 1).released, 1);
    CHECK_EQ(d->vcpu[0]->vm_event_pause_count.counter, 0);
    CHECK_EQ(d->vcpu[1]->vm_event_pause_count.counter, 0);
    CHECK_EQ(info_of(d).expired, 1);
    check_balance(d);
    v2_die(&a);
    if ( !crash )
    {
        CHECK_EQ(v2_create(&b, d, &release), 0);
        CHECK_EQ(b.created.released_before, 2);
        CHECK_EQ(info_of(d).expired, 0);
    }
    sim_domain_kill(d, 0);
}

/*
 * The deadline passes, and before the tasklet has looked its channel is gone
 * and another is there: which has done nothing.
 */
static void test_successor(void)
{
    struct vmev2_op_create wish = { .deadline_ms = 10 * TICK_MS,
                                    .on_deadline = VMEV2_DEADLINE_DETACH };
    struct domain *d = new_domain(1);
    struct agent a, b;

    test_case("another channel before the policy acts");
    start(&a, d, &wish);
    guest_request(d->vcpu[0]);
    CHECK_EQ(vm_event_lock(d), 0);          /* keeps the tasklet out */
    sim_clock_advance(MILLISECS(11 * TICK_MS));
    while ( !read_atomic(&d->vm_event->overdue) )
        ;
    CHECK_EQ(vm_event_channel_destroy(d, a.generation), 0);
    CHECK_EQ(vm_event_channel_create(d, &wish), 0);
    vm_event_unlock(d);
    sim_softirq_drain();
    CHECK_EQ(v2_state(d), VMEV2_STATE_CREATED);
    CHECK_EQ(nr_paused(d), 0);
    v2_die(&a);
    b.d = d;
    b.bell = NULL;
    b.generation = d->vm_event->generation;
    CHECK_EQ(v2_destroy(&b), 0);
    sim_domain_kill(d, 0);
}

/*
 * The deadline passes, and before the tasklet has looked the answer is there:
 * the agent is late, and neither it nor the guest has to go for that.
 */
static void test_answered_late(uint8_t on_deadline)
{
    struct vmev2_op_create wish = { .deadline_ms = 10 * TICK_MS,
                                    .on_deadline = on_deadline };
    struct domain *d = new_domain(2);
    struct agent a;

    test_case("answered before the policy acts, policy %u", on_deadline);
    start(&a, d, &wish);
    guest_request(d->vcpu[0]);
    CHECK_EQ(vm_event_lock(d), 0);          /* keeps the tasklet out */
    sim_clock_advance(MILLISECS(11 * TICK_MS));
    while ( !read_atomic(&d->vm_event->overdue) )
        ;
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    vm_event_unlock(d);
    sim_softirq_drain();
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);
    CHECK(!d->is_shut_down);
    CHECK_EQ(info_of(d).expired, 1);
    CHECK_EQ(resume_all(d), 2);

    test_case("two, one answered, policy %u", on_deadline);
    guest_request(d->vcpu[0]);
    guest_request(d->vcpu[1]);
    CHECK_EQ(vm_event_lock(d), 0);
    sim_clock_advance(MILLISECS(11 * TICK_MS));
    while ( !read_atomic(&d->vm_event->overdue) )
        ;
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    vm_event_unlock(d);
    sim_softirq_drain();
    CHECK_EQ(v2_state(d), VMEV2_STATE_IDLE);
    CHECK_EQ(d->is_shut_down, on_deadline == VMEV2_DEADLINE_CRASH);
    CHECK_EQ(v2_vcpu(d, 1).released, 1);
    check_balance(d);
    v2_die(&a);
    sim_domain_kill(d, 0);
}

/* While the toolstack has paused the domain no time passes. */
static void test_paused(void)
{
    struct domain *d = new_domain(2);
    struct agent a;

    test_case("paused by the toolstack");
    start(&a, d, &release);
    guest_request(d->vcpu[0]);
    pass_ticks(60);
    domain_pause_by_systemcontroller(d);
    domain_pause_by_systemcontroller(d);
    pass_ticks(500);
    domain_unpause_by_systemcontroller(d);
    pass_ticks(500);
    CHECK_EQ(info_of(d).expired, 0);
    domain_unpause_by_systemcontroller(d);
    pass_ticks(35);
    CHECK_EQ(info_of(d).expired, 0);
    pass_ticks(6);
    CHECK_EQ(info_of(d).expired, 1);
    CHECK_EQ(info_of(d).expired_late, 0);
    CHECK_EQ(resume_all(d), 2);

    /* Paused before the channel was made. */
    CHECK_EQ(v2_destroy(&a), 0);
    domain_pause_by_systemcontroller(d);
    CHECK_EQ(v2_create(&a, d, &release), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    pass_ticks(500);
    domain_unpause_by_systemcontroller(d);
    guest_request(d->vcpu[1]);
    pass_ticks(95);
    CHECK_EQ(info_of(d).expired, 0);
    pass_ticks(6);
    CHECK_EQ(info_of(d).expired, 1);
    CHECK_EQ(resume_all(d), 2);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

static void test_start_and_stop(void)
{
    struct vmev2_op_create longest = { .deadline_ms = VMEV2_DEADLINE_MAX_MS };
    struct vmev2_op_create shortest = { .deadline_ms = VMEV2_DEADLINE_MIN_MS };
    struct vmev2_op_create held = { .deadline_ms = 100 * TICK_MS,
                                    .on_death = VMEV2_DEATH_HOLD };
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct agent a, b;
    unsigned int i;

    test_case("a refused answer does not prolong it");
    start(&a, d, &release);
    guest_request(v);
    pass_ticks(90);
    v2_answer(&a, 0, VMEV2_RSP_DENY);
    v2_kick(&a);
    CHECK_EQ(v2_vcpu(d, 0).bad, 1);
    pass_ticks(11);
    CHECK_EQ(resume_all(d), 1);

    test_case("each of several has its own");
    sim_vcpu_on(v);
    for ( i = 0; i < 3; i++ )
        monitor_guest_request();
    sim_vcpu_off(v);
    for ( i = 0; i < 3; i++ )
    {
        CHECK_EQ(v2_vcpu(d, 0).pending, 3 - i);
        pass_ticks(95);
        CHECK_EQ(nr_paused(d), 1);
        pass_ticks(6);
        CHECK_EQ(nr_paused(d), 0);
        CHECK_EQ(sim_vcpu_try_resume(v), i == 2);
    }
    check_balance(d);
    CHECK_EQ(v2_destroy(&a), 0);

    test_case("a channel in more haste");
    start(&a, d, &longest);
    guest_request(v);
    pass_ticks(590);
    CHECK_EQ(nr_paused(d), 1);
    pass_ticks(11);
    CHECK_EQ(resume_all(d), 1);
    guest_request(v);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(resume_all(d), 1);
    start(&a, d, &shortest);
    guest_request(v);
    pass_ticks(2);
    CHECK_EQ(resume_all(d), 1);
    CHECK_EQ(info_of(d).expired, 1);
    CHECK_EQ(v2_destroy(&a), 0);

    test_case("it runs while nobody is there");
    start(&a, d, &held);
    guest_request(v);
    v2_die(&a);
    pass_ticks(101);
    CHECK_EQ(resume_all(d), 1);
    CHECK_EQ(v2_state(d), VMEV2_STATE_HELD);
    CHECK_EQ(v2_attach(&b, d, 0), 0);
    CHECK_EQ(v2_bind(&b), 0);
    CHECK_EQ(v2_ctrl(&b)->deadline_expired, 1);
    CHECK_EQ(info_of(d).expired, 1);

    test_case("the domain dies meanwhile");
    guest_request(v);
    get_knownalive_domain(d);
    CHECK_EQ(sim_domain_kill(d, 0), 0);
    pass_ticks(200);
    CHECK_EQ(v->pause_count.counter, 0);
    v2_die(&b);
    put_domain(d);
}

static int cpuid(struct vcpu *v, uint64_t rip)
{
    int rc;

    sim_vcpu_on(v);
    v->arch.user_regs.rip = rip;
    rc = hvm_monitor_cpuid(2, 1, 0);
    sim_vcpu_off(v);

    return rc;
}

/* An instruction that would raise its event again for ever gets through. */
static void test_again(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct agent a;

    test_case("raised again");
    CHECK_EQ(v2_create(&a, d, &release), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_CPUID, true, true, 0), 0);
    CHECK_EQ(cpuid(v, 0x1000), 1);
    pass_ticks(101);
    CHECK_EQ(resume_all(d), 1);
    CHECK_EQ(cpuid(v, 0x1000), 0);          /* nobody listens */
    CHECK_EQ(v2_vcpu(d, 0).raised, 1);
    CHECK_EQ(cpuid(v, 0x1000), 1);          /* once */
    pass_ticks(101);
    CHECK_EQ(resume_all(d), 1);

    test_case("elsewhere");
    CHECK_EQ(cpuid(v, 0x2000), 1);
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK_EQ(resume_all(d), 1);
    CHECK_EQ(cpuid(v, 0x1000), 1);
    pass_ticks(101);
    CHECK_EQ(resume_all(d), 1);

    test_case("much later");
    pass_ticks(101);
    CHECK_EQ(cpuid(v, 0x1000), 1);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(resume_all(d), 1);
    check_balance(d);

    test_case("what is not raised again does not pass");
    start(&a, d, &release);
    guest_request(v);
    pass_ticks(101);
    CHECK_EQ(resume_all(d), 1);
    guest_request(v);
    CHECK_EQ(nr_paused(d), 1);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* ---- an answer at the very moment ---- */

static int waiting_answers;
static bool race_over;

static void *answerer(void *arg)
{
    struct agent *a = arg;

    sim_thread_init();
    while ( !__atomic_load_n(&race_over, __ATOMIC_ACQUIRE) )
        if ( __atomic_exchange_n(&waiting_answers, 0, __ATOMIC_ACQ_REL) )
        {
            v2_answer(a, 0, 0);
            v2_kick(a);
        }
        else
            sched_yield();

    return NULL;
}

static void test_race(void)
{
    struct domain *d = new_domain(1);
    struct vmev2_vcpu_info v;
    pthread_t thread;
    struct agent a;
    unsigned int i, rounds = 1000;

    test_case("an answer and the expiry at once");
    start(&a, d, &release);
    CHECK_EQ(pthread_create(&thread, NULL, answerer, &a), 0);
    for ( i = 0; i < rounds; i++ )
    {
        guest_request(d->vcpu[0]);
        if ( i % 3 == 1 )
            sim_clock_advance(MILLISECS(101 * TICK_MS));
        __atomic_store_n(&waiting_answers, 1, __ATOMIC_RELEASE);
        if ( i % 3 == 2 )
            sim_clock_advance(MILLISECS(101 * TICK_MS));
        while ( !sim_vcpu_try_resume(d->vcpu[0]) )
            sched_yield();
        if ( !CHECK_EQ(d->vcpu[0]->vm_event_pause_count.counter, 0) )
            break;
    }
    __atomic_store_n(&race_over, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    sim_softirq_drain();
    v = v2_vcpu(d, 0);
    CHECK_EQ(v.raised, rounds);
    CHECK_EQ(v.answered + v.released, rounds);
    CHECK_EQ(v.released, info_of(d).expired);
    CHECK(v.answered && v.released);
    CHECK_EQ(v.bad, 0);
    check_balance(d);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

int main(void)
{
    sim_init();
    test_release();
    test_writes(false);
    test_writes(true);
    test_policy(VMEV2_DEADLINE_DETACH);
    test_policy(VMEV2_DEADLINE_CRASH);
    test_answered_late(VMEV2_DEADLINE_DETACH);
    test_answered_late(VMEV2_DEADLINE_CRASH);
    test_successor();
    test_paused();
    test_start_and_stop();
    test_again();
    test_race();

    return test_end();
}
