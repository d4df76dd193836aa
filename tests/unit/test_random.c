/* SPDX-License-Identifier: MIT */
/*
 * Pages that say anything at all.  Nothing may be read outside of them (the
 * ASan build looks), nothing may loop, and every event that comes out must be
 * readable through every accessor.
 */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fake.h"
#include "fake_ring.h"
#include "v2.h"

#define ROUNDS 30000U

static uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252ULL;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return state;
}

/* Values that break things more often than random ones do. */
static uint64_t nasty(void)
{
    static const uint64_t values[] = {
        0, 1, 7, 8, 24, 31, 32, 33, 40, 48, 216, 248, 432, 464, 504, 4088,
        4096, 4104, 0x7fff, 0x8000, 0xfff8, 0xffff, 0x7ffffff8, 0x80000000,
        0xfffffff8, 0xffffffff, 1ULL << 32, ~0ULL - 7, ~0ULL,
    };
    uint64_t r = next_random();

    return r & 1 ? values[r / 2 % ARRAY_SIZE(values)] : next_random();
}

/* Overwrites 1 to 8 bytes somewhere. */
static void scribble(uint8_t *bytes, size_t size)
{
    uint64_t value = nasty();
    size_t width = 1U << next_random() % 4;
    size_t at = next_random() % (size - 8) & ~(width - 1);

    memcpy(bytes + at, &value, width);
}

static uint64_t sink;

static void read_everything(vmiring *handle, const struct vmiring_event *ev)
{
    union {
        struct vmiring_ctrlreg ctrlreg;
        struct vmiring_msr msr;
        struct vmiring_cpuid cpuid;
        struct vmiring_debug debug;
        struct vmiring_mem mem;
        struct vmiring_descriptor descriptor;
        struct vmiring_interrupt interrupt;
        struct vmiring_vmexit vmexit;
        struct vmiring_lost lost;
        struct vmiring_domain domain;
    } u;
    struct vmiring_response rsp = { .size = sizeof(rsp) };
    const struct event *e = ev->priv;
    uint64_t value;
    uint32_t i;

    vmiring_get_ctrlreg(ev, &u.ctrlreg);
    vmiring_get_msr(ev, &u.msr);
    vmiring_get_cpuid(ev, &u.cpuid);
    vmiring_get_debug(ev, &u.debug);
    vmiring_get_mem(ev, &u.mem);
    vmiring_get_descriptor(ev, &u.descriptor);
    vmiring_get_interrupt(ev, &u.interrupt);
    vmiring_get_vmexit(ev, &u.vmexit);
    vmiring_get_lost(ev, &u.lost);
    vmiring_get_domain(ev, &u.domain);
    for ( i = 0; i < 320; i++ )
        if ( !vmiring_get_reg(ev, i, &value) )
            sink += value;
    for ( i = 0; i < e->rec.payload_size; i++ )
        sink += ((const uint8_t *)e->payload)[i];
    vmiring_regs_from(ev, &rsp);
    cr_assert(vmiring_reason_name(ev->reason));
    cr_assert_lt(ev->vcpu, handle->nr_vcpus);
    if ( ev->flags & VMIRING_EV_SYNC )
        vmiring_respond(handle, ev, NULL);
}

/* Receives until nothing comes; what came is bounded. */
static void receive_all(vmiring *handle, uint32_t most)
{
    struct vmiring_event ev[32];
    uint32_t total = 0;
    int n;
    int i;

    while ( (n = vmiring_receive(handle, ev, 32)) > 0 )
    {
        total += n;
        cr_assert_leq(total, most);
        for ( i = 0; i < n; i++ )
            read_everything(handle, &ev[i]);
        vmiring_release(handle);
    }
    cr_assert(errno == EAGAIN || errno == EBADMSG || errno == ENODEV ||
              errno == ESTALE || errno == EOWNERDEAD, "errno %d: %s", errno,
              vmiring_error(handle));
}

/* ---- v2 ---- */

/* The engine as it is after open, on pages as Xen had just made them. */
static void start_over(struct fake *fake, vmiring *handle)
{
    struct v2 *v2 = handle->v2;
    uint32_t i;

    handle->broken = 0;
    v2->queue_head = v2->queue_len = 0;
    v2->domain_told = 0;
    memset(v2->vcpus, 0, v2->nr_vcpus * sizeof(*v2->vcpus));
    memset(fake->mem[VMEV2_RES_SLOTS], 0,
           fake->frames[VMEV2_RES_SLOTS] * HOST_PAGE);
    for ( i = 0; i < v2->nr_vcpus; i++ )
    {
        v2->vcpus[i].next_seq = 1;
        fake->vcpu[i] = (struct fake_vcpu){ .seq = 0 };
        *fake_line(fake, i) = (struct vmev2_vcpu_line){ .lost = 0 };
        *fake_pending(fake, i) = 0;
    }
    fake->ring[0] = (struct fake_ring){ 0, 0, 0, 0 };
    *fake_ring_line(fake, 0) = (struct vmev2_ring_line){ .prod = 0 };
    ((struct vmev2_user_line *)(void *)fake->mem[VMEV2_RES_USER])->cons = 0;
    v2->rings[0].cons = v2->rings[0].published = v2->rings[0].lost_told = 0;
}

static void raise_some(struct fake *fake)
{
    const struct vmev2_regs_x86 regs = { .rax = 1 };
    const struct vmev2_msr msr = { 1, 2, 3 };
    unsigned int i;

    for ( i = 0; i < 12; i++ )
        fake_async(fake, next_random() % 4, next_random() % 17,
                   32 + next_random() % 60 * 8);
    for ( i = 0; i < 3; i++ )
        fake_sync_full(fake, i, VMIRING_MOV_TO_MSR, &msr, sizeof(msr), &regs,
                       next_random() % 3);
}

Test(random, v2, .timeout = 100)
{
    struct fake *fake = fake_new(4);
    vmiring *handle = fake_open(fake);
    uint32_t round;
    uint32_t i;

    for ( round = 0; round < ROUNDS; round++ )
    {
        start_over(fake, handle);
        raise_some(fake);
        for ( i = next_random() % 4; i < 4; i++ )
            scribble(fake->mem[VMEV2_RES_RING], fake->ring[0].prod + 8);
        if ( next_random() % 4 == 0 )
            scribble(fake->mem[VMEV2_RES_SLOTS], VMEV2_SLOT_SIZE * 4);
        if ( next_random() % 8 == 0 )
            fake_ring_line(fake, 0)->prod = nasty();
        if ( next_random() % 8 == 0 )
            fake_ring_line(fake, 0)->lost = nasty();
        if ( next_random() % 8 == 0 )
            scribble((uint8_t *)fake_line(fake, 0), 4 * 64);
        if ( next_random() % 8 == 0 )
            scribble(fake_pending(fake, 0), 16);
        /* The smallest record is 32 bytes; three slots; losses between. */
        receive_all(handle, 2 * (VMEV2_RING_MIN / 32 + 4) + 4);
    }
    fake->ctrl->state = VMEV2_STATE_ARMED;
    vmiring_close(handle);
    fake_free(fake);
}

/* ---- legacy ---- */

Test(random, legacy, .init = ring_set_up, .fini = ring_tear_down,
     .timeout = 100)
{
    uint32_t round;
    uint32_t i;

    r->deaf = true;  /* they answer what was never asked */
    for ( round = 0; round < ROUNDS; round++ )
    {
        uint32_t base = nasty();

        memset(h->legacy->out, 0, sizeof(h->legacy->out));
        h->broken = 0;
        r->req_prod = r->rsp_cons = base;
        r->page->req_prod = r->page->rsp_prod = base;
        h->legacy->req_cons = h->legacy->rsp_prod = h->legacy->limit = base;

        for ( i = next_random() % ENTRIES; i < ENTRIES; i++ )
            ring_raise(r, next_random() % VCPUS, next_random() & 1);
        for ( i = next_random() % 4; i < 4; i++ )
            scribble((uint8_t *)r->page, HOST_PAGE);
        if ( next_random() % 4 == 0 )
            r->page->req_prod = base + nasty();

        receive_all(h, ENTRIES);
        memset(r->waiting, 0, sizeof(r->waiting));
        memset(r->paused, 0, sizeof(r->paused));
    }
}
