/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_XMALLOC_H
#define SIM_XEN_XMALLOC_H

#include <xen/types.h>

/* Counted (sim_leaks()), and made to fail on demand (sim_fail_alloc()). */
void *sim_alloc(size_t size, size_t nr, bool zero);
void sim_free(void *p);

#define xmalloc(type)               ((type *)sim_alloc(sizeof(type), 1, false))
#define xzalloc(type)               ((type *)sim_alloc(sizeof(type), 1, true))
#define xzalloc_array(type, n)      ((type *)sim_alloc(sizeof(type), n, true))
#define xfree(p)                    sim_free(p)
#define XFREE(p) do { xfree(p); (p) = NULL; } while ( 0 )

#endif
