/* SPDX-License-Identifier: MIT */
/*
 * The only way this library touches memory that Xen shares with it.
 *
 * Each accessor reads or writes a word exactly once and carries the barrier
 * that the protocol asks for; the letters are those of the tables in
 * vm_event_v2.h (v2) and of the one below (legacy).
 *
 *   legacy ring word  writer  order
 *   request           Xen     before req_prod                        (L0)
 *   req_prod          Xen     release store; pairs with L2           (L1)
 *   request read      us      acquire load of req_prod, then copy    (L2)
 *   response          us      before rsp_prod                        (L3)
 *   rsp_prod          us      release store; Xen reads it, then the
 *                             response: pairs with its read barrier  (L4)
 */
#ifndef VMIRING_SHM_H
#define VMIRING_SHM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Marks pointers into that memory.  sparse refuses to follow them, and to mix
 * them with others, but here (tests/static).
 */
#ifdef __CHECKER__
#define SHARED __attribute__((noderef, address_space(__shared)))
#define __force __attribute__((force))
/* sparse has no types for the compiler's own atomics. */
#define __atomic_load_n(p, order) (*(p))
#define __atomic_store_n(p, value, order) (void)(*(p) = (value))
#define __atomic_thread_fence(order) (void)(order)
#else
#define SHARED
#define __force
#endif

/* A word of which any recent value will do: counters, states, pending bytes. */
static inline uint32_t shm_read32(const uint32_t SHARED *p)
{
    return __atomic_load_n((const uint32_t __force *)p, __ATOMIC_RELAXED);
}

static inline uint64_t shm_read64(const uint64_t SHARED *p)
{
    return __atomic_load_n((const uint64_t __force *)p, __ATOMIC_RELAXED);
}

static inline void shm_write32(uint32_t SHARED *p, uint32_t value)
{
    __atomic_store_n((uint32_t __force *)p, value, __ATOMIC_RELAXED);
}

/*
 * S2, R2, L2: without it the record behind the index could be read before the
 * index is, and be the one that stood there earlier.
 */
static inline uint64_t shm_acquire64(const uint64_t SHARED *p)
{
    return __atomic_load_n((const uint64_t __force *)p, __ATOMIC_ACQUIRE);
}

static inline uint32_t shm_acquire32(const uint32_t SHARED *p)
{
    return __atomic_load_n((const uint32_t __force *)p, __ATOMIC_ACQUIRE);
}

/*
 * A pending byte: without it the request's number, read after the byte, could
 * be the one of before.  Pairs with the barrier that Xen has between the number
 * and the byte.
 */
static inline uint8_t shm_acquire8(const uint8_t SHARED *p)
{
    return __atomic_load_n((const uint8_t __force *)p, __ATOMIC_ACQUIRE);
}

/*
 * S4, R3, L4: without it Xen could see the index before the response (S3, L3),
 * or reuse ring space that is still being read (R3).  R6 has its order from the
 * command that takes the word back; released, no look of before comes after it.
 */
static inline void shm_release64(uint64_t SHARED *p, uint64_t value)
{
    __atomic_store_n((uint64_t __force *)p, value, __ATOMIC_RELEASE);
}

static inline void shm_release32(uint32_t SHARED *p, uint32_t value)
{
    __atomic_store_n((uint32_t __force *)p, value, __ATOMIC_RELEASE);
}

/*
 * R5: between the store of our index and the load of Xen's.  Acquire and
 * release do not order a store before a later load: both sides could miss the
 * other's step, and the agent would sleep on a ring that is not empty.
 */
static inline void shm_wakeup_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * Orders loads of a copy before a later look at the words that say whether the
 * copy was stable.  Pairs with the barrier that Xen has between withdrawing a
 * request (pending byte to 0) and writing the next one into the slot.
 */
static inline void shm_copy_fence(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/*
 * Copies out of, or into, what an index covers: the words before S1 and R1, and
 * those of S3.  What is copied out is checked in the copy.
 */
static inline void shm_copy_out(void *to, const void SHARED *from, size_t size)
{
    memcpy(to, (const void __force *)from, size);
}

static inline void shm_copy_in(void SHARED *to, const void *from, size_t size)
{
    memcpy((void __force *)to, from, size);
}

/* Between two looks at a word that another CPU is about to write. */
static inline void spin_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile ( "yield" );
#endif
}

#endif /* VMIRING_SHM_H */
