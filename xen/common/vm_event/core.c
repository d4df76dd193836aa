/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What both ABIs stand on: the control lock, per-vCPU state, the one entry for
 * monitor events, and the way to an agent's mappings.
 */
#include <xen/err.h>
#include <xen/guest_access.h>
#include <xen/keyhandler.h>
#include <xen/mm.h>
#include <xen/monitor.h>
#include <xen/nospec.h>
#include <xen/rcupdate.h>
#include <xen/softirq.h>
#include <asm/altp2m.h>
#include <asm/monitor.h>
#include <asm/vm_event.h>
#include <public/domctl.h>
#include <xsm/xsm.h>

#include "private.h"

void vm_event_domain_init(struct domain *d)
{
    spin_lock_init(&d->vm_event_lock);
}

/* -ERESTART when it is taken: the holder may be pausing the caller. */
int vm_event_lock(struct domain *d)
{
    return spin_trylock(&d->vm_event_lock) ? 0 : -ERESTART;
}

void vm_event_unlock(struct domain *d)
{
    spin_unlock(&d->vm_event_lock);
}

/*
 * Gives every vCPU its state, and with stash a stash.  Under d->vm_event_lock.
 * -EINVAL: the toolstack has not made all vCPUs yet.
 */
int vm_event_alloc_vcpus(struct domain *d, bool stash)
{
    unsigned int i;

    for ( i = 0; i < d->max_vcpus; i++ )
    {
        struct vcpu *v = d->vcpu[i];
        struct vm_event_vcpu *vv;

        if ( !v )
            return -EINVAL;

        vv = vm_event_of(v);
        if ( !vv )
        {
            vv = xzalloc(struct vm_event_vcpu);
            if ( !vv )
                return -ENOMEM;
            spin_lock_init(&vv->lock);
            smp_wmb();  /* v itself reads the pointer without a lock */
            write_atomic(&v->vm_event, vv);
            vm_event_deadline_init(v);
        }

        if ( stash && !vv->stash )
        {
            vv->stash = xzalloc_array(struct vm_event_stash_entry,
                                      VM_EVENT_STASH);
            if ( !vv->stash )
                return -ENOMEM;
        }
    }

    return 0;
}

void vm_event_domain_free(struct domain *d)
{
    struct vm_event_channel *ch = d->vm_event;
    unsigned int i;

    for ( i = 0; i < d->max_vcpus; i++ )
    {
        struct vcpu *v = d->vcpu[i];

        if ( v && vm_event_of(v) )
        {
            vm_event_deadline_kill(v->vm_event);
            xfree(v->vm_event->stash);
            XFREE(v->vm_event);
        }
    }

#ifdef CONFIG_VM_EVENT_LEGACY
    vm_event_legacy_free(d);
#endif

    /* Who watched until the end has taken nothing back. */
    arch_monitor_cleanup_domain(d);

    if ( !ch )
        return;

    tasklet_kill(&ch->death);
    xfree(ch->outstanding);
    XFREE(d->vm_event);
}

bool vm_event_legacy_active(const struct domain *d)
{
    return vm_event_check_ring(d->vm_event_monitor);
}

bool vm_event_monitored(const struct domain *d)
{
    const struct vm_event_channel *ch = vm_event_channel(d);

    return vm_event_legacy_active(d) ||
           (ch && vm_event_listening(ch));
}

void vm_event_vcpu_pause(struct vcpu *v)
{
    ASSERT(v == current);

    vm_event_count_pause(v);
    atomic_inc(&v->vm_event_pause_count);
    vcpu_pause_nosync(v);
}

/* A response that comes once too often must not undo somebody else's pause. */
void vm_event_vcpu_unpause(struct vcpu *v)
{
    int old, seen = atomic_read(&v->vm_event_pause_count);

    do {
        old = seen;
        if ( old <= 0 )
        {
            gprintk(XENLOG_WARNING, "%pv: unpaused by vm_event too often\n", v);
            return;
        }
        seen = cmpxchg(&v->vm_event_pause_count.counter, old, old - 1);
    } while ( seen != old );

    vcpu_unpause(v);
}

/* Version 2's half of monitor_traps(). */
static int raise(struct vm_event_channel *ch, struct vcpu *v, bool sync,
                 const vm_event_request_t *req)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    struct vmev2_rec *rec = (void *)vv->rec;
    unsigned int reason = req->reason;

    if ( reason >= VMEV2_REASONS )
    {
        ASSERT_UNREACHABLE();
        return 0;
    }

    /* An asynchronous event that nobody will ever see is none at all. */
    if ( !sync && !vm_event_listening(ch) )
        return 0;

    if ( sync && vm_event_deadline_passes(v, reason) )
        return 0;

    vm_event_record(rec, v, sync, ch->regs[reason], req);

    if ( sync )
        return vm_event_slot_raise(ch, v, rec);

    vm_event_ring_put(ch, v, rec);

    return 0;
}

/*
 * An event of v == current.
 *   1   the vCPU waits for an answer
 *   0   the guest goes on: asynchronous, nobody listens, or policy let it go
 *  <0   legacy: no room, and none can be made
 */
int monitor_traps(struct vcpu *v, bool sync, vm_event_request_t *req)
{
    struct domain *d = v->domain;
    struct vm_event_channel *ch = vm_event_channel(d);

    req->vcpu_id = v->vcpu_id;

    if ( altp2m_active(d) )
    {
        req->flags |= VM_EVENT_FLAG_ALTERNATE_P2M;
        req->altp2m_idx = altp2m_vcpu_idx(v);
    }

    if ( ch && ch->live )
        return raise(ch, v, sync, req);

#ifdef CONFIG_VM_EVENT_LEGACY
    return vm_event_legacy_traps(v, sync, req);
#else
    return 0;
#endif
}

/* The state that a vCPU waited with is gone: so is what it waited for. */
void vm_event_vcpu_reset(struct vcpu *v)
{
    struct vm_event_channel *ch = vm_event_channel(v->domain);
    struct vm_event_vcpu *vv = vm_event_of(v);

    if ( vv && ch )
    {
        vm_event_cancel(ch, v, false);
        spin_lock(&vv->lock);
        vv->rsp_ready = false;
        spin_unlock(&vv->lock);
    }
    arch_vm_event_reset(v);

#ifdef CONFIG_VM_EVENT_LEGACY
    vm_event_legacy_vcpu_reset(v);
#endif
}

/* ---- control plane, legacy ---- */

int vm_event_domctl(struct domain *d, struct xen_domctl_vm_event_op *vec)
{
#ifdef CONFIG_VM_EVENT_LEGACY
    int rc;

    if ( vec->op == XEN_VM_EVENT_GET_VERSION )
    {
        vec->u.version = VM_EVENT_INTERFACE_VERSION;
        return 0;
    }

    /* DOMID_INVALID comes without a domain, for GET_VERSION alone. */
    if ( !d )
        return -ESRCH;

    rc = xsm_vm_event(XSM_PRIV, d);
    if ( rc )
        return rc;

    if ( d == current->domain )  /* it would pause itself */
        return -EINVAL;

    rc = vm_event_lock(d);
    if ( rc )
        return rc;

    if ( d->is_dying )
        /* Teardown does what a disable would; nothing can be enabled. */
        rc = vec->op == XEN_VM_EVENT_ENABLE ? -ESRCH : 0;
    else if ( !d->vcpu || !d->vcpu[0] )
        rc = -EINVAL;
    else
        rc = vm_event_legacy_domctl(d, vec);

    vm_event_unlock(d);

    return rc;
#else
    return -EOPNOTSUPP;
#endif
}

int vm_event_monitor_domctl(struct domain *d, struct xen_domctl_monitor_op *mop)
{
    struct vm_event_channel *ch;
    int rc;

    if ( d == current->domain )
        return -EPERM;

    rc = vm_event_lock(d);
    if ( rc )
        return rc;

    ch = vm_event_channel(d);
    if ( mop->op != XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES && ch && ch->live )
        rc = -EBUSY;
    else
        rc = monitor_domctl(d, mop);

    vm_event_unlock(d);

    return rc;
}

/* ---- mappings ---- */

static const struct vm_event_area *find_area(const struct vm_event_channel *ch,
                                             unsigned int id)
{
    unsigned int kind = id & 0xff;

    if ( !ch || kind >= VMEV2_RES_KINDS ||
         id != VMEV2_RES_ID(ch->generation, kind) )
        return NULL;

    return &ch->area[array_index_nospec(kind, VMEV2_RES_KINDS)];
}

unsigned int vm_event_resource_frames(const struct domain *d, unsigned int id)
{
    const struct vm_event_area *area = find_area(vm_event_channel(d), id);

    return area ? area->mapped : 0;
}

/*
 * The caller holds the domain by RCU alone.  The pages are the domain's own
 * until it is torn down, so what is handed out here cannot change its owner.
 */
int vm_event_resource_acquire(struct domain *d, unsigned int id,
                              unsigned int frame, unsigned int nr_frames,
                              xen_pfn_t mfn_list[])
{
    struct vm_event_channel *ch = vm_event_channel(d);
    const struct vm_event_area *area;
    unsigned int i;
    int rc = xsm_vm_event(XSM_PRIV, d);

    if ( rc )
        return rc;

    if ( !ch )
        return -ENOENT;

    spin_lock(&ch->lock);

    area = find_area(ch, id);
    if ( d->is_dying || ch->dead )
        rc = -ENODEV;
    else if ( !area )
        rc = -ENOTCONN;
    else if ( !ch->live || ch->agent != current->domain->domain_id )
        rc = -EPERM;
    else if ( frame + nr_frames < frame || frame + nr_frames > area->mapped )
        rc = -EINVAL;
    else
    {
        for ( i = 0; i < nr_frames; i++ )
            mfn_list[i] = mfn_x(area->mfn[frame + i]);
        rc = nr_frames;
    }

    spin_unlock(&ch->lock);

    return rc;
}

/* ---- for people ---- */

static void dump_domain(struct domain *d)
{
    static const char *const names[] = {
        "none", "idle", "created", "armed", "held", "dead"
    };
    struct vm_event_channel *ch = vm_event_channel(d);
    struct vcpu *v;

    if ( !ch )
        return;

    printk("%pd: vm_event %s, agent d%u port %u, %u of %u slots' ports bound,"
           " generation %"PRIu64"\n", d, names[vm_event_channel_state(ch)],
           ch->agent, ch->agent_port, ch->slots_bound, ch->slot_ports,
           ch->generation);

    for_each_vcpu ( d, v )
    {
        const struct vm_event_vcpu *vv = vm_event_of(v);

        if ( vv && (vv->raised || vv->produced) )
            printk("  v%u: %s stash %u raised %"PRIu64" answered %"PRIu64
                   " released %"PRIu64" cancelled %"PRIu64
                   " produced %"PRIu64" lost %"PRIu64"\n", v->vcpu_id,
                   vv->outstanding ? "waits" : "-", vv->stash_nr, vv->raised,
                   vv->answered, vv->released, vv->cancelled, vv->produced,
                   vv->lost);
    }
}

static void cf_check dump(unsigned char key)
{
    struct domain *d;

    rcu_read_lock(&domlist_read_lock);
    for_each_domain ( d )
    {
        process_pending_softirqs();
        dump_domain(d);
    }
    rcu_read_unlock(&domlist_read_lock);
}

static int __init cf_check vm_event_init(void)
{
    register_keyhandler('k', dump, "dump vm_event channels", 1);

    return 0;
}
__initcall(vm_event_init);
