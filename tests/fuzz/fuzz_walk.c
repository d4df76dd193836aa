/* SPDX-License-Identifier: MIT */
/*
 * The walk through a guest's page tables, which the guest writes.  It ends
 * after at most five reads per page, stays inside what the host says is there,
 * and keeps the offset in the page.
 */
#include <errno.h>

#include "fake.h"
#include "readout.h"

static struct fake *f;
static vmiring *h;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    f = fake_new(1);
    h = fake_open(f);
    MUST(h);

    return 0;
}

/* An event of a vCPU with such registers. */
static void event_with(const struct vmev2_regs_x86 *regs,
                       struct vmiring_event *ev)
{
    struct fake_vcpu *v = &f->vcpu[0];

    if ( v->outstanding )
        fake_release(f, 0);
    fake_sync_full(f, 0, VMIRING_CPUID, NULL, 0, regs, VMEV2_REGS_CORE);
    MUST(vmiring_receive(h, ev, 1) == 1);
}

static void one_address(const struct vmiring_event *ev, uint64_t va,
                        uint16_t size)
{
    static uint8_t buf[3 * HOST_PAGE];
    uint64_t gpa = 0, bad = 0;
    int64_t got;

    f->phys_reads = 0;
    if ( !vmiring_translate(h, ev, va, &gpa) )
    {
        MUST(gpa % HOST_PAGE == va % HOST_PAGE);
        MUST(gpa >> 52 == 0 || gpa == va);
    }
    else
        MUST(errno == EFAULT);
    MUST(f->phys_reads <= 5);

    size = 1 + size % sizeof(buf);
    got = vmiring_read_virt(h, ev, va, buf, size, &bad);
    MUST(got >= -1 && got <= size && got != 0);
    MUST(f->phys_reads <= 5 + 4 * 6);
    /* What was not all read says at which address it stopped. */
    if ( got > 0 && got < size )
        MUST(bad == va + (uint64_t)got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    struct vmev2_regs_x86 regs = { .rax = 0 };
    uint8_t mode = take8(&in), nr = take8(&in) % 40;
    struct vmiring_event ev;
    uint64_t value;

    regs.cr0 = mode & 1 ? 1ULL << 31 : 0;
    regs.cr4 = (mode & 2 ? 1U << 5 : 0) | (mode & 4 ? 1U << 4 : 0) |
               (mode & 8 ? 1U << 12 : 0);
    regs.efer = mode & 0x10 ? 1U << 10 : 0;
    regs.cr3 = mode & 0x20 ? take64(&in) : take8(&in) * 4096ULL;
    f->guest_holes = take64(&in);

    memset(f->guest, 0, FAKE_GUEST);
    while ( nr-- && in.left )
    {
        uint32_t at = take16(&in) * 4U % (FAKE_GUEST - 8);

        value = mode & 0x40 ? take64(&in)
                            : (take8(&in) % 66U) * 4096ULL + take8(&in);
        memcpy(f->guest + at, &value, sizeof(value));
    }

    event_with(&regs, &ev);
    for ( nr = 0; nr < 4; nr++ )
    {
        value = take64(&in);
        one_address(&ev, value, take16(&in));
    }
    vmiring_release(h);

    return 0;
}
