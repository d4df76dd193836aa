/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "watch.h"
#include "worker.h"

int worker_tie(pid_t parent)
{
    if ( prctl(PR_SET_PDEATHSIG, SIGTERM) )
        return -1;
    return getppid() == parent ? 0 : -1;
}

/*
 * Nothing of the supervisor's but its standard input stays open here: not the
 * way to xenstore, and not the other workers' pipes.
 */
static int keep_only(int out, int err)
{
    if ( dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0 )
        return -1;
    return close_range(STDERR_FILENO + 1, ~0U, 0);
}

char *worker_file(const char *pattern, const char *uuid, uint32_t domid)
{
    const char *mark = strstr(pattern, WORKER_FILE_MARK);
    char *name;

    if ( !mark )
        return strdup(pattern);
    if ( (*uuid ? asprintf(&name, "%.*s%s%s", (int)(mark - pattern), pattern,
                           uuid, mark + strlen(WORKER_FILE_MARK))
                : asprintf(&name, "%.*sdomid-%" PRIu32 "%s",
                           (int)(mark - pattern), pattern, domid,
                           mark + strlen(WORKER_FILE_MARK))) < 0 )
        return NULL;
    return name;
}

/* The files that an option names, for this domain; kept until the end. */
static int own_files(struct config *own, const char *uuid)
{
    const char **file[] = {
        &own->write_file, &own->log_file, &own->metrics_file
    };

    for ( size_t i = 0; i < sizeof(file) / sizeof(file[0]); i++ )
        if ( *file[i] &&
             !(*file[i] = worker_file(*file[i], uuid, own->domid)) )
            return -1;
    return 0;
}

static _Noreturn void run(const struct config *cfg, uint32_t domid,
                          const char *uuid, bool reattach, pid_t parent)
{
    struct config own = *cfg;
    sigset_t child;
    enum exit_code code;

    own.all = false;
    own.name = NULL;
    own.have_domid = true;
    own.domid = domid;
    own.reattach = reattach;
    own.duration_us = 0;
    own.parent = parent;
    if ( own_files(&own, uuid) )
        _exit(EXIT_INTERNAL);

    /* systemd listens to the supervisor. */
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &child, NULL);

    code = watch_run(&own);
    _exit(code);
}

static void close_both(const int fd[2])
{
    close(fd[0]);
    close(fd[1]);
}

static pid_t start(const struct config *cfg, uint32_t domid, const char *uuid,
                   bool reattach, const int out[2], const int err[2])
{
    pid_t parent = getpid(), pid;

    fflush(NULL);
    pid = fork();
    if ( pid )
        return pid;
    if ( worker_tie(parent) || keep_only(out[1], err[1]) )
        _exit(EXIT_INTERNAL);
    run(cfg, domid, uuid, reattach, parent);
}

pid_t worker_start(const struct config *cfg, uint32_t domid, const char *uuid,
                   bool reattach, struct worker_pipes *pipes)
{
    int out[2], err[2], saved;
    pid_t pid = -1;

    if ( pipe2(out, O_CLOEXEC) )
        return -1;
    if ( pipe2(err, O_CLOEXEC) )
        goto no_err;
    if ( !fcntl(out[0], F_SETFL, O_NONBLOCK) &&
         !fcntl(err[0], F_SETFL, O_NONBLOCK) )
        pid = start(cfg, domid, uuid, reattach, out, err);
    if ( pid < 0 )
        goto no_pid;
    close(out[1]);
    close(err[1]);
    *pipes = (struct worker_pipes){ out[0], err[0] };
    return pid;

 no_pid:
    saved = errno;
    close_both(err);
    errno = saved;
 no_err:
    saved = errno;
    close_both(out);
    errno = saved;
    return -1;
}
