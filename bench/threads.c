/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads that begin together, each on a processor of its own if there is. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "hyper.h"

static cpu_set_t allowed;
static int cpus[CPU_SETSIZE];
static unsigned int nr_cpus;

struct thread {
    struct job *job;
    unsigned int index;
    unsigned int *waiting;  /* threads that are not there yet */
    double begin, end;
    pthread_t id;
};

void placement_init(void)
{
    int i;

    if ( sched_getaffinity(0, sizeof(allowed), &allowed) )
        abort();
    for ( i = 0; i < CPU_SETSIZE; i++ )
        if ( CPU_ISSET(i, &allowed) )
            cpus[nr_cpus++] = i;
}

unsigned int placement_cpus(void)
{
    return nr_cpus;
}

int placement_cpu(unsigned int i)
{
    return cpus[i % nr_cpus];
}

void placement_pin(unsigned int i)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(placement_cpu(i), &set);
    if ( pthread_setaffinity_np(pthread_self(), sizeof(set), &set) )
        abort();
}

void placement_unpin(void)
{
    if ( pthread_setaffinity_np(pthread_self(), sizeof(allowed), &allowed) )
        abort();
}

static double now(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);

    return ts.tv_sec * 1e9 + ts.tv_nsec;
}

double now_cpu(void)
{
    return now(CLOCK_THREAD_CPUTIME_ID);
}

static void *run(void *arg)
{
    struct thread *t = arg;
    unsigned int spins = 0;

    placement_pin(t->index);
    world_thread();
    __atomic_fetch_sub(t->waiting, 1, __ATOMIC_ACQ_REL);
    while ( __atomic_load_n(t->waiting, __ATOMIC_ACQUIRE) )
        hyper_relax(&spins);

    t->begin = now(CLOCK_MONOTONIC);
    t->job->run(t->job);
    t->end = now(CLOCK_MONOTONIC);
    if ( t->job->finished &&
         !__atomic_sub_fetch(t->job->running, 1, __ATOMIC_ACQ_REL) )
        __atomic_store_n(t->job->finished, true, __ATOMIC_RELEASE);

    return NULL;
}

double run_jobs(struct job *jobs, unsigned int nr)
{
    struct thread t[MAX_THREADS];
    unsigned int waiting = nr, i;
    double begin, end;

    if ( !nr || nr > MAX_THREADS )
        abort();
    for ( i = 0; i < nr; i++ )
    {
        t[i] = (struct thread){ .job = &jobs[i], .index = i,
                                .waiting = &waiting };
        if ( pthread_create(&t[i].id, NULL, run, &t[i]) )
            abort();
    }
    for ( i = 0; i < nr; i++ )
        pthread_join(t[i].id, NULL);

    begin = t[0].begin;
    end = t[0].end;
    for ( i = 1; i < nr; i++ )
    {
        begin = t[i].begin < begin ? t[i].begin : begin;
        end = t[i].end > end ? t[i].end : end;
    }

    return end - begin;
}
