/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_DOMAIN_PAGE_H
#define SIM_XEN_DOMAIN_PAGE_H

#include <xen/mm.h>

void clear_domain_page(mfn_t mfn);

#endif
