/* SPDX-License-Identifier: MIT */
/*
 * VMSAv8-64, EL1&0, stage 1.  Names are those of the architecture manual.  A
 * level resolves as many bits as a table of one granule has entries; the first
 * one has what is left over, so its table may be smaller.
 */
#include <errno.h>

#include "walk_arm64.h"

#define SCTLR_M        1ULL
#define TCR_DS         (1ULL << 59)
#define TCR_IPS(tcr)   ((tcr) >> 32 & 7)
#define IPS_52_BITS    6U
#define DESC_VALID     1ULL
#define DESC_TABLE     2ULL     /* at the last level: a page */
#define ADDRESS_BITS   48
#define PSR_NRW        (1U << 4)
#define PSR_MODE       15U
#define LAST_LEVEL     3

/* What TCR says of one half of the address space. */
struct half {
    uint64_t table;
    unsigned int in;        /* bits of an input address */
    unsigned int granule;   /* log2 of its size; 0: reserved */
    bool off;               /* EPDn: no walks */
    bool tagged;            /* TBIn: the top byte does not count */
};

static uint64_t mask(unsigned int bits)
{
    return (1ULL << bits) - 1;
}

static int failed(int err)
{
    errno = err;

    return -1;
}

static struct half half_of(const struct arm64_regs *r, bool upper)
{
    static const uint8_t granule0[4] = { 12, 16, 14, 0 };
    static const uint8_t granule1[4] = { 0, 14, 12, 16 };
    uint64_t tcr = r->tcr;

    if ( upper )
        return (struct half){
            .table = r->ttbr1, .in = 64 - (tcr >> 16 & 63),
            .granule = granule1[tcr >> 30 & 3],
            .off = tcr >> 23 & 1, .tagged = tcr >> 38 & 1,
        };

    return (struct half){
        .table = r->ttbr0, .in = 64 - (tcr & 63),
        .granule = granule0[tcr >> 14 & 3],
        .off = tcr >> 7 & 1, .tagged = tcr >> 37 & 1,
    };
}

/* All bits above the input size repeat the one that chose the half. */
static bool in_range(const struct half *h, uint64_t va, bool upper)
{
    uint64_t above = h->tagged ? mask(56) & ~mask(h->in) : ~mask(h->in);

    return (va & above) == (upper ? above : 0);
}

/* Blocks: level 1 with 4 KiB granules alone, level 2 with all. */
static bool may_be_block(const struct half *h, unsigned int level)
{
    return level == 2 || (level == 1 && h->granule == 12);
}

static int walk(const struct half *h, uint64_t va, uint64_t *gpa,
                arm64_read *read, void *ctx)
{
    const unsigned int bits = h->granule - 3;
    const unsigned int levels = (h->in - h->granule + bits - 1) / bits;
    unsigned int level, first = LAST_LEVEL + 1 - levels;
    /* Bits of the first table's index; its size is its alignment. */
    unsigned int width = h->in - h->granule - (levels - 1) * bits;
    uint64_t table = h->table & mask(ADDRESS_BITS) & ~mask(width + 3);

    for ( level = first; level <= LAST_LEVEL; level++, width = bits )
    {
        unsigned int shift = h->granule + bits * (LAST_LEVEL - level);
        uint64_t descriptor;

        if ( read(ctx, table + (va >> shift & mask(width)) * 8, &descriptor) )
            return -1;
        if ( !(descriptor & DESC_VALID) )
            return failed(EFAULT);
        if ( level == LAST_LEVEL || !(descriptor & DESC_TABLE) )
        {
            bool page = descriptor & DESC_TABLE;

            if ( page != (level == LAST_LEVEL) ||
                 (!page && !may_be_block(h, level)) )
                return failed(EFAULT);
            *gpa = (descriptor & mask(ADDRESS_BITS) & ~mask(shift)) |
                   (va & mask(shift));
            return 0;
        }
        table = descriptor & mask(ADDRESS_BITS) & ~mask(h->granule);
    }

    return failed(EFAULT);
}

int arm64_walk(const struct arm64_regs *regs, uint64_t va, uint64_t *gpa,
               arm64_read *read, void *ctx)
{
    const bool upper = va >> 55 & 1;
    struct half h;

    /* User mode may be an AArch32 program of an AArch64 kernel. */
    if ( (regs->cpsr & PSR_NRW) && (regs->cpsr & PSR_MODE) )
        return failed(ENOTSUP);

    if ( regs->sctlr_known ? !(regs->sctlr & SCTLR_M)
                           : !regs->ttbr0 && !regs->ttbr1 && !regs->tcr )
    {
        *gpa = va;
        return va >> ADDRESS_BITS ? failed(EFAULT) : 0;
    }

    h = half_of(regs, upper);
    if ( (regs->tcr & TCR_DS) || TCR_IPS(regs->tcr) >= IPS_52_BITS ||
         !h.granule || h.in > ADDRESS_BITS || h.in <= h.granule )
        return failed(ENOTSUP);
    if ( h.off || !in_range(&h, va, upper) )
        return failed(EFAULT);

    return walk(&h, va, gpa, read, ctx);
}
