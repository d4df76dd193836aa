/* SPDX-License-Identifier: GPL-2.0-only */
/* One connection: requests come in, are checked, and are answered in order. */
#include "server.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

uint32_t server_offers = SIMP_HAS_V2 | SIMP_HAS_LEGACY;

/* What an op takes; everything else in the request must be zero. */
static const struct op {
    int (*handler)(struct conn *c, struct domain *d);
    uint8_t nr_args;
    uint8_t nr_data;        /* buffers that it may have */
    bool domain;            /* names a domain */
    bool free;              /* also for a restricted connection */
    uint32_t abi;           /* SIMP_HAS_* that it belongs to; 0: none */
} ops[] = {
    [SIMP_LIST]             = { op_list, 2, 0, false, false, 0 },
    [SIMP_DOMINFO]          = { op_dominfo, 0, 0, true, true, 0 },
    [SIMP_DM_OP]            = { op_dm_op, 0, 2, true, true, SIMP_HAS_V2 },
    [SIMP_MAP_RESOURCE]     = { op_map_resource, 4, 0, true, true, SIMP_HAS_V2 },
    [SIMP_WATCH]            = { op_watch, 0, 0, false, false, 0 },
    [SIMP_BIND]             = { op_bind, 1, 0, true, true, 0 },
    [SIMP_UNBIND]           = { op_unbind, 1, 0, true, true, 0 },
    [SIMP_LEGACY_VERSION]   = { op_legacy_version, 0, 0, false, false,
                                SIMP_HAS_LEGACY },
    [SIMP_LEGACY_ENABLE]    = { op_legacy_enable, 0, 0, true, false,
                                SIMP_HAS_LEGACY },
    [SIMP_LEGACY_DISABLE]   = { op_legacy_disable, 0, 0, true, false,
                                SIMP_HAS_LEGACY },
    [SIMP_LEGACY_RESUME]    = { op_legacy_resume, 0, 0, true, false,
                                SIMP_HAS_LEGACY },
    [SIMP_LEGACY_MONITOR]   = { op_legacy_monitor, 0, 1, true, false,
                                SIMP_HAS_LEGACY },
    [SIMP_LEGACY_CAPABILITIES] = { op_legacy_capabilities, 0, 0, true, false,
                                   SIMP_HAS_LEGACY },
    [SIMP_LEGACY_ACCESS_SET] = { op_legacy_access_set, 3, 0, true, false,
                                 SIMP_HAS_LEGACY },
    [SIMP_LEGACY_ACCESS_GET] = { op_legacy_access_get, 1, 0, true, false,
                                 SIMP_HAS_LEGACY },
    [SIMP_PAUSE]            = { op_pause, 0, 0, true, false, 0 },
    [SIMP_UNPAUSE]          = { op_unpause, 0, 0, true, false, 0 },
    [SIMP_READ_PHYS]        = { op_read_phys, 2, 0, true, true, 0 },
    [SIMP_WRITE_PHYS]       = { op_write_phys, 1, 1, true, true, 0 },
};

static bool unused_zero(const struct simp_req *req, const struct op *op)
{
    unsigned int i;

    if ( req->pad || req->pad2 || (!op->domain && req->domid) )
        return false;
    for ( i = op->nr_args; i < ARRAY_SIZE(req->arg); i++ )
        if ( req->arg[i] )
            return false;
    for ( i = op->nr_data; i < ARRAY_SIZE(req->data_size); i++ )
        if ( req->data_size[i] )
            return false;

    return true;
}

static int hello(struct conn *c)
{
    static const struct op like = { .nr_args = 2, .nr_data = 1 };

    if ( !unused_zero(&c->req, &like) || c->greeted ||
         c->req.arg[0] != SIMP_MAGIC )
        return -EINVAL;
    if ( c->req.arg[1] != SIMP_VERSION )
        return -EPROTO;

    snprintf(c->name, sizeof(c->name), "%.*s", (int)c->req.data_size[0], c->in);
    c->greeted = true;
    c->rep.val[0] = SIMP_VERSION;
    c->rep.val[1] = server_offers;

    return 0;
}

static int restrict_to(struct conn *c)
{
    static const struct op like = { .domain = true };
    struct domain *d;

    if ( !unused_zero(&c->req, &like) )
        return -EINVAL;
    d = sim_domain_find(c->req.domid);
    if ( !d )
        return -ESRCH;
    put_domain(d);
    c->restricted = true;
    c->restricted_to = c->req.domid;

    return 0;
}

static int run_op(struct conn *c, const struct op *op)
{
    struct domain *d = NULL;
    int rc;

    if ( op->domain )
    {
        if ( c->req.domid <= UINT16_MAX )
            d = sim_domain_find(c->req.domid);
        if ( d && !d->guest )
        {
            put_domain(d);
            d = NULL;
        }
        if ( !d )
            return -ESRCH;
    }
    rc = op->handler(c, d);
    if ( d )
        put_domain(d);

    return rc;
}

static int dispatch(struct conn *c)
{
    const struct op *op;

    if ( c->req.op == SIMP_HELLO )
        return hello(c);
    if ( !c->greeted )
        return -EPERM;
    if ( c->req.op == SIMP_RESTRICT )
        return c->restricted ? -EPERM : restrict_to(c);

    op = c->req.op < ARRAY_SIZE(ops) ? &ops[c->req.op] : NULL;
    if ( !op || !op->handler || (op->abi && !(server_offers & op->abi)) )
        return -EOPNOTSUPP;
    if ( c->restricted &&
         (!op->free || (op->domain && c->req.domid != c->restricted_to)) )
        return -EPERM;
    if ( !unused_zero(&c->req, op) )
        return -EINVAL;

    return run_op(c, op);
}

/* False: the connection is over, or what came is not a request. */
static bool receive(struct conn *c)
{
    struct iovec iov[2] = { { &c->req, sizeof(c->req) },
                            { c->in, sizeof(c->in) } };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
    ssize_t n;

    do {
        n = recvmsg(c->fd, &msg, 0);
    } while ( n < 0 && errno == EINTR );

    return n >= (ssize_t)sizeof(c->req) && !(msg.msg_flags & MSG_TRUNC) &&
           c->req.data_size[0] <= SIMP_BUF_MAX &&
           c->req.data_size[1] <= SIMP_BUF_MAX &&
           (size_t)n == sizeof(c->req) + c->req.data_size[0] +
                        c->req.data_size[1];
}

static bool answer(struct conn *c)
{
    struct iovec iov[2] = {
        { &c->rep, sizeof(c->rep) },
        { c->out, c->rep.data_size[0] + c->rep.data_size[1] },
    };
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(SIMP_FDS_MAX * sizeof(int))];
    } control;
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
    size_t fds = c->rep.nr_fds * sizeof(int);
    ssize_t n;

    if ( fds )
    {
        memset(&control, 0, sizeof(control));
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(fds);
        CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(fds);
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), c->fds, fds);
    }
    do {
        n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
    } while ( n < 0 && errno == EINTR );

    return n >= 0;
}

/* ---- connections ---- */

static pthread_mutex_t conns_mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(conns);

static bool hung_up(const struct conn *c)
{
    struct pollfd fd = { .fd = c->fd, .events = POLLRDHUP };

    return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLRDHUP | POLLHUP));
}

static void end_conn(struct conn *c)
{
    pthread_mutex_lock(&c->mutex);
    if ( !c->ended )
        ops_end(c);
    c->ended = true;
    pthread_mutex_unlock(&c->mutex);
}

/*
 * A kernel closes the handles of a process before anybody can see that it has
 * died.  So those of all clients that have hung up are closed before anybody
 * else's request is looked at.
 */
static void end_the_dead(void)
{
    struct conn *c;

    pthread_mutex_lock(&conns_mutex);
    list_for_each_entry ( c, &conns, list )
        if ( hung_up(c) )
            end_conn(c);
    pthread_mutex_unlock(&conns_mutex);
}

/* The reply to WATCH was sent under the same mutex: it comes first. */
void server_domains_changed(void)
{
    static const struct simp_rep told = { .op = SIMP_WATCH };
    struct conn *c;

    pthread_mutex_lock(&conns_mutex);
    list_for_each_entry ( c, &conns, list )
    {
        pthread_mutex_lock(&c->mutex);
        if ( c->watching && !c->ended )
            (void)send(c->fd, &told, sizeof(told), MSG_DONTWAIT | MSG_NOSIGNAL);
        pthread_mutex_unlock(&c->mutex);
    }
    pthread_mutex_unlock(&conns_mutex);
}

static bool handle(struct conn *c)
{
    bool go_on = false;

    pthread_mutex_lock(&c->mutex);
    if ( !c->ended )
    {
        memset(&c->rep, 0, sizeof(c->rep));
        c->rep.rc = dispatch(c);
        c->rep.op = c->req.op;
        c->rep.cookie = c->req.cookie;
        if ( c->rep.rc < 0 )
        {
            c->rep.nr_fds = 0;
            memset(c->rep.data_size, 0, sizeof(c->rep.data_size));
            memset(c->rep.val, 0, sizeof(c->rep.val));
        }
        go_on = answer(c);
    }
    pthread_mutex_unlock(&c->mutex);

    return go_on;
}

void serve(int fd)
{
    struct conn *c = calloc(1, sizeof(*c));

    BUG_ON(!c);
    c->fd = fd;
    pthread_mutex_init(&c->mutex, NULL);
    pthread_mutex_lock(&conns_mutex);
    list_add_tail(&c->list, &conns);
    pthread_mutex_unlock(&conns_mutex);

    do {
        if ( !receive(c) )
            break;
        end_the_dead();
    } while ( handle(c) );

    /* While it can still be found: others wait for this to be done. */
    end_conn(c);
    pthread_mutex_lock(&conns_mutex);
    list_del(&c->list);
    pthread_mutex_unlock(&conns_mutex);
    shutdown(fd, SHUT_RDWR);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}
