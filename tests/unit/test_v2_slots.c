/* SPDX-License-Identifier: MIT */
/* Sync requests under v2: hand-out, order, answers, the end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "fake.h"

/* ---- hand-out ---- */

Test(v2_slots, a_request_and_its_answer)
{
    struct fake *f = fake_new(3);
    vmiring *h = fake_open(f);
    const struct vmev2_cpuid cpuid = { 2, 0x40000000, 7, 0 };
    const struct vmev2_regs_x86 regs = { .rax = 11, .rip = 0x1000, .tsc = 99 };
    struct vmiring_event ev;
    struct vmiring_cpuid got;
    struct vmiring_stats st = { .size = sizeof(st) };
    uint64_t value;

    fake_sync_full(f, 2, VMIRING_CPUID, &cpuid, sizeof(cpuid), &regs,
                   VMEV2_REGS_CORE);
    cr_assert_eq(must_receive(h, &ev, 1), 1);
    cr_assert_eq(ev.vcpu, 2);
    cr_assert_eq(ev.flags, VMIRING_EV_SYNC);
    cr_assert_eq(ev.regs, VMIRING_REGS_CORE);
    cr_assert_neq(ev.handle, 0);
    cr_assert_eq(vmiring_get_cpuid(&ev, &got), 0);
    cr_assert_eq(got.leaf, 0x40000000);
    cr_assert_eq(got.subleaf, 7);
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_RAX, &value), 0);
    cr_assert_eq(value, 11);
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_TSC, &value), 0);
    cr_assert_eq(value, 99);

    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    cr_assert(f->vcpu[2].outstanding, "Xen is told at the flush");
    cr_assert_eq(f->kicks, 0);
    vmiring_release(h);
    cr_assert_eq(f->kicks, 1);
    cr_assert(!f->vcpu[2].outstanding);
    cr_assert_eq(f->vcpu[2].rsp.flags, 0);
    cr_assert_eq(vmiring_stats(h, &st), 0);
    cr_assert_eq(st.sync_received, 1);
    cr_assert_eq(st.answered, 1);
    cr_assert_eq(st.kicks, 1);
    vmiring_close(h);
    fake_free(f);
}

/* A kick that fails: if the channel has ended, that is what is told. */
Test(v2_slots, kicks_that_fail)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    fake_sync(f, 0, VMIRING_CPUID);
    cr_assert_eq(must_receive(h, &ev, 1), 1);
    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    f->fail_kick = EINVAL;
    cr_assert_eq(vmiring_flush(h), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert(strstr(vmiring_error(h), "ringing the doorbell"));
    vmiring_close(h);
    fake_free(f);

    f = fake_new(1);
    h = fake_open(f);
    fake_sync(f, 0, VMIRING_CPUID);
    cr_assert_eq(must_receive(h, &ev, 1), 1);
    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    f->fail_kick = EINVAL;
    f->state = f->ctrl->state = VMEV2_STATE_IDLE;
    cr_assert_eq(vmiring_flush(h), -1);
    cr_assert_eq(errno, ESTALE);
    cr_assert(strstr(vmiring_error(h), "was ended by somebody else"));
    vmiring_close(h);
    fake_free(f);
}

Test(v2_slots, handed_out_once)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    vmiring_release(h);
    must_be_empty(h);
    fake_ring_bell(f);
    must_be_empty(h);
    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0, "answerable after release");
    vmiring_close(h);
    fake_free(f);
}

Test(v2_slots, all_vcpus_in_one_batch_and_one_kick)
{
    struct fake *f = fake_new(16);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[16];
    unsigned int seen = 0;
    unsigned int i;

    for ( i = 0; i < 16; i++ )
        fake_sync(f, i, VMIRING_CPUID);
    cr_assert_eq(must_receive(h, ev, 16), 16);
    for ( i = 0; i < 16; i++ )
    {
        seen |= 1U << ev[i].vcpu;
        cr_assert_eq(vmiring_respond(h, &ev[i], NULL), 0);
    }
    cr_assert_eq(seen, 0xffff);
    vmiring_release(h);
    cr_assert_eq(f->kicks, 1);
    for ( i = 0; i < 16; i++ )
        cr_assert_eq(f->vcpu[i].info.answered, 1);
    vmiring_close(h);
    fake_free(f);
}

/* A request that did not fit the batch comes with the next. */
Test(v2_slots, a_full_batch_keeps_the_rest)
{
    struct fake *f = fake_new(8);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;
    unsigned int seen = 0;
    unsigned int i;

    for ( i = 0; i < 8; i++ )
        fake_sync(f, i, VMIRING_CPUID);
    for ( i = 0; i < 8; i++ )
    {
        cr_assert(readable(vmiring_fd(h)));
        must_receive(h, &ev, 1);
        seen |= 1U << ev.vcpu;
        vmiring_release(h);
    }
    cr_assert_eq(seen, 0xff);
    must_be_empty(h);
    vmiring_close(h);
    fake_free(f);
}

/* ---- order ---- */

/*
 * Records 1 and 2, then request 3; the ring also has the flood of another
 * vCPU, before and behind.
 */
static void order(bool split)
{
    struct fake *f = fake_new(2);
    vmiring_options o = fake_options();
    struct vmiring_event ev[64];
    uint64_t next = 1;
    vmiring *h;
    int n;
    int i;

    o.flags = split ? VMIRING_OPEN_SPLIT_RINGS : 0;
    h = fake_open_with(f, &o);
    cr_assert(h);

    for ( i = 0; i < 10; i++ )
        fake_async(f, 1, VMIRING_CPUID, 32);
    fake_async(f, 0, VMIRING_CPUID, 32);
    fake_async(f, 0, VMIRING_CPUID, 32);
    for ( i = 0; i < 10; i++ )
        fake_async(f, 1, VMIRING_CPUID, 32);
    fake_sync(f, 0, VMIRING_CPUID);
    for ( i = 0; i < 10; i++ )
        fake_async(f, 1, VMIRING_CPUID, 32);

    while ( (n = vmiring_receive(h, ev, 7)) > 0 )
    {
        for ( i = 0; i < n; i++ )
            if ( ev[i].vcpu == 0 )
            {
                cr_assert_eq(ev[i].seq, next++);
                cr_assert_eq(!!(ev[i].flags & VMIRING_EV_SYNC),
                             ev[i].seq == 3);
            }
        vmiring_release(h);
    }
    cr_assert_eq(next, 4);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_order, shared_ring) { order(false); }
Test(v2_order, split_rings) { order(true); }

/* A request is not kept waiting by records that came after it. */
Test(v2_order, a_request_does_not_wait_for_later_records)
{
    struct fake *f = fake_new(2);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[4];
    int i;

    fake_async(f, 1, VMIRING_CPUID, 32);
    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, ev, 1);                 /* sees both, gives the record */
    cr_assert_eq(ev[0].vcpu, 1);
    for ( i = 0; i < 20; i++ )
        fake_async(f, 1, VMIRING_CPUID, 32);
    vmiring_release(h);

    must_receive(h, ev, 1);
    cr_assert_eq(ev[0].vcpu, 0);
    vmiring_release(h);
    vmiring_close(h);
    fake_free(f);
}

/* A loss before a request is reported before it. */
Test(v2_order, loss_before_a_request)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[256];
    struct vmiring_lost lost;
    int n;

    while ( fake_async(f, 0, VMIRING_CPUID, 64) )
        continue;
    fake_sync(f, 0, VMIRING_CPUID);
    n = must_receive(h, ev, 256);
    cr_assert_eq(n, 64 + 2);
    cr_assert_eq(vmiring_get_lost(&ev[64], &lost), 0);
    cr_assert_eq(lost.count, 1);
    cr_assert_eq(ev[65].seq, 66);
    cr_assert(ev[65].flags & VMIRING_EV_SYNC);
    vmiring_release(h);
    must_be_empty(h);
    vmiring_close(h);
    fake_free(f);
}

/* ---- requests that end or change under our eyes ---- */

Test(v2_slots, released_before_we_looked)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);

    fake_sync(f, 0, VMIRING_CPUID);
    fake_release(f, 0);
    must_be_empty(h);
    vmiring_close(h);
    fake_free(f);
}

/* Seen in one look, ended before its turn came. */
Test(v2_slots, released_while_queued)
{
    struct fake *f = fake_new(2);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    fake_async(f, 1, VMIRING_CPUID, 32);
    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    fake_release(f, 0);
    vmiring_release(h);
    must_be_empty(h);
    vmiring_close(h);
    fake_free(f);
}

/* ... and another raised since, with a record before it. */
Test(v2_slots, replaced_while_queued)
{
    struct fake *f = fake_new(2);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[4];
    uint64_t seq;

    fake_async(f, 1, VMIRING_CPUID, 32);
    fake_sync(f, 0, VMIRING_CPUID);         /* seq 1 */
    must_receive(h, ev, 1);
    fake_release(f, 0);
    fake_async(f, 0, VMIRING_CPUID, 32);    /* seq 2 */
    fake_sync(f, 0, VMIRING_CPUID);         /* seq 3 */
    vmiring_release(h);

    for ( seq = 2; seq <= 3; seq++ )
    {
        must_receive(h, ev, 1);
        cr_assert_eq(ev[0].seq, seq);
        vmiring_release(h);
    }
    cr_assert(ev[0].flags & VMIRING_EV_SYNC);
    cr_assert_eq(vmiring_respond(h, &ev[0], NULL), 0);
    vmiring_close(h);
    fake_free(f);
}

static void corrupt_slot(const char *field, void (*spoil)(struct vmev2_rec *))
{
    struct fake *f = fake_new(2);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;
    char what[32];

    snprintf(what, sizeof(what), "bad %s", field);
    fake_sync(f, 0, VMIRING_CPUID);
    spoil(&fake_slot(f, 0)->rec);
    errno = 0;
    cr_assert_eq(vmiring_receive(h, &ev, 1), -1);
    cr_assert_eq(errno, EBADMSG);
    cr_assert(strstr(vmiring_error(h), what), "'%s' does not say %s",
              vmiring_error(h), what);
    vmiring_close(h);
    fake_free(f);
}

static void slot_vcpu(struct vmev2_rec *rec) { rec->vcpu = 1; }
static void slot_async(struct vmev2_rec *rec) { rec->flags = 0; }
static void slot_size(struct vmev2_rec *rec) { rec->size = 632; }
static void slot_regs(struct vmev2_rec *rec) { rec->regs = 2; }

Test(v2_corrupt_slot, vcpu) { corrupt_slot("vcpu", slot_vcpu); }
Test(v2_corrupt_slot, flags) { corrupt_slot("flags", slot_async); }
Test(v2_corrupt_slot, size) { corrupt_slot("size", slot_size); }
Test(v2_corrupt_slot, regs) { corrupt_slot("payload_size", slot_regs); }

/* ---- answers ---- */

Test(v2_respond, twice)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), -1);
    cr_assert_eq(errno, EALREADY);
    vmiring_release(h);
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), -1);
    cr_assert_eq(errno, EALREADY);
    cr_assert_eq(f->vcpu[0].info.answered, 1);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_respond, after_policy_ended_it)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;
    struct vmiring_event newer;

    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    vmiring_release(h);
    fake_release(f, 0);
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), -1);
    cr_assert_eq(errno, ECANCELED);

    /* Nor does it answer the vCPU's next request. */
    fake_sync(f, 0, VMIRING_CPUID);
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), -1);
    cr_assert_eq(errno, ECANCELED);
    must_receive(h, &newer, 1);
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), -1);
    cr_assert_eq(errno, ECANCELED);
    cr_assert(f->vcpu[0].outstanding);
    cr_assert_eq(vmiring_respond(h, &newer, NULL), 0);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_respond, not_a_sync_event)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    fake_async(f, 0, VMIRING_CPUID, 32);
    must_receive(h, &ev, 1);
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_respond(h, NULL, NULL), -1);
    cr_assert_eq(errno, EINVAL);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_respond, a_vcpu_that_is_not_there)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    ev.vcpu = 1;
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), -1);
    cr_assert_eq(errno, EINVAL);
    vmiring_close(h);
    fake_free(f);
}

/* A handle that was made up is refused, not sent. */
Test(v2_respond, a_forged_handle)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    ev.handle += 5;
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), -1);
    cr_assert_eq(errno, ECANCELED);
    cr_assert_eq(fake_slot(f, 0)->rsp.rsp_seq, 0);
    vmiring_close(h);
    fake_free(f);
}

/* One that is right, of a request that was not handed out. */
Test(v2_respond, a_request_that_was_not_received)
{
    struct fake *f = fake_new(2);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    fake_sync(f, 1, VMIRING_CPUID);
    ev.vcpu = 1;
    ev.handle = f->vcpu[1].req_seq;
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), -1);
    cr_assert_eq(errno, ECANCELED);
    vmiring_release(h);
    cr_assert(f->vcpu[1].outstanding);
    cr_assert_eq(must_receive(h, &ev, 1), 1);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_respond, everything_arrives)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmev2_regs_x86 regs = { .rax = 1, .r15 = 15, .rip = 0x401000,
                                   .rflags = 0x202 };
    struct vmiring_response rsp = { .size = sizeof(rsp) };
    struct vmiring_event ev;

    fake_sync_full(f, 0, VMIRING_CPUID, NULL, 0, &regs, VMEV2_REGS_ALL);
    must_receive(h, &ev, 1);
    cr_assert_eq(vmiring_regs_from(&ev, &rsp), 0);
    rsp.regs[VMIRING_RAX] = 0xfeed;
    rsp.regs[VMIRING_RIP] += 2;
    rsp.flags = VMIRING_RSP_SET_REGISTERS | VMIRING_RSP_ALTERNATE_P2M |
                VMIRING_RSP_GET_NEXT_INTERRUPT;
    rsp.altp2m_view = 3;

    /* What a predecessor left in the line's pads must not get through. */
    memset(fake_slot(f, 0)->rsp.pad1, 0x5a, sizeof(f->vcpu[0].rsp.pad1));
    fake_slot(f, 0)->rsp.pad0 = 1;
    cr_assert_eq(vmiring_respond(h, &ev, &rsp), 0, "%s", vmiring_error(h));
    vmiring_release(h);

    cr_assert_eq(f->vcpu[0].rsp.flags, rsp.flags);
    cr_assert_eq(f->vcpu[0].rsp.altp2m_idx, 3);
    cr_assert_eq(f->vcpu[0].rsp.pad0, 0);
    cr_assert_eq(f->vcpu[0].rsp.pad1[0], 0);
    cr_assert_eq(f->vcpu[0].rsp.pad1[4], 0);
    cr_assert_eq(f->vcpu[0].rsp.regs.word[0], 0xfeed);
    cr_assert_eq(f->vcpu[0].rsp.regs.word[15], 15);
    cr_assert_eq(f->vcpu[0].rsp.regs.word[16], 0x401002);
    cr_assert_eq(f->vcpu[0].rsp.regs.word[17], 0x202);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_respond, an_answer_that_xen_refused)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_stats st = { .size = sizeof(st) };
    struct vmiring_event ev;
    struct vmiring_event again;

    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    f->deaf = true;
    vmiring_release(h);
    fake_refuse(f, 0, VMEV2_ERR_INDEX);

    must_receive(h, &again, 1);
    cr_assert_eq(again.flags, VMIRING_EV_SYNC | VMIRING_EV_AGAIN);
    cr_assert_eq(again.error, VMEV2_ERR_INDEX);
    cr_assert_eq(again.seq, ev.seq, "it is the same event");
    cr_assert_neq(again.handle, ev.handle);
    f->deaf = false;
    cr_assert_eq(vmiring_respond(h, &again, NULL), 0);
    vmiring_release(h);
    cr_assert(!f->vcpu[0].outstanding);
    cr_assert_eq(vmiring_stats(h, &st), 0);
    cr_assert_eq(st.refused, 1);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_respond, flush_points)
{
    struct fake *f = fake_new(4);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[4];
    unsigned int i;

    for ( i = 0; i < 4; i++ )
        fake_sync(f, i, VMIRING_CPUID);
    cr_assert_eq(must_receive(h, ev, 4), 4);
    vmiring_release(h);

    cr_assert_eq(vmiring_respond(h, &ev[0], NULL), 0);
    cr_assert_eq(vmiring_flush(h), 0);
    cr_assert_eq(f->kicks, 1);
    cr_assert_eq(vmiring_flush(h), 0);
    cr_assert_eq(f->kicks, 1, "nothing to tell");

    cr_assert_eq(vmiring_respond(h, &ev[1], NULL), 0);
    vmiring_wait(h, 0);
    cr_assert_eq(f->kicks, 2);

    cr_assert_eq(vmiring_respond(h, &ev[2], NULL), 0);
    must_be_empty(h);
    cr_assert_eq(f->kicks, 3);
    vmiring_close(h);
    cr_assert_eq(f->vcpu[3].info.answered, 1);
    fake_free(f);
}

/* ---- the end ---- */

Test(v2_close, leaves_nobody_waiting)
{
    struct fake *f = fake_new(4);
    vmiring_options o = fake_options();
    struct vmiring_subscription s = { .size = sizeof(s), .sync = 1,
                                      .reason = VMIRING_CPUID };
    struct vmiring_event ev;
    unsigned int i;
    vmiring *h;

    /* Policies that would hold or crash the guest if we just went. */
    o.on_death = VMIRING_DEATH_HOLD;
    h = fake_open_with(f, &o);
    cr_assert(h);
    cr_assert_eq(vmiring_subscribe(h, &s), 0);
    for ( i = 0; i < 4; i++ )
        fake_sync(f, i, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    vmiring_close(h);

    for ( i = 0; i < 4; i++ )
    {
        cr_assert(!f->vcpu[i].outstanding);
        cr_assert_eq(f->vcpu[i].info.answered, 1, "not cancelled: answered");
    }
    cr_assert_eq(f->nr_subs, 0);
    cr_assert_eq(f->state, VMEV2_STATE_IDLE);
    cr_assert(!f->bound);
    cr_assert(f->closed);
    cr_assert_eq(f->maps, f->unmaps);
    fake_free(f);
}

Test(v2_close, null) { vmiring_close(NULL); }

Test(v2_leave, needs_hold)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);

    errno = 0;
    cr_assert_eq(vmiring_leave(h), -1);
    cr_assert_eq(errno, ENOTSUP);
    must_be_empty(h);  /* the handle stays open */
    vmiring_close(h);
    fake_free(f);
}

/* Leaves with a request and records outstanding; the next agent gets them. */
Test(v2_leave, the_next_agent_goes_on)
{
    struct fake *f = fake_new(2);
    vmiring_options o = fake_options();
    struct vmiring_event ev[64];
    struct vmiring_lost lost;
    vmiring *h;
    int n;

    o.on_death = VMIRING_DEATH_HOLD;
    h = fake_open_with(f, &o);
    cr_assert(h);
    fake_async(f, 0, VMIRING_CPUID, 64);
    fake_async(f, 0, VMIRING_CPUID, 64);
    fake_sync(f, 1, VMIRING_CPUID);
    cr_assert_eq(must_receive(h, ev, 1), 1);
    vmiring_release(h);
    cr_assert_eq(vmiring_leave(h), 0);
    cr_assert_eq(f->state, VMEV2_STATE_HELD);
    cr_assert(f->vcpu[1].outstanding);
    cr_assert_eq(f->maps, f->unmaps);

    /* Nobody listens: the ring fills and loses. */
    while ( fake_async(f, 0, VMIRING_CPUID, 64) )
        continue;

    o.flags = VMIRING_OPEN_REATTACH;
    h = fake_open_with(f, &o);
    cr_assert(h, "%s", vmiring_open_error());
    n = must_receive(h, ev, 64);
    cr_assert_eq(ev[0].seq, 2, "from where the first stopped");
    cr_assert_eq(n, 64);
    vmiring_release(h);
    n = must_receive(h, ev, 64);
    cr_assert_eq(n, 2, "n %d", n);
    cr_assert(ev[0].flags & VMIRING_EV_SYNC || ev[1].flags & VMIRING_EV_SYNC);
    cr_assert(vmiring_get_lost(&ev[0], &lost) == 0 ||
              vmiring_get_lost(&ev[1], &lost) == 0);
    cr_assert_eq(lost.count, 1);
    vmiring_release(h);
    vmiring_close(h);
    fake_free(f);
}

/* The answer was written, and the agent died before it rang. */
Test(v2_leave, an_answer_that_was_not_announced)
{
    struct fake *f = fake_new(1);
    vmiring_options o = fake_options();
    vmiring *h;

    o.on_death = VMIRING_DEATH_HOLD;
    h = fake_open_with(f, &o);
    cr_assert(h);
    fake_sync(f, 0, VMIRING_CPUID);
    fake_slot(f, 0)->rsp.rsp_seq = f->vcpu[0].req_seq;
    cr_assert_eq(vmiring_leave(h), 0);

    o.flags = VMIRING_OPEN_REATTACH;
    h = fake_open_with(f, &o);
    cr_assert(h, "%s", vmiring_open_error());
    f->deaf = true;         /* Xen is slow to take it */
    must_be_empty(h);
    f->deaf = false;
    must_be_empty(h);
    cr_assert(!f->vcpu[0].outstanding, "Xen was rung for it");
    vmiring_close(h);
    fake_free(f);
}

/* Gaps between the records that are left are the successor's to report. */
Test(v2_leave, gaps_in_what_is_left)
{
    struct fake *f = fake_new(1);
    vmiring_options o = fake_options();
    struct vmiring_event ev[256];
    struct vmiring_lost lost;
    vmiring *h;
    int n;
    int i;

    o.on_death = VMIRING_DEATH_HOLD;
    h = fake_open_with(f, &o);
    cr_assert(h);

    /* 128 records, 3 lost; a few are taken, then there is room for more. */
    for ( i = 0; i < 131; i++ )
        fake_async(f, 0, VMIRING_CPUID, 32);
    cr_assert_eq(must_receive(h, ev, 10), 10);
    vmiring_release(h);
    fake_async(f, 0, VMIRING_CPUID, 32);
    cr_assert_eq(vmiring_leave(h), 0);

    o.flags = VMIRING_OPEN_REATTACH;
    h = fake_open_with(f, &o);
    cr_assert(h);
    n = must_receive(h, ev, 256);
    cr_assert_eq(n, 118 + 1 + 1);
    cr_assert_eq(ev[0].seq, 11);
    cr_assert_eq(vmiring_get_lost(&ev[118], &lost), 0);
    cr_assert_eq(lost.count, 3);
    cr_assert_eq(lost.first_seq, 129);
    cr_assert_eq(ev[119].seq, 132);
    vmiring_release(h);
    must_be_empty(h);
    vmiring_close(h);
    fake_free(f);
}

/* No record stands where the predecessor said: on from where Xen is now. */
static void disorder(uint64_t cons)
{
    struct fake *f = fake_new(1);
    vmiring_options o = fake_options();
    struct vmiring_event ev[4];
    vmiring *h;

    o.on_death = VMIRING_DEATH_HOLD;
    h = fake_open_with(f, &o);
    cr_assert(h);
    fake_async(f, 0, VMIRING_CPUID, 64);
    fake_async(f, 0, VMIRING_CPUID, 64);
    ((struct vmev2_user_line *)(void *)f->mem[VMEV2_RES_USER])->cons = cons;
    cr_assert_eq(vmiring_leave(h), 0);

    o.flags = VMIRING_OPEN_REATTACH;
    h = fake_open_with(f, &o);
    cr_assert(h, "%s", vmiring_open_error());
    must_be_empty(h);
    cr_assert_eq(fake_cons(f, 0), 128);
    fake_async(f, 0, VMIRING_CPUID, 64);
    cr_assert_eq(must_receive(h, ev, 4), 1);
    cr_assert_eq(ev[0].seq, 3);
    vmiring_release(h);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_leave, disorder_inside) { disorder(8); }
Test(v2_leave, disorder_ahead) { disorder(136); }
Test(v2_leave, disorder_far_behind) { disorder(128 - 4096 - 64); }

/* Until somebody re-attaches, nobody else gets it. */
Test(v2_leave, held_is_busy)
{
    struct fake *f = fake_new(1);
    vmiring_options o = fake_options();
    vmiring *h;

    o.on_death = VMIRING_DEATH_HOLD;
    h = fake_open_with(f, &o);
    cr_assert(h);
    cr_assert_eq(vmiring_leave(h), 0);
    errno = 0;
    cr_assert_null(fake_open_with(f, &o));
    cr_assert_eq(errno, EBUSY);
    cr_assert(strstr(vmiring_open_error(), "REATTACH"));
    fake_free(f);
}

/* ---- somebody else ---- */

static void lose_channel(void (*how)(struct fake *f), int expected)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;
    struct vmiring_subscription s = { .size = sizeof(s), .sync = 1,
                                      .reason = VMIRING_CPUID };
    struct vmiring_event later;

    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    vmiring_release(h);
    how(f);

    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), -1);
    cr_assert_eq(errno, expected, "respond: errno %d", errno);
    errno = 0;
    cr_assert_eq(vmiring_subscribe(h, &s), -1);
    cr_assert_eq(errno, expected, "subscribe: errno %d", errno);
    errno = 0;
    cr_assert_eq(vmiring_receive(h, &later, 1), -1);
    cr_assert_eq(errno, expected, "receive: errno %d", errno);
    errno = 0;
    cr_assert_eq(vmiring_wait(h, 0), -1);
    cr_assert_eq(errno, expected, "wait: errno %d", errno);

    /* Closing leaves the other's channel alone. */
    f->last_cmd = VMEV2_CMD_QUERY;
    vmiring_close(h);
    cr_assert_neq(f->last_cmd, VMEV2_CMD_DESTROY);
    fake_free(f);
}

static void taken_over(struct fake *f)
{
    f->ctrl->generation = ++f->generation;
}

static void ended(struct fake *f)
{
    f->state = f->ctrl->state = VMEV2_STATE_IDLE;
}

static void died(struct fake *f)
{
    f->ctrl->domain = VMEV2_DOMAIN_DYING;
    f->generation++;
    f->ctrl->generation++;
    f->state = f->ctrl->state = VMEV2_STATE_DEAD;
}

Test(v2_lost_channel, taken_over) { lose_channel(taken_over, EOWNERDEAD); }
Test(v2_lost_channel, ended) { lose_channel(ended, ESTALE); }
Test(v2_lost_channel, dead) { lose_channel(died, ENODEV); }

/* ---- the domain's end ---- */

Test(v2_domain, shutdown)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[4];
    struct vmiring_domain d;

    must_be_empty(h);
    fake_async(f, 0, VMIRING_CPUID, 32);
    fake_domain(f, VMEV2_DOMAIN_SHUTDOWN, 1);
    cr_assert(readable(vmiring_fd(h)));
    cr_assert_eq(must_receive(h, ev, 4), 2);
    cr_assert_eq(ev[0].reason, VMIRING_CPUID);
    cr_assert_eq(ev[1].reason, VMIRING_DOMAIN);
    cr_assert_eq(vmiring_get_domain(&ev[1], &d), 0);
    cr_assert_eq(d.state, 1);
    cr_assert_eq(d.shutdown_code, 1);
    vmiring_release(h);
    must_be_empty(h);
    vmiring_close(h);
    fake_free(f);
}

/* A deadline whose policy is to crash the domain ends the channel with it. */
static void crash_and_end(bool taken, int expected)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[4];
    struct vmiring_domain d;

    must_be_empty(h);
    fake_domain(f, VMEV2_DOMAIN_SHUTDOWN, 3);
    ended(f);
    if ( taken )
        taken_over(f);
    else
    {
        cr_assert_eq(must_receive(h, ev, 4), 1);
        cr_assert_eq(vmiring_get_domain(&ev[0], &d), 0);
        cr_assert_eq(d.shutdown_code, 3);
        f->host.ops->drain(&f->host);   /* not by the doorbell */
        cr_assert(readable(vmiring_fd(h)), "there is more to be told");
        vmiring_release(h);
    }
    errno = 0;
    cr_assert_eq(vmiring_receive(h, ev, 4), -1);
    cr_assert_eq(errno, expected);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_domain, crash_ends_channel) { crash_and_end(false, ESTALE); }
Test(v2_domain, crash_then_another) { crash_and_end(true, ESTALE); }

Test(v2_domain, destruction)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[4];
    struct vmiring_domain d;

    must_be_empty(h);
    fake_async(f, 0, VMIRING_CPUID, 32);
    fake_domain(f, VMEV2_DOMAIN_DYING, 0);
    f->state = f->ctrl->state = VMEV2_STATE_DEAD;

    /* What came before is still there, then the news, then nothing more. */
    cr_assert_eq(must_receive(h, ev, 1), 1);
    cr_assert_eq(ev[0].reason, VMIRING_CPUID);
    vmiring_release(h);
    cr_assert_eq(must_receive(h, ev, 1), 1);
    cr_assert_eq(vmiring_get_domain(&ev[0], &d), 0);
    cr_assert_eq(d.state, 2);
    vmiring_release(h);
    f->host.ops->drain(&f->host);   /* not by the doorbell */
    errno = 0;
    cr_assert_eq(vmiring_receive(h, ev, 1), -1);
    cr_assert_eq(errno, ENODEV);
    cr_assert(readable(vmiring_fd(h)), "a poller has to learn of it");
    vmiring_close(h);
    fake_free(f);
}
