/* SPDX-License-Identifier: GPL-2.0-only */
/* What is measured.  Ours is the very producer of xen/ and the SDK. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "pairs.h"

#define KIB 1024U

/* ---- peers ---- */

static void *peer_make(const struct bench_case *c)
{
    return c->peer->make(c->record, c->ring_bytes);
}

static void peer_end(const struct bench_case *c, void *state)
{
    c->peer->end(state);
}

static void peer_publish(const struct bench_case *c, void *state,
                         struct sample *s)
{
    double begin = now_cpu();

    s->dropped = c->peer->produce(state, 0, c->events, FULL_RESET);
    s->ns = now_cpu() - begin;
    s->events = c->events;
}

static void job_peer_publish(struct job *job)
{
    job->dropped = job->c->peer->produce(job->state, job->nr, job->events,
                                         FULL_RESET);
}

static void job_peer_wait(struct job *job)
{
    job->dropped = job->c->peer->produce(job->state, job->nr, job->events,
                                         FULL_WAIT);
}

static void job_peer_drop(struct job *job)
{
    job->dropped = job->c->peer->produce(job->state, job->nr, job->events,
                                         FULL_DROP);
}

static void job_peer_consume(struct job *job)
{
    job->received = job->c->peer->consume(job->state, job->done);
}

/* ---- two producers and no consumer, of anybody ---- */

static void two_producers(const struct bench_case *c, void *state,
                          struct sample *s, void (*run)(struct job *job))
{
    struct job jobs[2];
    unsigned int i;

    for ( i = 0; i < 2; i++ )
        jobs[i] = (struct job){ .run = run, .c = c, .state = state, .nr = i,
                                .events = c->events / 2 };
    s->ns = run_jobs(jobs, 2);
    s->events = c->events;
    s->dropped = jobs[0].dropped + jobs[1].dropped;
}

static void peer_two(const struct bench_case *c, void *state, struct sample *s)
{
    two_producers(c, state, s, job_peer_publish);
}

/* ---- a producer and a consumer, of anybody ---- */

static void pair(const struct bench_case *c, void *state, struct sample *s,
                 void (*produce)(struct job *), void (*consume)(struct job *))
{
    unsigned int producers = c->threads - 1, running = producers, i;
    struct job jobs[MAX_THREADS];
    bool done = false;

    for ( i = 0; i < producers; i++ )
        jobs[i] = (struct job){ .run = produce, .c = c, .state = state, .nr = i,
                                .events = c->events / producers,
                                .running = &running, .finished = &done };
    jobs[i] = (struct job){ .run = consume, .c = c, .state = state,
                            .done = &done };

    s->ns = run_jobs(jobs, c->threads);
    s->events = c->events;
    for ( i = 0; i < c->threads; i++ )
        s->dropped += jobs[i].dropped;
    s->wrong = jobs[producers].received + s->dropped != c->events;
}

static void peer_pair(const struct bench_case *c, void *state,
                      struct sample *s)
{
    pair(c, state, s, job_peer_wait, job_peer_consume);
    s->wrong |= s->dropped;
}

static void peer_overload(const struct bench_case *c, void *state,
                          struct sample *s)
{
    pair(c, state, s, job_peer_drop, job_peer_consume);
}

/* ---- ours: the producer alone ---- */

static void *v2_make(const struct bench_case *c)
{
    struct world *w = world_new(2);

    world_channel(w, c->split, c->ring_bytes);
    /* The first record of a ring wakes the agent; no other will. */
    world_push(w, 0, c->record, 1);
    world_push(w, 1, c->record, 1);

    return w;
}

static void v2_end(const struct bench_case *c, void *state)
{
    (void)c;
    world_channel_end(state);
    world_free(state);
}

static uint64_t lost_of(struct world *w)
{
    uint64_t produced, lost;

    world_counts(w, &produced, &lost);

    return lost;
}

static void v2_publish(const struct bench_case *c, void *state,
                       struct sample *s)
{
    uint64_t lost = lost_of(state);
    double begin = now_cpu();

    world_publish(state, 0, c->record, c->events, !c->sleepy);
    s->ns = now_cpu() - begin;
    s->events = c->events;
    s->dropped = lost_of(state) - lost;
}

static void job_v2_publish(struct job *job)
{
    world_publish(job->state, job->nr, job->c->record, job->events,
                  !job->c->sleepy);
}

static void v2_two(const struct bench_case *c, void *state, struct sample *s)
{
    uint64_t lost = lost_of(state);

    two_producers(c, state, s, job_v2_publish);
    s->dropped = lost_of(state) - lost;
}

/* ---- ours: with the SDK ---- */

static void *sdk_make(const struct bench_case *c)
{
    struct guarded *g = calloc(1, sizeof(*g));
    bool waits = c->sleepy || c->threads > placement_cpus();

    if ( !g )
        abort();
    g->w = world_new(c->vcpus ? c->vcpus
                              : c->threads > 2 ? c->threads - 1 : 1);
    /* The SDK does not spin for who may use one processor only. */
    placement_unpin();
    g->a = agent_open(g->w, c->ring_bytes, c->split,
                      waits ? 0 : c->silent ? 1000000 : 100);
    placement_pin(0);

    return g;
}

static void *sdk_make_sync(const struct bench_case *c)
{
    struct guarded *g = sdk_make(c);

    agent_watch(g->a);
    /* With one processor it does not spin, and has to be woken. */
    if ( c->silent && placement_cpus() > 1 )
        world_silence(g->w);

    return g;
}

static void sdk_end(const struct bench_case *c, void *state)
{
    struct guarded *g = state;

    (void)c;
    agent_close(g->a);
    world_free(g->w);
    free(g);
}

static void job_v2_offer(struct job *job)
{
    world_offer(((struct guarded *)job->state)->w, job->nr, job->c->record,
                job->events);
}

static void job_v2_push(struct job *job)
{
    world_push(((struct guarded *)job->state)->w, job->nr, job->c->record,
               job->events);
}

static void job_sdk_consume(struct job *job)
{
    agent_consume(((struct guarded *)job->state)->a, job->done,
                  &job->received, &job->dropped);
}

static void sdk_pair(const struct bench_case *c, void *state, struct sample *s)
{
    pair(c, state, s, job_v2_offer, job_sdk_consume);
    /* Several producers can see the same room, and one then loses a record. */
    s->wrong |= c->threads == 2 && s->dropped;
}

/* Xen's own count, the SDK's reports and what came in: all three agree. */
static void sdk_overload(const struct bench_case *c, void *state,
                         struct sample *s)
{
    struct world *w = ((struct guarded *)state)->w;
    uint64_t lost = lost_of(w);

    pair(c, state, s, job_v2_push, job_sdk_consume);
    s->wrong |= lost_of(w) - lost != s->dropped;
}

#define BATCH 64U

/* Batches of what waits: the receiving half, without its last look. */
static void sdk_receive(const struct bench_case *c, void *state,
                        struct sample *s)
{
    struct guarded *g = state;
    uint64_t i;

    for ( i = 0; i < c->events; i += BATCH )
    {
        double begin;

        world_push(g->w, 0, c->record, BATCH);
        begin = now_cpu();
        agent_batch(g->a, BATCH);
        s->ns += now_cpu() - begin;
    }
    s->events = c->events;
}

static void sdk_sync(const struct bench_case *c, void *state, struct sample *s)
{
    struct guarded *g = state;
    double begin = now_cpu();
    uint64_t i;

    for ( i = 0; i < c->events; i++ )
    {
        world_raise(g->w, 0);
        agent_answer(g->a);
        s->wrong |= !world_resume(g->w, 0);
    }
    s->ns = now_cpu() - begin;
    s->events = c->events;
}

/* The agent's and Xen's looks alone; the vCPU is the last one. */
static void sdk_sync_last(const struct bench_case *c, void *state,
                          struct sample *s)
{
    struct guarded *g = state;
    uint64_t i;

    for ( i = 0; i < c->events; i++ )
    {
        double begin;

        world_raise(g->w, c->vcpus - 1);
        begin = now_cpu();
        agent_answer(g->a);
        s->ns += now_cpu() - begin;
        s->wrong |= !world_resume(g->w, c->vcpus - 1);
    }
    s->events = c->events;
}

/* ---- the legacy ABI's code on its way through a sync event ---- */

static void *legacy_sync_make(const struct bench_case *c)
{
    struct world *w = world_new(1);

    (void)c;
    world_legacy(w);

    return w;
}

static void legacy_sync(const struct bench_case *c, void *state,
                        struct sample *s)
{
    double begin = now_cpu();
    uint64_t i;

    for ( i = 0; i < c->events; i++ )
    {
        world_raise(state, 0);
        world_legacy_answer(state);
        s->wrong |= !world_resume(state, 0);
    }
    s->ns = now_cpu() - begin;
    s->events = c->events;
}

static void legacy_sync_end(const struct bench_case *c, void *state)
{
    (void)c;
    world_legacy_end(state);
    world_free(state);
}

/* ---- the table ---- */

#define PEER(run_) .make = peer_make, .run = run_, .end = peer_end
#define V2(run_)   .ring_bytes = 64 * KIB,                               \
                   .make = v2_make, .run = run_, .end = v2_end
#define SDK(run_)  .make = sdk_make, .run = run_, .end = sdk_end

#define PUBLISH(group_, size)                                               \
    { .group = group_, .name = "legacy io/ring.h 4 KiB", .base = true,      \
      .peer = &peer_legacy, .ring_bytes = 4 * KIB, .record = size,          \
      .threads = 1, .events = 50000, .cpu_time = true, PEER(peer_publish) },\
    { .group = group_, .name = "legacy io/ring.h 64 KiB",                   \
      .peer = &peer_legacy, .ring_bytes = 64 * KIB, .record = size,         \
      .threads = 1, .events = 50000, .cpu_time = true, PEER(peer_publish) },\
    { .group = group_, .name = "ck_ring mpsc 64 KiB", .peer = &peer_ck,     \
      .ring_bytes = 64 * KIB, .record = size, .threads = 1, .events = 50000,\
      .cpu_time = true, PEER(peer_publish) },                               \
    { .group = group_, .name = "rte_ring mp 64 KiB", .peer = &peer_rte,     \
      .ring_bytes = 64 * KIB, .record = size, .threads = 1, .events = 50000,\
      .cpu_time = true, PEER(peer_publish) },                               \
    { .group = group_, .name = "BPF ring buffer 64 KiB", .peer = &peer_bpf, \
      .ring_bytes = 64 * KIB, .record = size, .threads = 1, .events = 50000,\
      .cpu_time = true, PEER(peer_publish) },                               \
    { .group = group_, .name = "bare copy loop 64 KiB", .peer = &peer_bare, \
      .ring_bytes = 64 * KIB, .record = size, .threads = 1, .events = 50000,\
      .cpu_time = true, PEER(peer_publish) },                               \
    { .group = group_, .name = "v2 shared 64 KiB", .record = size,          \
      .threads = 1, .events = 50000, .cpu_time = true, V2(v2_publish) },    \
    { .group = group_, .name = "v2 split 64 KiB", .record = size,           \
      .split = true, .threads = 1, .events = 50000, .cpu_time = true,       \
      V2(v2_publish) },                                                     \
    { .group = group_, .name = "v2 shared, agent may sleep", .record = size,\
      .sleepy = true, .threads = 1, .events = 50000, .cpu_time = true,      \
      V2(v2_publish) },                                                     \
    { .group = group_, .name = "v2 split, agent may sleep", .record = size, \
      .split = true, .sleepy = true, .threads = 1, .events = 50000,         \
      .cpu_time = true, V2(v2_publish) }

/*
 * One agent, and as many producers as there are more threads.  The legacy ring
 * is given fewer events where its lock makes threads without a processor wait
 * for each other.
 */
#define END_TO_END(group_, threads_, nr, nr_legacy)                         \
    { .group = group_, .name = "legacy io/ring.h 4 KiB", .base = true,      \
      .peer = &peer_legacy, .ring_bytes = 4 * KIB, .record = 128,           \
      .threads = threads_, .events = nr_legacy, PEER(peer_pair) },          \
    { .group = group_, .name = "legacy io/ring.h 64 KiB",                   \
      .peer = &peer_legacy, .ring_bytes = 64 * KIB, .record = 128,          \
      .threads = threads_, .events = nr_legacy, PEER(peer_pair) },          \
    { .group = group_, .name = "ck_ring mpsc 64 KiB", .peer = &peer_ck,     \
      .ring_bytes = 64 * KIB, .record = 128, .threads = threads_,           \
      .events = nr, PEER(peer_pair) },                                      \
    { .group = group_, .name = "rte_ring mp 64 KiB", .peer = &peer_rte,     \
      .ring_bytes = 64 * KIB, .record = 128, .threads = threads_,           \
      .events = nr, PEER(peer_pair) },                                      \
    { .group = group_, .name = "v2 + SDK 64 KiB", .ring_bytes = 64 * KIB,   \
      .record = 128, .threads = threads_, .events = nr, SDK(sdk_pair) },    \
    { .group = group_, .name = "v2 + SDK split, 64 KiB", .split = true,     \
      .ring_bytes = 64 * KIB, .record = 128, .threads = threads_,           \
      .events = nr, SDK(sdk_pair) }

/* One request waits, of so many vCPUs: what it costs to find. */
#define SCAN(name_, nr, base_)                                              \
    { .group = "scan", .name = name_, .base = base_, .threads = 1,          \
      .record = 32, .events = 200, .cpu_time = true, .ring_bytes = 64 * KIB,\
      .vcpus = nr, .make = sdk_make_sync, .run = sdk_sync_last,             \
      .end = sdk_end }

#define RING_SIZE(name_, bytes, base_)                                      \
    { .group = "ring-size-128", .name = name_, .base = base_, .split = true,\
      .record = 128, .threads = 1, .events = 50000, .cpu_time = true,       \
      .make = v2_make, .run = v2_publish, .end = v2_end,                    \
      .ring_bytes = bytes }

const struct bench_case bench_cases[] = {
    PUBLISH("publish-64", 64),
    PUBLISH("publish-128", 128),

    { .group = "two-producers-64", .name = "legacy io/ring.h 4 KiB",
      .base = true, .peer = &peer_legacy, .ring_bytes = 4 * KIB, .record = 64,
      .threads = 2, .events = 50000, PEER(peer_two) },
    { .group = "two-producers-64", .name = "legacy io/ring.h 64 KiB",
      .peer = &peer_legacy, .ring_bytes = 64 * KIB, .record = 64,
      .threads = 2, .events = 50000, PEER(peer_two) },
    { .group = "two-producers-64", .name = "ck_ring mpsc 64 KiB",
      .peer = &peer_ck, .ring_bytes = 64 * KIB, .record = 64, .threads = 2,
      .events = 50000, PEER(peer_two) },
    { .group = "two-producers-64", .name = "rte_ring mp 64 KiB",
      .peer = &peer_rte, .ring_bytes = 64 * KIB, .record = 64, .threads = 2,
      .events = 50000, PEER(peer_two) },
    { .group = "two-producers-64", .name = "bare copy loop 64 KiB",
      .peer = &peer_bare, .ring_bytes = 64 * KIB, .record = 64, .threads = 2,
      .events = 50000, PEER(peer_two) },
    { .group = "two-producers-64", .name = "v2 shared 64 KiB", .record = 64,
      .threads = 2, .events = 50000, V2(v2_two) },
    { .group = "two-producers-64", .name = "v2 split 64 KiB", .record = 64,
      .split = true, .threads = 2, .events = 50000, V2(v2_two) },

    END_TO_END("end-to-end-128", 2, 48000, 48000),
    END_TO_END("end-to-end-128-8", 9, 16000, 400),

    { .group = "overload-128", .name = "legacy io/ring.h 4 KiB",
      .base = true, .peer = &peer_legacy, .ring_bytes = 4 * KIB,
      .record = 128, .threads = 2, .events = 50000, PEER(peer_overload) },
    { .group = "overload-128", .name = "ck_ring mpsc 64 KiB",
      .peer = &peer_ck, .ring_bytes = 64 * KIB, .record = 128, .threads = 2,
      .events = 50000, PEER(peer_overload) },
    { .group = "overload-128", .name = "v2 + SDK 64 KiB",
      .ring_bytes = 64 * KIB, .record = 128, .threads = 2, .events = 50000,
      SDK(sdk_overload) },

    RING_SIZE("v2 split, 16 KiB", 16 * KIB, true),
    RING_SIZE("v2 split, 64 KiB", 64 * KIB, false),
    RING_SIZE("v2 split, 128 KiB", 128 * KIB, false),
    RING_SIZE("v2 split, 256 KiB", 256 * KIB, false),
    RING_SIZE("v2 split, 512 KiB", 512 * KIB, false),

    { .group = "receive-128", .name = "SDK, 64 a batch", .base = true,
      .ring_bytes = 64 * KIB, .record = 128, .threads = 1,
      .events = 320 * BATCH, .cpu_time = true, SDK(sdk_receive) },

    { .group = "sync-in-process", .name = "legacy code, 4 KiB", .base = true,
      .threads = 1, .record = 400, .events = 2000, .cpu_time = true,
      .make = legacy_sync_make, .run = legacy_sync, .end = legacy_sync_end },
    { .group = "sync-in-process", .name = "v2 + SDK",
      .ring_bytes = 64 * KIB, .threads = 1, .record = 32, .events = 2000,
      .cpu_time = true, .make = sdk_make_sync, .run = sdk_sync,
      .end = sdk_end },

    { .group = "sync-two-threads", .name = "one word, to and fro",
      .base = true, .threads = 2, .record = 8, .events = 5000,
      .make = word_make, .run = word_run, .end = word_end },
    { .group = "sync-two-threads", .name = "a slot's lines, no code",
      .threads = 2, .record = 8, .events = 5000,
      .make = lines_make, .run = lines_run, .end = word_end },
    { .group = "sync-two-threads", .name = "v2 + SDK, spinning",
      .ring_bytes = 64 * KIB, .threads = 2, .record = 32, .events = 2000,
      .make = sdk_make_sync, .run = sync_pair, .end = sdk_end },
    { .group = "sync-two-threads", .name = "v2 + SDK, the words alone",
      .ring_bytes = 64 * KIB, .threads = 2, .record = 32, .events = 5000,
      .silent = true, .make = sdk_make_sync, .run = sync_pair,
      .end = sdk_end },
    { .group = "sync-two-threads", .name = "v2 + SDK, asleep",
      .ring_bytes = 64 * KIB, .threads = 2, .record = 32, .events = 1000,
      .sleepy = true, .make = sdk_make_sync, .run = sync_pair,
      .end = sdk_end },

    SCAN("8 vCPUs", 8, true),
    SCAN("64 vCPUs", 64, false),
    SCAN("512 vCPUs", 512, false),
    SCAN("1024 vCPUs", 1024, false),
};

const unsigned int nr_bench_cases =
    sizeof(bench_cases) / sizeof(bench_cases[0]);
