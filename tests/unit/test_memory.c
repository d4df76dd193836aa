/* SPDX-License-Identifier: MIT */
/* Guest memory, through page tables built by hand. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fake.h"

#define P       1ULL            /* present */
#define PS      (1ULL << 7)     /* large page */
#define NX      (1ULL << 63)

#define PG      (1ULL << 31)
#define PSE     (1ULL << 4)
#define PAE     (1ULL << 5)
#define LA57    (1ULL << 12)
#define LMA     (1ULL << 10)

static struct fake *f;
static vmiring *h;
static struct vmiring_event ev;

static void set_up(void)
{
    f = fake_new(1);
    h = fake_open(f);
}

static void tear_down(void)
{
    vmiring_close(h);
    fake_free(f);
}

/* An event of a vCPU with this paging. */
static void paging(uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    const struct vmev2_regs_x86 regs = { .cr0 = cr0, .cr3 = cr3, .cr4 = cr4,
                                         .efer = efer };

    fake_sync_full(f, 0, VMIRING_CPUID, NULL, 0, &regs, VMEV2_REGS_CORE);
    must_receive(h, &ev, 1);
}

static void put8(uint64_t gpa, unsigned int index, uint64_t entry)
{
    memcpy(f->guest + gpa + index * 8, &entry, 8);
}

static void put4(uint64_t gpa, unsigned int index, uint32_t entry)
{
    memcpy(f->guest + gpa + index * 4, &entry, 4);
}

static void maps_to(uint64_t va, uint64_t gpa)
{
    uint64_t got = ~0ULL;

    cr_assert_eq(vmiring_translate(h, &ev, va, &got), 0, "%#lx: %s",
                 (unsigned long)va, vmiring_error(h));
    cr_assert_eq(got, gpa, "%#lx gives %#lx, not %#lx", (unsigned long)va,
                 (unsigned long)got, (unsigned long)gpa);
}

static void not_mapped(uint64_t va)
{
    uint64_t got;

    errno = 0;
    cr_assert_eq(vmiring_translate(h, &ev, va, &got), -1, "%#lx is mapped",
                 (unsigned long)va);
    cr_assert_eq(errno, EFAULT);
}

#define MEMORY_TEST(name) Test(memory, name, .init = set_up, .fini = tear_down)

MEMORY_TEST(paging_off)
{
    paging(0, 0x1000, PAE, 0);
    maps_to(0, 0);
    maps_to(0x12345, 0x12345);
    maps_to(0xffffffffULL, 0xffffffffULL);
    not_mapped(1ULL << 32);
}

/*
 *  cr3 0x1000 -> [3] 0x2000 -> [5] 0x7000 (4 KiB)
 *             -> [1] 4 MiB page at 0x00400000, and one above 4 GiB
 */
MEMORY_TEST(two_levels)
{
    put4(0x1000, 3, 0x2000 | P);
    put4(0x2000, 5, 0x7000 | P);
    put4(0x1000, 1, 0x00400000 | PS | P);
    put4(0x1000, 2, 0x00800000 | 0x5U << 13 | PS | P);
    paging(PG, 0x1fff, PSE, 0);     /* low bits of CR3 are flags */

    maps_to(3U << 22 | 5U << 12 | 0x678, 0x7678);
    maps_to(1U << 22 | 0x3abcde, 0x00400000 | 0x3abcde);
    maps_to(2U << 22 | 0x123, 0x500800123ULL);  /* PSE-36 */
    not_mapped(3U << 22 | 6U << 12);
    not_mapped(4U << 22);
    not_mapped(1ULL << 32 | 3U << 22 | 5U << 12);
}

/* Without CR4.PSE that bit is no size: the entry points to a table. */
MEMORY_TEST(two_levels_without_pse)
{
    put4(0x1000, 1, 0x2000 | PS | P);
    put4(0x2000, 9, 0x7000 | P);
    paging(PG, 0x1000, 0, 0);
    maps_to(1U << 22 | 9U << 12 | 4, 0x7004);
}

MEMORY_TEST(pae)
{
    /* Four entries, 32-byte aligned, not page aligned. */
    put8(0x1020, 2, 0x2000 | P);
    put8(0x1020, 3, 0x2000 | PS | P);   /* no 1 GiB page here: a table */
    put8(0x2000, 7, 0x3000 | P);
    put8(0x2000, 8, 0x40000000ULL | PS | P | NX);
    put8(0x3000, 511, 0x123000ULL | P | NX);
    paging(PG, 0x1020 | 0x1f, PAE, 0);

    maps_to(2ULL << 30 | 7U << 21 | 511U << 12 | 0xfff, 0x123fff);
    maps_to(2ULL << 30 | 8U << 21 | 0x1fffff, 0x401fffffULL);
    maps_to(3ULL << 30 | 7U << 21 | 511U << 12, 0x123000);
    not_mapped(2ULL << 30 | 9U << 21);
    not_mapped(0);
    not_mapped(1ULL << 32 | 2ULL << 30);
}

static void four_levels_below(uint64_t pdpt)
{
    put8(pdpt, 1, 0x4000 | P);
    put8(pdpt, 2, 0x80000000ULL | PS | P | NX);
    put8(0x4000, 3, 0x5000 | P);
    put8(0x4000, 4, 0x00a00000ULL | PS | P);
    put8(0x5000, 6, 0x000ffffffffff000ULL | P | NX);
    put8(0x5000, 7, 0x9000);            /* not present */
}

static void check_four_levels(uint64_t base)
{
    maps_to(base | 1ULL << 30 | 3U << 21 | 6U << 12 | 0xabc,
            0x000ffffffffffabcULL);
    maps_to(base | 2ULL << 30 | 0x3fffffff, 0xbfffffffULL);
    maps_to(base | 1ULL << 30 | 4U << 21 | 0x12345, 0x00a12345ULL);
    not_mapped(base | 1ULL << 30 | 3U << 21 | 7U << 12);
    not_mapped(base | 3ULL << 30);
    not_mapped(base | 1ULL << 30 | 5U << 21);
}

MEMORY_TEST(four_levels)
{
    put8(0x1000, 0, 0x2000 | P);
    put8(0x1000, 511, 0x2000 | P);
    four_levels_below(0x2000);
    paging(PG, 0x1000 | 0xabc, PAE, LMA);   /* a PCID in CR3 */

    check_four_levels(0);
    check_four_levels(0xffffULL << 48 | 511ULL << 39);
    /* Bit 47 has to go on upwards. */
    not_mapped(1ULL << 48 | 1ULL << 30);
    not_mapped(511ULL << 39 | 1ULL << 30);
    not_mapped(1ULL << 63 | 1ULL << 30);
}

MEMORY_TEST(five_levels)
{
    put8(0x6000, 0, 0x1000 | P);
    put8(0x6000, 255, 0x1000 | P);
    put8(0x6000, 511, 0x1000 | P);
    put8(0x1000, 9, 0x2000 | P);
    four_levels_below(0x2000);
    paging(PG, 0x6000, PAE | LA57, LMA);

    check_four_levels(9ULL << 39);
    check_four_levels(255ULL << 48 | 9ULL << 39);
    check_four_levels(0xffULL << 57 | 1ULL << 56 | 255ULL << 48 | 9ULL << 39);
    not_mapped(1ULL << 57 | 9ULL << 39);
    not_mapped(1ULL << 56 | 255ULL << 48 | 9ULL << 39);
}

/* A table that is not in the guest's memory. */
MEMORY_TEST(a_table_that_is_not_there)
{
    put8(0x1000, 0, 0x7f000000000ULL | P);
    paging(PG, 0x1000, PAE, LMA);
    not_mapped(0x1000);
}

MEMORY_TEST(a_root_that_is_not_there)
{
    paging(PG, 0x7f000000000ULL, PAE, LMA);
    not_mapped(0x1000);
}

MEMORY_TEST(no_registers)
{
    uint64_t gpa;
    uint8_t byte;

    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    errno = 0;
    cr_assert_eq(vmiring_read_virt(h, &ev, 0, &byte, 1, NULL), -1);
    cr_assert_eq(errno, ENODATA);
    errno = 0;
    cr_assert_eq(vmiring_translate(h, &ev, 0, &gpa), -1);
    cr_assert_eq(errno, ENODATA);
}

/* ---- bytes ---- */

static void fill_guest(void)
{
    unsigned int i;

    for ( i = 0; i < FAKE_GUEST; i++ )
        f->guest[i] = i * 7 + i / 4096;
}

MEMORY_TEST(physical)
{
    uint8_t buf[3 * 4096];
    uint64_t bad = 1;

    fill_guest();
    cr_assert_eq(vmiring_read_phys(h, 100, buf, sizeof(buf), &bad),
                 sizeof(buf));
    cr_assert_eq(memcmp(buf, f->guest + 100, sizeof(buf)), 0);

    /* Page 2 is not there: two pages less 100 bytes, and where it ended. */
    f->guest_holes = 1U << 2;
    cr_assert_eq(vmiring_read_phys(h, 100, buf, sizeof(buf), &bad),
                 2 * 4096 - 100);
    cr_assert_eq(bad, 2 * 4096);
    errno = 0;
    cr_assert_eq(vmiring_read_phys(h, 2 * 4096 + 5, buf, 1, &bad), -1);
    cr_assert_eq(errno, EFAULT);
    cr_assert_eq(bad, 2 * 4096 + 5);
    errno = 0;
    cr_assert_eq(vmiring_read_phys(h, 2 * 4096, buf, 1, NULL), -1);
    cr_assert_eq(errno, EFAULT);
}

MEMORY_TEST(physical_arguments)
{
    uint8_t buf[8];

    errno = 0;
    cr_assert_eq(vmiring_read_phys(h, 0, buf, 0, NULL), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_read_phys(h, 0, NULL, 1, NULL), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_read_phys(h, UINT64_MAX, buf, 8, NULL), -1);
    cr_assert_eq(errno, EFAULT);
}

MEMORY_TEST(physical_write)
{
    uint8_t buf[5000];
    uint64_t bad;

    memset(buf, 0xa5, sizeof(buf));
    cr_assert_eq(vmiring_write_phys(h, 4000, buf, sizeof(buf), &bad),
                 sizeof(buf));
    cr_assert_eq(f->guest[3999], 0);
    cr_assert_eq(f->guest[4000], 0xa5);
    cr_assert_eq(f->guest[8999], 0xa5);
    cr_assert_eq(f->guest[9000], 0);

    f->guest_holes = 1U << 1;
    cr_assert_eq(vmiring_write_phys(h, 4000, buf, sizeof(buf), &bad), 96);
    cr_assert_eq(bad, 4096);
}

/* Consecutive pages of the guest lie apart, and in the other order. */
MEMORY_TEST(virtual_across_pages)
{
    uint8_t buf[8192];
    uint64_t bad = 1;

    fill_guest();
    put4(0x1000, 0, 0x2000 | P);
    put4(0x2000, 0, 0x9000 | P);
    put4(0x2000, 1, 0x5000 | P);
    put4(0x2000, 2, 0);
    paging(PG, 0x1000, PSE, 0);

    cr_assert_eq(vmiring_read_virt(h, &ev, 0xff0, buf, 32, &bad), 32);
    cr_assert_eq(memcmp(buf, f->guest + 0x9ff0, 16), 0);
    cr_assert_eq(memcmp(buf + 16, f->guest + 0x5000, 16), 0);

    cr_assert_eq(vmiring_read_virt(h, &ev, 0x1000, buf, 8192, &bad), 4096);
    cr_assert_eq(bad, 0x2000);
    errno = 0;
    cr_assert_eq(vmiring_read_virt(h, &ev, 0x2004, buf, 4, &bad), -1);
    cr_assert_eq(errno, EFAULT);
    cr_assert_eq(bad, 0x2004);

    memset(buf, 0x3c, sizeof(buf));
    cr_assert_eq(vmiring_write_virt(h, &ev, 0xfff, buf, 2, &bad), 2);
    cr_assert_eq(f->guest[0x9fff], 0x3c);
    cr_assert_eq(f->guest[0x5000], 0x3c);
}

/* A read that runs past the last address stops there. */
MEMORY_TEST(virtual_at_the_end)
{
    uint8_t buf[64];
    uint64_t bad = 1;

    put8(0x1000, 511, 0x2000 | P);
    put8(0x2000, 511, 0x3000 | P);
    put8(0x3000, 511, 0x4000 | P);
    put8(0x4000, 511, 0x5000 | P);
    paging(PG, 0x1000, PAE, LMA);
    cr_assert_eq(vmiring_read_virt(h, &ev, UINT64_MAX - 15, buf, 64, &bad),
                 16);
    cr_assert_eq(bad, 0);
}

/* ---- arm64: which registers the walk is given; it has a test of its own ---- */

static void set_up_arm(void)
{
    f = fake_new(1);
    f->features |= VMEV2_FEAT_ARM64;
    h = fake_open(f);
}

static void arm_event(const struct vmev2_regs_arm64 *regs)
{
    fake_sync_full(f, 0, VMIRING_SINGLESTEP, NULL, 0, regs,
                   regs ? VMEV2_REGS_CORE : VMEV2_REGS_NONE);
    must_receive(h, &ev, 1);
}

#define ARM_TEST(name) \
    Test(memory_arm64, name, .init = set_up_arm, .fini = tear_down)

/* EL1, 39 bits of address and pages of 4 KiB: three levels from 0x4000 on. */
static const struct vmev2_regs_arm64 arm_regs = {
    .cpsr = 5, .ttbr0 = 0x4000, .tcr = 64 - 39, .sctlr = 1,
};

ARM_TEST(virtual_address)
{
    uint8_t got[8] = { 0 };

    put8(0x4000, 0, 0x5003);
    put8(0x5000, 0, 0x6003);
    put8(0x6000, 1, 0x7403);
    f->guest[0x7234] = 0x5a;
    arm_event(&arm_regs);
    maps_to(0x1234, 0x7234);
    not_mapped(0x2000);
    cr_assert_eq(vmiring_read_virt(h, &ev, 0x1234, got, sizeof(got), NULL), 8);
    cr_assert_eq(got[0], 0x5a);
}

ARM_TEST(no_translation)
{
    struct vmev2_regs_arm64 regs = arm_regs;

    regs.sctlr = 0;
    arm_event(&regs);
    maps_to(0x1234, 0x1234);
}

ARM_TEST(no_registers)
{
    uint64_t gpa;

    arm_event(NULL);
    errno = 0;
    cr_assert_eq(vmiring_translate(h, &ev, 0x1234, &gpa), -1);
    cr_assert_eq(errno, ENODATA);
    cr_assert(strstr(vmiring_error(h), "TTBR0"), "%s", vmiring_error(h));
}
