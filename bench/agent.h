/* SPDX-License-Identifier: GPL-2.0-only */
/* An agent that uses libvmi-ring, on a world. */
#ifndef BENCH_AGENT_H
#define BENCH_AGENT_H

#include "world.h"

struct agent;

struct agent *agent_open(struct world *w, uint32_t ring_bytes, bool split,
                         uint32_t spin_us);
void agent_close(struct agent *a);
/* Subscribes to sync guest requests. */
void agent_watch(struct agent *a);
/*
 * Receives, spinning, until a look that began after *done was set finds
 * nothing.
 */
void agent_consume(struct agent *a, const bool *done, uint64_t *received,
                   uint64_t *lost);
/* One receive of up to 256 events, and its release. */
void agent_batch(struct agent *a, unsigned int expect);
/* Takes one sync event and lets its vCPU go on. */
void agent_answer(struct agent *a);
/* The same, once there is one. */
void agent_wait_answer(struct agent *a);
/* The same, for who is not woken. */
void agent_poll_answer(struct agent *a);

#endif /* BENCH_AGENT_H */
