/* SPDX-License-Identifier: MIT */
/*
 * refusals SOCKET: makes calls of the library that must be refused, each right
 * but for one thing, at a vmi-sim with a domain 1 of one vCPU that waits, and
 * prints for each, with tabs between: the call, what was wrong, errno, message.
 * docs/ERRORS.md is made of it (errors.py).
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmiring.h"

static const char *sim;
static int failures;

static void row(const char *call, const char *cause, bool refused,
                const char *message)
{
    int err = errno;

    if ( !refused )
    {
        fprintf(stderr, "%s: %s: was not refused\n", call, cause);
        failures++;
        return;
    }
    printf("%s\t%s\t%s\t%s\n", call, cause, strerrorname_np(err), message);
}

static vmiring_options good(void)
{
    vmiring_options o = { .size = sizeof(o), .domid = 1, .sim = sim };

    return o;
}

/* An open that is wrong in the statements that follow. */
#define OPEN(cause, ...)                                                      \
    do {                                                                      \
        vmiring_options o = good();                                           \
        vmiring *h;                                                           \
                                                                              \
        { __VA_ARGS__; }                                                      \
        h = vmiring_open(&o);                                                 \
        row("open", cause, !h, vmiring_open_error());                         \
        vmiring_close(h);                                                     \
    } while ( 0 )

static void try_open(void)
{
    OPEN("size is 0", o.size = 0);
    OPEN("an unknown flag", o.flags = 0x80000000U);
    OPEN("an unknown abi", o.abi = 9);
    OPEN("an unknown on_death", o.on_death = 9);
    OPEN("a deadline above 60000 ms", o.deadline_ms = 60001);
    OPEN("a reserved domid", o.domid = 0x7ff0);
    OPEN("no such domain", o.domid = 99);
    OPEN("REATTACH, and no channel is held", o.flags = VMIRING_OPEN_REATTACH);
    OPEN("no host at that socket", o.sim = "/nonexistent");
    OPEN("legacy, and HOLD", o.abi = VMIRING_ABI_LEGACY,
         o.on_death = VMIRING_DEATH_HOLD);
    row("open", "options are NULL", !vmiring_open(NULL), vmiring_open_error());
}

static void try_busy(void)
{
    OPEN("another agent of this host has it", );
    OPEN("likewise, and legacy is asked for", o.abi = VMIRING_ABI_LEGACY);
}

static struct vmiring_subscription request(void)
{
    struct vmiring_subscription s = {
        .size = sizeof(s), .reason = VMIRING_GUEST_REQUEST, .sync = 1
    };

    return s;
}

#define SUBSCRIBE(cause, ...)                                                 \
    do {                                                                      \
        struct vmiring_subscription s = request();                            \
                                                                              \
        { __VA_ARGS__; }                                                      \
        row("subscribe", cause, vmiring_subscribe(h, &s), vmiring_error(h));  \
    } while ( 0 )

static void try_subscribe(vmiring *h)
{
    struct vmiring_subscription s = request();

    SUBSCRIBE("an unknown reason", s.reason = 31);
    SUBSCRIBE("sync is not 0 or 1", s.sync = 2);
    SUBSCRIBE("unknown registers", s.regs = 3);
    SUBSCRIBE("a field of another event", s.index = 1);
    SUBSCRIBE("an event that is only synchronous", s.reason = VMIRING_CPUID,
              s.sync = 0);
    SUBSCRIBE("an event that this CPU cannot raise",
              s.reason = VMIRING_PRIVILEGED_CALL);
    SUBSCRIBE("an event of a later Xen", s.reason = VMIRING_IO_INSTRUCTION);
    row("unsubscribe", "not subscribed", vmiring_unsubscribe(h, &s),
        vmiring_error(h));
    if ( vmiring_subscribe(h, &s) )
        failures++;
    SUBSCRIBE("subscribed already", );
    row("mem_option", "an unknown option", vmiring_mem_option(h, 3, 1),
        vmiring_error(h));
    row("mem_option", "under version 2",
        vmiring_mem_option(h, VMIRING_MEM_EACH_REP, 1), vmiring_error(h));
    row("set_access", "an unknown access", vmiring_set_access(h, 0, 1, 10),
        vmiring_error(h));
}

static void try_receive(vmiring *h)
{
    struct vmiring_event ev;
    char byte;

    row("receive", "max is 0", vmiring_receive(h, &ev, 0) < 0,
        vmiring_error(h));
    row("receive", "nothing is there", vmiring_receive(h, &ev, 1) < 0,
        vmiring_error(h));
    row("leave", "the channel is not under HOLD", vmiring_leave(h),
        vmiring_error(h));
    row("read_phys", "no memory there",
        vmiring_read_phys(h, 1ULL << 40, &byte, 1, NULL) < 0,
        vmiring_error(h));
    row("read_phys", "size is 0", vmiring_read_phys(h, 0, &byte, 0, NULL) < 0,
        vmiring_error(h));
}

#define RESPOND(cause, ...)                                                   \
    do {                                                                      \
        struct vmiring_response r = { .size = sizeof(r) };                    \
                                                                              \
        { __VA_ARGS__; }                                                      \
        row("respond", cause, vmiring_respond(h, &ev, &r), vmiring_error(h)); \
    } while ( 0 )

/* A worker that is wrong in the statements that follow. */
#define WORKER(cause, ...)                                                    \
    do {                                                                      \
        static const uint32_t vcpus[] = { 0, 0 };                             \
        vmiring_options o = good();                                           \
        struct vmiring_worker w = {                                           \
            .size = sizeof(w), .vcpus = vcpus, .nr_vcpus = 1                  \
        };                                                                    \
        vmiring *h;                                                           \
                                                                              \
        { __VA_ARGS__; }                                                      \
        h = vmiring_worker_open(&o, &w);                                      \
        row("worker_open", cause, !h, vmiring_open_error());                  \
        vmiring_close(h);                                                     \
    } while ( 0 )

/* What only the main handle does. */
static void try_worker_control(vmiring *worker)
{
    struct vmiring_subscription s = request();

    row("subscribe", "the handle is a worker", vmiring_subscribe(worker, &s),
        vmiring_error(worker));
    row("unsubscribe", "the handle is a worker",
        vmiring_unsubscribe(worker, &s), vmiring_error(worker));
    row("set_access", "the handle is a worker",
        vmiring_set_access(worker, 0, 1, 0), vmiring_error(worker));
    row("leave", "the handle is a worker", vmiring_leave(worker),
        vmiring_error(worker));
}

static void try_workers(void)
{
    static const uint32_t one[] = { 0 }, far[] = { 7 };
    struct vmiring_worker how = { .size = sizeof(how), .vcpus = one,
                                  .nr_vcpus = 1 };
    vmiring_options o = good();
    vmiring *h, *worker;

    WORKER("nobody has opened the domain", );
    h = vmiring_open(&o);
    WORKER("the channel has no ports of slots", );
    vmiring_close(h);
    o.flags = VMIRING_OPEN_SLOT_PORTS;
    h = vmiring_open(&o);
    WORKER("legacy has one FIFO", o.abi = VMIRING_ABI_LEGACY);
    WORKER("an option of the main handle's", o.on_death = 1);
    WORKER("no vCPU", w.nr_vcpus = 0);
    WORKER("flags is not 0", w.flags = 1);
    WORKER("another generation", w.generation = 1);
    WORKER("a vCPU twice", w.nr_vcpus = 2);
    WORKER("no such vCPU", w.vcpus = far);
    o.flags = 0;
    worker = vmiring_worker_open(&o, &how);
    if ( !h || !worker )
    {
        fprintf(stderr, "%s\n", vmiring_open_error());
        failures++;
        return;
    }
    WORKER("the vCPU has a worker", );
    try_worker_control(worker);
    vmiring_close(worker);
    vmiring_close(h);
}

/* What dom0 does with the word of tests/xen/guest/layout.h. */
static void let_go(vmiring *h)
{
    uint32_t run = 1;

    if ( vmiring_write_phys(h, 0x200010, &run, sizeof(run), NULL) < 0 )
        failures++;
}

static void try_respond(vmiring *h)
{
    struct vmiring_event ev, more;

    let_go(h);
    while ( vmiring_receive(h, &ev, 1) < 0 )
        if ( errno != EAGAIN || vmiring_wait(h, 20000) )
        {
            fprintf(stderr, "no event: %s\n", vmiring_error(h));
            failures++;
            return;
        }
    row("receive", "the batch before is not released",
        vmiring_receive(h, &more, 1) < 0, vmiring_error(h));
    RESPOND("an unknown flag", r.flags = 0x80000000U);
    RESPOND("DENY of what is no write", r.flags = VMIRING_RSP_DENY);
    RESPOND("emul_size is 0", r.flags = VMIRING_RSP_EMULATE |
            VMIRING_RSP_SET_EMUL_READ_DATA);
    if ( vmiring_respond(h, &ev, NULL) )
        failures++;
    RESPOND("answered before", );
    ev.flags = 0;
    RESPOND("an event that waits for no answer", );
    vmiring_release(h);
}

/* In a child, after a fork. */
static void try_fork(vmiring *h)
{
    struct vmiring_event ev;
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if ( !pid )
    {
        row("any", "in a child after fork", vmiring_receive(h, &ev, 1) < 0,
            vmiring_error(h));
        fflush(stdout);
        _exit(failures);
    }
    if ( pid < 0 || waitpid(pid, &status, 0) != pid || status )
        failures++;
}

static void try_takeover(vmiring **h)
{
    vmiring_options o = good();
    struct vmiring_event ev;
    vmiring *next;

    vmiring_close(*h);
    o.on_death = VMIRING_DEATH_HOLD;
    *h = vmiring_open(&o);
    o.flags = VMIRING_OPEN_TAKEOVER;
    next = *h ? vmiring_open(&o) : NULL;
    if ( !next )
    {
        fprintf(stderr, "takeover: %s\n", vmiring_open_error());
        failures++;
        return;
    }
    row("receive", "the channel was taken over",
        vmiring_receive(*h, &ev, 1) < 0, vmiring_error(*h));
    vmiring_close(*h);
    *h = next;
}

static void try_legacy(void)
{
    vmiring_options o = good();
    vmiring *h;
    struct vmiring_vcpu_info info = { .size = sizeof(info) };

    o.abi = VMIRING_ABI_LEGACY;
    h = vmiring_open(&o);
    if ( !h )
    {
        fprintf(stderr, "legacy: %s\n", vmiring_open_error());
        failures++;
        return;
    }
    row("restrict", "legacy", vmiring_restrict(h), vmiring_error(h));
    row("leave", "legacy", vmiring_leave(h), vmiring_error(h));
    row("info", "legacy", vmiring_info(h, 0, 1, &info) < 0, vmiring_error(h));
    vmiring_close(h);
}

int main(int argc, char **argv)
{
    vmiring_options o;
    vmiring *h;

    if ( argc != 2 )
    {
        fprintf(stderr, "usage: refusals SOCKET\n");
        return EXIT_FAILURE;
    }
    sim = argv[1];
    try_open();
    o = good();
    h = vmiring_open(&o);
    if ( !h )
    {
        fprintf(stderr, "%s\n", vmiring_open_error());
        return EXIT_FAILURE;
    }
    try_busy();
    try_subscribe(h);
    try_receive(h);
    try_fork(h);
    try_respond(h);
    try_takeover(&h);
    vmiring_close(h);
    try_workers();
    try_legacy();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
