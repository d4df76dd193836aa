/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * XEN_DMOP_vm_event: the control plane of version 2.
 *
 * One structure comes in, is checked as a private copy and goes back.  Its
 * layout is the same for 32-bit and 64-bit callers, so the compat dm_op calls
 * this as it is.
 */
#include <xen/dm.h>
#include <xen/guest_access.h>
#include <xen/monitor.h>
#include <xen/nospec.h>
#include <xen/time.h>
#include <asm/monitor.h>
#include <public/domctl.h>
#include <xsm/xsm.h>

#include "private.h"

/* Reasons that version 2 can subscribe to, by the monitor's event numbers. */
static const struct {
    uint8_t event;
    bool known;
} events[VMEV2_REASONS] = {
#define EVENT(r, e) [VMEV2_REASON_ ## r] = { XEN_DOMCTL_MONITOR_EVENT_ ## e, true }
    EVENT(WRITE_CTRLREG, WRITE_CTRLREG),
    EVENT(MOV_TO_MSR, MOV_TO_MSR),
    EVENT(SINGLESTEP, SINGLESTEP),
    EVENT(SOFTWARE_BREAKPOINT, SOFTWARE_BREAKPOINT),
    EVENT(GUEST_REQUEST, GUEST_REQUEST),
    EVENT(DEBUG_EXCEPTION, DEBUG_EXCEPTION),
    EVENT(CPUID, CPUID),
    EVENT(PRIVILEGED_CALL, PRIVILEGED_CALL),
    EVENT(DESCRIPTOR_ACCESS, DESC_ACCESS),
    EVENT(EMUL_UNIMPLEMENTED, EMUL_UNIMPLEMENTED),
    EVENT(VMEXIT, VMEXIT),
#undef EVENT
};

/* Reasons whose handlers wait for the answer whatever was asked for. */
#define ALWAYS_SYNC ((1U << VMEV2_REASON_MOV_TO_MSR) | \
                     (1U << VMEV2_REASON_SINGLESTEP) | \
                     (1U << VMEV2_REASON_SOFTWARE_BREAKPOINT) | \
                     (1U << VMEV2_REASON_CPUID) | \
                     (1U << VMEV2_REASON_PRIVILEGED_CALL) | \
                     (1U << VMEV2_REASON_DESCRIPTOR_ACCESS) | \
                     (1U << VMEV2_REASON_EMUL_UNIMPLEMENTED))

static bool room_zero(const struct vmev2_op *op, unsigned int used)
{
    const uint8_t *p = (const uint8_t *)&op->u;
    unsigned int i;

    for ( i = used; i < sizeof(op->u); i++ )
        if ( p[i] )
            return false;

    return true;
}

static int do_query(struct domain *d, struct vmev2_op *op)
{
    struct vmev2_op_query *q = &op->u.query;
    uint32_t caps = arch_monitor_get_capabilities(d);
    unsigned int i;

    if ( !room_zero(op, 0) )
        return -EINVAL;

    q->version = VMEV2_VERSION;
    q->compat = VMEV2_COMPAT;
    q->features = VMEV2_FEAT_SPLIT_RINGS | VMEV2_FEAT_HOLD |
                  VMEV2_FEAT_DEADLINE | VMEV2_FEAT_SLOT_PORTS |
                  arch_vm_event_features(d);
    if ( vm_event_access_supported(d) )
    {
        q->features |= VMEV2_FEAT_MEM_ACCESS | VMEV2_FEAT_ACCESS_LOOKS;
        q->reasons |= 1ULL << VMEV2_REASON_MEM_ACCESS;
    }
    q->ring_max = vm_event_ring_limit();
    q->nr_vcpus = d->max_vcpus;
    q->rsp_flags = arch_vm_event_rsp_flags(d);
    for ( i = 0; i < VMEV2_REASONS; i++ )
        if ( events[i].known && (caps & (1U << events[i].event)) )
            q->reasons |= 1ULL << i;
    if ( q->rsp_flags & VMEV2_RSP_GET_NEXT_INTERRUPT )
        q->reasons |= 1ULL << VMEV2_REASON_INTERRUPT;

    return 0;
}

/* Counters of one vCPU, exact: nothing of it moves meanwhile. */
static void snapshot(struct vm_event_channel *ch, struct vcpu *v,
                     struct vmev2_vcpu_info *info)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    bool split;

    memset(info, 0, sizeof(*info));
    if ( !vv )
        return;

    info->pauses = read_atomic(&vv->pauses);
    if ( !ch )
        return;

    /* A split ring has no lock: its producer is held instead. */
    split = vv->ring && !vv->ring->shared;
    if ( split )
        vcpu_pause(v);
    spin_lock(&vv->lock);
    if ( vv->ring && !split )
        spin_lock(&vv->ring->lock);

    info->seq = vv->seq;
    info->produced = vv->produced;
    info->lost = vv->lost;
    info->raised = vv->raised;
    info->answered = vv->answered;
    info->released = vv->released;
    info->cancelled = vv->cancelled;
    info->stale = vv->stale;
    info->bad = vv->bad;
    info->pauses = read_atomic(&vv->pauses);
    info->pending = vv->outstanding + vv->stash_nr;
    if ( vv->outstanding )
    {
        info->pending_since = vv->published;
        info->pending_reason = vv->reason;
    }

    if ( vv->ring && !split )
        spin_unlock(&vv->ring->lock);
    spin_unlock(&vv->lock);
    if ( split )
        vcpu_unpause(v);
}

static void describe(const struct domain *d, struct vm_event_channel *ch,
                     struct vmev2_op_info *info)
{
    memset(info, 0, sizeof(*info));
    info->state = vm_event_channel_state(ch);
    info->legacy = vm_event_legacy_active(d);
    info->nr_vcpus = d->max_vcpus;
    info->now = NOW();
    info->agent_port = ~0U;
    if ( !ch )
        return;

    info->agent = ch->agent;
    info->on_death = ch->on_death;
    info->generation = ch->generation;
    info->pending = bitmap_weight(ch->outstanding, d->max_vcpus);
    info->nr_rings = ch->nr_rings;
    info->ring_bytes = ch->ring_bytes;
    info->agent_port = read_atomic(&ch->agent_port);
    info->slot_ports = ch->slot_ports;
    info->slot_ports_bound = read_atomic(&ch->slots_bound);
    vm_event_deadline_report(ch, info);
}

static int do_info(struct domain *d, struct vmev2_op *op,
                   const struct dmop_args *args)
{
    struct vm_event_channel *ch = vm_event_channel(d);
    uint32_t first = op->u.info.first, nr = op->u.info.nr, i;
    struct vmev2_op_info *info = &op->u.info;

    if ( !room_zero(op, 8) )
        return -EINVAL;

    if ( nr && first >= d->max_vcpus )
        return -ERANGE;
    nr = min(nr, d->max_vcpus - first);
    if ( nr && (args->nr_bufs < 2 ||
                args->buf[1].size / sizeof(struct vmev2_vcpu_info) < nr) )
        return -EFAULT;

    describe(d, ch, info);
    info->first = first;

    for ( i = 0; i < nr; i++ )
    {
        struct vcpu *v = domain_vcpu(d, first + i);
        struct vmev2_vcpu_info one = {};

        if ( v )
            snapshot(ch, v, &one);
        if ( copy_to_guest_offset(args->buf[1].h, i * sizeof(one),
                                  (void *)&one, sizeof(one)) )
            return -EFAULT;
    }

    info->nr = nr;

    return 0;
}

/* The options of one event, in the form that monitor_domctl() takes. */
static int fill_options(const struct vmev2_op_monitor *m,
                        struct xen_domctl_monitor_op *mop)
{
    bool onchange = m->flags & VMEV2_MON_ONCHANGEONLY;

    if ( m->reason != VMEV2_REASON_WRITE_CTRLREG && (m->index || m->mask) )
        return -EINVAL;
    if ( m->reason != VMEV2_REASON_MOV_TO_MSR && m->msr )
        return -EINVAL;
    if ( m->reason != VMEV2_REASON_GUEST_REQUEST &&
         (m->flags & VMEV2_MON_USERSPACE) )
        return -EINVAL;
    if ( onchange && m->reason != VMEV2_REASON_WRITE_CTRLREG &&
         m->reason != VMEV2_REASON_MOV_TO_MSR )
        return -EINVAL;

    switch ( m->reason )
    {
    case VMEV2_REASON_WRITE_CTRLREG:
        mop->u.mov_to_cr.index = m->index;
        mop->u.mov_to_cr.sync = m->sync;
        mop->u.mov_to_cr.onchangeonly = onchange;
        mop->u.mov_to_cr.bitmask = m->mask;
        return m->index > 3 ? -EINVAL : 0;

    case VMEV2_REASON_MOV_TO_MSR:
        mop->u.mov_to_msr.msr = m->msr;
        mop->u.mov_to_msr.onchangeonly = onchange;
        return 0;

    case VMEV2_REASON_GUEST_REQUEST:
        mop->u.guest_request.sync = m->sync;
        mop->u.guest_request.allow_userspace = m->flags & VMEV2_MON_USERSPACE;
        return 0;

    case VMEV2_REASON_DEBUG_EXCEPTION:
        mop->u.debug_exception.sync = m->sync;
        return 0;

    case VMEV2_REASON_VMEXIT:
        mop->u.vmexit.sync = m->sync;
        return 0;

    default:
        return 0;
    }
}

static int do_monitor(struct domain *d, struct vmev2_op *op)
{
    struct vm_event_channel *ch = vm_event_channel(d);
    const struct vmev2_op_monitor *m = &op->u.monitor;
    struct xen_domctl_monitor_op mop = {};
    uint32_t reason;
    int rc;

    if ( m->enable > 1 || m->sync > 1 || m->regs > VMEV2_REGS_ALL ||
         (m->flags & ~VMEV2_MON_KNOWN) || !room_zero(op, sizeof(*m)) )
        return -EINVAL;

    if ( m->reason >= VMEV2_REASONS )
        return -EINVAL;
    reason = array_index_nospec(m->reason, VMEV2_REASONS);
    if ( reason == VMEV2_REASON_MEM_ACCESS || reason == VMEV2_REASON_INTERRUPT )
    {
        /* An access, or a response, asks for them: only the set is chosen. */
        if ( m->flags || m->index || m->msr || m->mask )
            return -EINVAL;
        write_atomic(&ch->regs[reason],
                     m->enable ? m->regs : VMEV2_REGS_CORE);
        return 0;
    }
    if ( !events[reason].known )
        return -EOPNOTSUPP;
    if ( !m->sync && (ALWAYS_SYNC & (1U << reason)) && m->enable )
        return -EOPNOTSUPP;

    mop.op = m->enable ? XEN_DOMCTL_MONITOR_OP_ENABLE
                       : XEN_DOMCTL_MONITOR_OP_DISABLE;
    mop.event = events[reason].event;
    rc = fill_options(m, &mop);

    /* A write that can be denied must wait for the answer. */
    if ( !rc && m->enable && m->sync &&
         (reason == VMEV2_REASON_WRITE_CTRLREG ||
          reason == VMEV2_REASON_MOV_TO_MSR) )
        rc = arch_vm_event_defer_writes(d);

    if ( !rc )
    {
        uint8_t before = ch->regs[reason];

        /* Before the first event, not after. */
        if ( m->enable )
            write_atomic(&ch->regs[reason], m->regs);
        rc = monitor_domctl(d, &mop);
        if ( rc && m->enable )
            write_atomic(&ch->regs[reason], before);
    }

    return rc;
}

/* Commands that act on a channel: the caller must know which. */
static int do_channel_op(struct domain *d, struct vmev2_op *op,
                         const struct dmop_args *args)
{
    struct vm_event_channel *ch = vm_event_channel(d);
    int rc;

    switch ( op->cmd )
    {
    case VMEV2_CMD_CREATE:
        if ( op->generation || !room_zero(op, sizeof(op->u.create)) )
            return -EINVAL;
        return vm_event_channel_create(d, &op->u.create);

    case VMEV2_CMD_ATTACH:
        if ( op->generation || !room_zero(op, 0) )
            return -EINVAL;
        return vm_event_channel_attach(d, op->flags, &op->u.create);
    }

    if ( !ch || !ch->live )
        return -ENOENT;
    if ( op->generation != ch->generation )
        return -ENOTCONN;
    /* Who may introspect may free a guest from an agent that hangs. */
    if ( ch->agent != current->domain->domain_id &&
         op->cmd != VMEV2_CMD_DESTROY )
        return -EPERM;

    switch ( op->cmd )
    {
    case VMEV2_CMD_MONITOR:
        return do_monitor(d, op);

    case VMEV2_CMD_ACCESS_SET:
    case VMEV2_CMD_ACCESS_GET:
        if ( !room_zero(op, sizeof(op->u.access)) )
            return -EINVAL;
        rc = vm_event_access_op(d, op, args);
        /* An answer that goes with it was written before. */
        if ( !rc && op->cmd == VMEV2_CMD_ACCESS_SET )
            vm_event_slots_visit(d);
        return rc;

    case VMEV2_CMD_RESUME:
        if ( !room_zero(op, 0) )
            return -EINVAL;
        vm_event_slots_visit(d);
        vm_event_rings_recall(d, ch);
        return 0;

    case VMEV2_CMD_DESTROY:
        if ( !room_zero(op, 0) )
            return -EINVAL;
        return vm_event_channel_destroy(d, op->generation);
    }

    return -EOPNOTSUPP;
}

static int dispatch(struct domain *d, struct vmev2_op *op,
                    const struct dmop_args *args)
{
    int rc;

    if ( op->dmop_pad || (op->flags && op->cmd != VMEV2_CMD_ATTACH) )
        return -EINVAL;

    switch ( op->cmd )
    {
    case VMEV2_CMD_QUERY:
    case VMEV2_CMD_INFO:
        if ( op->generation )
            return -EINVAL;
        break;

    case VMEV2_CMD_CREATE:
    case VMEV2_CMD_ATTACH:
    case VMEV2_CMD_MONITOR:
    case VMEV2_CMD_ACCESS_SET:
    case VMEV2_CMD_ACCESS_GET:
    case VMEV2_CMD_RESUME:
    case VMEV2_CMD_DESTROY:
        break;

    default:
        return -EOPNOTSUPP;
    }

    rc = vm_event_lock(d);
    if ( rc )
        return rc;

    /* Teardown passes this lock once is_dying has been set. */
    if ( d->is_dying )
        rc = -ENODEV;
    else if ( op->cmd == VMEV2_CMD_QUERY )
        rc = do_query(d, op);
    else if ( op->cmd == VMEV2_CMD_INFO )
        rc = do_info(d, op, args);
    else
        rc = do_channel_op(d, op, args);

    vm_event_unlock(d);

    return rc;
}

static int vm_event_dm_op(const struct dmop_args *args)
{
    struct vmev2_op op;
    struct domain *d;
    int rc = rcu_lock_remote_domain_by_id(args->domid, &d);

    if ( rc )
        return rc;

    rc = -EINVAL;
    if ( !arch_vm_event_supported(d) )
        goto out;

    rc = xsm_dm_op(XSM_DM_PRIV, d);
    if ( !rc )
        rc = xsm_vm_event(XSM_PRIV, d);
    if ( rc )
        goto out;

    rc = -EFAULT;
    if ( args->buf[0].size < sizeof(op) ||
         copy_from_guest_offset((void *)&op, args->buf[0].h, 0, sizeof(op)) )
        goto out;

    rc = dispatch(d, &op, args);

    /* An access command says how far it came, also when it goes on later. */
    if ( (!rc || op.cmd == VMEV2_CMD_ACCESS_SET) &&
         copy_to_guest_offset(args->buf[0].h, 0, (void *)&op, sizeof(op)) )
        rc = -EFAULT;

 out:
    rcu_unlock_domain(d);

    return rc;
}

/* Every dm_op comes here; all but one are the architecture's. */
int dm_op(const struct dmop_args *args)
{
    uint32_t op;

    if ( args->nr_bufs < 1 || args->buf[0].size < sizeof(op) ||
         copy_from_guest_offset((void *)&op, args->buf[0].h, 0, sizeof(op)) )
        return -EFAULT;

    return op == XEN_DMOP_vm_event ? vm_event_dm_op(args) : arch_dm_op(args);
}
