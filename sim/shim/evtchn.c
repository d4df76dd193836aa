/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Event channels between Xen, as the consumer in a guest's port space, and an
 * agent's domain.
 *
 * Locks as in common/event_channel.c: binding and closing take the event locks
 * of both domains and then both ports' own locks, and call the hooks of
 * vm_event inside; notifying takes the port's lock for reading if it is free,
 * and sending calls the consumer without any lock, with a reference on the
 * domain alone.
 */
#include "sim.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NR_PORTS 1023U  /* what xl gives a guest */

struct sim_binding {
    struct domain *ld, *rd;     /* ld: the agent's domain */
    evtchn_port_t lport, rport;
    bool open;                  /* both ends; under both event locks */
    bool masked;                /* nobody is woken */
    int fd;
};

/* Lives as long as its domain: a notifier may look at it without a lock. */
struct sim_port {
    pthread_rwlock_t lock;
    enum { PORT_FREE, PORT_UNBOUND, PORT_INTERDOMAIN, PORT_LOCAL } state;
    domid_t remote;
    unsigned int vcpu;          /* whom fn is told of */
    xen_event_channel_notification_t fn;
    struct sim_binding *binding;
};

static unsigned int port_class(void)
{
    static unsigned int class;

    return sim_known_class(&class, "an event channel");
}

/* Both event locks in the order of addresses, as double_evtchn_lock(). */
static void lock_both(struct domain *a, struct domain *b)
{
    struct domain *first = a < b ? a : b, *second = a < b ? b : a;

    spin_lock(&first->event_lock);
    if ( first == second )
        return;
    /* Of one class, and ordered: only the first counts for the order. */
    pthread_mutex_lock(&second->event_lock.mutex);
}

static void unlock_both(struct domain *a, struct domain *b)
{
    struct domain *first = a < b ? a : b, *second = a < b ? b : a;

    if ( first != second )
        pthread_mutex_unlock(&second->event_lock.mutex);
    spin_unlock(&first->event_lock);
}

static void lock_port(struct sim_port *p)
{
    sim_order_enter(port_class(), false);
    pthread_rwlock_wrlock(&p->lock);
}

static void unlock_port(struct sim_port *p)
{
    pthread_rwlock_unlock(&p->lock);
    sim_order_leave(port_class());
}

static struct sim_port *find_port(const struct domain *d, evtchn_port_t port)
{
    return port < d->max_ports
           ? __atomic_load_n(&d->port[port], __ATOMIC_ACQUIRE) : NULL;
}

/*
 * The port with its lock taken for reading, if it is valid.  As in Xen, a
 * notifier takes it only if it is free.
 */
static struct sim_port *read_port(const struct domain *d, evtchn_port_t port,
                                  bool try)
{
    struct sim_port *p = find_port(d, port);

    if ( !p )
        return NULL;

    sim_order_enter(port_class(), try);
    if ( try ? !pthread_rwlock_tryrdlock(&p->lock)
             : !pthread_rwlock_rdlock(&p->lock) )
    {
        if ( p->state != PORT_FREE )
            return p;
        pthread_rwlock_unlock(&p->lock);
    }
    sim_order_leave(port_class());

    return NULL;
}

static void unread_port(struct sim_port *p)
{
    pthread_rwlock_unlock(&p->lock);
    sim_order_leave(port_class());
}

/* Under d->event_lock.  Port 0 is never valid.  The lowest free one is used. */
static int new_port(struct domain *d, int state, domid_t remote,
                    xen_event_channel_notification_t fn)
{
    struct sim_port *p;
    unsigned int i;

    for ( i = 1; i < d->max_ports; i++ )
        if ( !d->port[i] || d->port[i]->state == PORT_FREE )
            break;
    if ( i == d->max_ports )
        return -ENOSPC;
    if ( !sim_take_alloc() )
        return -ENOMEM;

    p = d->port[i];
    if ( !p )
    {
        p = calloc(1, sizeof(*p));
        BUG_ON(!p);
        pthread_rwlock_init(&p->lock, NULL);
        __atomic_store_n(&d->port[i], p, __ATOMIC_RELEASE);
    }

    lock_port(p);
    p->state = state;
    p->remote = remote;
    p->fn = fn;
    p->binding = NULL;
    unlock_port(p);
    sim_count(&sim_nr_ports, 1);

    return i;
}

/* Under d->event_lock and the port's own. */
static void free_port(struct sim_port *p)
{
    p->state = PORT_FREE;
    p->binding = NULL;
    sim_count(&sim_nr_ports, -1);
}

/* ---- Xen's side ---- */

int alloc_unbound_xen_event_channel(struct domain *ld, unsigned int lvcpu,
                                    domid_t remote_domid,
                                    xen_event_channel_notification_t fn)
{
    int port;

    spin_lock(&ld->event_lock);
    port = new_port(ld, PORT_UNBOUND, remote_domid, fn);
    if ( port > 0 )
        ld->port[port]->vcpu = lvcpu;
    spin_unlock(&ld->event_lock);

    return port;
}

void free_xen_event_channel(struct domain *d, int port)
{
    struct sim_port *p = read_port(d, port, false);
    struct domain *remote;
    domid_t domid;

    if ( !p )
    {
        BUG_ON(!d->is_dying);
        return;
    }
    domid = p->remote;
    unread_port(p);

    remote = rcu_lock_domain_by_id(domid);
    BUG_ON(!remote);
    lock_both(d, remote);
    lock_port(p);
    if ( p->state == PORT_INTERDOMAIN )
        p->binding->open = false;
    if ( p->state != PORT_FREE )
        free_port(p);
    unlock_port(p);
    unlock_both(d, remote);
    rcu_unlock_domain(remote);
}

void notify_via_xen_event_channel(struct domain *ld, int lport)
{
    struct sim_port *p = read_port(ld, lport, true);
    uint64_t one = 1;

    if ( !p )
        return;
    if ( p->state == PORT_INTERDOMAIN && !p->binding->masked )
        BUG_ON(write(p->binding->fd, &one, sizeof(one)) < 0 && errno != EAGAIN);
    unread_port(p);
}

/* ---- the agent's side ---- */

int sim_evtchn_bind(struct domain *rd, evtchn_port_t rport,
                    struct sim_binding **binding)
{
    struct domain *ld = current->domain;
    struct sim_binding *b;
    struct sim_port *p;
    int rc = -EINVAL, lport;

    lock_both(ld, rd);

    p = find_port(rd, rport);
    if ( !p || p->state != PORT_UNBOUND || p->remote != ld->domain_id ||
         rd->is_dying )
        goto out;

    rc = lport = new_port(ld, PORT_LOCAL, rd->domain_id, NULL);
    if ( rc < 0 )
        goto out;

    b = calloc(1, sizeof(*b));
    BUG_ON(!b);
    b->ld = ld;
    b->rd = rd;
    b->lport = lport;
    b->rport = rport;
    b->open = true;
    /* A port is pending from the start. */
    b->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    BUG_ON(b->fd < 0);
    get_knownalive_domain(rd);
    get_knownalive_domain(ld);

    lock_port(p);
    p->state = PORT_INTERDOMAIN;
    p->binding = b;
    vm_event_port_bound(rd, rport, lport);
    unlock_port(p);

    *binding = b;
    rc = 0;

 out:
    unlock_both(ld, rd);

    return rc;
}

void sim_evtchn_unbind(struct sim_binding *b)
{
    struct domain *ld = b->ld, *rd = b->rd;
    struct sim_port *p;

    lock_both(ld, rd);
    if ( b->open )
    {
        p = find_port(rd, b->rport);
        lock_port(p);
        p->state = PORT_UNBOUND;
        p->binding = NULL;
        vm_event_port_closed(rd, b->rport);
        unlock_port(p);
    }
    p = find_port(ld, b->lport);
    lock_port(p);
    free_port(p);
    unlock_port(p);
    unlock_both(ld, rd);

    close(b->fd);
    free(b);
    put_domain(rd);
    put_domain(ld);
}

void sim_evtchn_send(struct sim_binding *b)
{
    struct domain *rd = b->rd;
    xen_event_channel_notification_t fn;
    struct sim_port *p = read_port(rd, b->rport, false);
    unsigned int vcpu;

    if ( !p )
        return;
    fn = p->binding == b ? p->fn : NULL;
    vcpu = p->vcpu;
    unread_port(p);

    rcu_lock_domain(rd);
    if ( fn )
        fn(rd->vcpu[vcpu], b->rport);
    rcu_unlock_domain(rd);
}

int sim_evtchn_fd(const struct sim_binding *b)
{
    return b->fd;
}

evtchn_port_t sim_evtchn_local(const struct sim_binding *b)
{
    return b->lport;
}

void sim_evtchn_mask(struct sim_binding *b)
{
    b->masked = true;
}

uint64_t sim_evtchn_pending(struct sim_binding *b)
{
    uint64_t n = 0;

    return read(b->fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* ---- a domain's port space ---- */

unsigned int sim_evtchn_fill(struct domain *d, unsigned int leave)
{
    unsigned int used = sim_evtchn_ports(d), nr = 0;

    spin_lock(&d->event_lock);
    while ( used + nr + leave < NR_PORTS &&
            new_port(d, PORT_LOCAL, d->domain_id, NULL) > 0 )
        nr++;
    spin_unlock(&d->event_lock);

    return nr;
}

void sim_evtchn_reset(struct domain *d)
{
    unsigned int i;

    spin_lock(&d->event_lock);
    for ( i = 1; i < d->max_ports; i++ )
        if ( d->port[i] && !d->port[i]->fn && d->port[i]->state == PORT_LOCAL )
        {
            lock_port(d->port[i]);
            free_port(d->port[i]);
            unlock_port(d->port[i]);
        }
    spin_unlock(&d->event_lock);
}

void sim_evtchn_init(struct domain *d)
{
    spin_lock_init(&d->event_lock);
    d->max_ports = NR_PORTS + 1;
    d->port = calloc(d->max_ports, sizeof(*d->port));
    BUG_ON(!d->port);
}

/* The domain dies: Xen's ends in it go, and the agent is not told. */
void sim_evtchn_destroy(struct domain *d)
{
    unsigned int i;

    for ( i = 1; i < d->max_ports; i++ )
        free_xen_event_channel(d, i);
}

void sim_evtchn_free(struct domain *d)
{
    unsigned int i;

    for ( i = 1; i < d->max_ports; i++ )
        if ( d->port[i] )
        {
            pthread_rwlock_destroy(&d->port[i]->lock);
            free(d->port[i]);
        }
    free(d->port);
}

unsigned int sim_evtchn_ports(struct domain *d)
{
    unsigned int i, nr = 0;

    for ( i = 1; i < d->max_ports; i++ )
    {
        struct sim_port *p = read_port(d, i, false);

        if ( p )
        {
            nr++;
            unread_port(p);
        }
    }

    return nr;
}
