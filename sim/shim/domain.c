/* SPDX-License-Identifier: GPL-2.0-only */
/* Domains: their life, as common/domain.c has it, and the hypercalls. */
#include "sim.h"

#include <xen/dm.h>
#include <xen/monitor.h>
#include <asm/p2m.h>
#include <xsm/xsm.h>
#include <public/vm_event_v2.h>

#include <stdlib.h>

struct domain *hardware_domain, *sim_idle;
struct sim_p2m sim_p2m;
unsigned int sim_nr_continued;
LIST_HEAD(domain_list);
rcu_read_lock_t domlist_read_lock;
static pthread_rwlock_t list_lock = PTHREAD_RWLOCK_INITIALIZER;

/* ---- who is who ---- */

void rcu_read_lock(rcu_read_lock_t *lock)
{
    (void)lock;
    pthread_rwlock_rdlock(&list_lock);
}

void rcu_read_unlock(rcu_read_lock_t *lock)
{
    (void)lock;
    pthread_rwlock_unlock(&list_lock);
}

bool get_domain(struct domain *d)
{
    int seen = atomic_read(&d->refcnt), old;

    do {
        old = seen;
        if ( old <= 0 )
            return false;
        seen = cmpxchg(&d->refcnt.counter, old, old + 1);
    } while ( seen != old );

    return true;
}

struct domain *sim_domain_find(domid_t dom)
{
    struct domain *d, *found = NULL;

    pthread_rwlock_rdlock(&list_lock);
    for_each_domain ( d )
        if ( d->domain_id == dom && get_domain(d) )
        {
            found = d;
            break;
        }
    pthread_rwlock_unlock(&list_lock);

    return found;
}

struct domain *rcu_lock_domain_by_id(domid_t dom)
{
    struct domain *d;

    sim_rcu_enter();
    d = sim_domain_find(dom);
    if ( !d )
        sim_rcu_leave();

    return d;
}

void rcu_lock_domain(struct domain *d)
{
    sim_rcu_enter();
    get_knownalive_domain(d);
}

/* The last reference may go here, and its end needs a grace period's end. */
void rcu_unlock_domain(struct domain *d)
{
    sim_rcu_leave();
    put_domain(d);
}

int rcu_lock_remote_domain_by_id(domid_t dom, struct domain **d)
{
    *d = rcu_lock_domain_by_id(dom);
    if ( !*d )
        return -ESRCH;
    if ( *d == current->domain )
    {
        rcu_unlock_domain(*d);
        return -EPERM;
    }

    return 0;
}

/* ---- birth ---- */

struct vcpu *sim_new_vcpu(struct domain *d, unsigned int id)
{
    struct vcpu *v = calloc(1, sizeof(*v));
    pthread_condattr_t attr;

    BUG_ON(!v);
    v->vcpu_id = id;
    v->domain = d;
    pthread_mutex_init(&v->sched_mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&v->sched_cond, &attr);
    pthread_condattr_destroy(&attr);
    sim_arch_vcpu_init(v);

    return v;
}

void sim_free_vcpu(struct vcpu *v)
{
    sim_arch_vcpu_free(v);
    pthread_cond_destroy(&v->sched_cond);
    pthread_mutex_destroy(&v->sched_mutex);
    free(v);
}

struct domain *sim_new_domain(const char *name, domid_t domid,
                              unsigned int nr_vcpus)
{
    struct domain *d = calloc(1, sizeof(*d));
    unsigned int i;

    BUG_ON(!d);
    d->domain_id = domid;
    d->max_vcpus = nr_vcpus;
    d->shutdown_code = -1;
    snprintf(d->name, sizeof(d->name), "%s", name);
    atomic_set(&d->refcnt, 1);
    INIT_LIST_HEAD(&d->list);
    spin_lock_init(&d->shutdown_lock);
    sim_evtchn_init(d);
    sim_domain_init_pages(d);
    vm_event_domain_init(d);

    d->vcpu = calloc(nr_vcpus ?: 1, sizeof(*d->vcpu));
    BUG_ON(!d->vcpu);
    for ( i = 0; i < nr_vcpus; i++ )
    {
        d->vcpu[i] = sim_new_vcpu(d, i);
        if ( i )
            d->vcpu[i - 1]->next_in_list = d->vcpu[i];
    }
    d->creation_finished = true;

    return d;
}

struct domain *sim_domain_create(const char *name, domid_t domid,
                                 unsigned int nr_vcpus)
{
    struct domain *d = sim_new_domain(name, domid, nr_vcpus);
    struct domain *pos;

    d->is_hvm = true;
    sim_count(&sim_nr_domains, 1);
    pthread_rwlock_wrlock(&list_lock);
    list_for_each_entry ( pos, &domain_list, list )
        if ( pos->domain_id > domid )
            break;
    list_add_tail(&d->list, &pos->list);
    pthread_rwlock_unlock(&list_lock);

    return d;
}

/* ---- death ---- */

void (*sim_domain_free_hook)(struct domain *d);

static void destroy(struct domain *d)
{
    unsigned int i;

    pthread_rwlock_wrlock(&list_lock);
    list_del_init(&d->list);
    pthread_rwlock_unlock(&list_lock);

    vm_event_domain_free(d);
    if ( sim_domain_free_hook )
        sim_domain_free_hook(d);
    BUG_ON(d->xen_pages);
    for ( i = 0; i < d->max_vcpus; i++ )
        sim_free_vcpu(d->vcpu[i]);
    sim_arch_domain_free(d);
    sim_evtchn_free(d);
    sim_domain_free_pages(d);
    free(d->vcpu);
    free(d);
    sim_count(&sim_nr_domains, -1);
}

void put_domain(struct domain *d)
{
    if ( atomic_dec_and_test(&d->refcnt) )
        destroy(d);
}

/*
 * Xen stores it without the lock: who holds that may see either, and what comes
 * next takes it.  TSan cannot know.
 */
static void set_dying(struct domain *d, int how)
{
    spin_lock(&d->vm_event_lock);
    d->is_dying = how;
    spin_unlock(&d->vm_event_lock);
}

int sim_domain_kill(struct domain *d, unsigned int max_steps)
{
    unsigned int steps = 0;
    int rc;

    if ( d->is_dying == DOMDYING_alive )
    {
        domain_pause(d);
        set_dying(d, DOMDYING_dying);
        vm_event_domain_dying(d);
    }

    do {
        rc = vm_event_teardown(d);
        if ( rc == -ERESTART && max_steps && ++steps == max_steps )
            return rc;
        if ( rc == -ERESTART )
            sched_yield();
    } while ( rc == -ERESTART );
    BUG_ON(rc);

    sim_evtchn_destroy(d);
    set_dying(d, DOMDYING_dead);
    vm_event_cleanup(d);
    put_domain(d);

    return 0;
}

/* ---- hypercalls ---- */

int sim_dm_op(domid_t domid, const struct xen_dm_op_buf *buf, unsigned int nr)
{
    struct dmop_args args = { .domid = domid, .nr_bufs = nr };
    int rc;

    if ( nr > ARRAY_SIZE(args.buf) )
        return -E2BIG;
    /* What is not passed is whatever stood there, as on Xen's stack. */
    memset(args.buf, 0xa5, sizeof(args.buf));
    memcpy(args.buf, buf, nr * sizeof(*buf));

    do {
        rc = dm_op(&args);
        if ( rc == -ERESTART )
        {
            __atomic_fetch_add(&sim_nr_continued, 1, __ATOMIC_RELAXED);
            sched_yield();
        }
    } while ( rc == -ERESTART );
    BUG_ON(sim_locks_held());

    return rc;
}

int sim_domctl_vm_event(domid_t domid, struct xen_domctl_vm_event_op *op)
{
    struct domain *d = rcu_lock_domain_by_id(domid);
    int rc;

    if ( !d )
        return vm_event_domctl(NULL, op);
    while ( (rc = vm_event_domctl(d, op)) == -ERESTART )
        sched_yield();
    rcu_unlock_domain(d);
    BUG_ON(sim_locks_held());

    return rc;
}

int sim_domctl_monitor(domid_t domid, struct xen_domctl_monitor_op *op)
{
    struct domain *d = rcu_lock_domain_by_id(domid);
    int rc;

    if ( !d )
        return -ESRCH;
    while ( (rc = vm_event_monitor_domctl(d, op)) == -ERESTART )
        sched_yield();
    rcu_unlock_domain(d);
    BUG_ON(sim_locks_held());

    return rc;
}

/* acquire_resource(): batches of 32, and the checks that it makes itself. */
int sim_acquire_resource(domid_t domid, unsigned int type, unsigned int id,
                         unsigned int frame, unsigned int nr, xen_pfn_t *mfn)
{
    struct domain *d;
    unsigned int done = 0;
    int rc = rcu_lock_remote_domain_by_id(domid, &d);

    if ( rc )
        return rc;

    rc = xsm_domain_resource_map(XSM_DM_PRIV, d);
    if ( !rc && type != XENMEM_resource_vm_event )
        rc = -EOPNOTSUPP;
    else if ( !rc && frame + nr < frame )
        rc = -EINVAL;

    while ( !rc && done < nr )
    {
        unsigned int now = min(nr - done, 32U);

        rc = vm_event_resource_acquire(d, id, frame + done, now, mfn + done);
        if ( rc > 0 )
        {
            done += rc;
            rc = 0;
        }
    }
    rcu_unlock_domain(d);
    BUG_ON(sim_locks_held());

    return rc;
}

/* ---- the host ---- */

unsigned int sim_leaks(void)
{
    const struct { const char *name; int nr; } what[] = {
        { "allocations", sim_nr_allocs }, { "pages", sim_nr_pages },
        { "mappings", sim_nr_maps },      { "ports", sim_nr_ports },
        { "domains", sim_nr_domains },
    };
    unsigned int i, sum = 0;

    for ( i = 0; i < ARRAY_SIZE(what); i++ )
        if ( what[i].nr )
        {
            fprintf(stderr, "left behind: %d %s\n", what[i].nr, what[i].name);
            sum++;
        }

    return sum;
}

static __thread struct vcpu *own_vcpu;
static pthread_key_t own_vcpu_key;

static void free_own_vcpu(void *v)
{
    sim_free_vcpu(v);
}

/*
 * Each thread has a vCPU of its own for acting in another domain's name; it is
 * not in that domain's list, as no event concerns it.
 */
void sim_thread_become(struct domain *d)
{
    if ( !own_vcpu )
    {
        own_vcpu = sim_new_vcpu(NULL, 0);
        pthread_setspecific(own_vcpu_key, own_vcpu);
    }
    own_vcpu->domain = d ?: hardware_domain;
    sim_current = own_vcpu;
}

void sim_thread_init(void)
{
    sim_thread_become(NULL);
}

void sim_init(void)
{
    BUG_ON(pthread_key_create(&own_vcpu_key, free_own_vcpu));
    sim_idle = sim_new_domain("idle", DOMID_IDLE, 0);
    hardware_domain = sim_new_domain("Domain-0", 0, 0);
    pthread_rwlock_wrlock(&list_lock);
    list_add(&hardware_domain->list, &domain_list);
    pthread_rwlock_unlock(&list_lock);
    sim_thread_init();
    sim_softirq_init();
}
