/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DPDK's rte_ring, elements by value, many producers and one consumer.  A ring
 * needs nothing else of DPDK, so that nothing is initialised.  Its copies are
 * by vector moves, which is to its advantage.
 */
#include "peers.h"

#ifdef BENCH_HAVE_RTE

#include <stdlib.h>
#include <string.h>

#include "hyper.h"

/* Who waits for an earlier producer's record gives up its processor, as ours. */
#include <rte_pause.h>
static inline void wait_until_equal(volatile uint32_t *at, uint32_t expected)
{
    unsigned int spins = 0;

    while ( __atomic_load_n(at, __ATOMIC_RELAXED) != expected )
        hyper_relax(&spins);
}
#define rte_wait_until_equal_32(at, expected, order) wait_until_equal(at, expected)
#include <rte_ring.h>
#include <rte_ring_elem.h>

struct rte {
    struct rte_ring *ring;
    uint32_t record;
};

static void *rte_make(uint32_t record, uint32_t ring_bytes)
{
    struct rte *r = calloc(1, sizeof(*r));
    unsigned int count = ring_bytes / record;
    size_t size = rte_ring_get_memsize_elem(record, count);

    if ( !r || record > 128 )
        abort();
    r->record = record;
    r->ring = aligned_alloc(4096, (size + 4095) & ~4095UL);
    if ( !r->ring )
        abort();
    memset(r->ring, 0, size);
    if ( rte_ring_init(r->ring, "bench", count, RING_F_SC_DEQ) )
        abort();

    return r;
}

static void rte_end(void *ring)
{
    struct rte *r = ring;

    free(r->ring);
    free(r);
}

/* As make_room() in world.c: one element less than all is taken. */
static void make_room(struct rte_ring *ring)
{
    uint32_t to = __atomic_load_n(&ring->prod.tail, __ATOMIC_ACQUIRE);
    uint32_t old = __atomic_load_n(&ring->cons.tail, __ATOMIC_RELAXED);

    while ( (int32_t)(to - old) > 0 &&
            !__atomic_compare_exchange_n(&ring->cons.tail, &old, to, false,
                                         __ATOMIC_RELEASE, __ATOMIC_RELAXED) )
        ;
    ring->cons.head = ring->cons.tail;
}

static uint64_t rte_produce(void *ring, unsigned int producer, uint64_t nr,
                            enum when_full full)
{
    unsigned int spins = 0;
    struct rte *r = ring;
    uint64_t rec[16], dropped = 0, i;

    (void)producer;
    memset(rec, 0x5a, sizeof(rec));
    for ( i = 0; i < nr; i++ )
    {
        if ( full == FULL_RESET && i % 64 == 63 )
            make_room(r->ring);
        spins = 0;
        while ( rte_ring_mp_enqueue_elem(r->ring, rec, r->record) )
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
        make_room(r->ring);

    return dropped;
}

static uint64_t rte_consume(void *ring, const bool *done)
{
    unsigned int spins = 0;
    struct rte *r = ring;
    uint64_t rec[32 * 16], received = 0;

    for ( ; ; )
    {
        bool last = __atomic_load_n(done, __ATOMIC_ACQUIRE);
        unsigned int n = rte_ring_sc_dequeue_burst_elem(r->ring, rec,
                                                        r->record, 32, NULL);

        __asm__ volatile ( "" :: "m" (rec) );
        received += n;
        if ( n )
        {
            spins = 0;
            continue;
        }
        if ( last )
            return received;
        hyper_relax(&spins);
    }
}

const struct peer peer_rte = {
    .make = rte_make,
    .end = rte_end,
    .produce = rte_produce,
    .consume = rte_consume,
};

#else

const struct peer peer_rte;

#endif
