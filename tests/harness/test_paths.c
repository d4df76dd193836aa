/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Paths of the control operations and of the slots that no other test takes:
 * those that work where the others look at what is refused.
 */
#include "harness.h"

#include <xen/monitor.h>

#include "cpu.h"

/* RESUME takes an answer that nobody rang for. */
static void test_resume(void)
{
    struct domain *d = new_domain(2);
    struct vmev2_op op = { .cmd = VMEV2_CMD_RESUME };
    struct agent a;

    test_case("resume");
    v2_start(&a, d, true);
    guest_request(d->vcpu[1]);
    v2_answer(&a, 1, 0);
    CHECK_EQ(nr_paused(d), 1);
    op.generation = a.generation;
    CHECK_EQ(v2_op(d, &op), 0);
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(v2_vcpu(d, 1).answered, 1);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(sim_domain_kill(d, 0), 0);
}

/* These two have no subscription of their own: only the registers. */
static void test_register_sets(void)
{
    static const uint32_t reasons[] = { VMEV2_REASON_MEM_ACCESS,
                                        VMEV2_REASON_INTERRUPT };
    struct domain *d = new_domain(1);
    struct agent a;
    unsigned int i;

    test_case("register sets");
    v2_start(&a, d, true);
    for ( i = 0; i < ARRAY_SIZE(reasons); i++ )
    {
        struct vmev2_op op = { .cmd = VMEV2_CMD_MONITOR,
                               .generation = a.generation };

        CHECK_EQ(d->vm_event->regs[reasons[i]], VMEV2_REGS_CORE);
        CHECK_EQ(v2_monitor(&a, reasons[i], true, true, VMEV2_REGS_ALL), 0);
        CHECK_EQ(d->vm_event->regs[reasons[i]], VMEV2_REGS_ALL);
        CHECK_EQ(v2_monitor(&a, reasons[i], false, true, VMEV2_REGS_ALL), 0);
        CHECK_EQ(d->vm_event->regs[reasons[i]], VMEV2_REGS_CORE);

        op.u.monitor.reason = reasons[i];
        op.u.monitor.flags = VMEV2_MON_ONCHANGEONLY;
        CHECK_EQ(v2_op(d, &op), -EINVAL);
    }
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(sim_domain_kill(d, 0), 0);
}

/* The stash is full: the event passes as if nobody listened, and is counted. */
static void test_stash_full(void)
{
    struct domain *d = new_domain(1);
    struct agent a;
    unsigned int i;

    test_case("stash");
    v2_start(&a, d, true);
    sim_vcpu_on(d->vcpu[0]);
    for ( i = 0; i < VM_EVENT_STASH + 3; i++ )
        monitor_guest_request();
    sim_vcpu_off(d->vcpu[0]);
    CHECK_EQ(v2_vcpu(d, 0).raised, VM_EVENT_STASH + 3);
    CHECK_EQ(v2_vcpu(d, 0).pending, VM_EVENT_STASH + 1);
    CHECK_EQ(v2_vcpu(d, 0).released, 2);
    for ( i = 0; i < VM_EVENT_STASH + 1; i++ )
    {
        CHECK_EQ(nr_paused(d), 1);
        v2_answer(&a, 0, 0);
        v2_kick(&a);
        CHECK_EQ(resume_all(d), i == VM_EVENT_STASH);
    }
    CHECK_EQ(v2_vcpu(d, 0).answered, VM_EVENT_STASH + 1);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(sim_domain_kill(d, 0), 0);
}

/* What an operator sees, of every state that a domain can be in. */
static void test_key(void)
{
    struct domain *d = new_domain(2), *none = new_domain(1);
    unsigned long before;
    struct agent a;

    test_case("key");
    v2_start(&a, d, true);
    guest_request(d->vcpu[0]);
    before = sim_console_lines();
    sim_press_key('k');
    CHECK_EQ(sim_console_lines() - before, 2);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(sim_domain_kill(d, 0), 0);
    CHECK_EQ(sim_domain_kill(none, 0), 0);
}

int main(void)
{
    sim_init();
    test_resume();
    test_register_sets();
    test_stash_full();
    test_key();

    return test_end();
}
