/* SPDX-License-Identifier: GPL-2.0-only */
/* A domain whose vCPUs are threads of the scheduler, and what must hold. */
#ifndef SCHED_WORLD_H
#define SCHED_WORLD_H

#include "harness.h"
#include "glue.h"
#include "rt.h"

#define SCHED_DOMID 1U

enum kind {
    EVENT_SYNC,             /* requests that wait for an answer */
    EVENT_ASYNC,            /* CR3 writes, which do not */
    EVENT_MIXED,            /* first the one, then the other */
};

struct world {
    struct domain *d;
    unsigned int nr;            /* vCPUs */
    unsigned int events;        /* of each, after the prelude */
    enum kind kind;
    bool endless;               /* vCPUs go on until they are stopped */
    bool must_change;           /* every request is answered */
    uint32_t first[SCHED_VCPUS];    /* events that the prelude raised */
    uint64_t raised[SCHED_VCPUS];   /* requests, as the guest counts */
    uint64_t changed[SCHED_VCPUS];  /* answers that the guest saw */
    bool lies;                  /* answers may be anything */
};

extern struct world w;

void world_make(unsigned int nr, unsigned int events, enum kind kind);
/* vCPUs as threads; before rt_run(). */
void world_start_vcpus(void);
/*
 * n events of each vCPU, before the run: so that what follows meets the end of
 * a ring, or a full one.
 */
void world_prelude(unsigned int n, enum kind kind);
/* After the run: books and pauses. */
void world_check_books(void);
/* What an agent was told adds up to what Xen counted. */
void world_check_agent(const struct sdk_agent *a);
void world_nobody_waits(void);
/* Ends vCPUs and domain; nothing is left of them. */
void world_end(void);
/* The same, for a domain that was killed in the run. */
void world_end_dead(void);

/* Events of all vCPUs in the run. */
static inline uint64_t world_total(void)
{
    return (uint64_t)w.nr * w.events;
}

/* ---- scenarios.c ---- */

struct scenario {
    const char *name;
    const char *what;
    void (*run)(void);
};

extern const struct scenario scenarios[];

/* ---- scenarios_heir.c ---- */

void run_heir_answers(void);
void run_heir_sleeps(void);

/* ---- scenarios_legacy.c ---- */

void run_legacy(void);
void run_legacy_library(void);
void run_legacy_enable(void);
void run_legacy_hostile(void);

#endif /* SCHED_WORLD_H */
