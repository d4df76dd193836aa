/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a compiler calls with -fsanitize=thread -femulated-tls: accesses, atomic
 * operations, block copies and thread-local variables.
 */
#include "rt.h"

#include <string.h>

#define PC __builtin_return_address(0)

void __tsan_init(void);
void __tsan_init(void) {}
void __tsan_func_entry(void *pc);
void __tsan_func_entry(void *pc) { (void)pc; }
void __tsan_func_exit(void);
void __tsan_func_exit(void) {}

#define PLAIN(n)                                                        \
    void __tsan_read##n(void *p);                                       \
    void __tsan_read##n(void *p) { rt_mem_read(PC, p, n); }             \
    void __tsan_write##n(void *p);                                      \
    void __tsan_write##n(void *p) { rt_mem_write(PC, p, n); }           \
    void __tsan_unaligned_read##n(void *p);                             \
    void __tsan_unaligned_read##n(void *p) { rt_mem_read(PC, p, n); }   \
    void __tsan_unaligned_write##n(void *p);                            \
    void __tsan_unaligned_write##n(void *p) { rt_mem_write(PC, p, n); }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

static enum rt_order order_of(int mo)
{
    switch ( mo )
    {
    case __ATOMIC_RELAXED:
        return RT_RELAXED;

    case __ATOMIC_CONSUME:
    case __ATOMIC_ACQUIRE:
        return RT_ACQUIRE;

    case __ATOMIC_RELEASE:
        return RT_RELEASE;

    default:
        return RT_SEQ_CST;
    }
}

/* The operation itself needs no atomicity: there is one real thread. */
#define RMW(n, type, name, expr)                                        \
    type __tsan_atomic##n##_##name(volatile type *p, type v, int mo);   \
    type __tsan_atomic##n##_##name(volatile type *p, type v, int mo)    \
    {                                                                   \
        type old;                                                       \
        rt_mem_rmw(PC, (void *)p, sizeof(type), order_of(mo));          \
        old = *p;                                                       \
        *p = (type)(expr);                                              \
        rt_mem_settle();                                                \
        return old;                                                     \
    }

#define ATOMIC(n, type)                                                 \
    type __tsan_atomic##n##_load(const volatile type *p, int mo);       \
    type __tsan_atomic##n##_load(const volatile type *p, int mo)        \
    {                                                                   \
        return (type)rt_mem_load(PC, (const void *)p, sizeof(type),     \
                                 order_of(mo));                         \
    }                                                                   \
    void __tsan_atomic##n##_store(volatile type *p, type v, int mo);    \
    void __tsan_atomic##n##_store(volatile type *p, type v, int mo)     \
    {                                                                   \
        rt_mem_store(PC, (void *)p, sizeof(type), v, order_of(mo));     \
    }                                                                   \
    RMW(n, type, exchange, v)                                           \
    RMW(n, type, fetch_add, old + v)                                    \
    RMW(n, type, fetch_sub, old - v)                                    \
    RMW(n, type, fetch_and, old & v)                                    \
    RMW(n, type, fetch_or, old | v)                                     \
    RMW(n, type, fetch_xor, old ^ v)                                    \
    int __tsan_atomic##n##_compare_exchange_strong(volatile type *p,    \
        type *c, type v, int mo, int fail);                             \
    int __tsan_atomic##n##_compare_exchange_strong(volatile type *p,    \
        type *c, type v, int mo, int fail)                              \
    {                                                                   \
        bool same;                                                      \
        (void)fail;                                                     \
        rt_mem_rmw(PC, (void *)p, sizeof(type), order_of(mo));          \
        same = *p == *c;                                                \
        if ( same )                                                     \
            *p = v;                                                     \
        else                                                            \
            *c = *p;                                                    \
        rt_mem_settle();                                                \
        return same;                                                    \
    }                                                                   \
    type __tsan_atomic##n##_compare_exchange_val(volatile type *p,      \
        type c, type v, int mo, int fail);                              \
    type __tsan_atomic##n##_compare_exchange_val(volatile type *p,      \
        type c, type v, int mo, int fail)                               \
    {                                                                   \
        __tsan_atomic##n##_compare_exchange_strong(p, &c, v, mo, fail); \
        return c;                                                       \
    }

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

void __tsan_atomic_thread_fence(int mo);
void __tsan_atomic_thread_fence(int mo)
{
    rt_mem_fence(PC, order_of(mo));
}

void __tsan_atomic_signal_fence(int mo);
void __tsan_atomic_signal_fence(int mo)
{
    (void)mo;
}

/* ---- block copies: word by word, as far as they are aligned alike ---- */

void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
void *__wrap_memset(void *to, int c, size_t n);

/* At most one word at a time, on either side. */
static size_t piece(uintptr_t a, uintptr_t b, size_t n)
{
    size_t left = 8 - (a % 8 > b % 8 ? a % 8 : b % 8);

    return left < n ? left : n;
}

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    uint64_t word;

    if ( !rt_concurrent )
    {
        rt_mem_settle();
        return memmove(to, from, n);
    }
    while ( n )
    {
        size_t now = piece((uintptr_t)t, (uintptr_t)f, n);

        rt_mem_read(PC, f, now);
        memcpy(&word, f, now);
        rt_mem_write(PC, t, now);
        memcpy(t, &word, now);
        t += now;
        f += now;
        n -= now;
    }
    rt_mem_settle();

    return to;
}

void *__wrap_memmove(void *to, const void *from, size_t n)
{
    return __wrap_memcpy(to, from, n);
}

void *__wrap_memset(void *to, int c, size_t n)
{
    uint8_t *t = to;

    if ( !rt_concurrent )
    {
        rt_mem_settle();
        return memset(to, c, n);
    }
    while ( n )
    {
        size_t now = piece((uintptr_t)t, (uintptr_t)t, n);

        rt_mem_write(PC, t, now);
        memset(t, c, now);
        t += now;
        n -= now;
    }
    rt_mem_settle();

    return to;
}

/* ---- thread-local variables ---- */

struct emutls {
    size_t size, align;
    union {
        uintptr_t offset;       /* of a thread's copy, plus 1; 0: none yet */
        void *unused;
    } where;
    const void *first;
};

void *__emutls_get_address(struct emutls *e);

void *__emutls_get_address(struct emutls *e)
{
    static size_t used;
    static unsigned int nr;
    static struct emutls *known[64];
    struct rt_thread *t = rt_self;
    unsigned int i;
    void *p;

    if ( !e->where.offset )
    {
        used = (used + e->align - 1) & ~(e->align - 1);
        e->where.offset = used + 1;
        used += e->size;
        if ( used > RT_TLS_BYTES || nr == 64 )
            rt_fail("too many thread-local variables");
        known[nr++] = e;
    }
    for ( i = 0; known[i] != e; i++ )
        ;
    p = t->tls + e->where.offset - 1;
    if ( !(t->tls_ready & (1ULL << i)) )
    {
        t->tls_ready |= 1ULL << i;
        if ( e->first )
            memcpy(p, e->first, e->size);
        else
            memset(p, 0, e->size);
    }

    return p;
}
