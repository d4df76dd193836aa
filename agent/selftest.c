/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <xenforeignmemory.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/privcmd.h>

#include "selftest.h"

#define PRIVCMD "/dev/xen/privcmd"
#define EVTCHN  "/dev/xen/evtchn"
#define SOME_GFN 0x100U      /* 1 MiB: memory in every guest */
#define PAGE     4096U

/* Of Xen's headers for tools, which do not compile as strict C11. */
#define DMOP_NR_VCPUS        20U
#define RESOURCE_GRANT_TABLE 1U
#define HYPERCALL_VERSION    17U

/* ---- the argument ---- */

int selftest_parse(struct selftest *t, char *arg, FILE *err)
{
    static char *const keys[] = { (char *)"port", (char *)"violate", NULL };
    char *value, *end;

    *t = (struct selftest){ .nr_fds = 0 };
    t->other = strtoul(arg, &end, 10);
    if ( end == arg || (*end && *end != ',') )
        goto bad;
    arg = *end ? end + 1 : end;
    while ( *arg )
        switch ( getsubopt(&arg, keys, &value) )
        {
        case 0:
            if ( !value )
                goto bad;
            t->port = strtoul(value, NULL, 10);
            t->has_port = true;
            break;
        case 1:
            t->violate = value;
            break;
        default:
            goto bad;
        }
    return 0;

 bad:
    fprintf(err, "vmi-agent: --self-test-privilege: expected "
            "DOMID[,port=PORT][,violate=CALL]\n");
    return -1;
}

/* ---- the handles of this process ---- */

/*
 * By what the descriptors are, not by what the library says: nothing that this
 * process holds may be overlooked.
 */
int selftest_begin(struct selftest *t, uint32_t own)
{
    struct stat privcmd, evtchn, st;
    int fd, end = sysconf(_SC_OPEN_MAX);

    t->own = own;
    if ( stat(PRIVCMD, &privcmd) || stat(EVTCHN, &evtchn) )
        return -1;
    for ( fd = 0; fd < end && t->nr_fds < SELFTEST_FDS; fd++ )
    {
        if ( fstat(fd, &st) || !S_ISCHR(st.st_mode) ||
             (st.st_rdev != privcmd.st_rdev && st.st_rdev != evtchn.st_rdev) )
            continue;
        t->fds[t->nr_fds].fd = fd;
        t->fds[t->nr_fds++].evtchn = st.st_rdev == evtchn.st_rdev;
    }
    return t->nr_fds ? 0 : -1;
}

/* ---- attempts: 0 or an errno ---- */

static int foreign_map(int fd, uint32_t domid)
{
    xen_pfn_t gfn = SOME_GFN;
    int page_err = 0, rc;
    void *addr = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    privcmd_mmapbatch_v2_t op = {
        .num = 1, .dom = domid, .addr = (uintptr_t)addr, .arr = &gfn,
        .err = &page_err,
    };

    if ( addr == MAP_FAILED )
        return errno;
    rc = ioctl(fd, IOCTL_PRIVCMD_MMAPBATCH_V2, &op) < 0 ? errno : -page_err;
    munmap(addr, PAGE);
    return rc;
}

static int resource_map(int fd, uint32_t domid)
{
    void *addr = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    privcmd_mmap_resource_t op = {
        .dom = domid, .type = RESOURCE_GRANT_TABLE, .num = 1,
        .addr = (uintptr_t)addr,
    };
    int rc;

    if ( addr == MAP_FAILED )
        return errno;
    rc = ioctl(fd, IOCTL_PRIVCMD_MMAP_RESOURCE, &op) < 0 ? errno : 0;
    munmap(addr, PAGE);
    return rc;
}

static int dm_op(int fd, uint32_t domid)
{
    uint64_t op[16] = { DMOP_NR_VCPUS };  /* a struct xen_dm_op, and room */
    privcmd_dm_op_buf_t buf = { .uptr = op, .size = sizeof(op) };
    privcmd_dm_op_t call = { .dom = domid, .num = 1, .ubufs = &buf };

    return ioctl(fd, IOCTL_PRIVCMD_DM_OP, &call) < 0 ? errno : 0;
}

/* Any hypercall will do: the restriction and the filter know no difference. */
static int hypercall(int fd)
{
    privcmd_hypercall_t call = { .op = HYPERCALL_VERSION };

    return ioctl(fd, IOCTL_PRIVCMD_HYPERCALL, &call) < 0 ? errno : 0;
}

static int bind_port(int fd, uint32_t domid, uint32_t port)
{
    struct ioctl_evtchn_bind_interdomain bind = {
        .remote_domain = domid, .remote_port = port
    };
    int local = ioctl(fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);
    struct ioctl_evtchn_unbind unbind = { .port = local };

    if ( local < 0 )
        return errno;
    return ioctl(fd, IOCTL_EVTCHN_UNBIND, &unbind) < 0 ? errno : 0;
}

static int open_new(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    return fd < 0 ? errno : close(fd) ? errno : 0;
}

static void say(FILE *out, const char *stage, const char *handle,
                uint32_t domid, const char *attempt, int err)
{
    fprintf(out, "self-test %s %s domain %" PRIu32 " %s: %s\n", stage, handle,
            domid, attempt, err ? strerrorname_np(err) : "ok");
}

static void attempts_privcmd(int fd, uint32_t domid, const char *stage,
                             FILE *out)
{
    char handle[32];

    snprintf(handle, sizeof(handle), "privcmd-fd%d", fd);
    say(out, stage, handle, domid, "foreign-map", foreign_map(fd, domid));
    say(out, stage, handle, domid, "dm-op", dm_op(fd, domid));
    say(out, stage, handle, domid, "resource-map", resource_map(fd, domid));
}

void selftest_attempts(const struct selftest *t, const char *stage,
                       bool hypercalls, bool binds, FILE *out)
{
    char handle[32];

    for ( unsigned int i = 0; i < t->nr_fds; i++ )
    {
        int fd = t->fds[i].fd;

        snprintf(handle, sizeof(handle), "%s-fd%d",
                 t->fds[i].evtchn ? "evtchn" : "privcmd", fd);
        if ( !t->fds[i].evtchn )
        {
            attempts_privcmd(fd, t->other, stage, out);
            attempts_privcmd(fd, t->own, stage, out);
            if ( hypercalls )
                say(out, stage, handle, t->other, "hypercall", hypercall(fd));
        }
        else if ( binds && t->has_port )
            say(out, stage, handle, t->other, "bind",
                bind_port(fd, t->other, t->port));
    }
    say(out, stage, "new", t->other, "open-privcmd", open_new(PRIVCMD));
    say(out, stage, "new", t->other, "open-evtchn", open_new(EVTCHN));
    fflush(out);
}

/* ---- what the filter ends a process for ---- */

static int first_fd(const struct selftest *t, bool evtchn)
{
    for ( unsigned int i = 0; i < t->nr_fds; i++ )
        if ( t->fds[i].evtchn == evtchn )
            return t->fds[i].fd;
    return -1;
}

static int violate_hypercall(const struct selftest *t)
{
    return hypercall(first_fd(t, false));
}

static int violate_bind(const struct selftest *t)
{
    return bind_port(first_fd(t, true), t->other, t->port);
}

static int violate_exec(const struct selftest *t)
{
    char *const argv[] = { (char *)"sh", NULL };

    (void)t;
    return execv("/bin/sh", argv) ? errno : 0;
}

static int violate_fork(const struct selftest *t)
{
    pid_t pid = fork();

    (void)t;
    if ( !pid )
        _exit(0);
    return pid < 0 ? errno : 0;
}

static int violate_ptrace(const struct selftest *t)
{
    (void)t;
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) ? errno : 0;
}

static int violate_inet(const struct selftest *t)
{
    (void)t;
    return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int violate_exec_memory(const struct selftest *t)
{
    (void)t;
    return mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int violate_kill(const struct selftest *t)
{
    (void)t;
    return kill(getpid(), 0) ? errno : 0;
}

/* The kernel would then send any signal to any process of this user. */
static int violate_setown(const struct selftest *t)
{
    (void)t;
    return fcntl(STDIN_FILENO, F_SETOWN, getpid()) ? errno : 0;
}

static int violate_setsig(const struct selftest *t)
{
    (void)t;
    return fcntl(STDIN_FILENO, F_SETSIG, SIGKILL) ? errno : 0;
}

static int violate_setuid(const struct selftest *t)
{
    (void)t;
    return setuid(0) ? errno : 0;
}

static const struct {
    const char *name;
    int (*call)(const struct selftest *t);
} violations[] = {
    { "hypercall", violate_hypercall }, { "bind", violate_bind },
    { "exec", violate_exec }, { "fork", violate_fork },
    { "ptrace", violate_ptrace }, { "inet", violate_inet },
    { "exec-memory", violate_exec_memory }, { "kill", violate_kill },
    { "setown", violate_setown }, { "setsig", violate_setsig },
    { "setuid", violate_setuid },
};

void selftest_violate(const struct selftest *t, FILE *out)
{
    for ( size_t i = 0; t->violate &&
                        i < sizeof(violations) / sizeof(*violations); i++ )
        if ( !strcmp(t->violate, violations[i].name) )
        {
            fprintf(out, "self-test violating: %s\n", t->violate);
            fflush(out);
            say(out, "violated", "-", t->other, t->violate,
                violations[i].call(t));
        }
}
