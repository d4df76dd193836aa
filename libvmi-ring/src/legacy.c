/* SPDX-License-Identifier: MIT */
/*
 * The legacy ABI: one page with eight entries, for requests and answers.
 *
 * The page was a guest's, and an older Xen maps it while the guest may still
 * write to it.  So every index is read once and checked, every request copied
 * once and checked, and our own positions are kept in private.
 *
 * A request takes up its entry until it is answered, also one that needs no
 * answer.  Those we answer as soon as they are copied; Xen can then go on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "legacy.h"

/* Entries after the header, a power of two of them. */
static uint32_t ring_entries(void)
{
    uint32_t room = (HOST_PAGE - offsetof(vm_event_sring_t, ring)) /
                    sizeof(union vm_event_sring_entry);
    uint32_t n = 1;

    while ( n * 2 <= room )
        n *= 2;

    return n;
}

static struct outstanding *find_outstanding(struct legacy *l, uint64_t handle)
{
    uint32_t i;

    for ( i = 0; i < LEGACY_ENTRIES_MAX; i++ )
        if ( l->out[i].handle == handle )
            return &l->out[i];

    return NULL;
}

/* ---- answers ---- */

static void push(vmiring *h, const vm_event_response_t *rsp)
{
    struct legacy *l = h->legacy;

    /* L3.  There is room: every answer stands for a request taken before. */
    shm_copy_in(&l->ring->ring[l->rsp_prod & (l->entries - 1)].rsp, rsp,
                sizeof(*rsp));
    l->rsp_prod++;
    shm_release32(&l->ring->rsp_prod, l->rsp_prod);  /* L4 */
    h->kick_due = true;
}

static void push_plain(vmiring *h, const vm_event_request_t *req)
{
    vm_event_response_t rsp = {
        .version = VM_EVENT_INTERFACE_VERSION,
        .flags = req->flags & VM_EVENT_FLAG_VCPU_PAUSED,
        .reason = req->reason,
        .vcpu_id = req->vcpu_id,
    };

    push(h, &rsp);
}

static void fill_response(vm_event_response_t *out, const struct outstanding *o,
                          const struct vmiring_response *rsp)
{
    *out = (vm_event_response_t){
        .version = VM_EVENT_INTERFACE_VERSION,
        .flags = VM_EVENT_FLAG_VCPU_PAUSED | (rsp ? rsp->flags : 0),
        .reason = o->req.reason,
        .vcpu_id = o->req.vcpu_id,
        .altp2m_idx = o->req.altp2m_idx,
        .u = o->req.u,      /* DENY and EMULATE look at what was asked */
    };

    if ( !rsp )
        return;

    if ( rsp->flags & VMIRING_RSP_ALTERNATE_P2M )
        out->altp2m_idx = rsp->altp2m_view;
    if ( rsp->flags & VMIRING_RSP_FAST_SINGLESTEP )
        out->u.fast_singlestep.p2midx = rsp->fast_view;
    if ( rsp->flags & VMIRING_RSP_SET_REGISTERS )
        legacy_set_regs(out, rsp->regs);
    if ( rsp->flags & VMIRING_RSP_SET_EMUL_READ_DATA )
    {
        out->data.emul.read.size = rsp->emul_size;
        memcpy(out->data.emul.read.data, rsp->emul, rsp->emul_size);
    }
    if ( rsp->flags & VMIRING_RSP_SET_EMUL_INSN_DATA )
        memcpy(out->data.emul.insn.data, rsp->emul,
               sizeof(out->data.emul.insn.data));
}

static void answer(vmiring *h, struct outstanding *o,
                   const struct vmiring_response *rsp)
{
    vm_event_response_t out;

    fill_response(&out, o, rsp);
    o->handle = 0;
    push(h, &out);
}

static int legacy_respond(vmiring *h, uint32_t vcpu, uint64_t handle,
                          const struct vmiring_response *rsp)
{
    struct legacy *l = h->legacy;
    struct outstanding *o = find_outstanding(l, handle);

    if ( handle > l->last_handle )
        return fail(&h->msg, EINVAL, "event.handle: %llu was never given out",
                    (unsigned long long)handle);
    if ( !o )
        return fail(&h->msg, EALREADY, "vCPU %u's request was answered before",
                    vcpu);
    if ( o->req.vcpu_id != vcpu )
        return fail(&h->msg, EINVAL, "event.vcpu: is %u, the request is vCPU "
                    "%u's", vcpu, o->req.vcpu_id);

    answer(h, o, rsp);

    return 0;
}

static int legacy_kick(vmiring *h)
{
    return h->host->ops->notify(h->host, h->local_port);
}

/* ---- requests ---- */

static int legacy_check(vmiring *h)
{
    if ( h->legacy->domain_told == VMEV2_DOMAIN_DYING )
        return fail(&h->msg, ENODEV, "domain %u is gone", h->domid);

    return 0;
}

/*
 * Nothing in the ring tells of the domain's end, so it is asked for, at most
 * once per tick of a timer that wakes the application for it.
 */
static void legacy_idle(vmiring *h)
{
    struct legacy *l = h->legacy;
    struct legacy_info info;
    uint64_t ticks;

    if ( read(l->timer_fd, &ticks, sizeof(ticks)) != sizeof(ticks) )
        return;

    if ( !l->host->ops->info(l->host, h->domid, &info) )
    {
        l->domain = info.state;
        l->shutdown_code = info.shutdown_code;
    }
    else if ( errno == ESRCH )
        l->domain = VMEV2_DOMAIN_DYING;
}

static int next_domain(struct legacy *l, struct event *e)
{
    if ( l->domain == l->domain_told )
        return 0;

    l->domain_told = l->domain;
    event_domain(e, l->domain, l->shutdown_code);

    return 1;
}

static int legacy_collect(vmiring *h)
{
    struct legacy *l = h->legacy;
    uint32_t prod = shm_acquire32(&l->ring->req_prod);  /* L2 */

    /* Requests not taken, and taken ones not answered, share the entries. */
    if ( prod - l->rsp_prod > l->entries ||
         prod - l->rsp_prod < l->req_cons - l->rsp_prod )
        return fail(&h->msg, EBADMSG, "legacy ring: req_prod is 0x%x, which "
                    "is not within %u entries of 0x%x", prod, l->entries,
                    l->rsp_prod);

    l->limit = prod;

    return 0;
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);

    return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void keep(struct legacy *l, struct event *e,
                 const vm_event_request_t *req)
{
    struct outstanding *o = find_outstanding(l, 0);

    /* One is free: there are as many as entries. */
    o->req = *req;
    o->handle = ++l->last_handle;
    e->handle = o->handle;
}

static int legacy_next(vmiring *h, struct event *e)
{
    struct legacy *l = h->legacy;
    vm_event_request_t req;
    const char *bad;

    if ( l->req_cons == l->limit )
        return next_domain(l, e);

    shm_copy_out(&req, &l->ring->ring[l->req_cons & (l->entries - 1)].req,
                 sizeof(req));
    bad = legacy_convert(e, &req, h->nr_vcpus);
    if ( bad )
        return fail(&h->msg, EBADMSG, "legacy ring: request 0x%x has a bad %s",
                    l->req_cons, bad);

    l->req_cons++;
    e->rec.seq = ++l->seq[req.vcpu_id];
    e->rec.time = now_ns(CLOCK_MONOTONIC);
    if ( e->rec.flags & VMEV2_REC_SYNC )
        keep(l, e, &req);
    else
        push_plain(h, &req);

    return 1;
}

/*
 * Xen, of any version, rings for every request and reads no req_event, so there
 * is no order to keep between this look and a word of ours.
 */
static bool legacy_settle(vmiring *h)
{
    const struct legacy *l = h->legacy;

    return shm_read32(&l->ring->req_prod) != l->req_cons;
}

/* ---- the end ---- */

/* Takes what is in the ring and answers all there is with "continue". */
static void answer_rest(vmiring *h)
{
    struct legacy *l = h->legacy;
    uint64_t body[LEGACY_BODY / sizeof(uint64_t)];
    struct event e = { .body = (uint8_t *)body };
    uint32_t i;

    if ( !legacy_collect(h) )
        while ( legacy_next(h, &e) > 0 )
            continue;

    for ( i = 0; i < LEGACY_ENTRIES_MAX; i++ )
        if ( l->out[i].handle )
            answer(h, &l->out[i], NULL);

    if ( h->kick_due )
        legacy_kick(h);
    h->kick_due = false;
}

/*
 * Disable fails with EBUSY while a vCPU sleeps in an older Xen, waiting for
 * room in the ring; it goes on, and raises its event, only if the domain runs.
 * In the pause no vCPU is about to raise one, so that none is left unanswered.
 */
#define DISABLE_TRIES       200
#define DISABLE_RETRY_NS    10000000L

static void disable(vmiring *h)
{
    const struct timespec pause = { .tv_nsec = DISABLE_RETRY_NS };
    struct legacy_host *lh = h->legacy->host;
    unsigned int i;

    for ( i = 0; i < DISABLE_TRIES; i++ )
    {
        bool paused = !lh->ops->pause(lh, h->domid);
        int rc;

        answer_rest(h);
        rc = lh->ops->disable(lh, h->domid);
        if ( rc )
            rc = errno;
        if ( paused )
            lh->ops->unpause(lh, h->domid);
        if ( rc != EBUSY )
            return;
        nanosleep(&pause, NULL);
    }
}

static void legacy_close(vmiring *h, bool child)
{
    struct legacy *l = h->legacy;
    size_t i;

    if ( !child && l->ring )
    {
        for ( i = 0; i < h->nr_subs; i++ )
            legacy_monitor(h, &h->subs[i], false);
        disable(h);
        l->host->ops->unmap(l->host, (void __force *)l->ring);
    }
    if ( !child && h->local_port >= 0 )
        h->host->ops->unbind(h->host, h->local_port);
    h->local_port = -1;

    if ( l->timer_fd >= 0 )
        close(l->timer_fd);
    l->host->ops->close(l->host, child);
    free(l->seq);
    free(l);
    h->legacy = NULL;
}

static int legacy_leave(vmiring *h)
{
    return fail(&h->msg, ENOTSUP, "leave: the legacy ABI cannot hold a channel "
                "for the next agent");
}

static const struct engine_ops legacy_engine = {
    .abi = VMIRING_ABI_LEGACY,
    .check = legacy_check,
    .collect = legacy_collect,
    .idle = legacy_idle,
    .next = legacy_next,
    .settle = legacy_settle,
    .respond = legacy_respond,
    .kick = legacy_kick,
    .monitor = legacy_monitor,
    .set_access = legacy_set_access,
    .get_access = legacy_get_access,
    .set_access_list = legacy_set_access_list,
    .leave = legacy_leave,
    .close = legacy_close,
};

/* ---- open ---- */

static int enable(vmiring *h, const vmiring_options *o)
{
    struct legacy *l = h->legacy;
    struct legacy_host *lh = l->host;
    const struct itimerspec tick = {
        .it_interval = { .tv_sec = 1 }, .it_value = { .tv_sec = 1 },
    };
    char holder[64];
    uint32_t port;

    l->ring = (void SHARED *)lh->ops->enable(lh, h->domid, &port);
    if ( !l->ring )
    {
        switch ( errno )
        {
        case EBUSY:
            holder_read(o, holder, sizeof(holder));
            return fail(&h->msg, EBUSY, "domain %u is held by %s", h->domid,
                        holder[0] ? holder : "another agent, which left no "
                        "name, or by one that died: vmiring_force_release()");

        case EOPNOTSUPP:
        case ENODEV:
        case EINVAL:
            return fail(&h->msg, EPROTONOSUPPORT, "domain %u cannot be "
                        "monitored: %s", h->domid, strerror(errno));

        default:
            return fail(&h->msg, errno, "enabling the monitor ring of domain "
                        "%u: %s", h->domid, strerror(errno));
        }
    }

    /* Xen begins at 0 too; nothing is subscribed to, so nothing is there. */
    shm_write32(&l->ring->req_prod, 0);
    shm_write32(&l->ring->rsp_prod, 0);
    shm_write32(&l->ring->req_event, 1);
    shm_write32(&l->ring->rsp_event, 1);

    h->local_port = h->host->ops->bind(h->host, h->domid, port);
    if ( h->local_port < 0 )
        return fail(&h->msg, errno, "binding the port of domain %u: %s",
                    h->domid, strerror(errno));

    l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if ( l->timer_fd < 0 || timerfd_settime(l->timer_fd, 0, &tick, NULL) )
        return fail(&h->msg, errno, "timerfd: %s", strerror(errno));

    if ( fds_watch(h, l->timer_fd) )
        return -1;

    return fds_watch(h, h->host->ops->fd(h->host));
}

static int open_fail(vmiring *h, const char *what)
{
    int err = errno;

    if ( err == ESRCH || err == ENOENT )
        return fail(&h->msg, ENOENT, "no domain %u", h->domid);
    if ( err == EPERM || err == EACCES )
        return fail(&h->msg, EACCES, "no permission to use Xen: %s: %s", what,
                    strerror(err));

    return fail(&h->msg, err, "%s: %s", what, strerror(err));
}

int legacy_open(vmiring *h, struct legacy_host *lh, const vmiring_options *o)
{
    struct legacy *l = calloc(1, sizeof(*l));
    struct legacy_info info;
    int version;

    if ( !l )
        return fail(&h->msg, ENOMEM, "no memory");

    h->legacy = l;
    h->engine = &legacy_engine;
    l->host = lh;
    l->timer_fd = -1;
    l->entries = ring_entries();

    version = lh->ops->version(lh);
    if ( version < 0 )
        return open_fail(h, "the vm_event version");
    if ( version != VM_EVENT_INTERFACE_VERSION )
        return fail(&h->msg, EPROTONOSUPPORT, "this Xen's vm_event version is "
                    "%d, this library knows %d", version,
                    VM_EVENT_INTERFACE_VERSION);

    if ( lh->ops->info(lh, h->domid, &info) )
        return open_fail(h, "the domain's state");
    h->nr_vcpus = info.nr_vcpus;

    l->seq = calloc(h->nr_vcpus, sizeof(*l->seq));
    if ( !l->seq )
        return fail(&h->msg, ENOMEM, "no memory");

    h->body_size = LEGACY_BODY;
    /* Xen does not say; an Arm one sets the pc, and ignores the rest. */
#if defined(__aarch64__) || defined(__arm__)
    h->rsp_flags = VMIRING_RSP_SET_REGISTERS;
    h->arm64 = true;
#else
    h->rsp_flags = VMEV2_RSP_KNOWN;
#endif
    h->geometry.nr_vcpus = h->nr_vcpus;
    h->geometry.nr_rings = 1;
    h->geometry.ring_bytes = HOST_PAGE;

    h->clock.time = now_ns(CLOCK_MONOTONIC);
    h->clock.wall = now_ns(CLOCK_REALTIME);

    if ( enable(h, o) )
        return -1;

    legacy_offers(h);

    return 0;
}
