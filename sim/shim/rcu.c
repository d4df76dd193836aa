/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * RCU: readers count themselves in one of two counters; a grace period makes
 * new ones use the other and waits for the first to become empty, twice, so
 * that a reader who had chosen but not yet counted is waited for too.
 */
#include "sim.h"

#include <xen/rcupdate.h>

#include <unistd.h>

#define POLL_US 100     /* grace periods are rare, and nobody is in a hurry */

static unsigned int epoch;
static int readers[2];
static __thread unsigned int depth, mine;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static struct rcu_head *first, **last = &first;
static bool started;

void sim_rcu_enter(void)
{
    if ( depth++ )
        return;
    mine = __atomic_load_n(&epoch, __ATOMIC_SEQ_CST) & 1;
    __atomic_fetch_add(&readers[mine], 1, __ATOMIC_SEQ_CST);
}

void sim_rcu_leave(void)
{
    BUG_ON(!depth);
    if ( !--depth )
        __atomic_fetch_sub(&readers[mine], 1, __ATOMIC_SEQ_CST);
}

static void wait_for_readers(void)
{
    unsigned int i;

    for ( i = 0; i < 2; i++ )
    {
        unsigned int old = __atomic_fetch_add(&epoch, 1, __ATOMIC_SEQ_CST) & 1;

        while ( __atomic_load_n(&readers[old], __ATOMIC_SEQ_CST) )
            usleep(POLL_US);
    }
}

static void *worker(void *unused)
{
    struct rcu_head *head;

    (void)unused;
    sim_thread_become(sim_idle);

    pthread_mutex_lock(&mutex);
    for ( ; ; )
    {
        while ( !first )
            pthread_cond_wait(&cond, &mutex);
        head = first;
        first = NULL;
        last = &first;
        pthread_mutex_unlock(&mutex);

        wait_for_readers();
        while ( head )
        {
            struct rcu_head *next = head->next;

            head->func(head);
            head = next;
        }

        pthread_mutex_lock(&mutex);
    }

    return NULL;
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
    pthread_t thread;

    head->func = func;
    head->next = NULL;

    pthread_mutex_lock(&mutex);
    if ( !started )
    {
        BUG_ON(pthread_create(&thread, NULL, worker, NULL));
        pthread_detach(thread);
        started = true;
    }
    *last = head;
    last = &head->next;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
}
