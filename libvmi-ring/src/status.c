/* SPDX-License-Identifier: MIT */
/* Looking at channels without holding them, and ending one by force. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

/* ---- per-vCPU counts ---- */

static void convert_vcpu(struct vmiring_vcpu_info *out,
                         const struct vmev2_vcpu_info *in)
{
    *out = (struct vmiring_vcpu_info){
        .size = sizeof(*out),
        .seq = in->seq, .produced = in->produced, .lost = in->lost,
        .raised = in->raised, .answered = in->answered,
        .released = in->released, .cancelled = in->cancelled,
        .stale = in->stale, .bad = in->bad, .pauses = in->pauses,
        .pending_since = in->pending_since,
        .pending_reason = in->pending_reason, .pending = in->pending,
    };
}

/* Fills the caller's array, whose entries are as long as the first one says. */
static int get_vcpus(struct msg *msg, struct host *host, uint32_t domid,
                     struct vmev2_op_info *info, uint32_t first, uint32_t nr,
                     struct vmiring_vcpu_info *out)
{
    struct vmev2_vcpu_info *raw = NULL;
    struct vmiring_vcpu_info one;
    size_t stride = 0;
    int got;
    int i;

    if ( nr )
    {
        stride = out->size;
        raw = calloc(nr, sizeof(*raw));
        if ( !raw )
            return fail(msg, ENOMEM, "no memory");
    }

    got = v2_info(host, domid, info, raw, first, nr);
    for ( i = 0; i < got; i++ )
    {
        char *entry = (char *)out + i * stride;

        memcpy(entry, &stride, sizeof(stride));
        convert_vcpu(&one, &raw[i]);
        if ( copy_out(msg, "vcpu_info", entry, &one, sizeof(one),
                      offsetof(struct vmiring_vcpu_info, stale)) )
            got = -2;
    }
    free(raw);

    return got;
}

int vmiring_info(vmiring *h, uint32_t first, uint32_t nr,
                 struct vmiring_vcpu_info *out)
{
    struct vmev2_op_info info;
    int got;

    if ( usable(h) )
        return -1;
    if ( !(h->caps & VMIRING_CAP_INFO) )
        return fail(&h->msg, ENOTSUP, "info: %s", h->caps &
                    VMIRING_CAP_REPLAY ? "a capture has no counts of Xen's" :
                    "the legacy ABI counts nothing");
    if ( !nr || !out )
        return fail(&h->msg, EINVAL, "info: nr is 0 or out is NULL");
    if ( first >= h->nr_vcpus )
        return fail(&h->msg, EINVAL, "info: first is %u, the domain has %u "
                    "vCPUs", first, h->nr_vcpus);
    if ( nr > h->nr_vcpus - first )
        nr = h->nr_vcpus - first;

    got = get_vcpus(&h->msg, h->host, h->domid, &info, first, nr, out);
    if ( got == -1 && (errno == ESRCH || errno == ENODEV) )
        return fail(&h->msg, ENODEV, "domain %u is gone", h->domid);
    if ( got == -1 )
        return fail(&h->msg, errno, "info: %s", strerror(errno));

    return got < 0 ? -1 : got;
}

/* ---- status ---- */

static void convert_status(struct vmiring_status *st,
                           const struct vmev2_op_info *info,
                           const vmiring_options *o)
{
    *st = (struct vmiring_status){
        .size = sizeof(*st),
        .state = info->state, .agent_domid = info->agent,
        .legacy = info->legacy, .on_death = info->on_death,
        .generation = info->generation, .pending = info->pending,
        .nr_vcpus = info->nr_vcpus, .nr_rings = info->nr_rings,
        .ring_bytes = info->ring_bytes, .deadline_ms = info->deadline_ms,
        .agent_port = info->agent_port, .now = info->now,
        .expired = info->expired, .expired_late = info->expired_late,
        .expired_min = info->expired_min, .expired_max = info->expired_max,
        .on_deadline = info->on_deadline,
        .deadline_deny = info->deadline_flags & VMEV2_RSP_DENY ? 1 : 0,
        .slot_ports = info->slot_ports,
        .slot_ports_bound = info->slot_ports_bound,
    };

    /* A note without a holder is one that could not be removed. */
    if ( info->legacy || info->state == VMEV2_STATE_CREATED ||
         info->state == VMEV2_STATE_ARMED )
        holder_read(o, st->holder, sizeof(st->holder));
}

static int status_on(struct msg *msg, struct host *host,
                     const vmiring_options *o, struct vmiring_status *st,
                     struct vmiring_vcpu_info *vcpus, uint32_t nr)
{
    struct vmiring_status known;
    struct vmev2_op_info info;
    int got = get_vcpus(msg, host, o->domid, &info, 0, vcpus ? nr : 0, vcpus);

    if ( got == -1 )
        return v2_query_fail(msg, o->domid);
    if ( got < 0 )
        return -1;

    convert_status(&known, &info, o);
    if ( copy_out(msg, "status", st, &known, sizeof(known),
                  offsetof(struct vmiring_status, holder)) )
        return -1;

    return got;
}

int vmiring_query_status(const vmiring_options *opts,
                         struct vmiring_status *st,
                         struct vmiring_vcpu_info *vcpus, uint32_t nr)
{
    struct msg *msg = open_msg();
    vmiring_options o;
    struct host *host;
    int rc;
    int err;

    if ( options_check(msg, &o, opts) )
        return -1;

    host = host_for(msg, &o);
    if ( !host )
        return -1;

    rc = status_on(msg, host, &o, st, vcpus, nr);
    err = errno;
    host->ops->close(host, false);
    errno = err;

    return rc;
}

/* ---- release ---- */

/* Ends the channel that INFO shows; one that came since is left alone. */
static int release_v2(struct msg *msg, struct host *host,
                      const vmiring_options *o,
                      const struct vmev2_op_info *info)
{
    struct vmev2_op op = {
        .dmop = XEN_DMOP_vm_event,
        .cmd = VMEV2_CMD_DESTROY,
        .generation = info->generation,
    };

    if ( !host->ops->dm_op(host, o->domid, &op, sizeof(op), NULL, 0) ||
         errno == ENOENT || errno == ENOTCONN )
        return 0;

    return fail(msg, errno == ESRCH ? ENOENT : errno == EPERM ? EACCES : errno,
                "ending the channel of domain %u: %s", o->domid,
                strerror(errno));
}

static int release_legacy(struct msg *msg, struct host *host,
                          const vmiring_options *o)
{
    struct legacy_host *lh = legacy_for(msg, host, o);
    int rc;

    if ( !lh )
        return -1;

    rc = lh->ops->disable(lh, o->domid);
    if ( rc )
        fail(msg, errno == ESRCH ? ENOENT : errno == EPERM ? EACCES : errno,
             "ending the legacy ring of domain %u: %s", o->domid,
             strerror(errno));
    lh->ops->close(lh, false);

    return rc ? -1 : 0;
}

static int release_on(struct msg *msg, struct host *host,
                      const vmiring_options *o)
{
    struct vmev2_op_info info;

    if ( v2_info(host, o->domid, &info, NULL, 0, 0) < 0 )
    {
        v2_query_fail(msg, o->domid);
        if ( errno != EPROTONOSUPPORT || o->abi == VMIRING_ABI_V2 )
            return -1;
        return release_legacy(msg, host, o);
    }

    if ( info.legacy )
        return release_legacy(msg, host, o);
    if ( info.state == VMEV2_STATE_NONE || info.state == VMEV2_STATE_IDLE )
        return 0;

    return release_v2(msg, host, o, &info);
}

int vmiring_force_release(const vmiring_options *opts)
{
    struct msg *msg = open_msg();
    vmiring_options o;
    struct host *host;
    int rc;
    int err;

    if ( options_check(msg, &o, opts) )
        return -1;

    host = host_for(msg, &o);
    if ( !host )
        return -1;

    rc = release_on(msg, host, &o);
    err = errno;
    host->ops->close(host, false);
    errno = err;

    return rc;
}
