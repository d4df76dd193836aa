/* SPDX-License-Identifier: GPL-2.0-only */
/* Other rings, each through its own public header. */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How a full ring is met: room is made at once by moving the consumer's
 * position; the producer waits for a consumer; or the record is dropped.
 */
enum when_full { FULL_RESET, FULL_WAIT, FULL_DROP };

struct peer {
    void *(*make)(uint32_t record, uint32_t ring_bytes);
    void (*end)(void *ring);
    /* Returns the number of records dropped. */
    uint64_t (*produce)(void *ring, unsigned int producer, uint64_t nr,
                        enum when_full full);
    /* As agent_consume(); returns the number of records received. */
    uint64_t (*consume)(void *ring, const bool *done);
};

/* The macros of xen/io/ring.h with entries of 400 bytes, whatever is sent. */
extern const struct peer peer_legacy;
/* Records by value, many producers.  Without libck-dev make is NULL. */
extern const struct peer peer_ck;
/* DPDK's, likewise.  Without libdpdk-dev make is NULL. */
extern const struct peer peer_rte;
/*
 * Linux' BPF ring buffer, filled in the kernel.  Without libbpf make is NULL; it
 * returns NULL where the kernel lets only root.
 */
extern const struct peer peer_bpf;
/* No ring at all: copies to a memory of that size. */
extern const struct peer peer_bare;

#endif /* BENCH_PEERS_H */
