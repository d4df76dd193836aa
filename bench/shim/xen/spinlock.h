/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_XEN_SPINLOCK_H
#define BENCH_XEN_SPINLOCK_H

/*
 * In place of the simulator's locks, which check their users and are mutexes:
 * a benchmark wants what Xen has.  That mutex is there for the simulator's
 * event channels, which take it by its name.
 */
#include <pthread.h>

#include <xen/types.h>

#include "hyper.h"

typedef struct spinlock {
    struct hyper_lock ticket;
    pthread_mutex_t mutex;
} spinlock_t;

typedef spinlock_t rspinlock_t;

static inline unsigned int sim_lock_class(const char *name)
{
    return 0;
}

static inline unsigned int sim_known_class(unsigned int *cache,
                                           const char *name)
{
    return 0;
}

/* The scheduler wants to see again what it entered; locks are not counted. */
extern __thread unsigned int bench_entered;

static inline void sim_order_enter(unsigned int class, bool try)
{
    bench_entered++;
}

static inline void sim_order_leave(unsigned int class)
{
    bench_entered--;
}

static inline unsigned int sim_locks_held(void)
{
    return bench_entered;
}

static inline void spin_lock_init(spinlock_t *lock)
{
    lock->ticket = (struct hyper_lock){ 0, 0 };
    pthread_mutex_init(&lock->mutex, NULL);
}

static inline void spin_barrier(spinlock_t *lock)
{
    hyper_lock(&lock->ticket);
    hyper_unlock(&lock->ticket);
}

#define spin_lock(l)        hyper_lock(&(l)->ticket)
#define spin_trylock(l)     hyper_trylock(&(l)->ticket)
#define spin_unlock(l)      hyper_unlock(&(l)->ticket)
#define spin_is_locked(l)   hyper_is_locked(&(l)->ticket)

/* There are no interrupts here. */
#define spin_lock_irq(l)    spin_lock(l)
#define spin_unlock_irq(l)  spin_unlock(l)
#define spin_lock_irqsave(l, f)         do { (f) = 0; spin_lock(l); } while ( 0 )
#define spin_unlock_irqrestore(l, f)    do { (void)(f); spin_unlock(l); } while ( 0 )

#define rspin_lock(l)       spin_lock(l)
#define rspin_unlock(l)     spin_unlock(l)

#endif
