/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest in the simulated Xen, for who knows nothing of Xen's inner headers.
 * Every thread that calls these begins with world_thread().
 */
#ifndef BENCH_WORLD_H
#define BENCH_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;

void world_init(void);
void world_thread(void);
struct world *world_new(unsigned int nr_vcpus);
void world_free(struct world *w);
uint32_t world_domid(const struct world *w);

/* A channel without an agent. */
void world_channel(struct world *w, bool split, uint32_t ring_bytes);
void world_channel_end(struct world *w);

/*
 * vCPU vcpu publishes nr records of size bytes by vm_event_ring_put().
 * publish: nobody reads; room is made by moving the agent's position up to one
 * record behind Xen's, so that no record wakes anybody.  awake: the agent says
 * that it looks by itself (R6), as the SDK does while it has much to do.
 * offer: waits for room, which the agent makes.
 * push: waits for nothing.
 */
void world_publish(struct world *w, unsigned int vcpu, uint32_t size,
                   uint64_t nr, bool awake);
void world_offer(struct world *w, unsigned int vcpu, uint32_t size,
                 uint64_t nr);
void world_push(struct world *w, unsigned int vcpu, uint32_t size,
                uint64_t nr);
/* Of all vCPUs, as VMEV2_CMD_INFO has it. */
void world_counts(struct world *w, uint64_t *produced, uint64_t *lost);

/* Raises a sync guest request and is descheduled; and goes on, if it may. */
void world_raise(struct world *w, unsigned int vcpu);
bool world_resume(struct world *w, unsigned int vcpu);

/*
 * From now on both sides look by themselves, and neither rings: what is left is
 * the words that they share.  Before the first event.
 */
void world_silence(struct world *w);
/* Xen's look for an answer to a vCPU that waits; whether there was one. */
bool world_look(struct world *w, unsigned int vcpu);

/* The legacy ABI's channel, subscribed to sync guest requests. */
void world_legacy(struct world *w);
void world_legacy_end(struct world *w);
/* The agent's half: takes one request, answers it, kicks. */
void world_legacy_answer(struct world *w);

/* What an agent's domain does; 0 or an errno. */
int world_dm_op(struct world *w, void *buf0, size_t size0, void *buf1,
                size_t size1);
void *world_map(struct world *w, uint32_t type, uint32_t id, uint64_t first,
                uint64_t nr, int prot, unsigned int times);
int world_bind(struct world *w, uint32_t port, int *local);
void world_unbind(struct world *w);
void world_kick(struct world *w);
int world_fd(const struct world *w);
uint64_t world_pending(struct world *w);

#endif /* BENCH_WORLD_H */
