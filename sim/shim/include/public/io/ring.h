/* SPDX-License-Identifier: GPL-2.0-only */
#include <sys-xen/io/ring.h>
#include <xen/compiler.h>

/*
 * The macro publishes by a fence and a plain store, which ThreadSanitizer can't
 * follow (see asm/system.h): its build stores with release.
 */
#if defined(SIM_TSAN) && !defined(SIM_SCHED)
#undef RING_PUSH_REQUESTS
#define RING_PUSH_REQUESTS(_r) \
    __atomic_store_n(&(_r)->sring->req_prod, (_r)->req_prod_pvt, \
                     __ATOMIC_RELEASE)
#endif
