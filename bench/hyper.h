/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a hypervisor's producer is made of and a process does not have: a
 * ticket lock and copies by `rep movs`.  Ours and the legacy producer use the
 * same two, so that neither wins by them.
 */
#ifndef BENCH_HYPER_H
#define BENCH_HYPER_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Waits are of nanoseconds while every thread has a processor.  Where one has
 * not, who is waited for may need ours: unlike in Xen, this thread then gives
 * it up.
 */
#define HYPER_SPINS 200U     /* 10 us where a pause takes 140 cycles */

/* spins: 0 when the wait begins. */
static inline void hyper_relax(unsigned int *spins)
{
    __builtin_ia32_pause();
    if ( ++*spins % HYPER_SPINS == 0 )
        sched_yield();
}

struct hyper_lock {
    uint16_t head;      /* being served */
    uint16_t tail;      /* the next one handed out */
};

static inline void hyper_lock(struct hyper_lock *lock)
{
    uint16_t mine = __atomic_fetch_add(&lock->tail, 1, __ATOMIC_RELAXED);
    unsigned int spins = 0;

    while ( __atomic_load_n(&lock->head, __ATOMIC_ACQUIRE) != mine )
        hyper_relax(&spins);
}

static inline int hyper_trylock(struct hyper_lock *lock)
{
    uint16_t head = __atomic_load_n(&lock->head, __ATOMIC_ACQUIRE);
    uint16_t tail = head;

    return __atomic_compare_exchange_n(&lock->tail, &tail, head + 1, 0,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Only the owner writes head. */
static inline void hyper_unlock(struct hyper_lock *lock)
{
    uint16_t head = __atomic_load_n(&lock->head, __ATOMIC_RELAXED);

    __atomic_store_n(&lock->head, head + 1, __ATOMIC_RELEASE);
}

static inline int hyper_is_locked(const struct hyper_lock *lock)
{
    return __atomic_load_n(&lock->head, __ATOMIC_RELAXED) !=
           __atomic_load_n(&lock->tail, __ATOMIC_RELAXED);
}

#ifdef BENCH_LIBC_COPY
#define HYPER_COPY "the C library's memcpy()"
static inline void *hyper_copy(void *to, const void *from, size_t size)
{
    return __builtin_memcpy(to, from, size);
}
#else
#define HYPER_COPY "rep movs, as in Xen"
/* Where the size is known, only words are copied: as the compiler does it. */
static inline __attribute__((__always_inline__)) void *
hyper_copy(void *to, const void *from, size_t size)
{
    size_t words = size / 8, bytes = size % 8;
    void *at = to;

    if ( __builtin_constant_p(size) && size % 8 == 0 )
    {
        __asm__ volatile ( "rep movsq"
                           : "+D" (at), "+S" (from), "+c" (words)
                           :: "memory" );
        return to;
    }

    __asm__ volatile ( "rep movsq\n\t"
                       "mov %3, %2\n\t"
                       "rep movsb"
                       : "+D" (at), "+S" (from), "+c" (words)
                       : "r" (bytes) : "memory" );

    return to;
}
#endif

#endif /* BENCH_HYPER_H */
