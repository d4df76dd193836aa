/* SPDX-License-Identifier: MIT */
/*
 * The one fd that an application polls: an epoll instance over the host's
 * notification fd and an eventfd of ours.
 *
 * It has to stay readable while anything is undelivered.  The notification is
 * consumed before the library looks for work; when work is found after that,
 * or is known to be left over, only the eventfd says so.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "private.h"

int fds_watch(vmiring *h, int fd)
{
    struct epoll_event ev = { .events = EPOLLIN };

    if ( epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, fd, &ev) )
        return fail(&h->msg, errno, "epoll_ctl: %s", strerror(errno));

    return 0;
}

int fds_open(vmiring *h)
{
    h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if ( h->epoll_fd < 0 )
        return fail(&h->msg, errno, "epoll_create1: %s", strerror(errno));

    h->more_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if ( h->more_fd < 0 )
        return fail(&h->msg, errno, "eventfd: %s", strerror(errno));

    return fds_watch(h, h->more_fd);
}

void fds_arm(vmiring *h)
{
    /* A counter at its maximum would be readable too. */
    if ( !h->more_armed && eventfd_write(h->more_fd, 1) == 0 )
        h->more_armed = true;
}

void fds_disarm(vmiring *h)
{
    eventfd_t count;

    if ( h->more_armed && eventfd_read(h->more_fd, &count) == 0 )
        h->more_armed = false;
}

void fds_close(vmiring *h)
{
    if ( h->more_fd >= 0 )
        close(h->more_fd);
    if ( h->epoll_fd >= 0 )
        close(h->epoll_fd);
    h->more_fd = h->epoll_fd = -1;
}

int vmiring_fd(const vmiring *h)
{
    return h->epoll_fd;
}

int vmiring_wait(vmiring *h, int timeout_ms)
{
    struct pollfd pfd;
    int rc;

    if ( usable(h) || flush_kicks(h) )
        return -1;

    pfd = (struct pollfd){ .fd = h->epoll_fd, .events = POLLIN };
    rc = poll(&pfd, 1, timeout_ms);
    if ( rc < 0 )
        return fail(&h->msg, errno, "poll: %s", strerror(errno));
    if ( rc == 0 )
        return fail(&h->msg, EAGAIN, "nothing came within %d ms", timeout_ms);

    return 0;
}
