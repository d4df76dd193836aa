/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An agent on the library, which is compiled as it is.  Its host calls the
 * simulated Xen of the same process.  All that it is told, it checks.
 */
#include "private.h"
#include "glue.h"
#include "rt.h"
#include "agent_legacy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

struct inproc {
    struct host host;
    struct glue_bell *bell;
    bool dead;                  /* the process was killed: nothing works */
    uint64_t kicks;
};

/* Nobody leaves notes here. */
void holder_write(vmiring *h, const vmiring_options *opts)
{
    (void)h;
    (void)opts;
}

void holder_remove(vmiring *h)
{
    (void)h;
}

void holder_own_name(char *out, size_t size)
{
    (void)size;
    out[0] = 0;
}

void holder_read(const vmiring_options *opts, char *out, size_t size)
{
    (void)opts;
    (void)size;
    out[0] = 0;
}

/* ---- the host ---- */

static struct inproc *of(struct host *host)
{
    return (struct inproc *)host;
}

static int result(int rc)
{
    if ( rc >= 0 )
        return 0;
    errno = -rc;

    return -1;
}

static int in_dm_op(struct host *host, uint32_t domid, void *buf0, size_t size0,
                    void *buf1, size_t size1)
{
    if ( of(host)->dead )
        return result(-ENODEV);

    return result(glue_dm_op(domid, buf0, size0, buf1, size1));
}

static void *in_map(struct host *host, uint32_t domid, uint32_t type,
                    uint32_t id, uint64_t first, uint64_t nr, int prot,
                    unsigned int times)
{
    size_t bytes = nr * HOST_PAGE;
    off_t place[64];
    uint8_t *at;
    uint64_t i;
    unsigned int t;
    int fd;

    (void)host;
    if ( result(glue_acquire(domid, type, id, first, nr, &fd, place)) )
        return NULL;
    at = mmap(NULL, bytes * times, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ( at == MAP_FAILED )
        return NULL;
    for ( t = 0; t < times; t++ )
        for ( i = 0; i < nr; i++ )
            mmap(at + t * bytes + i * HOST_PAGE, HOST_PAGE, prot,
                 MAP_SHARED | MAP_FIXED, fd, place[i]);

    return at;
}

static void in_unmap(struct host *host, void *addr, uint64_t nr,
                     unsigned int times)
{
    (void)host;
    munmap(addr, nr * HOST_PAGE * times);
}

static int in_bind(struct host *host, uint32_t domid, uint32_t port)
{
    return result(glue_bind(domid, port, &of(host)->bell)) ? -1 : 1;
}

static int in_unbind(struct host *host, int local)
{
    (void)local;
    rt_in_xen(1);
    if ( of(host)->bell )
        glue_unbind(of(host)->bell);
    of(host)->bell = NULL;
    rt_in_xen(-1);

    return 0;
}

static int in_notify(struct host *host, int local)
{
    (void)local;
    of(host)->kicks++;
    if ( !of(host)->dead )
        glue_kick(of(host)->bell);

    return 0;
}

static int in_fd(struct host *host)
{
    return glue_fd(of(host)->bell);
}

static int in_drain(struct host *host)
{
    return glue_drain(of(host)->bell) != 0;
}

static int in_phys(struct host *host, uint32_t domid, uint64_t gpa, void *buf,
                   size_t size)
{
    (void)host;
    (void)domid;
    (void)gpa;
    (void)buf;
    (void)size;

    return result(-EOPNOTSUPP);
}

static int in_write_phys(struct host *host, uint32_t domid, uint64_t gpa,
                         const void *buf, size_t size)
{
    return in_phys(host, domid, gpa, (void *)buf, size);
}

static void in_forget(struct host *host)
{
    (void)host;
}

static int in_restrict(struct host *host, uint32_t domid)
{
    (void)host;
    (void)domid;

    return 0;
}

static void in_close(struct host *host, bool child)
{
    (void)child;
    free(host);
}

static const struct host_ops in_ops = {
    .name = "scheduler",
    .caps = VMIRING_CAP_SIMULATED,
    .dm_op = in_dm_op,
    .map = in_map,
    .unmap = in_unmap,
    .bind = in_bind,
    .unbind = in_unbind,
    .notify = in_notify,
    .fd = in_fd,
    .drain = in_drain,
    .read_phys = in_phys,
    .write_phys = in_write_phys,
    .forget = in_forget,
    .restrict_to = in_restrict,
    .close = in_close,
};

/* ---- life ---- */

bool agent_open(struct sdk_agent *a, const struct agent_wish *wish)
{
    const vmiring_options o = {
        .size = sizeof(o), .domid = wish->domid,
        .abi = wish->legacy ? VMIRING_ABI_LEGACY : VMIRING_ABI_V2,
        .ring_bytes = wish->ring_bytes, .deadline_ms = wish->deadline_ms,
        .on_death = wish->hold ? VMIRING_DEATH_HOLD : VMIRING_DEATH_DETACH,
        .flags = (wish->split ? VMIRING_OPEN_SPLIT_RINGS : 0) |
                 (wish->reattach ? VMIRING_OPEN_REATTACH : 0) |
                 (wish->takeover ? VMIRING_OPEN_TAKEOVER : 0),
    };
    struct inproc *in = calloc(1, sizeof(*in));
    unsigned int i;

    memset(a, 0, sizeof(*a));
    a->wish = *wish;
    for ( i = 0; i < SCHED_VCPUS; i++ )
        a->next[i] = 1;
    in->host.ops = &in_ops;
    a->host = in;
    a->h = vmiring_open_on(&in->host,
                           wish->legacy ? agent_legacy_host(wish->nr_vcpus) : NULL,
                           &o);
    if ( !a->h )
    {
        a->err = errno;
        a->host = NULL;
    }
    else
    {
        vmiring *h = a->h;

        /* Whatever the number of processors below. */
        h->spin_us = h->spin_now = wish->spin_us;
    }

    return a->h;
}

bool agent_subscribe(struct sdk_agent *a, bool sync_requests, bool async_cr3,
                     bool core)
{
    const struct vmiring_subscription request = {
        .size = sizeof(request), .reason = VMIRING_GUEST_REQUEST, .sync = 1,
        .regs = VMIRING_REGS_CORE,
    };
    const struct vmiring_subscription cr3 = {
        .size = sizeof(cr3), .reason = VMIRING_WRITE_CTRLREG,
        .index = VMIRING_CR3, .regs = core ? VMIRING_REGS_CORE : 0,
    };

    if ( (sync_requests && vmiring_subscribe(a->h, &request)) ||
         (async_cr3 && vmiring_subscribe(a->h, &cr3)) )
    {
        a->err = errno;
        return false;
    }

    return true;
}

bool agent_unsubscribe_sync(struct sdk_agent *a)
{
    const struct vmiring_subscription request = {
        .size = sizeof(request), .reason = VMIRING_GUEST_REQUEST, .sync = 1,
        .regs = VMIRING_REGS_CORE,
    };

    return !vmiring_unsubscribe(a->h, &request);
}

void agent_close(struct sdk_agent *a)
{
    vmiring_close(a->h);
    a->h = NULL;
}

bool agent_leave(struct sdk_agent *a)
{
    if ( vmiring_leave(a->h) )
    {
        a->err = errno;
        return false;
    }
    a->h = NULL;

    return true;
}

void agent_dies(struct sdk_agent *a)
{
    struct inproc *in = a->host;

    if ( !in )
        return;
    in->dead = true;
    in_unbind(&in->host, 0);
}

void agent_kick(struct sdk_agent *a)
{
    glue_kick(((struct inproc *)a->host)->bell);
}

void agent_nudge(struct sdk_agent *a)
{
    vmiring *h = a->h;

    if ( h && !a->killed )
        eventfd_write(h->more_fd, 1);
}

void agent_bury(struct sdk_agent *a)
{
    if ( !a->h || !a->killed )
        return;
    ((struct inproc *)a->host)->dead = true;
    vmiring_close(a->h);
    a->h = NULL;
}

/* ---- what it is told ---- */

static void check_regs(const struct vmiring_event *ev)
{
    static const enum vmiring_reg marked[] = {
        VMIRING_RAX, VMIRING_RBX, VMIRING_R8, VMIRING_R15,
    };
    uint64_t token, value;
    unsigned int i;

    if ( vmiring_get_reg(ev, VMIRING_RDI, &token) )
        rt_fail("an event without registers");
    if ( token >> 32 != ev->vcpu + 1 )
        rt_fail("vCPU %u's event has the token %#llx", ev->vcpu,
                (unsigned long long)token);
    for ( i = 0; i < ARRAY_SIZE(marked); i++ )
        if ( vmiring_get_reg(ev, marked[i], &value) ||
             value != sched_mark(token, i) )
            rt_fail("a torn record: vCPU %u token %#llx, register %u is %#llx",
                    ev->vcpu, (unsigned long long)token, i,
                    (unsigned long long)value);
}

static void check_strict(const struct sdk_agent *a,
                         const struct vmiring_event *ev, uint64_t n)
{
    if ( a->wish.strict && n != ev->seq )
        rt_fail("vCPU %u's event %llu has the sequence number %llu", ev->vcpu,
                (unsigned long long)n, (unsigned long long)ev->seq);
}

static void take_cr3(struct sdk_agent *a, const struct vmiring_event *ev)
{
    struct vmiring_ctrlreg cr;
    uint64_t n;

    if ( vmiring_get_ctrlreg(ev, &cr) )
        rt_fail("a CR3 event without a payload");
    n = cr.new_value >> 12 & 0xffffff;
    if ( cr.index != VMIRING_CR3 || cr.new_value != sched_cr3(ev->vcpu, n) ||
         cr.old_value >> 12 >= cr.new_value >> 12 )
        rt_fail("a torn record: vCPU %u, CR%u %#llx -> %#llx", ev->vcpu,
                cr.index, (unsigned long long)cr.old_value,
                (unsigned long long)cr.new_value);
    check_strict(a, ev, n);
    if ( ev->regs != VMIRING_REGS_NONE )
        check_regs(ev);
    if ( a->wish.strict && a->next[ev->vcpu] && ev->seq != a->next[ev->vcpu] )
        rt_fail("vCPU %u: a gap from %llu to %llu that no loss explains",
                ev->vcpu, (unsigned long long)a->next[ev->vcpu],
                (unsigned long long)ev->seq);
    a->next[ev->vcpu] = ev->seq + 1;
    a->async[ev->vcpu]++;
}

static void take_lost(struct sdk_agent *a, const struct vmiring_event *ev)
{
    struct vmiring_lost l;

    if ( vmiring_get_lost(ev, &l) || !l.count ||
         l.last_seq - l.first_seq + 1 != l.count )
        rt_fail("a loss report that makes no sense");
    if ( a->wish.strict && a->next[ev->vcpu] &&
         l.first_seq != a->next[ev->vcpu] )
        rt_fail("vCPU %u: a loss from %llu on, where %llu was expected",
                ev->vcpu, (unsigned long long)l.first_seq,
                (unsigned long long)a->next[ev->vcpu]);
    a->next[ev->vcpu] = l.last_seq + 1;
    a->lost[ev->vcpu] += l.count;
}

static void take_request(struct sdk_agent *a, const struct vmiring_event *ev)
{
    struct vmiring_response rsp = { .size = sizeof(rsp) };
    uint64_t token;
    bool again = a->wish.strict && ev->seq < a->next[ev->vcpu];

    check_regs(ev);
    vmiring_get_reg(ev, VMIRING_RDI, &token);
    check_strict(a, ev, (uint32_t)token);
    if ( a->wish.strict && ev->seq > a->next[ev->vcpu] )
        rt_fail("vCPU %u: its request %llu came before what it raised first",
                ev->vcpu, (unsigned long long)ev->seq);
    if ( again )
        rt_fail("vCPU %u: request %llu came twice", ev->vcpu,
                (unsigned long long)ev->seq);
    a->next[ev->vcpu] = ev->seq + 1;
    if ( a->wish.change )
    {
        vmiring_regs_from(ev, &rsp);
        rsp.flags = VMIRING_RSP_SET_REGISTERS;
        rsp.regs[VMIRING_RDI] ^= SCHED_KEY;
    }
    if ( !vmiring_respond(a->h, ev, a->wish.change ? &rsp : NULL) )
        a->sync[ev->vcpu]++;
    else if ( a->wish.strict )
        rt_fail("an answer is refused: %s", vmiring_error(a->h));
}

static void take(struct sdk_agent *a, const struct vmiring_event *ev)
{
    switch ( ev->reason )
    {
    case VMIRING_GUEST_REQUEST:
        take_request(a, ev);
        break;

    case VMIRING_WRITE_CTRLREG:
        take_cr3(a, ev);
        break;

    case VMIRING_LOST:
        take_lost(a, ev);
        break;

    case VMIRING_DOMAIN:
        break;

    default:
        rt_fail("an event of the kind %u", ev->reason);
    }
}

int agent_turn(struct sdk_agent *a)
{
    struct vmiring_event ev[8];
    unsigned int max = a->wish.batch ? a->wish.batch : ARRAY_SIZE(ev);
    int n = a->wish.spin_us && rt_draw(2)
            ? vmiring_receive_wait(a->h, ev, max, 0)
            : vmiring_receive(a->h, ev, max);
    int i;

    if ( n < 0 )
    {
        if ( errno == EAGAIN )
            return 0;
        if ( errno == EBADMSG || a->wish.strict )
            rt_fail("receive: %s", vmiring_error(a->h));
        a->err = errno;
        return -1;
    }
    for ( i = 0; i < n; i++ )
        take(a, &ev[i]);
    vmiring_release(a->h);

    return n;
}

void agent_sleep(struct sdk_agent *a)
{
    rt_note("sleeps");
    if ( a->wish.deaf && rt_draw(2) )
        in_drain(a->host);
    vmiring_wait(a->h, a->wish.deaf ? 1 : -1);
    rt_note("wakes");
}

uint64_t agent_total(const struct sdk_agent *a)
{
    uint64_t n = 0;
    unsigned int i;

    for ( i = 0; i < SCHED_VCPUS; i++ )
        n += a->async[i] + a->lost[i] + a->sync[i];

    return n;
}
