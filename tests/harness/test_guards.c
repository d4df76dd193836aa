/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guards that no other test missed when they were taken out (found by
 * tests/mutation/): each is seen to refuse what it is there for.
 */
#include "harness.h"

#include <asm/vm_event.h>

/* Who attached and has yet to bind keeps others out, for a second. */
static void test_lease_of_an_attachment(void)
{
    const struct vmev2_op_create hold = { .on_death = VMEV2_DEATH_HOLD };
    struct domain *d = new_domain(1);
    struct agent a, b, c;

    test_case("attached and not bound");
    CHECK_EQ(v2_create(&a, d, &hold), 0);
    CHECK_EQ(v2_bind(&a), 0);
    v2_die(&a);
    CHECK_EQ(v2_attach(&b, d, 0), 0);
    CHECK_EQ(v2_attach(&c, d, 0), -EBUSY);
    sim_clock_advance(SECONDS(2));
    CHECK_EQ(v2_attach(&c, d, 0), 0);
    CHECK_EQ(v2_bind(&c), 0);
    CHECK_EQ(v2_destroy(&c), 0);
    sim_domain_kill(d, 0);
}

/* A domain that watched itself would wait for itself. */
static void test_itself(void)
{
    struct domain *d = new_domain(1);

    test_case("a domain's own monitor");
    sim_thread_become(d);
    CHECK_EQ(legacy_monitor(d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                            XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST, true), -EPERM);
    sim_thread_become(NULL);
    sim_domain_kill(d, 0);
}

/* Info of a domain that has nothing, and of one that has the old ring alone. */
static void test_info_without_channel(void)
{
    struct domain *d = new_domain(2);
    struct vmev2_vcpu_info one;
    struct vmev2_op_info info;
    struct legacy l;

    test_case("info: no channel, no vCPU state");
    CHECK_EQ(v2_info(d, &info, 1, 1, &one), 0);
    CHECK_EQ(info.state, VMEV2_STATE_NONE);
    CHECK_EQ(one.pauses, 0);

    test_case("info: the old ring alone");
    legacy_start(&l, d, true);
    guest_request(d->vcpu[1]);
    CHECK_EQ(v2_info(d, &info, 1, 1, &one), 0);
    CHECK_EQ(info.legacy, 1);
    CHECK_EQ(one.pauses, 1);
    CHECK_EQ(one.raised, 0);
    legacy_stop(&l);
    sim_domain_kill(d, 0);
}

/* Of the events that come without a subscription, only the set is chosen. */
static void test_monitor_without_subscription(void)
{
    struct domain *d = new_domain(1);
    unsigned int field;
    struct agent a;

    v2_start(&a, d, true);
    for ( field = 0; field < 5; field++ )
    {
        struct vmev2_op op = {
            .cmd = VMEV2_CMD_MONITOR, .generation = a.generation,
            .u.monitor = { .reason = VMEV2_REASON_MEM_ACCESS, .enable = 1,
                           .sync = 1, .regs = VMEV2_REGS_ALL },
        };

        test_case("MEM_ACCESS: field %u", field);
        op.u.monitor.flags = field == 1 ? VMEV2_MON_ONCHANGEONLY : 0;
        op.u.monitor.index = field == 2;
        op.u.monitor.msr = field == 3;
        op.u.monitor.mask = field == 4;
        CHECK_EQ(v2_op(d, &op), field ? -EINVAL : 0);
    }
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* Calls of the rest of Xen's that come when there is no ring (any more). */
static void test_no_ring(void)
{
    struct domain *d = new_domain(1);
    struct legacy l;
    unsigned int again;

    for ( again = 0; again < 2; again++ )
    {
        vm_event_request_t req = { .reason = VM_EVENT_REASON_GUEST_REQUEST };

        test_case("no ring, ring was there %u", again);
        sim_vcpu_on(d->vcpu[0]);
        CHECK_EQ(__vm_event_claim_slot(d, d->vm_event_monitor, true), -EOPNOTSUPP);
        vm_event_cancel_slot(d, d->vm_event_monitor);
        vm_event_put_request(d, d->vm_event_monitor, &req);
        sim_vcpu_off(d->vcpu[0]);
        CHECK_EQ(nr_paused(d), 0);
        legacy_start(&l, d, true);
        legacy_stop(&l);
    }
    sim_domain_kill(d, 0);
}

int main(void)
{
    sim_init();
    test_lease_of_an_attachment();
    test_itself();
    test_info_without_channel();
    test_monitor_without_subscription();
    test_no_ring();

    return test_end();
}
