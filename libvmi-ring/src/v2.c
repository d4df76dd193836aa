/* SPDX-License-Identifier: MIT */
/*
 * The v2 ABI's data path: slots and rings in, answers out.
 *
 * Order.  A vCPU's asynchronous records with a lower sequence number come
 * before its sync request.  Xen published them before req_seq (S1), so after
 * the acquire load of req_seq (S2) a load of prod covers them all: the request
 * waits until the ring was handed out up to that position, no further.
 *
 * Loss.  A gap in a vCPU's sequence is a loss, or a sync request that policy
 * ended before we saw it.  Xen's lost counter tells them apart: it was brought
 * up to date before the record behind the gap was published, so at most that
 * many of the gap are losses that were not reported yet.  Losses with nothing
 * behind them are found by the same counter when the ring is empty.  So the
 * reported total never passes Xen's, and meets it whenever the ring is empty.
 */
#include <errno.h>
#include <string.h>

#include "v2.h"

/* ---- looking for work ---- */

/* The queue's n-th place from its head on; n < nr_vcpus. */
static uint32_t *queue_at(const struct v2 *v2, uint32_t n)
{
    uint32_t at = v2->queue_head + n;

    return &v2->queue[at < v2->nr_vcpus ? at : at - v2->nr_vcpus];
}

static void enqueue(struct v2 *v2, uint32_t vcpu, uint64_t req)
{
    struct v2_vcpu *v = &v2->vcpus[vcpu];

    /*
     * If policy ended the one that we saw, and this is another, the queued one
     * is dropped when its turn comes, and the next look finds this.
     */
    if ( v->queued )
        return;

    v->seen = req;
    v->unplaced = true;
    v->queued = true;
    *queue_at(v2, v2->queue_len++) = vcpu;
}

static void dequeue(struct v2 *v2)
{
    v2->vcpus[v2->queue[v2->queue_head]].queued = false;
    if ( ++v2->queue_head == v2->nr_vcpus )
        v2->queue_head = 0;
    v2->queue_len--;
}

/* Eight vCPUs' pending bytes. */
static void collect_slots(vmiring *h, uint32_t first)
{
    struct v2 *v2 = h->v2;
    uint64_t bytes =
        shm_read64((const uint64_t SHARED *)(const void SHARED *)(v2->pending + first));
    uint32_t vcpu;

    for ( vcpu = first; bytes && vcpu < v2->nr_vcpus; vcpu++, bytes >>= 8 )
    {
        uint64_t req;

        if ( !v2_ours(v2, vcpu, bytes & 0xff) )
            continue;

        /* S2.  The load of prod in v2_collect() comes after it. */
        req = shm_acquire64(&v2_slot(v2, vcpu)->req_seq);

        if ( req == v2->vcpus[vcpu].taken )
            continue;

        /*
         * A predecessor's answer, or a worker's that has gone, which Xen takes
         * or refuses when rung.
         */
        if ( (v2->inherited || (bytes & 0xff) == VMEV2_PENDING_ORPHAN) &&
             req == shm_read64(&v2_rsp(v2, vcpu)->rsp_seq) )
            h->kick_due = true;
        else
            enqueue(v2, vcpu, req);
    }
}

/*
 * R6: while records keep coming we look again anyway, and Xen need neither ring
 * nor order its stores for us.  Raising the word costs nothing; taking it back
 * costs a hypercall (v2_recall()), so that it has to pay off.
 */
#define BUSY_LOOKS 8U

static void stay_awake(vmiring *h)
{
    struct v2 *v2 = h->v2;
    uint32_t i;

    if ( v2->stable )
        v2->busy = 0;
    else
        v2->busy++;
    if ( v2->busy < BUSY_LOOKS && !h->spinning )
        return;

    for ( i = 0; i < v2->nr_rings; i++ )
    {
        struct v2_ring *ring = &v2->rings[i];
        uint64_t ahead = ring->awake ? ring->awake - ring->limit : 0;

        if ( (int64_t)ahead > v2->ring_bytes / 2 )
            continue;

        ring->awake = ring->limit + v2->ring_bytes;
        shm_release64(&ring->user->awake, ring->awake);
        v2->promised = true;
    }
}

/*
 * Before an application may sleep.  What Xen published without a look at cons
 * is there for the look that follows.  On failure the channel is at its end,
 * which check() tells, or the fd stays readable until this succeeds.
 */
void v2_recall(vmiring *h)
{
    struct v2 *v2 = h->v2;
    struct vmev2_op op;
    uint32_t i;

    if ( !v2->promised )
        return;

    for ( i = 0; i < v2->nr_rings; i++ )
    {
        v2->rings[i].awake = 0;
        shm_release64(&v2->rings[i].user->awake, 0);
    }
    v2_op_init(&op, VMEV2_CMD_RESUME, v2->generation);
    if ( v2_op(h->host, h->domid, &op, NULL, 0) && errno != ENODEV &&
         errno != ESRCH )
        fds_arm(h);
    else
        v2->promised = false;
    v2->busy = 0;
}

int v2_collect(vmiring *h)
{
    struct v2 *v2 = h->v2;
    uint32_t i;

    for ( i = 0; i < v2->nr_vcpus; i += 8 )
        collect_slots(h, i);

    v2->stable = true;
    for ( i = 0; i < v2->nr_rings; i++ )
    {
        struct v2_ring *ring = &v2->rings[i];

        ring->limit = shm_acquire64(&ring->line->prod);  /* R2 */
        if ( ring->limit - ring->cons > v2->ring_bytes )
            return fail(&h->msg, EBADMSG, "ring %u: prod is %#llx, which is "
                        "not within %u bytes of cons %#llx", i,
                        (unsigned long long)ring->limit, v2->ring_bytes,
                        (unsigned long long)ring->cons);
        if ( ring->limit != ring->cons )
            v2->stable = false;
    }
    stay_awake(h);

    for ( i = 0; i < v2->queue_len; i++ )
    {
        uint32_t vcpu = *queue_at(v2, i);
        struct v2_vcpu *v = &v2->vcpus[vcpu];

        if ( v->unplaced && v2->nr_rings )
            v->wait_pos = v2->rings[v2_ring_of(v2, vcpu)].limit;
        v->unplaced = false;
    }

    return 0;
}

/* ---- losses ---- */

static void tell_lost(vmiring *h, struct event *e, uint32_t vcpu,
                      uint64_t count, uint64_t last)
{
    struct v2 *v2 = h->v2;

    event_lost(e, vcpu, count, last);
    v2->vcpus[vcpu].lost_told += count;
    v2->rings[v2_ring_of(v2, vcpu)].lost_told += count;
    h->stats.lost += count;
}

/* Xen's count of a vCPU's losses that were not reported yet. */
static uint64_t lost_untold(const struct v2 *v2, uint32_t vcpu)
{
    uint64_t lost = shm_read64(&v2->lines[vcpu].lost);
    uint64_t told = v2->vcpus[vcpu].lost_told;

    return lost > told ? lost - told : 0;
}

static uint64_t v2_untold(const vmiring *h)
{
    const struct v2 *v2 = h->v2;
    uint64_t sum = 0;
    uint32_t i;

    for ( i = 0; v2->nr_rings && i < v2->nr_vcpus; i++ )
        sum += lost_untold(v2, i);

    return sum;
}

static uint64_t v2_expired(const vmiring *h)
{
    return shm_read64(&h->v2->ctrl->deadline_expired);
}

/*
 * Whether losses stand between what this vCPU gave us last and the record with
 * sequence number seq; if so, e becomes the report, and next time there are
 * none.
 */
static bool gap_before(vmiring *h, struct event *e, uint32_t vcpu,
                       uint64_t seq)
{
    struct v2_vcpu *v = &h->v2->vcpus[vcpu];
    uint64_t missing = seq > v->next_seq ? seq - v->next_seq : 0;
    uint64_t lost = missing ? lost_untold(h->v2, vcpu) : 0;

    if ( lost > missing )
        lost = missing;

    /* A request that is published again has an old sequence number. */
    if ( seq >= v->next_seq )
        v->next_seq = seq;
    /* A worker has no ring: who reads it tells of its vCPUs' losses. */
    if ( !lost || !h->v2->rings )
        return false;

    tell_lost(h, e, vcpu, lost, seq - 1);

    return true;
}

static void seq_seen(struct v2 *v2, uint32_t vcpu, uint64_t seq)
{
    if ( seq >= v2->vcpus[vcpu].next_seq )
        v2->vcpus[vcpu].next_seq = seq + 1;
}

/*
 * Whether lost, which was read first, and a lost_seq that was read after it
 * belong together (R7): Xen counts on the ring first, and for the vCPU last.
 * If not, they will the next time; settle() sees that there is one.
 *
 * The sum needs no order of its own: a second loss would have begun after the
 * first one's end, in the ring's lock, and before our position, published and
 * fenced for an empty ring, gave it room.
 */
static bool loss_is_whole(const struct v2 *v2, uint32_t r, uint32_t vcpu,
                          uint64_t lost)
{
    uint32_t first = v2->nr_rings == 1 ? 0 : r;
    uint32_t end = v2->nr_rings == 1 ? v2->nr_vcpus : r + 1;
    uint64_t sum = 0;
    uint32_t i;

    for ( i = first; i < end; i++ )
        sum += shm_read64(&v2->lines[i].lost);

    return shm_read64(&v2->lines[vcpu].lost) == lost &&
           shm_read64(&v2->rings[r].line->lost) == sum;
}

/*
 * Losses with nothing behind them, when the rings are empty: still so when the
 * counters were read, or there may be records in front of the loss that came
 * since our look.  Those ring, or are found by settle().
 */
static int next_trailing(vmiring *h, struct event *e)
{
    struct v2 *v2 = h->v2;
    uint32_t i;
    uint32_t vcpu;

    for ( i = 0; i < v2->nr_rings; i++ )
    {
        const struct v2_ring *ring = &v2->rings[i];
        uint32_t end = v2->nr_rings == 1 ? v2->nr_vcpus : i + 1;

        if ( shm_read64(&ring->line->lost) == ring->lost_told )
            continue;

        for ( vcpu = v2->nr_rings == 1 ? 0 : i; vcpu < end; vcpu++ )
        {
            uint64_t told = v2->vcpus[vcpu].lost_told;
            uint64_t lost = shm_acquire64(&v2->lines[vcpu].lost);  /* R7 */
            uint64_t last = shm_acquire64(&v2->lines[vcpu].lost_seq);  /* R7 */

            if ( lost <= told || !loss_is_whole(v2, i, vcpu, lost) ||
                 shm_read64(&ring->line->prod) != ring->limit )
                continue;

            tell_lost(h, e, vcpu, lost - told, last);
            seq_seen(v2, vcpu, last);

            return 1;
        }
    }

    return 0;
}

/* ---- rings ---- */

static int take_record(vmiring *h, struct event *e, struct v2_ring *ring)
{
    struct v2 *v2 = h->v2;
    const void *from = ring->bytes + (ring->cons & (v2->ring_bytes - 1));
    const char *bad = event_from_rec(e, from, ring->limit - ring->cons,
                                     v2->nr_vcpus, h->arm64);

    if ( !bad && v2->nr_rings > 1 &&
         &v2->rings[v2_ring_of(v2, e->rec.vcpu)] != ring )
        bad = "vcpu";
    if ( !bad && (e->rec.flags & VMEV2_REC_SYNC) )
        bad = "flags";
    if ( bad )
        return fail(&h->msg, EBADMSG, "ring %td: the record at %#llx has a "
                    "bad %s", ring - v2->rings,
                    (unsigned long long)ring->cons, bad);

    /* The usual record follows its vCPU's last one. */
    if ( e->rec.seq == v2->vcpus[e->rec.vcpu].next_seq )
        v2->vcpus[e->rec.vcpu].next_seq++;
    else
    {
        if ( gap_before(h, e, e->rec.vcpu, e->rec.seq) )
            return 1;
        seq_seen(v2, e->rec.vcpu, e->rec.seq);
    }
    ring->cons += e->rec.size;

    return 1;
}

/* The ring that the oldest request waits for; else they take turns. */
static struct v2_ring *pick_ring(struct v2 *v2)
{
    uint32_t i;

    if ( v2->queue_len && v2->nr_rings )
        return &v2->rings[v2_ring_of(v2, v2->queue[v2->queue_head])];

    for ( i = 0; i < v2->nr_rings; i++ )
    {
        struct v2_ring *ring = &v2->rings[v2->ring_turn];

        if ( ++v2->ring_turn == v2->nr_rings )
            v2->ring_turn = 0;
        if ( ring->cons != ring->limit )
            return ring;
    }

    return NULL;
}

/* ---- slots ---- */

static const char withdrawn[] = "withdrawn request";

/*
 * Copies the request out.  Policy may end a request and the vCPU raise another
 * while we read, or make it somebody else's.  Xen withdraws the pending byte before it writes the record,
 * and sets it again after req_seq; so a copy is whole if afterwards the byte is
 * set and req_seq is what it was.
 */
static const char *copy_slot(vmiring *h, struct event *e, uint32_t vcpu,
                             uint64_t *req)
{
    struct v2 *v2 = h->v2;
    const struct vmev2_slot SHARED *slot = v2_slot(v2, vcpu);
    uint32_t error, size;
    const char *bad;

    /* No more than the record has: a small one is in the slot's first line. */
    /* Not S2: what the first look saw was ordered there, and else it is none. */
    *req = shm_read64(&slot->req_seq);
    error = shm_read32(&slot->error);
    size = shm_read32(&slot->rec.size);
    if ( size < sizeof(slot->rec) || size > h->body_size )
        size = sizeof(slot->rec);
    shm_copy_out(e->body, &slot->rec, size);
    shm_copy_fence();
    if ( !v2_ours(v2, vcpu, shm_acquire8(&v2->pending[vcpu])) ||
         shm_acquire64(&slot->req_seq) != *req ||
         *req != v2->vcpus[vcpu].seen )
        return withdrawn;

    bad = event_from_rec(e, e->body, size, v2->nr_vcpus, h->arm64);
    if ( !bad && e->rec.vcpu != vcpu )
        bad = "vcpu";
    if ( !bad && !(e->rec.flags & VMEV2_REC_SYNC) )
        bad = "flags";
    e->error = error;
    e->handle = *req;

    return bad;
}

/*
 * The request at the head of the queue: 1 handed out, 0 it is gone, -1 its
 * record is bad.
 */
static int take_slot(vmiring *h, struct event *e)
{
    struct v2 *v2 = h->v2;
    uint32_t vcpu = v2->queue[v2->queue_head];
    struct v2_vcpu *v = &v2->vcpus[vcpu];
    uint64_t req;
    const char *bad = copy_slot(h, e, vcpu, &req);

    if ( bad == withdrawn )
    {
        /* If another stands there by now, the next look finds it. */
        dequeue(v2);
        return 0;
    }
    if ( bad )
        return fail(&h->msg, EBADMSG, "slot %u: the request has a bad %s",
                    vcpu, bad);

    if ( gap_before(h, e, vcpu, e->rec.seq) )
        return 1;

    dequeue(v2);
    seq_seen(v2, vcpu, e->rec.seq);
    v->taken = req;
    if ( e->error )
        h->stats.refused++;

    return 1;
}

/* ---- next ---- */

static int next_domain(vmiring *h, struct event *e)
{
    struct v2 *v2 = h->v2;
    uint32_t domain = shm_acquire32(&v2->ctrl->domain);

    if ( domain == v2->domain_told || domain > VMEV2_DOMAIN_DYING )
        return 0;

    v2->domain_told = domain;
    event_domain(e, domain, shm_read32(&v2->ctrl->shutdown_code));

    return 1;
}

/* Why the channel has ended, if it is that the domain crashed or shut down. */
static int v2_last(vmiring *h, struct event *e)
{
    struct v2 *v2 = h->v2;

    if ( shm_read64(&v2->ctrl->generation) != v2->generation )
        return 0;

    return next_domain(h, e);
}

static int v2_next(vmiring *h, struct event *e)
{
    struct v2 *v2 = h->v2;
    struct v2_ring *ring;

    while ( v2->queue_len )
    {
        uint32_t vcpu = v2->queue[v2->queue_head];
        int rc;

        ring = v2->nr_rings ? &v2->rings[v2_ring_of(v2, vcpu)] : NULL;
        if ( ring && (int64_t)(ring->cons - v2->vcpus[vcpu].wait_pos) < 0 )
            break;

        rc = take_slot(h, e);
        if ( rc )
            return rc;
    }

    ring = pick_ring(v2);
    if ( ring )
        return take_record(h, e, ring);

    /*
     * Rings that were empty when we looked, before we look at the counters:
     * what is lost then has no record in front of it that we did not hand out.
     */
    if ( v2->stable && next_trailing(h, e) )
        return 1;

    return next_domain(h, e);
}

static bool v2_settle(vmiring *h)
{
    struct v2 *v2 = h->v2;
    bool more = v2->promised;
    uint32_t i;

    for ( i = 0; i < v2->nr_rings; i++ )
    {
        struct v2_ring *ring = &v2->rings[i];

        if ( ring->published == ring->cons )
            continue;

        ring->published = ring->cons;
        shm_release64(&ring->user->cons, ring->cons);  /* R3 */
    }

    shm_wakeup_fence();  /* R5 */

    /* Losses behind the last record make no notification of their own. */
    for ( i = 0; i < v2->nr_rings; i++ )
    {
        const struct v2_ring *ring = &v2->rings[i];

        if ( shm_read64(&ring->line->prod) != ring->cons ||
             shm_read64(&ring->line->lost) != ring->lost_told )
            more = true;
    }

    return more;
}

/* ---- answers ---- */

/*
 * Writes the answer to the request that stands in the slot: words that only we
 * write, and that nobody reads before rsp_seq.
 */
void v2_answer(vmiring *h, uint32_t vcpu, const struct vmiring_response *rsp)
{
    static const struct vmiring_response go_on;
    struct vmev2_rsp SHARED *shared = v2_rsp(h->v2, vcpu);
    struct vmev2_rsp *out = (struct vmev2_rsp __force *)shared;
    struct v2_vcpu *v = &h->v2->vcpus[vcpu];

    if ( !rsp )
        rsp = &go_on;

    /* S3.  All of the first line: a predecessor may have left anything. */
    out->flags = rsp->flags;
    out->altp2m_idx = rsp->altp2m_view;
    out->fast_p2midx = rsp->fast_view;
    out->emul_size = rsp->emul_size;
    out->pad0 = 0;
    memset(out->pad1, 0, sizeof(out->pad1));
    if ( rsp->flags & VMEV2_RSP_SET_REGISTERS )
        memcpy(out->regs.word, rsp->regs, sizeof(out->regs.word));
    if ( rsp->flags & (VMEV2_RSP_SET_EMUL_READ_DATA |
                       VMEV2_RSP_SET_EMUL_INSN_DATA) )
        memcpy(out->emul, rsp->emul, sizeof(out->emul));

    shm_release64(&shared->rsp_seq, v->taken);  /* S4 */
    v->answered = v->taken;
    h->kick_due = true;
    if ( h->v2->own && !v->due )
    {
        v->due = true;
        h->v2->nr_due++;
    }
}

static int v2_respond(vmiring *h, uint32_t vcpu, uint64_t handle,
                      const struct vmiring_response *rsp)
{
    struct v2 *v2 = h->v2;
    struct v2_vcpu *v = &v2->vcpus[vcpu];

    if ( handle == v->answered )
        return fail(&h->msg, EALREADY, "vCPU %u's request was answered before",
                    vcpu);

    /*
     * Only what we handed out.  Xen takes the byte back when it ends a request;
     * set again, it means the next one.
     */
    if ( handle != v->taken ||
         !v2_ours(v2, vcpu, shm_acquire8(&v2->pending[vcpu])) ||
         handle != shm_read64(&v2_slot(v2, vcpu)->req_seq) )
        return fail(&h->msg, ECANCELED, "vCPU %u's request was ended by policy "
                    "or reset before it was answered", vcpu);

    v2_answer(h, vcpu, rsp);

    return 0;
}

int v2_kick(vmiring *h)
{
    return h->host->ops->notify(h->host, h->local_port);
}

/* A slot's port is rung for this slot alone. */
static int worker_kick(vmiring *h)
{
    struct v2 *v2 = h->v2;
    uint32_t i;

    for ( i = 0; v2->nr_due && i < v2->nr_own; i++ )
    {
        struct v2_vcpu *v = &v2->vcpus[v2->own[i]];

        if ( !v->due )
            continue;
        if ( h->host->ops->notify(h->host, v->local) )
            return -1;
        v->due = false;
        if ( --v2->nr_due )
            h->stats.kicks++;
    }

    return 0;
}

/* ---- after somebody who may still run ---- */

/*
 * Xen has looked at the slots, within the command or the doorbell.  What it did
 * not take although we answered it has the number of a predecessor, who was
 * stopped between its look at the request and S4, and has gone on since: nobody
 * would answer that request any more.  Once more then, all of it, and Xen is
 * rung by the receive that the fd now asks for.
 */
static void answer_again(vmiring *h)
{
    struct v2 *v2 = h->v2;
    uint32_t i;

    for ( i = 0; i < v2->nr_vcpus; i++ )
    {
        uint64_t answered = v2->vcpus[i].answered;

        if ( !v2_ours(v2, i, shm_acquire8(&v2->pending[i])) ||
             shm_read64(&v2_slot(v2, i)->req_seq) != answered ||
             shm_read64(&v2_rsp(v2, i)->rsp_seq) == answered )
            continue;

        v2_answer(h, i, &v2->kept[i]);
        fds_arm(h);
    }
}

static int heir_respond(vmiring *h, uint32_t vcpu, uint64_t handle,
                        const struct vmiring_response *rsp)
{
    if ( v2_respond(h, vcpu, handle, rsp) )
        return -1;

    h->v2->kept[vcpu] = rsp ? *rsp : (struct vmiring_response){ .flags = 0 };

    return 0;
}

static int heir_kick(vmiring *h)
{
    if ( v2_kick(h) )
        return -1;
    answer_again(h);

    return 0;
}

static int heir_set_access(vmiring *h, uint64_t first, uint64_t nr,
                           uint8_t access)
{
    int rc = v2_set_access(h, first, nr, access);

    answer_again(h);

    return rc;
}

static int heir_set_access_list(vmiring *h, const uint64_t *gfns,
                                const uint8_t *access, size_t nr, size_t *done)
{
    int rc = v2_set_access_list(h, gfns, access, nr, done);

    answer_again(h);

    return rc;
}

/*
 * Likewise the words of the rings: a position behind ours, or a promise to look
 * unasked, would have Xen ring nobody.  What is stored after this look stays.
 */
static void heir_idle(vmiring *h)
{
    struct v2 *v2 = h->v2;
    uint32_t i;

    for ( i = 0; i < v2->nr_rings; i++ )
    {
        const struct v2_ring *ring = &v2->rings[i];

        if ( shm_read64(&ring->user->cons) != ring->published )
            shm_release64(&ring->user->cons, ring->published);
        if ( shm_read64(&ring->user->awake) != ring->awake )
            v2->promised = true;
    }
    shm_wakeup_fence();  /* as in v2_settle() */
    v2_recall(h);
}

const struct engine_ops v2_engine = {
    .abi = VMIRING_ABI_V2,
    .check = v2_check,
    .collect = v2_collect,
    .idle = v2_recall,
    .next = v2_next,
    .last = v2_last,
    .settle = v2_settle,
    .untold = v2_untold,
    .expired = v2_expired,
    .respond = v2_respond,
    .kick = v2_kick,
    .monitor = v2_monitor,
    .set_access = v2_set_access,
    .get_access = v2_get_access,
    .set_access_list = v2_set_access_list,
    .leave = v2_leave,
    .close = v2_close,
};

/* The same, on a channel, or after one, that an agent had who may still run. */
const struct engine_ops v2_heir_engine = {
    .abi = VMIRING_ABI_V2,
    .check = v2_check,
    .collect = v2_collect,
    .idle = heir_idle,
    .next = v2_next,
    .last = v2_last,
    .settle = v2_settle,
    .untold = v2_untold,
    .expired = v2_expired,
    .respond = heir_respond,
    .kick = heir_kick,
    .monitor = v2_monitor,
    .set_access = heir_set_access,
    .get_access = v2_get_access,
    .set_access_list = heir_set_access_list,
    .leave = v2_leave,
    .close = v2_close,
};

/* The same, for some vCPUs' requests, without a ring and without control. */
const struct engine_ops v2_worker_engine = {
    .abi = VMIRING_ABI_V2,
    .check = v2_check,
    .collect = v2_collect,
    .next = v2_next,
    .settle = v2_settle,
    .expired = v2_expired,
    .respond = v2_respond,
    .kick = worker_kick,
    .monitor = v2_worker_monitor,
    .set_access = v2_worker_set_access,
    .get_access = v2_worker_get_access,
    .set_access_list = v2_worker_set_access_list,
    .leave = v2_worker_leave,
    .close = v2_worker_close,
};
