/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_DOMAIN_PAGE_H
#define SIM_XEN_DOMAIN_PAGE_H

#include <xen/mm.h>

void *map_domain_page(mfn_t mfn);
void unmap_domain_page(const void *va);
void clear_domain_page(mfn_t mfn);

#define map_domain_page_global(mfn)     map_domain_page(mfn)
#define unmap_domain_page_global(va)    unmap_domain_page(va)
#define __map_domain_page(pg)           map_domain_page(page_to_mfn(pg))
#define __map_domain_page_global(pg)    map_domain_page(page_to_mfn(pg))

#endif
