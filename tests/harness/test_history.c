/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bugs of the past, of this interface and of its neighbours, each as a test of
 * its own where no other file has one.  docs/TESTING.md has the whole table.
 */
#include "harness.h"

#include <xen/monitor.h>
#include "cpu.h"

/*
 * Xen commit b848dc83cc: the flags of a monitor outlived v->arch.vm_event, so
 * that a guest that wrote CR3 after a disable made Xen use what was freed.
 */
static void test_flags_outlive_nothing(bool legacy_abi)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct legacy l;
    struct agent a;

    test_case("a CR3 write after the end, legacy %u", legacy_abi);
    if ( legacy_abi )
    {
        legacy_start(&l, d, true);
        CHECK_EQ(legacy_monitor(d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                                XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG, true), 0);
        legacy_stop(&l);
    }
    else
    {
        v2_start(&a, d, true);
        CHECK_EQ(v2_monitor(&a, VMEV2_REASON_WRITE_CTRLREG, true, true, 0), 0);
        CHECK_EQ(v2_destroy(&a), 0);
    }
    CHECK_EQ(d->arch.monitor.write_ctrlreg_enabled, 0);
    CHECK(!d->monitor.guest_request_enabled);

    sim_vcpu_on(v);
    sim_write_cr(v, 3, 0x9000, true);
    sim_vcpu_off(v);
    CHECK_EQ(v->arch.hvm.guest_cr[3], 0x9000);
    CHECK(vcpu_runnable(v));
    sim_domain_kill(d, 0);
}

/*
 * libvmi#875, PR#132, drakvuf#103: after a crash nobody could attach again.
 * A thousand agents die with a request outstanding.
 */
static void test_thousand_deaths(uint8_t on_death)
{
    const struct vmev2_op_create wish = { .on_death = on_death };
    bool hold = on_death == VMEV2_DEATH_HOLD;
    struct domain *d = new_domain(2);
    struct agent a;
    unsigned int i;

    CHECK_EQ(v2_create(&a, d, &wish), 0);
    for ( i = 0; i < 1000; i++ )
    {
        test_case("death %u, policy %u", i, on_death);
        CHECK_EQ(v2_bind(&a), 0);
        if ( !hold || !i )
            CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
        guest_request(d->vcpu[i % 2]);
        CHECK_EQ(nr_paused(d), 1);
        v2_die(&a);
        CHECK_EQ(nr_paused(d), hold);
        CHECK_EQ(hold ? v2_attach(&a, d, 0) : v2_create(&a, d, &wish), 0);
        if ( hold )
        {
            CHECK(v2_pending(&a, i % 2));
            v2_answer(&a, i % 2, 0);
            CHECK_EQ(v2_bind(&a), 0);
            v2_kick(&a);
            CHECK_EQ(nr_paused(d), 0);
            v2_die(&a);
            CHECK_EQ(v2_attach(&a, d, 0), 0);
        }
        resume_all(d);
    }
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(sim_evtchn_ports(d), 0);
    sim_domain_kill(d, 0);
}

/* Each kick in turn is lost: the next one makes good for it. */
static void test_lost_kicks(unsigned int lost)
{
    struct domain *d = new_domain(4);
    struct agent a;
    unsigned int i;

    test_case("kick %u is lost", lost);
    v2_start(&a, d, true);
    for ( i = 0; i < 4; i++ )
    {
        guest_request(d->vcpu[i]);
        v2_answer(&a, i, 0);
        if ( i != lost )
            v2_kick(&a);
        CHECK_EQ(nr_paused(d), i == lost);
    }
    v2_kick(&a);
    CHECK_EQ(nr_paused(d), 0);
    for ( i = 0; i < 4; i++ )
        CHECK_EQ(v2_vcpu(d, i).answered, 1);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* Each kick comes twice, and once before there is anything. */
static void test_doubled_kicks(void)
{
    struct domain *d = new_domain(2);
    struct agent a;
    unsigned int i;

    test_case("kicks come twice");
    v2_start(&a, d, true);
    for ( i = 0; i < 20; i++ )
    {
        v2_kick(&a);
        guest_request(d->vcpu[i % 2]);
        v2_kick(&a);
        CHECK_EQ(nr_paused(d), 1);
        v2_answer(&a, i % 2, 0);
        v2_kick(&a);
        v2_kick(&a);
        CHECK_EQ(nr_paused(d), 0);
        resume_all(d);
    }
    CHECK_EQ(v2_vcpu(d, 0).answered, 10);
    CHECK_EQ(v2_vcpu(d, 0).stale + v2_vcpu(d, 0).bad, 0);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* The same for what Xen tells: an agent that looks unasked finds everything. */
static void test_deaf_agent(void)
{
    uint64_t room[VMEV2_REC_MAX / 8], pos = 0;
    struct domain *d = new_domain(1);
    struct agent a;
    unsigned int i;

    test_case("every notification of Xen's is lost");
    v2_start(&a, d, false);
    for ( i = 0; i < 10; i++ )
    {
        guest_request(d->vcpu[0]);
        sim_evtchn_pending(a.bell);
        CHECK(v2_next(&a, 0, &pos, room) != NULL);
        CHECK(v2_next(&a, 0, &pos, room) == NULL);
        if ( i % 2 )
            v2_consumed(&a, 0, pos);
    }
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/*
 * Subscribe, info and destroy, each allocation failing in turn: they say so,
 * and change nothing, or need none.
 */
static void test_allocations(void)
{
    unsigned int k;
    bool failed = true;

    for ( k = 1; failed; k++ )
    {
        struct domain *d = new_domain(2);
        struct agent a;
        bool any = false;
        int rc;

        test_case("after create, allocation %u fails", k);
        CHECK_EQ(v2_create(&a, d, NULL), 0);
        CHECK_EQ(v2_bind(&a), 0);
        sim_fail_alloc(k);
        rc = v2_monitor(&a, VMEV2_REASON_MOV_TO_MSR, true, true, 0);
        any = rc != 0;
        if ( any )
        {
            CHECK_EQ(rc, -ENOMEM);
            CHECK_EQ(v2_monitor(&a, VMEV2_REASON_MOV_TO_MSR, true, true, 0), 0);
        }
        CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
        guest_request(d->vcpu[0]);
        CHECK_EQ(v2_info(d, NULL, 0, 0, NULL), 0);
        CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, false, true, 0), 0);
        CHECK_EQ(v2_destroy(&a), 0);
        failed = sim_alloc_failed();
        sim_fail_alloc(0);
        CHECK_EQ(failed, any);
        CHECK_EQ(nr_paused(d), 0);
        sim_domain_kill(d, 0);
        if ( sim_leaks() )
            return;
    }
}

int main(void)
{
    unsigned int i;

    sim_init();
    test_flags_outlive_nothing(false);
    test_flags_outlive_nothing(true);
    test_thousand_deaths(VMEV2_DEATH_DETACH);
    test_thousand_deaths(VMEV2_DEATH_HOLD);
    for ( i = 0; i < 4; i++ )
        test_lost_kicks(i);
    test_doubled_kicks();
    test_deaf_agent();
    test_allocations();

    return test_end();
}
