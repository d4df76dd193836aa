/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XSM_H
#define SIM_XSM_H

#include <xen/sched.h>

typedef enum {
    XSM_HOOK, XSM_TARGET, XSM_DM_PRIV, XSM_PRIV, XSM_XS_PRIV, XSM_OTHER
} xsm_default_t;

/*
 * Dom0 may do everything and others nothing, but for a device model (a domain
 * whose target is d), which has XSM_DM_PRIV.  A test can deny all of it
 * (sim_xsm_deny()).
 */
int sim_xsm(xsm_default_t action, const struct domain *d);
int sim_xsm_v2(xsm_default_t action, const struct domain *d);

static inline int xsm_dm_op(xsm_default_t action, struct domain *d)
{
    return sim_xsm(action, d);
}

static inline int xsm_mem_access(xsm_default_t action, struct domain *d)
{
    return sim_xsm(action, d);
}

/* Our own: who may introspect. */
static inline int xsm_vm_event(xsm_default_t action, struct domain *d)
{
    return sim_xsm_v2(action, d);
}

static inline int xsm_domain_resource_map(xsm_default_t action,
                                          struct domain *d)
{
    return sim_xsm(action, d);
}

#endif
