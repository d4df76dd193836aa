/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A deterministic world for code that was compiled with -fsanitize=thread.
 *
 * Its threads are coroutines of one.  Every instrumented access, every atomic
 * operation and every call of pthreads, poll() and the like is a point at
 * which a seeded scheduler may go on with another of them; what a load gives is
 * decided by a model of memory.  The same seed makes the same run.
 *
 *   rt_core.c   coroutines, the scheduler, what ends a run
 *   rt_mem.c    memory: SC, TSO, or weak as on Arm
 *   rt_tsan.c   the entry points that the compiler calls
 *   rt_posix.c  pthreads, files and clocks, in place of libc's (ld --wrap)
 */
#ifndef SCHED_RT_H
#define SCHED_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rt_model { RT_SC, RT_TSO, RT_WEAK };
enum rt_mode { RT_RANDOM, RT_PCT };

/* ---- for the scenarios ---- */

/* Before all else, once. */
void rt_init(void);
/* The next run; nothing runs but the caller until rt_run(). */
void rt_begin(uint64_t seed, enum rt_model model, enum rt_mode mode);
/* A new thread.  Only what was made before rt_run() takes part in it. */
void rt_spawn(const char *name, void (*fn)(void *arg), void *arg);
/* A thread of the code under test, which outlives the run. */
void rt_spawn_worker(const char *name, void (*fn)(void *arg), void *arg);
/*
 * Runs the threads until each has called rt_done(), or ended.  A run in which
 * nobody can go on before that, or which takes too many steps, has failed.
 */
void rt_run(void);
/* The caller's part is over, though it may go on serving others. */
void rt_done(void);
/* Waits, after rt_run(), until every thread of rt_spawn() has ended. */
void rt_join(void);
/* ... or those alone that were given arg. */
void rt_join_arg(const void *arg);
/* The run has failed: says why, and ends the process. */
void rt_fail(const char *fmt, ...)
    __attribute__((__format__(printf, 1, 2), __noreturn__));
/* The caller ends here, as if its process had been killed. */
void rt_exit(void) __attribute__((__noreturn__));
/*
 * Kills the caller's thread after n more of its own points; inside calls of
 * Xen's it is put off.  Returns by calling on_kill in the thread's place.
 */
void rt_kill_after(unsigned int n, void (*on_kill)(void *arg), void *arg);
void rt_in_xen(int by);
/*
 * Whoever was given arg stops before its access number n, from now on, to
 * memory that an agent and Xen share (or fence), until it is held elsewhere or
 * let go.  So a scenario draws where two meet, which a scheduler alone would
 * rarely do.
 */
void rt_hold(const void *arg, unsigned int n);
/* ... before its next access to this word of it, at whatever address. */
void rt_hold_at(const void *arg, const void *word);
void rt_let_go(const void *arg);
/* Waits until it stands there, or waits for something else. */
void rt_until_still(const void *arg);
/* A number below n, from the seed. */
unsigned int rt_draw(unsigned int n);
uint64_t rt_steps(void);
/* A fingerprint of the whole run: every choice and every value. */
uint64_t rt_hash(void);
/* Prints every step of the run from now on. */
void rt_trace(bool on);
/* Something to see in a trace. */
void rt_note(const char *fmt, ...) __attribute__((__format__(printf, 1, 2)));
/*
 * Times are virtual: they pass when everybody waits, a microsecond with each
 * look at a clock, and by rt_advance().
 */
int64_t rt_now(void);
void rt_advance(int64_t ns);

/* ---- between the parts ---- */

#define RT_MAX_THREADS  16U
#define RT_FOREVER      INT64_MAX
#define RT_TLS_BYTES    4096U
#define RT_MAX_KEYS     4U

struct rt_thread {
    unsigned int id;
    const char *name;
    void (*fn)(void *arg);
    void *arg;
    enum { T_FREE, T_READY, T_BLOCKED, T_ENDED } state;
    bool done, counts;          /* counts: rt_run() waits for it */
    bool started;
    const void *waits_for;      /* blocked until someone wakes this address */
    int64_t until;              /* or until then */
    bool timed_out;
    int priority;               /* PCT */
    int saved_errno;
    int in_xen;
    unsigned int kill_in;
    unsigned int window_left;   /* rt_hold(); UINT_MAX: go on */
    const uint64_t *window_at;  /* rt_hold_at() */
    void (*on_kill)(void *arg);
    void *kill_arg;
    uint8_t *stack;
    size_t stack_size;
    void *key_value[RT_MAX_KEYS];
    uint8_t tls[RT_TLS_BYTES] __attribute__((__aligned__(16)));
    uint64_t tls_ready;         /* a bit per variable */
};

extern struct rt_thread *rt_self;
extern bool rt_concurrent;      /* between rt_run()'s begin and end */

/* A point at which another thread may go on. */
void rt_point(void);
/* ... before such an access; NULL: a fence. */
void rt_window_point(const uint64_t *word);
/* The one address of a word that has several. */
const uint64_t *rt_mem_word(const void *at);
/* Blocks the caller; false when the time is over. */
bool rt_block(const void *on, int64_t until);
void rt_wake(const void *on);
/* Gives way: others first, and all that was stored becomes visible. */
void rt_give_way(void);
void rt_pass_time(int64_t ns);
/* Adds a value to the run's fingerprint. */
void rt_mix(uint64_t value);
bool rt_tracing(void);
void rt_trace_access(const char *op, const void *pc, const void *addr,
                     uint64_t value, const char *how);

/* rt_posix.c: the caller's thread is about to end. */
void rt_thread_ends(void);
void rt_posix_begin(void);

/* Memory. */
enum rt_order { RT_RELAXED, RT_ACQUIRE, RT_RELEASE, RT_SEQ_CST };
void rt_mem_begin(enum rt_model model);
/* In this run an agent writes without regard to anything. */
void rt_mem_lies(void);
void rt_mem_start(void);
void rt_mem_stop(void);
/* Ends what the last instrumented access began. */
void rt_mem_settle(void);
void rt_mem_read(void *pc, const void *addr, size_t size);
void rt_mem_write(void *pc, void *addr, size_t size);
uint64_t rt_mem_load(void *pc, const void *addr, size_t size, enum rt_order order);
void rt_mem_store(void *pc, void *addr, size_t size, uint64_t value,
                  enum rt_order order);
/* After an atomic read-modify-write that was carried out on the newest value. */
void rt_mem_rmw(void *pc, void *addr, size_t size, enum rt_order order);
void rt_mem_fence(void *pc, enum rt_order order);
/* One memory at two addresses. */
void rt_mem_alias(void *at, size_t bytes, void *is);
void rt_mem_unalias(void *at, size_t bytes);

#endif /* SCHED_RT_H */
