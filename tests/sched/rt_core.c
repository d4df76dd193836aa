/* SPDX-License-Identifier: GPL-2.0-only */
/* Coroutines and the scheduler.  See rt.h. */
#include "rt.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES (256U << 10)
/* A run of the largest scenario takes a twentieth of that. */
#define MAX_STEPS   400000U
#define PCT_POINTS  3U

static struct rt_thread threads[RT_MAX_THREADS];
static jmp_buf context[RT_MAX_THREADS];
static ucontext_t first_context[RT_MAX_THREADS];

struct rt_thread *rt_self = &threads[0];
bool rt_concurrent;

static uint64_t random_state;
static uint64_t steps, hash, run_seed;
static enum rt_mode mode;
static unsigned int switch_one_in;
static uint64_t change_at[PCT_POINTS];
static int lowest;
static int64_t now_ns;
static bool tracing;

/* ---- numbers ---- */

static uint64_t draw64(void)
{
    /* splitmix64 */
    uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

    return z ^ (z >> 31);
}

unsigned int rt_draw(unsigned int n)
{
    return (draw64() >> 32) * n >> 32;
}

/* Addresses differ from one process to the next; nothing depends on them. */
void rt_mix(uint64_t value)
{
    if ( value >> 32 )
        value = 1;
    hash = (hash ^ value) * 0x100000001b3ULL;
    hash ^= hash >> 29;
}

uint64_t rt_steps(void)
{
    return steps;
}

uint64_t rt_hash(void)
{
    return hash;
}

int64_t rt_now(void)
{
    return now_ns;
}

void rt_advance(int64_t ns)
{
    now_ns += ns;
}

/* ---- what people see ---- */

void rt_trace(bool on)
{
    tracing = on;
}

bool rt_tracing(void)
{
    return tracing;
}

/* One line per step; replay.py makes places in the source of the addresses. */
void rt_trace_access(const char *op, const void *pc, const void *addr,
                     uint64_t value, const char *how)
{
    if ( tracing && rt_concurrent )
        printf("%6llu %-10s %-9s @%p %p = %#llx%s%s\n",
               (unsigned long long)steps, rt_self->name, op, pc, addr,
               (unsigned long long)value, how[0] ? "  " : "", how);
}

void rt_note(const char *fmt, ...)
{
    va_list args;

    if ( !tracing )
        return;
    printf("%6llu %-10s ", (unsigned long long)steps, rt_self->name);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
}

void rt_fail(const char *fmt, ...)
{
    va_list args;
    unsigned int i;

    fflush(stdout);
    fprintf(stderr, "seed %llu, step %llu, %s: ", (unsigned long long)run_seed,
            (unsigned long long)steps, rt_self->name);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\n");
    for ( i = 0; i < RT_MAX_THREADS; i++ )
        if ( threads[i].state == T_BLOCKED )
            fprintf(stderr, "  %s waits%s\n", threads[i].name,
                    !threads[i].counts || threads[i].done ? ", as it may" : "");
    fflush(stderr);
    _exit(1);
}

/* ---- switching ---- */

static void start(int id)
{
    struct rt_thread *t = &threads[id];

    t->fn(t->arg);
    rt_exit();
}

static void switch_to(struct rt_thread *t)
{
    struct rt_thread *from = rt_self;

    if ( t == from )
        return;

    rt_mix(t->id);
    from->saved_errno = errno;
    rt_self = t;
    if ( _setjmp(context[from->id]) )
    {
        errno = rt_self->saved_errno;
        return;
    }
    if ( t->started )
        _longjmp(context[t->id], 1);
    t->started = true;
    setcontext(&first_context[t->id]);
}

static bool expired(const struct rt_thread *t)
{
    return t->state == T_BLOCKED && t->until <= now_ns;
}

static bool can_run(const struct rt_thread *t)
{
    return t->state == T_READY || expired(t);
}

static struct rt_thread *pick_random(void)
{
    struct rt_thread *ready[RT_MAX_THREADS];
    unsigned int i, nr = 0;

    for ( i = 0; i < RT_MAX_THREADS; i++ )
        if ( can_run(&threads[i]) )
            ready[nr++] = &threads[i];

    return nr ? ready[nr == 1 ? 0 : rt_draw(nr)] : NULL;
}

static struct rt_thread *pick_priority(void)
{
    struct rt_thread *best = NULL;
    unsigned int i;

    for ( i = 0; i < RT_MAX_THREADS; i++ )
        if ( can_run(&threads[i]) &&
             (!best || threads[i].priority > best->priority) )
            best = &threads[i];

    return best;
}

static struct rt_thread *pick(void)
{
    return mode == RT_PCT && rt_concurrent ? pick_priority() : pick_random();
}

/* Nobody can run: the next moment that somebody waits for. */
static bool skip_time(void)
{
    int64_t next = RT_FOREVER;
    unsigned int i;

    for ( i = 0; i < RT_MAX_THREADS; i++ )
        if ( threads[i].state == T_BLOCKED && threads[i].until < next )
            next = threads[i].until;
    if ( next == RT_FOREVER )
        return false;
    now_ns = next;

    return true;
}

static bool all_done(void)
{
    unsigned int i;

    for ( i = 0; i < RT_MAX_THREADS; i++ )
        if ( threads[i].counts && !threads[i].done )
            return false;

    return true;
}

/* Goes on with somebody, perhaps not the caller. */
static void reschedule(void)
{
    struct rt_thread *t;

    /* rt_run() is thread 0's, and waits for this. */
    if ( rt_concurrent && all_done() )
    {
        threads[0].state = T_READY;
        switch_to(&threads[0]);
        return;
    }
    while ( !(t = pick()) )
        if ( !skip_time() )
            rt_fail("nobody can go on");
    if ( t->state == T_BLOCKED )
    {
        t->timed_out = true;
        t->state = T_READY;
    }
    switch_to(t);
}

static void maybe_die(void)
{
    struct rt_thread *t = rt_self;

    if ( !t->kill_in || t->in_xen || --t->kill_in )
        return;
    rt_note("is killed");
    t->on_kill(t->kill_arg);
    rt_exit();
}

void rt_point(void)
{
    unsigned int i;

    if ( !rt_concurrent )
        return;
    if ( ++steps > MAX_STEPS )
        rt_fail("no end after %u steps", MAX_STEPS);
    if ( rt_self->kill_in )
        maybe_die();

    if ( mode == RT_RANDOM )
    {
        if ( !rt_draw(switch_one_in) )
            reschedule();
        return;
    }

    for ( i = 0; i < PCT_POINTS; i++ )
        if ( steps == change_at[i] )
        {
            rt_self->priority = --lowest;
            reschedule();
        }
}

void rt_window_point(const uint64_t *word)
{
    struct rt_thread *t = rt_self;

    while ( !t->window_left || (word && t->window_at == word) )
        rt_block(&t->window_left, RT_FOREVER);
    if ( t->window_left != UINT_MAX )
        t->window_left--;
}

static struct rt_thread *thread_of(const void *arg)
{
    unsigned int i;

    for ( i = 1; i < RT_MAX_THREADS; i++ )
        if ( threads[i].state != T_FREE && threads[i].counts &&
             threads[i].arg == arg )
            return &threads[i];
    rt_fail("nobody has this argument");
}

void rt_hold(const void *arg, unsigned int n)
{
    struct rt_thread *t = thread_of(arg);

    t->window_left = n;
    t->window_at = NULL;
    rt_wake(&t->window_left);
}

void rt_hold_at(const void *arg, const void *word)
{
    rt_let_go(arg);
    thread_of(arg)->window_at = rt_mem_word(word);
}

void rt_let_go(const void *arg)
{
    rt_hold(arg, UINT_MAX);
}

void rt_until_still(const void *arg)
{
    const struct rt_thread *t = thread_of(arg);

    while ( t->state == T_READY )
        rt_give_way();
}

bool rt_block(const void *on, int64_t until)
{
    struct rt_thread *t = rt_self;

    t->waits_for = on;
    t->until = until;
    t->timed_out = false;
    t->state = T_BLOCKED;
    reschedule();

    return !t->timed_out;
}

void rt_wake(const void *on)
{
    unsigned int i;

    for ( i = 0; i < RT_MAX_THREADS; i++ )
        if ( threads[i].state == T_BLOCKED && threads[i].waits_for == on )
            threads[i].state = T_READY;
}

void rt_give_way(void)
{
    rt_self->priority = --lowest;
    now_ns += 1000;     /* or who sleeps would never wake beside one who spins */
    if ( rt_concurrent && ++steps > MAX_STEPS )
        rt_fail("no end after %u steps", MAX_STEPS);
    reschedule();
}

void rt_pass_time(int64_t ns)
{
    int nothing;

    rt_self->priority = --lowest;
    rt_block(&nothing, now_ns + ns);
}

/* ---- life ---- */

void rt_init(void)
{
    unsigned int i;

    threads[0].state = T_READY;
    threads[0].name = "main";
    threads[0].started = true;
    for ( i = 1; i < RT_MAX_THREADS; i++ )
    {
        threads[i].id = i;
        threads[i].stack_size = STACK_BYTES;
        threads[i].stack = malloc(STACK_BYTES);
    }
}

static void spawn(const char *name, void (*fn)(void *arg), void *arg,
                  bool counts)
{
    struct rt_thread *t;
    ucontext_t *uc;
    unsigned int i;

    for ( i = 1; threads[i].state != T_FREE; i++ )
        if ( i + 1 == RT_MAX_THREADS )
            rt_fail("too many threads");
    t = &threads[i];
    t->name = name;
    t->fn = fn;
    t->arg = arg;
    t->done = t->started = false;
    t->counts = counts;
    t->in_xen = 0;
    t->kill_in = 0;
    t->window_left = UINT_MAX;
    t->window_at = NULL;
    t->tls_ready = 0;
    memset(t->key_value, 0, sizeof(t->key_value));

    uc = &first_context[i];
    getcontext(uc);
    uc->uc_stack.ss_sp = t->stack;
    uc->uc_stack.ss_size = t->stack_size;
    uc->uc_link = NULL;
    makecontext(uc, (void (*)(void))start, 1, (int)i);
    t->state = T_READY;
    t->priority = 1 + rt_draw(1000);
}

void rt_spawn_worker(const char *name, void (*fn)(void *arg), void *arg)
{
    spawn(name, fn, arg, false);
}

void rt_spawn(const char *name, void (*fn)(void *arg), void *arg)
{
    spawn(name, fn, arg, true);
}

void rt_begin(uint64_t seed, enum rt_model model, enum rt_mode how)
{
    static const unsigned int rates[] = { 2, 5, 12, 40 };
    static const unsigned int lengths[] = { 300, 1500, 5000, 15000 };
    unsigned int i, length;

    run_seed = seed;
    random_state = seed * 0xd1342543de82ef95ULL + 1;
    hash = 0xcbf29ce484222325ULL;
    steps = 0;
    lowest = 0;
    now_ns = 1000000000;
    mode = how;
    switch_one_in = rates[rt_draw(4)];
    length = lengths[rt_draw(4)];
    for ( i = 0; i < PCT_POINTS; i++ )
        change_at[i] = 1 + rt_draw(length);
    for ( i = 1; i < RT_MAX_THREADS; i++ )
        if ( threads[i].state != T_FREE )
        {
            threads[i].counts = false;
            threads[i].priority = 1 + rt_draw(1000);
        }
    rt_posix_begin();
    rt_mem_begin(model);
}

void rt_run(void)
{
    rt_mem_start();
    rt_concurrent = true;
    while ( !all_done() )
        rt_block(&threads, RT_FOREVER);
    rt_concurrent = false;
    rt_mem_stop();
}

void rt_done(void)
{
    rt_self->done = true;
}

void rt_kill_after(unsigned int n, void (*on_kill)(void *arg), void *arg)
{
    rt_self->on_kill = on_kill;
    rt_self->kill_arg = arg;
    rt_self->kill_in = n;
}

void rt_in_xen(int by)
{
    rt_self->in_xen += by;
}

void rt_exit(void)
{
    rt_self->kill_in = 0;
    rt_mem_settle();
    rt_thread_ends();
    rt_mem_settle();
    rt_self->done = true;
    rt_self->state = T_FREE;
    rt_wake(rt_self);
    reschedule();
    abort();
}

static void join_all(const void *arg, bool any)
{
    unsigned int i;

    for ( i = 1; i < RT_MAX_THREADS; i++ )
        while ( threads[i].state != T_FREE && threads[i].counts &&
                (any || threads[i].arg == arg) )
            rt_block(&threads[i], RT_FOREVER);
}

void rt_join(void)
{
    join_all(NULL, true);
}

void rt_join_arg(const void *arg)
{
    join_all(arg, false);
}
