/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Producer of the lossy rings.
 *
 * Xen owns the producer position, and nothing in the ring is read back.  The
 * one word that the agent writes, cons, is loaded, compared with what is known
 * to be true, and used only if it can be: a liar gets its own records
 * overwritten, or dropped and counted.  Nothing here waits.
 */
#include "private.h"

void vm_event_ring_init(struct vm_event_ring *ring, uint8_t *data, uint32_t size,
                        struct vmev2_ring_line *line,
                        const struct vmev2_user_line *user, bool shared)
{
    spin_lock_init(&ring->lock);
    ring->prod = ring->cons = 0;
    ring->lost = ring->bad_cons = 0;
    ring->data = data;
    ring->size = size;
    ring->line = line;
    ring->user = user;
    ring->shared = shared;
}

/*
 * Takes over the consumer's position if it lies in [last good, produced], by
 * unsigned difference, so that it may wrap.
 */
static void sync_cons(struct vm_event_ring *ring)
{
    uint64_t cons = vm_event_load_acquire(&ring->user->cons);  /* R4 */

    if ( cons - ring->cons <= ring->prod - ring->cons )
        ring->cons = cons;
    else
        vm_event_store(&ring->line->bad_cons, ++ring->bad_cons);
}

/* size <= ring->size - (prod - cons), so neither part leaves the ring. */
static void copy_in(struct vm_event_ring *ring, const void *rec, uint32_t size)
{
    uint32_t off = ring->prod & (ring->size - 1);
    uint32_t first = min(size, ring->size - off);

    memcpy(ring->data + off, rec, first);
    if ( first < size )
        memcpy(ring->data, (const uint8_t *)rec + first, size - first);
}

/* Returns whether the agent has to be woken. */
static bool publish(struct vm_event_ring *ring, const struct vmev2_rec *rec)
{
    uint64_t start = ring->prod;

    copy_in(ring, rec, rec->size);                       /* R0 */
    ring->prod += rec->size;
    vm_event_store_release(&ring->line->prod, ring->prod);  /* R1 */

    /*
     * R5: the agent stores cons, fences and loads prod; we stored prod, fence
     * and load cons.  So either it sees the new record or we see that it had
     * caught up with the record's start, and may be going to sleep.
     */
    smp_mb();

    return vm_event_load(&ring->user->cons) == start;
}

void vm_event_ring_put(struct vm_event_channel *ch, struct vcpu *v,
                       struct vmev2_rec *rec)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    struct vm_event_ring *ring = vv->ring;
    bool wake = false;

    if ( ring->shared )
        spin_lock(&ring->lock);

    sync_cons(ring);
    rec->seq = ++vv->seq;
    vv->produced++;

    if ( rec->size <= ring->size - (ring->prod - ring->cons) )
        wake = publish(ring, rec);
    else
    {
        struct vmev2_vcpu_line *line = &ch->vcpu_line[v->vcpu_id];

        vm_event_store(&ring->line->lost, ++ring->lost);
        vm_event_store(&line->lost_seq, rec->seq);
        vm_event_store(&line->lost, ++vv->lost);
    }

    if ( ring->shared )
        spin_unlock(&ring->lock);

    if ( wake )
        vm_event_notify(ch);
}
