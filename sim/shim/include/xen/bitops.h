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

#endif
