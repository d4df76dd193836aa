/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of vm_event share.
 *
 * Locks, outermost first:
 *   domctl_lock
 *   d->vm_event_lock       control plane of both ABIs and teardown.  Taken with
 *                          trylock (-ERESTART otherwise), since it is held
 *                          across domain_pause().  No raising vCPU takes it.
 *   d->event_lock, evtchn  port binding; our callbacks run inside
 *   ch->lock               control page, page lists, bound state
 *   vv->lock               one vCPU's slot and stash
 *   ring->lock             a shared ring
 *   ved->lock              a legacy ring and its stashes
 *   ch->clock_lock         the deadline's clock and its counts
 * ch->lock, vv->lock and ring->lock are never held together, but for a
 * snapshot, which takes a vv->lock and inside it a ring->lock, and for the
 * innermost, ch->clock_lock, which any may be held with.  Nothing that
 * takes an event lock or pauses a vCPU synchronously is called under them.
 */
#ifndef VM_EVENT_PRIVATE_H
#define VM_EVENT_PRIVATE_H

#include <xen/event.h>
#include <xen/rcupdate.h>
#include <xen/sched.h>
#include <xen/spinlock.h>
#include <xen/tasklet.h>
#include <xen/timer.h>
#include <xen/vm_event.h>
#include <asm/atomic.h>
#include <asm/system.h>
#include <public/vm_event_v2.h>

/*
 * A pointer into pages that an agent can map.  sparse refuses to follow it, and
 * to mix it with others, outside the accessors below (tests/static).  Not so
 * the legacy rings: the macros of public/io/ring.h, which are Xen's, follow
 * their pointers themselves.
 */
#ifdef __CHECKER__
#define __agent __attribute__((noderef, address_space(__agent)))
#undef __force
#define __force __attribute__((force))
/* For any word, the agent's or not. */
#undef read_atomic
#define read_atomic(p) (*(const volatile typeof(*(p)) __force *)(p))
#undef write_atomic
#define write_atomic(p, x) \
    ((void)(*(volatile typeof(*(p)) __force *)(p) = (x)))
#else
#define __agent
#endif

/*
 * Sync requests that one vCPU can raise before it is descheduled: at most four
 * (an event of the emulator, EMUL_UNIMPLEMENTED and INTERRUPT in one pass of
 * the resume path, after one in the exit handler).  Twice that is kept.
 */
#define VM_EVENT_STASH 8U

/* An area of pages that an agent can map. */
struct vm_event_area {
    mfn_t *mfn;             /* room entries, nr of them in use */
    unsigned int nr;
    unsigned int room;
    unsigned int mapped;    /* pages under va */
    uint8_t __agent *va;
};

/* Producer's side of a lossy ring.  The truth is here, never in the pages. */
struct vm_event_ring {
    spinlock_t lock;        /* shared rings only: reserve, copy, publish */
    uint64_t prod;          /* bytes produced */
    uint64_t cons;          /* last good consumer position */
    uint64_t awake;         /* the agent's promise as last seen, 0: none (R6) */
    uint64_t lost;          /* records */
    uint64_t bad_cons;
    uint8_t __agent *data;
    uint32_t size;          /* bytes, a power of two */
    bool shared;
    struct vmev2_ring_line __agent *line;
    const struct vmev2_user_line __agent *user;
};

struct vm_event_stash_entry {
    uint8_t rec[VMEV2_REC_MAX] __aligned(8);
};

/* One vCPU, both ABIs.  Lives as long as the vCPU once it exists. */
struct vm_event_vcpu {
    spinlock_t lock;

    uint64_t pauses;        /* written by the vCPU itself */

    /* Slot; under lock. */
    uint64_t req_seq;       /* last publication; never goes back */
    uint64_t seen_rsp;      /* last response number that answered nothing */
    uint64_t published;     /* NOW() */
    uint32_t reason;        /* of the request in the slot */
    union {
        struct vmev2_ctrlreg ctrlreg;
        struct vmev2_mem_access mem_access;
    } about;                /* what its answer's handlers need to know */
    bool outstanding;       /* the slot holds a request without an answer */
    bool rsp_ready;         /* rsp waits for the resume path */
    bool paused;            /* we hold one vm_event pause */
    bool busy;              /* the vCPU's own: see vm_event_busy() */
    bool orphan;            /* the doorbell's holder is to answer it */
    unsigned int stash_head, stash_nr;
    struct vm_event_stash_entry *stash;  /* VM_EVENT_STASH entries */
    vm_event_response_t rsp;

    /* Deadline; under lock. */
    struct timer timer;
    bool timing;            /* the timer is set */
    s_time_t due;           /* by the channel's clock */
    uint64_t ip;            /* where the request in the slot was raised */
    unsigned int pass_reason;    /* not 0: let one such event pass at ip ... */
    s_time_t pass_until;         /* ... until this moment */

    /* Counters since create; vmev2_vcpu_info has their meaning. */
    uint64_t seq;           /* under both locks, as produced and lost */
    uint64_t produced;
    uint64_t lost;
    uint64_t raised;
    uint64_t answered;
    uint64_t released;
    uint64_t cancelled;
    uint64_t stale;
    uint64_t bad;

    /* The slot's port, written under ch->lock; see ports.c. */
    evtchn_port_t port;     /* 0: none */
    bool port_bound;
    evtchn_port_t fresh;    /* for the next agent; under d->vm_event_lock */

    struct vm_event_ring *ring;  /* where its asynchronous records go */
    struct vm_event_ring own;    /* with split rings */
    uint8_t rec[VMEV2_REC_MAX] __aligned(8);  /* being built; the vCPU's own */
};

struct vm_event_channel {
    struct domain *d;
    spinlock_t lock;
    struct tasklet death;   /* looks whether the agent has gone */

    /* Under d->vm_event_lock, and the domain paused where producers look. */
    uint64_t generation;
    bool live;              /* created and not detached */
    bool dead;              /* teardown has begun; under ch->lock as well */
    bool default_access_set;  /* the agent changed that of new pages */
    bool quiet;             /* nobody maps our pages any more */
    struct rcu_head rcu;
    domid_t agent;
    uint32_t features;
    unsigned int nr_rings;
    uint32_t ring_bytes;
    uint8_t on_death, on_deadline;
    uint32_t deadline_ms, deadline_flags;
    s_time_t created;
    uint64_t released_before;
    bool overdue;           /* a deadline has passed whose policy is the tasklet's */
    bool unheard;           /* a request was let go: the tasklet is to look */
    evtchn_port_t fresh;    /* a doorbell for the next agent, 0: none ... */
    domid_t fresh_for;      /* ... who is in this domain */

    /* Under clock_lock: the clock that a deadline goes by. */
    spinlock_t clock_lock;
    bool stands;            /* the toolstack has paused the domain ... */
    s_time_t stands_since;  /* ... since then ... */
    s_time_t stood;         /* ... and before that for so long */
    uint64_t expired, expired_late;
    s_time_t expired_min, expired_max;

    /* Under ch->lock. */
    evtchn_port_t port;     /* 0: none */
    evtchn_port_t agent_port;
    bool bound;
    bool ever_bound;        /* since create */
    bool awaiting;          /* a creator or attacher has yet to bind */
    unsigned int slot_ports;     /* slots with a port */
    unsigned int slots_bound;    /* of these */

    struct vm_event_area area[VMEV2_RES_KINDS];
    struct vmev2_ctrl __agent *ctrl;
    uint8_t __agent *pending;    /* shared, written only, as is all of these */
    struct vmev2_vcpu_line __agent *vcpu_line;
    uint64_t __agent *expired_shown;
    struct vmev2_ring_line __agent *ring_line;
    uint32_t __agent *port_shown;
    unsigned long *outstanding;  /* vCPUs with a request in their slot */
    struct vm_event_ring ring;   /* when it is shared */
    uint8_t regs[VMEV2_REASONS]; /* VMEV2_REGS_* per reason */
};

/* ---- accessors: the barriers of public/vm_event_v2.h ---- */

static inline uint64_t vm_event_load(const uint64_t __agent *p)
{
    return read_atomic(p);
}

/* S5 and R4.  On arm64 smp_rmb() is dmb ishld: earlier loads before later
 * loads and stores. */
static inline uint64_t vm_event_load_acquire(const uint64_t __agent *p)
{
    uint64_t val = read_atomic(p);

    smp_rmb();

    return val;
}

/* S1 and R1. */
static inline void vm_event_store_release(uint64_t __agent *p, uint64_t val)
{
    smp_wmb();
    write_atomic(p, val);
}

/* Words that are only reported. */
static inline void vm_event_store(uint64_t __agent *p, uint64_t val)
{
    write_atomic(p, val);
}

/* Bytes that no agent is to look at yet: a word that is stored later says so. */
static inline void vm_event_copy_in(void __agent *to, const void *from,
                                    size_t size)
{
    memcpy((void __force *)to, from, size);
}

static inline void vm_event_clear(void __agent *p, size_t size)
{
    memset((void __force *)p, 0, size);
}

static inline struct vm_event_channel *vm_event_channel(const struct domain *d)
{
    return read_atomic(&d->vm_event);
}

static inline struct vm_event_vcpu *vm_event_of(const struct vcpu *v)
{
    return read_atomic(&v->vm_event);
}

/* v == current: one writer, read by snapshots. */
static inline void vm_event_count_pause(struct vcpu *v)
{
    struct vm_event_vcpu *vv = vm_event_of(v);

    if ( vv )
        write_atomic(&vv->pauses, vv->pauses + 1);
}

static inline struct vmev2_slot __agent *
vm_event_slot(const struct vm_event_channel *ch, unsigned int vcpu)
{
    return (struct vmev2_slot __agent *)(ch->area[VMEV2_RES_SLOTS].va +
                                         vcpu * VMEV2_SLOT_SIZE);
}

/*
 * Is there an agent, or a policy that does not let events pass without one?
 * Before the first has bound there is none to keep them for.
 */
static inline bool vm_event_listening(const struct vm_event_channel *ch)
{
    return ch->live && read_atomic(&ch->ever_bound) &&
           (read_atomic(&ch->bound) || read_atomic(&ch->slots_bound) ||
            ch->on_death != VMEV2_DEATH_DETACH);
}

/*
 * Likewise for a request of one vCPU: the doorbell's holder, or its slot's.
 * Under vv->lock, so that who lost a port and then took the lock either finds
 * the request or was early enough to be seen here.
 */
static inline bool vm_event_answerable(const struct vm_event_channel *ch,
                                       const struct vm_event_vcpu *vv)
{
    return vm_event_listening(ch) &&
           (read_atomic(&ch->bound) || read_atomic(&vv->port_bound) ||
            ch->on_death != VMEV2_DEATH_DETACH);
}

/* core.c */
int vm_event_lock(struct domain *d);
void vm_event_unlock(struct domain *d);
int vm_event_alloc_vcpus(struct domain *d, bool stash);
bool vm_event_legacy_active(const struct domain *d);

/* legacy.c */
#ifdef CONFIG_VM_EVENT_LEGACY
int vm_event_legacy_traps(struct vcpu *v, bool sync, vm_event_request_t *req);
int vm_event_legacy_domctl(struct domain *d, struct xen_domctl_vm_event_op *vec);
void vm_event_legacy_vcpu_reset(struct vcpu *v);
void vm_event_legacy_free(struct domain *d);
#endif

/* channel.c */
int vm_event_channel_create(struct domain *d, struct vmev2_op_create *op);
int vm_event_channel_attach(struct domain *d, uint32_t flags,
                            struct vmev2_op_create *op);
int vm_event_channel_destroy(struct domain *d, uint64_t generation);
uint32_t vm_event_channel_state(const struct vm_event_channel *ch);
bool vm_event_lease_runs(const struct vm_event_channel *ch);
uint32_t vm_event_ring_limit(void);
void vm_event_cancel(struct vm_event_channel *ch, struct vcpu *v, bool released);

void vm_event_channel_init_tasklet(struct vm_event_channel *ch);

/* ports.c */
void vm_event_notify(struct vm_event_channel *ch);
void vm_event_notify_slot(struct vm_event_channel *ch, const struct vcpu *v);
void vm_event_notify_all(struct vm_event_channel *ch);
int vm_event_ports_open(struct domain *d, struct vm_event_channel *ch,
                        bool slots);
void vm_event_ports_swap(struct vm_event_channel *ch, bool keep);
void vm_event_ports_drop(struct domain *d, struct vm_event_channel *ch);
struct vm_event_vcpu *vm_event_port_owner(struct vm_event_channel *ch,
                                          evtchn_port_t port);

/* area.c */
int vm_event_area_grow(struct domain *d, struct vm_event_channel *ch,
                       struct vm_event_area *area, unsigned int nr);
int vm_event_area_map(struct vm_event_area *area, unsigned int nr);
int vm_event_area_free(struct domain *d, struct vm_event_channel *ch,
                       struct vm_event_area *area);

/* access.c */
struct dmop_args;
bool vm_event_access_supported(struct domain *d);
int vm_event_access_op(struct domain *d, struct vmev2_op *op,
                       const struct dmop_args *args);
void vm_event_access_stop(struct domain *d, struct vm_event_channel *ch);

/* deadline.c */
void vm_event_deadline_init(struct vcpu *v);
void vm_event_deadline_kill(struct vm_event_vcpu *vv);
void vm_event_deadline_set(struct vm_event_channel *ch,
                           const struct vmev2_op_create *op);
void vm_event_deadline_report(struct vm_event_channel *ch,
                              struct vmev2_op_info *info);
void vm_event_deadline_start(struct vm_event_channel *ch, struct vcpu *v);
void vm_event_deadline_stop(struct vm_event_vcpu *vv);
bool vm_event_deadline_passes(struct vcpu *v, unsigned int reason);
bool vm_event_deadline_overdue(struct vm_event_channel *ch);

/* slot.c */
bool vm_event_slot_default(struct vm_event_channel *ch, struct vcpu *v,
                           uint32_t flags);
int vm_event_slot_raise(struct vm_event_channel *ch, struct vcpu *v,
                        struct vmev2_rec *rec);
void vm_event_slots_visit(struct domain *d);
bool vm_event_slots_orphan(struct vm_event_channel *ch);
void cf_check vm_event_notification(struct vcpu *v, unsigned int port);
void cf_check vm_event_slot_notification(struct vcpu *v, unsigned int port);

/* ring.c */
void vm_event_ring_init(struct vm_event_ring *ring, uint8_t __agent *data,
                        uint32_t size, struct vmev2_ring_line __agent *line,
                        const struct vmev2_user_line __agent *user,
                        bool shared);
void vm_event_ring_put(struct vm_event_channel *ch, struct vcpu *v,
                       struct vmev2_rec *rec);
void vm_event_rings_recall(struct domain *d, struct vm_event_channel *ch);

/* validate.c */
struct vm_event_rules {
    uint32_t reason;
    uint32_t flags;         /* VMEV2_RSP_* that can be applied here */
    unsigned int views;     /* altp2m views */
};
uint32_t vm_event_validate(const struct vmev2_rsp *rsp,
                           const struct vm_event_rules *rules);

/* record.c */
unsigned int vm_event_record(struct vmev2_rec *rec, struct vcpu *v, bool sync,
                             unsigned int regs, const vm_event_request_t *req);

#endif /* VM_EVENT_PRIVATE_H */
