/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tasklets and timers: one thread of the idle domain's runs both, one after
 * the other, holding no lock.
 */
#include "sim.h"

#include <xen/tasklet.h>
#include <xen/timer.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond;
static LIST_HEAD(tasklets);
static LIST_HEAD(timers);       /* the next to expire first */
static bool working;            /* one of either runs */
static s_time_t clock_ahead;

s_time_t sim_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1000000000LL + ts.tv_nsec +
           __atomic_load_n(&clock_ahead, __ATOMIC_RELAXED);
}

void sim_clock_advance(s_time_t ns)
{
    __atomic_fetch_add(&clock_ahead, ns, __ATOMIC_RELAXED);
    pthread_mutex_lock(&mutex);
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
}

void tasklet_init(struct tasklet *t, void (*func)(void *data), void *data)
{
    memset(t, 0, sizeof(*t));
    INIT_LIST_HEAD(&t->list);
    t->func = func;
    t->data = data;
}

void tasklet_schedule(struct tasklet *t)
{
    pthread_mutex_lock(&mutex);
    if ( !t->dead && !t->queued )
    {
        t->queued = true;
        list_add_tail(&t->list, &tasklets);
        pthread_cond_broadcast(&cond);
    }
    pthread_mutex_unlock(&mutex);
}

void tasklet_kill(struct tasklet *t)
{
    pthread_mutex_lock(&mutex);
    t->dead = true;
    if ( t->queued )
    {
        t->queued = false;
        list_del_init(&t->list);
    }
    while ( t->running )
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
}

void init_timer(struct timer *t, void (*function)(void *data), void *data,
                unsigned int cpu)
{
    (void)cpu;
    memset(t, 0, sizeof(*t));
    INIT_LIST_HEAD(&t->list);
    t->function = function;
    t->data = data;
}

static void unqueue(struct timer *t)
{
    if ( t->queued )
        list_del_init(&t->list);
    t->queued = false;
}

void set_timer(struct timer *t, s_time_t expires)
{
    struct timer *pos;

    pthread_mutex_lock(&mutex);
    unqueue(t);
    if ( !t->dead )
    {
        t->expires = expires;
        t->queued = true;
        list_for_each_entry ( pos, &timers, list )
            if ( pos->expires > expires )
                break;
        list_add_tail(&t->list, &pos->list);
        pthread_cond_broadcast(&cond);
    }
    pthread_mutex_unlock(&mutex);
}

void stop_timer(struct timer *t)
{
    pthread_mutex_lock(&mutex);
    unqueue(t);
    pthread_mutex_unlock(&mutex);
}

void kill_timer(struct timer *t)
{
    pthread_mutex_lock(&mutex);
    t->dead = true;
    unqueue(t);
    while ( t->running )
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
}

static struct timer *due_timer(void)
{
    struct timer *t;

    if ( list_empty(&timers) )
        return NULL;
    t = list_first_entry(&timers, struct timer, list);

    return t->expires <= sim_now() ? t : NULL;
}

static void run_timer(struct timer *t)
{
    unqueue(t);
    t->running = true;
    pthread_mutex_unlock(&mutex);

    t->function(t->data);
    BUG_ON(sim_locks_held());

    pthread_mutex_lock(&mutex);
    t->running = false;
    pthread_cond_broadcast(&cond);  /* for who kills it */
}

static void run_tasklet(struct tasklet *t)
{
    t->queued = false;
    list_del_init(&t->list);
    t->running = true;
    pthread_mutex_unlock(&mutex);

    t->func(t->data);
    BUG_ON(sim_locks_held());

    pthread_mutex_lock(&mutex);
    t->running = false;
    pthread_cond_broadcast(&cond);  /* for who kills it */
}

static void wait_for_work(void)
{
    struct timespec ts;
    s_time_t at;

    if ( list_empty(&timers) )
    {
        pthread_cond_wait(&cond, &mutex);
        return;
    }

    at = list_first_entry(&timers, struct timer, list)->expires -
         __atomic_load_n(&clock_ahead, __ATOMIC_RELAXED);
    ts.tv_sec = at / 1000000000LL;
    ts.tv_nsec = at % 1000000000LL;
    pthread_cond_timedwait(&cond, &mutex, &ts);
}

static void *worker(void *unused)
{
    (void)unused;
    sim_thread_become(sim_idle);

    pthread_mutex_lock(&mutex);
    for ( ; ; )
    {
        struct timer *t = due_timer();

        working = true;
        if ( t )
            run_timer(t);
        else if ( !list_empty(&tasklets) )
            run_tasklet(list_first_entry(&tasklets, struct tasklet, list));
        else
        {
            working = false;
            pthread_cond_broadcast(&cond);
            wait_for_work();
        }
    }

    return NULL;
}

/* One may queue itself, or another, when it runs. */
void sim_softirq_drain(void)
{
    pthread_mutex_lock(&mutex);
    while ( working || due_timer() || !list_empty(&tasklets) )
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
}

void sim_softirq_init(void)
{
    pthread_condattr_t attr;
    pthread_t thread;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cond, &attr);
    pthread_condattr_destroy(&attr);

    BUG_ON(pthread_create(&thread, NULL, worker, NULL));
    pthread_detach(thread);
}
