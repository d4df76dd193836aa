/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_SPINLOCK_H
#define SIM_XEN_SPINLOCK_H

/*
 * Locks that work, and that watch their users: only the owner unlocks, nobody
 * takes a lock twice, none is destroyed or left held, and no two classes of
 * locks are ever taken in both orders (a class is a place of initialisation).
 * A violation is a bug of Xen's: see sim_bug().
 */
#include <pthread.h>

#include <xen/types.h>

typedef struct spinlock {
    pthread_mutex_t mutex;
    const char *owner;      /* identity of the owning thread; NULL: free */
    unsigned int class;
} spinlock_t;

typedef spinlock_t rspinlock_t;

/* Gives the class that belongs to a place; the same for the same name. */
unsigned int sim_lock_class(const char *name);
/* Likewise, remembered in *cache, which starts as 0. */
unsigned int sim_known_class(unsigned int *cache, const char *name);
void sim_lock_init(spinlock_t *lock, const char *name);
void sim_lock(spinlock_t *lock);
bool sim_trylock(spinlock_t *lock);
void sim_unlock(spinlock_t *lock);
bool sim_is_locked_by_me(const spinlock_t *lock);
void sim_spin_barrier(spinlock_t *lock);
/* Order alone: as if a lock of that class were taken, or were given back. */
void sim_order_enter(unsigned int class, bool try);
void sim_order_leave(unsigned int class);
/* Locks that the calling thread holds. */
unsigned int sim_locks_held(void);

#define SIM_STR_(x) #x
#define SIM_STR(x) SIM_STR_(x)
#define spin_lock_init(l)   sim_lock_init(l, #l " at " __FILE__ ":" SIM_STR(__LINE__))
#define spin_lock(l)        sim_lock(l)
#define spin_trylock(l)     sim_trylock(l)
#define spin_unlock(l)      sim_unlock(l)
#define spin_barrier(l)     sim_spin_barrier(l)

/* There are no interrupts here. */

#endif
