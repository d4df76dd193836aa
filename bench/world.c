/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim.h"

#include <private.h>

#include <xen/monitor.h>
#include <public/domctl.h>
#include <public/hvm/dm_op.h>
#include <public/io/ring.h>

#include <stdlib.h>
#include <sys/mman.h>

#include "world.h"

/* For the macros of io/ring.h. */
#define xen_mb()  smp_mb()
#define xen_rmb() smp_rmb()
#define xen_wmb() smp_wmb()

struct world {
    struct domain *d;
    uint64_t generation;
    struct sim_binding *bell;
    bool silent;
    vm_event_back_ring_t legacy;
};

/* The shim's lock.c, which has these otherwise, is not built in. */
__thread unsigned int bench_entered;

void sim_bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "Xen BUG at %s:%d: %s\n", file, line, what);
    abort();
}

void world_init(void)
{
    sim_init();
}

void world_thread(void)
{
    sim_thread_init();
}

struct world *world_new(unsigned int nr_vcpus)
{
    static domid_t last;
    struct world *w = calloc(1, sizeof(*w));
    char name[16];

    BUG_ON(!w);
    last++;
    snprintf(name, sizeof(name), "guest%u", last);
    w->d = sim_domain_create(name, last, nr_vcpus);

    return w;
}

void world_free(struct world *w)
{
    sim_domain_kill(w->d, 0);
    free(w);
}

uint32_t world_domid(const struct world *w)
{
    return w->d->domain_id;
}

/* ---- an agent's domain ---- */

int world_dm_op(struct world *w, void *buf0, size_t size0, void *buf1,
                size_t size1)
{
    struct xen_dm_op_buf buf[2] = { { .size = size0 }, { .size = size1 } };
    int rc;

    buf[0].h.p = buf0;
    buf[1].h.p = buf1;
    rc = sim_dm_op(w->d->domain_id, buf, size1 ? 2 : 1);

    return rc < 0 ? -rc : 0;
}

/* Frames of one area lie one behind the other in the memfd: see page.c. */
void *world_map(struct world *w, uint32_t type, uint32_t id, uint64_t first,
                uint64_t nr, int prot, unsigned int times)
{
    size_t bytes = nr * PAGE_SIZE;
    xen_pfn_t *mfn = calloc(nr, sizeof(*mfn));
    unsigned int i;
    uint8_t *va;
    off_t at;
    int fd;

    BUG_ON(!mfn);
    BUG_ON(sim_acquire_resource(w->d->domain_id, type, id, first, nr, mfn));
    fd = sim_page_place(mfn[0], &at);
    free(mfn);

    va = mmap(NULL, bytes * times, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
              -1, 0);
    BUG_ON(va == MAP_FAILED);
    for ( i = 0; i < times; i++ )
        BUG_ON(mmap(va + i * bytes, bytes, prot, MAP_SHARED | MAP_FIXED, fd,
                    at) == MAP_FAILED);

    return va;
}

int world_bind(struct world *w, uint32_t port, int *local)
{
    int rc = sim_evtchn_bind(w->d, port, &w->bell);

    if ( !rc )
        *local = sim_evtchn_local(w->bell);

    return -rc;
}

void world_unbind(struct world *w)
{
    sim_evtchn_unbind(w->bell);
    w->bell = NULL;
    sim_softirq_drain();
}

void world_kick(struct world *w)
{
    if ( !w->silent )
        sim_evtchn_send(w->bell);
}

int world_fd(const struct world *w)
{
    return sim_evtchn_fd(w->bell);
}

uint64_t world_pending(struct world *w)
{
    return sim_evtchn_pending(w->bell);
}

/* ---- a channel ---- */

static void v2_op(struct world *w, struct vmev2_op *op)
{
    op->dmop = XEN_DMOP_vm_event;
    BUG_ON(world_dm_op(w, op, sizeof(*op), NULL, 0));
}

void world_channel(struct world *w, bool split, uint32_t ring_bytes)
{
    struct vmev2_op op = { .cmd = VMEV2_CMD_CREATE };
    int local;

    op.u.create.ring_bytes = ring_bytes;
    op.u.create.flags = split ? VMEV2_CREATE_SPLIT_RINGS : 0;
    v2_op(w, &op);
    w->generation = op.u.create.generation;
    BUG_ON(world_bind(w, op.u.create.port, &local));
}

void world_channel_end(struct world *w)
{
    struct vmev2_op op = { .cmd = VMEV2_CMD_DESTROY,
                           .generation = w->generation };

    v2_op(w, &op);
    world_unbind(w);
}

/* What a real record has that the producer looks at; the rest is payload. */
static void make_record(uint8_t *room, unsigned int vcpu, uint32_t size)
{
    struct vmev2_rec *rec = (void *)room;

    BUG_ON(size < sizeof(*rec) || size > VMEV2_REC_MAX);
    memset(room, 0x5a, VMEV2_REC_MAX);
    *rec = (struct vmev2_rec){
        .size = size, .reason = VMEV2_REASON_WRITE_CTRLREG, .vcpu = vcpu,
        .payload_size = size - sizeof(*rec), .time = NOW(),
    };
}

/* Several producers do this, and none may take back what another said. */
static void move_up(const uint64_t *word, uint64_t to)
{
    uint64_t *at = (uint64_t *)word;
    uint64_t old = __atomic_load_n(at, __ATOMIC_RELAXED);

    while ( (int64_t)(to - old) > 0 &&
            !__atomic_compare_exchange_n(at, &old, to, false,
                                         __ATOMIC_RELEASE, __ATOMIC_RELAXED) )
        ;
}

/*
 * What a busy agent does, for who has none: its position, up to one record
 * behind Xen's, and if awake the promise to look again, as the SDK gives it.
 */
static void make_room(const struct vm_event_ring *ring, uint32_t size,
                      bool awake)
{
    uint64_t prod = __atomic_load_n(&ring->line->prod, __ATOMIC_ACQUIRE);

    move_up(&ring->user->cons, prod - size);
    if ( awake )
        move_up(&ring->user->awake, prod + ring->size);
}

void world_publish(struct world *w, unsigned int vcpu, uint32_t size,
                   uint64_t nr, bool awake)
{
    struct vm_event_channel *ch = w->d->vm_event;
    struct vcpu *v = w->d->vcpu[vcpu];
    const struct vm_event_ring *ring = vm_event_of(v)->ring;
    uint8_t rec[VMEV2_REC_MAX] __aligned(8);
    uint64_t i;

    make_record(rec, vcpu, size);
    for ( i = 0; i < nr; i++ )
    {
        if ( i % 64 == 63 )
            make_room(ring, size, awake);
        vm_event_ring_put(ch, v, (struct vmev2_rec *)rec);
    }
    make_room(ring, size, awake);
}

void world_offer(struct world *w, unsigned int vcpu, uint32_t size,
                 uint64_t nr)
{
    struct vm_event_channel *ch = w->d->vm_event;
    struct vcpu *v = w->d->vcpu[vcpu];
    const struct vm_event_ring *ring = vm_event_of(v)->ring;
    uint8_t rec[VMEV2_REC_MAX] __aligned(8);
    unsigned int spins = 0;
    uint64_t i;

    make_record(rec, vcpu, size);
    for ( i = 0; i < nr; i++ )
    {
        spins = 0;
        if ( size > ring->size - (ring->prod - ring->cons) )
            while ( size > ring->size - (ring->prod -
                                         vm_event_load(&ring->user->cons)) )
                hyper_relax(&spins);
        vm_event_ring_put(ch, v, (struct vmev2_rec *)rec);
    }
}

void world_push(struct world *w, unsigned int vcpu, uint32_t size, uint64_t nr)
{
    struct vcpu *v = w->d->vcpu[vcpu];
    uint8_t rec[VMEV2_REC_MAX] __aligned(8);

    make_record(rec, vcpu, size);
    while ( nr-- )
        vm_event_ring_put(w->d->vm_event, v, (struct vmev2_rec *)rec);
}

void world_counts(struct world *w, uint64_t *produced, uint64_t *lost)
{
    unsigned int i;

    *produced = *lost = 0;
    for ( i = 0; i < w->d->max_vcpus; i++ )
    {
        struct vmev2_op op = { .dmop = XEN_DMOP_vm_event,
                               .cmd = VMEV2_CMD_INFO };
        struct vmev2_vcpu_info info = {};

        op.u.info.first = i;
        op.u.info.nr = 1;
        BUG_ON(world_dm_op(w, &op, sizeof(op), &info, sizeof(info)));
        *produced += info.produced;
        *lost += info.lost;
    }
}

/* ---- sync ---- */

void world_raise(struct world *w, unsigned int vcpu)
{
    struct vcpu *v = w->d->vcpu[vcpu];

    sim_vcpu_on(v);
    monitor_guest_request();
    sim_vcpu_off(v);
}

bool world_resume(struct world *w, unsigned int vcpu)
{
    return sim_vcpu_try_resume(w->d->vcpu[vcpu]);
}

void world_silence(struct world *w)
{
    sim_evtchn_mask(w->bell);
    w->silent = true;
}

bool world_look(struct world *w, unsigned int vcpu)
{
    struct vcpu *v = w->d->vcpu[vcpu];

    vm_event_slot_notification(v, 0);

    return read_atomic(&vm_event_of(v)->rsp_ready);
}

static struct xen_domctl_vm_event_op legacy_op(struct world *w, uint32_t what)
{
    struct xen_domctl_vm_event_op op = {
        .op = what, .mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR,
    };

    BUG_ON(sim_domctl_vm_event(w->d->domain_id, &op));

    return op;
}

void world_legacy(struct world *w)
{
    struct xen_domctl_monitor_op mop = {
        .op = XEN_DOMCTL_MONITOR_OP_ENABLE,
        .event = XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST,
        .u.guest_request.sync = true,
    };
    vm_event_sring_t *sring;
    int local;

    BUG_ON(world_bind(w, legacy_op(w, XEN_VM_EVENT_ENABLE).u.enable.port,
                      &local));
    sring = sim_ring_page(w->d, SIM_RING_MONITOR);
    SHARED_RING_INIT(sring);
    BACK_RING_INIT(&w->legacy, sring, PAGE_SIZE);
    BUG_ON(sim_domctl_monitor(w->d->domain_id, &mop));
}

void world_legacy_end(struct world *w)
{
    legacy_op(w, XEN_VM_EVENT_DISABLE);
    world_unbind(w);
}

void world_legacy_answer(struct world *w)
{
    vm_event_back_ring_t *ring = &w->legacy;
    vm_event_response_t rsp = { .version = VM_EVENT_INTERFACE_VERSION };
    vm_event_request_t req;

    world_pending(w);
    BUG_ON(!RING_HAS_UNCONSUMED_REQUESTS(ring));
    xen_rmb();
    __builtin_memcpy(&req, RING_GET_REQUEST(ring, ring->req_cons), sizeof(req));
    ring->req_cons++;
    ring->sring->req_event = ring->req_cons + 1;

    rsp.vcpu_id = req.vcpu_id;
    rsp.reason = req.reason;
    rsp.flags = req.flags & VM_EVENT_FLAG_VCPU_PAUSED;
    rsp.u = req.u;
    __builtin_memcpy(RING_GET_RESPONSE(ring, ring->rsp_prod_pvt), &rsp,
                     sizeof(rsp));
    ring->rsp_prod_pvt++;
    RING_PUSH_RESPONSES(ring);
    world_kick(w);
}
