/* SPDX-License-Identifier: GPL-2.0-only */
/* Locks that check how they are used.  See xen/spinlock.h. */
#include <xen/lib.h>
#include <xen/spinlock.h>

#include <stdlib.h>

#define MAX_CLASSES 64U
#define MAX_HELD    16U

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *class_name[MAX_CLASSES];
static unsigned int nr_classes;
/* Bit b of after[a]: b has been taken while a was held. */
static uint64_t after[MAX_CLASSES];

static __thread const char thread_id;
static __thread unsigned int held[MAX_HELD], nr_held;

unsigned int sim_locks_held(void)
{
    return nr_held;
}

unsigned int sim_lock_class(const char *name)
{
    unsigned int i;

    pthread_mutex_lock(&table_mutex);
    for ( i = 0; i < nr_classes && strcmp(class_name[i], name); i++ )
        ;
    if ( i == nr_classes )
    {
        BUG_ON(nr_classes == MAX_CLASSES);
        class_name[nr_classes++] = name;
    }
    pthread_mutex_unlock(&table_mutex);

    return i;
}

unsigned int sim_known_class(unsigned int *cache, const char *name)
{
    unsigned int class = __atomic_load_n(cache, __ATOMIC_RELAXED);

    if ( !class )
    {
        class = sim_lock_class(name) + 1;
        __atomic_store_n(cache, class, __ATOMIC_RELAXED);
    }

    return class - 1;
}

/* Is to taken, directly or by way of others, while from is held? */
static bool reaches(unsigned int from, unsigned int to)
{
    uint64_t seen = 0, more = after[from];

    while ( more & ~seen )
    {
        unsigned int i = __builtin_ctzll(more & ~seen);

        seen |= 1ULL << i;
        more |= after[i];
    }

    return seen & (1ULL << to);
}

static void note_order(unsigned int first, unsigned int second)
{
    char what[512] = "";

    if ( __atomic_load_n(&after[first], __ATOMIC_RELAXED) & (1ULL << second) )
        return;

    pthread_mutex_lock(&table_mutex);
    if ( first == second || reaches(second, first) )
        snprintf(what, sizeof(what), "lock order: (%s) taken under (%s)",
                 class_name[second], class_name[first]);
    else
        __atomic_fetch_or(&after[first], 1ULL << second, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&table_mutex);

    if ( what[0] )
        sim_bug(__FILE__, __LINE__, what);
}

/* What is only tried for can't wait for anybody, whatever is held. */
void sim_order_enter(unsigned int class, bool try)
{
    unsigned int i;

    for ( i = 0; !try && i < nr_held; i++ )
        note_order(held[i], class);

    BUG_ON(nr_held == MAX_HELD);
    held[nr_held++] = class;
}

void sim_order_leave(unsigned int class)
{
    unsigned int i;

    for ( i = nr_held; i > 0 && held[i - 1] != class; i-- )
        ;
    BUG_ON(!i);
    for ( ; i < nr_held; i++ )
        held[i - 1] = held[i];
    nr_held--;
}

void sim_lock_init(spinlock_t *lock, const char *name)
{
    pthread_mutex_init(&lock->mutex, NULL);
    __atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
    lock->class = sim_lock_class(name);
}

bool sim_is_locked_by_me(const spinlock_t *lock)
{
    return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == &thread_id;
}

static void own(spinlock_t *lock)
{
    __atomic_store_n(&lock->owner, &thread_id, __ATOMIC_RELAXED);
}

void sim_lock(spinlock_t *lock)
{
    if ( sim_is_locked_by_me(lock) )
        sim_bug(__FILE__, __LINE__, class_name[lock->class]);

    sim_order_enter(lock->class, false);
    pthread_mutex_lock(&lock->mutex);
    own(lock);
}

bool sim_trylock(spinlock_t *lock)
{
    if ( sim_is_locked_by_me(lock) || pthread_mutex_trylock(&lock->mutex) )
        return false;

    sim_order_enter(lock->class, true);
    own(lock);

    return true;
}

void sim_unlock(spinlock_t *lock)
{
    if ( !sim_is_locked_by_me(lock) )
        sim_bug(__FILE__, __LINE__, class_name[lock->class]);

    __atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
    sim_order_leave(lock->class);
    pthread_mutex_unlock(&lock->mutex);
}

void sim_spin_barrier(spinlock_t *lock)
{
    sim_lock(lock);
    sim_unlock(lock);
}

void sim_bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "Xen BUG at %s:%d: %s\n", file, line, what);
    abort();
}
