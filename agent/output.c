/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

#define WRITER_PART 65536U

/*
 * A pipe or terminal gets a description of its own.  Where that fails (its
 * owner is another user) ours is switched, and switched back at the end.  A
 * file needs neither: it never makes a writer wait for a reader.
 */
static int make_nonblocking(struct output *o)
{
    char path[32];
    struct stat st;
    int flags;

    if ( fstat(o->fd, &st) )
        return -1;
    o->socket = S_ISSOCK(st.st_mode);
    if ( o->socket || S_ISREG(st.st_mode) )
        return 0;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", o->fd);
    o->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if ( o->own_fd >= 0 )
    {
        o->fd = o->own_fd;
        return 0;
    }
    flags = fcntl(o->fd, F_GETFL);
    if ( flags < 0 )
        return -1;
    o->restore = !(flags & O_NONBLOCK);
    return fcntl(o->fd, F_SETFL, flags | O_NONBLOCK);
}

int output_open(struct output *o, int fd, size_t size)
{
    *o = (struct output){ .fd = fd, .own_fd = -1, .size = size };
    if ( make_nonblocking(o) )
        return -1;
    o->buf = malloc(size);
    return o->buf ? 0 : -1;
}

void output_close(struct output *o)
{
    if ( o->restore )
        fcntl(o->fd, F_SETFL, fcntl(o->fd, F_GETFL) & ~O_NONBLOCK);
    if ( o->own_fd >= 0 )
        close(o->own_fd);
    writer_free(o->writer);
    free(o->buf);
    *o = (struct output)OUTPUT_CLOSED;
}

bool output_is_file(const struct output *o)
{
    struct stat st;

    return !fstat(o->fd, &st) && S_ISREG(st.st_mode);
}

void output_redirect(struct output *o, struct writer *w)
{
    if ( o->restore )
        fcntl(o->fd, F_SETFL, fcntl(o->fd, F_GETFL) & ~O_NONBLOCK);
    if ( o->own_fd >= 0 )
        close(o->own_fd);
    writer_free(o->writer);
    o->fd = o->own_fd = -1;
    o->writer = w;
    o->restore = o->socket = o->dead = o->blocked = false;
}

int output_poll_fd(const struct output *o, short *events)
{
    *events = o->writer ? POLLIN : POLLOUT;
    return o->writer ? writer_fd(o->writer) : o->fd;
}

uint64_t output_drops(const struct output *o)
{
    return o->drops + (o->writer ? writer_lost(o->writer) : 0);
}

size_t output_room(const struct output *o)
{
    return o->size - (o->end - o->start);
}

bool output_line(struct output *o, const char *line)
{
    size_t len = line ? strlen(line) + o->datagrams : 0;

    if ( !line || o->dead || len > output_room(o) )
    {
        o->drops++;
        return false;
    }
    if ( len > o->size - o->end )
    {
        memmove(o->buf, o->buf + o->start, o->end - o->start);
        o->end -= o->start;
        o->start = 0;
    }
    memcpy(o->buf + o->end, line, len);
    o->end += len;
    return true;
}

/*
 * How much to write at once: whole lines of at most PIPE_BUF bytes, which a
 * pipe takes entirely or not at all, so that two writers' lines never mix.  A
 * thread takes more.
 */
static size_t portion(const struct output *o)
{
    const char *from = o->buf + o->start, *last;
    size_t len = o->end - o->start, most = o->writer ? WRITER_PART : PIPE_BUF;

    if ( o->datagrams )
        return strlen(from);
    if ( len <= most )
        return len;
    last = memrchr(from, '\n', most);
    return last ? (size_t)(last - from) + 1 : most;
}

static uint64_t lines_in(const struct output *o, size_t size)
{
    uint64_t n = 0;

    for ( size_t i = o->start; i < o->start + size; i++ )
        n += o->buf[i] == (o->datagrams ? '\0' : '\n');
    return n;
}

static uint64_t lines_left(const struct output *o)
{
    return lines_in(o, o->end - o->start);
}

static uint64_t give_up(struct output *o)
{
    uint64_t n = lines_left(o);

    o->drops += n;
    o->start = o->end = 0;
    return n;
}

static bool give_to_writer(struct output *o)
{
    o->blocked = false;
    while ( o->start < o->end )
    {
        size_t len = portion(o);

        if ( !writer_put(o->writer, WRITER_DATA, o->buf + o->start, len,
                         lines_in(o, len)) )
        {
            o->blocked = true;
            return true;
        }
        o->writes++;
        o->start += len;
    }
    o->start = o->end = 0;
    return false;
}

bool output_write(struct output *o)
{
    if ( o->writer )
        return give_to_writer(o);
    while ( o->start < o->end )
    {
        const char *from = o->buf + o->start;
        size_t len = portion(o);
        ssize_t n = o->socket ?
            send(o->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL) :
            write(o->fd, from, len);

        o->writes++;
        o->blocked = n < 0 && errno == EAGAIN;
        if ( n >= 0 )
            o->start += n + o->datagrams;
        else if ( o->blocked )
            return true;
        else if ( errno != EINTR )
        {
            /* A full disk may get room again; a reader does not come back. */
            o->dead = errno == EPIPE || errno == ECONNRESET;
            give_up(o);
        }
    }
    o->start = o->end = 0;
    return false;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

uint64_t output_drain(struct output *o, int timeout_ms)
{
    int64_t end = now_ms() + timeout_ms, left;
    uint64_t late = 0;

    while ( output_write(o) && (left = end - now_ms()) > 0 )
    {
        struct pollfd p;

        p.fd = output_poll_fd(o, &p.events);
        (void)poll(&p, 1, left);
        if ( o->writer )
            writer_ack(o->writer);
    }
    if ( o->writer )
    {
        left = end - now_ms();
        late = writer_drain(o->writer, left > 0 ? left : 0);
    }
    return late + give_up(o);
}
