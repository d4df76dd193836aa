/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory as other processors see it.
 *
 * Memory itself always holds the newest value of each word (8 aligned bytes).
 * Beside it each word that is stored to has a history, and these say how old a
 * value a load may still give:
 *
 *   performed   per word, what has reached every processor.  A store gets there
 *               when another thread's load gives it, with all that its own
 *               barriers put before it; or at its thread's full barrier.
 *   seen        per thread and word: what it has loaded or stored.  Nothing
 *               older any more (coherence).
 *   base        per thread and word: what was performed when the thread went
 *               through its last acquire, read barrier or full barrier.  Later
 *               loads were carried out after that moment.
 *
 * A load gives any value from the newest of seen and base on.  That is Arm's
 * multi-copy atomic memory but for loads that overtake stores: stores reorder,
 * loads reorder, and both respect barriers, acquire and release.  Dependencies:
 * a store depends on what was loaded before it, since nothing is speculated;
 * a load that goes through a pointer that another thread stored comes after the
 * load of the pointer (which is taken for an acquire).
 *
 * A load that is carried out after a later store of its thread, which Arm may
 * do, would need values from the future.  Its harm is looked for instead: a
 * thread that has seen such a store and then stores where the load was (in what
 * Xen and an agent share, where no store depends on the load).
 *
 * TSO is the same with each load an acquire and each store a release: what is
 * left is that a store may be late.  SC: loads give the newest.
 *
 * Plain accesses are carried out by the program itself, after it told us.  So a
 * value that is not the newest is put into memory for it, and taken out again
 * at the next thing that it tells us, which is in the same thread.
 */
#include "rt.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS   32000U
#define TABLE       (2 * MAX_WORDS)
#define DEPTH       8U          /* values of a word that are remembered */
#define ARENA       (512U << 20)
#define MAX_SPAN    8U          /* words of one plain access */
#define MAX_ALIASES 64U

typedef uint16_t stamp_t;       /* number of a store to a word */

struct store {
    uint64_t value;
    const stamp_t *before;      /* what comes before it; NULL: nothing */
    unsigned int thread;
    unsigned int words;         /* entries in before */
    uint32_t count;             /* its thread's accesses before it */
};

struct word {
    uint64_t *at;
    stamp_t newest, oldest;     /* stamps that are remembered */
    struct store history[DEPTH];
};

static enum rt_model model;
static struct word words[MAX_WORDS];
static unsigned int nr_words;
static uint16_t table[TABLE];   /* index + 1 */
static stamp_t performed[MAX_WORDS];
static struct view {
    stamp_t seen[MAX_WORDS], base[MAX_WORDS];
    const stamp_t *before;      /* as of the last write barrier */
    unsigned int before_words;
    /* Loads since the last barrier that orders loads before stores. */
    uint32_t accesses, ordered; /* counted; the count at that barrier */
    uint32_t loaded[MAX_WORDS][2];  /* the count at the last load of each half */
    uint32_t known[RT_MAX_THREADS];  /* the latest store of others seen */
} view[RT_MAX_THREADS];

static uint8_t *arena;
static size_t arena_used;
static unsigned int stale_one_in;
static bool lies;

static struct {
    uintptr_t at, end, is;
} aliases[MAX_ALIASES];
static unsigned int nr_aliases;
static uintptr_t alias_low = UINTPTR_MAX, alias_high;

/* What the last plain access left to be done. */
static struct {
    uint64_t *word;
    uint64_t newest;
} patch[MAX_SPAN];
static unsigned int nr_patches;
static struct {
    uint64_t *word[MAX_SPAN + 1];
    unsigned int halves[MAX_SPAN + 1];
    unsigned int nr;
    void *pc;
} writing;

/* ---- addresses ---- */

void rt_mem_alias(void *at, size_t bytes, void *is)
{
    if ( nr_aliases == MAX_ALIASES )
        rt_fail("too many mappings");
    aliases[nr_aliases].at = (uintptr_t)at;
    aliases[nr_aliases].end = (uintptr_t)at + bytes;
    aliases[nr_aliases++].is = (uintptr_t)is;
    if ( (uintptr_t)at < alias_low )
        alias_low = (uintptr_t)at;
    if ( (uintptr_t)at + bytes > alias_high )
        alias_high = (uintptr_t)at + bytes;
}

void rt_mem_unalias(void *at, size_t bytes)
{
    unsigned int i;

    for ( i = 0; i < nr_aliases; )
        if ( aliases[i].at >= (uintptr_t)at &&
             aliases[i].end <= (uintptr_t)at + bytes )
            aliases[i] = aliases[--nr_aliases];
        else
            i++;
    if ( !nr_aliases )
    {
        alias_low = UINTPTR_MAX;
        alias_high = 0;
    }
}

static uintptr_t canonical(const void *p)
{
    uintptr_t at = (uintptr_t)p;
    unsigned int i;

    if ( at >= alias_low && at < alias_high )
        for ( i = 0; i < nr_aliases; i++ )
            if ( at >= aliases[i].at && at < aliases[i].end )
                return at - aliases[i].at + aliases[i].is;

    return at;
}

/* Memory that an agent and Xen share. */
static bool in_window(const uint64_t *p)
{
    uintptr_t at = (uintptr_t)p;
    unsigned int i;

    for ( i = 0; i < nr_aliases; i++ )
        if ( at >= aliases[i].is &&
             at - aliases[i].is < aliases[i].end - aliases[i].at )
            return true;

    return false;
}

/* Nobody else's business: the caller's stack and its thread-local variables. */
static bool is_private(uintptr_t at)
{
    const struct rt_thread *t = rt_self;

    return at - (uintptr_t)t->stack < t->stack_size ||
           at - (uintptr_t)t->tls < sizeof(t->tls);
}

/* ---- words ---- */

static unsigned int bucket(uintptr_t at)
{
    return (at >> 3) * 0x9e3779b1U % TABLE;
}

static struct word *find(const uint64_t *at)
{
    unsigned int i = bucket((uintptr_t)at);

    for ( ; table[i]; i = (i + 1) % TABLE )
        if ( words[table[i] - 1].at == at )
            return &words[table[i] - 1];

    return NULL;
}

static void forget_history(struct word *w, uint64_t value)
{
    unsigned int i, n = w - words;

    w->newest++;
    w->oldest = w->newest;
    w->history[w->newest % DEPTH] = (struct store){ .value = value };
    performed[n] = w->newest;
    for ( i = 0; i < RT_MAX_THREADS; i++ )
        view[i].base[n] = w->newest;
}

static struct word *make(uint64_t *at, uint64_t value)
{
    unsigned int i = bucket((uintptr_t)at), t;
    struct word *w;

    if ( nr_words == MAX_WORDS )
        rt_fail("too many words of memory");
    while ( table[i] )
        i = (i + 1) % TABLE;
    w = &words[nr_words];
    table[i] = ++nr_words;
    w->at = at;
    w->newest = w->oldest = 0;
    w->history[0] = (struct store){ .value = value };
    performed[nr_words - 1] = 0;
    for ( t = 0; t < RT_MAX_THREADS; t++ )
    {
        view[t].seen[nr_words - 1] = view[t].base[nr_words - 1] = 0;
        memset(view[t].loaded[nr_words - 1], 0, sizeof(view[t].loaded[0]));
    }

    return w;
}

/* Memory that was written behind our back: freed, and used for another thing. */
static void check_word(struct word *w)
{
    if ( *w->at != w->history[w->newest % DEPTH].value )
        forget_history(w, *w->at);
}

/* ---- views ---- */

static void join(stamp_t *to, const stamp_t *from, unsigned int nr)
{
    unsigned int i;

    for ( i = 0; i < nr; i++ )
        if ( to[i] < from[i] )
            to[i] = from[i];
}

/* All that the thread has seen or stored is before its next stores. */
static void write_barrier(unsigned int t)
{
    stamp_t *to;
    size_t bytes = nr_words * sizeof(*to);

    if ( arena_used + bytes > ARENA )
        rt_fail("too many barriers");
    to = (stamp_t *)(arena + arena_used);
    arena_used += (bytes + 15) & ~(size_t)15;
    memcpy(to, view[t].seen, bytes);
    view[t].before = to;
    view[t].before_words = nr_words;
}

static void read_barrier(unsigned int t)
{
    memcpy(view[t].base, performed, nr_words * sizeof(stamp_t));
}

static void order_loads(unsigned int t)
{
    view[t].ordered = ++view[t].accesses;
}

static void full_barrier(unsigned int t)
{
    order_loads(t);
    join(performed, view[t].seen, nr_words);
    read_barrier(t);
    write_barrier(t);
}

/*
 * A load of another thread gave it, so every processor has it by now, and all
 * that was stored to the word before it.
 */
static void perform(struct word *w, stamp_t stamp)
{
    unsigned int n = w - words;
    stamp_t i = performed[n] < w->oldest ? w->oldest : performed[n] + 1;

    if ( performed[n] >= stamp )
        return;
    performed[n] = stamp;
    for ( ; i <= stamp; i++ )
        if ( w->history[i % DEPTH].before )
            join(performed, w->history[i % DEPTH].before,
                 w->history[i % DEPTH].words);
}

static stamp_t oldest_for(const struct word *w, unsigned int t)
{
    unsigned int n = w - words;
    stamp_t low = view[t].seen[n];

    if ( low < view[t].base[n] )
        low = view[t].base[n];

    return low < w->oldest ? w->oldest : low;
}

/* As Linux places programs, heaps and mappings: not what an event tells. */
static bool like_pointer(uint64_t value)
{
    return value >= 0x550000000000ULL && value < 0x800000000000ULL &&
           value % 8 == 0;
}

/*
 * The caller stores.  Another thread's load of the word may be still to come,
 * though that thread's later store was seen by the caller.
 */
static void check_late_load(unsigned int n, unsigned int halves,
                            const uint64_t *at)
{
    unsigned int t, half;

    for ( t = 0; t < RT_MAX_THREADS; t++ )
        for ( half = 0; half < 2; half++ )
            if ( t != rt_self->id && (halves & 1U << half) &&
                 view[t].loaded[n][half] > view[t].ordered &&
                 view[rt_self->id].known[t] > view[t].loaded[n][half] )
                rt_fail("a load of thread %u may come after the store to %p "
                        "that overwrites what it should see", t,
                        (const void *)at);
}

/* Which halves of the word the size bytes from at on are in. */
static unsigned int halves_of(const uint64_t *word, uintptr_t at, size_t size)
{
    uintptr_t first = (uintptr_t)word;

    return (at < first + 4) | (at + size > first + 4) << 1;
}

static void note_load(unsigned int n, unsigned int halves, bool acquire)
{
    struct view *v = &view[rt_self->id];
    uint32_t count = acquire ? 0 : ++v->accesses;

    if ( halves & 1 )
        v->loaded[n][0] = count;
    if ( halves & 2 )
        v->loaded[n][1] = count;
}

/* The value that a load of a word gives. */
static uint64_t load_word(uint64_t *at, unsigned int halves, bool acquire,
                          bool newest, const char **how)
{
    unsigned int t = rt_self->id;
    struct word *w = find(at);
    stamp_t low, stamp;

    if ( !w && in_window(at) )
        w = make(at, *at);
    if ( !w )
    {
        if ( acquire )
            read_barrier(t);
        return *at;
    }

    check_word(w);
    stamp = w->newest;
    low = oldest_for(w, t);
    if ( !newest && model != RT_SC && low != stamp && !rt_draw(stale_one_in) )
        stamp = low + rt_draw(stamp - low + 1);
    if ( stamp != w->newest )
        *how = "(old)";

    view[t].seen[w - words] = stamp;
    note_load(w - words, halves, acquire);
    if ( w->history[stamp % DEPTH].thread != t )
    {
        uint32_t *known = &view[t].known[w->history[stamp % DEPTH].thread];

        if ( *known < w->history[stamp % DEPTH].count )
            *known = w->history[stamp % DEPTH].count;
        perform(w, stamp);
        if ( like_pointer(w->history[stamp % DEPTH].value) )
            acquire = true;
    }
    if ( acquire || model == RT_TSO )
        read_barrier(t);

    return w->history[stamp % DEPTH].value;
}

/* Memory holds the value already. */
static void note_store(uint64_t *at, unsigned int halves, uint64_t old,
                       uint64_t value)
{
    unsigned int t = rt_self->id;
    struct word *w = find(at);
    struct store *s;

    if ( !w )
        w = make(at, old);
    /* Others' bytes of the word go on living in this store. */
    if ( w->history[w->newest % DEPTH].thread != t )
        perform(w, w->newest);
    w->newest++;
    if ( (stamp_t)(w->newest - w->oldest) == DEPTH )
        w->oldest++;
    s = &w->history[w->newest % DEPTH];
    s->value = value;
    s->thread = t;
    s->count = ++view[t].accesses;
    if ( model == RT_WEAK && !lies && in_window(at) )
        check_late_load(w - words, halves, at);
    if ( model == RT_TSO )
        write_barrier(t);
    s->before = view[t].before;
    s->words = view[t].before_words;
    view[t].seen[w - words] = w->newest;
}

/* ---- what the program does ---- */

static uint64_t *word_of(uintptr_t at)
{
    return (uint64_t *)(at & ~(uintptr_t)7);
}

const uint64_t *rt_mem_word(const void *at)
{
    return word_of(canonical(at));
}

static uint64_t newest_of(const uint64_t *word)
{
    const struct word *w = find(word);

    return w ? w->history[w->newest % DEPTH].value : *word;
}

void rt_mem_settle(void)
{
    unsigned int i;

    for ( i = 0; i < nr_patches; i++ )
        *patch[i].word = patch[i].newest;
    nr_patches = 0;

    for ( i = 0; i < writing.nr; i++ )
    {
        uint64_t *word = writing.word[i];

        note_store(word, writing.halves[i], newest_of(word), *word);
        rt_mix(*word);
        rt_trace_access("stored", writing.pc, word, *word, "");
    }
    writing.nr = 0;
}

/* A point, unless nobody else can know the place. */
static bool begin(uintptr_t at)
{
    rt_mem_settle();
    if ( !rt_concurrent || is_private(at) )
        return false;
    rt_point();
    if ( (rt_self->window_left != UINT_MAX || rt_self->window_at) &&
         in_window(word_of(at)) )
        rt_window_point(word_of(at));

    return true;
}

void rt_mem_read(void *pc, const void *addr, size_t size)
{
    uintptr_t at = canonical(addr), start = at, end = at + size;

    if ( !begin(at) )
        return;

    for ( at &= ~(uintptr_t)7; at < end && nr_patches < MAX_SPAN; at += 8 )
    {
        uint64_t *word = word_of(at);
        const char *how = "";
        uint64_t value = load_word(word, halves_of(word, start, end - start),
                                   false, false, &how);

        rt_mix(value);
        rt_trace_access("reads", pc, word, value, how);
        if ( value == *word )
            continue;
        patch[nr_patches].word = word;
        patch[nr_patches++].newest = *word;
        *word = value;
    }
}

void rt_mem_write(void *pc, void *addr, size_t size)
{
    uintptr_t at = canonical(addr), start = at, end = at + size;

    if ( !begin(at) )
        return;

    if ( end - (at & ~(uintptr_t)7) > MAX_SPAN * 8 )
        rt_fail("a write of %zu bytes", size);
    writing.pc = pc;
    for ( at &= ~(uintptr_t)7; at < end; at += 8 )
    {
        uint64_t *word = word_of(at);

        /* Before the program changes it. */
        if ( !find(word) )
            make(word, *word);
        writing.halves[writing.nr] = halves_of(word, start, end - start);
        writing.word[writing.nr++] = word;
    }
}

static uint64_t part(uint64_t value, uintptr_t at, size_t size)
{
    value >>= at % 8 * 8;

    return size == 8 ? value : value & ((1ULL << size * 8) - 1);
}

uint64_t rt_mem_load(void *pc, const void *addr, size_t size, enum rt_order order)
{
    uintptr_t at = canonical(addr);
    const char *how = "";
    uint64_t value;

    if ( begin(at) )
    {
        if ( order == RT_SEQ_CST )
            full_barrier(rt_self->id);
        value = load_word(word_of(at), halves_of(word_of(at), at, size),
                          order != RT_RELAXED, order == RT_SEQ_CST, &how);
        rt_mix(value);
        value = part(value, at, size);
        rt_trace_access(order == RT_RELAXED ? "loads" : "acquires", pc,
                        (void *)at, value, how);
        return value;
    }

    return part(*word_of(at), at, size);
}

void rt_mem_store(void *pc, void *addr, size_t size, uint64_t value,
                  enum rt_order order)
{
    uintptr_t at = canonical(addr);
    bool shared = begin(at);
    uint64_t old = *word_of(at);

    if ( shared && order != RT_RELAXED )
    {
        order_loads(rt_self->id);
        write_barrier(rt_self->id);
    }
    memcpy((void *)at, &value, size);
    if ( !shared )
        return;

    note_store(word_of(at), halves_of(word_of(at), at, size), old, *word_of(at));
    if ( order == RT_SEQ_CST )
        full_barrier(rt_self->id);
    rt_mix(*word_of(at));
    rt_trace_access(order == RT_RELAXED ? "stores" : "releases", pc, (void *)at,
                    value, "");
}

/* Called with memory still as it was; returns with it to be changed. */
void rt_mem_rmw(void *pc, void *addr, size_t size, enum rt_order order)
{
    uintptr_t at = canonical(addr);
    uint64_t *word = word_of(at);
    const char *how = "";

    if ( !begin(at) )
        return;

    if ( order != RT_RELAXED )
        full_barrier(rt_self->id);
    load_word(word, halves_of(word, at, size), order != RT_RELAXED, true, &how);
    /* It is noted when the value is there, before anything else happens. */
    if ( !find(word) )
        make(word, *word);
    writing.pc = pc;
    writing.halves[writing.nr] = halves_of(word, at, size);
    writing.word[writing.nr++] = word;
}

void rt_mem_fence(void *pc, enum rt_order order)
{
    rt_mem_settle();
    if ( !rt_concurrent )
        return;
    rt_point();
    if ( rt_self->window_left != UINT_MAX )
        rt_window_point(NULL);

    switch ( order )
    {
    case RT_RELAXED:
        break;

    case RT_ACQUIRE:        /* dmb ishld orders loads before all */
        order_loads(rt_self->id);
        read_barrier(rt_self->id);
        break;

    case RT_RELEASE:
        write_barrier(rt_self->id);
        break;

    case RT_SEQ_CST:
        full_barrier(rt_self->id);
        break;
    }
    if ( pc )
        rt_trace_access(order == RT_ACQUIRE ? "rmb" : order == RT_RELEASE
                        ? "wmb" : "mb", pc, NULL, 0, "");
}

/* ---- a run ---- */

void rt_mem_begin(enum rt_model which)
{
    static const unsigned int rates[] = { 2, 4, 8, 16 };

    if ( !arena )
        arena = malloc(ARENA);
    model = which;
    lies = false;
    stale_one_in = rates[rt_draw(4)];
}

void rt_mem_start(void)
{
    unsigned int i;

    memset(table, 0, sizeof(table));
    nr_words = 0;
    arena_used = 0;
    for ( i = 0; i < RT_MAX_THREADS; i++ )
    {
        view[i].before = NULL;
        view[i].before_words = 0;
        view[i].accesses = view[i].ordered = 0;
        memset(view[i].known, 0, sizeof(view[i].known));
    }
}

void rt_mem_lies(void)
{
    lies = true;
}

/* Memory has the newest values, so nothing is left to do. */
void rt_mem_stop(void)
{
    rt_mem_settle();
}
