/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_BITMAP_H
#define SIM_XEN_BITMAP_H

#include <xen/bitops.h>
#include <xen/string.h>

static inline void bitmap_zero(unsigned long *map, unsigned int bits)
{
    memset(map, 0, BITS_TO_LONGS(bits) * sizeof(*map));
}

static inline bool bitmap_empty(const unsigned long *map, unsigned int bits)
{
    return find_first_bit(map, bits) == bits;
}

static inline unsigned int bitmap_weight(const unsigned long *map,
                                         unsigned int bits)
{
    unsigned int bit, nr = 0;

    for_each_set_bit ( bit, map, bits )
        nr++;

    return nr;
}

#endif
