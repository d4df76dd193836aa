/* SPDX-License-Identifier: MIT */
/*
 * The library against a simulated host: what the agent counts, what Xen counts
 * and what the guests count themselves must be the same.
 *
 *     sim_scenarios SCENARIO v2|legacy VCPUS
 *
 * VMI_SIM names the host's program.
 */
#include "scenarios.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH 64
#define WAIT_MS 20000       /* a wake-up that has not come by then is lost */

struct test t;

bool check_(bool ok, const char *what, const char *file, int line)
{
    t.checks++;
    if ( !ok )
    {
        t.failures++;
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    }

    return ok;
}

void check_eq_(uint64_t a, uint64_t b, const char *what, const char *file,
               int line)
{
    if ( !check_(a == b, what, file, line) )
        fprintf(stderr, "    %llu against %llu\n", (unsigned long long)a,
                (unsigned long long)b);
}

/* ---- an agent ---- */

vmiring *open_agent(uint32_t flags, uint32_t ring_bytes, uint32_t on_death)
{
    const vmiring_options opts = {
        .size = sizeof(opts), .domid = 1, .sim = t.sim.path, .flags = flags,
        .abi = t.legacy ? VMIRING_ABI_LEGACY : VMIRING_ABI_V2,
        .ring_bytes = ring_bytes, .on_death = on_death,
    };

    return vmiring_open(&opts);
}

vmiring *must_open(uint32_t flags, uint32_t ring_bytes, uint32_t on_death)
{
    vmiring *h = open_agent(flags, ring_bytes, on_death);

    if ( !h )
        fatal("vmiring_open: %s (%s)", vmiring_open_error(), strerror(errno));

    return h;
}

void subscribe(vmiring *h, uint32_t reason, bool sync, uint8_t regs)
{
    struct vmiring_subscription s = {
        .size = sizeof(s), .reason = reason, .sync = sync, .regs = regs,
    };

    if ( reason == VMIRING_WRITE_CTRLREG )
        s.index = VMIRING_CR3;
    if ( reason == VMIRING_MOV_TO_MSR )
        s.msr = 0x176;
    if ( vmiring_subscribe(h, &s) )
        fatal("vmiring_subscribe: %s", vmiring_error(h));
}

/* As the guest expects it: see tests/xen/guest/layout.h. */
void answer_request(vmiring *h, const struct vmiring_event *ev)
{
    struct vmiring_response rsp = { .size = sizeof(rsp) };

    if ( vmiring_regs_from(ev, &rsp) )
        fatal("vmiring_regs_from: %s", strerror(errno));
    rsp.flags = VMIRING_RSP_SET_REGISTERS;
    rsp.regs[VMIRING_RDI] ^= GUEST_REPLY_KEY;
    rsp.regs[VMIRING_RIP] += GUEST_HYPERCALL_LENGTH;
    rsp.regs[VMIRING_RAX] = 0;
    if ( vmiring_respond(h, ev, &rsp) )
        fatal("vmiring_respond: %s", vmiring_error(h));
}

void add_up(const struct vmiring_event *ev)
{
    struct vmiring_lost lost;

    if ( ev->reason == VMIRING_LOST )
    {
        if ( vmiring_get_lost(ev, &lost) )
            fatal("vmiring_get_lost");
        t.lost[ev->vcpu] += lost.count;
    }
    else if ( ev->reason != VMIRING_DOMAIN )
        t.seen[ev->vcpu]++;
}

/* One batch; the number of events in it, 0: none for now. */
int take_batch(vmiring *h, void (*each)(vmiring *h, const struct vmiring_event *))
{
    struct vmiring_event ev[BATCH];
    int n = vmiring_receive(h, ev, BATCH), i;

    if ( n < 0 && errno != EAGAIN )
        fatal("vmiring_receive: %s", vmiring_error(h));
    for ( i = 0; i < n; i++ )
    {
        add_up(&ev[i]);
        each(h, &ev[i]);
    }
    if ( n > 0 )
        vmiring_release(h);

    return n < 0 ? 0 : n;
}

static void no_answer(vmiring *h, const struct vmiring_event *ev)
{
    (void)h;
    (void)ev;
}

static void answer_if_sync(vmiring *h, const struct vmiring_event *ev)
{
    if ( ev->flags & VMIRING_EV_SYNC )
        answer_request(h, ev);
}

uint64_t total(const uint64_t *p)
{
    uint64_t sum = 0;
    unsigned int i;

    for ( i = 0; i < t.nr; i++ )
        sum += p[i];

    return sum;
}

void wait_events(vmiring *h)
{
    if ( vmiring_wait(h, WAIT_MS) && errno != EINTR )
        fatal("no event came for %d ms, and %llu are missing", WAIT_MS,
              (unsigned long long)(t.nr * t.events - total(t.seen)));
}

struct vmiring_vcpu_info info_of(vmiring *h, unsigned int vcpu)
{
    struct vmiring_vcpu_info info = { .size = sizeof(info) };

    if ( vmiring_info(h, vcpu, 1, &info) != 1 )
        fatal("vmiring_info: %s", vmiring_error(h));

    return info;
}

void start_guest(const char *more)
{
    char domain[256];

    snprintf(domain, sizeof(domain),
             "vcpus=%u,rate=0,count=%" PRIu64 ",start=wait,%s", t.nr, t.events,
             more);
    sim_start(&t.sim, domain);
}

void end_guest(void)
{
    CHECK_EQ(sim_end(&t.sim), 0);
}

static void check_guest_counts(void)
{
    struct guest_vcpu_block b;
    unsigned int i;

    for ( i = 0; i < t.nr; i++ )
    {
        sim_counters(&t.sim, i, &b);
        CHECK_EQ(b.iterations.value, t.events);
        CHECK_EQ(b.mismatched.value, 0);
    }
}

/* ---- every request answered, every answer felt ---- */

/* The legacy ABI alone has them; twice is no error. */
static void check_mem_options(vmiring *h)
{
    for ( unsigned int i = 0; i < 4; i++ )
    {
        CHECK_EQ(vmiring_mem_option(h, VMIRING_MEM_NO_WALKS, i < 2),
                 t.legacy ? 0 : -1);
        CHECK_EQ(vmiring_mem_option(h, VMIRING_MEM_EACH_REP, i < 2),
                 t.legacy ? 0 : -1);
    }
}

/*
 * All vCPUs make progress.  How even it is is for this machine's scheduler to
 * say, which has two processors for all of them; tests/harness has the part
 * that is Xen's.
 */
static void check_progress(void)
{
    unsigned int i;

    for ( i = 0; i < t.nr; i++ )
        CHECK(t.seen[i] > 0);
}

void scenario_sync(void)
{
    struct guest_vcpu_block b;
    bool half = false;
    vmiring *h;
    unsigned int i;

    t.events = 20000 / t.nr;
    start_guest("program=gr,reply=1");
    h = must_open(0, 0, 0);
    subscribe(h, VMIRING_GUEST_REQUEST, true, VMIRING_REGS_CORE);
    check_mem_options(h);
    sim_control(&t.sim, GUEST_CONTROL_RUN);

    while ( total(t.seen) < t.nr * t.events )
    {
        if ( !take_batch(h, answer_if_sync) )
            wait_events(h);
        if ( !half && total(t.seen) >= t.nr * t.events / 2 )
        {
            half = true;
            check_progress();
        }
    }
    if ( vmiring_flush(h) )
        fatal("vmiring_flush: %s", vmiring_error(h));
    sim_wait_done(&t.sim, t.nr);

    check_guest_counts();
    for ( i = 0; i < t.nr; i++ )
    {
        sim_counters(&t.sim, i, &b);
        CHECK_EQ(b.checked.value, t.events);
        CHECK_EQ(t.seen[i], t.events);
        if ( t.legacy )
            continue;
        CHECK_EQ(info_of(h, i).answered, t.events);
        CHECK_EQ(info_of(h, i).raised, t.events);
        CHECK_EQ(info_of(h, i).pauses, t.events);
        CHECK_EQ(info_of(h, i).pending, 0);
    }
    vmiring_close(h);
    end_guest();
}

/* ---- asynchronous: lossy under version 2, parking under legacy ---- */

/*
 * Holds a batch until the guest has gone on without us: under version 2 it
 * does, whatever we hold.
 */
static void dawdle(vmiring *h)
{
    struct vmiring_event ev[1];

    while ( vmiring_receive(h, ev, 1) != 1 )
        wait_events(h);
    add_up(&ev[0]);
    sim_wait_iterations(&t.sim, t.nr,
                        sim_iterations(&t.sim, t.nr) + 200 * t.nr);
    vmiring_release(h);
}

static void async(uint32_t flags)
{
    vmiring *h;
    unsigned int i;

    t.events = t.legacy ? 10000 / t.nr : 500 + 10000 / t.nr;
    start_guest("program=gr");
    h = must_open(flags, 4096, 0);
    subscribe(h, VMIRING_GUEST_REQUEST, false, VMIRING_REGS_CORE);
    sim_control(&t.sim, GUEST_CONTROL_RUN);

    if ( !t.legacy )
        dawdle(h);
    while ( !sim_all_done(&t.sim, t.nr) )
    {
        while ( take_batch(h, no_answer) )
            ;
        vmiring_wait(h, 10);
    }
    while ( take_batch(h, no_answer) )
        ;

    check_guest_counts();
    for ( i = 0; i < t.nr; i++ )
    {
        CHECK_EQ(t.seen[i] + t.lost[i], t.events);
        if ( t.legacy )
            continue;
        CHECK_EQ(info_of(h, i).produced, t.events);
        CHECK_EQ(info_of(h, i).lost, t.lost[i]);
        CHECK_EQ(info_of(h, i).pauses, 0);
    }
    CHECK_EQ(total(t.lost) > 0, !t.legacy);
    vmiring_close(h);
    end_guest();
}

void scenario_async(void)
{
    async(0);
}

void scenario_split(void)
{
    async(VMIRING_OPEN_SPLIT_RINGS);
}

/* ---- what each kind of answer does ---- */

static void skip(vmiring *h, const struct vmiring_event *ev, uint32_t length,
                 uint64_t rax)
{
    struct vmiring_response rsp = { .size = sizeof(rsp) };

    if ( vmiring_regs_from(ev, &rsp) )
        fatal("vmiring_regs_from: %s", strerror(errno));
    rsp.flags = VMIRING_RSP_SET_REGISTERS;
    rsp.regs[VMIRING_RIP] += length;
    rsp.regs[VMIRING_RAX] = rax;
    if ( vmiring_respond(h, ev, &rsp) )
        fatal("vmiring_respond: %s", vmiring_error(h));
}

static void answer_mixed(vmiring *h, const struct vmiring_event *ev)
{
    struct vmiring_response rsp = { .size = sizeof(rsp) };
    struct vmiring_cpuid cpuid;
    struct vmiring_debug debug;
    struct vmiring_msr msr;

    switch ( ev->reason )
    {
    case VMIRING_GUEST_REQUEST:
        answer_request(h, ev);
        break;

    case VMIRING_CPUID:
        CHECK(!vmiring_get_cpuid(ev, &cpuid));
        CHECK_EQ(cpuid.leaf, GUEST_CPUID_LEAF);
        skip(h, ev, cpuid.insn_length, GUEST_CPUID_ANSWER);
        break;

    case VMIRING_SOFTWARE_BREAKPOINT:
        CHECK(!vmiring_get_debug(ev, &debug));
        skip(h, ev, debug.insn_length, 0);
        break;

    case VMIRING_MOV_TO_MSR:
        CHECK(!vmiring_get_msr(ev, &msr));
        CHECK_EQ(msr.msr, 0x176);
        CHECK_EQ(msr.old_value, 0);
        rsp.flags = VMIRING_RSP_DENY;
        CHECK(!vmiring_respond(h, ev, &rsp));
        break;

    case VMIRING_DESCRIPTOR_ACCESS:
        rsp.flags = VMIRING_RSP_EMULATE;
        CHECK(!vmiring_respond(h, ev, &rsp));
        break;

    default:
        CHECK(!vmiring_respond(h, ev, NULL));
        break;
    }
}

void scenario_mixed(void)
{
    static const uint32_t reasons[] = {
        VMIRING_GUEST_REQUEST, VMIRING_WRITE_CTRLREG, VMIRING_CPUID,
        VMIRING_SOFTWARE_BREAKPOINT, VMIRING_MOV_TO_MSR,
        VMIRING_DESCRIPTOR_ACCESS,
    };
    struct guest_vcpu_block b;
    vmiring *h;
    unsigned int i;

    t.events = 300;
    start_guest("program=gr+cr3+cpuid+int3+msr+desc,reply=1");
    h = must_open(0, 0, 0);
    for ( i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++ )
        subscribe(h, reasons[i], true, VMIRING_REGS_ALL);
    sim_control(&t.sim, GUEST_CONTROL_RUN);

    /* Descriptor tables are touched three times in each iteration. */
    while ( total(t.seen) < 8 * t.nr * t.events )
        if ( !take_batch(h, answer_mixed) )
            wait_events(h);
    CHECK(!vmiring_flush(h));
    sim_wait_done(&t.sim, t.nr);

    check_guest_counts();
    for ( i = 0; i < t.nr; i++ )
    {
        sim_counters(&t.sim, i, &b);
        CHECK_EQ(b.checked.value, t.events);
        CHECK_EQ(b.cpuid_replaced.value, t.events);
        CHECK_EQ(b.cpuid_native.value, 0);
        CHECK_EQ(b.traps.value, 0);
        CHECK_EQ(b.writes_kept.value, t.events);    /* CR3 */
        CHECK_EQ(b.writes_denied.value, t.events);  /* MSR */
    }
    vmiring_close(h);
    end_guest();
}

/* ---- the domain's end ---- */

static void run_to_end(const char *how, uint32_t state, uint32_t code)
{
    struct vmiring_event ev[BATCH];
    struct vmiring_domain dom = { 0, 0 };
    char more[64];
    bool gone = false, told = false;
    vmiring *h;
    int n, i;

    snprintf(more, sizeof(more), "program=gr,end=%s", how);
    memset(t.seen, 0, sizeof(t.seen));
    start_guest(more);
    h = must_open(0, 0, 0);
    subscribe(h, VMIRING_GUEST_REQUEST, true, VMIRING_REGS_CORE);
    sim_control(&t.sim, GUEST_CONTROL_RUN);

    while ( !gone && !(told && state == 1) )
    {
        n = vmiring_receive(h, ev, BATCH);
        for ( i = 0; i < n; i++ )
        {
            add_up(&ev[i]);
            if ( ev[i].flags & VMIRING_EV_SYNC )
                vmiring_respond(h, &ev[i], NULL);
            if ( ev[i].reason == VMIRING_DOMAIN )
            {
                CHECK(!vmiring_get_domain(&ev[i], &dom));
                told = true;
            }
        }
        if ( n > 0 )
            vmiring_release(h);
        else if ( errno == ENODEV )
            gone = true;
        else
            wait_events(h);
    }
    CHECK_EQ(total(t.seen), t.nr * t.events);
    CHECK(told);
    CHECK_EQ(dom.state, state);
    if ( state == 1 )
        CHECK_EQ(dom.shutdown_code, code);
    vmiring_close(h);
    /* As long as somebody held on to it, it was a zombie. */
    if ( gone )
        CHECK(!open_agent(0, 0, 0) && errno == ENOENT);
    end_guest();
}

/* Only version 2 tells of the end; legacy agents have to look elsewhere. */
void scenario_end(void)
{
    t.events = 100;
    if ( t.legacy )
    {
        struct vmiring_event ev[BATCH];
        vmiring *h;

        start_guest("program=gr,end=destroy");
        h = must_open(0, 0, 0);
        subscribe(h, VMIRING_GUEST_REQUEST, true, VMIRING_REGS_CORE);
        sim_control(&t.sim, GUEST_CONTROL_RUN);
        while ( total(t.seen) < t.nr * t.events )
            if ( !take_batch(h, answer_if_sync) )
                wait_events(h);
        (void)vmiring_flush(h);
        (void)vmiring_receive(h, ev, BATCH);
        vmiring_close(h);
        end_guest();
        return;
    }
    run_to_end("off", 1, 0);
    run_to_end("crash", 1, 3);
    run_to_end("destroy", 2, 0);
}

/* ---- main ---- */

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    { "sync", scenario_sync },     { "async", scenario_async },
    { "split", scenario_split },   { "mixed", scenario_mixed },
    { "end", scenario_end },       { "killed", scenario_killed },
    { "held", scenario_held },     { "protocol", scenario_protocol },
    { "cli", scenario_cli },       { "workers", scenario_workers },
};

int main(int argc, char **argv)
{
    unsigned int i;

    if ( argc != 4 )
        fatal("usage: sim_scenarios SCENARIO v2|legacy VCPUS");
    t.legacy = !strcmp(argv[2], "legacy");
    t.nr = atoi(argv[3]);
    if ( !t.nr || t.nr > MAX_VCPUS )
        fatal("1 to %d vCPUs", MAX_VCPUS);

    for ( i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++ )
        if ( !strcmp(scenarios[i].name, argv[1]) )
        {
            scenarios[i].run();
            printf("%u checks, %u failed\n", t.checks, t.failures);
            return t.failures || !t.checks;
        }
    fatal("no scenario %s", argv[1]);
}
