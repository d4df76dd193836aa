/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Producer of the lossy rings.
 *
 * Xen owns the producer position, and nothing in the ring is read back.  The
 * agent writes two words.  cons is loaded, compared with what is known to be
 * true, and used only if it can be: a liar gets its own records overwritten, or
 * dropped and counted.  awake decides about wake-ups alone: a liar sleeps on.
 * Nothing here waits.
 */
#include "private.h"

void vm_event_ring_init(struct vm_event_ring *ring, uint8_t __agent *data,
                        uint32_t size, struct vmev2_ring_line __agent *line,
                        const struct vmev2_user_line __agent *user,
                        bool shared)
{
    spin_lock_init(&ring->lock);
    ring->prod = ring->cons = ring->awake = 0;
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

/*
 * Whole words: sizes and positions are multiples of 8.  Not memcpy(), which in
 * Xen is two string instructions for a size that it does not know; for what a
 * record has, either of them alone costs more than this.
 */
static always_inline void copy_words(uint8_t __agent *ring, const void *rec,
                                     uint32_t size)
{
    const uint64_t *from = rec;
    uint64_t *to = (uint64_t __force *)ring;  /* written only */

    for ( ; size >= 64; size -= 64, to += 8, from += 8 )
    {
        uint64_t a = from[0], b = from[1], c = from[2], d = from[3];
        uint64_t e = from[4], f = from[5], g = from[6], h = from[7];

        to[0] = a;
        to[1] = b;
        to[2] = c;
        to[3] = d;
        to[4] = e;
        to[5] = f;
        to[6] = g;
        to[7] = h;
    }

    for ( ; size; size -= 8 )
        *to++ = *from++;
}

static noinline void copy_wrapped(struct vm_event_ring *ring, uint32_t off,
                                  const struct vmev2_rec *rec)
{
    uint32_t first = ring->size - off;

    copy_words(ring->data + off, rec, first);
    copy_words(ring->data, (const void *)rec + first, rec->size - first);
}

/* size <= ring->size - (prod - cons), so neither part leaves the ring. */
static always_inline void copy_in(struct vm_event_ring *ring,
                                  const struct vmev2_rec *rec)
{
    uint32_t off = ring->prod & (ring->size - 1);

    if ( likely(rec->size <= ring->size - off) )
        copy_words(ring->data + off, rec, rec->size);
    else
        copy_wrapped(ring, off, rec);
}

/* Returns whether the agent has to be woken. */
static bool publish(struct vm_event_ring *ring, const struct vmev2_rec *rec)
{
    uint64_t start = ring->prod, end = start + rec->size;

    copy_in(ring, rec);                                  /* R0 */
    ring->prod = end;
    vm_event_store_release(&ring->line->prod, end);      /* R1 */

    /*
     * R6: the agent promised to look again, unasked, at whatever ends no
     * further than awake; and takes that back by a command, whose half in Xen
     * (vm_event_rings_recall()) excludes this function.  So there is no order
     * between the store above and a load to care for.
     */
    if ( ring->awake && ring->awake - end < ring->size )
        return false;

    /*
     * R5: the agent stores cons, fences and loads prod; we stored prod, fence
     * and load cons.  So either it sees the new record or we see that it had
     * caught up with the record's start, and may be going to sleep.
     */
    smp_mb();
    ring->awake = vm_event_load(&ring->user->awake);

    return vm_event_load(&ring->user->cons) == start;
}

/* cons is looked at when it matters: its line is the agent's to write. */
static bool has_room(struct vm_event_ring *ring, uint32_t size)
{
    if ( size <= ring->size - (ring->prod - ring->cons) )
        return true;

    sync_cons(ring);

    return size <= ring->size - (ring->prod - ring->cons);
}

void vm_event_ring_put(struct vm_event_channel *ch, struct vcpu *v,
                       struct vmev2_rec *rec)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    struct vm_event_ring *ring = vv->ring;
    bool wake = false;

    if ( ring->shared )
        spin_lock(&ring->lock);

    rec->seq = ++vv->seq;
    vv->produced++;

    if ( likely(has_room(ring, rec->size)) )
        wake = publish(ring, rec);
    else
    {
        struct vmev2_vcpu_line __agent *line = &ch->vcpu_line[v->vcpu_id];

        /* In this order, so that the agent can tell a half from a whole. */
        vm_event_store(&ring->line->lost, ++ring->lost);
        smp_wmb();  /* R7 */
        vm_event_store(&line->lost_seq, rec->seq);
        vm_event_store_release(&line->lost, ++vv->lost);  /* R7 */

        /*
         * R5 for a loss: the agent may have caught up since we looked, and
         * have seen neither a record nor the loss.  It would sleep on that.
         */
        smp_mb();
        wake = vm_event_load(&ring->user->cons) == ring->prod;
    }

    if ( ring->shared )
        spin_unlock(&ring->lock);

    if ( wake )
        vm_event_notify(ch);
}

/*
 * The agent is about to sleep, or is another one than before: what Xen knows
 * of awake is forgotten, and every record that was published without a look at
 * cons can be seen by the agent when this returns.  A shared ring's producers
 * are excluded by its lock; the others, which have none, by pausing them, so
 * that each has passed the barriers of a context switch.  Under
 * d->vm_event_lock.
 */
void vm_event_rings_recall(struct domain *d, struct vm_event_channel *ch)
{
    struct vcpu *v;

    if ( ch->nr_rings == 1 )
    {
        spin_lock(&ch->ring.lock);
        ch->ring.awake = 0;
        spin_unlock(&ch->ring.lock);
        return;
    }

    domain_pause(d);
    for_each_vcpu ( d, v )
        vm_event_of(v)->own.awake = 0;
    domain_unpause(d);
}
