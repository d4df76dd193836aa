/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_XEN_STRING_H
#define BENCH_XEN_STRING_H

#include <string.h>
#include <xen/types.h>

#include "hyper.h"

/* As Xen's: what the compiler knows the size of is its own business. */
#define memcpy(to, from, size)                              \
    (__builtin_constant_p(size) ? __builtin_memcpy(to, from, size) \
                                : hyper_copy(to, from, size))

#endif
