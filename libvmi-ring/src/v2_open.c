/* SPDX-License-Identifier: MIT */
/* Opening a v2 channel: create or attach, bind, map, check. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "v2.h"

/*
 * Who created or attached, and has yet to bind, keeps others out for a second;
 * after that it is taken to have died.
 */
#define LEASE_TRIES         60
#define LEASE_RETRY_NS      20000000L

/* ---- CREATE, ATTACH ---- */

static void create_args(struct vmev2_op *op, const vmiring_options *o)
{
    op->u.create = (struct vmev2_op_create){
        .flags = (o->flags & VMIRING_OPEN_SPLIT_RINGS
                  ? VMEV2_CREATE_SPLIT_RINGS : 0) |
                 (o->flags & VMIRING_OPEN_SLOT_PORTS
                  ? VMEV2_CREATE_SLOT_PORTS : 0),
        .ring_bytes = o->ring_bytes < VMEV2_RING_MAX ? o->ring_bytes
                                                     : VMEV2_RING_MAX,
        .on_death = o->on_death,
        .on_deadline = o->on_deadline,
        .deadline_ms = o->deadline_ms,
        .deadline_flags = o->deadline_deny ? VMEV2_RSP_DENY : 0,
    };
}

static uint32_t state_of(vmiring *h)
{
    struct vmev2_op_info info;

    return v2_info(h->host, h->domid, &info, NULL, 0, 0) < 0
           ? VMEV2_STATE_NONE : info.state;
}

/*
 * Makes op again and again while it fails with EBUSY and the channel is in a
 * state in which that passes by itself.
 */
static int patiently(vmiring *h, struct vmev2_op *op, uint32_t passing)
{
    const struct timespec pause = { .tv_nsec = LEASE_RETRY_NS };
    const struct vmev2_op args = *op;
    uint32_t state;
    unsigned int i;

    for ( i = 0; ; i++ )
    {
        *op = args;
        if ( !v2_op(h->host, h->domid, op, NULL, 0) )
            return 0;
        if ( errno != EBUSY || i == LEASE_TRIES )
            return -1;
        /* Nobody has it (any more): the next try is as good as the first. */
        state = state_of(h);
        if ( state != passing && state != VMEV2_STATE_NONE &&
             state != VMEV2_STATE_IDLE )
        {
            errno = EBUSY;
            return -1;
        }
        nanosleep(&pause, NULL);
    }
}

static int attach(vmiring *h, const vmiring_options *o, struct vmev2_op *op)
{
    v2_op_init(op, VMEV2_CMD_ATTACH, 0);
    if ( o->flags & VMIRING_OPEN_TAKEOVER )
        op->flags |= VMEV2_ATTACH_TAKEOVER;
    if ( o->flags & VMIRING_OPEN_SLOT_PORTS )
        op->flags |= VMEV2_ATTACH_SLOT_PORTS;

    return patiently(h, op, VMEV2_STATE_HELD);
}

static int create(vmiring *h, const vmiring_options *o, struct vmev2_op *op)
{
    v2_op_init(op, VMEV2_CMD_CREATE, 0);
    create_args(op, o);

    return patiently(h, op, VMEV2_STATE_CREATED);
}

/* Says who has the domain, as far as that is known. */
static int busy(vmiring *h, const vmiring_options *o)
{
    struct vmev2_op_info info = { .state = VMEV2_STATE_NONE };
    char holder[64];

    v2_info(h->host, h->domid, &info, NULL, 0, 0);
    if ( info.state == VMEV2_STATE_HELD )
        return fail(&h->msg, EBUSY, "domain %u is held for an agent that has "
                    "gone: open with VMIRING_OPEN_REATTACH, or "
                    "vmiring_force_release()", h->domid);

    holder_read(o, holder, sizeof(holder));
    if ( !holder[0] && info.legacy )
        return fail(&h->msg, EBUSY, "domain %u is held through the legacy ring "
                    "by an agent that left no name", h->domid);
    if ( !holder[0] )
        return fail(&h->msg, EBUSY, "domain %u is held by an agent that left "
                    "no name, port %d of domain %u", h->domid,
                    (int)info.agent_port, info.agent);

    return fail(&h->msg, EBUSY, "domain %u is held by %s%s", h->domid, holder,
                info.legacy ? " through the legacy ring" : "");
}

static int acquire_fail(vmiring *h, const vmiring_options *o)
{
    int err = errno;

    switch ( err )
    {
    case EBUSY:
        return busy(h, o);

    case ENOENT:
        return fail(&h->msg, ENXIO, "domain %u has no channel to attach to",
                    h->domid);

    case ESRCH:
        return fail(&h->msg, ENOENT, "no domain %u", h->domid);

    case ENOSPC:
        return fail(&h->msg, ENOMEM, "domain %u has no free event channel "
                    "port, or too many vCPUs for a ring each", h->domid);

    case EPERM:
        return fail(&h->msg, EACCES, "Xen does not let this domain watch "
                    "domain %u", h->domid);

    default:
        return fail(&h->msg, err, "creating the channel of domain %u: %s",
                    h->domid, strerror(err));
    }
}

/*
 * A channel that cannot be taken over, as its policy is not HOLD: its requests
 * are let go and a new one is made.
 */
static int replace(vmiring *h, const vmiring_options *o, struct vmev2_op *op)
{
    struct vmev2_op_info info;

    if ( v2_info(h->host, h->domid, &info, NULL, 0, 0) < 0 )
        return -1;

    v2_op_init(op, VMEV2_CMD_DESTROY, info.generation);
    if ( v2_op(h->host, h->domid, op, NULL, 0) && errno != ENOENT )
        return -1;
    h->v2->heir = true;

    return create(h, o, op);
}

static int acquire(vmiring *h, const vmiring_options *o, struct vmev2_op *op)
{
    if ( !(o->flags & (VMIRING_OPEN_REATTACH | VMIRING_OPEN_TAKEOVER)) )
        return create(h, o, op);

    if ( !attach(h, o, op) )
        return 0;

    if ( o->flags & VMIRING_OPEN_TAKEOVER )
    {
        if ( errno == EOPNOTSUPP )
            return replace(h, o, op);
        /* Nobody is there: nothing to take over, so it is made. */
        if ( errno == ENOENT && !(o->flags & VMIRING_OPEN_REATTACH) )
            return create(h, o, op);
    }

    return -1;
}

static int bind_doorbell(vmiring *h, uint32_t port)
{
    struct vmev2_op_info info;

    h->local_port = h->host->ops->bind(h->host, h->domid, port);
    if ( h->local_port < 0 )
        return fail(&h->msg, errno == EINVAL ? EBUSY : errno,
                    "binding the doorbell of domain %u: %s", h->domid,
                    strerror(errno));

    /* Between create and bind another agent may have taken our place. */
    if ( v2_info(h->host, h->domid, &info, NULL, 0, 0) < 0 )
        return v2_fail(h, "info");
    h->held_on_leave = info.on_death == VMEV2_DEATH_HOLD;
    if ( info.generation != h->v2->generation ||
         info.state != VMEV2_STATE_ARMED )
        return fail(&h->msg, EBUSY, "another agent took domain %u while the "
                    "channel was being made", h->domid);

    return 0;
}

/* ---- mapping ---- */

void *v2_map(vmiring *h, uint32_t kind, uint64_t first, uint64_t nr, int prot,
             unsigned int times)
{
    void *p = h->host->ops->map(h->host, h->domid, XENMEM_resource_vm_event,
                                VMEV2_RES_ID(h->v2->generation, kind), first,
                                nr, prot, times);

    if ( !p )
        fail(&h->msg, errno, "mapping resource %u of domain %u: %s", kind,
             h->domid, strerror(errno));

    return p;
}

int v2_map_slots(vmiring *h)
{
    struct v2 *v2 = h->v2;

    v2->ctrl = (void SHARED *)v2_map(h, VMEV2_RES_CTRL, 0,
                                     v2->frames[VMEV2_RES_CTRL], PROT_READ, 1);
    if ( !v2->ctrl )
        return -1;
    v2->slots = (void SHARED *)v2_map(h, VMEV2_RES_SLOTS, 0,
                                      v2->frames[VMEV2_RES_SLOTS],
                                      PROT_READ | PROT_WRITE, 1);

    return v2->slots ? 0 : -1;
}

static int map_pages(vmiring *h)
{
    struct v2 *v2 = h->v2;

    if ( v2_map_slots(h) )
        return -1;
    v2->user = (void SHARED *)v2_map(h, VMEV2_RES_USER, 0,
                                     v2->frames[VMEV2_RES_USER],
                                     PROT_READ | PROT_WRITE, 1);

    return v2->user ? 0 : -1;
}

/* nr items of size bytes from offset on lie inside the control pages. */
static bool inside(const struct v2 *v2, uint32_t offset, uint64_t nr,
                   uint32_t size)
{
    uint64_t end = (uint64_t)v2->frames[VMEV2_RES_CTRL] * HOST_PAGE;

    return offset % 8 == 0 && offset <= end && nr * size <= end - offset;
}

static int bad_ctrl(vmiring *h, const char *field, uint64_t value)
{
    return fail(&h->msg, EPROTO, "control page of domain %u: %s is %#llx",
                h->domid, field, (unsigned long long)value);
}

/* Geometry from the control page, checked against what was granted. */
int v2_read_geometry(vmiring *h)
{
    struct v2 *v2 = h->v2;
    const struct vmev2_ctrl c = 
        *(const volatile struct vmev2_ctrl __force *)v2->ctrl;
    uint64_t bytes;

    if ( c.magic != VMEV2_MAGIC )
        return bad_ctrl(h, "magic", c.magic);
    if ( c.compat > VMEV2_VERSION )
        return bad_ctrl(h, "compat", c.compat);
    if ( c.nr_vcpus != v2->nr_vcpus )
        return bad_ctrl(h, "nr_vcpus", c.nr_vcpus);
    if ( c.nr_rings != 1 && c.nr_rings != c.nr_vcpus )
        return bad_ctrl(h, "nr_rings", c.nr_rings);
    if ( c.ring_bytes < VMEV2_RING_MIN || c.ring_bytes & (c.ring_bytes - 1) ||
         c.ring_bytes / HOST_PAGE * (uint64_t)c.nr_rings >
         v2->frames[VMEV2_RES_RING] )
        return bad_ctrl(h, "ring_bytes", c.ring_bytes);

    bytes = (uint64_t)v2->frames[VMEV2_RES_SLOTS] * HOST_PAGE;
    if ( c.slot_size % 8 || c.slot_size < sizeof(struct vmev2_slot) ||
         c.slot_size > HOST_PAGE || c.slot_size * (uint64_t)c.nr_vcpus > bytes )
        return bad_ctrl(h, "slot_size", c.slot_size);
    if ( c.slot_rsp % 8 || c.slot_rsp < VMEV2_SLOT_RSP ||
         c.slot_rsp > c.slot_size - sizeof(struct vmev2_rsp) )
        return bad_ctrl(h, "slot_rsp", c.slot_rsp);
    if ( !inside(v2, c.pending_off, (c.nr_vcpus + 7) / 8, 8) )
        return bad_ctrl(h, "pending_off", c.pending_off);
    if ( !inside(v2, c.vcpu_off, c.nr_vcpus, sizeof(struct vmev2_vcpu_line)) )
        return bad_ctrl(h, "vcpu_off", c.vcpu_off);
    if ( !inside(v2, c.ring_off, c.nr_rings, sizeof(struct vmev2_ring_line)) )
        return bad_ctrl(h, "ring_off", c.ring_off);

    if ( c.slot_ports > c.nr_vcpus ||
         (c.slot_ports && !inside(v2, c.port_off, (c.nr_vcpus + 1) / 2, 8)) )
        return bad_ctrl(h, "slot_ports", c.slot_ports);

    bytes = (uint64_t)v2->frames[VMEV2_RES_USER] * HOST_PAGE;
    if ( c.nr_rings * (uint64_t)sizeof(struct vmev2_user_line) > bytes )
        return bad_ctrl(h, "nr_rings", c.nr_rings);

    v2->nr_rings = c.nr_rings;
    v2->ring_bytes = c.ring_bytes;
    v2->slot_size = c.slot_size;
    v2->slot_rsp = c.slot_rsp;
    v2->pending = (const uint8_t SHARED *)v2->ctrl + c.pending_off;
    v2->lines = (const void SHARED *)(v2->pending - c.pending_off + c.vcpu_off);
    v2->ring_lines = (const void SHARED *)(v2->pending - c.pending_off +
                                           c.ring_off);
    v2->ports = c.slot_ports
                ? (const void SHARED *)(v2->pending - c.pending_off + c.port_off)
                : NULL;
    h->geometry.slot_ports = c.slot_ports;
    h->arm64 = c.features & VMEV2_FEAT_ARM64;
    v2->access_looks = c.features & VMEV2_FEAT_ACCESS_LOOKS;
    h->clock.time = c.clock_time;
    h->clock.wall = c.clock_wall;
    h->clock.tsc = c.clock_tsc;

    return 0;
}

/* 0: none. */
uint32_t v2_slot_port(const struct v2 *v2, uint32_t vcpu)
{
    return v2->ports ? shm_read32(&v2->ports[vcpu]) : 0;
}

/*
 * Which requests are ours: without a port of its own a slot is the doorbell's,
 * and with one only while nobody has bound that.
 */
static void share_slots(struct v2 *v2)
{
    uint32_t i;

    for ( i = 0; i < v2->nr_vcpus; i++ )
        v2->vcpus[i].serve = 1U << VMEV2_PENDING_ORPHAN |
                             (v2_slot_port(v2, i)
                              ? 0 : 1U << VMEV2_PENDING_SLOT);
}

static int map_rings(vmiring *h)
{
    struct v2 *v2 = h->v2;
    uint64_t frames = v2->ring_bytes / HOST_PAGE;
    uint32_t i;

    v2->rings = calloc(v2->nr_rings, sizeof(*v2->rings));
    if ( !v2->rings )
        return fail(&h->msg, ENOMEM, "no memory");

    for ( i = 0; i < v2->nr_rings; i++ )
    {
        v2->rings[i].line = &v2->ring_lines[i];
        v2->rings[i].user = &v2->user[i];
        v2->rings[i].bytes = v2_map(h, VMEV2_RES_RING, i * frames, frames,
                                 PROT_READ, 2);
        if ( !v2->rings[i].bytes )
            return -1;
    }

    return 0;
}

/* ---- where to begin ---- */

/* A fresh channel: what the ring held before is not ours. */
static void begin_fresh(struct v2 *v2)
{
    uint32_t i;

    for ( i = 0; i < v2->nr_rings; i++ )
    {
        struct v2_ring *ring = &v2->rings[i];

        ring->cons = ring->limit = shm_acquire64(&ring->line->prod);  /* R2 */
        ring->lost_told = shm_read64(&ring->line->lost);
        ring->published = ~ring->cons;
    }

    for ( i = 0; i < v2->nr_vcpus; i++ )
    {
        v2->vcpus[i].lost_told = shm_read64(&v2->lines[i].lost);
        v2->vcpus[i].next_seq = 1;
    }
}

/* Calls step for each record that is left in a ring.  -1: one is none. */
static int walk(vmiring *h, const struct v2_ring *ring,
                void (*step)(struct v2 *v2, const struct vmev2_rec *rec))
{
    struct v2 *v2 = h->v2;
    struct event e;
    uint64_t pos;

    for ( pos = ring->cons; pos != ring->limit; pos += e.rec.size )
    {
        if ( event_from_rec(&e, ring->bytes + (pos & (v2->ring_bytes - 1)),
                            ring->limit - pos, v2->nr_vcpus, h->arm64) )
            return -1;
        if ( step )
            step(v2, &e.rec);
    }

    return 0;
}

/* Makes losses of a vCPU ours to report, if Xen counted as many. */
static void inherit_lost(struct v2 *v2, uint32_t vcpu, uint64_t count)
{
    struct v2_vcpu *v = &v2->vcpus[vcpu];

    if ( count > v->lost_told )
        count = v->lost_told;

    v->lost_told -= count;
    v2->rings[v2_ring_of(v2, vcpu)].lost_told -= count;
}

/* next_seq 0: no record of this vCPU yet. */
static void count_gap(struct v2 *v2, const struct vmev2_rec *rec)
{
    struct v2_vcpu *v = &v2->vcpus[rec->vcpu];

    if ( v->next_seq && rec->seq > v->next_seq )
        inherit_lost(v2, rec->vcpu, rec->seq - v->next_seq);
    v->next_seq = rec->seq + 1;
}

static void note_first(struct v2 *v2, const struct vmev2_rec *rec)
{
    struct v2_vcpu *v = &v2->vcpus[rec->vcpu];

    if ( !v->next_seq )
        v->next_seq = rec->seq;
}

/*
 * After attach: from where the predecessor stopped, or where no record stands
 * there, from where Xen is now.  What it reported is not known to us; ours are
 * the losses between the records that are left, and those after a vCPU's last
 * one.
 */
static void begin_inherited(vmiring *h)
{
    struct v2 *v2 = h->v2;
    uint32_t i;

    for ( i = 0; i < v2->nr_vcpus; i++ )
        v2->vcpus[i].next_seq = 0;

    for ( i = 0; i < v2->nr_rings; i++ )
    {
        struct v2_ring *ring = &v2->rings[i];

        ring->cons = shm_read64(&ring->user->cons);
        v2->promised |= shm_read64(&ring->user->awake) != 0;
        if ( ring->limit - ring->cons > v2->ring_bytes ||
             walk(h, ring, NULL) )
            ring->cons = ring->limit;
        walk(h, ring, count_gap);
    }

    for ( i = 0; i < v2->nr_vcpus; i++ )
    {
        struct v2_vcpu *v = &v2->vcpus[i];
        uint64_t last = shm_read64(&v2->lines[i].lost_seq);

        if ( v->next_seq && last >= v->next_seq )
            inherit_lost(v2, i, last - v->next_seq + 1);
        v->next_seq = 0;
    }

    for ( i = 0; i < v2->nr_rings; i++ )
        walk(h, &v2->rings[i], note_first);

    v2_recall(h);  /* what the predecessor promised */
}

/* ---- open, free ---- */

int v2_alloc_vcpus(vmiring *h, uint32_t nr)
{
    struct v2 *v2 = h->v2;

    v2->nr_vcpus = h->nr_vcpus = nr;
    if ( !nr || nr > 65536 )
        return fail(&h->msg, EPROTO, "create: nr_vcpus is %u", nr);

    v2->vcpus = calloc(nr, sizeof(*v2->vcpus));
    v2->queue = calloc(nr, sizeof(*v2->queue));
    if ( !v2->vcpus || !v2->queue )
        return fail(&h->msg, ENOMEM, "no memory");

    return 0;
}

static int take_grant(vmiring *h, const struct vmev2_op_create *g)
{
    struct v2 *v2 = h->v2;
    unsigned int i;

    v2->generation = g->generation;
    for ( i = 0; i < VMEV2_RES_KINDS; i++ )
    {
        v2->frames[i] = g->frames[i];
        if ( !g->frames[i] || g->frames[i] > VMEV2_RING_MAX / HOST_PAGE * 2 )
            return fail(&h->msg, EPROTO, "create: resource %u has %u frames",
                        i, g->frames[i]);
    }

    return v2_alloc_vcpus(h, g->nr_vcpus);
}

static int keep_answers(vmiring *h)
{
    struct v2 *v2 = h->v2;

    if ( !v2->heir )
        return 0;
    v2->kept = calloc(v2->nr_vcpus, sizeof(*v2->kept));

    return v2->kept ? 0 : fail(&h->msg, ENOMEM, "no memory");
}

static int set_up(vmiring *h, const struct vmev2_op *op)
{
    struct v2 *v2 = h->v2;

    if ( take_grant(h, &op->u.create) || keep_answers(h) ||
         bind_doorbell(h, op->u.create.port) ||
         map_pages(h) || v2_read_geometry(h) || map_rings(h) ||
         fds_watch(h, h->host->ops->fd(h->host)) )
        return -1;

    share_slots(v2);
    begin_fresh(v2);
    if ( v2->inherited )
        begin_inherited(h);

    h->body_size = v2->slot_rsp - VMEV2_SLOT_REC;
    h->geometry.nr_vcpus = v2->nr_vcpus;
    h->geometry.nr_rings = v2->nr_rings;
    h->geometry.ring_bytes = v2->ring_bytes;
    h->geometry.generation = v2->generation;
    h->geometry.released_before = op->u.create.released_before;

    return 0;
}

int v2_open(vmiring *h, const vmiring_options *o)
{
    struct vmev2_op op;
    struct vmev2_op end;
    int err;

    h->v2 = calloc(1, sizeof(*h->v2));
    if ( !h->v2 )
        return fail(&h->msg, ENOMEM, "no memory");

    if ( acquire(h, o, &op) )
    {
        acquire_fail(h, o);
        err = errno;
        v2_free(h, false);
        errno = err;
        return -1;
    }

    h->v2->inherited = op.cmd == VMEV2_CMD_ATTACH;
    h->v2->heir |= h->v2->inherited;
    if ( !set_up(h, &op) )
    {
        h->engine = h->v2->heir ? &v2_heir_engine : &v2_engine;
        return 0;
    }

    /* Take back what we made; an inherited channel is left as it was. */
    err = errno;
    if ( !h->v2->inherited && err != EBUSY )
    {
        v2_op_init(&end, VMEV2_CMD_DESTROY, op.u.create.generation);
        v2_op(h->host, h->domid, &end, NULL, 0);
    }
    v2_free(h, false);
    errno = err;

    return -1;
}

void v2_free(vmiring *h, bool child)
{
    struct v2 *v2 = h->v2;
    const struct host_ops *ops = h->host->ops;
    uint32_t i;

    if ( !v2 )
        return;

    if ( !child )
    {
        for ( i = 0; v2->rings && i < v2->nr_rings; i++ )
            if ( v2->rings[i].bytes )
                ops->unmap(h->host, (void *)v2->rings[i].bytes,
                           v2->ring_bytes / HOST_PAGE, 2);
        if ( v2->user )
            ops->unmap(h->host, (void __force *)v2->user,
                       v2->frames[VMEV2_RES_USER], 1);
        if ( v2->slots )
            ops->unmap(h->host, (void __force *)v2->slots,
                       v2->frames[VMEV2_RES_SLOTS], 1);
        if ( v2->ctrl )
            ops->unmap(h->host, (void __force *)v2->ctrl,
                       v2->frames[VMEV2_RES_CTRL], 1);
        if ( h->local_port >= 0 )
            ops->unbind(h->host, h->local_port);
        for ( i = 0; v2->vcpus && i < v2->nr_vcpus; i++ )
            if ( v2->vcpus[i].has_port )
                ops->unbind(h->host, v2->vcpus[i].local);
    }
    h->local_port = -1;

    free(v2->rings);
    free(v2->vcpus);
    free(v2->queue);
    free(v2->own);
    free(v2->kept);
    free(v2);
    h->v2 = NULL;
}
