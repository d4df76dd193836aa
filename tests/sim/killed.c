/* SPDX-License-Identifier: MIT */
/*
 * Agents that are killed with every vCPU waiting for them.  Each is a process
 * of its own, ended by SIGKILL.
 */
#include "scenarios.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* VMIRING_TEST_ROUNDS asks for more. */
static unsigned int rounds(void)
{
    const char *text = getenv("VMIRING_TEST_ROUNDS");

    return text ? strtoul(text, NULL, 10) : 15;
}

static void note(vmiring *h, const struct vmiring_event *ev)
{
    (void)h;
    (void)ev;
}

/* The legacy ring shows no more requests than it has entries. */
#define LEGACY_ENTRIES 8U

/* Receives one request of each vCPU and answers none. */
static void be_doomed(uint32_t flags, uint32_t on_death, int tell)
{
    unsigned int i, waiting = 0, wanted = t.nr;
    vmiring *h;

    if ( t.legacy && wanted > LEGACY_ENTRIES )
        wanted = LEGACY_ENTRIES;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    memset(t.seen, 0, sizeof(t.seen));
    h = must_open(flags, 0, on_death);
    if ( !(flags & VMIRING_OPEN_REATTACH) )
        subscribe(h, VMIRING_GUEST_REQUEST, true, VMIRING_REGS_CORE);
    while ( waiting < wanted )
    {
        if ( !take_batch(h, note) )
            wait_events(h);
        for ( waiting = i = 0; i < t.nr; i++ )
            waiting += t.seen[i] > 0;
    }
    if ( write(tell, "", 1) != 1 )
        fatal("pipe: %s", strerror(errno));
    for ( ; ; )
        pause();
}

/* Returns when one has been killed with all vCPUs waiting for it. */
static void kill_one(uint32_t flags, uint32_t on_death)
{
    int tell[2], status;
    char byte;
    pid_t pid;

    if ( pipe(tell) )
        fatal("pipe: %s", strerror(errno));
    fflush(stdout);
    pid = fork();
    if ( pid < 0 )
        fatal("fork: %s", strerror(errno));
    if ( !pid )
        be_doomed(flags, on_death, tell[1]);
    close(tell[1]);
    if ( read(tell[0], &byte, 1) != 1 )
        fatal("the agent ended before its time");
    close(tell[0]);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

static const vmiring_options *options(void)
{
    static vmiring_options opts;

    opts.size = sizeof(opts);
    opts.domid = 1;
    opts.sim = t.sim.path;
    opts.abi = t.legacy ? VMIRING_ABI_LEGACY : VMIRING_ABI_V2;

    return &opts;
}

/*
 * DETACH: the guest goes on by itself, the next agent needs no patience, and
 * it is told how many requests nobody has answered.
 */
static void killed_v2(void)
{
    struct vmiring_geometry g = { .size = sizeof(g) };
    unsigned int i;

    for ( i = 0; i < rounds(); i++ )
    {
        vmiring *h;

        kill_one(0, VMIRING_DEATH_DETACH);
        /* With nobody there: the guest was let go of, or it would stand. */
        sim_wait_iterations(&t.sim, t.nr,
                            sim_iterations(&t.sim, t.nr) + 10 * t.nr);
        h = must_open(0, 0, 0);
        CHECK(!vmiring_geometry(h, &g));
        CHECK_EQ(g.released_before, t.nr);
        vmiring_close(h);
    }
}

/* Legacy: nobody in Xen notices, but whoever comes can end it. */
static void killed_legacy(void)
{
    unsigned int i;

    for ( i = 0; i < rounds(); i++ )
    {
        vmiring *h;

        kill_one(0, 0);
        h = open_agent(0, 0, 0);
        CHECK(!h && errno == EBUSY);
        if ( h )
            vmiring_close(h);
        CHECK(!vmiring_force_release(options()));
        sim_wait_iterations(&t.sim, t.nr,
                            sim_iterations(&t.sim, t.nr) + 10 * t.nr);
        h = must_open(0, 0, 0);
        vmiring_close(h);
    }
}

void scenario_killed(void)
{
    t.events = 0;               /* for ever */
    start_guest("program=gr");
    sim_control(&t.sim, GUEST_CONTROL_RUN);
    if ( t.legacy )
        killed_legacy();
    else
        killed_v2();
    end_guest();
}

static void answer(vmiring *h, const struct vmiring_event *ev)
{
    if ( ev->flags & VMIRING_EV_SYNC )
        answer_request(h, ev);
}

/*
 * HOLD: whoever comes next finds each request that was open, and the guest
 * never sees that somebody died.
 */
void scenario_held(void)
{
    struct guest_vcpu_block b;
    unsigned int i, round;
    vmiring *h;

    t.events = 0;
    start_guest("program=gr,reply=1");
    sim_control(&t.sim, GUEST_CONTROL_RUN);
    h = must_open(0, 0, VMIRING_DEATH_HOLD);
    subscribe(h, VMIRING_GUEST_REQUEST, true, VMIRING_REGS_CORE);
    /* The guest's loops before this have been without an answer. */
    sim_control(&t.sim, GUEST_CONTROL_RUN);
    CHECK(!vmiring_leave(h));

    for ( round = 0; round < rounds(); round++ )
    {
        kill_one(VMIRING_OPEN_REATTACH, 0);
        h = must_open(VMIRING_OPEN_REATTACH, 0, 0);
        memset(t.seen, 0, sizeof(t.seen));
        for ( i = 0; i < t.nr; i++ )
            CHECK_EQ(info_of(h, i).pending, 1);
        while ( total(t.seen) < 5 * t.nr )
            if ( !take_batch(h, answer) )
                wait_events(h);
        for ( i = 0; i < t.nr; i++ )
        {
            CHECK(t.seen[i] > 0);
            CHECK_EQ(info_of(h, i).released, 0);
            CHECK_EQ(info_of(h, i).cancelled, 0);
        }
        CHECK(!vmiring_leave(h));
    }

    /* Of those that it checked, each had its answer from one of us. */
    h = must_open(VMIRING_OPEN_REATTACH, 0, 0);
    for ( i = 0; i < t.nr; i++ )
    {
        struct vmiring_vcpu_info info = info_of(h, i);

        sim_counters(&t.sim, i, &b);
        CHECK(info.answered >= b.checked.value - b.mismatched.value);
        CHECK(info.answered <= b.checked.value - b.mismatched.value + 1);
        CHECK_EQ(info.released, 0);
    }
    vmiring_close(h);
    end_guest();
}
