/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guards that no other test missed when they were taken out (found by
 * tests/mutation/): each is seen to refuse what it is there for.
 */
#include "harness.h"

#include <xen/event.h>
#include <asm/p2m.h>
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

    /* Whom no policy refuses anything. */
    test_case("the control domain's own monitor");
    CHECK_EQ(legacy_monitor(hardware_domain, XEN_DOMCTL_MONITOR_OP_ENABLE,
                            XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST, true), -EPERM);
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

static int enable_ring(struct domain *d, uint32_t mode)
{
    struct legacy l;

    return legacy_enable_mode(&l, d, mode);
}

/* What excludes paging, and sharing; each alone. */
static void test_rings_excluded(void)
{
    const uint32_t paging = XEN_DOMCTL_VM_EVENT_OP_PAGING;
    const uint32_t sharing = XEN_DOMCTL_VM_EVENT_OP_SHARING;
    struct domain *d = new_domain(1);

    test_case("a control domain that is a HVM guest");
    hardware_domain->is_hvm = true;
    CHECK_EQ(enable_ring(d, paging), -EOPNOTSUPP);
    CHECK_EQ(enable_ring(d, sharing), -EOPNOTSUPP);
    hardware_domain->is_hvm = false;

    test_case("shadow page tables");
    sim_p2m = (struct sim_p2m){ .shadow = true };
    CHECK_EQ(enable_ring(d, paging), -ENODEV);
    CHECK_EQ(enable_ring(d, sharing), -ENODEV);

    test_case("an IOMMU");
    sim_p2m = (struct sim_p2m){ .iommu = true };
    CHECK_EQ(enable_ring(d, paging), -EMLINK);
    CHECK_EQ(enable_ring(d, sharing), 0);

    test_case("populate on demand");
    sim_p2m = (struct sim_p2m){ .pod = true };
    CHECK_EQ(enable_ring(d, paging), -EXDEV);
    sim_p2m = (struct sim_p2m){};
    CHECK(!vm_event_check_ring(d->vm_event_paging));
    CHECK_EQ(enable_ring(d, paging), 0);
    CHECK_EQ(enable_ring(d, sharing), -EBUSY);
    sim_domain_kill(d, 0);
}

/* A request that another domain's code raises has no stash to go to. */
static void test_foreign_claim(void)
{
    struct domain *d = new_domain(1);
    unsigned int n = 0;
    struct legacy l;

    legacy_start(&l, d, true);
    test_case("claims of another domain's, until the ring is full");
    while ( n < 100 && !__vm_event_claim_slot(d, d->vm_event_monitor, false) )
        n++;
    CHECK_EQ(n, RING_SIZE(&l.ring));
    CHECK_EQ(__vm_event_claim_slot(d, d->vm_event_monitor, true), -EBUSY);
    vm_event_cancel_slot(d, d->vm_event_monitor);
    CHECK_EQ(__vm_event_claim_slot(d, d->vm_event_monitor, true), 0);
    while ( n-- )
        vm_event_cancel_slot(d, d->vm_event_monitor);
    legacy_stop(&l);
    CHECK_EQ(sim_evtchn_ports(d), 0);
    sim_domain_kill(d, 0);
}

/* What a kick left for later does not outlive the domain. */
static void test_rest_of_a_dead_domain(void)
{
    struct domain *d = new_domain(16);
    vm_event_request_t req;
    struct agent a;
    struct legacy l;
    unsigned int i;

    test_case("a tasklet that is due when the domain goes");
    legacy_start(&l, d, true);
    for ( i = 0; i < RING_SIZE(&l.ring); i++ )
        guest_request(d->vcpu[i]);
    while ( legacy_next(&l, &req) )
        legacy_answer(&l, &req);
    legacy_kick(&l);
    sim_evtchn_unbind(l.bell);
    CHECK_EQ(nr_paused(d), 0);
    sim_domain_kill(d, 0);
    sim_softirq_drain();

    test_case("nobody has seen yet that the agent died");
    d = new_domain(1);
    v2_start(&a, d, true);
    guest_request(d->vcpu[0]);
    sim_evtchn_unbind(a.bell);
    sim_domain_kill(d, 0);
    sim_softirq_drain();
}

/* A port of Xen's in a domain that has never been watched. */
static void test_other_ports(void)
{
    struct domain *d = new_domain(1);
    struct sim_binding *b;
    int port = alloc_unbound_xen_event_channel(d, 0, 0, NULL);

    test_case("somebody else's port");
    CHECK(port > 0);
    CHECK_EQ(sim_evtchn_bind(d, port, &b), 0);
    sim_evtchn_unbind(b);
    sim_softirq_drain();
    CHECK_EQ(v2_state(d), VMEV2_STATE_NONE);
    sim_domain_kill(d, 0);
}

/* Nobody to be asked about, no time to be kept. */
static void test_nothing_outstanding(void)
{
    struct domain *d = new_domain(2);
    const struct vm_event_vcpu *vv;
    struct agent a;

    v2_start(&a, d, true);
    vv = vm_event_of(d->vcpu[1]);
    test_case("outstanding while the vCPU waits, and no longer");
    guest_request(d->vcpu[1]);
    CHECK(test_bit(1, d->vm_event->outstanding));
    v2_answer(&a, 1, 0);
    v2_kick(&a);
    CHECK(!test_bit(1, d->vm_event->outstanding));
    CHECK_EQ(resume_all(d), 2);

    test_case("a channel without a deadline sets no timer");
    guest_request(d->vcpu[1]);
    CHECK(!vv->timing);
    CHECK_EQ(vv->due, 0);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK(!test_bit(1, d->vm_event->outstanding));
    sim_domain_kill(d, 0);

    test_case("paused, and never watched");
    d = new_domain(1);
    CHECK_EQ(domain_pause_by_systemcontroller(d), 0);
    CHECK_EQ(nr_paused(d), 1);
    CHECK_EQ(domain_unpause_by_systemcontroller(d), 0);
    CHECK_EQ(nr_paused(d), 0);
    sim_domain_kill(d, 0);
}

/* The toolstack makes vCPUs one by one. */
static void test_vcpu_to_come(void)
{
    struct domain *d = new_domain(3);
    struct vcpu *last = d->vcpu[2];
    struct xen_domctl_vm_event_op resume = {
        .op = XEN_VM_EVENT_RESUME, .mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR,
    };
    struct agent a;
    struct legacy l;

    test_case("a vCPU that is not there yet");
    d->vcpu[2] = NULL;
    CHECK_EQ(v2_create(&a, d, NULL), -EINVAL);
    CHECK_EQ(legacy_enable(&l, d), -EINVAL);
    d->vcpu[2] = last;
    last = d->vcpu[0];
    d->vcpu[0] = NULL;
    CHECK_EQ(sim_domctl_vm_event(d->domain_id, &resume), -EINVAL);
    d->vcpu[0] = last;
    CHECK_EQ(sim_domctl_vm_event(d->domain_id, &resume), -ENODEV);
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

int main(void)
{
    sim_init();
    test_rings_excluded();
    test_foreign_claim();
    test_rest_of_a_dead_domain();
    test_nothing_outstanding();
    test_vcpu_to_come();
    test_other_ports();
    test_lease_of_an_attachment();
    test_itself();
    test_info_without_channel();
    test_monitor_without_subscription();
    test_no_ring();

    return test_end();
}
