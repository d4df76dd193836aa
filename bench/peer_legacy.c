/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The legacy ring: what Xen 4.17's vm_event.c does to it, by the macros of the
 * installed xen/io/ring.h, under a lock as Xen's.  Left out, to its advantage:
 * the notification that it makes for each single event.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#include <xen/xen.h>
#include <xen/vm_event.h>
#include <xen/io/ring.h>

#include "hyper.h"
#include "peers.h"

struct legacy {
    struct hyper_lock lock;
    vm_event_front_ring_t front;
    vm_event_back_ring_t back __attribute__((aligned(64)));
};

static void *legacy_make(uint32_t record, uint32_t ring_bytes)
{
    vm_event_sring_t *sring = aligned_alloc(4096, ring_bytes);
    struct legacy *l = aligned_alloc(64, sizeof(*l));

    (void)record;
    if ( !sring || !l )
        abort();
    memset(l, 0, sizeof(*l));
    SHARED_RING_INIT(sring);
    FRONT_RING_INIT(&l->front, sring, ring_bytes);
    BACK_RING_INIT(&l->back, sring, ring_bytes);

    return l;
}

static void legacy_end(void *ring)
{
    struct legacy *l = ring;

    free(l->front.sring);
    free(l);
}

/* The agent's responses alone give entries back: vm_event_resume(). */
static void take_responses(struct legacy *l)
{
    while ( RING_HAS_UNCONSUMED_RESPONSES(&l->front) )
    {
        vm_event_response_t rsp;

        xen_rmb();
        hyper_copy(&rsp, RING_GET_RESPONSE(&l->front, l->front.rsp_cons),
                   sizeof(rsp));
        __asm__ volatile ( "" :: "m" (rsp) );
        l->front.rsp_cons++;
        l->front.sring->rsp_event = l->front.rsp_cons + 1;
    }
}

static bool find_room(struct legacy *l, enum when_full full)
{
    unsigned int spins = 0;

    if ( !RING_FULL(&l->front) )
        return true;

    if ( full == FULL_RESET )
    {
        l->front.rsp_cons = l->front.req_prod_pvt;
        return true;
    }

    for ( ; ; )
    {
        take_responses(l);
        if ( !RING_FULL(&l->front) )
            return true;
        if ( full == FULL_DROP )
            return false;
        hyper_relax(&spins);
    }
}

static uint64_t legacy_produce(void *ring, unsigned int producer, uint64_t nr,
                               enum when_full full)
{
    struct legacy *l = ring;
    vm_event_request_t req;
    uint64_t dropped = 0;

    memset(&req, 0x5a, sizeof(req));
    req.vcpu_id = producer;
    while ( nr-- )
    {
        hyper_lock(&l->lock);
        if ( find_room(l, full) )
        {
            hyper_copy(RING_GET_REQUEST(&l->front, l->front.req_prod_pvt),
                       &req, sizeof(req));
            l->front.req_prod_pvt++;
            RING_PUSH_REQUESTS(&l->front);
        }
        else
            dropped++;
        hyper_unlock(&l->lock);
    }

    return dropped;
}

static uint64_t legacy_consume(void *ring, const bool *done)
{
    vm_event_back_ring_t *back = &((struct legacy *)ring)->back;
    vm_event_request_t req;
    unsigned int spins = 0;
    uint64_t received = 0;

    for ( ; ; )
    {
        bool last = __atomic_load_n(done, __ATOMIC_ACQUIRE);
        unsigned int nr = 0;

        while ( RING_HAS_UNCONSUMED_REQUESTS(back) )
        {
            xen_rmb();
            memcpy(&req, RING_GET_REQUEST(back, back->req_cons), sizeof(req));
            back->req_cons++;
            back->sring->req_event = back->req_cons + 1;
            memcpy(RING_GET_RESPONSE(back, back->rsp_prod_pvt), &req,
                   sizeof(req));
            back->rsp_prod_pvt++;
            RING_PUSH_RESPONSES(back);
            nr++;
        }
        received += nr;
        if ( nr )
        {
            spins = 0;
            continue;
        }
        if ( last )
            return received;
        hyper_relax(&spins);
    }
}

const struct peer peer_legacy = {
    .make = legacy_make,
    .end = legacy_end,
    .produce = legacy_produce,
    .consume = legacy_consume,
};

/* ---- the bare loop ---- */

struct bare {
    uint32_t record;
    uint32_t bytes;
    uint8_t *room[2];   /* one for each producer */
};

static void *bare_make(uint32_t record, uint32_t ring_bytes)
{
    struct bare *b = calloc(1, sizeof(*b));
    unsigned int i;

    if ( !b )
        abort();
    b->record = record;
    b->bytes = ring_bytes;
    for ( i = 0; i < 2; i++ )
        if ( !(b->room[i] = aligned_alloc(4096, ring_bytes)) )
            abort();

    return b;
}

static void bare_end(void *ring)
{
    struct bare *b = ring;

    free(b->room[0]);
    free(b->room[1]);
    free(b);
}

static uint64_t bare_produce(void *ring, unsigned int producer, uint64_t nr,
                             enum when_full full)
{
    const struct bare *b = ring;
    uint8_t rec[640];
    uint32_t at = 0;

    (void)full;
    memset(rec, 0x5a, sizeof(rec));
    while ( nr-- )
    {
        hyper_copy(b->room[producer] + at, rec, b->record);
        at = (at + b->record) & (b->bytes - 1);
    }

    return 0;
}

const struct peer peer_bare = {
    .make = bare_make,
    .end = bare_end,
    .produce = bare_produce,
};
