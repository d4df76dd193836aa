/* SPDX-License-Identifier: MIT */
/* The simulated host: hypercalls over a Unix socket, see sim_proto.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "legacy_monitor.h"
#include "private.h"
#include "sim_host.h"

struct port {
    int local;              /* -1: free */
    int from_xen;
    int to_xen;
    uint32_t domid;
};

struct sim_host {
    struct host host;
    struct legacy_host legacy;
    int sock;
    bool lost;              /* the connection is of no use any more */
    int epoll_fd;           /* all ports' from_xen, and the end of sock */
    uint32_t cookie;
    uint64_t offers;        /* SIMP_HAS_* */
    struct port *ports;     /* a main handle's one, or those of its vCPUs */
    unsigned int nr_ports;
};

static struct sim_host *to_sim(struct host *host)
{
    return (struct sim_host *)host;
}

static struct sim_host *from_legacy(struct legacy_host *lh)
{
    return (void *)((char *)lh - offsetof(struct sim_host, legacy));
}

/* ---- one request and its reply ---- */

struct call {
    struct simp_req req;
    const void *out[2];     /* req.data_size[] bytes of each */
    struct simp_rep rep;
    uint8_t data[2 * SIMP_BUF_MAX];  /* the reply's */
    int fds[SIMP_FDS_MAX];  /* rep.nr_fds of them, owned by the caller */
};

static void call_init(struct call *c, uint32_t op, uint32_t domid)
{
    memset(&c->req, 0, sizeof(c->req));
    c->req.op = op;
    c->req.domid = domid;
    c->out[0] = c->out[1] = NULL;
}

static int send_call(struct sim_host *s, struct call *c)
{
    struct iovec iov[3] = {
        { &c->req, sizeof(c->req) },
        { (void *)c->out[0], c->req.data_size[0] },
        { (void *)c->out[1], c->req.data_size[1] },
    };
    struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 3 };
    ssize_t n;

    do
        n = sendmsg(s->sock, &mh, MSG_NOSIGNAL);
    while ( n < 0 && errno == EINTR );

    return n < 0 ? -1 : 0;
}

/* The control buffer has room for one message with SIMP_FDS_MAX fds. */
static uint32_t take_fds(struct msghdr *mh, struct call *c)
{
    const struct cmsghdr *cm = CMSG_FIRSTHDR(mh);
    uint32_t nr;

    if ( !cm || cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS )
        return 0;

    nr = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if ( nr > SIMP_FDS_MAX )
        nr = SIMP_FDS_MAX;
    memcpy(c->fds, CMSG_DATA(cm), nr * sizeof(int));

    return nr;
}

static void close_fds(const struct call *c, uint32_t nr)
{
    while ( nr-- )
        close(c->fds[nr]);
}

static int receive_reply(struct sim_host *s, struct call *c)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(SIMP_FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov[2] = {
        { &c->rep, sizeof(c->rep) },
        { c->data, sizeof(c->data) },
    };
    struct msghdr mh = {
        .msg_iov = iov,
        .msg_iovlen = 2,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    uint32_t nr_fds;
    ssize_t n;

    do
        n = recvmsg(s->sock, &mh, MSG_CMSG_CLOEXEC);
    while ( n < 0 && errno == EINTR );

    if ( n < 0 )
        return -1;
    if ( n == 0 )
    {
        errno = ECONNRESET;
        return -1;
    }

    nr_fds = take_fds(&mh, c);
    if ( (size_t)n < sizeof(c->rep) ||
         (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
         c->rep.op != c->req.op || c->rep.cookie != c->req.cookie ||
         c->rep.nr_fds != nr_fds ||
         c->rep.data_size[0] > SIMP_BUF_MAX ||
         c->rep.data_size[1] > SIMP_BUF_MAX ||
         c->rep.data_size[0] + c->rep.data_size[1] != n - sizeof(c->rep) )
    {
        close_fds(c, nr_fds);
        errno = EPROTO;
        return -1;
    }

    return 0;
}

/* Returns rc of the reply, or -1 and errno. */
static int call(struct sim_host *s, struct call *c)
{
    if ( s->lost )
    {
        errno = ECONNRESET;
        return -1;
    }

    c->req.cookie = ++s->cookie;
    if ( send_call(s, c) || receive_reply(s, c) )
    {
        /* Out of step: nothing that came after this could be trusted. */
        s->lost = true;
        return -1;
    }

    if ( c->rep.rc >= 0 )
        return c->rep.rc;

    close_fds(c, c->rep.nr_fds);
    errno = -c->rep.rc;

    return -1;
}

/* A call that only has arguments. */
static int simple(struct sim_host *s, uint32_t op, uint32_t domid,
                  uint64_t arg0, uint64_t *val0)
{
    struct call c;

    call_init(&c, op, domid);
    c.req.arg[0] = arg0;
    if ( call(s, &c) < 0 )
        return -1;
    close_fds(&c, c.rep.nr_fds);

    if ( val0 )
        *val0 = c.rep.val[0];

    return 0;
}

/* A call that returns nr fds. */
static int call_for_fds(struct sim_host *s, struct call *c, uint32_t nr)
{
    if ( call(s, c) < 0 )
        return -1;
    if ( c->rep.nr_fds == nr )
        return 0;

    close_fds(c, c->rep.nr_fds);
    errno = EPROTO;

    return -1;
}

/* ---- dm_op, restriction ---- */

static int sim_dm_op(struct host *host, uint32_t domid, void *buf0,
                     size_t size0, void *buf1, size_t size1)
{
    struct call c;

    if ( size0 > SIMP_BUF_MAX || size1 > SIMP_BUF_MAX )
    {
        errno = E2BIG;
        return -1;
    }

    call_init(&c, SIMP_DM_OP, domid);
    c.out[0] = buf0;
    c.out[1] = buf1;
    c.req.data_size[0] = size0;
    c.req.data_size[1] = buf1 ? size1 : 0;
    if ( call(to_sim(host), &c) < 0 )
        return -1;

    close_fds(&c, c.rep.nr_fds);
    if ( c.rep.data_size[0] != c.req.data_size[0] ||
         c.rep.data_size[1] != c.req.data_size[1] )
    {
        errno = EPROTO;
        return -1;
    }

    memcpy(buf0, c.data, size0);
    if ( c.rep.data_size[1] )
        memcpy(buf1, c.data + size0, size1);

    return 0;
}

static int sim_restrict(struct host *host, uint32_t domid)
{
    return simple(to_sim(host), SIMP_RESTRICT, domid, 0, NULL);
}

/* ---- mappings ---- */

static void *sim_map(struct host *host, uint32_t domid, uint32_t type,
                     uint32_t id, uint64_t first, uint64_t nr, int prot,
                     unsigned int times)
{
    struct call c;
    size_t bytes = nr * HOST_PAGE;
    unsigned int i;
    char *addr;
    int err = 0;

    call_init(&c, SIMP_MAP_RESOURCE, domid);
    c.req.arg[0] = type;
    c.req.arg[1] = id;
    c.req.arg[2] = first;
    c.req.arg[3] = nr;
    if ( call_for_fds(to_sim(host), &c, 1) )
        return NULL;

    addr = mmap(NULL, bytes * times, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if ( addr == MAP_FAILED )
        err = ENOMEM;

    for ( i = 0; !err && i < times; i++ )
        if ( mmap(addr + i * bytes, bytes, prot, MAP_SHARED | MAP_FIXED,
                  c.fds[0], c.rep.val[0]) == MAP_FAILED )
            err = errno;

    /* As privcmd's mappings: a child does not have them. */
    if ( !err && madvise(addr, bytes * times, MADV_DONTFORK) )
        err = errno;

    close(c.fds[0]);
    if ( !err )
        return addr;

    if ( addr != MAP_FAILED )
        munmap(addr, bytes * times);
    errno = err;

    return NULL;
}

static void sim_unmap(struct host *host, void *addr, uint64_t nr,
                      unsigned int times)
{
    (void)host;
    munmap(addr, nr * HOST_PAGE * times);
}

/* ---- ports ---- */

static struct port *find_port(struct sim_host *s, int local)
{
    unsigned int i;

    for ( i = 0; i < s->nr_ports; i++ )
        if ( s->ports[i].local == local )
            return &s->ports[i];

    return NULL;
}

static struct port *new_port(struct sim_host *s)
{
    struct port *port = find_port(s, -1);
    struct port *more;

    if ( port )
        return port;

    more = realloc(s->ports, (s->nr_ports + 1) * sizeof(*more));
    if ( !more )
        return NULL;
    s->ports = more;
    more[s->nr_ports].local = -1;

    return &more[s->nr_ports++];
}

static int sim_bind(struct host *host, uint32_t domid, uint32_t remote)
{
    struct sim_host *s = to_sim(host);
    struct epoll_event ev = { .events = EPOLLIN };
    struct port *port = new_port(s);
    struct call c;

    if ( !port )
    {
        errno = ENOMEM;
        return -1;
    }

    call_init(&c, SIMP_BIND, domid);
    c.req.arg[0] = remote;
    if ( call_for_fds(s, &c, 2) )
        return -1;

    if ( c.rep.val[0] > 0x7fffffffU ||
         epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, c.fds[0], &ev) )
    {
        close_fds(&c, 2);
        errno = EPROTO;
        return -1;
    }

    *port = (struct port){ c.rep.val[0], c.fds[0], c.fds[1], domid };

    return port->local;
}

static void drop_port(struct port *port)
{
    close(port->from_xen);
    close(port->to_xen);
    port->local = -1;
}

static int sim_unbind(struct host *host, int local)
{
    struct sim_host *s = to_sim(host);
    struct port *port = find_port(s, local);
    uint64_t number = local;

    if ( local < 0 || !port )
    {
        errno = EINVAL;
        return -1;
    }

    drop_port(port);

    return simple(s, SIMP_UNBIND, port->domid, number, NULL);
}

static int sim_notify(struct host *host, int local)
{
    struct port *port = find_port(to_sim(host), local);

    if ( local < 0 || !port )
    {
        errno = EINVAL;
        return -1;
    }

    return eventfd_write(port->to_xen, 1);
}

static int sim_fd(struct host *host)
{
    return to_sim(host)->epoll_fd;
}

static int sim_drain(struct host *host)
{
    struct sim_host *s = to_sim(host);
    struct pollfd pfd = { .fd = s->sock, .events = POLLRDHUP };
    unsigned int i;
    eventfd_t count;
    int nr = 0;

    for ( i = 0; i < s->nr_ports; i++ )
        if ( s->ports[i].local >= 0 &&
             eventfd_read(s->ports[i].from_xen, &count) == 0 )
            nr++;

    /* What woke us was the end of the host itself. */
    if ( !nr && poll(&pfd, 1, 0) == 1 )
    {
        errno = ENODEV;
        return -1;
    }

    return nr;
}

/* ---- guest memory ---- */

static int sim_read_phys(struct host *host, uint32_t domid, uint64_t gpa,
                         void *buf, size_t size)
{
    struct call c;

    call_init(&c, SIMP_READ_PHYS, domid);
    c.req.arg[0] = gpa;
    c.req.arg[1] = size;
    if ( call(to_sim(host), &c) < 0 )
        return -1;

    close_fds(&c, c.rep.nr_fds);
    if ( c.rep.data_size[0] != size || c.rep.data_size[1] )
    {
        errno = EPROTO;
        return -1;
    }

    memcpy(buf, c.data, size);

    return 0;
}

static int sim_write_phys(struct host *host, uint32_t domid, uint64_t gpa,
                          const void *buf, size_t size)
{
    struct call c;

    call_init(&c, SIMP_WRITE_PHYS, domid);
    c.req.arg[0] = gpa;
    c.req.data_size[0] = size;
    c.out[0] = buf;
    if ( call(to_sim(host), &c) < 0 )
        return -1;
    close_fds(&c, c.rep.nr_fds);

    return 0;
}

static void sim_forget(struct host *host)
{
    (void)host;  /* nothing is kept mapped */
}

/* ---- the legacy ABI ---- */

static int sim_version(struct legacy_host *lh)
{
    uint64_t version;

    if ( simple(from_legacy(lh), SIMP_LEGACY_VERSION, 0, 0, &version) )
        return -1;

    return version;
}

static int sim_info(struct legacy_host *lh, uint32_t domid,
                    struct legacy_info *info)
{
    struct simp_domain d;

    if ( sim_dominfo(&from_legacy(lh)->host, domid, &d) )
        return -1;

    info->nr_vcpus = d.nr_vcpus;
    info->state = d.state;
    info->shutdown_code = d.shutdown_code;

    return 0;
}

static void *sim_enable(struct legacy_host *lh, uint32_t domid,
                        uint32_t *port)
{
    struct call c;
    void *ring;

    call_init(&c, SIMP_LEGACY_ENABLE, domid);
    if ( call_for_fds(from_legacy(lh), &c, 1) )
        return NULL;

    ring = mmap(NULL, HOST_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                c.fds[0], 0);
    close(c.fds[0]);
    if ( ring == MAP_FAILED )
        return NULL;

    madvise(ring, HOST_PAGE, MADV_DONTFORK);
    *port = c.rep.val[0];

    return ring;
}

static int sim_disable(struct legacy_host *lh, uint32_t domid)
{
    return simple(from_legacy(lh), SIMP_LEGACY_DISABLE, domid, 0, NULL);
}

static void sim_unmap_ring(struct legacy_host *lh, void *ring)
{
    (void)lh;
    munmap(ring, HOST_PAGE);
}

static int monitor_call(struct legacy_host *lh, uint32_t domid,
                        const struct simp_monitor *m)
{
    struct call c;

    call_init(&c, SIMP_LEGACY_MONITOR, domid);
    c.out[0] = m;
    c.req.data_size[0] = sizeof(*m);
    if ( call(from_legacy(lh), &c) < 0 )
        return -1;
    close_fds(&c, c.rep.nr_fds);

    return 0;
}

static int sim_monitor(struct legacy_host *lh, uint32_t domid,
                       const struct legacy_monitor *m)
{
    const struct simp_monitor sm = {
        .op = !m->enable,
        .event = m->event,
        .sync = m->sync,
        .onchangeonly = m->onchangeonly,
        .userspace = m->userspace,
        .index = m->index,
        .msr = m->msr,
        .mask = m->mask,
    };

    return monitor_call(lh, domid, &sm);
}

static int sim_defer_writes(struct legacy_host *lh, uint32_t domid)
{
    const struct simp_monitor sm = { .op = 4 /* OP_CONTROL_REGISTERS */ };

    return monitor_call(lh, domid, &sm);
}

static int sim_mem_option(struct legacy_host *lh, uint32_t domid,
                          uint32_t option, bool on)
{
    const struct simp_monitor walks = { .op = !on,
                                        .event = MONITOR_INGUEST_PAGEFAULT };
    const struct simp_monitor each = { .op = 3 /* OP_EMULATE_EACH_REP */,
                                       .event = on };

    return monitor_call(lh, domid,
                        option == VMIRING_MEM_NO_WALKS ? &walks : &each);
}

static int sim_capabilities(struct legacy_host *lh, uint32_t domid,
                            uint32_t *caps)
{
    uint64_t val;

    if ( simple(from_legacy(lh), SIMP_LEGACY_CAPABILITIES, domid, 0, &val) )
        return -1;

    *caps = val;

    return 0;
}

static int sim_pause(struct legacy_host *lh, uint32_t domid)
{
    return simple(from_legacy(lh), SIMP_PAUSE, domid, 0, NULL);
}

static int sim_unpause(struct legacy_host *lh, uint32_t domid)
{
    return simple(from_legacy(lh), SIMP_UNPAUSE, domid, 0, NULL);
}

static int sim_set_access(struct legacy_host *lh, uint32_t domid,
                          uint64_t first, uint64_t nr, uint8_t access)
{
    struct call c;

    call_init(&c, SIMP_LEGACY_ACCESS_SET, domid);
    c.req.arg[0] = first;
    c.req.arg[1] = nr;
    c.req.arg[2] = access;
    if ( call(from_legacy(lh), &c) < 0 )
        return -1;
    close_fds(&c, c.rep.nr_fds);

    return 0;
}

static int sim_get_access(struct legacy_host *lh, uint32_t domid,
                          uint64_t gfn, uint8_t *access)
{
    uint64_t val;

    if ( simple(from_legacy(lh), SIMP_LEGACY_ACCESS_GET, domid, gfn, &val) )
        return -1;

    *access = val;

    return 0;
}

/* It is part of the host, which is closed later. */
static void sim_legacy_close(struct legacy_host *lh, bool child)
{
    (void)lh, (void)child;
}

static const struct legacy_ops sim_legacy_ops = {
    .version = sim_version,
    .info = sim_info,
    .enable = sim_enable,
    .disable = sim_disable,
    .unmap = sim_unmap_ring,
    .monitor = sim_monitor,
    .defer_writes = sim_defer_writes,
    .capabilities = sim_capabilities,
    .mem_option = sim_mem_option,
    .pause = sim_pause,
    .unpause = sim_unpause,
    .set_access = sim_set_access,
    .get_access = sim_get_access,
    .close = sim_legacy_close,
};

struct legacy_host *sim_legacy(struct host *host)
{
    return &to_sim(host)->legacy;
}

/* ---- domains ---- */

int sim_dominfo(struct host *host, uint32_t domid, struct simp_domain *d)
{
    struct call c;

    call_init(&c, SIMP_DOMINFO, domid);
    if ( call(to_sim(host), &c) < 0 )
        return -1;

    close_fds(&c, c.rep.nr_fds);
    if ( c.rep.data_size[0] != sizeof(*d) )
    {
        errno = EPROTO;
        return -1;
    }

    memcpy(d, c.data, sizeof(*d));
    d->name[sizeof(d->name) - 1] = 0;

    return 0;
}

int sim_watch(struct host *host)
{
    struct sim_host *s = to_sim(host);
    struct call c;
    int fd = -1, err = 0;

    call_init(&c, SIMP_WATCH, 0);
    if ( call(s, &c) < 0 || fcntl(s->sock, F_SETFL, O_NONBLOCK) )
        err = errno;
    else
    {
        close_fds(&c, c.rep.nr_fds);
        fd = s->sock;
        s->sock = -1;
    }
    host->ops->close(host, false);
    errno = err;

    return fd;
}

int sim_list(struct host *host, uint32_t first, uint32_t nr,
             struct simp_domain *out)
{
    struct call c;
    uint32_t i;

    if ( nr > SIMP_BUF_MAX / sizeof(*out) )
        nr = SIMP_BUF_MAX / sizeof(*out);

    call_init(&c, SIMP_LIST, 0);
    c.req.arg[0] = first;
    c.req.arg[1] = nr;
    if ( call(to_sim(host), &c) < 0 )
        return -1;

    close_fds(&c, c.rep.nr_fds);
    if ( (uint32_t)c.rep.rc > nr ||
         c.rep.data_size[0] != c.rep.rc * sizeof(*out) )
    {
        errno = EPROTO;
        return -1;
    }

    memcpy(out, c.data, c.rep.data_size[0]);
    for ( i = 0; i < (uint32_t)c.rep.rc; i++ )
        out[i].name[sizeof(out[i].name) - 1] = 0;

    return c.rep.rc;
}

/* ---- open, close ---- */

static void sim_close(struct host *host, bool child)
{
    struct sim_host *s = to_sim(host);
    unsigned int i;

    (void)child;

    for ( i = 0; i < s->nr_ports; i++ )
        if ( s->ports[i].local >= 0 )
            drop_port(&s->ports[i]);
    if ( s->epoll_fd >= 0 )
        close(s->epoll_fd);
    if ( s->sock >= 0 )
        close(s->sock);
    free(s->ports);
    free(s);
}

static const struct host_ops sim_ops = {
    .name = "simulated host",
    .caps = VMIRING_CAP_RESTRICT | VMIRING_CAP_SIMULATED,
    .dm_op = sim_dm_op,
    .map = sim_map,
    .unmap = sim_unmap,
    .bind = sim_bind,
    .unbind = sim_unbind,
    .notify = sim_notify,
    .fd = sim_fd,
    .drain = sim_drain,
    .read_phys = sim_read_phys,
    .write_phys = sim_write_phys,
    .forget = sim_forget,
    .restrict_to = sim_restrict,
    .close = sim_close,
};

static int sim_connect(struct msg *msg, struct sim_host *s, const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct epoll_event gone = { .events = EPOLLRDHUP };
    int err;

    if ( strlen(path) >= sizeof(addr.sun_path) )
        return fail(msg, EINVAL, "options.sim: '%s' is too long for a socket",
                    path);
    strcpy(addr.sun_path, path);

    s->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if ( s->sock < 0 || s->epoll_fd < 0 ||
         epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->sock, &gone) )
        return fail(msg, errno, "socket: %s", strerror(errno));

    if ( !connect(s->sock, (struct sockaddr *)&addr, sizeof(addr)) )
        return 0;

    err = errno == EACCES || errno == EPERM ? EACCES : ENOSYS;

    return fail(msg, err, "no simulated host at %s: %s", path,
                strerror(errno));
}

static int hello(struct msg *msg, struct sim_host *s, const char *path)
{
    char name[64];
    struct call c;

    holder_own_name(name, sizeof(name));
    call_init(&c, SIMP_HELLO, 0);
    c.req.arg[0] = SIMP_MAGIC;
    c.req.arg[1] = SIMP_VERSION;
    c.out[0] = name;
    c.req.data_size[0] = strlen(name);
    if ( call(s, &c) < 0 )
        return fail(msg, ENOSYS, "what listens at %s does not speak version "
                    "%u of the simulated host's protocol: %s", path,
                    SIMP_VERSION, strerror(errno));

    close_fds(&c, c.rep.nr_fds);
    s->offers = c.rep.val[1];

    return 0;
}

struct host *sim_host_open(struct msg *msg, const char *path)
{
    struct sim_host *s = calloc(1, sizeof(*s));
    int err;

    if ( !s )
    {
        fail(msg, ENOMEM, "no memory");
        return NULL;
    }

    s->host.ops = &sim_ops;
    s->legacy.ops = &sim_legacy_ops;
    s->sock = s->epoll_fd = -1;

    if ( sim_connect(msg, s, path) || hello(msg, s, path) )
    {
        err = errno;
        sim_close(&s->host, false);
        errno = err;
        return NULL;
    }

    return &s->host;
}

bool sim_host_offers(struct host *host, enum vmiring_abi abi)
{
    return to_sim(host)->offers &
           (abi == VMIRING_ABI_V2 ? SIMP_HAS_V2 : SIMP_HAS_LEGACY);
}
