/* SPDX-License-Identifier: MIT */
/* The consumer of the lossy ring. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fake.h"

/* The pattern that fake_async() puts behind the header. */
static void check_payload(const struct vmiring_event *ev)
{
    const struct event *e = ev->priv;
    const uint8_t *p = e->payload;
    uint32_t i;

    for ( i = 0; i < e->rec.payload_size; i++ )
        cr_assert_eq(p[i], (uint8_t)(ev->seq + 32 + i), "byte %u of seq %lu",
                     i, (unsigned long)ev->seq);
}

Test(v2_ring, one_record)
{
    struct fake *f = fake_new(2);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    fake_async(f, 1, VMIRING_GUEST_REQUEST, 32);
    cr_assert_eq(must_receive(h, &ev, 1), 1);
    cr_assert_eq(ev.reason, VMIRING_GUEST_REQUEST);
    cr_assert_eq(ev.vcpu, 1);
    cr_assert_eq(ev.seq, 1);
    cr_assert_eq(ev.time, 1001);
    cr_assert_eq(ev.flags, 0);
    cr_assert_eq(ev.regs, VMIRING_REGS_NONE);

    /* Space is held until the release. */
    cr_assert_eq(fake_cons(f, 0), 0);
    vmiring_release(h);
    cr_assert_eq(fake_cons(f, 0), 32);
    must_be_empty(h);
    vmiring_close(h);
    fake_free(f);
}

/* Every offset in the ring at which a record can start, with every size. */
Test(v2_ring, every_offset_and_size)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;
    uint64_t starts[VMEV2_RING_MIN / 8] = { 0 };
    uint64_t seq = 0;
    uint32_t i;

    /* 65 sizes, whose sum has no divisor in common with the ring's size. */
    for ( i = 0; i < 65 * 600; i++ )
    {
        starts[f->ring[0].prod % VMEV2_RING_MIN / 8]++;
        cr_assert(fake_async(f, 0, VMIRING_CPUID,
                             32 + (i % 65 + i / 65 % 2) * 8));
        cr_assert_eq(must_receive(h, &ev, 1), 1);
        cr_assert_eq(ev.seq, ++seq);
        check_payload(&ev);
        vmiring_release(h);
    }

    for ( i = 0; i < ARRAY_SIZE(starts); i++ )
        cr_assert_gt(starts[i], 0, "no record started at %u", i * 8);
    vmiring_close(h);
    fake_free(f);
}

static void run_across(uint64_t first_pos)
{
    struct fake *f = fake_new(2);
    struct vmiring_event ev[16];
    uint64_t seen[2] = { 0, 0 };
    vmiring *h;
    int round;
    int i;

    f->first_pos = first_pos;
    h = fake_open(f);

    for ( round = 0; round < 200; round++ )
    {
        int n;

        for ( i = 0; i < 8; i++ )
            cr_assert(fake_async(f, i & 1, VMIRING_CPUID, 32 + 8 * i));
        n = must_receive(h, ev, 16);
        cr_assert_eq(n, 8);
        for ( i = 0; i < n; i++ )
        {
            cr_assert_eq(ev[i].seq, ++seen[ev[i].vcpu]);
            check_payload(&ev[i]);
        }
        vmiring_release(h);
    }

    must_be_empty(h);
    cr_assert_eq(fake_cons(f, 0), f->ring[0].prod);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_ring, positions_pass_uint32_max)
{
    run_across(UINT32_MAX - 2047);
}

Test(v2_ring, positions_pass_uint64_max)
{
    run_across(UINT64_MAX - 2047);
}

Test(v2_ring, a_ring_that_is_exactly_full)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[256];
    int i;

    for ( i = 0; i < 128; i++ )
        cr_assert(fake_async(f, 0, VMIRING_CPUID, 32));
    cr_assert(!fake_async(f, 0, VMIRING_CPUID, 32));

    cr_assert_eq(must_receive(h, ev, 256), 128);
    vmiring_release(h);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_ring, a_held_batch_is_not_overwritten)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[256];
    int n;
    int i;

    while ( fake_async(f, 0, VMIRING_CPUID, 128) )
        continue;
    n = must_receive(h, ev, 256);
    cr_assert_eq(n, 32);

    /* Xen loses, and counts, rather than write over what is held. */
    for ( i = 0; i < 50; i++ )
        cr_assert(!fake_async(f, 0, VMIRING_CPUID, 128));
    for ( i = 0; i < n; i++ )
        check_payload(&ev[i]);
    vmiring_release(h);
    vmiring_close(h);
    fake_free(f);
}

/* ---- records that Xen would never write ---- */

static void corrupt(const char *field, void (*spoil)(struct vmev2_rec *rec))
{
    struct fake *f = fake_new(2);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[4];
    char what[32];

    snprintf(what, sizeof(what), "bad %s", field);
    must_be_empty(h);
    f->keep_quiet = true;
    fake_async(f, 0, VMIRING_CPUID, 48);
    fake_async(f, 0, VMIRING_CPUID, 48);
    spoil((void *)fake_at(f, 0, 48));

    /* What was good before it is still delivered, and then it is over. */
    cr_assert_eq(must_receive(h, ev, 4), 1, "%s", field);
    vmiring_release(h);
    errno = 0;
    cr_assert_eq(vmiring_receive(h, ev, 4), -1, "%s", field);
    cr_assert_eq(errno, EBADMSG, "%s: errno %d", field, errno);
    cr_assert(strstr(vmiring_error(h), what), "'%s' does not say %s",
              vmiring_error(h), what);

    /* For good, and the fd says so to whoever only polls. */
    errno = 0;
    cr_assert_eq(vmiring_receive(h, ev, 4), -1);
    cr_assert_eq(errno, EBADMSG);
    cr_assert(readable(vmiring_fd(h)));
    vmiring_close(h);
    cr_assert_eq(f->state, VMEV2_STATE_IDLE);
    fake_free(f);
}

static void size_zero(struct vmev2_rec *rec) { rec->size = 0; }
static void size_short(struct vmev2_rec *rec) { rec->size = 24; }
static void size_odd(struct vmev2_rec *rec)
{
    rec->size = 44;
    rec->payload_size = 8;
}
static void size_beyond_prod(struct vmev2_rec *rec) { rec->size = 56; }
static void size_beyond_ring(struct vmev2_rec *rec) { rec->size = 8192; }
static void size_max(struct vmev2_rec *rec) { rec->size = 0xfffffff8U; }
static void payload_odd(struct vmev2_rec *rec) { rec->payload_size = 4; }
static void payload_long(struct vmev2_rec *rec) { rec->payload_size = 24; }
static void payload_max(struct vmev2_rec *rec) { rec->payload_size = 0xfff8; }
static void regs_long(struct vmev2_rec *rec) { rec->regs = VMEV2_REGS_CORE; }
static void regs_unknown(struct vmev2_rec *rec) { rec->regs = 3; }
static void vcpu_beyond(struct vmev2_rec *rec) { rec->vcpu = 2; }
static void vcpu_max(struct vmev2_rec *rec) { rec->vcpu = ~0U; }
static void reason_beyond(struct vmev2_rec *rec) { rec->reason = 32; }
static void reason_ours(struct vmev2_rec *rec) { rec->reason = VMIRING_LOST; }
static void sync_flag(struct vmev2_rec *rec) { rec->flags = VMEV2_REC_SYNC; }

Test(v2_corrupt, size_zero) { corrupt("size", size_zero); }
Test(v2_corrupt, size_short) { corrupt("size", size_short); }
Test(v2_corrupt, size_odd) { corrupt("size", size_odd); }
Test(v2_corrupt, size_beyond_prod) { corrupt("size", size_beyond_prod); }
Test(v2_corrupt, size_beyond_ring) { corrupt("size", size_beyond_ring); }
Test(v2_corrupt, size_max) { corrupt("size", size_max); }
Test(v2_corrupt, payload_odd) { corrupt("payload_size", payload_odd); }
Test(v2_corrupt, payload_long) { corrupt("payload_size", payload_long); }
Test(v2_corrupt, payload_max) { corrupt("payload_size", payload_max); }
Test(v2_corrupt, regs_long) { corrupt("payload_size", regs_long); }
Test(v2_corrupt, regs_unknown) { corrupt("regs", regs_unknown); }
Test(v2_corrupt, vcpu_beyond) { corrupt("vcpu", vcpu_beyond); }
Test(v2_corrupt, vcpu_max) { corrupt("vcpu", vcpu_max); }
Test(v2_corrupt, reason_beyond) { corrupt("reason", reason_beyond); }
Test(v2_corrupt, reason_ours) { corrupt("reason", reason_ours); }
Test(v2_corrupt, sync_flag) { corrupt("flags", sync_flag); }

static void bad_prod(int64_t offset)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    fake_ring_line(f, 0)->prod = f->ring[0].prod + offset;
    errno = 0;
    cr_assert_eq(vmiring_receive(h, &ev, 1), -1);
    cr_assert_eq(errno, EBADMSG);
    cr_assert(strstr(vmiring_error(h), "prod"));
    vmiring_close(h);
    fake_free(f);
}

Test(v2_corrupt, prod_beyond_the_ring) { bad_prod(VMEV2_RING_MIN + 8); }
Test(v2_corrupt, prod_goes_back) { bad_prod(-8); }
Test(v2_corrupt, prod_far_away) { bad_prod(0x80000100LL); }

/* prod in the middle of a header: fewer bytes than a header are there. */
Test(v2_corrupt, prod_inside_a_header)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    fake_async(f, 0, VMIRING_CPUID, 48);
    fake_ring_line(f, 0)->prod = 24;
    errno = 0;
    cr_assert_eq(vmiring_receive(h, &ev, 1), -1);
    cr_assert_eq(errno, EBADMSG);
    cr_assert(strstr(vmiring_error(h), "header"));
    vmiring_close(h);
    fake_free(f);
}

/* ---- losses ---- */

struct tally {
    uint64_t received;
    uint64_t lost;
    uint64_t next;          /* expected sequence number */
};

/* Sequence numbers must go on without a hole, loss reports included. */
static void tally(struct tally *t, const struct vmiring_event *ev)
{
    struct tally *v = &t[ev->vcpu];
    struct vmiring_lost lost;

    if ( ev->reason != VMIRING_LOST )
    {
        cr_assert_eq(ev->seq, v->next, "vCPU %u: seq %lu, expected %lu",
                     ev->vcpu, (unsigned long)ev->seq,
                     (unsigned long)v->next);
        v->received++;
        v->next = ev->seq + 1;
        return;
    }

    cr_assert_eq(vmiring_get_lost(ev, &lost), 0);
    cr_assert_eq(lost.first_seq, v->next);
    cr_assert_eq(lost.last_seq, lost.first_seq + lost.count - 1);
    v->lost += lost.count;
    v->next = lost.last_seq + 1;
}

static void drain(vmiring *h, struct tally *t, int max)
{
    struct vmiring_event ev[64];
    int n;
    int i;

    while ( (n = vmiring_receive(h, ev, max)) > 0 )
    {
        for ( i = 0; i < n; i++ )
            tally(t, &ev[i]);
        vmiring_release(h);
    }
    cr_assert_eq(errno, EAGAIN, "%s", vmiring_error(h));
}

static void loss_accounting(bool split, int max)
{
    struct fake *f = fake_new(4);
    vmiring_options o = fake_options();
    struct tally t[4] = { { 0, 0, 1 }, { 0, 0, 1 }, { 0, 0, 1 }, { 0, 0, 1 } };
    uint64_t random = 88172645463325252ULL;
    struct vmiring_stats st = { .size = sizeof(st) };
    uint64_t sum = 0;
    vmiring *h;
    int round;
    int i;

    o.flags = split ? VMIRING_OPEN_SPLIT_RINGS : 0;
    h = fake_open_with(f, &o);
    cr_assert(h);

    for ( round = 0; round < 300; round++ )
    {
        for ( i = 0; i < 100; i++ )
        {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            fake_async(f, random % 4, VMIRING_CPUID, 32 + random / 4 % 8 * 8);
        }
        if ( random & 64 )
            drain(h, t, max);
    }
    drain(h, t, max);

    for ( i = 0; i < 4; i++ )
    {
        cr_assert_gt(t[i].lost, 0);
        cr_assert_eq(t[i].lost, f->vcpu[i].info.lost);
        cr_assert_eq(t[i].received + t[i].lost, f->vcpu[i].info.produced);
        sum += t[i].lost;
    }
    cr_assert_eq(vmiring_stats(h, &st), 0);
    cr_assert_eq(st.lost, sum);
    cr_assert_eq(st.received, t[0].received + t[1].received + t[2].received +
                              t[3].received);
    vmiring_close(h);
    fake_free(f);
}

Test(v2_loss, shared_ring) { loss_accounting(false, 64); }
Test(v2_loss, shared_ring_one_by_one) { loss_accounting(false, 1); }
Test(v2_loss, split_rings) { loss_accounting(true, 64); }
Test(v2_loss, split_rings_one_by_one) { loss_accounting(true, 1); }

/* The last events of a burst are lost and nothing comes after them. */
Test(v2_loss, nothing_behind)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[256];
    struct vmiring_lost lost;
    int i;

    must_be_empty(h);
    f->keep_quiet = true;   /* the doorbell's part is not what is tested */
    for ( i = 0; i < 128 + 5; i++ )
        fake_async(f, 0, VMIRING_CPUID, 32);
    cr_assert_eq(must_receive(h, ev, 256), 128);
    cr_assert(!readable(vmiring_fd(h)));
    vmiring_release(h);

    /* No record will ring for it, so the fd has to stay readable. */
    cr_assert(readable(vmiring_fd(h)));
    cr_assert_eq(must_receive(h, ev, 256), 1);
    cr_assert_eq(vmiring_get_lost(&ev[0], &lost), 0);
    cr_assert_eq(lost.count, 5);
    cr_assert_eq(lost.first_seq, 129);
    cr_assert_eq(lost.last_seq, 133);
    vmiring_release(h);
    must_be_empty(h);
    cr_assert(!readable(vmiring_fd(h)));
    vmiring_close(h);
    fake_free(f);
}

/*
 * Xen was seen in the middle of counting a loss: lost_seq was new and lost was
 * not, so that the report named the wrong records.
 */
Test(v2_loss, half_counted)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[256];
    struct vmiring_lost lost;
    int i;

    f->keep_quiet = true;
    for ( i = 0; i < 128 + 2; i++ )
        fake_async(f, 0, VMIRING_CPUID, 32);
    cr_assert_eq(must_receive(h, ev, 256), 128);
    fake_line(f, 0)->lost--;
    vmiring_release(h);
    cr_assert(readable(vmiring_fd(h)));
    cr_assert_eq(vmiring_receive(h, ev, 256), -1);
    cr_assert_eq(errno, EAGAIN);

    fake_line(f, 0)->lost++;
    vmiring_release(h);
    cr_assert_eq(must_receive(h, ev, 256), 1);
    cr_assert_eq(vmiring_get_lost(&ev[0], &lost), 0);
    cr_assert_eq(lost.first_seq, 129);
    cr_assert_eq(lost.last_seq, 130);
    vmiring_close(h);
    fake_free(f);
}

/* What was lost and not reported yet counts in the statistics all the same. */
Test(v2_loss, statistics_before_the_report)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_stats st = { .size = sizeof(st) };

    while ( fake_async(f, 0, VMIRING_CPUID, 32) )
        continue;
    cr_assert_eq(vmiring_stats(h, &st), 0);
    cr_assert_eq(st.lost, 1);
    vmiring_close(h);
    fake_free(f);
}

/*
 * A sync request that policy ended before we saw it leaves a gap as well, which
 * is not a loss.
 */
Test(v2_loss, a_released_request_is_none)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[4];

    fake_async(f, 0, VMIRING_CPUID, 32);
    fake_sync(f, 0, VMIRING_CPUID);
    fake_release(f, 0);
    fake_async(f, 0, VMIRING_CPUID, 32);

    cr_assert_eq(must_receive(h, ev, 4), 2);
    cr_assert_eq(ev[0].seq, 1);
    cr_assert_eq(ev[1].seq, 3);
    cr_assert_eq(ev[1].reason, VMIRING_CPUID);
    vmiring_release(h);
    vmiring_close(h);
    fake_free(f);
}

/* ---- split rings ---- */

Test(v2_split, a_record_of_another_vcpu)
{
    struct fake *f = fake_new(4);
    vmiring_options o = fake_options();
    struct vmiring_event ev;
    vmiring *h;

    o.flags = VMIRING_OPEN_SPLIT_RINGS;
    h = fake_open_with(f, &o);
    cr_assert(h);
    fake_async(f, 2, VMIRING_CPUID, 32);
    ((struct vmev2_rec *)(void *)fake_at(f, 2, 0))->vcpu = 1;

    errno = 0;
    cr_assert_eq(vmiring_receive(h, &ev, 1), -1);
    cr_assert_eq(errno, EBADMSG);
    vmiring_close(h);
    fake_free(f);
}

/* One vCPU that floods does not keep the others from being heard. */
Test(v2_split, rings_take_turns)
{
    struct fake *f = fake_new(4);
    vmiring_options o = fake_options();
    struct vmiring_event ev[4];
    unsigned int seen = 0;
    vmiring *h;
    int i;

    o.flags = VMIRING_OPEN_SPLIT_RINGS;
    h = fake_open_with(f, &o);
    cr_assert(h);

    while ( fake_async(f, 0, VMIRING_CPUID, 32) )
        continue;
    for ( i = 1; i < 4; i++ )
        fake_async(f, i, VMIRING_CPUID, 32);

    cr_assert_eq(must_receive(h, ev, 4), 4);
    for ( i = 0; i < 4; i++ )
        seen |= 1U << ev[i].vcpu;
    cr_assert_eq(seen, 0xf);
    vmiring_release(h);
    vmiring_close(h);
    fake_free(f);
}
