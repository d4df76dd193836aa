/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_MEM_ACCESS_H
#define SIM_XEN_MEM_ACCESS_H

#include <xen/sched.h>
#include <public/memory.h>

/* A domain that was given access rights (d->arch.access) can do it. */
bool p2m_mem_access_sanity_check(const struct domain *d);
unsigned long domain_get_maximum_gpfn(struct domain *d);

int p2m_get_mem_access(struct domain *d, gfn_t gfn, xenmem_access_t *access,
                       unsigned int altp2m_idx);
long p2m_set_mem_access(struct domain *d, gfn_t gfn, uint32_t nr,
                        uint32_t start, uint32_t mask, xenmem_access_t access,
                        unsigned int altp2m_idx);

#endif
