/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_NOSPEC_H
#define SIM_XEN_NOSPEC_H

/*
 * A process needs no defence against its own speculation; the bound is
 * checked instead, as the caller must have done before.
 */
#include <xen/lib.h>

#define array_index_nospec(index, size) ({  \
    typeof(index) sim_i_ = (index);         \
    ASSERT(sim_i_ < (size));                \
    sim_i_; })

#endif
