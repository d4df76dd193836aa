/* SPDX-License-Identifier: GPL-2.0-only */
/* What the library's host asks of the simulated Xen. */
#include "harness.h"
#include "glue.h"
#include "rt.h"

#include <stdlib.h>

struct glue_bell {
    struct sim_binding *binding;
};

int glue_dm_op(uint32_t domid, void *buf0, size_t size0, void *buf1,
               size_t size1)
{
    struct xen_dm_op_buf buf[2] = { { .size = size0 }, { .size = size1 } };
    int rc;

    buf[0].h.p = buf0;
    buf[1].h.p = buf1;
    rt_in_xen(1);
    rc = sim_dm_op(domid, buf, buf1 ? 2 : 1);
    rt_in_xen(-1);

    return rc;
}

int glue_acquire(uint32_t domid, uint32_t type, uint32_t id, uint64_t first,
                 uint64_t nr, int *fd, off_t *place)
{
    xen_pfn_t mfn[64];
    unsigned int i;
    int rc;

    if ( nr > ARRAY_SIZE(mfn) )
        return -E2BIG;
    rt_in_xen(1);
    rc = sim_acquire_resource(domid, type, id, first, nr, mfn);
    for ( i = 0; !rc && i < nr; i++ )
        *fd = sim_page_place(mfn[i], &place[i]);
    rt_in_xen(-1);

    return rc;
}

int glue_bind(uint32_t domid, uint32_t port, struct glue_bell **bell)
{
    struct sim_binding *b;
    struct domain *d;
    int rc = -ESRCH;

    rt_in_xen(1);
    d = sim_domain_find(domid);
    if ( d )
    {
        rc = sim_evtchn_bind(d, port, &b);
        put_domain(d);
    }
    if ( !rc )
    {
        *bell = malloc(sizeof(**bell));
        (*bell)->binding = b;
    }
    rt_in_xen(-1);

    return rc;
}

void glue_unbind(struct glue_bell *bell)
{
    rt_in_xen(1);
    sim_evtchn_unbind(bell->binding);
    rt_in_xen(-1);
    free(bell);
}

void glue_kick(struct glue_bell *bell)
{
    rt_in_xen(1);
    sim_evtchn_send(bell->binding);
    rt_in_xen(-1);
}

int glue_fd(const struct glue_bell *bell)
{
    return sim_evtchn_fd(bell->binding);
}

int glue_drain(struct glue_bell *bell)
{
    return sim_evtchn_pending(bell->binding);
}

int glue_legacy_version(void)
{
    struct xen_domctl_vm_event_op op = { .op = XEN_VM_EVENT_GET_VERSION };
    int rc;

    rt_in_xen(1);
    rc = sim_domctl_vm_event(DOMID_INVALID, &op);
    rt_in_xen(-1);

    return rc ?: (int)op.u.version;
}

int glue_legacy_enable(uint32_t domid, uint32_t *port, int *fd)
{
    struct xen_domctl_vm_event_op op = {
        .op = XEN_VM_EVENT_ENABLE, .mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR,
    };
    struct domain *d;
    int rc;

    rt_in_xen(1);
    rc = sim_domctl_vm_event(domid, &op);
    if ( !rc )
    {
        *port = op.u.enable.port;
        d = sim_domain_find(domid);
        *fd = sim_ring_fd(d, SIM_RING_MONITOR);
        put_domain(d);
    }
    rt_in_xen(-1);

    return rc;
}

int glue_legacy_disable(uint32_t domid)
{
    struct xen_domctl_vm_event_op op = {
        .op = XEN_VM_EVENT_DISABLE, .mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR,
    };
    int rc;

    rt_in_xen(1);
    rc = sim_domctl_vm_event(domid, &op);
    rt_in_xen(-1);

    return rc;
}

int glue_legacy_monitor(uint32_t domid, uint32_t event, bool enable, bool sync)
{
    struct domain *d;
    int rc = -ESRCH;

    rt_in_xen(1);
    d = sim_domain_find(domid);
    if ( d )
    {
        rc = legacy_monitor(d, enable ? XEN_DOMCTL_MONITOR_OP_ENABLE
                                      : XEN_DOMCTL_MONITOR_OP_DISABLE,
                            event, sync);
        put_domain(d);
    }
    rt_in_xen(-1);

    return rc;
}

int glue_pause(uint32_t domid, bool pause)
{
    struct domain *d;
    int rc = -ESRCH;

    rt_in_xen(1);
    d = sim_domain_find(domid);
    if ( d )
    {
        rc = pause ? domain_pause_by_systemcontroller(d)
                   : domain_unpause_by_systemcontroller(d);
        put_domain(d);
    }
    rt_in_xen(-1);

    return rc;
}

void glue_become_dom0(void)
{
    sim_thread_become(NULL);
}
