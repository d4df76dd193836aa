/* SPDX-License-Identifier: MIT */
/*
 * The client of the simulated host's protocol, against a server thread that
 * answers from the fake Xen and can be told to answer wrongly.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "fake.h"
#include "sim_host.h"
#include "v2.h"

#define DOMAINS 40U

struct reply {
    struct simp_rep rep;
    uint8_t data[2 * SIMP_BUF_MAX];
    int fds[4];
    size_t length;          /* of the packet; 0: close instead */
};

static struct server {
    struct fake *f;
    char path[64];
    int listener;
    int stop;               /* eventfd */
    pthread_t thread;
    int bell;               /* what BIND gave out, Xen's end */
    int kick;
    unsigned int connections;
    unsigned int unbound;
    uint32_t restricted;
    char client[64];

    /* Spoils the answer to this op; NULL: all are right. */
    uint32_t spoil_op;
    void (*spoil)(struct reply *r);
} s;

/* ---- the server ---- */

static int get_fds(const struct simp_req *req, struct reply *r)
{
    uint32_t kind = req->arg[1] & 0xff;

    switch ( req->op )
    {
    case SIMP_MAP_RESOURCE:
        if ( kind >= VMEV2_RES_KINDS ||
             req->arg[0] != XENMEM_resource_vm_event )
            return -EINVAL;
        r->fds[0] = dup(s.f->memfd[kind]);
        r->rep.nr_fds = 1;
        r->rep.val[0] = req->arg[2] * HOST_PAGE;
        return 0;

    case SIMP_BIND:
        if ( req->arg[0] != FAKE_PORT )
            return -EINVAL;
        r->fds[0] = dup(s.bell);
        r->fds[1] = dup(s.kick);
        r->rep.nr_fds = 2;
        r->rep.val[0] = FAKE_LOCAL;
        s.f->host.ops->bind(&s.f->host, FAKE_DOMID, FAKE_PORT);
        eventfd_write(s.bell, 1);
        return 0;

    default:
        return -EOPNOTSUPP;
    }
}

static void put_domain(struct reply *r, uint32_t domid, uint32_t at)
{
    struct simp_domain *d = (struct simp_domain *)(void *)r->data + at;

    memset(d, 0, sizeof(*d));
    d->domid = domid;
    d->nr_vcpus = domid % 8 + 1;
    d->nr_pages = 1000 + domid;
    snprintf(d->name, sizeof(d->name), "guest%u", domid);
    d->uuid[15] = domid;
}

/* Domains 1, 3, 5, ...: no more than asked for, nor than fits. */
static int list(const struct simp_req *req, struct reply *r)
{
    uint32_t n = 0;
    uint32_t i;

    for ( i = 0; i < DOMAINS; i++ )
        if ( 2 * i + 1 >= req->arg[0] && n < req->arg[1] )
            put_domain(r, 2 * i + 1, n++);
    r->rep.data_size[0] = n * sizeof(struct simp_domain);

    return n;
}

static int guest_memory(const struct simp_req *req, const uint8_t *data,
                        struct reply *r)
{
    const struct host_ops *ops = s.f->host.ops;

    if ( req->op == SIMP_READ_PHYS )
    {
        r->rep.data_size[0] = req->arg[1];
        return ops->read_phys(&s.f->host, FAKE_DOMID, req->arg[0], r->data,
                              req->arg[1]) ? -EFAULT : 0;
    }

    return ops->write_phys(&s.f->host, FAKE_DOMID, req->arg[0], data,
                           req->data_size[0]) ? -EFAULT : 0;
}

static int handle(const struct simp_req *req, const uint8_t *data,
                  struct reply *r)
{
    switch ( req->op )
    {
    case SIMP_HELLO:
        memcpy(s.client, data, req->data_size[0]);
        r->rep.val[0] = SIMP_VERSION;
        r->rep.val[1] = SIMP_HAS_V2;
        return req->arg[0] == SIMP_MAGIC && req->arg[1] == SIMP_VERSION
               ? 0 : -EPROTO;

    case SIMP_DM_OP:
        memcpy(r->data, data, req->data_size[0] + req->data_size[1]);
        memcpy(r->rep.data_size, req->data_size, sizeof(r->rep.data_size));
        return s.f->host.ops->dm_op(&s.f->host, req->domid, r->data,
                                    req->data_size[0],
                                    req->data_size[1]
                                    ? r->data + req->data_size[0] : NULL,
                                    req->data_size[1]) ? -errno : 0;

    case SIMP_LIST:
        return list(req, r);

    case SIMP_READ_PHYS:
    case SIMP_WRITE_PHYS:
        return guest_memory(req, data, r);

    case SIMP_RESTRICT:
        s.restricted = req->domid;
        return 0;

    case SIMP_UNBIND:
        s.unbound++;
        return req->domid == FAKE_DOMID && req->arg[0] == FAKE_LOCAL
               ? 0 : -EINVAL;

    default:
        return get_fds(req, r);
    }
}

static void send_reply(int sock, struct reply *r)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(4 * sizeof(int))];
    } control = { 0 };
    struct iovec iov[2] = { { &r->rep, sizeof(r->rep) },
                            { r->data, r->length - sizeof(r->rep) } };
    struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
    uint32_t nr = 0;

    if ( r->length < sizeof(r->rep) )
    {
        iov[0].iov_len = r->length;
        mh.msg_iovlen = 1;
    }
    while ( nr < 4 && r->fds[nr] >= 0 )
        nr++;
    if ( nr )
    {
        struct cmsghdr *cm;

        mh.msg_control = &control;
        mh.msg_controllen = CMSG_SPACE(nr * sizeof(int));
        cm = CMSG_FIRSTHDR(&mh);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(nr * sizeof(int));
        memcpy(CMSG_DATA(cm), r->fds, nr * sizeof(int));
    }

    (void)!sendmsg(sock, &mh, MSG_NOSIGNAL);
    while ( nr )
        close(r->fds[--nr]);
}

/* One request; false when the connection is at its end. */
static bool serve_one(int sock)
{
    static uint8_t packet[SIMP_PACKET_MAX + 1];
    const struct simp_req *req = (void *)packet;
    ssize_t n = recv(sock, packet, sizeof(packet), 0);
    static struct reply r;

    if ( n < (ssize_t)sizeof(*req) )
        return false;

    memset(&r.rep, 0, sizeof(r.rep));
    memset(r.fds, 0xff, sizeof(r.fds));
    r.rep.rc = handle(req, packet + sizeof(*req), &r);
    r.rep.op = req->op;
    r.rep.cookie = req->cookie;
    if ( r.rep.rc < 0 )
        memset(r.rep.data_size, 0, sizeof(r.rep.data_size));
    r.length = sizeof(r.rep) + r.rep.data_size[0] + r.rep.data_size[1];
    if ( s.spoil && s.spoil_op == req->op )
        s.spoil(&r);
    if ( !r.length )
        return false;
    send_reply(sock, &r);

    return true;
}

static void serve_connection(int sock)
{
    struct pollfd fds[3] = {
        { .fd = s.stop, .events = POLLIN },
        { .fd = sock, .events = POLLIN },
        { .fd = s.kick, .events = POLLIN },
    };
    eventfd_t count;

    while ( poll(fds, 3, -1) > 0 && !fds[0].revents )
    {
        if ( fds[2].revents && !eventfd_read(s.kick, &count) )
            fake_visit(s.f);
        if ( fds[1].revents && !serve_one(sock) )
            break;
    }
    close(sock);
}

static void *serve(void *arg)
{
    struct pollfd fds[2] = {
        { .fd = s.stop, .events = POLLIN },
        { .fd = s.listener, .events = POLLIN },
    };

    (void)arg;
    while ( poll(fds, 2, -1) > 0 && !fds[0].revents )
    {
        int sock = accept(s.listener, NULL, NULL);

        s.connections++;
        if ( sock >= 0 )
            serve_connection(sock);
    }

    return NULL;
}

static void set_up(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    s.f = fake_new(2);
    s.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s.kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s.stop = eventfd(0, EFD_CLOEXEC);
    snprintf(s.path, sizeof(s.path), "/tmp/vmiring-unit-sim-%d", getpid());
    strcpy(addr.sun_path, s.path);
    unlink(s.path);
    s.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(s.listener, (void *)&addr, sizeof(addr)), 0);
    cr_assert_eq(listen(s.listener, 4), 0);
    cr_assert_eq(pthread_create(&s.thread, NULL, serve, NULL), 0);
}

static void stop_server(void)
{
    eventfd_write(s.stop, 1);
    pthread_join(s.thread, NULL);
    close(s.listener);
    s.listener = -1;
}

static void tear_down(void)
{
    if ( s.listener >= 0 )
        stop_server();
    unlink(s.path);
    fake_free(s.f);
}

static vmiring_options options(void)
{
    return (vmiring_options){ .size = sizeof(vmiring_options),
                              .domid = FAKE_DOMID, .sim = s.path };
}

#define SIM_TEST(name) Test(sim, name, .init = set_up, .fini = tear_down)

/* ---- a host that answers rightly ---- */

SIM_TEST(from_open_to_close)
{
    vmiring_options o = options();
    vmiring *h = vmiring_open(&o);
    struct vmiring_event ev;
    uint8_t buf[8192];
    uint64_t bad;

    cr_assert(h, "%s", vmiring_open_error());
    cr_assert(strstr(s.client, "["), "the client says who it is");
    cr_assert_eq(vmiring_caps(h) & VMIRING_CAP_SIMULATED,
                 VMIRING_CAP_SIMULATED);

    must_be_empty(h);
    fake_async(s.f, 1, VMIRING_CPUID, 64);
    fake_sync(s.f, 1, VMIRING_CPUID);
    eventfd_write(s.bell, 1);
    cr_assert_eq(vmiring_wait(h, 5000), 0);
    cr_assert_eq(must_receive(h, &ev, 1), 1);
    vmiring_release(h);
    cr_assert_eq(must_receive(h, &ev, 1), 1);
    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    vmiring_release(h);

    s.f->guest[5000] = 77;
    cr_assert_eq(vmiring_read_phys(h, 1, buf, sizeof(buf), NULL),
                 sizeof(buf));
    cr_assert_eq(buf[4999], 77);
    cr_assert_eq(vmiring_write_phys(h, 4094, "abcd", 4, NULL), 4);
    cr_assert_eq(memcmp(s.f->guest + 4094, "abcd", 4), 0);
    s.f->guest_holes = 1;
    cr_assert_eq(vmiring_read_phys(h, 1, buf, 1, &bad), -1);
    cr_assert_eq(errno, EFAULT);

    cr_assert_eq(vmiring_restrict(h), 0);
    cr_assert_eq(s.restricted, FAKE_DOMID);
    vmiring_close(h);
    cr_assert_eq(s.f->vcpu[1].info.answered, 1);
    cr_assert_eq(s.f->state, VMEV2_STATE_IDLE);
    cr_assert_eq(s.unbound, 1);
}

SIM_TEST(domains)
{
    static struct vmiring_domain_entry out[100];
    uint32_t i;

    out[0].size = sizeof(out[0]);
    cr_assert_eq(vmiring_sim_domains(s.path, 0, out, 100), DOMAINS);
    for ( i = 0; i < DOMAINS; i++ )
    {
        cr_assert_eq(out[i].size, sizeof(out[0]));
        cr_assert_eq(out[i].domid, 2 * i + 1);
        cr_assert_eq(out[i].nr_pages, 1000 + out[i].domid);
        cr_assert_eq(out[i].uuid[15], out[i].domid);
    }
    cr_assert_str_eq(out[DOMAINS - 1].name, "guest79");
    cr_assert_eq(vmiring_sim_domains(s.path, 70, out, 3), 3);
    cr_assert_eq(out[0].domid, 71);
    cr_assert_eq(vmiring_sim_domains(s.path, 80, out, 3), 0);

    errno = 0;
    cr_assert_eq(vmiring_sim_domains(NULL, 0, out, 3), -1);
    cr_assert_eq(errno, ENOTSUP);
    errno = 0;
    cr_assert_eq(vmiring_sim_domains(s.path, 0, NULL, 3), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_sim_domains("/nowhere", 0, out, 3), -1);
    cr_assert_eq(errno, ENOSYS);
}

SIM_TEST(status_and_release)
{
    vmiring_options o = options();
    struct vmiring_status st = { .size = sizeof(st) };
    struct vmiring_vcpu_info info[2] = { { .size = sizeof(info[0]) } };
    struct vmev2_op op = { .dmop = XEN_DMOP_vm_event,
                           .cmd = VMEV2_CMD_CREATE };

    cr_assert_eq(vmiring_query_status(&o, &st, NULL, 0), 0);
    cr_assert_eq(st.state, VMEV2_STATE_NONE);
    cr_assert_eq(st.agent_port, ~0U);
    cr_assert_eq(vmiring_force_release(&o), 0, "nothing to release");

    /* An agent that is somebody else, and left no note. */
    s.f->host.ops->dm_op(&s.f->host, FAKE_DOMID, &op, sizeof(op), NULL, 0);
    s.f->host.ops->bind(&s.f->host, FAKE_DOMID, FAKE_PORT);
    fake_sync(s.f, 1, VMIRING_CPUID);
    s.f->vcpu[1].info.pauses = 9;
    cr_assert_eq(vmiring_query_status(&o, &st, info, 2), 2);
    cr_assert_eq(st.state, VMEV2_STATE_ARMED);
    cr_assert_eq(st.nr_vcpus, 2);
    cr_assert_eq(st.agent_port, FAKE_LOCAL);
    cr_assert_str_eq(st.holder, "");
    cr_assert_eq(info[1].pauses, 9);

    errno = 0;
    cr_assert_null(vmiring_open(&o));
    cr_assert_eq(errno, EBUSY);
    cr_assert_eq(vmiring_force_release(&o), 0, "%s", vmiring_open_error());
    cr_assert_eq(s.f->state, VMEV2_STATE_IDLE);
    cr_assert(!s.f->vcpu[1].outstanding);
}

static void status_fails(int err, int expected)
{
    vmiring_options o = options();
    struct vmiring_status st = { .size = sizeof(st) };

    s.f->fail_cmd = VMEV2_CMD_INFO;
    s.f->fail_errno = err;
    errno = 0;
    cr_assert_eq(vmiring_query_status(&o, &st, NULL, 0), -1);
    cr_assert_eq(errno, expected, "errno %d for %d", errno, err);
    errno = 0;
    cr_assert_eq(vmiring_force_release(&o), -1);
    cr_assert_eq(errno, expected, "errno %d for %d", errno, err);
}

SIM_TEST(status_errors)
{
    vmiring_options o = options();
    struct vmiring_status st = { .size = 3 };

    errno = 0;
    cr_assert_eq(vmiring_query_status(&o, &st, NULL, 0), -1);
    cr_assert_eq(errno, EINVAL);
    status_fails(ESRCH, ENOENT);
    status_fails(EPERM, EACCES);
    /* For the release that means legacy, which this host lacks too. */
    status_fails(EOPNOTSUPP, EPROTONOSUPPORT);
}

SIM_TEST(status_names_the_holder)
{
    vmiring_options o = options();
    struct vmiring_status st = { .size = sizeof(st) };
    vmiring *h = fake_open_with(s.f, &o);  /* beside the server, in process */
    char name[64];

    cr_assert(h);
    holder_own_name(name, sizeof(name));
    cr_assert_eq(vmiring_query_status(&o, &st, NULL, 0), 0);
    cr_assert_str_eq(st.holder, name);
    vmiring_close(h);
    cr_assert_eq(vmiring_query_status(&o, &st, NULL, 0), 0);
    cr_assert_str_eq(st.holder, "");
}

/* A note of a process that is gone names nobody, also with its pid reused. */
SIM_TEST(stale_notes)
{
    vmiring_options o = options();
    char path[128];
    char name[64];
    FILE *note;

    snprintf(path, sizeof(path), "%s.holder.%u", s.path, FAKE_DOMID);
    note = fopen(path, "w");
    cr_assert(note);
    fprintf(note, "%d 1 vmi-agent\n", getpid());    /* another start time */
    fclose(note);
    holder_read(&o, name, sizeof(name));
    cr_assert_str_eq(name, "");

    note = fopen(path, "w");
    cr_assert(note);
    fprintf(note, "rubbish\n");
    fclose(note);
    holder_read(&o, name, sizeof(name));
    cr_assert_str_eq(name, "");
    unlink(path);
}

/* A successor's note is not ours to remove. */
SIM_TEST(the_note_of_another_process)
{
    vmiring_options o = options();
    vmiring *h = fake_open_with(s.f, &o);
    char name[64];
    int ready[2];
    pid_t pid;
    char byte;

    cr_assert(h);
    cr_assert_eq(pipe(ready), 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if ( !pid )
    {
        holder_write(h, &o);
        (void)!write(ready[1], "x", 1);
        pause();
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    holder_read(&o, name, sizeof(name));
    cr_assert_eq(strtol(strchr(name, '[') + 1, NULL, 10), pid, "%s", name);
    vmiring_close(h);
    holder_read(&o, name, sizeof(name));
    cr_assert_neq(name[0], 0, "the note is gone");

    kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    holder_read(&o, name, sizeof(name));
    cr_assert_eq(name[0], 0, "it names a process that is gone");
}

/* As with privcmd: a child does not have the channel's pages. */
SIM_TEST(a_child_has_no_mappings)
{
    vmiring_options o = options();
    vmiring *h = vmiring_open(&o);
    unsigned char vec;
    int status;
    pid_t pid;

    cr_assert(h, "%s", vmiring_open_error());
    pid = fork();
    cr_assert_geq(pid, 0);
    if ( !pid )
        _exit(mincore((void *)h->v2->ctrl, HOST_PAGE, &vec) == -1 &&
              errno == ENOMEM ? 0 : 1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    vmiring_close(h);
}

/* ---- one that does not ---- */

static void spoiled(uint32_t op, void (*how)(struct reply *r), int expected)
{
    vmiring_options o = options();

    s.spoil_op = op;
    s.spoil = how;
    errno = 0;
    cr_assert_null(vmiring_open(&o), "op %u", op);
    cr_assert_eq(errno, expected, "op %u: errno %d, expected %d (%s)", op,
                 errno, expected, vmiring_open_error());
    s.spoil = NULL;
    s.f->state = VMEV2_STATE_IDLE;
}

static void closes(struct reply *r) { r->length = 0; }
static void short_packet(struct reply *r) { r->length = 63; }
static void other_op(struct reply *r) { r->rep.op++; }
static void other_cookie(struct reply *r) { r->rep.cookie++; }
static void size_lies(struct reply *r) { r->rep.data_size[0] += 8; }
static void size_huge(struct reply *r) { r->rep.data_size[1] = ~0U; }
/* In 32 bits the sum is right. */
static void size_wraps(struct reply *r)
{
    r->rep.data_size[0]++;
    r->rep.data_size[1] = ~0U;
}

static void fds_missing(struct reply *r) { close(r->fds[0]); r->fds[0] = -1; }
static void fds_fewer(struct reply *r) { r->rep.nr_fds++; }
static void fds_unasked(struct reply *r) { r->fds[0] = dup(s.kick); }
static void fds_many(struct reply *r)
{
    int i;

    for ( i = 0; i < 4; i++ )
        if ( r->fds[i] < 0 )
            r->fds[i] = dup(s.kick);
    r->rep.nr_fds = 4;
}

/* As many as announced fit the client's buffer; more were sent. */
static void fds_truncated(struct reply *r)
{
    fds_many(r);
    r->rep.nr_fds = SIMP_FDS_MAX;
}

static void other_sizes(struct reply *r)
{
    r->rep.data_size[0] -= 8;
    r->length -= 8;
}

static void one_fd(struct reply *r)
{
    close(r->fds[1]);
    r->fds[1] = -1;
    r->rep.nr_fds = 1;
}

static void huge_port(struct reply *r) { r->rep.val[0] = 1ULL << 31; }

SIM_TEST(hello_goes_wrong)
{
    static void (*const how[])(struct reply *) = {
        closes, short_packet, other_op, other_cookie, size_lies, size_huge,
        size_wraps,
        fds_fewer, fds_unasked, fds_many, fds_truncated,
    };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(how); i++ )
        spoiled(SIMP_HELLO, how[i], ENOSYS);
    cr_assert_eq(s.connections, ARRAY_SIZE(how));
}

SIM_TEST(dm_op_goes_wrong)
{
    spoiled(SIMP_DM_OP, closes, ECONNRESET);
    spoiled(SIMP_DM_OP, short_packet, EPROTO);
    spoiled(SIMP_DM_OP, other_op, EPROTO);
    spoiled(SIMP_DM_OP, other_cookie, EPROTO);
    spoiled(SIMP_DM_OP, size_lies, EPROTO);
    spoiled(SIMP_DM_OP, other_sizes, EPROTO);
    spoiled(SIMP_DM_OP, fds_unasked, EPROTO);
}

SIM_TEST(map_goes_wrong)
{
    spoiled(SIMP_MAP_RESOURCE, closes, ECONNRESET);
    spoiled(SIMP_MAP_RESOURCE, fds_missing, EPROTO);
    spoiled(SIMP_MAP_RESOURCE, fds_fewer, EPROTO);
    spoiled(SIMP_MAP_RESOURCE, fds_many, EPROTO);
    spoiled(SIMP_MAP_RESOURCE, fds_truncated, EPROTO);
}

SIM_TEST(bind_goes_wrong)
{
    spoiled(SIMP_BIND, closes, ECONNRESET);
    spoiled(SIMP_BIND, one_fd, EPROTO);
    spoiled(SIMP_BIND, huge_port, EPROTO);
}

static unsigned int open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned int n = 0;

    cr_assert(dir);
    while ( readdir(dir) )
        n++;
    closedir(dir);

    return n;
}

/* Whatever was received by mistake is closed. */
SIM_TEST(no_fd_leaks)
{
    vmiring_options o = options();
    unsigned int before = 0;
    int i;

    for ( i = 0; i < 5; i++ )
    {
        spoiled(SIMP_HELLO, fds_many, ENOSYS);
        spoiled(SIMP_HELLO, fds_truncated, ENOSYS);
        spoiled(SIMP_MAP_RESOURCE, fds_many, EPROTO);
        spoiled(SIMP_BIND, one_fd, EPROTO);
        vmiring_close(vmiring_open(&o));
        if ( i == 0 )
            before = open_fds();
    }
    /* The server has yet to notice that its client has gone. */
    for ( i = 0; i < 200 && open_fds() > before; i++ )
        usleep(10000);
    cr_assert_leq(open_fds(), before, "%u fds, before %u", open_fds(), before);
}

/* The host dies: who sleeps has to learn of it. */
SIM_TEST(the_host_goes)
{
    vmiring_options o = options();
    vmiring *h = vmiring_open(&o);
    struct vmiring_event ev;

    cr_assert(h, "%s", vmiring_open_error());
    must_be_empty(h);
    cr_assert(!readable(vmiring_fd(h)));
    stop_server();
    cr_assert_eq(vmiring_wait(h, 5000), 0);
    errno = 0;
    cr_assert_eq(vmiring_receive(h, &ev, 1), -1);
    cr_assert_eq(errno, ENODEV);
    vmiring_close(h);
}

/* ---- this machine's own Xen ---- */

Test(xen, not_a_xen_host)
{
    vmiring_options o = { .size = sizeof(o), .domid = 1 };

    if ( !access("/dev/xen/privcmd", F_OK) )
        return;  /* the booted rig's tests are about that */

    errno = 0;
    cr_assert_null(vmiring_open(&o));
    cr_assert_eq(errno, ENOSYS);
    cr_assert(strstr(vmiring_open_error(), "not a Xen host"));
}

/* ---- the plugin ---- */

static void plugin_fails(const char *path)
{
    struct msg msg;

    errno = 0;
    cr_assert_null(legacy_plugin_open(&msg, path));
    cr_assert_eq(errno, ELIBACC, "%s: errno %d", path, errno);
}

Test(plugin, cannot_be_loaded)
{
    plugin_fails("/nowhere/libvmi-ring-legacy.so");
    plugin_fails("/dev/null");
    /* A library, but not this one's plugin. */
    plugin_fails("/lib/x86_64-linux-gnu/libc.so.6");
}

/* A host that has no such list, and none at all. */
SIM_TEST(nothing_to_watch)
{
    errno = 0;
    cr_assert_eq(vmiring_sim_watch(NULL), -1);
    cr_assert_eq(errno, ENOTSUP);
    cr_assert(strstr(vmiring_open_error(), "xenstore"));
    errno = 0;
    cr_assert_eq(vmiring_sim_watch("/nowhere/at/all"), -1);
    cr_assert_neq(errno, 0);
    errno = 0;
    cr_assert_eq(vmiring_sim_watch(s.path), -1);
    cr_assert(strstr(vmiring_open_error(), "watching domains"), "%s",
              vmiring_open_error());
}
