/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>

#include "hyper.h"
#include "pairs.h"

/* Two threads, one that asks and one that answers; what the latter received. */
static uint64_t run_both(const struct bench_case *c, void *state,
                         struct sample *s, void (*ask)(struct job *job),
                         void (*answer)(struct job *job))
{
    struct job jobs[2] = {
        { .run = ask, .c = c, .state = state, .events = c->events },
        { .run = answer, .c = c, .state = state, .events = c->events },
    };

    s->ns = run_jobs(jobs, 2);
    s->events = c->events;

    return jobs[1].received;
}

/* ---- one word ---- */

void *word_make(const struct bench_case *c)
{
    (void)c;

    return aligned_alloc(64, 64);
}

void word_end(const struct bench_case *c, void *state)
{
    (void)c;
    free(state);
}

/* Thread nr waits for its turn and gives it to the other. */
static void job_word(struct job *job)
{
    uint64_t *word = job->state, i;

    for ( i = 0; i < job->events; i++ )
    {
        uint64_t turn = 2 * i + job->nr;
        unsigned int spins = 0;

        while ( __atomic_load_n(word, __ATOMIC_ACQUIRE) != turn )
            hyper_relax(&spins);
        __atomic_store_n(word, turn + 1, __ATOMIC_RELEASE);
    }
}

void word_run(const struct bench_case *c, void *state, struct sample *s)
{
    struct job jobs[2];
    unsigned int i;

    *(uint64_t *)state = 0;
    for ( i = 0; i < 2; i++ )
        jobs[i] = (struct job){ .run = job_word, .c = c, .state = state,
                                .nr = i, .events = c->events };
    s->ns = run_jobs(jobs, 2);
    s->events = c->events;
}

/* ---- the lines of a slot, and no code around them ---- */

struct lines {
    uint64_t hint, pad0[7];     /* set by Xen, looked at by the agent */
    uint64_t request, pad1[7];
    uint64_t answer, pad2[7];
};

void *lines_make(const struct bench_case *c)
{
    (void)c;

    return aligned_alloc(64, sizeof(struct lines));
}

static void job_ask(struct job *job)
{
    struct lines *l = job->state;
    uint64_t i;

    for ( i = 1; i <= job->events; i++ )
    {
        unsigned int spins = 0;

        __atomic_store_n(&l->request, i, __ATOMIC_RELEASE);
        __atomic_store_n(&l->hint, 1, __ATOMIC_RELEASE);
        while ( __atomic_load_n(&l->answer, __ATOMIC_ACQUIRE) != i )
            hyper_relax(&spins);
        __atomic_store_n(&l->hint, 0, __ATOMIC_RELEASE);
    }
}

static void job_reply(struct job *job)
{
    struct lines *l = job->state;
    uint64_t i, request;

    for ( i = 1; i <= job->events; i++ )
    {
        unsigned int spins = 0;

        /* The hint may still be the last request's. */
        while ( !__atomic_load_n(&l->hint, __ATOMIC_ACQUIRE) ||
                (request = __atomic_load_n(&l->request,
                                           __ATOMIC_ACQUIRE)) != i )
            hyper_relax(&spins);
        __atomic_store_n(&l->answer, request, __ATOMIC_RELEASE);
    }
}

void lines_run(const struct bench_case *c, void *state, struct sample *s)
{
    *(struct lines *)state = (struct lines){ 0 };
    run_both(c, state, s, job_ask, job_reply);
}

/* ---- a vCPU and an agent ---- */

static void job_vcpu(struct job *job)
{
    struct guarded *g = job->state;
    uint64_t i;

    for ( i = 0; i < job->events; i++ )
    {
        unsigned int spins = 0;

        world_raise(g->w, 0);
        while ( job->c->silent && !world_look(g->w, 0) )
            hyper_relax(&spins);
        while ( !world_resume(g->w, 0) )
            hyper_relax(&spins);
    }
}

static void job_answer(struct job *job)
{
    struct guarded *g = job->state;

    for ( ; job->received < job->events; job->received++ )
        if ( job->c->silent )
            agent_poll_answer(g->a);
        else
            agent_wait_answer(g->a);
}

void sync_pair(const struct bench_case *c, void *state, struct sample *s)
{
    s->wrong = run_both(c, state, s, job_vcpu, job_answer) != c->events;
}
