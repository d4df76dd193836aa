/* SPDX-License-Identifier: GPL-2.0-only */
/* The runner's side of a case. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "agent.h"
#include "peers.h"
#include "world.h"

struct sample {
    double ns;              /* for all events of the repetition */
    uint64_t events;        /* produced, or round trips */
    uint64_t dropped;
    bool wrong;             /* the books do not balance */
};

/* One case: something of ours, or the same done by a peer. */
struct bench_case {
    const char *group;
    const char *name;
    unsigned int threads;   /* that are busy at once */
    uint32_t record;        /* bytes */
    uint64_t events;        /* in one repetition, of all threads together */
    bool base;              /* ratios of the group are to this one */
    bool cpu_time;          /* else the clock on the wall */
    const struct peer *peer;
    uint32_t ring_bytes;
    bool split;
    unsigned int vcpus;     /* 0: as many as there are producers */
    bool sleepy;            /* the agent may be going to sleep at any moment */
    bool silent;            /* both sides look by themselves */
    void *(*make)(const struct bench_case *c);
    void (*run)(const struct bench_case *c, void *state, struct sample *s);
    void (*end)(const struct bench_case *c, void *state);
};

extern const struct bench_case bench_cases[];
extern const unsigned int nr_bench_cases;

/* ---- threads.c ---- */

#define MAX_THREADS 9U

struct job {
    void (*run)(struct job *job);
    const struct bench_case *c;
    void *state;
    unsigned int nr;        /* of this producer */
    uint64_t events;
    const bool *done;
    bool *finished;         /* set when the last producer has; or NULL */
    unsigned int *running;  /* producers */
    uint64_t received, dropped;
};

void placement_init(void);
/* Where thread i of a case runs. */
int placement_cpu(unsigned int i);
unsigned int placement_cpus(void);
void placement_pin(unsigned int i);
/* Anywhere again. */
void placement_unpin(void);
double now_cpu(void);
/* All at once, one thread each; returns ns from the first to the last. */
double run_jobs(struct job *jobs, unsigned int nr);

#endif /* BENCH_BENCH_H */
