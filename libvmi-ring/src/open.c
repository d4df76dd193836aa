/* SPDX-License-Identifier: MIT */
/* Opening and closing a handle, and what it says about itself. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"

/* What a v2 channel always has. */
#define V2_CAPS (VMIRING_CAP_LOSSY | VMIRING_CAP_REGSETS | \
                 VMIRING_CAP_SEQUENCE | VMIRING_CAP_TIME | \
                 VMIRING_CAP_DETACH | VMIRING_CAP_INFO)

/* ---- hosts ---- */

struct host *host_for(struct msg *msg, const vmiring_options *opts)
{
    if ( opts->capture )
        return replay_host_open(msg, opts->capture);

    return opts->sim ? sim_host_open(msg, opts->sim) : xen_host_open(msg);
}

struct legacy_host *legacy_for(struct msg *msg, struct host *host,
                               const vmiring_options *opts)
{
    if ( !opts->sim )
        return legacy_plugin_open(msg, opts->legacy_plugin);

    if ( sim_host_offers(host, VMIRING_ABI_LEGACY) )
        return sim_legacy(host);

    fail(msg, EPROTONOSUPPORT, "this simulated host does not offer the legacy "
         "ABI");

    return NULL;
}

/* ---- which ABI ---- */

int v2_query_fail(struct msg *msg, uint32_t domid)
{
    int err = errno;

    switch ( err )
    {
    case ESRCH:
        return fail(msg, ENOENT, "no domain %u", domid);

    case EPERM:
    case EACCES:
        return fail(msg, EACCES, "no permission to introspect domain %u",
                    domid);

    case ENODEV:
        return fail(msg, ENODEV, "domain %u is being destroyed", domid);

    /*
     * What a Xen without it says to an unknown dm_op, to a dm_op on a domain
     * that is not HVM, and what a kernel without dm_op says.
     */
    case EOPNOTSUPP:
    case EINVAL:
    case ENOSYS:
    case ENOTTY:
        return fail(msg, EPROTONOSUPPORT, "this host does not offer the v2 ABI "
                    "for domain %u: %s", domid, strerror(err));

    default:
        return fail(msg, err, "asking about domain %u: %s", domid,
                    strerror(err));
    }
}

/* 1: v2 is there, 0: it is not (errno, message), -1: no use in trying on. */
static int query(vmiring *h)
{
    struct vmev2_op_query q;

    if ( v2_query(h->host, h->domid, &q) )
    {
        v2_query_fail(&h->msg, h->domid);
        return errno == EPROTONOSUPPORT ? 0 : -1;
    }

    if ( q.compat > VMEV2_VERSION )
    {
        fail(&h->msg, EPROTONOSUPPORT, "this host's v2 ABI is version %u and "
             "needs a reader that knows %u; this library knows %u",
             q.version, q.compat, VMEV2_VERSION);
        return 0;
    }

    h->caps = V2_CAPS | h->host->ops->caps;
    if ( q.features & VMEV2_FEAT_HOLD )
        h->caps |= VMIRING_CAP_HOLD;
    if ( q.features & VMEV2_FEAT_DEADLINE )
        h->caps |= VMIRING_CAP_DEADLINE;
    if ( q.features & VMEV2_FEAT_SPLIT_RINGS )
        h->caps |= VMIRING_CAP_SPLIT_RINGS;
    if ( q.features & VMEV2_FEAT_SLOT_PORTS )
        h->caps |= VMIRING_CAP_WORKERS;
    h->rsp_flags = q.rsp_flags & VMEV2_RSP_KNOWN;
    h->reasons = q.reasons;

    return 1;
}

/* ---- capabilities ---- */

static const struct {
    uint64_t cap;
    const char *name;
} cap_names[] = {
    { VMIRING_CAP_LOSSY, "LOSSY" }, { VMIRING_CAP_REGSETS, "REGSETS" },
    { VMIRING_CAP_SEQUENCE, "SEQUENCE" }, { VMIRING_CAP_TIME, "TIME" },
    { VMIRING_CAP_DEADLINE, "DEADLINE" }, { VMIRING_CAP_HOLD, "HOLD" },
    { VMIRING_CAP_DETACH, "DETACH" },
    { VMIRING_CAP_SPLIT_RINGS, "SPLIT_RINGS" },
    { VMIRING_CAP_RESTRICT, "RESTRICT" }, { VMIRING_CAP_INFO, "INFO" },
    { VMIRING_CAP_SIMULATED, "SIMULATED" }, { VMIRING_CAP_REPLAY, "REPLAY" },
    { VMIRING_CAP_WORKERS, "WORKERS" },
};

/* What the options ask for, besides what they say they require. */
static uint64_t wanted_caps(const vmiring_options *o)
{
    uint64_t caps = o->required;

    if ( o->on_death == VMIRING_DEATH_HOLD ||
         o->flags & (VMIRING_OPEN_REATTACH | VMIRING_OPEN_TAKEOVER) )
        caps |= VMIRING_CAP_HOLD;
    if ( o->on_death == VMIRING_DEATH_CRASH )
        caps |= VMIRING_CAP_DETACH;
    if ( o->deadline_ms )
        caps |= VMIRING_CAP_DEADLINE;
    if ( o->flags & VMIRING_OPEN_SPLIT_RINGS )
        caps |= VMIRING_CAP_SPLIT_RINGS;
    if ( o->flags & VMIRING_OPEN_SLOT_PORTS )
        caps |= VMIRING_CAP_WORKERS;

    return caps;
}

static int check_caps(vmiring *h, const vmiring_options *o, const char *abi)
{
    uint64_t missing = wanted_caps(o) & ~h->caps;
    char names[160] = "";
    size_t i;

    if ( !missing )
        return 0;

    for ( i = 0; i < ARRAY_SIZE(cap_names); i++ )
    {
        if ( !(missing & cap_names[i].cap) )
            continue;
        if ( names[0] )
            strcat(names, ", ");
        strcat(names, cap_names[i].name);
        missing &= ~cap_names[i].cap;
    }

    return fail(&h->msg, ENOTSUP, "the %s ABI of this host lacks %s%s", abi,
                names, missing ? " and one that this library does not know"
                               : "");
}

/* ---- open ---- */

static vmiring *new_handle(struct msg *msg, const vmiring_options *o,
                           struct host *host)
{
    vmiring *h = calloc(1, sizeof(*h));

    if ( !h )
    {
        fail(msg, ENOMEM, "no memory");
        return NULL;
    }

    h->host = host;
    h->domid = o->domid;
    h->simulated = o->sim;
    h->local_port = -1;
    h->epoll_fd = h->more_fd = -1;
    h->geometry.size = sizeof(h->geometry);
    h->clock.size = sizeof(h->clock);
    h->stats.size = sizeof(h->stats);

    return h;
}

static int open_legacy(vmiring *h, struct legacy_host *lh,
                       const vmiring_options *o)
{
    h->caps = h->host->ops->caps & ~VMIRING_CAP_RESTRICT;
    if ( check_caps(h, o, "legacy") )
        return -1;

    if ( !lh )
        lh = legacy_for(&h->msg, h->host, o);

    return lh ? legacy_open(h, lh, o) : -1;
}

static int open_abi(vmiring *h, struct legacy_host *lh,
                    const vmiring_options *o,
                    const struct vmiring_worker *w)
{
    int there = 0;

    if ( w )
        return query(h) <= 0 || v2_open_worker(h, w) ? -1 : 0;

    if ( o->capture )
        return replay_open(h, o) || check_caps(h, o, "replayed") ? -1 : 0;

    if ( o->abi != VMIRING_ABI_LEGACY )
    {
        there = query(h);
        if ( there < 0 || (!there && o->abi == VMIRING_ABI_V2) )
            return -1;
    }

    if ( !there )
        return open_legacy(h, lh, o);

    return check_caps(h, o, "v2") ? -1 : v2_open(h, o);
}

static int make_batch(vmiring *h)
{
    size_t size = (h->body_size + 7) & ~(size_t)7;
    uint32_t i;

    h->batch = aligned_alloc(_Alignof(struct event),
                             BATCH_MAX * sizeof(*h->batch));
    h->bodies = calloc(BATCH_MAX, size);
    if ( !h->batch || !h->bodies )
        return fail(&h->msg, ENOMEM, "no memory");

    memset(h->batch, 0, BATCH_MAX * sizeof(*h->batch));
    for ( i = 0; i < BATCH_MAX; i++ )
        h->batch[i].body = h->bodies + i * size;

    return 0;
}

/*
 * Who may use one CPU only would spin in the way of what it waits for, if that
 * is a process too.  Xen's guests are not: their CPUs are not ours to count.
 */
static bool one_cpu(const struct host *host)
{
    cpu_set_t set;

    return (host->ops->caps & VMIRING_CAP_SIMULATED) &&
           !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) == 1;
}

static vmiring *open_handle(struct host *host, struct legacy_host *lh,
                            const vmiring_options *o,
                            const struct vmiring_worker *w)
{
    struct msg *msg = open_msg();
    vmiring *h = new_handle(msg, o, host);
    int err;

    if ( !h )
    {
        host->ops->close(host, false);
        errno = ENOMEM;
        return NULL;
    }

    if ( fork_mark(h) || fds_open(h) || open_abi(h, lh, o, w) ||
         make_batch(h) )
    {
        err = errno;
        *msg = h->msg;
        vmiring_close(h);
        errno = err;
        return NULL;
    }

    if ( !o->capture && !w )
        holder_write(h, o);
    h->spin_us = one_cpu(host) ? 0 : o->spin_us;
    h->spin_now = h->spin_us;

    return h;
}

vmiring *vmiring_open_on(struct host *host, struct legacy_host *lh,
                         const vmiring_options *o)
{
    return open_handle(host, lh, o, NULL);
}

vmiring *vmiring_worker_on(struct host *host, const vmiring_options *o,
                           const struct vmiring_worker *w)
{
    return open_handle(host, NULL, o, w);
}

vmiring *vmiring_worker_open(const vmiring_options *opts,
                             const struct vmiring_worker *worker)
{
    struct msg *msg = open_msg();
    struct vmiring_worker w;
    vmiring_options o;
    struct host *host;

    if ( options_check(msg, &o, opts) || worker_check(msg, &o, &w, worker) )
        return NULL;

    host = host_for(msg, &o);

    return host ? vmiring_worker_on(host, &o, &w) : NULL;
}

vmiring *vmiring_open(const vmiring_options *opts)
{
    struct msg *msg = open_msg();
    vmiring_options o;
    struct host *host;

    if ( options_check(msg, &o, opts) )
        return NULL;

    host = host_for(msg, &o);

    return host ? vmiring_open_on(host, NULL, &o) : NULL;
}

/* ---- close ---- */

static void free_handle(vmiring *h, bool child)
{
    if ( !child )
        holder_remove(h);
    h->host->ops->close(h->host, child);
    fds_close(h);
    fork_unmark(h);
    free(h->holder_file);
    free(h->batch);
    free(h->bodies);
    free(h->subs);
    free(h);
}

void vmiring_close(vmiring *h)
{
    bool child;

    if ( !h )
        return;

    child = fork_is_child(h);
    if ( h->engine )
        h->engine->close(h, child);
    free_handle(h, child);
}

int vmiring_leave(vmiring *h)
{
    if ( usable(h) || h->engine->check(h) || flush_kicks(h) ||
         h->engine->leave(h) )
        return -1;

    free_handle(h, false);

    return 0;
}

/* ---- about the handle ---- */

uint64_t vmiring_caps(const vmiring *h)
{
    return h->caps;
}

uint32_t vmiring_domid(const vmiring *h)
{
    return h->domid;
}

enum vmiring_abi vmiring_abi_used(const vmiring *h)
{
    return h->engine->abi;
}

/* The message is the one part of a const handle that a call may change. */
static struct msg *msg_of(const vmiring *h)
{
    return (struct msg *)&h->msg;
}

int vmiring_geometry(const vmiring *h, struct vmiring_geometry *g)
{
    if ( same_process((vmiring *)h) )
        return -1;

    return copy_out(msg_of(h), "geometry", g, &h->geometry,
                    sizeof(h->geometry),
                    offsetof(struct vmiring_geometry, generation));
}

int vmiring_offers(const vmiring *h, uint64_t *reasons, uint32_t *rsp_flags)
{
    if ( same_process((vmiring *)h) )
        return -1;
    if ( !reasons || !rsp_flags )
        return fail(msg_of(h), EINVAL, "offers: a pointer is NULL");

    *reasons = h->reasons;
    *rsp_flags = h->rsp_flags;

    return 0;
}

int vmiring_clock(const vmiring *h, struct vmiring_clock *c)
{
    if ( same_process((vmiring *)h) )
        return -1;

    return copy_out(msg_of(h), "clock", c, &h->clock, sizeof(h->clock),
                    sizeof(h->clock));
}

int vmiring_stats(const vmiring *h, struct vmiring_stats *s)
{
    struct vmiring_stats now = h->stats;

    if ( same_process((vmiring *)h) )
        return -1;
    if ( h->engine->untold )
        now.lost += h->engine->untold(h);
    if ( h->engine->expired )
        now.expired = h->engine->expired(h);

    return copy_out(msg_of(h), "stats", s, &now, sizeof(now),
                    offsetof(struct vmiring_stats, answered));
}

int vmiring_restrict(vmiring *h)
{
    if ( usable(h) )
        return -1;
    if ( !(h->caps & VMIRING_CAP_RESTRICT) )
        return fail(&h->msg, ENOTSUP, "restrict: the legacy ABI's domctl "
                    "handles cannot be restricted to a domain");
    if ( h->host->ops->restrict_to(h->host, h->domid) )
        return fail(&h->msg, errno, "restricting to domain %u: %s", h->domid,
                    strerror(errno));

    return 0;
}
