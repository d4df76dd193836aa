/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenstore.h>

#include "domwatch.h"
#include "vmiring.h"

struct domwatch {
    struct xs_handle *xs;    /* or NULL: a simulated host, through fd */
    int fd;
};

static int open_store(struct domwatch *dw)
{
    dw->xs = xs_open(0);
    if ( !dw->xs )
    {
        if ( errno != EACCES && errno != EPERM && errno != ENOMEM )
            errno = ENOSYS;
        return -1;
    }
    if ( !xs_watch(dw->xs, "@introduceDomain", "come") ||
         !xs_watch(dw->xs, "@releaseDomain", "go") )
        return -1;
    dw->fd = xs_fileno(dw->xs);
    return 0;
}

struct domwatch *domwatch_open(const char *sim)
{
    struct domwatch *dw = calloc(1, sizeof(*dw));
    int err;

    if ( !dw )
        return NULL;
    dw->fd = -1;
    if ( sim )
        dw->fd = vmiring_sim_watch(sim);
    if ( sim ? dw->fd >= 0 : !open_store(dw) )
        return dw;
    err = errno;
    domwatch_close(dw);
    errno = err;
    return NULL;
}

int domwatch_fd(const struct domwatch *dw)
{
    return dw->fd;
}

static int drain_store(struct domwatch *dw)
{
    char **watch;

    while ( (watch = xs_check_watch(dw->xs)) )
        free(watch);
    return errno == EAGAIN ? 0 : -1;
}

int domwatch_drain(struct domwatch *dw)
{
    char told[256];
    ssize_t n;

    if ( dw->xs )
        return drain_store(dw);
    while ( (n = read(dw->fd, told, sizeof(told))) > 0 )
        ;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

void domwatch_close(struct domwatch *dw)
{
    if ( !dw )
        return;
    if ( dw->xs )
        xs_close(dw->xs);
    else if ( dw->fd >= 0 )
        close(dw->fd);
    free(dw);
}
