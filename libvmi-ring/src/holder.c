/* SPDX-License-Identifier: MIT */
/*
 * Who has a domain's channel.
 *
 * Xen knows the holder's event channel port, but no kernel tells whose port it
 * is.  So each handle leaves a note where the next one looks: name, pid and
 * the pid's start time, which tells a process from a later one with its pid.
 * It is a courtesy for messages; nothing depends on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"

#define HOLDER_DIR "/run/vmi-ring"

static char *file_of(const vmiring_options *opts)
{
    char *path = NULL;
    int n;

    if ( opts->sim )
        n = asprintf(&path, "%s.holder.%u", opts->sim, opts->domid);
    else
        n = asprintf(&path, HOLDER_DIR "/%u", opts->domid);

    return n < 0 ? NULL : path;
}

/* Reads a small file; returns false if it is not there. */
static bool slurp(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n;

    if ( fd < 0 )
        return false;

    n = read(fd, out, size - 1);
    close(fd);
    out[n < 0 ? 0 : n] = 0;

    return n > 0;
}

/*
 * The 22nd field of /proc/PID/stat.  The second, the name, may hold blanks and
 * brackets, so count from its closing one.  0: no such process.
 */
static uint64_t start_time(long pid)
{
    char path[64];
    char text[1024];
    const char *p;
    int field;

    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    if ( !slurp(path, text, sizeof(text)) )
        return 0;

    p = strrchr(text, ')');
    for ( field = 2; p && field < 22; field++ )
        p = strchr(p + 1, ' ');

    return p ? strtoull(p + 1, NULL, 10) : 0;
}

static void own_comm(char *out, size_t size)
{
    if ( !slurp("/proc/self/comm", out, size) )
        snprintf(out, size, "?");
    out[strcspn(out, "\n")] = 0;
}

void holder_own_name(char *out, size_t size)
{
    char comm[32];

    own_comm(comm, sizeof(comm));
    snprintf(out, size, "%s[%ld]", comm, (long)getpid());
}

void holder_write(vmiring *h, const vmiring_options *opts)
{
    char *path = file_of(opts);
    char comm[32];
    char text[96];
    int len;
    int fd;

    if ( !path )
        return;
    if ( !opts->sim )
        mkdir(HOLDER_DIR, 0755);

    own_comm(comm, sizeof(comm));
    len = snprintf(text, sizeof(text), "%ld %" PRIu64 " %s\n", (long)getpid(),
                   start_time(getpid()), comm);

    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
              0644);
    if ( fd < 0 || write(fd, text, len) != len )
    {
        free(path);
        path = NULL;
    }
    if ( fd >= 0 )
        close(fd);

    free(h->holder_file);
    h->holder_file = path;
}

/* Splits a note.  Returns false if its process is gone. */
static bool parse(char *text, long *pid, char **comm)
{
    uint64_t started;
    char *end;

    *pid = strtol(text, &end, 10);
    started = strtoull(end, &end, 10);
    if ( *pid <= 0 || *end != ' ' )
        return false;

    *comm = end + 1;
    (*comm)[strcspn(*comm, "\n")] = 0;

    return started && start_time(*pid) == started;
}

void holder_remove(vmiring *h)
{
    char text[96];
    char *comm;
    long pid;

    /* A successor may have put its own note there. */
    if ( h->holder_file && slurp(h->holder_file, text, sizeof(text)) &&
         parse(text, &pid, &comm) && pid == (long)getpid() )
        unlink(h->holder_file);
}

void holder_read(const vmiring_options *opts, char *out, size_t size)
{
    char *path = file_of(opts);
    char text[96];
    char *comm;
    long pid;

    out[0] = 0;
    if ( path && slurp(path, text, sizeof(text)) && parse(text, &pid, &comm) )
        snprintf(out, size, "%s[%ld]", comm, pid);
    free(path);
}
