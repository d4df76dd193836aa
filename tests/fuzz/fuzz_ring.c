/* SPDX-License-Identifier: MIT */
/*
 * The library's parser of the v2 pages.  An input says where the ring's
 * positions begin, what guests raise, and what is then overwritten; the ASan
 * build sees any read outside of the pages.
 */
#include <stdlib.h>

#include "fake.h"
#include "readout.h"
#include "v2.h"

#define VCPUS 4U

static struct fake *fake;
static vmiring *handle;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    fake = fake_new(VCPUS);
    handle = fake_open(fake);
    MUST(handle);

    return 0;
}

/* The engine as it is after open, on pages as Xen had just made them. */
static void start_over(uint64_t pos)
{
    struct v2 *v2 = handle->v2;
    uint32_t i;

    handle->broken = 0;
    v2->queue_head = v2->queue_len = 0;
    v2->domain_told = 0;
    memset(v2->vcpus, 0, v2->nr_vcpus * sizeof(*v2->vcpus));
    memset(fake->mem[VMEV2_RES_SLOTS], 0,
           fake->frames[VMEV2_RES_SLOTS] * HOST_PAGE);
    memset(fake->mem[VMEV2_RES_RING], 0, fake->ring_bytes);
    for ( i = 0; i < v2->nr_vcpus; i++ )
    {
        v2->vcpus[i].next_seq = 1;
        fake->vcpu[i] = (struct fake_vcpu){ .seq = 0 };
        *fake_line(fake, i) = (struct vmev2_vcpu_line){ .lost = 0 };
        *fake_pending(fake, i) = 0;
    }
    fake->ring[0] = (struct fake_ring){ .prod = pos, .cons = pos };
    *fake_ring_line(fake, 0) = (struct vmev2_ring_line){ .prod = pos };
    ((struct vmev2_user_line *)(void *)fake->mem[VMEV2_RES_USER])->cons = pos;
    v2->rings[0].cons = v2->rings[0].published = pos;
    v2->rings[0].lost_told = 0;
}

static void raise(struct input *in)
{
    const struct vmev2_regs_x86 regs = { .rax = 1 };
    const struct vmev2_msr msr = { 1, 2, 3 };
    uint8_t how = take8(in), vcpu = how % VCPUS;

    if ( how & 0x80 )
    {
        if ( !fake->vcpu[vcpu].outstanding )
            fake_sync_full(fake, vcpu, VMIRING_MOV_TO_MSR, &msr, sizeof(msr),
                           &regs, how / 4 % 3);
    }
    else
        fake_async(fake, vcpu, how / 4, 32 + take8(in) % 60 * 8);
}

static void overwrite(struct input *in)
{
    uint8_t what = take8(in);
    uint64_t at = take16(in), value;

    switch ( what % 6 )
    {
    case 0:
        take(in, fake_at(fake, 0, fake->ring[0].cons + at), 1 + what / 6 % 8);
        break;

    case 1:
        at %= VMEV2_SLOT_SIZE * VCPUS - 8;
        take(in, fake->mem[VMEV2_RES_SLOTS] + at, 1 + what / 6 % 8);
        break;

    case 2:
        fake_ring_line(fake, 0)->prod =
            what & 0x80 ? take64(in) : fake->ring[0].prod + at;
        break;

    case 3:
        fake_ring_line(fake, 0)->lost = take64(in);
        break;

    case 4:
        at %= 64 * VCPUS - 8;
        value = take64(in);
        memcpy((uint8_t *)fake_line(fake, 0) + at, &value, sizeof(value));
        break;

    case 5:
        *fake_pending(fake, at % VCPUS) = what;
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    uint8_t first = take8(&in), nr = take8(&in) % 24, rounds = 0;

    /* Positions are multiples of 8; also just before they wrap around. */
    start_over(first & 0x80 ? -(uint64_t)(first & 0x7f) * 8
                            : (uint64_t)first * 512);
    do {
        while ( nr-- && in.left )
            raise(&in);
        for ( nr = take8(&in) % 8; nr && in.left; nr-- )
            overwrite(&in);
        /* The smallest record is 32 bytes; slots; losses between. */
        receive_all(handle, 2 * (fake->ring_bytes / 32 + VCPUS) + VCPUS);
        nr = take8(&in) % 24;
    } while ( in.left && ++rounds < 3 );

    return 0;
}
