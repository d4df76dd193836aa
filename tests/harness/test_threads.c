/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests, agents and adversaries as threads: every vCPU one, the agent one,
 * and others that look, kill, or scribble.  For ThreadSanitizer, and for
 * whatever no single thread can bring about.
 *
 *     harness_threads SCENARIO VCPUS [EVENTS]
 */
#include "harness.h"

#include <xen/monitor.h>
#include <asm/vm_event.h>
#include "cpu.h"

#include <poll.h>
#include <stdlib.h>

/* A wake-up that has not come by then has been lost. */
#define LOST_MS 20000

struct world {
    struct domain *d;
    unsigned int nr;
    unsigned int events;        /* of each vCPU */
    pthread_t *vcpu;
    uint64_t *raised;           /* per vCPU, as the guest counts */
    uint64_t *changed;          /* answers that the guest saw */
    unsigned int running;       /* vCPUs that are not at their end */
    bool stop;                  /* others than the vCPUs are to end */
    bool check_reply;
};

static struct world w;

#define KEY 0x5a5aa5a5U

static bool stopped(void)
{
    return __atomic_load_n(&w.stop, __ATOMIC_ACQUIRE);
}

static void count(uint64_t *p)
{
    __atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED) + 1,
                     __ATOMIC_RELAXED);
}

/* A guest request, with a token that the answer is to change. */
static bool one_event(struct vcpu *v, unsigned int n)
{
    uint64_t token = ((uint64_t)v->vcpu_id << 32) | n;

    v->arch.user_regs.rdi = token;
    monitor_guest_request();
    count(&w.raised[v->vcpu_id]);
    if ( !sim_vcpu_return_to_guest(v) )
        return false;
    if ( v->arch.user_regs.rdi == (token ^ KEY) )
        count(&w.changed[v->vcpu_id]);
    else
        CHECK(!w.check_reply);

    return true;
}

static void *run_vcpu(void *arg)
{
    struct vcpu *v = arg;
    unsigned int n;
    bool in = sim_vcpu_enter(v) && sim_vcpu_return_to_guest(v);

    for ( n = 0; in && n < w.events; n++ )
    {
        in = one_event(v, n);
        /* Processors are few: nobody is to run through while others wait. */
        sched_yield();
    }
    __atomic_fetch_sub(&w.running, 1, __ATOMIC_SEQ_CST);
    /* Ends in its guest, from where anybody may still pause it. */
    while ( in )
    {
        sim_vcpu_idle(v, SECONDS(3600));
        in = sim_vcpu_return_to_guest(v);
    }

    return NULL;
}

static void make_world(unsigned int nr, unsigned int events)
{
    memset(&w, 0, sizeof(w));
    w.nr = nr;
    w.events = events;
    w.d = new_domain(nr);
    w.vcpu = calloc(nr, sizeof(*w.vcpu));
    w.raised = calloc(nr, sizeof(*w.raised));
    w.changed = calloc(nr, sizeof(*w.changed));
    w.running = nr;
}

static void start_vcpus(void)
{
    pthread_attr_t attr;
    unsigned int i;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    for ( i = 0; i < w.nr; i++ )
        BUG_ON(pthread_create(&w.vcpu[i], &attr, run_vcpu, w.d->vcpu[i]));
    pthread_attr_destroy(&attr);
}

static void end_world(void)
{
    unsigned int i;

    for ( i = 0; i < w.nr; i++ )
        sim_vcpu_stop(w.d->vcpu[i]);
    for ( i = 0; i < w.nr; i++ )
        pthread_join(w.vcpu[i], NULL);
    sim_domain_kill(w.d, 0);
    free(w.vcpu);
    free(w.raised);
    free(w.changed);
}

static bool all_done(void)
{
    return !__atomic_load_n(&w.running, __ATOMIC_SEQ_CST);
}

static uint64_t sum(const uint64_t *p)
{
    uint64_t n = 0;
    unsigned int i;

    for ( i = 0; i < w.nr; i++ )
        n += __atomic_load_n(&p[i], __ATOMIC_RELAXED);

    return n;
}

/* Waits for Xen's bell; false: it did not ring. */
static bool wait_bell(struct sim_binding *bell, int ms)
{
    struct pollfd fd = { .fd = sim_evtchn_fd(bell), .events = POLLIN };

    if ( poll(&fd, 1, ms) != 1 )
        return false;
    sim_evtchn_pending(bell);

    return true;
}

/* ---- agents ---- */

static void answer_with_registers(struct agent *a, unsigned int vcpu)
{
    struct vmev2_slot *slot = v2_slot(a, vcpu);
    const struct vmev2_regs_x86 *regs = (const void *)slot->body;
    unsigned int i;

    /* The first 18 words of the registers are those that can be set. */
    for ( i = 0; i < 18; i++ )
        __atomic_store_n(&slot->rsp.regs.word[i], ((const uint64_t *)regs)[i],
                         __ATOMIC_RELAXED);
    __atomic_store_n(&slot->rsp.regs.word[7], regs->rdi ^ KEY,
                     __ATOMIC_RELAXED);
    v2_answer(a, vcpu, VMEV2_RSP_SET_REGISTERS);
}

/* One look at all slots; the number of answers. */
static unsigned int answer_all(struct agent *a)
{
    const struct vmev2_ctrl *ctrl = v2_ctrl(a);
    const uint8_t *pending = (const uint8_t *)ctrl + ctrl->pending_off;
    unsigned int i, nr = 0;

    for ( i = 0; i < w.nr; i++ )
        if ( __atomic_load_n(&pending[i], __ATOMIC_ACQUIRE) && v2_pending(a, i) )
        {
            answer_with_registers(a, i);
            nr++;
        }
    if ( nr )
        v2_kick(a);

    return nr;
}

static void start_v2(struct agent *a, bool sync, uint32_t flags, uint32_t bytes,
                     uint8_t on_death)
{
    const struct vmev2_op_create wish = { .flags = flags, .ring_bytes = bytes,
                                          .on_death = on_death };

    CHECK_EQ(v2_create(a, w.d, &wish), 0);
    CHECK_EQ(v2_bind(a), 0);
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_GUEST_REQUEST, true, sync,
                        sync ? VMEV2_REGS_CORE : VMEV2_REGS_NONE), 0);
}

/* Every request is answered, and every answer reaches its vCPU. */
static void scenario_sync(void)
{
    struct agent a;
    uint64_t answered = 0;

    w.check_reply = true;
    start_v2(&a, true, 0, 0, VMEV2_DEATH_DETACH);
    start_vcpus();

    while ( answered < (uint64_t)w.nr * w.events )
    {
        unsigned int nr = answer_all(&a);

        answered += nr;
        if ( !nr && !wait_bell(a.bell, LOST_MS) )
        {
            CHECK(!"the bell rang");
            break;
        }
    }
    CHECK_EQ(answered, (uint64_t)w.nr * w.events);
    CHECK_EQ(v2_destroy(&a), 0);
    end_world();
}

/* ---- workers: some vCPUs each, by the ports of their slots ---- */

#define WORKERS 4U

struct worker {
    const struct agent *a;
    unsigned int first, end;    /* vCPUs */
    struct sim_binding **port;  /* of the world's vCPUs */
    bool die;                   /* at any moment, and come again */
    uint64_t answered;
};

static void bind_worker(struct worker *wk)
{
    struct agent a = *wk->a;
    unsigned int i;

    for ( i = wk->first; i < wk->end; i++ )
        CHECK_EQ(v2_bind_slot(&a, i, &wk->port[i]), 0);
}

static void unbind_worker(struct worker *wk)
{
    unsigned int i;

    for ( i = wk->first; i < wk->end; i++ )
        sim_evtchn_unbind(wk->port[i]);
}

/* Answers what is for whoever pending says; the number of answers. */
static unsigned int answer_some(struct agent *a, unsigned int first,
                                unsigned int end, uint8_t pending,
                                struct sim_binding **port)
{
    unsigned int i, nr = 0;

    for ( i = first; i < end; i++ )
    {
        if ( v2_byte(a, i) != pending || !v2_pending(a, i) ||
             v2_byte(a, i) != pending )
            continue;
        answer_with_registers(a, i);
        nr++;
        if ( port )
            v2_ring(port[i]);
    }
    if ( nr && !port )
        v2_kick(a);

    return nr;
}

static bool wait_any(struct worker *wk, int ms)
{
    struct pollfd fd[128];
    unsigned int i, nr = wk->end - wk->first;

    for ( i = 0; i < nr; i++ )
        fd[i] = (struct pollfd){ .fd = sim_evtchn_fd(wk->port[wk->first + i]),
                                 .events = POLLIN };
    if ( poll(fd, nr, ms) < 1 )
        return false;
    for ( i = 0; i < nr; i++ )
        if ( fd[i].revents )
            sim_evtchn_pending(wk->port[wk->first + i]);

    return true;
}

static void *run_worker(void *arg)
{
    struct worker *wk = arg;
    struct agent a = *wk->a;
    unsigned int turn = 0;

    sim_thread_init();
    while ( !stopped() )
    {
        unsigned int nr = answer_some(&a, wk->first, wk->end,
                                      VMEV2_PENDING_SLOT, wk->port);

        /* What is found without having been told of is told of all the same. */
        if ( !nr && !wait_any(wk, 20) )
        {
            nr = answer_some(&a, wk->first, wk->end, VMEV2_PENDING_SLOT,
                             wk->port);
            CHECK(!nr || wait_any(wk, LOST_MS));
        }
        wk->answered += nr;
        if ( wk->die && ++turn % 7 == 0 )
        {
            unbind_worker(wk);
            if ( turn % 2 )
                sched_yield();
            bind_worker(wk);
        }
    }

    return NULL;
}

/*
 * As many threads as there are workers, and the doorbell's.  With die, one of
 * them loses its ports again and again: what it had is the doorbell's then.
 */
static void scenario_workers(uint32_t die)
{
    const struct vmev2_op_create wish = { .flags = VMEV2_CREATE_SLOT_PORTS };
    struct sim_binding **port = calloc(w.nr, sizeof(*port));
    struct worker worker[WORKERS] = {};
    unsigned int i, nr = min(WORKERS, w.nr);
    uint64_t answered = 0, orphans = 0;
    pthread_t thread[WORKERS];
    struct agent a;

    w.check_reply = true;
    CHECK_EQ(v2_create(&a, w.d, &wish), 0);
    CHECK_EQ(a.created.slot_ports, w.nr);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true,
                        VMEV2_REGS_CORE), 0);
    for ( i = 0; i < nr; i++ )
    {
        worker[i] = (struct worker){ .a = &a, .first = w.nr * i / nr,
                                     .end = w.nr * (i + 1) / nr, .port = port,
                                     .die = die && !i };
        bind_worker(&worker[i]);
    }
    for ( i = 0; i < nr; i++ )
        BUG_ON(pthread_create(&thread[i], NULL, run_worker, &worker[i]));
    start_vcpus();

    while ( !all_done() )
    {
        unsigned int now = answer_some(&a, 0, w.nr, VMEV2_PENDING_ORPHAN, NULL);

        if ( !now && !wait_bell(a.bell, 20) )
        {
            now = answer_some(&a, 0, w.nr, VMEV2_PENDING_ORPHAN, NULL);
            CHECK(!now || wait_bell(a.bell, LOST_MS));
        }
        orphans += now;
    }
    __atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
    for ( i = 0; i < nr; i++ )
    {
        pthread_join(thread[i], NULL);
        answered += worker[i].answered;
        CHECK(worker[i].answered > 0 || worker[i].die);
    }
    if ( !die )
        CHECK_EQ(orphans, 0);
    CHECK_EQ(answered + orphans, (uint64_t)w.nr * w.events);
    for ( i = 0; i < w.nr; i++ )
    {
        CHECK_EQ(v2_vcpu(w.d, i).answered, w.events);
        CHECK_EQ(v2_vcpu(w.d, i).stale + v2_vcpu(w.d, i).bad, 0);
    }
    for ( i = 0; i < nr; i++ )
        unbind_worker(&worker[i]);
    CHECK_EQ(v2_destroy(&a), 0);
    end_world();
    free(port);
}

/* Per vCPU, as a consumer sees them. */
struct seen {
    uint64_t records, gaps, next;
};

static void consume(struct agent *a, unsigned int rings, uint64_t *pos,
                    struct seen *seen)
{
    uint64_t room[VMEV2_REC_MAX / 8];
    const struct vmev2_rec *rec;
    unsigned int i;

    for ( i = 0; i < rings; i++ )
    {
        while ( (rec = v2_next(a, i, &pos[i], room)) )
        {
            struct seen *s = &seen[rec->vcpu];

            CHECK(rec->seq >= s->next);
            s->gaps += rec->seq - s->next;
            s->next = rec->seq + 1;
            s->records++;
        }
        v2_consumed(a, i, pos[i]);
    }
}

/* Nobody pauses, and what is lost is counted to the last record. */
static void scenario_async(uint32_t flags)
{
    uint64_t *pos = calloc(w.nr, sizeof(*pos));
    struct seen *seen = calloc(w.nr, sizeof(*seen));
    struct agent a;
    unsigned int i, rings;

    for ( i = 0; i < w.nr; i++ )
        seen[i].next = 1;
    start_v2(&a, false, flags, 4096, VMEV2_DEATH_DETACH);
    rings = a.created.nr_rings;
    start_vcpus();

    while ( !all_done() )
    {
        consume(&a, rings, pos, seen);
        /* Some of the time it is late, and the ring fills. */
        wait_bell(a.bell, 2);
    }
    consume(&a, rings, pos, seen);

    for ( i = 0; i < w.nr; i++ )
    {
        struct vmev2_vcpu_info info = v2_vcpu(w.d, i);

        CHECK_EQ(info.produced, w.events);
        CHECK_EQ(info.produced, seen[i].records + info.lost);
        CHECK_EQ(seen[i].gaps + (info.seq + 1 - seen[i].next), info.lost);
        CHECK_EQ(info.pauses, 0);
    }
    CHECK_EQ(v2_destroy(&a), 0);
    end_world();
    free(pos);
    free(seen);
}

static uint64_t records(const struct seen *seen)
{
    uint64_t sum = 0;
    unsigned int i;

    for ( i = 0; i < w.nr; i++ )
        sum += seen[i].records + seen[i].gaps;

    return sum;
}

/* R5: an agent that sleeps whenever it has caught up is woken each time. */
static void scenario_wakeups(void)
{
    uint64_t *pos = calloc(w.nr, sizeof(*pos));
    struct seen *seen = calloc(w.nr, sizeof(*seen));
    struct agent a;
    uint64_t got = 0;
    unsigned int i;

    for ( i = 0; i < w.nr; i++ )
        seen[i].next = 1;
    start_v2(&a, false, 0, 1U << 20, VMEV2_DEATH_DETACH);
    start_vcpus();

    while ( got < (uint64_t)w.nr * w.events )
    {
        uint64_t before = got;

        consume(&a, 1, pos, seen);
        got = records(seen);
        if ( got == before && !wait_bell(a.bell, LOST_MS) )
        {
            CHECK(!"the bell rang");
            break;
        }
    }
    CHECK_EQ(v2_destroy(&a), 0);
    end_world();
    free(pos);
    free(seen);
}

static void promise(struct agent *a, unsigned int rings, bool awake)
{
    unsigned int i;

    for ( i = 0; i < rings; i++ )
    {
        uint64_t prod = __atomic_load_n(&v2_ring_line(a, i)->prod,
                                        __ATOMIC_RELAXED);

        __atomic_store_n(&v2_user(a, i)->awake,
                         awake ? prod + a->created.ring_bytes : 0,
                         __ATOMIC_RELAXED);
    }
}

/*
 * R6: an agent that says that it is awake whenever it found something, and
 * takes that back before it sleeps, is woken each time.
 */
static void scenario_awake(uint32_t flags)
{
    uint64_t *pos = calloc(w.nr, sizeof(*pos));
    struct seen *seen = calloc(w.nr, sizeof(*seen));
    unsigned int i, rings, sleeps = 0;
    struct agent a;
    uint64_t got = 0;

    for ( i = 0; i < w.nr; i++ )
        seen[i].next = 1;
    start_v2(&a, false, flags, 1U << 20, VMEV2_DEATH_DETACH);
    rings = a.created.nr_rings;
    start_vcpus();

    while ( got < (uint64_t)w.nr * w.events )
    {
        uint64_t before = got;

        consume(&a, rings, pos, seen);
        got = records(seen);
        promise(&a, rings, got != before);
        if ( got != before )
            continue;

        CHECK_EQ(v2_resume(&a), 0);
        consume(&a, rings, pos, seen);
        got = records(seen);
        sleeps++;
        if ( got == before && !wait_bell(a.bell, LOST_MS) )
        {
            CHECK(!"the bell rang");
            break;
        }
    }
    /* As many producers as Xen allows may keep it busy to the end. */
    CHECK(sleeps > 0 || w.nr > 1);
    CHECK_EQ(v2_destroy(&a), 0);
    end_world();
    free(pos);
    free(seen);
}

static void scenario_legacy(bool sync)
{
    vm_event_request_t req;
    struct legacy l;
    uint64_t got = 0;

    legacy_start(&l, w.d, sync);
    start_vcpus();
    while ( got < (uint64_t)w.nr * w.events )
    {
        unsigned int nr = 0;

        while ( legacy_next(&l, &req) )
        {
            vm_event_response_t rsp = req;

            if ( sync )
            {
                rsp.flags |= VM_EVENT_FLAG_SET_REGISTERS;
                rsp.data.regs.x86.rdi ^= KEY;
            }
            legacy_put(&l, &rsp);
            nr++;
        }
        got += nr;
        if ( nr )
            legacy_kick(&l);
        else if ( !wait_bell(l.bell, LOST_MS) )
        {
            CHECK(!"the bell rang");
            break;
        }
    }
    CHECK_EQ(got, (uint64_t)w.nr * w.events);
    legacy_stop(&l);
    CHECK_EQ(nr_paused(w.d), 0);
    if ( sync )
        while ( sum(w.changed) < got && !all_done() )
            sched_yield();
    end_world();
}

/* ---- others ---- */

/* Every snapshot balances, whatever goes on. */
static void *run_info(void *unused)
{
    struct vmev2_vcpu_info *out = calloc(w.nr, sizeof(*out));
    unsigned int i, nr, first = 0;

    (void)unused;
    sim_thread_init();
    while ( !stopped() )
    {
        struct vmev2_op_info info;

        nr = min(w.nr - first, 32U);
        CHECK_EQ(v2_info(w.d, &info, first, nr, out), 0);
        for ( i = 0; i < nr; i++ )
        {
            CHECK_EQ(out[i].raised, out[i].answered + out[i].released +
                                    out[i].cancelled + out[i].pending);
            CHECK(out[i].lost <= out[i].produced);
            /* What the policy let go of at once has no number. */
            CHECK(out[i].seq <= out[i].produced + out[i].raised);
            CHECK(out[i].seq + out[i].released >=
                  out[i].produced + out[i].raised);
        }
        first = (first + nr) % w.nr;
        sched_yield();
    }
    free(out);

    return NULL;
}

static uint64_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;

    return *state >> 33;
}

/*
 * Agents that die at any moment, one after the other.  Under DETACH the guest
 * goes on and what was open is counted; under HOLD nothing is lost at all.
 */
static void scenario_killed(uint8_t on_death)
{
    uint64_t random = 7, answered = 0, released = 0, raised = 0;
    bool hold = on_death == VMEV2_DEATH_HOLD;
    unsigned int i, deaths = 0;
    pthread_t info;
    struct agent a;

    w.check_reply = hold;
    start_v2(&a, true, 0, 0, on_death);
    BUG_ON(pthread_create(&info, NULL, run_info, NULL));
    start_vcpus();

    while ( !all_done() )
    {
        unsigned int turns = draw(&random) % 20;

        for ( i = 0; i < turns && !all_done(); i++ )
            if ( !answer_all(&a) )
                wait_bell(a.bell, 5);
        /* Sometimes with answers that Xen has not been told of. */
        if ( draw(&random) % 2 )
            for ( i = 0; i < w.nr; i++ )
                if ( v2_pending(&a, i) )
                    answer_with_registers(&a, i);
        v2_die(&a);
        deaths++;
        if ( hold )
        {
            CHECK_EQ(v2_attach(&a, w.d, 0), 0);
            CHECK_EQ(v2_bind(&a), 0);
            v2_kick(&a);
        }
        else
        {
            CHECK_EQ(nr_paused(w.d), 0);
            for ( i = 0; i < w.nr; i++ )
            {
                struct vmev2_vcpu_info one = v2_vcpu(w.d, i);

                released += one.released;
                answered += one.answered;
                raised += one.raised;
            }
            start_v2(&a, true, 0, 0, on_death);
        }
    }
    CHECK(deaths > 0);

    if ( hold )
        for ( i = 0; i < w.nr; i++ )
        {
            CHECK_EQ(v2_vcpu(w.d, i).answered, w.events);
            CHECK_EQ(v2_vcpu(w.d, i).released, 0);
        }
    else
        CHECK_EQ(raised, answered + released);

    __atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
    pthread_join(info, NULL);
    CHECK_EQ(v2_destroy(&a), 0);
    end_world();
}

/* Held by the scribbler while it writes, so that others get a word in. */
static pthread_mutex_t pen = PTHREAD_MUTEX_INITIALIZER;

/* Writes anything to whatever an agent may write. */
static void *run_scribbler(void *arg)
{
    struct agent *a = arg;
    uint64_t random = 3;

    sim_thread_init();
    while ( !stopped() )
    {
        struct vmev2_slot *slot = v2_slot(a, draw(&random) % w.nr);
        uint64_t *word = (uint64_t *)&slot->rsp;
        unsigned int at = draw(&random) % (sizeof(slot->rsp) / 8);
        uint64_t value = draw(&random) << (draw(&random) % 48);

        pthread_mutex_lock(&pen);
        if ( at == 0 )
            value = __atomic_load_n(&slot->req_seq, __ATOMIC_RELAXED) +
                    draw(&random) % 3 - 1;
        __atomic_store_n(&word[at], value, __ATOMIC_RELAXED);
        if ( draw(&random) % 64 == 0 )
            __atomic_store_n(&v2_user(a, 0)->cons,
                             __atomic_load_n(&v2_user(a, 0)->cons,
                                             __ATOMIC_RELAXED) + value,
                             __ATOMIC_RELAXED);
        pthread_mutex_unlock(&pen);
        if ( draw(&random) % 16 == 0 )
            v2_kick(a);
    }

    return NULL;
}

/* A good answer to whoever waits, whatever stands there. */
static void answer_honestly(struct agent *a)
{
    unsigned int i, word;

    pthread_mutex_lock(&pen);
    for ( i = 0; i < w.nr; i++ )
    {
        uint64_t *rsp = (uint64_t *)&v2_slot(a, i)->rsp;

        for ( word = 1; word < sizeof(struct vmev2_rsp) / 8; word++ )
            __atomic_store_n(&rsp[word], 0, __ATOMIC_RELAXED);
        v2_answer(a, i, 0);
    }
    v2_kick(a);
    pthread_mutex_unlock(&pen);
}

/* A hostile agent: the guest may suffer, Xen's books may not. */
static void scenario_hostile(void)
{
    pthread_t scribbler, info;
    struct agent a;

    start_v2(&a, true, 0, 4096, VMEV2_DEATH_DETACH);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_CPUID, true, true, 0), 0);
    BUG_ON(pthread_create(&scribbler, NULL, run_scribbler, &a));
    BUG_ON(pthread_create(&info, NULL, run_info, NULL));
    start_vcpus();

    /* An honest answer now and then, so that it comes to an end. */
    while ( !all_done() )
    {
        answer_honestly(&a);
        wait_bell(a.bell, 1);
    }
    __atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
    pthread_join(scribbler, NULL);
    pthread_join(info, NULL);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(nr_paused(w.d), 0);
    end_world();
}

/* Control operations from several callers at once, while events are raised. */
static void *run_control(void *arg)
{
    uint64_t random = (uintptr_t)arg;

    sim_thread_init();
    while ( !stopped() )
    {
        struct vmev2_op_info info;
        struct agent a;
        struct legacy l;
        int rc;

        switch ( draw(&random) % 4 )
        {
        case 0:
            rc = v2_create(&a, w.d, NULL);
            CHECK(!rc || rc == -EBUSY);
            if ( rc || v2_bind(&a) )
                break;
            v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true,
                       draw(&random) % 2, 1);
            wait_bell(a.bell, 1);
            if ( draw(&random) % 2 )
                v2_destroy(&a);
            if ( a.bell )
                v2_die(&a);
            break;

        case 1:
            rc = legacy_enable(&l, w.d);
            CHECK(!rc || rc == -EBUSY);
            if ( rc || legacy_bind(&l) )
                break;
            legacy_monitor(w.d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                           XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST, true);
            wait_bell(l.bell, 1);
            legacy_disable(&l);
            sim_evtchn_unbind(l.bell);
            break;

        case 2:
            CHECK_EQ(v2_info(w.d, &info, 0, 0, NULL), 0);
            break;

        case 3:
            domain_pause_by_systemcontroller(w.d);
            domain_unpause_by_systemcontroller(w.d);
            break;
        }
    }

    return NULL;
}

static void scenario_control(void)
{
    pthread_t control[3];
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(control); i++ )
        BUG_ON(pthread_create(&control[i], NULL, run_control,
                              (void *)(uintptr_t)(i + 1)));
    start_vcpus();
    while ( !all_done() )
        sched_yield();
    __atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
    for ( i = 0; i < ARRAY_SIZE(control); i++ )
        pthread_join(control[i], NULL);
    sim_softirq_drain();
    CHECK_EQ(nr_paused(w.d), 0);
    end_world();
}

/* The domain is killed in the middle of it all. */
static void scenario_dies(void)
{
    struct domain *d = w.d;
    struct agent a;
    unsigned int i;

    w.events = UINT32_MAX;
    start_v2(&a, true, 0, 0, VMEV2_DEATH_DETACH);
    get_knownalive_domain(d);
    start_vcpus();
    while ( sum(w.raised) < 50 * w.nr )
        if ( !answer_all(&a) )
            wait_bell(a.bell, 5);

    CHECK_EQ(sim_domain_kill(d, 0), 0);
    v2_kick(&a);
    v2_die(&a);
    for ( i = 0; i < w.nr; i++ )
        sim_vcpu_stop(d->vcpu[i]);
    for ( i = 0; i < w.nr; i++ )
        pthread_join(w.vcpu[i], NULL);
    CHECK_EQ(d->xen_pages, 0);
    put_domain(d);
    free(w.vcpu);
    free(w.raised);
    free(w.changed);
}

static void run_legacy(uint32_t sync)
{
    scenario_legacy(sync);
}

static void run_killed(uint32_t on_death)
{
    scenario_killed(on_death);
}

static const struct {
    const char *name;
    void (*run)(void);
    void (*run1)(uint32_t arg);
    uint32_t arg;
    unsigned int events;        /* of all vCPUs together, unless told */
} scenarios[] = {
    { "sync", scenario_sync, NULL, 0, 20000 },
    { "workers", NULL, scenario_workers, false, 20000 },
    { "workers-die", NULL, scenario_workers, true, 20000 },
    { "async", NULL, scenario_async, 0, 100000 },
    { "split", NULL, scenario_async, VMEV2_CREATE_SPLIT_RINGS, 100000 },
    { "wakeups", scenario_wakeups, NULL, 0, 20000 },
    { "awake", NULL, scenario_awake, 0, 20000 },
    { "awake-split", NULL, scenario_awake, VMEV2_CREATE_SPLIT_RINGS, 20000 },
    { "legacy-sync", NULL, run_legacy, true, 20000 },
    { "legacy-async", NULL, run_legacy, false, 20000 },
    { "killed-detach", NULL, run_killed, VMEV2_DEATH_DETACH, 10000 },
    { "killed-hold", NULL, run_killed, VMEV2_DEATH_HOLD, 10000 },
    { "hostile", scenario_hostile, NULL, 0, 5000 },
    { "control", scenario_control, NULL, 0, 20000 },
    { "dies", scenario_dies, NULL, 0, 1 },
};

/* Ten times as slow, and content with seeing each pair of accesses once. */
#ifdef __SANITIZE_THREAD__
#define FEWER 3
#else
#define FEWER 1
#endif

int main(int argc, char **argv)
{
    unsigned int i, nr = argc > 2 ? atoi(argv[2]) : 0;

    for ( i = 0; argc > 2 && i < ARRAY_SIZE(scenarios); i++ )
        if ( !strcmp(argv[1], scenarios[i].name) )
            break;
    if ( argc < 3 || i == ARRAY_SIZE(scenarios) || !nr || nr > SIM_MAX_VCPUS )
    {
        fprintf(stderr, "usage: %s SCENARIO VCPUS [EVENTS]\n", argv[0]);
        for ( i = 0; i < ARRAY_SIZE(scenarios); i++ )
            fprintf(stderr, "  %s\n", scenarios[i].name);
        return 2;
    }

    sim_init();
    test_case("%s, %u vCPUs", argv[1], nr);
    make_world(nr, argc > 3 ? atoi(argv[3])
                            : DIV_ROUND_UP(scenarios[i].events, FEWER * nr));
    if ( scenarios[i].run )
        scenarios[i].run();
    else
        scenarios[i].run1(scenarios[i].arg);
    sim_softirq_drain();

    return test_end();
}
