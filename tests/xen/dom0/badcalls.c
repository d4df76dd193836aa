/* SPDX-License-Identifier: MIT */
/*
 * badcalls DOMID: makes XEN_DMOP_vm_event calls and mappings that Xen must
 * refuse, each valid but for one thing, and compares the errno with the one
 * that docs/ABI.md names. After each, the channel must be as it was.
 * badcalls DOMID mapped: maps a channel's pages, waits until Xen says in them
 * that the domain is being destroyed, and reads them once more.
 *
 * Prints a line for each case that went wrong, and "total cases=N wrong=N".
 * The calls are made by hand, on Xen's header alone, not through the SDK.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/sys/privcmd.h>

#include "vm_event_v2.h"

#define NO_SUCH_DOMID   0x7000U
#define BEYOND_MAX      (VMEV2_RING_MAX + 1U)
#define MAPPED_SECONDS  60

static uint32_t domid;
static int privcmd;
static xenforeignmemory_handle *fmem;
static unsigned int cases, wrong;
static struct vmev2_op_create channel;   /* of the channel that stands */

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static int dm_op(uint32_t dom, void *op, size_t size, void *out,
                 size_t out_size)
{
    privcmd_dm_op_buf_t buffers[2] = {
        { .uptr = op, .size = size }, { .uptr = out, .size = out_size },
    };
    privcmd_dm_op_t call = {
        .dom = (domid_t)dom, .num = out ? 2 : 1, .ubufs = buffers,
    };

    return ioctl(privcmd, IOCTL_PRIVCMD_DM_OP, &call) < 0 ? errno : 0;
}

static struct vmev2_op op_of(uint32_t cmd)
{
    struct vmev2_op op = { .dmop = XEN_DMOP_vm_event, .cmd = cmd };

    if ( cmd >= VMEV2_CMD_MONITOR )
        op.generation = channel.generation;
    return op;
}

/* ---- the channel must stay as it was ---- */

struct state {
    uint32_t state, pending, agent_port;
    uint64_t generation;
    uint8_t legacy, on_death;
};

static struct state look(void)
{
    struct vmev2_op op = op_of(VMEV2_CMD_INFO);
    const struct vmev2_op_info *info = &op.u.info;
    struct state s;

    errno = dm_op(domid, &op, sizeof(op), NULL, 0);
    if ( errno )
        fail("INFO");
    memset(&s, 0, sizeof(s));
    s.state = info->state;
    s.pending = info->pending;
    s.agent_port = info->agent_port;
    s.generation = info->generation;
    s.legacy = info->legacy;
    s.on_death = info->on_death;
    return s;
}

static void judge(const char *name, int got, int want, const struct state *was)
{
    struct state is = look();

    cases++;
    if ( got != want )
    {
        printf("wrong: %s: %s, expected %s\n", name, strerror(got),
               strerror(want));
        wrong++;
    }
    else if ( memcmp(was, &is, sizeof(is)) )
    {
        printf("wrong: %s: the channel changed\n", name);
        wrong++;
    }
}

/* One case: a valid operation, changed by the statements after WANT. */
#define CASE(name, command, want, ...)                                        \
    do {                                                                      \
        struct state was = look();                                            \
        struct vmev2_op op = op_of(command);                                  \
        size_t size = sizeof(op);                                             \
        uint32_t dom = domid;                                                 \
                                                                              \
        { __VA_ARGS__; }                                                      \
        judge(name, dm_op(dom, &op, size, NULL, 0), want, &was);              \
    } while ( 0 )

/* Wrong for every command, with a channel and without. */
static void try_envelopes(void)
{
    static const uint32_t without_generation[] = {
        VMEV2_CMD_QUERY, VMEV2_CMD_INFO, VMEV2_CMD_CREATE, VMEV2_CMD_ATTACH
    };
    size_t i;

    CASE("short buffer", VMEV2_CMD_QUERY, EFAULT, size = 127);
    CASE("empty buffer", VMEV2_CMD_QUERY, EFAULT, size = 8);
    CASE("dm_op's pad", VMEV2_CMD_QUERY, EINVAL, op.dmop_pad = 1);
    CASE("unknown command", VMEV2_CMD_DESTROY + 1, EOPNOTSUPP,
         op.generation = 0);
    CASE("huge command", 0xffffffffU, EOPNOTSUPP, op.generation = 0);
    CASE("flags of QUERY", VMEV2_CMD_QUERY, EINVAL, op.flags = 1);
    CASE("flags of CREATE", VMEV2_CMD_CREATE, EINVAL, op.flags = 1);
    CASE("flags of DESTROY", VMEV2_CMD_DESTROY, EINVAL, op.flags = 1);
    CASE("room behind QUERY", VMEV2_CMD_QUERY, EINVAL, op.u.room[12] = 1);
    CASE("room behind INFO", VMEV2_CMD_INFO, EINVAL, op.u.room[12] = 1);
    CASE("room behind CREATE", VMEV2_CMD_CREATE, EINVAL, op.u.room[12] = 1);
    CASE("no such domain", VMEV2_CMD_QUERY, ESRCH, dom = NO_SUCH_DOMID);
    CASE("Xen's idle domain", VMEV2_CMD_QUERY, ESRCH, dom = 0x7fff);
    CASE("own domain", VMEV2_CMD_QUERY, EPERM, dom = 0);
    /* dm_op takes domains by number alone. */
    CASE("own domain as DOMID_SELF", VMEV2_CMD_QUERY, ESRCH, dom = 0x7ff0);
    CASE("first vCPU beyond the last", VMEV2_CMD_INFO, ERANGE,
         op.u.info.first = 8192, op.u.info.nr = 1);
    CASE("no buffer for the counters", VMEV2_CMD_INFO, EFAULT,
         op.u.info.nr = 1);

    for ( i = 0; i < sizeof(without_generation) / sizeof(uint32_t); i++ )
        CASE("generation where none belongs", without_generation[i], EINVAL,
             op.generation = 1);
}

static void try_create(void)
{
    CASE("CREATE flag", VMEV2_CMD_CREATE, EINVAL,
         op.u.create.flags = ~VMEV2_CREATE_KNOWN);
    CASE("CREATE pad", VMEV2_CMD_CREATE, EINVAL, op.u.create.pad = 1);
    CASE("CREATE death policy", VMEV2_CMD_CREATE, EINVAL,
         op.u.create.on_death = VMEV2_DEATH_CRASH + 1);
    CASE("CREATE deadline policy", VMEV2_CMD_CREATE, EINVAL,
         op.u.create.on_deadline = VMEV2_DEADLINE_CRASH + 1);
    CASE("CREATE deadline answer", VMEV2_CMD_CREATE, EINVAL,
         op.u.create.deadline_flags = VMEV2_RSP_EMULATE);
    CASE("CREATE ring too large", VMEV2_CMD_CREATE, EINVAL,
         op.u.create.ring_bytes = BEYOND_MAX);
    CASE("CREATE ring huge", VMEV2_CMD_CREATE, EINVAL,
         op.u.create.ring_bytes = 0xffffffffU);
}

static void try_without_channel(void)
{
    CASE("MONITOR without a channel", VMEV2_CMD_MONITOR, ENOENT,
         op.u.monitor.reason = VMEV2_REASON_GUEST_REQUEST,
         op.u.monitor.enable = 1);
    CASE("RESUME without a channel", VMEV2_CMD_RESUME, ENOENT, );
    CASE("DESTROY without a channel", VMEV2_CMD_DESTROY, ENOENT, );
    CASE("ATTACH without a channel", VMEV2_CMD_ATTACH, ENOENT, );
    CASE("ATTACH flag", VMEV2_CMD_ATTACH, EINVAL,
         op.flags = ~VMEV2_ATTACH_KNOWN);
}

#define MONITOR_CASE(name, want, ...)                                         \
    CASE("MONITOR " name, VMEV2_CMD_MONITOR, want,                            \
         op.u.monitor.reason = VMEV2_REASON_GUEST_REQUEST,                    \
         op.u.monitor.enable = 1, op.u.monitor.sync = 1, __VA_ARGS__)

static void try_monitor(void)
{
    MONITOR_CASE("reason beyond the table", EINVAL,
                 op.u.monitor.reason = VMEV2_REASONS);
    MONITOR_CASE("huge reason", EINVAL, op.u.monitor.reason = 0xffffffffU);
    MONITOR_CASE("reason of another ring", EOPNOTSUPP,
                 op.u.monitor.reason = 2);
    MONITOR_CASE("enable", EINVAL, op.u.monitor.enable = 2);
    MONITOR_CASE("sync", EINVAL, op.u.monitor.sync = 2);
    MONITOR_CASE("registers", EINVAL,
                 op.u.monitor.regs = VMEV2_REGS_ALL + 1);
    MONITOR_CASE("flags", EINVAL,
                 op.u.monitor.flags = (uint8_t)~VMEV2_MON_KNOWN);
    MONITOR_CASE("flag of another event", EINVAL,
                 op.u.monitor.flags = VMEV2_MON_ONCHANGEONLY);
    MONITOR_CASE("index of another event", EINVAL, op.u.monitor.index = 1);
    MONITOR_CASE("MSR of another event", EINVAL, op.u.monitor.msr = 0x176);
    MONITOR_CASE("mask of another event", EINVAL, op.u.monitor.mask = 1);
    MONITOR_CASE("control register", EINVAL,
                 op.u.monitor.reason = VMEV2_REASON_WRITE_CTRLREG,
                 op.u.monitor.index = 4);
    MONITOR_CASE("room behind", EINVAL, op.u.room[12] = 1);
    MONITOR_CASE("asynchronous CPUID", EOPNOTSUPP,
                 op.u.monitor.reason = VMEV2_REASON_CPUID,
                 op.u.monitor.sync = 0);
    MONITOR_CASE("event that is off", EEXIST, op.u.monitor.enable = 0);
    MONITOR_CASE("old generation", ENOTCONN, op.generation--);
    MONITOR_CASE("no generation", ENOTCONN, op.generation = 0);
}

static void try_with_channel(void)
{
    CASE("second CREATE", VMEV2_CMD_CREATE, EBUSY, );
    CASE("ATTACH to a living agent", VMEV2_CMD_ATTACH, EBUSY, );
    CASE("TAKEOVER without HOLD", VMEV2_CMD_ATTACH, EOPNOTSUPP,
         op.flags = VMEV2_ATTACH_TAKEOVER);
    CASE("DESTROY of another generation", VMEV2_CMD_DESTROY, ENOTCONN,
         op.generation++);
    CASE("RESUME of another generation", VMEV2_CMD_RESUME, ENOTCONN,
         op.generation++);
    CASE("room behind DESTROY", VMEV2_CMD_DESTROY, EINVAL, op.u.room[0] = 1);
    CASE("room behind RESUME", VMEV2_CMD_RESUME, EINVAL, op.u.room[0] = 1);
    try_monitor();
}

/* ---- mappings ---- */

static int map(uint32_t id, unsigned long frame, unsigned long nr, void **addr,
               xenforeignmemory_resource_handle **handle)
{
    *addr = NULL;
    *handle = xenforeignmemory_map_resource(fmem, (domid_t)domid,
                                            XENMEM_resource_vm_event, id,
                                            frame, nr, addr,
                                            PROT_READ | PROT_WRITE, 0);
    return *handle ? 0 : errno;
}

static void map_case(const char *name, uint32_t id, unsigned long frame,
                     unsigned long nr, int want)
{
    struct state was = look();
    xenforeignmemory_resource_handle *handle;
    void *addr;
    int got = map(id, frame, nr, &addr, &handle);

    if ( !got )
        xenforeignmemory_unmap_resource(fmem, handle);
    judge(name, got, want, &was);
}

static void try_mappings(void)
{
    uint32_t kind;

    for ( kind = 0; kind < VMEV2_RES_KINDS; kind++ )
    {
        uint32_t id = VMEV2_RES_ID(channel.generation, kind);
        uint32_t frames = channel.frames[kind];

        map_case("map all", id, 0, frames, 0);
        map_case("map one too many", id, 0, frames + 1, EINVAL);
        map_case("map behind the end", id, frames, 1, EINVAL);
        map_case("map far behind", id, 0xffffffffUL, 1, EINVAL);
        map_case("map another generation",
                 VMEV2_RES_ID(channel.generation + 1, kind), 0, 1, EINVAL);
    }
    map_case("map an unknown kind",
             VMEV2_RES_ID(channel.generation, VMEV2_RES_KINDS), 0, 1, EINVAL);
}

/* ---- a channel ---- */

static xenevtchn_handle *create_channel(void)
{
    struct vmev2_op op = op_of(VMEV2_CMD_CREATE);
    xenevtchn_handle *evtchn = xenevtchn_open(NULL, 0);

    errno = dm_op(domid, &op, sizeof(op), NULL, 0);
    if ( errno )
        fail("CREATE");
    channel = op.u.create;
    if ( !evtchn ||
         xenevtchn_bind_interdomain(evtchn, domid, channel.port) < 0 )
        fail("binding the doorbell");
    return evtchn;
}

static void destroy_channel(xenevtchn_handle *evtchn)
{
    struct vmev2_op op = op_of(VMEV2_CMD_DESTROY);

    errno = dm_op(domid, &op, sizeof(op), NULL, 0);
    if ( errno )
        fail("DESTROY");
    xenevtchn_close(evtchn);
}

static int stay_mapped(void)
{
    const struct timespec pause = { .tv_nsec = 20000000L };
    struct timespec now;
    time_t end;
    const volatile struct vmev2_ctrl *ctrl = NULL;
    void *pages[VMEV2_RES_KINDS];
    xenforeignmemory_resource_handle *handles[VMEV2_RES_KINDS];
    uint32_t kind;
    uint64_t sum = 0;

    create_channel();
    for ( kind = 0; kind < VMEV2_RES_KINDS; kind++ )
    {
        errno = map(VMEV2_RES_ID(channel.generation, kind), 0,
                    channel.frames[kind], &pages[kind], &handles[kind]);
        if ( errno )
            fail("mapping the channel");
    }
    ctrl = pages[VMEV2_RES_CTRL];
    printf("mapped\n");

    clock_gettime(CLOCK_MONOTONIC, &now);
    end = now.tv_sec + MAPPED_SECONDS;
    while ( ctrl->domain != VMEV2_DOMAIN_DYING )
    {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ( now.tv_sec > end )
        {
            printf("the channel did not say that its domain dies\n");
            return EXIT_FAILURE;
        }
        nanosleep(&pause, NULL);
    }
    printf("dying\n");

    /* Long enough for the teardown to have come past our pages. */
    for ( int i = 0; i < 50; i++ )
        nanosleep(&pause, NULL);
    for ( kind = 0; kind < VMEV2_RES_KINDS; kind++ )
        for ( size_t i = 0; i < channel.frames[kind] * 512UL; i++ )
            sum += ((const volatile uint64_t *)pages[kind])[i];
    if ( ctrl->magic != VMEV2_MAGIC )
    {
        printf("the control page was reused under its mapping\n");
        return EXIT_FAILURE;
    }
    for ( kind = 0; kind < VMEV2_RES_KINDS; kind++ )
        xenforeignmemory_unmap_resource(fmem, handles[kind]);
    printf("read all pages after the domain was gone (sum %#llx)\n",
           (unsigned long long)sum);
    return EXIT_SUCCESS;
}

/* A handle that is restricted serves its domain and no other. */
static void try_restricted(uint32_t other)
{
    struct vmev2_op op = op_of(VMEV2_CMD_QUERY);
    domid_t only = (domid_t)domid;
    int before = dm_op(other, &op, sizeof(op), NULL, 0);
    struct state was = look();

    if ( ioctl(privcmd, IOCTL_PRIVCMD_RESTRICT, &only) )
        fail("IOCTL_PRIVCMD_RESTRICT");
    judge("another domain, before", before, 0, &was);
    op = op_of(VMEV2_CMD_QUERY);
    judge("another domain, restricted",
          dm_op(other, &op, sizeof(op), NULL, 0), EPERM, &was);
    op = op_of(VMEV2_CMD_QUERY);
    judge("its own domain, restricted",
          dm_op(domid, &op, sizeof(op), NULL, 0), 0, &was);
}

int main(int argc, char **argv)
{
    xenevtchn_handle *evtchn;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if ( argc < 2 )
    {
        fprintf(stderr, "usage: badcalls DOMID [mapped | OTHER-DOMID]\n");
        return EXIT_FAILURE;
    }
    domid = (uint32_t)strtoul(argv[1], NULL, 10);
    privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    fmem = xenforeignmemory_open(NULL, 0);
    if ( privcmd < 0 || !fmem )
        fail("opening Xen's devices");

    if ( argc > 2 && !strcmp(argv[2], "mapped") )
        return stay_mapped();

    try_envelopes();
    try_create();
    try_without_channel();

    evtchn = create_channel();
    try_envelopes();
    try_create();
    try_with_channel();
    try_mappings();
    destroy_channel(evtchn);

    try_without_channel();
    if ( argc > 2 )
        try_restricted((uint32_t)strtoul(argv[2], NULL, 10));

    printf("total cases=%u wrong=%u\n", cases, wrong);
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
