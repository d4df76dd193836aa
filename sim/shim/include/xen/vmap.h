/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_VMAP_H
#define SIM_XEN_VMAP_H

#include <xen/mm.h>
#include <xen/xmalloc.h>

void *vmap(const mfn_t *mfn, unsigned int nr);
void vunmap(const void *va);

#define vzalloc(size)       sim_alloc(size, 1, true)
#define vfree(va)           sim_free(va)

#endif
