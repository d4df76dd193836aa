/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_BITMAP_H
#define SIM_XEN_BITMAP_H

#include <xen/bitops.h>

static inline unsigned int bitmap_weight(const unsigned long *map,
                                         unsigned int bits)
{
    unsigned int bit, nr = 0;

    for_each_set_bit ( bit, map, bits )
        nr++;

    return nr;
}

#endif
