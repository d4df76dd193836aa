/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_BITOPS_H
#define SIM_XEN_BITOPS_H

#include <asm/bitops.h>

/* First set bit at or after from, or size if there is none. */
static inline unsigned int find_next_bit(const unsigned long *addr,
                                         unsigned int size, unsigned int from)
{
    while ( from < size )
    {
        unsigned long word = sim_fetch(from, addr) >> (from % BITS_PER_LONG);
        unsigned int left = BITS_PER_LONG - from % BITS_PER_LONG;

        if ( word )
        {
            from += __builtin_ctzl(word);
            return from < size ? from : size;
        }
        from += left;
    }

    return size;
}

#define find_first_bit(addr, size) find_next_bit(addr, size, 0)
#define for_each_set_bit(bit, addr, size)           \
    for ( (bit) = find_first_bit(addr, size);       \
          (bit) < (size);                           \
          (bit) = find_next_bit(addr, size, (bit) + 1) )

static inline unsigned int hweight64(uint64_t w)
{
    return __builtin_popcountll(w);
}

#define hweight_long(w) hweight64(w)

/* Number of the highest set bit, counted from 1; 0 if there is none. */
static inline int fls(unsigned int x)
{
    return x ? 32 - __builtin_clz(x) : 0;
}

static inline int sim_flsl(unsigned long x)
{
    return x ? 64 - __builtin_clzl(x) : 0;
}

#define flsl(x) sim_flsl(x)

#endif
