/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <seccomp.h>

#include "confine.h"
#include "outfile.h"

/*
 * Of Linux's xen/privcmd.h and xen/evtchn.h, which distributions do not
 * install.  The sizes are those of the ioctls' structures.
 */
#define XEN_IOCTL(type, nr, size) _IOC(_IOC_NONE, type, nr, size)
#define PRIVCMD_HYPERCALL      XEN_IOCTL('P', 0, 48)
#define PRIVCMD_MMAPBATCH_V2   XEN_IOCTL('P', 4, 32)
#define PRIVCMD_DM_OP          XEN_IOCTL('P', 5, 16)
#define PRIVCMD_MMAP_RESOURCE  XEN_IOCTL('P', 7, 32)
#define EVTCHN_UNBIND          XEN_IOCTL('E', 3, 4)
#define EVTCHN_NOTIFY          XEN_IOCTL('E', 4, 4)

/*
 * These fail with EACCES instead of ending the process: the SDK tries to remove
 * its note of who holds the channel, which an unprivileged user could not do
 * anyway (the note names a process, so one that was left behind is known).
 */
static const int refused[] = {
    SCMP_SYS(open), SCMP_SYS(unlink), SCMP_SYS(unlinkat)
};

/* By what they are for.  None of them opens, executes or signals others. */
static const int plain[] = {
    /* events, doorbells, timers, output */
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(poll),
    SCMP_SYS(ppoll), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl), SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_create), SCMP_SYS(signalfd4), SCMP_SYS(eventfd2),
    SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek),
    /* the simulated host, sd_notify() */
    SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(recvmsg),
    SCMP_SYS(recvfrom), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    /* memory; mmap and mprotect have rules of their own */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    SCMP_SYS(munlock), SCMP_SYS(mlock),
    /* time, identity, the C library */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(restart_syscall), SCMP_SYS(futex),
    SCMP_SYS(sched_yield), SCMP_SYS(getpid), SCMP_SYS(gettid),
    SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
    SCMP_SYS(getrandom), SCMP_SYS(sysinfo) /* qsort() */,
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack), SCMP_SYS(exit), SCMP_SYS(exit_group)
};

/*
 * Not F_SETOWN and F_SETSIG: they make the kernel send any signal to any
 * process of this user, the workers of other domains among them.
 */
static const uint32_t fcntls[] = {
    F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
};

static const uint32_t ioctls[] = {
    PRIVCMD_MMAPBATCH_V2, PRIVCMD_DM_OP, PRIVCMD_MMAP_RESOURCE,
    EVTCHN_UNBIND, EVTCHN_NOTIFY
};

/* A system call that this architecture does not have needs no rule. */
static int allow(scmp_filter_ctx ctx, int nr, unsigned int args,
                 const struct scmp_arg_cmp *cmp)
{
    int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, args, cmp);

    return rc == -EDOM || rc == -EOPNOTSUPP ? 0 : rc;
}

/* nr is ioctl or fcntl: what is asked for stands in the second argument. */
static int allow_command(scmp_filter_ctx ctx, int nr, uint32_t cmd)
{
    struct scmp_arg_cmp arg = { .arg = 1, .op = SCMP_CMP_MASKED_EQ,
                                .datum_a = UINT32_MAX, .datum_b = cmd };

    return allow(ctx, nr, 1, &arg);
}

static int refuse(scmp_filter_ctx ctx, int nr, unsigned int args,
                  const struct scmp_arg_cmp *cmp)
{
    int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EACCES), nr, args,
                                    cmp);

    return rc == -EDOM || rc == -EOPNOTSUPP ? 0 : rc;
}

/*
 * Files in the folders of outfile.h; other files fail, as above.  Which name a
 * call has the filter cannot see: an absolute one would do, for what this user
 * may open.
 */
static int allow_folders(scmp_filter_ctx ctx)
{
    struct scmp_arg_cmp ours[] = {
        { .arg = 0, .op = SCMP_CMP_MASKED_EQ,
          .datum_a = ~(uint64_t)(OUTFILE_FD_MAX - 1) & UINT32_MAX,
          .datum_b = OUTFILE_FD_BASE },
        { .arg = 2, .op = SCMP_CMP_MASKED_EQ,
          .datum_a = ~(uint64_t)(OUTFILE_FD_MAX - 1) & UINT32_MAX,
          .datum_b = OUTFILE_FD_BASE },
    };
    struct scmp_arg_cmp below = { .arg = 0, .op = SCMP_CMP_LT,
                                  .datum_a = OUTFILE_FD_BASE };
    struct scmp_arg_cmp above = { .arg = 0, .op = SCMP_CMP_GE,
                                  .datum_a = OUTFILE_FD_BASE +
                                             OUTFILE_FD_MAX };
    int rc;

    if ( (rc = allow(ctx, SCMP_SYS(openat), 1, ours)) ||
         (rc = allow(ctx, SCMP_SYS(renameat), 2, ours)) ||
         (rc = allow(ctx, SCMP_SYS(renameat2), 2, ours)) ||
         (rc = refuse(ctx, SCMP_SYS(openat), 1, &below)) )
        return rc;
    return refuse(ctx, SCMP_SYS(openat), 1, &above);
}

/* No memory becomes executable, new sockets are local. */
static int allow_limited(scmp_filter_ctx ctx)
{
    struct scmp_arg_cmp no_exec = { .arg = 2, .op = SCMP_CMP_MASKED_EQ,
                                    .datum_a = PROT_EXEC, .datum_b = 0 };
    struct scmp_arg_cmp local = { .arg = 0, .op = SCMP_CMP_MASKED_EQ,
                                  .datum_a = UINT32_MAX, .datum_b = AF_UNIX };
    int rc;

    if ( (rc = allow(ctx, SCMP_SYS(mmap), 1, &no_exec)) ||
         (rc = allow(ctx, SCMP_SYS(mprotect), 1, &no_exec)) )
        return rc;
    return allow(ctx, SCMP_SYS(socket), 1, &local);
}

/*
 * A call by another architecture's table (int 0x80) would end one thread only,
 * and a thread that a library has started would go on without a filter.
 */
static int set_attributes(scmp_filter_ctx ctx)
{
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
                              SCMP_ACT_KILL_PROCESS);

    return rc ? rc : seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
}

static int add_rules(scmp_filter_ctx ctx, bool legacy)
{
    int rc = set_attributes(ctx);

    if ( !rc )
        rc = allow_limited(ctx);

    if ( !rc )
        rc = allow_folders(ctx);

    for ( size_t i = 0; !rc && i < sizeof(plain) / sizeof(*plain); i++ )
        rc = allow(ctx, plain[i], 0, NULL);
    for ( size_t i = 0; !rc && i < sizeof(refused) / sizeof(*refused); i++ )
        rc = refuse(ctx, refused[i], 0, NULL);
    for ( size_t i = 0; !rc && i < sizeof(ioctls) / sizeof(*ioctls); i++ )
        rc = allow_command(ctx, SCMP_SYS(ioctl), ioctls[i]);
    for ( size_t i = 0; !rc && i < sizeof(fcntls) / sizeof(*fcntls); i++ )
        rc = allow_command(ctx, SCMP_SYS(fcntl), fcntls[i]);
    if ( !rc && legacy )
        rc = allow_command(ctx, SCMP_SYS(ioctl), PRIVCMD_HYPERCALL);
    return rc;
}

int confine_syscalls(bool legacy, FILE *err)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int rc = ctx ? add_rules(ctx, legacy) : -ENOMEM;

    if ( !rc )
        rc = seccomp_load(ctx);
    seccomp_release(ctx);
    if ( !rc )
        return 0;
    fprintf(err, "vmi-agent: system call filter: %s; expected a kernel with "
            "CONFIG_SECCOMP_FILTER, --privileged goes on without\n",
            strerror(-rc));
    return -1;
}
