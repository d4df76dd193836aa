/* SPDX-License-Identifier: GPL-2.0-only */
/* Sync slots: one request at a time per vCPU, and what its answer does. */
#include "harness.h"

#include <asm/hvm/monitor.h>
#include <asm/vm_event.h>
#include <xen/monitor.h>
#include "cpu.h"

/* A request stops its vCPU, and its answer lets it go on: counted once each. */
static void test_round_trip(void)
{
    struct domain *d = new_domain(2);
    struct vcpu *v = d->vcpu[1];
    struct vmev2_vcpu_info info;
    struct agent a;
    uint64_t seq;

    test_case("round trip");
    v2_start(&a, d, true);
    sim_evtchn_pending(a.bell);

    guest_request(v);
    CHECK(!vcpu_runnable(v));
    CHECK(vcpu_runnable(d->vcpu[0]));
    CHECK_EQ(sim_evtchn_pending(a.bell), 1);
    seq = v2_pending(&a, 1);
    CHECK_EQ(seq, 1);
    CHECK_EQ(v2_slot(&a, 1)->rec.reason, VMEV2_REASON_GUEST_REQUEST);
    CHECK_EQ(v2_slot(&a, 1)->rec.flags, VMEV2_REC_SYNC);
    CHECK_EQ(v2_slot(&a, 1)->rec.size, sizeof(struct vmev2_rec));
    CHECK_EQ(v2_slot(&a, 1)->rec.vcpu, 1);
    CHECK_EQ(v2_slot(&a, 1)->rec.seq, 1);
    info = v2_vcpu(d, 1);
    CHECK_EQ(info.raised, 1);
    CHECK_EQ(info.pending, 1);
    CHECK_EQ(info.pending_reason, VMEV2_REASON_GUEST_REQUEST);
    CHECK(info.pending_since > 0);

    /* A kick without an answer changes nothing. */
    v2_kick(&a);
    CHECK(!vcpu_runnable(v));

    v2_answer(&a, 1, 0);
    CHECK(!vcpu_runnable(v));
    v2_kick(&a);
    CHECK(vcpu_runnable(v));
    CHECK(sim_vcpu_try_resume(v));

    info = v2_vcpu(d, 1);
    CHECK_EQ(info.answered, 1);
    CHECK_EQ(info.pending, 0);
    CHECK_EQ(info.pauses, 1);
    CHECK_EQ(info.stale, 0);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* 461f048203: the answer comes before the vCPU has been descheduled. */
static void test_fast_answer(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct agent a;
    unsigned int i;

    test_case("answer before deschedule");
    v2_start(&a, d, true);
    v->arch.user_regs.rax = 1;

    sim_vcpu_on(v);
    monitor_guest_request();
    for ( i = 0; i < ARRAY_SIZE(v2_slot(&a, 0)->rsp.regs.word); i++ )
        v2_slot(&a, 0)->rsp.regs.word[i] = 0x1000 + i;
    v2_slot(&a, 0)->rsp.regs.word[17] = 2;
    v2_answer(&a, 0, VMEV2_RSP_SET_REGISTERS);
    v2_kick(&a);
    CHECK(vcpu_runnable(v));
    /* The rest of the exit: as a hypercall's result is stored. */
    v->arch.user_regs.rax = 7;
    CHECK(vm_event_busy(v));
    sim_vcpu_off(v);

    CHECK(sim_vcpu_try_resume(v));
    CHECK_EQ(v->arch.user_regs.rax, 0x1000);
    CHECK_EQ(v->arch.user_regs.rip, 0x1010);
    CHECK_EQ(v->arch.user_regs.rflags, 2);
    CHECK(!vm_event_busy(v));

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* The answer is there, and another event comes before it is carried out. */
static void test_event_behind_an_answer(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct agent a;

    test_case("a second event of one exit, behind the first one's answer");
    v2_start(&a, d, true);
    sim_vcpu_on(v);
    monitor_guest_request();
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    monitor_guest_request();
    CHECK_EQ(v2_pending(&a, 0), 0);
    sim_vcpu_off(v);
    CHECK_EQ(v2_vcpu(d, 0).pending, 1);
    CHECK(!sim_vcpu_try_resume(v));
    CHECK_EQ(v2_vcpu(d, 0).answered, 1);
    CHECK_EQ(v2_slot(&a, 0)->rec.seq, 2);
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK(sim_vcpu_try_resume(v));
    CHECK_EQ(v2_vcpu(d, 0).answered, 2);

    test_case("an answer between the two halves of the way back");
    sim_vcpu_on(v);
    monitor_guest_request();
    vm_event_resume_begin(v);
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK(vm_event_resume_end(v));
    vm_event_resume_begin(v);
    CHECK(!vm_event_resume_end(v));
    sim_vcpu_off(v);
    CHECK(sim_vcpu_try_resume(v));
    CHECK_EQ(v2_vcpu(d, 0).answered, 3);
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

static void set_regs(struct agent *a, uint64_t rax)
{
    struct vmev2_slot *slot = v2_slot(a, 0);

    memset(&slot->rsp.regs, 0, sizeof(slot->rsp.regs));
    slot->rsp.regs.word[0] = rax;
    slot->rsp.regs.word[17] = 2;
}

/*
 * R12: several sync events in one pass.  Each is published when the one before
 * has been answered and carried out, so no answer overwrites another.
 */
static void test_stash_order(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct agent a;
    unsigned int i;

    test_case("stash order");
    v2_start(&a, d, true);

    sim_vcpu_on(v);
    for ( i = 0; i < 4; i++ )
        monitor_guest_request();
    sim_vcpu_off(v);
    CHECK_EQ(v2_vcpu(d, 0).raised, 4);
    CHECK_EQ(v2_vcpu(d, 0).pending, 4);

    for ( i = 0; i < 4; i++ )
    {
        CHECK_EQ(v2_pending(&a, 0), i + 1);
        CHECK_EQ(v2_slot(&a, 0)->rec.seq, i + 1);
        set_regs(&a, 100 + i);
        v2_answer(&a, 0, VMEV2_RSP_SET_REGISTERS);
        v2_kick(&a);
        CHECK_EQ(sim_vcpu_try_resume(v), i == 3);
        CHECK_EQ(v->arch.user_regs.rax, 100 + i);
        CHECK_EQ(vcpu_runnable(v), i == 3);
    }
    CHECK_EQ(v2_vcpu(d, 0).answered, 4);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* What the stash can't take goes to the policy: counted, and never a wait. */
static void test_stash_full(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct vmev2_vcpu_info info;
    struct agent a;
    unsigned int i, n = 1 + VM_EVENT_STASH + 3;

    test_case("stash overflow");
    v2_start(&a, d, true);

    sim_vcpu_on(v);
    for ( i = 0; i < n; i++ )
        monitor_guest_request();
    sim_vcpu_off(v);

    info = v2_vcpu(d, 0);
    CHECK_EQ(info.raised, n);
    CHECK_EQ(info.released, 3);
    CHECK_EQ(info.pending, 1 + VM_EVENT_STASH);

    for ( i = 0; v2_pending(&a, 0) && i < n; i++ )
    {
        v2_answer(&a, 0, 0);
        v2_kick(&a);
        sim_vcpu_try_resume(v);
    }
    CHECK_EQ(i, 1 + VM_EVENT_STASH);
    CHECK(vcpu_runnable(v));
    info = v2_vcpu(d, 0);
    CHECK_EQ(info.raised, info.answered + info.released);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* 4481335590 and 868d9b99b3: answers that answer nothing. */
static void test_stale(void)
{
    struct domain *d = new_domain(2);
    struct vcpu *v = d->vcpu[0];
    struct vmev2_slot *slot;
    struct agent a;

    test_case("stale and forged answers");
    v2_start(&a, d, true);
    slot = v2_slot(&a, 0);

    /* Unsolicited, to a vCPU that runs. */
    slot->rsp.rsp_seq = 77;
    v2_kick(&a);
    CHECK_EQ(atomic_read(&v->vm_event_pause_count), 0);
    CHECK(vcpu_runnable(v));

    /* A number that is not the request's. */
    guest_request(v);
    v2_kick(&a);
    CHECK(!vcpu_runnable(v));
    CHECK_EQ(v2_vcpu(d, 0).stale, 1);
    v2_kick(&a);
    CHECK_EQ(v2_vcpu(d, 0).stale, 1);
    slot->rsp.rsp_seq = 78;
    v2_kick(&a);
    CHECK_EQ(v2_vcpu(d, 0).stale, 2);
    CHECK(!vcpu_runnable(v));

    /* The right one, three times. */
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    v2_kick(&a);
    v2_kick(&a);
    CHECK_EQ(v2_vcpu(d, 0).answered, 1);
    CHECK_EQ(atomic_read(&v->vm_event_pause_count), 0);
    CHECK_EQ(v->pause_count.counter, 0);
    CHECK(sim_vcpu_try_resume(v));

    /* The next request is not answered by the last answer. */
    guest_request(v);
    v2_kick(&a);
    CHECK(!vcpu_runnable(v));
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK(sim_vcpu_try_resume(v));

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* A refused answer: the request stands again, with a new number and a reason. */
static void test_refused(void)
{
    static const struct {
        uint32_t flags, error;
        uint64_t rip, rflags, pad;
    } cases[] = {
        { 1U << 0, VMEV2_ERR_FLAGS, 0, 2, 0 },
        { 1U << 14, VMEV2_ERR_FLAGS, 0, 2, 0 },
        { 1U << 31, VMEV2_ERR_FLAGS, 0, 2, 0 },
        { VMEV2_RSP_DENY, VMEV2_ERR_REASON, 0, 2, 0 },
        { VMEV2_RSP_EMULATE, VMEV2_ERR_REASON, 0, 2, 0 },
        { VMEV2_RSP_SET_REGISTERS, VMEV2_ERR_REGS, 1ULL << 63, 2, 0 },
        { VMEV2_RSP_SET_REGISTERS, VMEV2_ERR_REGS, 0, 0, 0 },
        { 0, VMEV2_ERR_PAD, 0, 2, 1 },
    };
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct vmev2_slot *slot;
    struct agent a;
    unsigned int i;

    v2_start(&a, d, true);
    slot = v2_slot(&a, 0);
    guest_request(v);

    for ( i = 0; i < ARRAY_SIZE(cases); i++ )
    {
        uint64_t before = v2_pending(&a, 0), rec_seq = slot->rec.seq;

        test_case("refused answer %u", i);
        memset(&slot->rsp, 0, sizeof(slot->rsp));
        slot->rsp.regs.word[16] = cases[i].rip;
        slot->rsp.regs.word[17] = cases[i].rflags;
        slot->rsp.pad1[2] = cases[i].pad;
        sim_evtchn_pending(a.bell);
        v2_answer(&a, 0, cases[i].flags);
        v2_kick(&a);

        CHECK(!vcpu_runnable(v));
        CHECK_EQ(v2_pending(&a, 0), before + 1);
        CHECK_EQ(slot->error, cases[i].error);
        CHECK_EQ(slot->rec.seq, rec_seq);
        CHECK_EQ(v2_vcpu(d, 0).bad, i + 1);
        CHECK_EQ(sim_evtchn_pending(a.bell), 1);
    }

    test_case("refused, then right");
    memset(&slot->rsp, 0, sizeof(slot->rsp));
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK(sim_vcpu_try_resume(v));
    CHECK_EQ(v2_vcpu(d, 0).raised, 1);
    CHECK_EQ(v2_vcpu(d, 0).answered, 1);
    CHECK_EQ(v2_vcpu(d, 0).stale, 0);

    /* The next request has no error. */
    guest_request(v);
    CHECK_EQ(slot->error, VMEV2_ERR_NONE);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* Which answers a CR write gets, and what stands in CR3 afterwards. */
static void test_deny(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    uint64_t old = v->arch.hvm.guest_cr[3];
    struct agent a;
    unsigned int fast;

    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_WRITE_CTRLREG, true, true, 0), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_MOV_TO_MSR, true, true, 0), 0);

    /* R8: fast means before the writer has done anything more. */
    for ( fast = 0; fast < 2; fast++ )
    {
        test_case("denied write, fast %u", fast);
        sim_vcpu_on(v);
        sim_write_cr(v, 3, old + 0x1000, true);
        if ( !fast )
            sim_vcpu_off(v);
        CHECK_EQ(v2_slot(&a, 0)->rec.reason, VMEV2_REASON_WRITE_CTRLREG);
        v2_answer(&a, 0, VMEV2_RSP_DENY);
        v2_kick(&a);
        if ( fast )
            sim_vcpu_off(v);
        CHECK(sim_vcpu_try_resume(v));
        CHECK_EQ(v->arch.hvm.guest_cr[3], old);

        sim_vcpu_on(v);
        sim_write_msr(v, 0x176, 0x1234, true);
        v2_answer(&a, 0, VMEV2_RSP_DENY);
        v2_kick(&a);
        sim_vcpu_off(v);
        CHECK(sim_vcpu_try_resume(v));
        CHECK_EQ(v->arch.sysenter_eip, 0);
    }

    test_case("allowed write");
    sim_vcpu_on(v);
    sim_write_cr(v, 3, old + 0x1000, true);
    CHECK_EQ(v->arch.hvm.guest_cr[3], old);
    sim_vcpu_off(v);
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK(sim_vcpu_try_resume(v));
    CHECK_EQ(v->arch.hvm.guest_cr[3], old + 0x1000);

    /* 985ba41f66: a write that waits when the agent goes is carried out. */
    test_case("write pending at detach");
    sim_vcpu_on(v);
    sim_write_cr(v, 3, old + 0x2000, true);
    sim_vcpu_off(v);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK(sim_vcpu_try_resume(v));
    CHECK_EQ(v->arch.hvm.guest_cr[3], old + 0x2000);

    sim_domain_kill(d, 0);
}

/* R13: an asynchronous write event never makes the write wait. */
static void test_async_write(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    uint64_t room[VMEV2_REC_MAX / 8];
    const struct vmev2_rec *rec;
    struct agent a;

    test_case("asynchronous write");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_WRITE_CTRLREG, true, false, 0), 0);

    sim_vcpu_on(v);
    sim_write_cr(v, 3, 0x5000, true);
    CHECK_EQ(v->arch.hvm.guest_cr[3], 0x5000);
    sim_vcpu_off(v);
    CHECK(vcpu_runnable(v));
    CHECK(sim_vcpu_try_resume(v));
    CHECK_EQ(v->arch.hvm.guest_cr[3], 0x5000);

    rec = v2_next(&a, 0, &a.pos, room);
    CHECK(rec && rec->reason == VMEV2_REASON_WRITE_CTRLREG);
    CHECK_EQ(v2_vcpu(d, 0).pauses, 0);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* Every vCPU waits, and nobody is in anybody's way. */
static void test_many(unsigned int nr)
{
    struct domain *d = new_domain(nr);
    struct agent a;
    unsigned int i;

    test_case("%u vCPUs", nr);
    v2_start(&a, d, true);

    for ( i = 0; i < nr; i++ )
        guest_request(d->vcpu[i]);
    CHECK_EQ(nr_paused(d), nr);
    for ( i = 0; i < nr; i++ )
        CHECK(v2_pending(&a, i));

    /* From the last to the first, one kick for every second. */
    for ( i = nr; i-- > 0; )
    {
        v2_answer(&a, i, 0);
        if ( i % 2 == 0 )
            v2_kick(&a);
    }
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(resume_all(d), nr);
    for ( i = 0; i < nr; i++ )
        CHECK_EQ(v2_vcpu(d, i).answered, 1);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* Destroy lets everybody go, and counts what nobody answered. */
static void test_cancel(void)
{
    struct domain *d = new_domain(3);
    struct agent a;
    unsigned int i;

    test_case("destroy with requests outstanding");
    v2_start(&a, d, true);
    for ( i = 0; i < 3; i++ )
        guest_request(d->vcpu[i]);
    sim_vcpu_try_resume(d->vcpu[0]);

    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(resume_all(d), 3);
    for ( i = 0; i < 3; i++ )
    {
        struct vmev2_vcpu_info info = v2_vcpu(d, i);

        CHECK_EQ(info.cancelled, 1);
        CHECK_EQ(info.raised, info.answered + info.released +
                              info.cancelled + info.pending);
        CHECK_EQ(atomic_read(&d->vcpu[i]->vm_event_pause_count), 0);
    }

    /* Nobody listens any more. */
    guest_request(d->vcpu[0]);
    CHECK(vcpu_runnable(d->vcpu[0]));
    sim_domain_kill(d, 0);
}

/* R22: a vCPU that is reset does not get the registers of before. */
static void test_reset(void)
{
    struct domain *d = new_domain(2);
    struct agent a;

    test_case("vcpu_reset");
    v2_start(&a, d, true);
    guest_request(d->vcpu[0]);
    guest_request(d->vcpu[1]);
    set_regs(&a, 0xbad);
    v2_answer(&a, 0, VMEV2_RSP_SET_REGISTERS);
    v2_kick(&a);

    /* vCPU 0 has an answer that waits, vCPU 1 a request. */
    domain_pause(d);
    vm_event_vcpu_reset(d->vcpu[0]);
    vm_event_vcpu_reset(d->vcpu[1]);
    domain_unpause(d);
    CHECK_EQ(resume_all(d), 2);
    CHECK(d->vcpu[0]->arch.user_regs.rax != 0xbad);
    CHECK_EQ(v2_vcpu(d, 1).cancelled, 1);

    /* An answer to the voided request does nothing. */
    v2_answer(&a, 1, 0);
    v2_kick(&a);
    CHECK_EQ(d->vcpu[1]->pause_count.counter, 0);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* GET_NEXT_INTERRUPT: one event for the next interrupt, and armed again. */
static void test_next_interrupt(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct agent a;

    test_case("next interrupt");
    v2_start(&a, d, true);
    v->arch.pending_vector = 0x30;
    guest_request(v);
    v2_answer(&a, 0, VMEV2_RSP_GET_NEXT_INTERRUPT);
    v2_kick(&a);
    CHECK(!sim_vcpu_try_resume(v));
    CHECK_EQ(v2_slot(&a, 0)->rec.reason, VMEV2_REASON_INTERRUPT);
    CHECK_EQ(((struct vmev2_interrupt *)v2_slot(&a, 0)->body)->vector, 0x30);

    v2_answer(&a, 0, VMEV2_RSP_GET_NEXT_INTERRUPT);
    v2_kick(&a);
    CHECK(!sim_vcpu_try_resume(v));
    CHECK_EQ(v2_slot(&a, 0)->rec.reason, VMEV2_REASON_INTERRUPT);

    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK(sim_vcpu_try_resume(v));

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

int main(void)
{
    sim_init();
    test_round_trip();
    test_fast_answer();
    test_event_behind_an_answer();
    test_stash_order();
    test_stash_full();
    test_stale();
    test_refused();
    test_deny();
    test_async_write();
    test_many(9);
    test_many(128);
    test_many(300);
    test_cancel();
    test_reset();
    test_next_interrupt();

    return test_end();
}
