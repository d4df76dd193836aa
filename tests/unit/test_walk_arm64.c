/* SPDX-License-Identifier: MIT */
/*
 * arm64's page-table walk, on tables built by hand: each granule with every
 * number of levels, pages and blocks, both halves, and what must not be
 * translated.  Expected addresses are written out, not computed by the walker's
 * rules.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "walk_arm64.h"

#define TABLE 3ULL              /* valid, table; at the last level a page */
#define BLOCK 1ULL
#define UXN   (1ULL << 54)      /* attributes, which are no address */
#define AF    (1ULL << 10)

#define TG0_4K  (0ULL << 14)
#define TG0_64K (1ULL << 14)
#define TG0_16K (2ULL << 14)
#define TG1_16K (1ULL << 30)
#define TG1_4K  (2ULL << 30)
#define TG1_64K (3ULL << 30)
#define T0SZ(bits) (64ULL - (bits))
#define T1SZ(bits) ((64ULL - (bits)) << 16)

static int failures, checks;

/* Guest memory: descriptors at addresses, all else is not there. */
struct cell {
    uint64_t address, value;
};

struct memory {
    const struct cell *cell;
    size_t nr;
};

static int look(void *ctx, uint64_t gpa, uint64_t *descriptor)
{
    const struct memory *m = ctx;
    size_t i;

    for ( i = 0; i < m->nr; i++ )
        if ( m->cell[i].address == gpa )
        {
            *descriptor = m->cell[i].value;
            return 0;
        }
    errno = ENXIO;              /* no other error has this number */

    return -1;
}

#define MEMORY(...) \
    { (const struct cell[]){ __VA_ARGS__ }, \
      sizeof((const struct cell[]){ __VA_ARGS__ }) / sizeof(struct cell) }

struct row {
    const char *what;
    struct arm64_regs regs;
    uint64_t va;
    struct memory memory;
    uint64_t gpa;
    int err;                    /* 0: gpa is expected */
};

#define ON(...) { .sctlr = 1, .sctlr_known = true, .cpsr = 5, __VA_ARGS__ }

static const struct row rows[] = {
    { "MMU off", { .sctlr_known = true, .ttbr0 = 0x1000 }, 0x40080123,
      { NULL, 0 }, 0x40080123, 0 },
    { "MMU off, beyond 48 bits", { .sctlr_known = true }, 1ULL << 48,
      { NULL, 0 }, 0, EFAULT },
    { "no SCTLR, nothing set up", { .cpsr = 5 }, 0x1234, { NULL, 0 }, 0x1234,
      0 },
    { "no SCTLR, tables there", { .cpsr = 5, .ttbr0 = 0x10000,
      .tcr = T0SZ(21) }, 0x1123, MEMORY({ 0x10008, 0x55000 | TABLE }), 0x55123,
      0 },

    /* 0x123456789abc: indexes 36, 209, 179 and 393, offset 0xabc. */
    { "4K, 48 bits, page", ON(.ttbr0 = 0x10000, .tcr = T0SZ(48) | TG0_4K),
      0x123456789abc,
      MEMORY({ 0x10000 + 36 * 8, 0x11000 | TABLE },
             { 0x11000 + 209 * 8, 0x12000 | TABLE },
             { 0x12000 + 179 * 8, 0x13000 | TABLE },
             { 0x13000 + 393 * 8, 0x7654321000 | UXN | AF | TABLE }),
      0x7654321abc, 0 },
    { "4K, 2 MiB block", ON(.ttbr0 = 0x10000, .tcr = T0SZ(48)),
      0x123456789abc,
      MEMORY({ 0x10000 + 36 * 8, 0x11000 | TABLE },
             { 0x11000 + 209 * 8, 0x12000 | TABLE },
             { 0x12000 + 179 * 8, 0x80200000 | AF | BLOCK }),
      0x80389abc, 0 },
    { "4K, 1 GiB block", ON(.ttbr0 = 0x10000, .tcr = T0SZ(48)),
      0x123456789abc,
      MEMORY({ 0x10000 + 36 * 8, 0x11000 | TABLE },
             { 0x11000 + 209 * 8, 0x480000000 | BLOCK }),
      0x496789abc, 0 },
    { "4K, a block at level 0", ON(.ttbr0 = 0x10000, .tcr = T0SZ(48)),
      0x123456789abc, MEMORY({ 0x10000 + 36 * 8, 0x11000 | BLOCK }), 0,
      EFAULT },
    { "4K, last level is no page", ON(.ttbr0 = 0x10000, .tcr = T0SZ(21)),
      0x1000, MEMORY({ 0x10008, 0x55000 | BLOCK }), 0, EFAULT },

    /* 39 bits: three levels, 0x3456789abc: 209, 179, 393. */
    { "4K, 39 bits", ON(.ttbr0 = 0x10000, .tcr = T0SZ(39)), 0x3456789abc,
      MEMORY({ 0x10000 + 209 * 8, 0x12000 | TABLE },
             { 0x12000 + 179 * 8, 0x13000 | TABLE },
             { 0x13000 + 393 * 8, 0x99000 | TABLE }), 0x99abc, 0 },
    /* 32 bits: the first table has four entries and 32 bytes. */
    { "4K, 32 bits, a small table", ON(.ttbr0 = 0x10020, .tcr = T0SZ(32)),
      0xc0001234,
      MEMORY({ 0x10038, 0x12000 | TABLE }, { 0x12000, 0x13000 | TABLE },
             { 0x13008, 0x99000 | TABLE }), 0x99234, 0 },
    { "4K, 30 bits: two levels", ON(.ttbr0 = 0x10000, .tcr = T0SZ(30)),
      0x201000,
      MEMORY({ 0x10008, 0x13000 | TABLE }, { 0x13008, 0x99000 | TABLE }),
      0x99000, 0 },
    { "4K, ASID and CnP in TTBR", ON(.ttbr0 = 0x1234000000010001ULL,
      .tcr = T0SZ(39)), 0x40000000, MEMORY({ 0x10008, 0x80000000 | BLOCK }),
      0x80000000, 0 },

    /* The upper half: the kernel's. */
    { "4K, TTBR1, 48 bits", ON(.ttbr1 = 0x20000, .tcr = T1SZ(48) | TG1_4K),
      0xffff000000201234,
      MEMORY({ 0x20000, 0x21000 | TABLE }, { 0x21000, 0x22000 | TABLE },
             { 0x22008, 0x23000 | TABLE }, { 0x23008, 0x99000 | TABLE }),
      0x99234, 0 },
    { "4K, TTBR1, 39 bits", ON(.ttbr1 = 0x20000, .tcr = T1SZ(39) | TG1_4K),
      0xffffff8040000010,
      MEMORY({ 0x20008, 0x40000000 | BLOCK }), 0x40000010, 0 },
    { "above the lower half", ON(.tcr = T0SZ(39)), 1ULL << 39, { NULL, 0 }, 0,
      EFAULT },
    { "below the upper half", ON(.tcr = T1SZ(39) | TG1_4K), 0xffffff0000000000,
      { NULL, 0 }, 0, EFAULT },
    { "a tag without TBI", ON(.ttbr0 = 0x10000, .tcr = T0SZ(39)),
      0x5a00000040000000, { NULL, 0 }, 0, EFAULT },
    { "a tag with TBI0", ON(.ttbr0 = 0x10000, .tcr = T0SZ(39) | 1ULL << 37),
      0x5a00000040000000, MEMORY({ 0x10008, 0x80000000 | BLOCK }), 0x80000000,
      0 },
    { "a tag with TBI1", ON(.ttbr1 = 0x20000,
      .tcr = T1SZ(39) | TG1_4K | 1ULL << 38), 0x5affff8040000000,
      MEMORY({ 0x20008, 0x80000000 | BLOCK }), 0x80000000, 0 },
    { "EPD0", ON(.ttbr0 = 0x10000, .tcr = T0SZ(39) | 1ULL << 7), 0x40000000,
      MEMORY({ 0x10008, 0x80000000 | BLOCK }), 0, EFAULT },
    { "EPD1", ON(.ttbr1 = 0x20000, .tcr = T1SZ(39) | TG1_4K | 1ULL << 23),
      0xffffff8040000000, MEMORY({ 0x20008, 0x80000000 | BLOCK }), 0, EFAULT },

    /* 16K: 11 bits a level.  0x123456789abc: 0, 291, 555, 482, 0x1abc. */
    { "16K, 48 bits", ON(.ttbr0 = 0x40000, .tcr = T0SZ(48) | TG0_16K),
      0x123456789abc,
      MEMORY({ 0x40000 + 0 * 8, 0x44000 | TABLE },
             { 0x44000 + 291 * 8, 0x48000 | TABLE },
             { 0x48000 + 555 * 8, 0x4c000 | TABLE },
             { 0x4c000 + 482 * 8, 0x765430c000 | TABLE }), 0x765430dabc, 0 },
    { "16K, 47 bits, 32 MiB block", ON(.ttbr0 = 0x40000,
      .tcr = T0SZ(47) | TG0_16K), 0x123456789abc,
      MEMORY({ 0x40000 + 291 * 8, 0x48000 | TABLE },
             { 0x48000 + 555 * 8, 0x82000000 | BLOCK }), 0x82789abc, 0 },
    { "16K, a block at level 1", ON(.ttbr0 = 0x40000,
      .tcr = T0SZ(47) | TG0_16K), 0x123456789abc,
      MEMORY({ 0x40000 + 291 * 8, 0x48000 | BLOCK }), 0, EFAULT },
    { "16K, 36 bits, TTBR1", ON(.ttbr1 = 0x40000, .tcr = T1SZ(36) | TG1_16K),
      0xfffffff002004010,
      MEMORY({ 0x40008, 0x44000 | TABLE }, { 0x44008, 0x98000 | TABLE }),
      0x98010, 0 },

    /* 64K: 13 bits a level.  0x123456789abc: 4, 4514, 5752, 0x9abc. */
    { "64K, 48 bits", ON(.ttbr0 = 0x100000, .tcr = T0SZ(48) | TG0_64K),
      0x123456789abc,
      MEMORY({ 0x100000 + 4 * 8, 0x110000 | TABLE },
             { 0x110000 + 4514 * 8, 0x120000 | TABLE },
             { 0x120000 + 5752 * 8, 0x7654320000 | TABLE }), 0x7654329abc, 0 },
    { "64K, 512 MiB block", ON(.ttbr0 = 0x100000, .tcr = T0SZ(42) | TG0_64K),
      0x23456789abc, MEMORY({ 0x100000 + 4514 * 8, 0x60000000 | BLOCK }),
      0x76789abc, 0 },
    { "64K, a block at level 1", ON(.ttbr0 = 0x100000,
      .tcr = T0SZ(48) | TG0_64K), 0x123456789abc,
      MEMORY({ 0x100000 + 4 * 8, 0x110000 | BLOCK }), 0, EFAULT },
    { "64K, 42 bits, TTBR1", ON(.ttbr1 = 0x100000, .tcr = T1SZ(42) | TG1_64K),
      0xfffffc0020010020,
      MEMORY({ 0x100008, 0x110000 | TABLE }, { 0x110008, 0x980000 | TABLE }),
      0x980020, 0 },

    { "not valid", ON(.ttbr0 = 0x10000, .tcr = T0SZ(39)), 0x40000000,
      MEMORY({ 0x10008, 0x80000000 }), 0, EFAULT },
    { "a table that is not there", ON(.ttbr0 = 0x10000, .tcr = T0SZ(39)),
      0x40000000, { NULL, 0 }, 0, ENXIO },
    { "reserved granule", ON(.tcr = T0SZ(39) | 3ULL << 14), 0, { NULL, 0 }, 0,
      ENOTSUP },
    { "reserved granule, upper", ON(.tcr = T1SZ(39)), ~0xfffULL, { NULL, 0 }, 0,
      ENOTSUP },
    { "52-bit addresses", ON(.tcr = T0SZ(52) | TG0_64K), 0, { NULL, 0 }, 0,
      ENOTSUP },
    { "52-bit descriptors", ON(.tcr = T0SZ(48) | 1ULL << 59), 0, { NULL, 0 }, 0,
      ENOTSUP },
    { "52-bit output", ON(.tcr = T0SZ(48) | 6ULL << 32), 0, { NULL, 0 }, 0,
      ENOTSUP },
    { "smaller than a granule", ON(.tcr = 52), 0, { NULL, 0 }, 0, ENOTSUP },
    { "an AArch32 kernel", { .sctlr = 1, .sctlr_known = true, .cpsr = 0x13 }, 0,
      { NULL, 0 }, 0, ENOTSUP },
    { "an AArch32 program", { .sctlr = 1, .sctlr_known = true, .cpsr = 0x30,
      .ttbr0 = 0x10000, .tcr = T0SZ(39) }, 0x40000000,
      MEMORY({ 0x10008, 0x80000000 | BLOCK }), 0x80000000, 0 },
};

static void run(const struct row *r)
{
    uint64_t gpa = 0;
    int rc;

    errno = 0;
    rc = arm64_walk(&r->regs, r->va, &gpa, look, (void *)&r->memory);
    checks++;
    if ( r->err ? rc == -1 && errno == r->err : !rc && gpa == r->gpa )
        return;
    failures++;
    printf("%s: %#" PRIx64 " gave %d, errno %d (%s), %#" PRIx64
           "; expected %#" PRIx64 ", errno %d\n", r->what, r->va, rc, errno,
           strerror(errno), gpa, r->gpa, r->err);
}

int main(void)
{
    size_t i;

    for ( i = 0; i < sizeof(rows) / sizeof(rows[0]); i++ )
        run(&rows[i]);
    printf("%d checks, %d failed\n", checks, failures);

    return failures != 0;
}
