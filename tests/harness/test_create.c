/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a function that the channel calls is replaced by the linker.
 *
 * A creator that is late: its second to bind has passed, somebody else creates
 * anew, and in the middle of that it binds its doorbell after all.
 *
 * The bug: create forgot early that a doorbell had ever been bound, and changed
 * the doorbell late.  A bind in between was remembered as the new agent's.  The
 * channel then was HELD from the start: under CRASH a vCPU could be held for an
 * agent that nobody would miss, no other agent could create, and the late one's
 * death took the new one's channel away.  tests/model/death.pml found it.
 */
#include "harness.h"

/* The linker sends create's call here: after the reset, before the exchange. */
void __real_vm_event_ring_init(struct vm_event_ring *ring, uint8_t *data,
                               uint32_t size, struct vmev2_ring_line *line,
                               const struct vmev2_user_line *user, bool shared);
void __wrap_vm_event_ring_init(struct vm_event_ring *ring, uint8_t *data,
                               uint32_t size, struct vmev2_ring_line *line,
                               const struct vmev2_user_line *user, bool shared);

static struct agent *late;
static bool dies;

void __wrap_vm_event_ring_init(struct vm_event_ring *ring, uint8_t *data,
                               uint32_t size, struct vmev2_ring_line *line,
                               const struct vmev2_user_line *user, bool shared)
{
    __real_vm_event_ring_init(ring, data, size, line, user, shared);
    if ( !late )
        return;

    CHECK_EQ(v2_bind(late), 0);
    if ( dies )
    {
        sim_evtchn_unbind(late->bell);
        late->bell = NULL;
    }
    late = NULL;
}

static void test_late(uint8_t on_death, bool death)
{
    const struct vmev2_op_create wish = { .on_death = on_death };
    struct domain *d = new_domain(2);
    struct agent first, second;

    test_case("policy %u, the late one %s", on_death,
              death ? "binds and dies" : "binds");
    CHECK_EQ(v2_create(&first, d, &wish), 0);
    sim_clock_advance(2000000000LL);

    late = &first;
    dies = death;
    CHECK_EQ(v2_create(&second, d, &wish), 0);
    sim_softirq_drain();
    CHECK(!late);
    CHECK_EQ(v2_state(d), VMEV2_STATE_CREATED);

    /* Nobody has bound the new doorbell: nothing waits for anybody. */
    CHECK_EQ(v2_monitor(&second, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    guest_request(d->vcpu[0]);
    CHECK_EQ(nr_paused(d), 0);

    CHECK_EQ(v2_bind(&second), 0);
    sim_softirq_drain();
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);
    guest_request(d->vcpu[1]);
    CHECK_EQ(nr_paused(d), 1);

    if ( first.bell )
        v2_die(&first);
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);
    CHECK_EQ(v2_destroy(&second), 0);
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(sim_domain_kill(d, 0), 0);
}

/* As on Arm, where nothing can be denied. */
uint32_t __real_arch_vm_event_rsp_flags(const struct domain *d);
uint32_t __wrap_arch_vm_event_rsp_flags(const struct domain *d);

static bool cannot_deny;

uint32_t __wrap_arch_vm_event_rsp_flags(const struct domain *d)
{
    return __real_arch_vm_event_rsp_flags(d) & ~(cannot_deny ? VMEV2_RSP_DENY : 0);
}

static void test_deadline_flags(void)
{
    const struct vmev2_op_create wish = {
        .deadline_ms = 10, .deadline_flags = VMEV2_RSP_DENY,
    };
    struct domain *d = new_domain(1);
    struct agent a;

    test_case("a deadline that denies, where that is no answer");
    cannot_deny = true;
    CHECK_EQ(v2_create(&a, d, &wish), -EOPNOTSUPP);
    CHECK_EQ(v2_state(d), VMEV2_STATE_NONE);
    cannot_deny = false;
    CHECK_EQ(v2_create(&a, d, &wish), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

int main(void)
{
    uint8_t policy;

    sim_init();
    test_deadline_flags();
    for ( policy = VMEV2_DEATH_DETACH; policy <= VMEV2_DEATH_CRASH; policy++ )
    {
        test_late(policy, false);
        test_late(policy, true);
    }

    return test_end();
}
