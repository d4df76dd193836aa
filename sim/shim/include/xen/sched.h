/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_SCHED_H
#define SIM_XEN_SCHED_H

#include <pthread.h>

#include <asm/atomic.h>
#include <asm/domain.h>
#include <asm/system.h>
#include <xen/bitmap.h>
#include <xen/lib.h>
#include <xen/list.h>
#include <xen/mm.h>
#include <xen/softirq.h>
#include <xen/spinlock.h>
#include <xen/time.h>
#include <xen/xmalloc.h>
#include <public/domctl.h>
#include <public/event_channel.h>
#include <public/sched.h>
#include <public/vm_event.h>
#include <public/xen.h>

struct domain;
struct sim_guest;
struct sim_port;
struct vm_event_channel;
struct vm_event_domain;
struct vm_event_vcpu;

/* Bits of pause_flags. */
#define _VPF_mem_access 4
#define _VPF_mem_paging 5
#define _VPF_mem_sharing 6

struct vcpu {
    unsigned int vcpu_id;
    unsigned int processor;     /* always 0 */
    struct domain *domain;
    struct vcpu *next_in_list;

    unsigned long pause_flags;
    atomic_t pause_count;
    atomic_t vm_event_pause_count;
    struct vm_event_vcpu *vm_event;

    struct arch_vcpu arch;

    /* The scheduler (sim/shim/sched.c). */
    pthread_mutex_t sched_mutex;
    pthread_cond_t sched_cond;  /* runnable, descheduled, or told to look */
    bool is_running;            /* under sched_mutex */
    bool need_resched;          /* under sched_mutex */
    bool stop;                  /* its thread is to end */
    uint64_t scheduled;         /* times that it was */
};

struct domain {
    domid_t domain_id;
    unsigned int max_vcpus;
    struct vcpu **vcpu;
    struct list_head list;
    atomic_t refcnt;

    bool creation_finished;
    bool is_shut_down;
    bool is_hvm;
    int shutdown_code;
    enum { DOMDYING_alive, DOMDYING_dying, DOMDYING_dead } is_dying;
    spinlock_t shutdown_lock;
    atomic_t pause_count;
    int controller_pause_count; /* under shutdown_lock */
    struct domain *target;      /* whose device model this is */

    /* Event channels (sim/shim/evtchn.c). */
    spinlock_t event_lock;
    struct sim_port **port;
    unsigned int max_ports;

    /* Pages (sim/shim/page.c); under page_lock. */
    spinlock_t page_lock;
    int xen_fd;
    off_t xen_bytes;
    unsigned int xen_pages;     /* live ones of Xen's */

    struct {
        bool guest_request_enabled;
        bool guest_request_sync;
    } monitor;
    struct vm_event_channel *vm_event;
    struct vm_event_domain *vm_event_monitor;
    struct vm_event_domain *vm_event_paging;
    struct vm_event_domain *vm_event_share;
    spinlock_t vm_event_lock;

    struct arch_domain arch;
    struct sim_guest *guest;    /* what runs in it (sim/guest.c) */
    char name[48];
};

extern __thread struct vcpu *sim_current;
#define current sim_current

struct rcu_read_lock { int unused; };
typedef struct rcu_read_lock rcu_read_lock_t;
extern rcu_read_lock_t domlist_read_lock;
void rcu_read_lock(rcu_read_lock_t *lock);
void rcu_read_unlock(rcu_read_lock_t *lock);

extern struct list_head domain_list;
extern struct domain *hardware_domain;
#define for_each_domain(d) list_for_each_entry ( d, &domain_list, list )

#define for_each_vcpu(d, v) \
    for ( (v) = (d)->vcpu[0]; (v); (v) = (v)->next_in_list )

static inline struct vcpu *domain_vcpu(const struct domain *d, unsigned int id)
{
    return id < d->max_vcpus ? d->vcpu[id] : NULL;
}

#define is_hvm_domain(d)    ((d)->is_hvm)

/*
 * References.  A domain that is found by RCU is held by one as well, and by a
 * reader's section (sim/shim/rcu.c).
 */
bool get_domain(struct domain *d);
void put_domain(struct domain *d);
#define get_knownalive_domain(d) ((void)get_domain(d))
struct domain *rcu_lock_domain_by_id(domid_t dom);
int rcu_lock_remote_domain_by_id(domid_t dom, struct domain **d);
void rcu_lock_domain(struct domain *d);
void rcu_unlock_domain(struct domain *d);

/* Pauses: as in Xen, a vCPU leaves its guest only at a point of its own. */
void vcpu_pause(struct vcpu *v);
void vcpu_pause_nosync(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
void vcpu_wake(struct vcpu *v);
void domain_pause(struct domain *d);
void domain_pause_nosync(struct domain *d);
void domain_unpause(struct domain *d);
int domain_pause_by_systemcontroller(struct domain *d);
int domain_unpause_by_systemcontroller(struct domain *d);
bool vcpu_runnable(const struct vcpu *v);

int domain_shutdown(struct domain *d, uint8_t reason);
void domain_crash(struct domain *d);

#endif
