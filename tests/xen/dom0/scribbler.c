/* SPDX-License-Identifier: MIT */
/*
 * scribbler DOMID v2|legacy|idle SEED SECONDS: a hostile agent. It attaches as
 * an agent does, and then writes random and adversarial values over every word
 * of every page that it shares with Xen, forges answers, moves positions to
 * where they cannot be, rings the doorbell and makes control calls, valid ones
 * and others. idle does the same to memory of its own and calls nothing: the
 * load to compare with.
 *
 * scribbler DOMID runaway: one named case of the legacy ring. The response
 * position jumps to rsp_cons + 0x80000100, which an unpatched Xen takes for
 * 2^31 responses: 4.17.5 then loops in the notification and fills the console
 * with "vm_event interface version mismatch". Then the position is put right,
 * and the guest must go on.
 *
 * Prints "attached", then "total writes=N calls=N refused=N slowest_us=N":
 * refused control calls, and the longest of all calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define __XEN_TOOLS__ 1
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/sys/privcmd.h>
#include <xen/vm_event.h>

#include "vm_event_v2.h"

#define PAGE        4096U
#define BURST_US    2000U   /* half of the time is the guests' */
#define RUNAWAY     0x80000100U
#define ANSWERED_S  30
#define MSR_SYSENTER_EIP 0x176

static uint32_t domid;
static uint64_t seed;
static int privcmd = -1;
static xenforeignmemory_handle *fmem;
static xenevtchn_handle *evtchn;
static xenevtchn_port_or_error_t local_port = -1;
static struct vmev2_op_create channel;
static uint64_t writes, calls, refused, slowest_us;

/* What is written over: the kinds of v2, or the one page of legacy. */
static struct {
    uint8_t *addr;
    size_t bytes;
} area[VMEV2_RES_KINDS];
static unsigned int nr_areas;

static void fail(const char *what)
{
    fprintf(stderr, "scribbler: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* xorshift64*: the same on every machine, so that a seed can be repeated. */
static uint64_t rnd(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1dULL;
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)((rnd() >> 32) * n >> 32);
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000U + (uint64_t)t.tv_nsec / 1000U;
}

static void timed(uint64_t start, bool was_refused)
{
    uint64_t took = now_us() - start;

    calls++;
    refused += was_refused;
    if ( took > slowest_us )
        slowest_us = took;
}

/* near: what a correct value would be, so that some are off by little. */
static uint64_t value(uint64_t near)
{
    static const uint64_t special[] = {
        0, 1, UINT64_MAX, UINT32_MAX, 1ULL << 31, 1ULL << 63, RUNAWAY,
        0x7fffffff, 0xffff, VMEV2_MAGIC, 0x8000000000000000ULL - 1,
    };

    switch ( below(5) )
    {
    case 0:
        return special[below(sizeof(special) / sizeof(*special))];
    case 1:
        return near + below(3) - 1;
    case 2:
        return near + (1ULL << below(64));
    case 3:
        return 1ULL << below(64);
    default:
        return rnd();
    }
}

static void put(void *at, unsigned int width, uint64_t v)
{
    writes++;
    switch ( width )
    {
    case 1: *(volatile uint8_t *)at = (uint8_t)v; break;
    case 2: *(volatile uint16_t *)at = (uint16_t)v; break;
    case 4: *(volatile uint32_t *)at = (uint32_t)v; break;
    default: *(volatile uint64_t *)at = v; break;
    }
}

static void scribble_anywhere(void)
{
    unsigned int i = below(nr_areas), width = 1U << below(4);
    size_t at = below((uint32_t)(area[i].bytes / width)) * (size_t)width;
    uint64_t old;

    memcpy(&old, area[i].addr + (at & ~(size_t)7), sizeof(old));
    put(area[i].addr + at, width, value(old));
}

static void ring_doorbell(void)
{
    uint64_t start = now_us();

    if ( local_port >= 0 )
        timed(start, xenevtchn_notify(evtchn, (evtchn_port_t)local_port));
}

/* Takes what Xen rang, so that it can ring again. */
static void take_doorbell(void)
{
    int port = local_port >= 0 ? xenevtchn_pending(evtchn) : -1;

    if ( port >= 0 )
        xenevtchn_unmask(evtchn, (evtchn_port_t)port);
}

/* ---- v2 ---- */

static int dm_op(struct vmev2_op *op, size_t size)
{
    privcmd_dm_op_buf_t buffer = { .uptr = op, .size = size };
    privcmd_dm_op_t call = {
        .dom = (domid_t)domid, .num = 1, .ubufs = &buffer,
    };
    uint64_t start = now_us();
    int rc = ioctl(privcmd, IOCTL_PRIVCMD_DM_OP, &call);

    timed(start, rc < 0);
    return rc;
}

static struct vmev2_op op_of(uint32_t cmd)
{
    struct vmev2_op op = { .dmop = XEN_DMOP_vm_event, .cmd = cmd };

    if ( cmd >= VMEV2_CMD_MONITOR )
        op.generation = channel.generation;
    return op;
}

static void monitor(uint32_t reason, uint32_t index, bool enable, bool sync)
{
    struct vmev2_op op = op_of(VMEV2_CMD_MONITOR);

    op.u.monitor.reason = reason;
    op.u.monitor.index = index;
    op.u.monitor.enable = enable;
    op.u.monitor.sync = sync;
    op.u.monitor.regs = (uint8_t)below(VMEV2_REGS_ALL + 1);
    if ( reason == VMEV2_REASON_MOV_TO_MSR )
        op.u.monitor.msr = MSR_SYSENTER_EIP;
    dm_op(&op, sizeof(op));
}

/* Rights for a page that the arm64 guest writes to, some that do not exist. */
static void set_rights(void)
{
#ifdef __aarch64__
    struct vmev2_op op = op_of(VMEV2_CMD_ACCESS_SET);

    op.u.access.first = (GUEST_DATA_PHYS >> 12) + below(8);
    op.u.access.nr = 1 + below(3);
    op.u.access.access = (uint8_t)below(12);
    dm_op(&op, sizeof(op));
#endif
}

static void subscribe(void)
{
    monitor(VMEV2_REASON_GUEST_REQUEST, 0, true, true);
#ifdef __aarch64__
    monitor(VMEV2_REASON_PRIVILEGED_CALL, 0, true, true);
    set_rights();
#else
    monitor(VMEV2_REASON_CPUID, 0, true, true);
    monitor(VMEV2_REASON_WRITE_CTRLREG, 1, true, false);
    monitor(VMEV2_REASON_WRITE_CTRLREG, 2, true, true);
    monitor(VMEV2_REASON_MOV_TO_MSR, 0, true, true);
#endif
}

static bool create(void)
{
    struct vmev2_op op = op_of(VMEV2_CMD_CREATE);

    op.u.create.ring_bytes = PAGE;
    if ( dm_op(&op, sizeof(op)) < 0 )
        return false;
    channel = op.u.create;
    local_port = xenevtchn_bind_interdomain(evtchn, domid, channel.port);
    subscribe();
    return true;
}

static void map_v2(void)
{
    for ( nr_areas = 0; nr_areas < VMEV2_RES_KINDS; nr_areas++ )
    {
        void *addr = NULL;

        if ( !xenforeignmemory_map_resource(
                 fmem, (domid_t)domid, XENMEM_resource_vm_event,
                 VMEV2_RES_ID(channel.generation, nr_areas), 0,
                 channel.frames[nr_areas], &addr, PROT_READ | PROT_WRITE, 0) )
            fail("mapping the channel");
        area[nr_areas].addr = addr;
        area[nr_areas].bytes = (size_t)channel.frames[nr_areas] * PAGE;
    }
}

static void attach_v2(void)
{
    privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    fmem = xenforeignmemory_open(NULL, 0);
    evtchn = xenevtchn_open(NULL, 0);
    if ( privcmd < 0 || !fmem || !evtchn )
        fail("opening Xen's devices");
    fcntl(xenevtchn_fd(evtchn), F_SETFL, O_RDWR | O_NONBLOCK);
    if ( !create() )
        fail("CREATE");
    map_v2();
}

/* An answer to what is pending: right, nearly right, or wrong in every part. */
static void forge_v2(void)
{
    uint32_t vcpu = below(channel.nr_vcpus);
    struct vmev2_slot *slot =
        (struct vmev2_slot *)area[VMEV2_RES_SLOTS].addr + vcpu;
    struct vmev2_rsp *rsp = &slot->rsp;
    uint64_t seq = slot->req_seq;
    unsigned int i;

    switch ( below(8) )
    {
    case 0:     /* everything at random, registers too */
        for ( i = 8; i < sizeof(*rsp); i += 8 )
            put((uint8_t *)rsp + i, 8, rnd());
        break;
    case 1:     /* flags that exist, in mixtures that may not */
        put(&rsp->flags, 4, rnd() & VMEV2_RSP_KNOWN);
        put(&rsp->altp2m_idx, 2, value(0));
        put(&rsp->emul_size, 4, value(48));
        break;
    case 2:
        put(&rsp->flags, 4, 1ULL << below(32));
        break;
    default:    /* continue: the guest comes to raise more */
        memset(rsp->pad1, 0, sizeof(rsp->pad1));
        put(&rsp->flags, 4, 0);
        put(&rsp->altp2m_idx, 4, 0);
        put(&rsp->emul_size, 8, 0);
        break;
    }
    put(&rsp->rsp_seq, 8, below(4) ? seq : value(seq));
    ring_doorbell();
}

static void position_v2(void)
{
    uint64_t *cons = (uint64_t *)area[VMEV2_RES_USER].addr;
    const struct vmev2_ctrl *ctrl = (void *)area[VMEV2_RES_CTRL].addr;
    uint32_t at = ctrl->ring_off;
    uint64_t prod = 0;

    /* As likely as not somebody has written over it: us. */
    if ( at <= area[VMEV2_RES_CTRL].bytes - 8 )
        memcpy(&prod, area[VMEV2_RES_CTRL].addr + (at & ~7U), sizeof(prod));
    put(cons, 8, below(2) ? prod : value(prod));
}

static void control_v2(void)
{
    struct vmev2_op op = op_of(below(VMEV2_CMD_DESTROY));
    uint64_t *words = (uint64_t *)&op;

    switch ( below(5) )
    {
    case 4:
        set_rights();
        break;
    case 0:     /* a valid one with one wrong word */
        words[below(sizeof(op) / 8 - 1) + 1] = value(0);
        /* Its own guest's end is not what is tested, nor HOLD and CRASH. */
        if ( op.cmd == VMEV2_CMD_CREATE || op.cmd == VMEV2_CMD_DESTROY )
            op.cmd = VMEV2_CMD_INFO;
        dm_op(&op, sizeof(op));
        break;
    case 1:
        op = op_of(VMEV2_CMD_RESUME);
        dm_op(&op, sizeof(op));
        break;
    case 2:
        monitor(below(VMEV2_REASONS), below(5), below(2), below(2));
        break;
    default:    /* ends the channel, and begins anew on the pages it still has */
        if ( below(16) )
            break;
        op = op_of(VMEV2_CMD_DESTROY);
        dm_op(&op, sizeof(op));
        if ( local_port >= 0 )
            xenevtchn_unbind(evtchn, (evtchn_port_t)local_port);
        local_port = -1;
        create();
        break;
    }
}

static void act_v2(void)
{
    uint32_t what = below(100);

    if ( what < 55 )
        scribble_anywhere();
    else if ( what < 85 )
        forge_v2();
    else if ( what < 93 )
        position_v2();
    else if ( what < 98 )
        ring_doorbell();
    else
        control_v2();
    take_doorbell();
}

/* ---- legacy ---- */

static xc_interface *xch;
static vm_event_sring_t *sring;

static void attach_legacy(void)
{
    uint32_t port;

    xch = xc_interface_open(NULL, NULL, 0);
    evtchn = xenevtchn_open(NULL, 0);
    if ( !xch || !evtchn )
        fail("opening Xen's devices");
    fcntl(xenevtchn_fd(evtchn), F_SETFL, O_RDWR | O_NONBLOCK);
    sring = xc_monitor_enable(xch, domid, &port);
    if ( !sring )
        fail("xc_monitor_enable");
    local_port = xenevtchn_bind_interdomain(evtchn, domid, port);
    SHARED_RING_INIT(sring);
    if ( local_port < 0 ||
         xc_monitor_guest_request(xch, domid, true, true, false) ||
#ifdef __aarch64__
         xc_monitor_privileged_call(xch, domid, true) ||
         xc_set_mem_access(xch, domid, XENMEM_access_rx, GUEST_DATA_PHYS >> 12,
                           8) )
#else
         xc_monitor_write_ctrlreg(xch, domid, VM_EVENT_X86_CR3, true, false, 0,
                                  false) ||
         xc_monitor_mov_to_msr(xch, domid, MSR_SYSENTER_EIP, true, false) )
#endif
        fail("subscribing");
    nr_areas = 1;
    area[0].addr = (uint8_t *)sring;
    area[0].bytes = PAGE;
}

static void forge_legacy(void)
{
    vm_event_back_ring_t ring;
    vm_event_response_t *rsp;
    uint32_t prod = sring->rsp_prod;

    BACK_RING_INIT(&ring, sring, PAGE);
    ring.rsp_prod_pvt = prod;
    rsp = RING_GET_RESPONSE(&ring, prod);
    if ( below(3) )     /* the request stands there: an answer, nearly */
    {
        put(&rsp->version, 4, below(8) ? VM_EVENT_INTERFACE_VERSION : rnd());
        put(&rsp->flags, 4, below(4) ? VM_EVENT_FLAG_VCPU_PAUSED : rnd());
        if ( !below(4) )
            put(&rsp->vcpu_id, 4, value(rsp->vcpu_id));
    }
    put(&sring->rsp_prod, 4, below(4) ? prod + 1 : value(prod));
    ring_doorbell();
}

static void act_legacy(void)
{
    uint32_t what = below(100);

    if ( what < 45 )
        scribble_anywhere();
    else if ( what < 80 )
        forge_legacy();
    else if ( what < 90 )
        put(below(2) ? &sring->rsp_prod : &sring->req_prod, 4,
            value(sring->req_prod));
    else
        ring_doorbell();
    take_doorbell();
}

static void detach_legacy(void)
{
    xenevtchn_unbind(evtchn, (evtchn_port_t)local_port);
    if ( xc_monitor_disable(xch, domid) )
        fail("xc_monitor_disable");
}

/* Answers the requests in [from, to) with "continue". */
static void answer_legacy(RING_IDX from, RING_IDX to)
{
    vm_event_back_ring_t ring;
    vm_event_response_t *rsp;
    uint32_t vcpu, reason;

    BACK_RING_INIT(&ring, sring, PAGE);
    for ( ; from != to; from++ )
    {
        rsp = RING_GET_RESPONSE(&ring, from);
        vcpu = rsp->vcpu_id;
        reason = rsp->reason;
        memset(rsp, 0, sizeof(*rsp));
        rsp->version = VM_EVENT_INTERFACE_VERSION;
        rsp->flags = VM_EVENT_FLAG_VCPU_PAUSED;
        rsp->vcpu_id = vcpu;
        rsp->reason = reason;
    }
}

static int runaway(void)
{
    const struct timespec pause = { .tv_nsec = 10000000L };
    RING_IDX base, before;
    uint64_t end;

    attach_legacy();
    printf("attached\n");
    for ( end = now_us() + ANSWERED_S * 1000000ULL;
          !sring->req_prod && now_us() < end; )
        nanosleep(&pause, NULL);
    base = sring->req_prod;
    if ( !base )
    {
        printf("no request came\n");
        return EXIT_FAILURE;
    }
    put(&sring->rsp_prod, 4, RUNAWAY);
    ring_doorbell();
    printf("runaway: the call took %" PRIu64 " us\n", slowest_us);

    /* The sane position, and from here on answers, until 50 have come. */
    put(&sring->rsp_prod, 4, 0);
    for ( before = 0; before < 50 && now_us() < end; )
    {
        RING_IDX prod = sring->req_prod;

        xen_rmb();
        answer_legacy(before, prod);
        before = prod;
        sring->req_event = prod + 1;
        xen_wmb();
        put(&sring->rsp_prod, 4, prod);
        ring_doorbell();
        take_doorbell();
        nanosleep(&pause, NULL);
    }
    detach_legacy();
    printf("total answered=%u slowest_us=%" PRIu64 "\n", before, slowest_us);
    return before >= 50 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- idle: the same load, nobody's memory ---- */

static void attach_idle(void)
{
    area[0].bytes = 16 * PAGE;
    area[0].addr = mmap(NULL, area[0].bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ( area[0].addr == MAP_FAILED )
        fail("mmap");
    nr_areas = 1;
}

static void work(void (*act)(void), double seconds)
{
    const struct timespec pause = { .tv_nsec = BURST_US * 1000L };
    uint64_t end = now_us() + (uint64_t)(seconds * 1e6);

    while ( now_us() < end )
    {
        uint64_t stop = now_us() + BURST_US;

        while ( now_us() < stop )
            act();
        /* On one CPU the guests need some of it to raise anything. */
        nanosleep(&pause, NULL);
    }
    printf("total writes=%" PRIu64 " calls=%" PRIu64 " refused=%" PRIu64
           " slowest_us=%" PRIu64 "\n", writes, calls, refused, slowest_us);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[2] : "";
    bool legacy = !strcmp(mode, "legacy"), v2 = !strcmp(mode, "v2");

    setvbuf(stdout, NULL, _IOLBF, 0);
    domid = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    if ( domid && argc == 3 && !strcmp(mode, "runaway") )
        return runaway();
    if ( !domid || argc != 5 || (!legacy && !v2 && strcmp(mode, "idle")) )
    {
        fprintf(stderr, "usage: scribbler DOMID v2|legacy|idle SEED SECONDS, "
                        "or DOMID runaway\n");
        return EXIT_FAILURE;
    }
    seed = strtoull(argv[3], NULL, 0) * 2 + 1;

    if ( legacy )
        attach_legacy();
    else if ( v2 )
        attach_v2();
    else
        attach_idle();
    printf("attached\n");
    work(legacy ? act_legacy : v2 ? act_v2 : scribble_anywhere,
         atof(argv[4]));
    if ( legacy )
        detach_legacy();
    return EXIT_SUCCESS;
}
