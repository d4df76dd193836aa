/* SPDX-License-Identifier: GPL-2.0-only */
/* Lossy rings: what goes in comes out, or is counted. */
#include "harness.h"

#include <xen/monitor.h>
#include <asm/hvm/monitor.h>
#include "cpu.h"

#include <stdlib.h>

static uint64_t room[VMEV2_REC_MAX / 8];

static void start(struct agent *a, struct domain *d, uint32_t bytes,
                  uint32_t flags, uint8_t regs)
{
    const struct vmev2_op_create wish = { .ring_bytes = bytes, .flags = flags };

    CHECK_EQ(v2_create(a, d, &wish), 0);
    CHECK_EQ(v2_bind(a), 0);
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_GUEST_REQUEST, true, false, regs), 0);
    sim_evtchn_pending(a->bell);
}

/* Per vCPU: seen, lost, and the next sequence number. */
struct seen {
    uint64_t records, gaps, next;
};

static void take(struct agent *a, unsigned int ring, uint64_t *pos,
                 struct seen *seen)
{
    const struct vmev2_rec *rec;

    while ( (rec = v2_next(a, ring, pos, room)) )
    {
        struct seen *s = &seen[rec->vcpu];

        CHECK(rec->seq >= s->next);
        s->gaps += rec->seq - s->next;
        s->next = rec->seq + 1;
        s->records++;
    }
    v2_consumed(a, ring, *pos);
}

/* P4: produced = consumed + lost + still in the ring, and gaps say the same. */
static void check_accounts(struct domain *d, const struct seen *seen)
{
    unsigned int i;

    for ( i = 0; i < d->max_vcpus; i++ )
    {
        struct vmev2_vcpu_info info = v2_vcpu(d, i);

        CHECK_EQ(info.produced, seen[i].records + info.lost);
        CHECK_EQ(info.seq, info.produced);
        CHECK_EQ(seen[i].gaps + (info.seq + 1 - seen[i].next), info.lost);
        CHECK_EQ(info.pauses, 0);
    }
}

static void test_record(void)
{
    static const unsigned int sizes[] = { 0, VMEV2_REGS_X86_CORE_SIZE,
                                          VMEV2_REGS_X86_ALL_SIZE };
    uint8_t regs;

    for ( regs = VMEV2_REGS_NONE; regs <= VMEV2_REGS_ALL; regs++ )
    {
        struct domain *d = new_domain(3);
        struct vcpu *v = d->vcpu[2];
        const struct vmev2_regs_x86 *r;
        const struct vmev2_rec *rec;
        struct agent a;

        test_case("record with register set %u", regs);
        start(&a, d, 4096, 0, regs);
        v->arch.user_regs.rbx = 0x1234;
        v->arch.hvm.guest_cr[3] = 0x7000;
        guest_request(v);
        CHECK(vcpu_runnable(v));
        rec = v2_next(&a, 0, &a.pos, room);
        if ( !CHECK(rec) )
            return;
        CHECK_EQ(rec->size, sizeof(*rec) + sizes[regs]);
        CHECK_EQ(rec->reason, VMEV2_REASON_GUEST_REQUEST);
        CHECK_EQ(rec->flags, 0);
        CHECK_EQ(rec->vcpu, 2);
        CHECK_EQ(rec->payload_size, 0);
        CHECK_EQ(rec->regs, regs);
        CHECK_EQ(rec->seq, 1);
        CHECK(rec->time > 0 && rec->time <= (uint64_t)NOW());
        r = (const void *)(rec + 1);
        if ( regs )
        {
            CHECK_EQ(r->rbx, 0x1234);
            CHECK_EQ(r->cr3, 0x7000);
            CHECK_EQ(r->rip, SIM_CODE_VA);
        }
        CHECK(!v2_next(&a, 0, &a.pos, room));
        CHECK_EQ(v2_destroy(&a), 0);
        sim_domain_kill(d, 0);
    }
}

/* The payload of a CR write stands before its registers. */
static void test_payload(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    uint64_t old = v->arch.hvm.guest_cr[3];
    const struct vmev2_ctrlreg *p;
    const struct vmev2_rec *rec;
    struct agent a;

    test_case("payload");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_WRITE_CTRLREG, true, false,
                        VMEV2_REGS_CORE), 0);
    sim_vcpu_on(v);
    sim_write_cr(v, 3, 0xabc000, true);
    sim_vcpu_off(v);
    rec = v2_next(&a, 0, &a.pos, room);
    if ( !CHECK(rec) )
        return;
    CHECK_EQ(rec->payload_size, sizeof(*p));
    CHECK_EQ(rec->size, sizeof(*rec) + sizeof(*p) + VMEV2_REGS_X86_CORE_SIZE);
    p = (const void *)(rec + 1);
    CHECK_EQ(p->index, 1);
    CHECK_EQ(p->pad, 0);
    CHECK_EQ(p->new_value, 0xabc000);
    CHECK_EQ(p->old_value, old);
    CHECK_EQ(((const struct vmev2_regs_x86 *)(p + 1))->cr3, old);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* On the wire a CR3 write without registers is one cache line; legacy: 400. */
static void test_cr3_size(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    const struct vmev2_rec *rec;
    struct agent a;

    test_case("bytes of a CR3 write");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_WRITE_CTRLREG, true, false,
                        VMEV2_REGS_NONE), 0);
    sim_vcpu_on(v);
    sim_write_cr(v, 3, 0xabc000, true);
    sim_vcpu_off(v);
    rec = v2_next(&a, 0, &a.pos, room);
    CHECK(rec && rec->size == 56);
    CHECK_EQ(a.pos, 56);
    CHECK_EQ(v2_ring_line(&a, 0)->prod, 56);
    CHECK(a.pos <= 64);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* Nothing of an earlier event shows through in the gaps of a later one. */
static void test_payload_pads(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    const struct vmev2_rec *rec;
    struct agent a;

    test_case("pads");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_CPUID, true, true, 0), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_WRITE_CTRLREG, true, false, 0), 0);
    sim_vcpu_on(v);
    hvm_monitor_cpuid(2, UINT32_MAX, UINT32_MAX);
    sim_write_cr(v, 3, 0xabc000, true);
    sim_vcpu_off(v);
    rec = v2_next(&a, 0, &a.pos, room);
    CHECK(rec && !((const struct vmev2_ctrlreg *)(rec + 1))->pad);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* To the last byte: what just fits goes in, 8 bytes less room loses it. */
static void test_exact_fit(void)
{
    struct domain *d = new_domain(1);
    struct vm_event_ring *ring;
    struct agent a;
    uint32_t room_left;

    start(&a, d, 4096, 0, VMEV2_REGS_CORE);
    ring = &d->vm_event->ring;
    guest_request(d->vcpu[0]);
    for ( room_left = 0; room_left < 512; room_left += 8 )
    {
        uint64_t before = ring->prod, lost = ring->lost;
        uint32_t size = sizeof(struct vmev2_rec) + VMEV2_REGS_X86_CORE_SIZE;

        test_case("%u bytes of room", room_left);
        v2_consumed(&a, 0, before - 4096 + room_left);
        ring->cons = before - 4096 + room_left;
        guest_request(d->vcpu[0]);
        CHECK_EQ(ring->prod - before, room_left < size ? 0 : size);
        CHECK_EQ(ring->lost - lost, room_left < size);
    }
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* Round and round: records that are cut by the end, of changing sizes. */
static void test_wrap(void)
{
    struct domain *d = new_domain(2);
    struct seen seen[2] = { { .next = 1 }, { .next = 1 } };
    struct agent a;
    unsigned int i;

    test_case("wrap");
    start(&a, d, 4096, 0, VMEV2_REGS_CORE);
    for ( i = 0; i < 3000; i++ )
    {
        if ( i % 37 == 0 )
        {
            CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, false, false,
                                0), 0);
            CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, false,
                                i % 3), 0);
        }
        guest_request(d->vcpu[i % 2]);
        if ( i % 5 == 4 )
            take(&a, 0, &a.pos, seen);
    }
    take(&a, 0, &a.pos, seen);
    CHECK_EQ(seen[0].records + seen[1].records, 3000);
    CHECK(a.pos > 20 * 4096);
    CHECK_EQ(v2_ring_line(&a, 0)->lost, 0);
    check_accounts(d, seen);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* Positions near the end of their 64 bits. */
static void test_position_wrap(void)
{
    const uint64_t first = -(uint64_t)4096 * 3;
    struct domain *d = new_domain(1);
    struct seen seen[1] = { { .next = 1 } };
    struct agent a;
    unsigned int i;

    test_case("positions wrap at 2^64");
    start(&a, d, 4096, 0, VMEV2_REGS_NONE);
    d->vm_event->ring.prod = d->vm_event->ring.cons = first;
    v2_ring_line(&a, 0)->prod = first;
    v2_consumed(&a, 0, first);
    a.pos = first;
    for ( i = 0; i < 1000; i++ )
    {
        guest_request(d->vcpu[0]);
        if ( i % 50 == 49 )
            take(&a, 0, &a.pos, seen);
    }
    CHECK(a.pos < first);
    CHECK_EQ(seen[0].records, 1000);
    CHECK_EQ(v2_ring_line(&a, 0)->bad_cons, 0);
    check_accounts(d, seen);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* Full: nobody waits, and each loss is counted and shows. */
static void test_full(uint32_t flags, unsigned int nr)
{
    struct domain *d = new_domain(nr);
    struct seen *seen = calloc(nr, sizeof(*seen));
    uint64_t *pos = calloc(nr, sizeof(*pos));
    struct vmev2_vcpu_line *line;
    unsigned int i, round, rings;
    struct agent a;

    test_case("full ring, %u vCPUs, flags %u", nr, flags);
    for ( i = 0; i < nr; i++ )
        seen[i].next = 1;
    start(&a, d, 4096, flags, VMEV2_REGS_CORE);
    rings = a.created.nr_rings;
    CHECK_EQ(rings, flags ? nr : 1);

    for ( round = 0; round < 4; round++ )
    {
        for ( i = 0; i < 60 * nr; i++ )
            guest_request(d->vcpu[i % nr]);
        CHECK_EQ(nr_paused(d), 0);
        for ( i = 0; i < rings; i++ )
            take(&a, i, &pos[i], seen);
        check_accounts(d, seen);
    }

    line = (void *)((uint8_t *)v2_ctrl(&a) + v2_ctrl(&a)->vcpu_off);
    for ( i = 0; i < nr; i++ )
    {
        struct vmev2_vcpu_info info = v2_vcpu(d, i);

        CHECK(info.lost > 0);
        CHECK_EQ(line[i].lost, info.lost);
        CHECK(line[i].lost_seq <= info.seq && line[i].lost_seq > 0);
    }
    CHECK_EQ(resume_all(d), nr);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
    free(seen);
    free(pos);
}

/* A consumer that lies loses its own records, is counted, and no more. */
static void test_bad_cons(void)
{
    /* From what was produced on, and back from what was consumed. */
    static const struct {
        uint64_t ahead, back;
    } lies[] = { { 1, 0 }, { 0, 1 }, { 1ULL << 32, 0 }, { 1ULL << 63, 0 },
                 { 0, sizeof(struct vmev2_rec) } };
    const unsigned int per_ring = 4096 / sizeof(struct vmev2_rec);
    struct domain *d = new_domain(1);
    struct seen seen[1] = { { .next = 1 } };
    struct agent a;
    unsigned int i;

    /* Xen looks when the ring is full as far as it knows. */
    start(&a, d, 4096, 0, VMEV2_REGS_NONE);
    guest_request(d->vcpu[0]);
    take(&a, 0, &a.pos, seen);
    for ( i = 0; i < per_ring; i++ )
    {
        /* Nor with the last of them, which fills it to the byte. */
        if ( i == per_ring - 1 )
        {
            test_case("a lie that is not looked at");
            CHECK_EQ(d->vm_event->ring.cons, 0);
        }
        guest_request(d->vcpu[0]);
    }
    CHECK_EQ(v2_vcpu(d, 0).lost, 0);

    for ( i = 0; i < ARRAY_SIZE(lies); i++ )
    {
        const struct vm_event_ring *ring = &d->vm_event->ring;

        test_case("lie %u", i);
        v2_consumed(&a, 0, lies[i].ahead ? ring->prod + lies[i].ahead
                                         : ring->cons - lies[i].back);
        guest_request(d->vcpu[0]);
        CHECK_EQ(v2_ring_line(&a, 0)->bad_cons, i + 1);
        CHECK_EQ(v2_vcpu(d, 0).lost, i + 1);
        CHECK_EQ(d->vm_event->ring.cons, sizeof(struct vmev2_rec));
        v2_consumed(&a, 0, a.pos);
    }

    test_case("back to the truth");
    take(&a, 0, &a.pos, seen);
    CHECK_EQ(seen[0].records, 1 + per_ring);
    guest_request(d->vcpu[0]);
    CHECK_EQ(v2_ring_line(&a, 0)->bad_cons, ARRAY_SIZE(lies));
    CHECK_EQ(v2_vcpu(d, 0).lost, ARRAY_SIZE(lies));

    test_case("a position that stays away fills the ring, and no more");
    v2_consumed(&a, 0, UINT64_MAX);
    for ( i = 0; i < 1000; i++ )
        guest_request(d->vcpu[0]);
    CHECK_EQ(d->vm_event->ring.prod - d->vm_event->ring.cons, 4096);
    CHECK(v2_vcpu(d, 0).lost > 800);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* What the agent scribbles over Xen's own words changes nothing for Xen. */
static void test_scribble(void)
{
    struct domain *d = new_domain(2);
    struct vmev2_ctrl *ctrl;
    struct agent a;
    uint64_t prod;

    test_case("scribbled control page");
    start(&a, d, 4096, 0, VMEV2_REGS_NONE);
    guest_request(d->vcpu[0]);
    prod = d->vm_event->ring.prod;
    ctrl = v2_ctrl(&a);
    memset(ctrl, 0xff, d->vm_event->area[VMEV2_RES_CTRL].mapped * PAGE_SIZE);
    guest_request(d->vcpu[1]);
    CHECK_EQ(d->vm_event->ring.prod, prod + sizeof(struct vmev2_rec));
    CHECK_EQ(v2_state(d), VMEV2_STATE_ARMED);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* R5: woken when it had caught up, and only then. */
static void test_wake(void)
{
    struct domain *d = new_domain(1);
    struct seen seen[1] = { { .next = 1 } };
    struct agent a;

    start(&a, d, 4096, 0, VMEV2_REGS_NONE);
    test_case("first record wakes");
    guest_request(d->vcpu[0]);
    CHECK_EQ(sim_evtchn_pending(a.bell), 1);
    test_case("the next does not");
    guest_request(d->vcpu[0]);
    CHECK_EQ(sim_evtchn_pending(a.bell), 0);
    test_case("caught up half way");
    v2_consumed(&a, 0, sizeof(struct vmev2_rec));
    guest_request(d->vcpu[0]);
    CHECK_EQ(sim_evtchn_pending(a.bell), 0);
    test_case("caught up");
    take(&a, 0, &a.pos, seen);
    guest_request(d->vcpu[0]);
    CHECK_EQ(sim_evtchn_pending(a.bell), 1);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* R6: no wake-up up to awake; behind it, and once it was taken back, R5. */
static void test_awake(uint32_t flags)
{
    const uint32_t rec = sizeof(struct vmev2_rec);
    struct domain *d = new_domain(2);
    struct vmev2_user_line *user;
    unsigned int i, ring = flags ? 1 : 0;
    struct agent a;

    test_case("awake, flags %u", flags);
    start(&a, d, 4096, flags, VMEV2_REGS_NONE);
    user = v2_user(&a, ring);

    /* Xen takes note when it looks for other reasons: with this one. */
    user->awake = 4 * rec;
    guest_request(d->vcpu[1]);
    CHECK_EQ(sim_evtchn_pending(a.bell), 1);
    for ( i = 1; i < 4; i++ )
    {
        v2_consumed(&a, ring, i * rec);
        guest_request(d->vcpu[1]);
        CHECK_EQ(sim_evtchn_pending(a.bell), 0);
    }
    test_case("behind awake");
    v2_consumed(&a, ring, 4 * rec);
    user->awake = 10 * rec;
    guest_request(d->vcpu[1]);
    CHECK_EQ(sim_evtchn_pending(a.bell), 1);
    v2_consumed(&a, ring, 5 * rec);
    guest_request(d->vcpu[1]);
    CHECK_EQ(sim_evtchn_pending(a.bell), 0);

    test_case("taken back");
    v2_consumed(&a, ring, 6 * rec);
    user->awake = 0;
    CHECK_EQ(v2_resume(&a), 0);
    guest_request(d->vcpu[1]);
    CHECK_EQ(sim_evtchn_pending(a.bell), 1);
    CHECK_EQ(resume_all(d), 2);

    test_case("a lie about awake");
    for ( i = 0; i < 300; i++ )
    {
        user->awake = i % 3 ? i * 0x123456789abcdefULL : UINT64_MAX;
        guest_request(d->vcpu[1]);
    }
    CHECK_EQ(v2_vcpu(d, 1).produced, 7 + 300);
    CHECK_EQ(v2_vcpu(d, 1).lost, 7 + 300 - 6 - 4096 / rec);
    CHECK_EQ(v2_vcpu(d, 1).pauses, 0);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* R6: a promise reaches one ring's size from a record on, and no further. */
static void test_awake_too_far(uint64_t ahead, unsigned int bells)
{
    const uint32_t rec = sizeof(struct vmev2_rec);
    struct domain *d = new_domain(1);
    struct agent a;

    test_case("awake %u ahead of the second record", (unsigned int)ahead);
    start(&a, d, 4096, 0, VMEV2_REGS_NONE);
    v2_user(&a, 0)->awake = 2 * rec + ahead;
    guest_request(d->vcpu[0]);
    CHECK_EQ(sim_evtchn_pending(a.bell), 1);
    v2_consumed(&a, 0, rec);
    guest_request(d->vcpu[0]);
    CHECK_EQ(sim_evtchn_pending(a.bell), bells);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* What nobody listens to is not even counted. */
static void test_nobody_listens(void)
{
    struct domain *d = new_domain(1);
    struct agent a;

    test_case("asynchronous, and no doorbell is bound");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, false,
                        VMEV2_REGS_NONE), 0);
    guest_request(d->vcpu[0]);
    CHECK_EQ(v2_vcpu(d, 0).produced, 0);
    CHECK_EQ(v2_vcpu(d, 0).seq, 0);
    CHECK_EQ(v2_ring_line(&a, 0)->prod, 0);
    CHECK_EQ(v2_bind(&a), 0);
    guest_request(d->vcpu[0]);
    CHECK_EQ(v2_vcpu(d, 0).seq, 1);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* One sequence over slot and ring. */
static void test_sequence(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    const struct vmev2_rec *rec;
    struct agent a;

    test_case("one sequence over slot and ring");
    start(&a, d, 4096, 0, VMEV2_REGS_NONE);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_MOV_TO_MSR, true, true, 0), 0);
    guest_request(v);
    sim_vcpu_on(v);
    sim_write_msr(v, 0x176, 5, true);
    monitor_guest_request();
    sim_vcpu_off(v);
    CHECK_EQ(v2_slot(&a, 0)->rec.seq, 2);
    rec = v2_next(&a, 0, &a.pos, room);
    CHECK(rec && rec->seq == 1);
    rec = v2_next(&a, 0, &a.pos, room);
    CHECK(rec && rec->seq == 3);
    CHECK_EQ(v2_vcpu(d, 0).seq, 3);

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* 300 vCPUs on one ring of 64 KiB, nobody reading. */
static void test_many(void)
{
    struct domain *d = new_domain(300);
    struct agent a;
    unsigned int i;
    uint64_t produced = 0, lost = 0;

    test_case("300 vCPUs");
    start(&a, d, 65536, 0, VMEV2_REGS_ALL);
    for ( i = 0; i < 1200; i++ )
        guest_request(d->vcpu[i % 300]);
    CHECK_EQ(nr_paused(d), 0);
    for ( i = 0; i < 300; i++ )
    {
        struct vmev2_vcpu_info info = v2_vcpu(d, i);

        produced += info.produced;
        lost += info.lost;
    }
    CHECK_EQ(produced, 1200);
    CHECK_EQ(produced - lost, 65536 / (32 + VMEV2_REGS_X86_ALL_SIZE));
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

int main(void)
{
    sim_init();
    test_record();
    test_payload();
    test_cr3_size();
    test_payload_pads();
    test_exact_fit();
    test_wrap();
    test_position_wrap();
    test_full(0, 1);
    test_full(0, 7);
    test_full(VMEV2_CREATE_SPLIT_RINGS, 7);
    test_bad_cons();
    test_scribble();
    test_wake();
    test_awake(0);
    test_awake(VMEV2_CREATE_SPLIT_RINGS);
    test_awake_too_far(4096 - 8, 0);
    test_awake_too_far(4096, 1);
    test_nobody_listens();
    test_sequence();
    test_many();

    return test_end();
}
