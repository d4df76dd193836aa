/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The channel's event channels: the doorbell, and one per slot where the agent
 * asked for them and the domain had ports left.
 *
 * All come out of the domain's own port space, which a guest can fill.  So a
 * slot can be without one, and then goes by the doorbell.  A slot's port can
 * lose its other end while others are bound: its requests go by the doorbell as
 * well then, and say so, since the doorbell's holder must not take what is
 * somebody else's (vm_event_slots_orphan()).
 *
 * Port numbers change under ch->lock, with the domain paused.
 */
#include <xen/sched.h>
#include <xen/softirq.h>

#include "private.h"

/*
 * A port must not be freed, and be found again in the guest's hands, between
 * the two steps here.  One of the domain's own vCPUs is safe from that, since
 * ports change while the domain is paused; anybody else needs the lock.
 */
static bool lock_ports(struct vm_event_channel *ch)
{
    if ( current->domain == ch->d )
        return false;

    spin_lock(&ch->lock);

    return true;
}

static void ring(struct vm_event_channel *ch, evtchn_port_t port)
{
    if ( port )
        notify_via_xen_event_channel(ch->d, port);
}

/* The doorbell. */
void vm_event_notify(struct vm_event_channel *ch)
{
    bool locked = lock_ports(ch);

    ring(ch, read_atomic(&ch->port));

    if ( locked )
        spin_unlock(&ch->lock);
}

/*
 * Who is to answer v's request.  If its port is losing its other end just now,
 * nobody hears this; who closes it has the tasklet look for the request.  If
 * nobody hears the doorbell either, the policy is to act.
 */
void vm_event_notify_slot(struct vm_event_channel *ch, const struct vcpu *v)
{
    const struct vm_event_vcpu *vv = vm_event_of(v);
    bool unheard = false, locked = lock_ports(ch);
    evtchn_port_t port = read_atomic(&vv->orphan) ? 0 : read_atomic(&vv->port);

    if ( !port )
    {
        port = read_atomic(&ch->port);
        unheard = !read_atomic(&ch->bound);
    }
    ring(ch, port);

    if ( locked )
        spin_unlock(&ch->lock);

    if ( unheard )
        tasklet_schedule(&ch->death);
}

/* What concerns every handle.  Bounded by the number of vCPUs. */
void vm_event_notify_all(struct vm_event_channel *ch)
{
    const struct vcpu *v;

    spin_lock(&ch->lock);

    ring(ch, ch->port);
    if ( ch->slots_bound )
        for_each_vcpu ( ch->d, v )
            if ( vm_event_of(v)->port_bound )
                ring(ch, vm_event_of(v)->port);

    spin_unlock(&ch->lock);
}

/* Under ch->lock: whose slot's port is it?  NULL: nobody's. */
struct vm_event_vcpu *vm_event_port_owner(struct vm_event_channel *ch,
                                          evtchn_port_t port)
{
    struct vcpu *v;

    if ( ch->slot_ports )
        for_each_vcpu ( ch->d, v )
            if ( vm_event_of(v)->port == port )
                return vm_event_of(v);

    return NULL;
}

/* ---- opening and closing ---- */

static evtchn_port_t open_port(struct domain *d, unsigned int vcpu,
                               xen_event_channel_notification_t fn, int *rc)
{
    int port = alloc_unbound_xen_event_channel(d, vcpu,
                                               current->domain->domain_id, fn);

    *rc = port < 0 ? port : 0;

    return port < 0 ? 0 : port;
}

static void close_port(struct domain *d, evtchn_port_t *port)
{
    if ( *port )
        free_xen_event_channel(d, *port);
    *port = 0;
}

/* Closes those that are not, or no longer, the channel's. */
void vm_event_ports_drop(struct domain *d, struct vm_event_channel *ch)
{
    struct vcpu *v;

    close_port(d, &ch->fresh);
    for_each_vcpu ( d, v )
        close_port(d, &vm_event_of(v)->fresh);
}

/*
 * A guest that has opened all its ports must not keep the next agent out: a
 * doorbell that an agent of the same domain has let go of is as good as a new
 * one, when nobody is about to bind it.
 */
static bool may_keep(const struct vm_event_channel *ch, domid_t agent)
{
    return ch->port && !read_atomic(&ch->bound) && ch->agent == agent &&
           !vm_event_lease_runs(ch);
}

/*
 * Opens the ports that the caller's channel is to have: a doorbell, unless the
 * domain has no port left and the old one will do, and with slots one for each
 * slot, in the order of the vCPUs, until the domain has none left.  Under
 * d->vm_event_lock.  When it has to be continued (-ERESTART), what is open stays
 * so for whoever comes next.
 */
int vm_event_ports_open(struct domain *d, struct vm_event_channel *ch,
                        bool slots)
{
    domid_t agent = current->domain->domain_id;
    struct vcpu *v;
    int rc = 0;

    if ( ch->fresh && ch->fresh_for != agent )
        vm_event_ports_drop(d, ch);
    ch->fresh_for = agent;

    if ( !ch->fresh )
        ch->fresh = open_port(d, 0, vm_event_notification, &rc);
    if ( rc && (rc != -ENOSPC || !may_keep(ch, agent)) )
        return rc;

    for_each_vcpu ( d, v )
    {
        struct vm_event_vcpu *vv = vm_event_of(v);

        if ( !slots )
            close_port(d, &vv->fresh);
        else if ( !vv->fresh )
        {
            vv->fresh = open_port(d, v->vcpu_id, vm_event_slot_notification,
                                  &rc);
            if ( rc )
                break;
            if ( v->next_in_list && hypercall_preempt_check() )
                return -ERESTART;
        }
    }

    return 0;
}

/*
 * Under ch->lock, the domain is paused: the ports that were opened become the
 * channel's, and its own are left for vm_event_ports_drop().  With keep the
 * doorbell stays if there is none to take its place.
 */
void vm_event_ports_swap(struct vm_event_channel *ch, bool keep)
{
    evtchn_port_t old = ch->port;
    struct vcpu *v;

    if ( ch->fresh || !keep )
    {
        write_atomic(&ch->port, ch->fresh);
        ch->fresh = old;
    }

    ch->slot_ports = 0;
    write_atomic(&ch->slots_bound, 0);
    for_each_vcpu ( ch->d, v )
    {
        struct vm_event_vcpu *vv = vm_event_of(v);

        old = vv->port;
        write_atomic(&vv->port, vv->fresh);
        write_atomic(&vv->port_bound, false);
        vv->fresh = old;
        ch->slot_ports += vv->port != 0;
        write_atomic(&ch->port_shown[v->vcpu_id], vv->port);
    }

    ch->features &= ~VMEV2_FEAT_SLOT_PORTS;
    if ( ch->slot_ports )
        ch->features |= VMEV2_FEAT_SLOT_PORTS;
    write_atomic(&ch->ctrl->features, ch->features);
    write_atomic(&ch->ctrl->slot_ports, ch->slot_ports);
}
