/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Concurrency Kit's ck_ring, records by value.  Its copies are the compiler's,
 * of a constant size, which is to its advantage.
 */
#include "peers.h"

#ifdef BENCH_HAVE_CK

#include <stdlib.h>
#include <string.h>

#include "hyper.h"

/* Who waits for an earlier producer's record gives up its processor, as ours. */
#include <ck_pr.h>
static __thread unsigned int stalls;
#define ck_pr_stall() hyper_relax(&stalls)
#include <ck_ring.h>
#undef ck_pr_stall

struct rec64 { uint64_t word[8]; };
struct rec128 { uint64_t word[16]; };

CK_RING_PROTOTYPE(rec64, rec64)
CK_RING_PROTOTYPE(rec128, rec128)

struct ck {
    ck_ring_t ring;
    uint32_t record;
    void *buffer;
};

static void *ck_make(uint32_t record, uint32_t ring_bytes)
{
    struct ck *ck = aligned_alloc(64, (sizeof(*ck) + 63) & ~63UL);

    if ( !ck || (record != 64 && record != 128) )
        abort();
    ck->buffer = aligned_alloc(4096, ring_bytes);
    if ( !ck->buffer )
        abort();
    memset(ck->buffer, 0, ring_bytes);
    ck->record = record;
    ck_ring_init(&ck->ring, ring_bytes / record);

    return ck;
}

static void ck_end(void *ring)
{
    struct ck *ck = ring;

    free(ck->buffer);
    free(ck);
}

/* As make_room() in world.c. */
static void make_room(struct ck *ck)
{
    unsigned int to = __atomic_load_n(&ck->ring.p_tail, __ATOMIC_ACQUIRE);
    unsigned int old = __atomic_load_n(&ck->ring.c_head, __ATOMIC_RELAXED);

    while ( (int)(to - old) > 0 &&
            !__atomic_compare_exchange_n(&ck->ring.c_head, &old, to, false,
                                         __ATOMIC_RELEASE, __ATOMIC_RELAXED) )
        ;
}

static bool put(struct ck *ck, const void *rec)
{
    return ck->record == 64
           ? ck_ring_enqueue_mpsc_rec64(&ck->ring, ck->buffer,
                                        (struct rec64 *)rec)
           : ck_ring_enqueue_mpsc_rec128(&ck->ring, ck->buffer,
                                         (struct rec128 *)rec);
}

static bool get(struct ck *ck, void *rec)
{
    return ck->record == 64
           ? ck_ring_dequeue_mpsc_rec64(&ck->ring, ck->buffer, rec)
           : ck_ring_dequeue_mpsc_rec128(&ck->ring, ck->buffer, rec);
}

static uint64_t ck_produce(void *ring, unsigned int producer, uint64_t nr,
                           enum when_full full)
{
    unsigned int spins = 0;
    struct ck *ck = ring;
    struct rec128 rec;
    uint64_t dropped = 0, i;

    (void)producer;
    memset(&rec, 0x5a, sizeof(rec));
    for ( i = 0; i < nr; i++ )
    {
        if ( full == FULL_RESET && i % 64 == 63 )
            make_room(ck);
        spins = stalls = 0;
        while ( !put(ck, &rec) )
        {
            if ( full != FULL_WAIT )
            {
                dropped++;
                break;
            }
            hyper_relax(&spins);
        }
    }
    if ( full == FULL_RESET )
        make_room(ck);

    return dropped;
}

static uint64_t ck_consume(void *ring, const bool *done)
{
    unsigned int spins = 0;
    struct ck *ck = ring;
    struct rec128 rec;
    uint64_t received = 0;

    for ( ; ; )
    {
        bool last = __atomic_load_n(done, __ATOMIC_ACQUIRE);
        uint64_t before = received;

        while ( get(ck, &rec) )
        {
            __asm__ volatile ( "" :: "m" (rec) );
            received++;
        }
        if ( received != before )
        {
            spins = 0;
            continue;
        }
        if ( last )
            return received;
        hyper_relax(&spins);
    }
}

const struct peer peer_ck = {
    .make = ck_make,
    .end = ck_end,
    .produce = ck_produce,
    .consume = ck_consume,
};

#else

const struct peer peer_ck;

#endif
