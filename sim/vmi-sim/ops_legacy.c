/* SPDX-License-Identifier: GPL-2.0-only */
/* The legacy ABI: what libxenctrl asks of a real Xen. */
#include "server.h"

#include <xen/mem_access.h>

#include <unistd.h>

int op_legacy_version(struct conn *c, struct domain *d)
{
    struct xen_domctl_vm_event_op op = { .op = XEN_VM_EVENT_GET_VERSION };
    int rc;

    (void)d;
    rc = sim_domctl_vm_event(DOMID_INVALID, &op);
    c->rep.val[0] = op.u.version;

    return rc;
}

/* As xc_vm_event_enable(): the page is cleared before Xen takes it. */
int op_legacy_enable(struct conn *c, struct domain *d)
{
    static const uint8_t zero[PAGE_SIZE];
    struct xen_domctl_vm_event_op op = {
        .op = XEN_VM_EVENT_ENABLE, .mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR,
    };
    int rc;

    if ( !vm_event_monitored(d) )
        BUG_ON(pwrite(sim_ring_fd(d, SIM_RING_MONITOR), zero, PAGE_SIZE, 0) !=
               PAGE_SIZE);

    rc = sim_domctl_vm_event(d->domain_id, &op);
    if ( rc )
        return rc;

    c->rep.val[0] = op.u.enable.port;
    c->fds[0] = sim_ring_fd(d, SIM_RING_MONITOR);
    c->rep.nr_fds = 1;

    return 0;
}

static int ring_op(struct domain *d, uint32_t number)
{
    struct xen_domctl_vm_event_op op = {
        .op = number, .mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR,
    };

    return sim_domctl_vm_event(d->domain_id, &op);
}

int op_legacy_disable(struct conn *c, struct domain *d)
{
    (void)c;

    return ring_op(d, XEN_VM_EVENT_DISABLE);
}

int op_legacy_resume(struct conn *c, struct domain *d)
{
    (void)c;

    return ring_op(d, XEN_VM_EVENT_RESUME);
}

/*
 * Fields that an event does not know must be zero; but sync may be said of
 * those that can be nothing else.
 */
static bool only_known(const struct simp_monitor *m)
{
    struct simp_monitor rest = *m;

    rest.op = rest.event = 0;
    if ( m->op != XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS )
        rest.sync = 0;
    switch ( m->event )
    {
    case XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG:
        rest.onchangeonly = 0;
        rest.index = 0;
        rest.mask = 0;
        break;

    case XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR:
        rest.onchangeonly = 0;
        rest.msr = 0;
        break;

    case XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST:
        rest.userspace = 0;
        break;
    }

    return !memcmp(&rest, &(struct simp_monitor){}, sizeof(rest)) &&
           m->sync <= 1 && m->onchangeonly <= 1 && m->userspace <= 1;
}

int op_legacy_monitor(struct conn *c, struct domain *d)
{
    struct simp_monitor m;
    struct xen_domctl_monitor_op op = {};

    if ( c->req.data_size[0] != sizeof(m) )
        return -EINVAL;
    memcpy(&m, c->in, sizeof(m));
    if ( m.op == XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES || !only_known(&m) )
        return -EINVAL;

    op.op = m.op;
    op.event = m.event;
    switch ( m.event )
    {
    case XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG:
        op.u.mov_to_cr.index = m.index;
        op.u.mov_to_cr.sync = m.sync;
        op.u.mov_to_cr.onchangeonly = m.onchangeonly;
        op.u.mov_to_cr.bitmask = m.mask;
        break;

    case XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR:
        op.u.mov_to_msr.msr = m.msr;
        op.u.mov_to_msr.onchangeonly = m.onchangeonly;
        break;

    case XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST:
        op.u.guest_request.sync = m.sync;
        op.u.guest_request.allow_userspace = m.userspace;
        break;

    case XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION:
        op.u.debug_exception.sync = m.sync;
        break;

    case XEN_DOMCTL_MONITOR_EVENT_VMEXIT:
        op.u.vmexit.sync = m.sync;
        break;
    }

    return sim_domctl_monitor(d->domain_id, &op);
}

int op_legacy_capabilities(struct conn *c, struct domain *d)
{
    struct xen_domctl_monitor_op op = {
        .op = XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES,
    };
    int rc = sim_domctl_monitor(d->domain_id, &op);

    c->rep.val[0] = op.event;

    return rc;
}

/* As mem_access_memop(): only with somebody there to get the events. */
int op_legacy_access_set(struct conn *c, struct domain *d)
{
    if ( c->req.arg[2] > UINT32_MAX || c->req.arg[1] > UINT32_MAX )
        return -EINVAL;
    if ( !vm_event_monitored(d) )
        return -ENODEV;

    return p2m_set_mem_access(d, _gfn(c->req.arg[0]), c->req.arg[1], 0, 0,
                              c->req.arg[2], 0);
}

int op_legacy_access_get(struct conn *c, struct domain *d)
{
    xenmem_access_t access;
    int rc;

    if ( !vm_event_monitored(d) )
        return -ENODEV;
    rc = p2m_get_mem_access(d, _gfn(c->req.arg[0]), &access, 0);
    if ( !rc )
        c->rep.val[0] = access;

    return rc;
}
