/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "writer.h"

#define SHIFT_ROOM 65536U

struct job {
    struct job *next;
    enum writer_op op;
    size_t size;
    uint64_t items;
    char data[];             /* and a 0 */
};

struct writer {
    struct outfile file;     /* path NULL: none */
    size_t size;
    bool whole;
    unsigned int keep;
    int event;
    int fd;                  /* the thread's alone once it runs; -1: broken */

    pthread_mutex_t lock;    /* of all below */
    pthread_cond_t work, idle;
    pthread_t thread;
    bool running, stop, wanted;
    bool inside;             /* of a call that touches the file */
    bool leaving;            /* nobody frees w but the thread */
    struct job *first, **last, *current;
    size_t waiting;          /* bytes */
    uint64_t lost;
    int error;
};

static void wake(struct writer *w)
{
    uint64_t one = 1;

    (void)!write(w->event, &one, sizeof(one));
}

static int write_all(int fd, const char *data, size_t size)
{
    while ( size )
    {
        ssize_t n = write(fd, data, size);

        if ( n < 0 && errno == EINTR )
            continue;
        if ( n <= 0 )
            return -1;
        data += n;
        size -= n;
    }
    return 0;
}

/* The old one stays open where a new one cannot be had. */
static int open_anew(struct writer *w, int flags)
{
    int fd = outfile_open(&w->file, O_WRONLY | O_CREAT | flags);

    if ( fd < 0 )
        return -1;
    if ( w->fd >= 0 )
        close(w->fd);
    w->fd = fd;
    return 0;
}

static int put_data(struct writer *w, const struct job *j)
{
    int err;

    /* What broke it was told then. */
    if ( w->fd < 0 )
    {
        errno = 0;
        return -1;
    }
    if ( !write_all(w->fd, j->data, j->size) )
        return 0;
    err = errno;
    if ( w->whole )
    {
        close(w->fd);
        w->fd = -1;
    }
    errno = err;
    return -1;
}

static int begin_file(struct writer *w, const struct job *j)
{
    if ( w->fd >= 0 )
        close(w->fd);
    w->fd = -1;
    if ( (outfile_has_content(&w->file) &&
          outfile_shift(&w->file, w->keep)) || open_anew(w, O_TRUNC) )
        return -1;
    return put_data(w, j);
}

static int perform(struct writer *w, const struct job *j)
{
    switch ( j->op )
    {
    case WRITER_DATA:
        return put_data(w, j);
    case WRITER_REOPEN:
        return open_anew(w, O_APPEND);
    case WRITER_SHIFT:
        return begin_file(w, j);
    case WRITER_REPLACE:
        return outfile_replace(&w->file, j->data);
    }
    return 0;
}

/* Under the lock, which is given up for the file. */
static void do_one(struct writer *w)
{
    struct job *j = w->first;
    int rc, err;

    w->first = j->next;
    if ( !w->first )
        w->last = &w->first;
    w->current = j;
    w->inside = true;
    pthread_mutex_unlock(&w->lock);
    rc = perform(w, j);
    err = rc ? errno : 0;
    pthread_mutex_lock(&w->lock);
    w->inside = false;
    w->waiting -= j->size;
    if ( w->current == j )   /* else it has been counted already */
    {
        w->current = NULL;
        if ( rc )
            w->lost += j->items;
    }
    free(j);
    if ( err )
        w->error = err;
    if ( err || w->wanted )
        wake(w);
    w->wanted = false;
    if ( !w->first )
        pthread_cond_broadcast(&w->idle);
}

static void destroy(struct writer *w)
{
    while ( w->first )
    {
        struct job *j = w->first;

        w->first = j->next;
        free(j);
    }
    if ( w->fd >= 0 )
        close(w->fd);
    close(w->event);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->idle);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void *run(void *arg)
{
    struct writer *w = arg;
    bool leaving;

    pthread_mutex_lock(&w->lock);
    /* What a new thread calls, the system call filter need not let pass. */
    w->running = true;
    pthread_cond_broadcast(&w->idle);
    while ( !w->stop || w->first )
        if ( w->first )
            do_one(w);
        else
            pthread_cond_wait(&w->work, &w->lock);
    leaving = w->leaving;
    w->running = false;
    pthread_cond_broadcast(&w->idle);
    pthread_mutex_unlock(&w->lock);
    if ( leaving )
        destroy(w);
    return NULL;
}

struct writer *writer_new(const struct outfile *f, int fd, size_t size,
                          bool whole, unsigned int keep)
{
    struct writer *w = calloc(1, sizeof(*w));
    pthread_condattr_t attr;

    if ( !w )
        return NULL;
    if ( f )
        w->file = *f;
    w->fd = fd;
    w->size = size + SHIFT_ROOM;
    w->whole = whole;
    w->keep = keep;
    w->last = &w->first;
    w->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if ( w->event < 0 )
    {
        free(w);
        return NULL;
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->idle, &attr);
    pthread_condattr_destroy(&attr);
    return w;
}

int writer_start(struct writer *w)
{
    sigset_t all, old;
    int rc;

    /* Signals are the event loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = rc;
    if ( rc )
        return -1;
    pthread_mutex_lock(&w->lock);
    while ( !w->running )
        pthread_cond_wait(&w->idle, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return 0;
}

static bool has_room(const struct writer *w, size_t size)
{
    return w->waiting <= w->size && size <= w->size - w->waiting;
}

bool writer_put(struct writer *w, enum writer_op op, const void *data,
                size_t size, uint64_t items)
{
    struct job *j = malloc(sizeof(*j) + size + 1);
    bool room;

    if ( !j )
        return false;
    *j = (struct job){ .op = op, .size = size, .items = items };
    if ( size )
        memcpy(j->data, data, size);
    j->data[size] = '\0';

    pthread_mutex_lock(&w->lock);
    room = has_room(w, size + (op == WRITER_SHIFT ? 0 : SHIFT_ROOM));
    if ( room )
    {
        *w->last = j;
        w->last = &j->next;
        w->waiting += size;
        pthread_cond_signal(&w->work);
    }
    else
        w->wanted = true;
    pthread_mutex_unlock(&w->lock);
    if ( !room )
        free(j);
    return room;
}

bool writer_has_room(struct writer *w, size_t size)
{
    bool room;

    pthread_mutex_lock(&w->lock);
    room = has_room(w, size + SHIFT_ROOM);
    w->wanted |= !room;
    pthread_mutex_unlock(&w->lock);
    return room;
}

int writer_fd(const struct writer *w)
{
    return w->event;
}

void writer_ack(struct writer *w)
{
    uint64_t n;

    (void)!read(w->event, &n, sizeof(n));
}

uint64_t writer_lost(struct writer *w)
{
    uint64_t n;

    pthread_mutex_lock(&w->lock);
    n = w->lost;
    pthread_mutex_unlock(&w->lock);
    return n;
}

int writer_error(struct writer *w)
{
    int err;

    pthread_mutex_lock(&w->lock);
    err = w->error;
    w->error = 0;
    pthread_mutex_unlock(&w->lock);
    return err;
}

/* Under the lock: what has not been written never is. */
static uint64_t give_up(struct writer *w)
{
    uint64_t n = w->current ? w->current->items : 0;

    w->current = NULL;       /* counted here, and by the thread no more */
    while ( w->first )
    {
        struct job *j = w->first;

        n += j->items;
        w->first = j->next;
        w->waiting -= j->size;
        free(j);
    }
    w->last = &w->first;
    w->lost += n;
    return n;
}

uint64_t writer_drain(struct writer *w, int timeout_ms)
{
    struct timespec end;
    uint64_t n;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += timeout_ms % 1000 * 1000000L;
    if ( end.tv_nsec >= 1000000000L )
    {
        end.tv_sec++;
        end.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&w->lock);
    /* Never begun, as something else failed: by whoever asks, then. */
    while ( !w->running && w->first )
        do_one(w);
    while ( (w->first || w->current) &&
            pthread_cond_timedwait(&w->idle, &w->lock, &end) != ETIMEDOUT )
        ;
    n = give_up(w);
    pthread_mutex_unlock(&w->lock);
    return n;
}

void writer_free(struct writer *w)
{
    bool busy, running;

    if ( !w )
        return;
    (void)writer_drain(w, 0);
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    running = w->running;
    /* In the middle of a write that does not come back: the thread's, then. */
    busy = running && w->inside;
    w->leaving = busy;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    if ( busy )
        pthread_detach(w->thread);
    else
    {
        if ( running )
            pthread_join(w->thread, NULL);
        destroy(w);
    }
}
