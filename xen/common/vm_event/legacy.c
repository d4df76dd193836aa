/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The legacy ABI: a ring of requests and responses in one guest frame, one for
 * each of monitor, paging and sharing.
 *
 * A request takes an entry until a response frees it.  What finds no entry
 * goes to the stash of its vCPU, which then stays paused, by the stash's own
 * reference that no response can drop, until the drain has moved all of it to
 * the ring.  The drain runs where entries become free: under the ring's lock,
 * when a response is taken.  So a ring with stashed requests is a full ring.
 *
 * The frame belongs to the guest, and the agent maps it: both can write to it
 * at any time.  Positions are kept here, a response is copied once, and a
 * response position that runs ahead of the requests is refused.
 */
#include <xen/err.h>
#include <xen/hypercall.h>
#include <xen/mem_access.h>
#include <xen/mm.h>
#include <xen/nospec.h>
#include <asm/monitor.h>
#include <asm/p2m.h>
#include <asm/vm_event.h>
#include <public/domctl.h>
#include <public/hvm/params.h>
#ifdef CONFIG_MEM_SHARING
#include <asm/mem_sharing.h>
#endif

#include "private.h"

/* For the macros of public/io/ring.h. */
#define xen_mb()  smp_mb()
#define xen_rmb() smp_rmb()
#define xen_wmb() smp_wmb()

/*
 * A guest can give back 512 paged-out frames between two points at which its
 * hypercall is preempted (one extent of the largest order), each with a
 * request that is nothing but its GFN.  They are kept in that short form, and
 * the pause makes the preemption happen.
 */
#define DROPS (PAGE_SIZE / sizeof(uint64_t))
#define DROP_EVICT_FAIL (1ULL << 63)

/* Of one vCPU, for one ring; under ved->lock. */
struct stash {
    unsigned int head, nr;
    unsigned int drop_head, drop_nr;
    unsigned int waiting;   /* sync requests in ring or stash: pauses to undo */
    bool reserved;          /* the claim in progress holds a ring entry */
    bool reset;             /* since those that wait now were raised */
    uint64_t *drops;        /* DROPS entries; paging only */
    vm_event_request_t req[VM_EVENT_STASH];
};

struct vm_event_domain {
    spinlock_t lock;
    unsigned int reserved;  /* ring entries promised to claims in progress */
    void *ring_page;
    struct page_info *ring_pg;
    vm_event_front_ring_t front_ring;
    int port;
    int pause_flag;         /* _VPF_*: the stash's reference on a vCPU */
    unsigned int last;      /* vCPU that the drain served last */
    unsigned long *stashed; /* vCPUs with a stash that is not empty */
    struct stash **stash;   /* max_vcpus of them */
    unsigned int nr_vcpus;
    uint64_t refused;       /* responses that no request waited for */
    uint64_t overflow;      /* requests that found a full stash */
    bool warned;
    struct tasklet rest;    /* takes the responses that the budget left */
    struct domain *d;
};

bool vm_event_check_ring(const struct vm_event_domain *ved)
{
    return ved && read_atomic(&ved->ring_page);
}

/* ---- ring and stash; under ved->lock ---- */

static unsigned int ring_room(const struct vm_event_domain *ved)
{
    unsigned int room = RING_FREE_REQUESTS(&ved->front_ring);

    return room > ved->reserved ? room - ved->reserved : 0;
}

static void ring_put(struct vm_event_domain *ved, const vm_event_request_t *req)
{
    vm_event_front_ring_t *ring = &ved->front_ring;

    ASSERT(RING_FREE_REQUESTS(ring));

    memcpy(RING_GET_REQUEST(ring, ring->req_prod_pvt), req, sizeof(*req));
    ring->req_prod_pvt++;
    RING_PUSH_REQUESTS(ring);
}

static bool is_drop(const struct stash *s, const vm_event_request_t *req)
{
    return s->drops && req->reason == VM_EVENT_REASON_MEM_PAGING &&
           (req->u.mem_paging.flags & MEM_PAGING_DROP_PAGE);
}

static void stash_put(struct vm_event_domain *ved, struct vcpu *v,
                      const vm_event_request_t *req)
{
    struct stash *s = ved->stash[v->vcpu_id];

    if ( is_drop(s, req) )
    {
        unsigned int at = (s->drop_head + s->drop_nr++) % DROPS;

        s->drops[at] = req->u.mem_paging.gfn |
                       (req->u.mem_paging.flags & MEM_PAGING_EVICT_FAIL
                        ? DROP_EVICT_FAIL : 0);
    }
    else
        s->req[(s->head + s->nr++) % VM_EVENT_STASH] = *req;

    __set_bit(v->vcpu_id, ved->stashed);

    if ( !test_and_set_bit(ved->pause_flag, &v->pause_flags) )
    {
        vcpu_pause_nosync(v);
        vm_event_count_pause(v);
    }
}

/* Moves one request of v to the ring. */
static void stash_to_ring(struct vm_event_domain *ved, struct vcpu *v)
{
    struct stash *s = ved->stash[v->vcpu_id];

    if ( s->drop_nr )
    {
        uint64_t drop = s->drops[s->drop_head];
        vm_event_request_t req = {
            .version = VM_EVENT_INTERFACE_VERSION,
            .reason = VM_EVENT_REASON_MEM_PAGING,
            .vcpu_id = v->vcpu_id,
            .u.mem_paging.gfn = drop & ~DROP_EVICT_FAIL,
            .u.mem_paging.flags = MEM_PAGING_DROP_PAGE |
                (drop & DROP_EVICT_FAIL ? MEM_PAGING_EVICT_FAIL : 0),
        };

        s->drop_head = (s->drop_head + 1) % DROPS;
        s->drop_nr--;
        ring_put(ved, &req);
    }
    else
    {
        ring_put(ved, &s->req[s->head]);
        s->head = (s->head + 1) % VM_EVENT_STASH;
        s->nr--;
    }

    if ( s->nr || s->drop_nr )
        return;

    __clear_bit(v->vcpu_id, ved->stashed);
    if ( test_and_clear_bit(ved->pause_flag, &v->pause_flags) )
        vcpu_unpause(v);
}

/*
 * One request of each vCPU in turn, from after the one served last, so that
 * none waits for more than a round.  Bounded by the ring's size.
 */
static bool drain(struct domain *d, struct vm_event_domain *ved)
{
    bool any = false;

    while ( ring_room(ved) )
    {
        unsigned int i = find_next_bit(ved->stashed, ved->nr_vcpus,
                                       ved->last + 1);

        if ( i >= ved->nr_vcpus )
            i = find_first_bit(ved->stashed, ved->nr_vcpus);
        if ( i >= ved->nr_vcpus )
            break;

        stash_to_ring(ved, d->vcpu[i]);
        ved->last = i;
        any = true;
    }

    return any;
}

/* Under the lock: the port is not freed, and reused, meanwhile. */
static void notify(struct domain *d, const struct vm_event_domain *ved)
{
    notify_via_xen_event_channel(d, ved->port);
}

/* ---- requests ---- */

/*
 * -EOPNOTSUPP: no ring.  -EBUSY: no room.  0 must be followed by put or cancel
 * on the same vCPU.
 */
int __vm_event_claim_slot(struct domain *d, struct vm_event_domain *ved,
                          bool may_stash)
{
    bool own = current->domain == d;
    int rc = 0;

    if ( !vm_event_check_ring(ved) )
        return -EOPNOTSUPP;

    spin_lock(&ved->lock);

    if ( !ved->ring_page )
        rc = -EOPNOTSUPP;
    else if ( own && may_stash )
    {
        const struct stash *s = ved->stash[current->vcpu_id];

        /* Nothing is reserved: put finds a place in the ring or the stash. */
        if ( s->nr >= VM_EVENT_STASH || (s->drops && s->drop_nr >= DROPS) )
        {
            ved->overflow++;
            rc = -EBUSY;
        }
    }
    else if ( !ring_room(ved) )
        rc = -EBUSY;
    else
    {
        ved->reserved++;
        if ( own )
            ved->stash[current->vcpu_id]->reserved = true;
    }

    spin_unlock(&ved->lock);

    return rc;
}

/* Gives back what the claim reserved; returns whether it had.  Under lock. */
static bool unreserve(struct domain *d, struct vm_event_domain *ved)
{
    if ( current->domain == d )
    {
        struct stash *s = ved->stash[current->vcpu_id];

        if ( !s->reserved )
            return false;
        s->reserved = false;
    }

    if ( ved->reserved )
        ved->reserved--;

    return true;
}

void vm_event_cancel_slot(struct domain *d, struct vm_event_domain *ved)
{
    if ( !vm_event_check_ring(ved) )
        return;

    spin_lock(&ved->lock);
    if ( ved->ring_page && unreserve(d, ved) && drain(d, ved) )
        notify(d, ved);
    spin_unlock(&ved->lock);
}

void vm_event_put_request(struct domain *d, struct vm_event_domain *ved,
                          vm_event_request_t *req)
{
    struct vcpu *curr = current;
    bool own = curr->domain == d;

    if ( !vm_event_check_ring(ved) )
        return;

    if ( !own )
        req->flags |= VM_EVENT_FLAG_FOREIGN;
    req->version = VM_EVENT_INTERFACE_VERSION;

    spin_lock(&ved->lock);

    if ( ved->ring_page )
    {
        struct stash *s = own ? ved->stash[curr->vcpu_id] : NULL;
        bool reserved = unreserve(d, ved);

        if ( own && (req->flags & VM_EVENT_FLAG_VCPU_PAUSED) )
            s->waiting++;

        /* In a vCPU's own order: nothing overtakes what is stashed. */
        if ( reserved || !own ||
             (ring_room(ved) && !s->nr && !s->drop_nr) )
        {
            /* A claim made before another agent enabled it is worth nothing. */
            if ( RING_FREE_REQUESTS(&ved->front_ring) )
                ring_put(ved, req);
        }
        else
            stash_put(ved, curr, req);

        notify(d, ved);
    }

    spin_unlock(&ved->lock);
}

int vm_event_legacy_traps(struct vcpu *v, bool sync, vm_event_request_t *req)
{
    struct domain *d = v->domain;
    struct vm_event_domain *ved = d->vm_event_monitor;
    int rc = vm_event_claim_slot(d, ved);

    if ( rc )
        return rc == -EOPNOTSUPP ? 0 : rc;  /* nobody listens: go on */

    if ( sync )
    {
        req->flags |= VM_EVENT_FLAG_VCPU_PAUSED;
        vm_event_sync_event(v, true);
        vm_event_vcpu_pause(v);
    }

    vm_event_fill_regs(req);
    vm_event_put_request(d, ved, req);

    return sync;
}

/* ---- responses ---- */

/* Bounded by the ring's size, and by the requests that are outstanding. */
static bool get_response(struct domain *d, struct vm_event_domain *ved,
                         vm_event_response_t *rsp)
{
    vm_event_front_ring_t *ring = &ved->front_ring;
    RING_IDX prod, ready;
    bool found = false;

    spin_lock(&ved->lock);

    if ( !ved->ring_page )
        goto out;

    prod = read_atomic(&ring->sring->rsp_prod);
    smp_rmb();  /* the response is read after the position that covers it */

    ready = prod - ring->rsp_cons;
    if ( !ready )
        goto out;

    if ( ready > ring->req_prod_pvt - ring->rsp_cons )
    {
        ved->refused++;
        if ( !ved->warned )
            printk(XENLOG_G_WARNING
                   "%pd: vm_event response position %u, at most %u expected\n",
                   d, prod, ring->req_prod_pvt);
        ved->warned = true;
        goto out;
    }

    memcpy(rsp, RING_GET_RESPONSE(ring, ring->rsp_cons), sizeof(*rsp));
    barrier();  /* from here on the copy */
    ring->rsp_cons++;
    write_atomic(&ring->sring->rsp_event, ring->rsp_cons + 1);
    found = true;

    if ( drain(d, ved) )
        notify(d, ved);

 out:
    spin_unlock(&ved->lock);

    return found;
}

/* The state that an answer would change is not the one it was asked about. */
static bool was_reset(struct vm_event_domain *ved, struct vcpu *v)
{
    bool reset;

    spin_lock(&ved->lock);
    reset = ved->stash[v->vcpu_id]->reset;
    spin_unlock(&ved->lock);

    return reset;
}

/* May this ring's agent undo one of v's pauses? */
static bool take_waiting(struct vm_event_domain *ved, struct vcpu *v)
{
    struct stash *s;
    bool ok = false;

    spin_lock(&ved->lock);
    if ( ved->ring_page )
    {
        s = ved->stash[v->vcpu_id];
        ok = s->waiting;
        if ( ok && !--s->waiting )
            s->reset = false;
    }
    spin_unlock(&ved->lock);

    return ok;
}

#ifdef CONFIG_MEM_SHARING
static void fork_response(struct domain *d, const vm_event_response_t *rsp)
{
    bool state = rsp->flags & VM_EVENT_FLAG_RESET_FORK_STATE;
    bool memory = rsp->flags & VM_EVENT_FLAG_RESET_FORK_MEMORY;

    if ( mem_sharing_is_fork(d) && (state || memory) &&
         mem_sharing_fork_reset(d, state, memory) )
        ASSERT_UNREACHABLE();
}
#endif

/* What a response asks for, on a vCPU that is paused for it. */
static void act(struct domain *d, struct vcpu *v, vm_event_response_t *rsp)
{
#ifdef CONFIG_MEM_PAGING
    if ( rsp->reason == VM_EVENT_REASON_MEM_PAGING )
        p2m_mem_paging_resume(d, rsp);
#endif
#ifdef CONFIG_MEM_SHARING
    fork_response(d, rsp);
#endif

    arch_vm_event_apply(v, rsp);
}

static int resume(struct domain *d, struct vm_event_domain *ved)
{
    unsigned int budget;

    if ( !vm_event_check_ring(ved) )
        return -ENODEV;

    /* Responses act on other vCPUs than the one that runs this. */
    ASSERT(d != current->domain);

    for ( budget = RING_SIZE(&ved->front_ring); budget; budget-- )
    {
        vm_event_response_t rsp;
        struct vcpu *v;

        if ( !get_response(d, ved, &rsp) )
            break;

        v = domain_vcpu(d, rsp.vcpu_id);
        if ( rsp.version != VM_EVENT_INTERFACE_VERSION || !v ||
             !atomic_read(&v->vm_event_pause_count) )
            continue;

        if ( !was_reset(ved, v) )
            act(d, v, &rsp);

        if ( (rsp.flags & VM_EVENT_FLAG_VCPU_PAUSED) && take_waiting(ved, v) )
            vm_event_vcpu_unpause(v);
    }

    /*
     * What is left was pushed meanwhile.  The agent may have seen from
     * rsp_event that it need not tell us.
     */
    if ( !budget )
        tasklet_schedule(&ved->rest);

    return 0;
}

static void cf_check resume_rest(void *data)
{
    struct vm_event_domain *ved = data;

    resume(ved->d, ved);
}

/* ---- notifications ---- */

/* The ved of a domain lives as long as the domain: no lock is needed. */
static void cf_check monitor_notification(struct vcpu *v, unsigned int port)
{
    resume(v->domain, v->domain->vm_event_monitor);
}

#ifdef CONFIG_MEM_PAGING
static void cf_check mem_paging_notification(struct vcpu *v, unsigned int port)
{
    resume(v->domain, v->domain->vm_event_paging);
}
#endif

#ifdef CONFIG_MEM_SHARING
static void cf_check mem_sharing_notification(struct vcpu *v, unsigned int port)
{
    resume(v->domain, v->domain->vm_event_share);
}
#endif

/* ---- enable and disable; under d->vm_event_lock ---- */

static void free_ved(struct vm_event_domain *ved)
{
    unsigned int i;

    if ( !ved )
        return;

    tasklet_kill(&ved->rest);

    for ( i = 0; ved->stash && i < ved->nr_vcpus; i++ )
        if ( ved->stash[i] )
        {
            xfree(ved->stash[i]->drops);
            xfree(ved->stash[i]);
        }

    xfree(ved->stash);
    xfree(ved->stashed);
    xfree(ved);
}

static struct vm_event_domain *new_ved(struct domain *d, int pause_flag)
{
    struct vm_event_domain *ved = xzalloc(struct vm_event_domain);
    unsigned int i;

    if ( !ved )
        return NULL;

    spin_lock_init(&ved->lock);
    tasklet_init(&ved->rest, resume_rest, ved);
    ved->d = d;
    ved->pause_flag = pause_flag;
    ved->nr_vcpus = d->max_vcpus;
    ved->stashed = xzalloc_array(unsigned long, BITS_TO_LONGS(d->max_vcpus));
    ved->stash = xzalloc_array(struct stash *, d->max_vcpus);
    if ( !ved->stashed || !ved->stash )
        goto fail;

    for ( i = 0; i < d->max_vcpus; i++ )
    {
        ved->stash[i] = xzalloc(struct stash);
        if ( !ved->stash[i] )
            goto fail;
        if ( pause_flag == _VPF_mem_paging )
        {
            ved->stash[i]->drops = xzalloc_array(uint64_t, DROPS);
            if ( !ved->stash[i]->drops )
                goto fail;
        }
    }

    return ved;

 fail:
    free_ved(ved);

    return NULL;
}

static int enable(struct domain *d, struct xen_domctl_vm_event_op *vec,
                  struct vm_event_domain **p_ved, int pause_flag, int param,
                  xen_event_channel_notification_t notification)
{
    unsigned long gfn = d->arch.hvm.params[param];
    struct vm_event_domain *ved = *p_ved;
    struct page_info *pg;
    void *page;
    int rc;

    if ( vm_event_check_ring(ved) )
        return -EBUSY;

    if ( !gfn )
        return -EOPNOTSUPP;

    rc = vm_event_alloc_vcpus(d, false);
    if ( !rc )
        rc = vm_event_init_domain(d);
    if ( rc )
        return rc;

    if ( !ved )
    {
        ved = new_ved(d, pause_flag);
        if ( !ved )
            return -ENOMEM;
        smp_wmb();  /* producers read the pointer without a lock */
        write_atomic(p_ved, ved);
    }

    rc = prepare_ring_for_helper(d, gfn, &pg, &page);
    if ( rc )
        return rc;

    rc = alloc_unbound_xen_event_channel(d, 0, current->domain->domain_id,
                                         notification);
    if ( rc < 0 )
    {
        destroy_ring_for_helper(&page, pg);
        return rc;
    }

    vec->u.enable.port = rc;

    spin_lock(&ved->lock);
    ved->port = rc;
    ved->ring_pg = pg;
    ved->reserved = 0;
    ved->refused = 0;
    ved->warned = false;
    FRONT_RING_INIT(&ved->front_ring, (vm_event_sring_t *)page, PAGE_SIZE);
    write_atomic(&ved->ring_page, page);
    spin_unlock(&ved->lock);

    return 0;
}

/* Voids what a stash holds and lets its vCPU go. */
static void release_stash(struct vm_event_domain *ved, struct vcpu *v)
{
    struct stash *s = ved->stash[v->vcpu_id];
    unsigned int waiting;
    bool held;

    spin_lock(&ved->lock);
    waiting = s->waiting;
    s->waiting = 0;
    s->nr = s->drop_nr = 0;
    s->reserved = false;
    s->reset = false;
    __clear_bit(v->vcpu_id, ved->stashed);
    held = test_and_clear_bit(ved->pause_flag, &v->pause_flags);
    spin_unlock(&ved->lock);

    if ( held )
        vcpu_unpause(v);
    while ( waiting-- )
        vm_event_vcpu_unpause(v);
}

/*
 * The domain is paused or dying.  No vCPU is left waiting for an agent that
 * has gone: what it waited for is void.
 */
static void disable(struct domain *d, struct vm_event_domain *ved)
{
    struct page_info *pg;
    struct vcpu *v;
    void *page;
    int port;

    if ( !vm_event_check_ring(ved) )
        return;

    spin_lock(&ved->lock);
    port = ved->port;
    page = ved->ring_page;
    pg = ved->ring_pg;
    write_atomic(&ved->ring_page, NULL);
    spin_unlock(&ved->lock);

    free_xen_event_channel(d, port);

    for_each_vcpu ( d, v )
        release_stash(ved, v);

    destroy_ring_for_helper(&page, pg);
    vm_event_cleanup_domain(d);
}

void vm_event_cleanup(struct domain *d)
{
#ifdef CONFIG_MEM_PAGING
    disable(d, d->vm_event_paging);
#endif
    disable(d, d->vm_event_monitor);
#ifdef CONFIG_MEM_SHARING
    disable(d, d->vm_event_share);
#endif
}

void vm_event_legacy_free(struct domain *d)
{
#ifdef CONFIG_MEM_PAGING
    free_ved(d->vm_event_paging);
#endif
    free_ved(d->vm_event_monitor);
#ifdef CONFIG_MEM_SHARING
    free_ved(d->vm_event_share);
#endif
}

/*
 * The requests cannot be taken back from the ring, and an answer does not say
 * which one it is for: so the vCPU stays paused until all have been answered,
 * and only that is what these answers do.
 */
void vm_event_legacy_vcpu_reset(struct vcpu *v)
{
    struct vm_event_domain *ved = v->domain->vm_event_monitor;

    if ( !vm_event_check_ring(ved) )
        return;

    spin_lock(&ved->lock);
    if ( ved->ring_page && ved->stash[v->vcpu_id]->waiting )
        ved->stash[v->vcpu_id]->reset = true;
    spin_unlock(&ved->lock);
}

/* ---- domctl ---- */

static int ring_op(struct domain *d, struct xen_domctl_vm_event_op *vec,
                   struct vm_event_domain **p_ved, int pause_flag, int param,
                   xen_event_channel_notification_t notification)
{
    switch ( vec->op )
    {
    case XEN_VM_EVENT_ENABLE:
        /* No domain_pause(): the ring is not in the guest's hands, XSA-99. */
        return enable(d, vec, p_ved, pause_flag, param, notification);

    case XEN_VM_EVENT_DISABLE:
        if ( !vm_event_check_ring(*p_ved) )
            return -EINVAL;
        domain_pause(d);
        disable(d, *p_ved);
        if ( vec->mode == XEN_DOMCTL_VM_EVENT_OP_MONITOR )
            arch_monitor_cleanup_domain(d);
        domain_unpause(d);
        return 0;

    case XEN_VM_EVENT_RESUME:
        return resume(d, *p_ved);

    default:
        return -ENOSYS;
    }
}

static int monitor_op(struct domain *d, struct xen_domctl_vm_event_op *vec)
{
    struct vm_event_channel *ch = vm_event_channel(d);
    int rc = 0;

    if ( vec->op == XEN_VM_EVENT_ENABLE )
        /* One agent for a domain's monitor events, of either ABI. */
        rc = ch && ch->live ? -EBUSY : arch_monitor_init_domain(d);

    return rc ?: ring_op(d, vec, &d->vm_event_monitor, _VPF_mem_access,
                         HVM_PARAM_MONITOR_RING_PFN, monitor_notification);
}

#ifdef CONFIG_MEM_PAGING
static int paging_op(struct domain *d, struct xen_domctl_vm_event_op *vec)
{
    if ( vec->op == XEN_VM_EVENT_ENABLE )
    {
        /* Foreign mappings, shadow, an IOMMU and PoD all exclude paging. */
        if ( is_hvm_domain(hardware_domain) )
            return -EOPNOTSUPP;
        if ( !hap_enabled(d) )
            return -ENODEV;
        if ( is_iommu_enabled(d) )
            return -EMLINK;
        if ( p2m_pod_active(d) )
            return -EXDEV;
    }

    return ring_op(d, vec, &d->vm_event_paging, _VPF_mem_paging,
                   HVM_PARAM_PAGING_RING_PFN, mem_paging_notification);
}
#endif

#ifdef CONFIG_MEM_SHARING
static int sharing_op(struct domain *d, struct xen_domctl_vm_event_op *vec)
{
    if ( vec->op == XEN_VM_EVENT_ENABLE )
    {
        if ( is_hvm_domain(hardware_domain) )
            return -EOPNOTSUPP;
        if ( !hap_enabled(d) )
            return -ENODEV;
    }

    return ring_op(d, vec, &d->vm_event_share, _VPF_mem_sharing,
                   HVM_PARAM_SHARING_RING_PFN, mem_sharing_notification);
}
#endif

int vm_event_legacy_domctl(struct domain *d, struct xen_domctl_vm_event_op *vec)
{
    switch ( vec->mode )
    {
    case XEN_DOMCTL_VM_EVENT_OP_MONITOR:
        return monitor_op(d, vec);

#ifdef CONFIG_MEM_PAGING
    case XEN_DOMCTL_VM_EVENT_OP_PAGING:
        return paging_op(d, vec);
#endif

#ifdef CONFIG_MEM_SHARING
    case XEN_DOMCTL_VM_EVENT_OP_SHARING:
        return sharing_op(d, vec);
#endif

    default:
        return -ENOSYS;
    }
}
