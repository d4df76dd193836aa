/* SPDX-License-Identifier: MIT */
/* The v2 ABI's control path: dm_op commands, states, the end. */
#include <errno.h>
#include <string.h>

#include "v2.h"

/* A dm_op buffer is at most a page. */
#define INFO_CHUNK (HOST_PAGE / sizeof(struct vmev2_vcpu_info))

void v2_op_init(struct vmev2_op *op, uint32_t cmd, uint64_t generation)
{
    memset(op, 0, sizeof(*op));
    op->dmop = XEN_DMOP_vm_event;
    op->cmd = cmd;
    op->generation = generation;
}

int v2_op(struct host *host, uint32_t domid, struct vmev2_op *op, void *buf,
          size_t size)
{
    return host->ops->dm_op(host, domid, op, sizeof(*op), buf, size);
}

int v2_query(struct host *host, uint32_t domid, struct vmev2_op_query *q)
{
    struct vmev2_op op;

    v2_op_init(&op, VMEV2_CMD_QUERY, 0);
    if ( v2_op(host, domid, &op, NULL, 0) )
        return -1;

    *q = op.u.query;

    return 0;
}

/*
 * Returns the number of entries filled.  info is of the moment of the last
 * chunk.  nr may be 0: only info then.
 */
int v2_info(struct host *host, uint32_t domid, struct vmev2_op_info *info,
            struct vmev2_vcpu_info *vcpus, uint32_t first, uint32_t nr)
{
    uint32_t done = 0;
    struct vmev2_op op;

    do {
        uint32_t room = nr - done < INFO_CHUNK ? nr - done : INFO_CHUNK;

        v2_op_init(&op, VMEV2_CMD_INFO, 0);
        op.u.info.first = first + done;
        op.u.info.nr = room;
        if ( v2_op(host, domid, &op, room ? vcpus + done : NULL,
                   room * sizeof(*vcpus)) )
            return -1;

        if ( op.u.info.nr > room )
        {
            errno = EBADMSG;
            return -1;
        }
        done += op.u.info.nr;
        if ( !op.u.info.nr )
            break;
    } while ( done < nr && first + done < op.u.info.nr_vcpus );

    *info = op.u.info;

    return done;
}

/* ---- is it still ours? ---- */

int v2_check(vmiring *h)
{
    const struct vmev2_ctrl SHARED *ctrl = h->v2->ctrl;
    uint32_t state = shm_acquire32(&ctrl->state);

    /* The last event there is: nothing rings for what comes after it. */
    if ( h->v2->domain_told == VMEV2_DOMAIN_DYING )
        return fail(&h->msg, ENODEV, "domain %u is gone", h->domid);

    /* The dying domain's last events are still there to be read. */
    if ( shm_read64(&ctrl->generation) == h->v2->generation &&
         (state == VMEV2_STATE_ARMED || state == VMEV2_STATE_DEAD) )
        return 0;

    if ( state == VMEV2_STATE_DEAD )
        return fail(&h->msg, ENODEV, "domain %u is gone", h->domid);
    if ( state == VMEV2_STATE_IDLE || state == VMEV2_STATE_NONE )
        return fail(&h->msg, ESTALE, "the channel of domain %u was ended by "
                    "somebody else, or by its deadline", h->domid);

    return fail(&h->msg, EOWNERDEAD, "the channel of domain %u was taken over "
                "by another agent", h->domid);
}

/* Turns the errno of a failed command into a message and our errno. */
int v2_fail(vmiring *h, const char *what)
{
    int err = errno;

    switch ( err )
    {
    /* Another generation, or no channel at all: the pages say why. */
    case ENOTCONN:
    case ENOENT:
        if ( v2_check(h) )
            return -1;
        break;

    case ESRCH:
        err = ENODEV;
        break;

    case EPERM:         /* ours means a fork */
        err = EACCES;
        break;
    }

    if ( err == ENODEV )
        return fail(&h->msg, err, "%s: domain %u is gone", what, h->domid);

    return fail(&h->msg, err, "%s: %s", what, strerror(err));
}

/* ---- commands ---- */

int v2_monitor(vmiring *h, const struct vmiring_subscription *s, bool enable)
{
    struct vmev2_op op;

    v2_op_init(&op, VMEV2_CMD_MONITOR, h->v2->generation);
    op.u.monitor = (struct vmev2_op_monitor){
        .reason = s->reason,
        .enable = enable,
        .sync = s->sync,
        .regs = s->regs,
        .flags = (s->onchangeonly ? VMEV2_MON_ONCHANGEONLY : 0) |
                 (s->userspace ? VMEV2_MON_USERSPACE : 0),
        .index = s->index,
        .msr = s->msr,
        .mask = s->mask,
    };

    if ( !v2_op(h->host, h->domid, &op, NULL, 0) )
        return 0;

    switch ( errno )
    {
    case EEXIST:
        return fail(&h->msg, enable ? EEXIST : ENOENT, "%s: %s",
                    vmiring_reason_name(s->reason),
                    enable ? "is subscribed to already"
                           : "was not subscribed to");

    case EOPNOTSUPP:
        return cannot_raise(h, s->reason,
                            s->sync ? ", synchronous" : ", asynchronous");

    default:
        return v2_fail(h, vmiring_reason_name(s->reason));
    }
}

static int access_fail(vmiring *h, const char *what, uint64_t gfn)
{
    if ( errno == ERANGE )
        return fail(&h->msg, EFAULT, "%s: domain %u has no page %#llx", what,
                    h->domid, (unsigned long long)gfn);
    if ( errno == EOPNOTSUPP )
        return fail(&h->msg, EOPNOTSUPP, "%s: this host has no page access for "
                    "domain %u", what, h->domid);

    return v2_fail(h, what);
}

/* Rights are set: Xen has then looked at the answers that stand in the slots. */
static void access_done(vmiring *h)
{
    if ( h->v2->access_looks )
        h->kick_due = false;
}

int v2_set_access(vmiring *h, uint64_t first, uint64_t nr, uint8_t access)
{
    struct vmev2_op op;

    v2_op_init(&op, VMEV2_CMD_ACCESS_SET, h->v2->generation);
    op.u.access = (struct vmev2_op_access){
        .first = first, .nr = first == UINT64_MAX ? 0 : nr, .access = access,
    };
    if ( v2_op(h->host, h->domid, &op, NULL, 0) )
        return access_fail(h, "set_access", op.u.access.first);
    access_done(h);

    return 0;
}

/* A dm_op buffer is at most a page. */
#define LIST_CHUNK (HOST_PAGE / (sizeof(uint64_t) + 1))

int v2_set_access_list(vmiring *h, const uint64_t *gfns, const uint8_t *access,
                       size_t nr, size_t *done)
{
    uint8_t list[LIST_CHUNK * (sizeof(uint64_t) + 1)];

    while ( *done < nr )
    {
        size_t n = nr - *done < LIST_CHUNK ? nr - *done : LIST_CHUNK;
        struct vmev2_op op;
        int rc;

        memcpy(list, gfns + *done, n * sizeof(*gfns));
        memcpy(list + n * sizeof(*gfns), access + *done, n);
        v2_op_init(&op, VMEV2_CMD_ACCESS_SET, h->v2->generation);
        op.u.access.nr_list = n;
        rc = v2_op(h->host, h->domid, &op, list, n * (sizeof(*gfns) + 1));
        *done += op.u.access.first <= n ? op.u.access.first : 0;
        if ( rc )
            return access_fail(h, "set_access_list",
                               *done < nr ? gfns[*done] : 0);
        access_done(h);
    }

    return 0;
}

int v2_get_access(vmiring *h, uint64_t gfn, uint8_t *access)
{
    struct vmev2_op op;

    v2_op_init(&op, VMEV2_CMD_ACCESS_GET, h->v2->generation);
    op.u.access.first = gfn;
    op.u.access.nr = 1;
    if ( v2_op(h->host, h->domid, &op, NULL, 0) )
        return access_fail(h, "get_access", gfn);

    *access = op.u.access.access;

    return 0;
}

/* ---- the end ---- */

int v2_leave(vmiring *h)
{
    if ( h->caps & VMIRING_CAP_HOLD && h->held_on_leave )
    {
        v2_free(h, false);
        return 0;
    }

    return fail(&h->msg, ENOTSUP, "leave: the channel was not opened with "
                "VMIRING_DEATH_HOLD");
}

/* "Continue" for every request that stands in a slot and is ours. */
static void answer_rest(vmiring *h)
{
    struct v2 *v2 = h->v2;
    uint32_t vcpu;

    for ( vcpu = 0; vcpu < v2->nr_vcpus; vcpu++ )
    {
        struct v2_vcpu *v = &v2->vcpus[vcpu];
        uint64_t req;

        if ( !v2_ours(v2, vcpu, shm_acquire8(&v2->pending[vcpu])) )
            continue;

        /* Not S2: nothing of the request is read. */
        req = shm_read64(&v2_slot(v2, vcpu)->req_seq);
        if ( req == v->answered ||
             req == shm_read64(&v2_rsp(v2, vcpu)->rsp_seq) )
            continue;

        v->taken = req;
        v2_answer(h, vcpu, NULL);
    }
}

void v2_close(vmiring *h, bool child)
{
    struct vmev2_op op;
    size_t i;

    if ( !child && !v2_check(h) )
    {
        /* No new events; then those that came before get their answers. */
        for ( i = 0; i < h->nr_subs; i++ )
            v2_monitor(h, &h->subs[i], false);
        answer_rest(h);
        if ( h->kick_due )
            v2_kick(h);

        /*
         * Before the port is unbound: that would be the agent's death, and
         * the policy for it may be to crash the guest.
         */
        v2_op_init(&op, VMEV2_CMD_DESTROY, h->v2->generation);
        v2_op(h->host, h->domid, &op, NULL, 0);
    }

    v2_free(h, child);
}
