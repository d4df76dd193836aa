/* SPDX-License-Identifier: MIT */
/*
 * Four workers that share a domain's vCPUs, as threads and as processes; one of
 * them goes in the middle, and the main handle takes over what it had.
 */
#include "scenarios.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 4U
#define BATCH 32
#define LOST_MS 20000
#define MOST_LOOKS 60000U   /* a millisecond apart, for what has to come */

struct worker {
    uint64_t generation;
    uint32_t vcpus[MAX_VCPUS];
    uint32_t nr;
    uint64_t seen[MAX_VCPUS];
    pthread_t thread;
    bool goes;              /* closes when it has seen some, and comes again */
};

static bool ended;          /* the guest has done all it had to */

static bool over(void)
{
    return __atomic_load_n(&ended, __ATOMIC_ACQUIRE);
}

static void plan(struct worker *w, unsigned int i, uint64_t generation)
{
    unsigned int vcpu;

    memset(w, 0, sizeof(*w));
    w->generation = generation;
    /* Not a range: every fourth. */
    for ( vcpu = i; vcpu < t.nr; vcpu += WORKERS )
        w->vcpus[w->nr++] = vcpu;
}

static vmiring *try_worker(const struct worker *w)
{
    const vmiring_options opts = { .size = sizeof(opts), .domid = 1,
                                   .sim = t.sim.path };
    const struct vmiring_worker how = {
        .size = sizeof(how), .generation = w->generation, .vcpus = w->vcpus,
        .nr_vcpus = w->nr,
    };

    return vmiring_worker_open(&opts, &how);
}

static vmiring *open_worker(const struct worker *w)
{
    vmiring *h = try_worker(w);

    if ( !h )
        fatal("vmiring_worker_open: %s", vmiring_open_error());

    return h;
}

/* One batch of a worker; 0: nothing there. */
static int work(vmiring *h, struct worker *w)
{
    struct vmiring_event ev[BATCH];
    int n = vmiring_receive(h, ev, BATCH), i;

    if ( n < 0 && errno != EAGAIN )
        fatal("worker: %s", vmiring_error(h));
    for ( i = 0; i < n; i++ )
    {
        if ( ev[i].reason != VMIRING_GUEST_REQUEST )
            continue;
        if ( ev[i].vcpu % WORKERS != w->vcpus[0] )
            fatal("vCPU %u's request came to another's worker", ev[i].vcpu);
        w->seen[ev[i].vcpu]++;
        answer_request(h, &ev[i]);
    }
    if ( n > 0 )
        vmiring_release(h);

    return n < 0 ? 0 : n;
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    vmiring *h = open_worker(w);
    unsigned int batches = 0;

    /* A handle that is restricted goes on working. */
    if ( vmiring_restrict(h) )
        fatal("vmiring_restrict: %s", vmiring_error(h));
    while ( !over() )
    {
        if ( work(h, w) )
            batches++;
        else
            vmiring_wait(h, 50);
        if ( w->goes && batches >= 20 )
        {
            vmiring_close(h);
            h = open_worker(w);
            batches = 0;
        }
    }
    vmiring_close(h);

    return NULL;
}

static void answer(vmiring *h, const struct vmiring_event *ev)
{
    if ( ev->flags & VMIRING_EV_SYNC )
        answer_request(h, ev);
}

static vmiring *open_main(struct vmiring_geometry *g, uint32_t on_death)
{
    vmiring *h = must_open(VMIRING_OPEN_SLOT_PORTS, 4096, on_death);

    g->size = sizeof(*g);
    if ( vmiring_geometry(h, g) )
        fatal("vmiring_geometry: %s", vmiring_error(h));
    CHECK_EQ(g->slot_ports, t.nr);
    CHECK(vmiring_caps(h) & VMIRING_CAP_WORKERS);
    subscribe(h, VMIRING_GUEST_REQUEST, true, VMIRING_REGS_CORE);

    return h;
}

/* Every request was answered once, rightly; Xen counts the same. */
static void check_books(vmiring *h)
{
    struct guest_vcpu_block b;
    unsigned int i;

    for ( i = 0; i < t.nr; i++ )
    {
        struct vmiring_vcpu_info info = info_of(h, i);

        sim_counters(&t.sim, i, &b);
        CHECK_EQ(b.iterations.value, t.events);
        CHECK_EQ(b.checked.value, t.events);
        CHECK_EQ(b.mismatched.value, 0);
        CHECK_EQ(info.raised, t.events);
        CHECK_EQ(info.answered, t.events);
        CHECK_EQ(info.stale + info.bad + info.released + info.cancelled, 0);
    }
}

/* Before that a request would be an orphan, and the main handle's. */
static void wait_bound(uint32_t nr)
{
    struct vmiring_status st = { .size = sizeof(st) };
    const vmiring_options opts = { .size = sizeof(opts), .domid = 1,
                                   .sim = t.sim.path };
    unsigned int looks = 0;

    do {
        if ( ++looks > MOST_LOOKS )
            fatal("%u of %u slots have a bound port", st.slot_ports_bound, nr);
        usleep(1000);
        if ( vmiring_query_status(&opts, &st, NULL, 0) < 0 )
            fatal("vmiring_query_status: %s", vmiring_open_error());
    } while ( st.slot_ports_bound < nr );
}

static void threads(bool goes)
{
    struct worker w[WORKERS];
    struct vmiring_geometry g;
    unsigned int i, j;
    uint64_t sum = 0;
    vmiring *h;

    ended = false;
    memset(t.seen, 0, sizeof(t.seen));
    t.events = 20000 / t.nr;
    start_guest("program=gr,reply=1");
    h = open_main(&g, 0);
    for ( i = 0; i < WORKERS; i++ )
    {
        plan(&w[i], i, g.generation);
        w[i].goes = goes && !i;
        if ( pthread_create(&w[i].thread, NULL, run_worker, &w[i]) )
            fatal("pthread_create");
    }
    if ( vmiring_restrict(h) )
        fatal("vmiring_restrict: %s", vmiring_error(h));
    if ( !goes )
        wait_bound(t.nr);
    sim_control(&t.sim, GUEST_CONTROL_RUN);

    /* Until all is done, what nobody else has is ours. */
    while ( !sim_all_done(&t.sim, t.nr) )
        if ( !take_batch(h, answer) )
            vmiring_wait(h, 20);
    __atomic_store_n(&ended, true, __ATOMIC_RELEASE);
    for ( i = 0; i < WORKERS; i++ )
        pthread_join(w[i].thread, NULL);

    check_books(h);
    for ( i = 0; i < WORKERS; i++ )
        for ( j = 0; j < t.nr; j++ )
            sum += w[i].seen[j];
    CHECK_EQ(sum > 0, true);
    if ( goes )
        /* What went from one to the other unanswered was seen twice. */
        CHECK(sum + total(t.seen) >= t.nr * t.events);
    else
        CHECK_EQ(sum, t.nr * t.events);
    if ( !goes )
        CHECK_EQ(total(t.seen), 0);
    vmiring_close(h);
    end_guest();
}

/* Takes one request of each of its vCPUs, answers none, says so and waits. */
static void be_doomed(const struct worker *w, int tell)
{
    struct vmiring_event ev[BATCH];
    vmiring *h = open_worker(w);
    uint32_t got = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while ( got < w->nr )
    {
        int n = vmiring_receive(h, ev, BATCH);

        if ( n > 0 )
        {
            got += n;
            vmiring_release(h);
        }
        else if ( vmiring_wait(h, LOST_MS) )
            fatal("a worker got %u of %u requests: %s", got, w->nr,
                  vmiring_error(h));
    }
    if ( write(tell, "", 1) != 1 )
        fatal("pipe: %s", strerror(errno));
    for ( ; ; )
        pause();
}

/* A worker is a process and is killed with all of its vCPUs waiting for it. */
static void killed(void)
{
    struct worker doomed, other;
    struct vmiring_geometry g;
    int tell[2], status;
    unsigned int i;
    vmiring *h, *rest;
    char byte;
    pid_t pid;

    memset(t.seen, 0, sizeof(t.seen));
    t.events = 200;
    start_guest("program=gr,reply=1");
    h = open_main(&g, VMIRING_DEATH_CRASH);
    plan(&doomed, 1, g.generation);
    plan(&other, 0, g.generation);
    rest = open_worker(&other);

    if ( pipe(tell) )
        fatal("pipe: %s", strerror(errno));
    fflush(stdout);
    pid = fork();
    if ( pid < 0 )
        fatal("fork: %s", strerror(errno));
    if ( !pid )
    {
        struct vmiring_event ev;

        /* A fork may close what it inherited, and no more. */
        if ( vmiring_receive(rest, &ev, 1) != -1 || errno != EPERM )
            fatal("a fork could receive");
        vmiring_close(rest);
        vmiring_close(h);
        be_doomed(&doomed, tell[1]);
    }
    close(tell[1]);
    wait_bound(doomed.nr + other.nr);
    sim_control(&t.sim, GUEST_CONTROL_RUN);
    if ( read(tell[0], &byte, 1) != 1 )
        fatal("the worker ended before its time");
    close(tell[0]);

    /* It is there: nobody else gets its vCPUs, nor their requests. */
    CHECK(!try_worker(&doomed));
    CHECK_EQ(errno, EBUSY);
    while ( take_batch(h, answer) )
        ;
    for ( i = 0; i < t.nr; i++ )
        CHECK(!(i % WORKERS == 1 && t.seen[i]));

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    while ( !sim_all_done(&t.sim, t.nr) )
    {
        int n = take_batch(h, answer);

        n += work(rest, &other);
        if ( !n )
            vmiring_wait(h, 1);
    }
    for ( i = 0; i < t.nr; i++ )
        CHECK_EQ(t.seen[i], i % WORKERS == 0 ? 0 : t.events);
    check_books(h);

    /* The end of the channel is told to who is left. */
    vmiring_close(h);
    CHECK(!vmiring_wait(rest, LOST_MS));
    {
        struct vmiring_event ev;

        CHECK(vmiring_receive(rest, &ev, 1) == -1 && errno == ESTALE);
    }
    vmiring_close(rest);
    CHECK(!try_worker(&other));
    CHECK_EQ(errno, ENXIO);
    end_guest();
}

/*
 * Nobody reads the ring meanwhile: records are lost between the requests that
 * workers see, which is the main handle's to tell.
 */
static void losses(void)
{
    struct worker w[WORKERS];
    struct vmiring_geometry g;
    struct vmiring_event ev;
    struct vmiring_lost lost;
    uint64_t told = 0, missed = 0, sum = 0;
    unsigned int i, j;
    vmiring *h;

    ended = false;
    t.events = 4000 / t.nr;
    start_guest("program=gr+cr3,reply=1");
    h = open_main(&g, 0);
    subscribe(h, VMIRING_WRITE_CTRLREG, false, VMIRING_REGS_ALL);
    for ( i = 0; i < WORKERS; i++ )
    {
        plan(&w[i], i, g.generation);
        if ( pthread_create(&w[i].thread, NULL, run_worker, &w[i]) )
            fatal("pthread_create");
    }
    wait_bound(t.nr);
    sim_control(&t.sim, GUEST_CONTROL_RUN);
    for ( i = 0; !sim_all_done(&t.sim, t.nr); i++ )
    {
        if ( i > MOST_LOOKS )
            fatal("the guest does not come to its end");
        usleep(1000);
    }
    __atomic_store_n(&ended, true, __ATOMIC_RELEASE);
    for ( i = 0; i < WORKERS; i++ )
        pthread_join(w[i].thread, NULL);

    for ( i = 0; i < WORKERS; i++ )
        for ( j = 0; j < t.nr; j++ )
            sum += w[i].seen[j];
    CHECK_EQ(sum, t.nr * t.events);
    while ( vmiring_receive(h, &ev, 1) == 1 )
    {
        if ( !vmiring_get_lost(&ev, &lost) )
            missed += lost.count;
        else
            told++;
        vmiring_release(h);
    }
    CHECK(missed > 0);
    CHECK_EQ(told + missed, t.nr * t.events);
    vmiring_close(h);
    end_guest();
}

void scenario_workers(void)
{
    losses();
    threads(false);
    threads(true);
    killed();
}
