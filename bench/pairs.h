/* SPDX-License-Identifier: GPL-2.0-only */
/* Round trips between two threads. */
#ifndef BENCH_PAIRS_H
#define BENCH_PAIRS_H

#include "bench.h"

struct guarded {
    struct world *w;
    struct agent *a;
};

/* Three lines, as a request and its answer move them between two caches. */
void *lines_make(const struct bench_case *c);
void lines_run(const struct bench_case *c, void *state, struct sample *s);

/* One word that two threads write in turn: the floor of any round trip. */
void *word_make(const struct bench_case *c);
void word_run(const struct bench_case *c, void *state, struct sample *s);
void word_end(const struct bench_case *c, void *state);

/* A vCPU's thread that raises and waits, and an agent's that answers. */
void sync_pair(const struct bench_case *c, void *state, struct sample *s);

#endif /* BENCH_PAIRS_H */
