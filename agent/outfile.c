/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outfile.h"

#define MODE 0640

/* To the first free number of those that the filter lets pass. */
static int move_up(int fd)
{
    int high;

    if ( fd < 0 )
        return -1;
    high = fcntl(fd, F_DUPFD_CLOEXEC, OUTFILE_FD_BASE);
    close(fd);
    if ( high < OUTFILE_FD_BASE + OUTFILE_FD_MAX )
        return high;
    close(high);
    errno = EMFILE;
    return -1;
}

int outfile_init(struct outfile *f, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *dir = slash ? strndup(path, slash - path + 1) : strdup(".");

    f->path = path;
    f->dir = -1;
    if ( !dir )
        return -1;
    if ( !*name || strlen(name) >= sizeof(f->name) )
        errno = *name ? ENAMETOOLONG : EISDIR;
    else
    {
        strcpy(f->name, name);
        f->dir = move_up(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    free(dir);
    return f->dir < 0 ? -1 : 0;
}

int outfile_check(const struct outfile *f)
{
    return faccessat(f->dir, ".", W_OK | X_OK, AT_EACCESS);
}

int outfile_open(const struct outfile *f, int flags)
{
    return openat(f->dir, f->name, flags | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW,
                  MODE);
}

bool outfile_has_content(const struct outfile *f)
{
    struct stat st;

    return !fstatat(f->dir, f->name, &st, 0) && st.st_size > 0;
}

static void numbered(const struct outfile *f, unsigned int n, char *out,
                     size_t size)
{
    if ( n )
        snprintf(out, size, "%s.%u", f->name, n);
    else
        snprintf(out, size, "%s", f->name);
}

int outfile_shift(const struct outfile *f, unsigned int keep)
{
    char from[NAME_MAX + 1], to[NAME_MAX + 1];

    for ( unsigned int n = keep ? keep : 1; n-- > 0; )
    {
        numbered(f, n, from, sizeof(from));
        numbered(f, n + 1, to, sizeof(to));
        if ( renameat(f->dir, from, f->dir, to) && errno != ENOENT )
            return -1;
    }
    return 0;
}

int outfile_replace(const struct outfile *f, const char *text)
{
    struct outfile tmp = *f;
    size_t size = strlen(text);
    ssize_t done;
    int fd;

    snprintf(tmp.name, sizeof(tmp.name), ".%.*s.new",
             (int)sizeof(tmp.name) - 6, f->name);
    /* The reader is another user: node_exporter's, as a rule. */
    fd = openat(tmp.dir, tmp.name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
                O_NOFOLLOW, 0644);
    if ( fd < 0 )
        return -1;
    done = write(fd, text, size);
    if ( done >= 0 && (size_t)done < size )
        errno = ENOSPC;
    if ( close(fd) || done < 0 || (size_t)done < size )
        return -1;
    return renameat(f->dir, tmp.name, f->dir, f->name);
}
