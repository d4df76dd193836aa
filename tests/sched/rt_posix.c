/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pthreads, files and clocks for coroutines.  Xen's locks are full barriers on
 * Arm, and so is whatever the kernel does for a system call that wakes or
 * sleeps.  A read of a file that is not to sleep only acquires what it finds.
 */
#include "rt.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Idle for longer than that is for ever: there is nothing to wait for. */
#define LONG_NS (600LL * 1000000000)

static void barrier_point(void)
{
    rt_mem_fence(NULL, RT_SEQ_CST);
}

/* ---- mutexes: all zero is free ---- */

struct mutex {
    const struct rt_thread *owner;
};

_Static_assert(sizeof(struct mutex) <= sizeof(pthread_mutex_t), "fits");

int __wrap_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a);
int __wrap_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a)
{
    (void)a;
    ((struct mutex *)m)->owner = NULL;

    return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *m);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *m)
{
    if ( ((struct mutex *)m)->owner )
        rt_fail("a mutex is destroyed while it is held");

    return 0;
}

static void take(struct mutex *m)
{
    while ( m->owner )
    {
        if ( m->owner == rt_self )
            rt_fail("a mutex is taken twice");
        rt_block(m, RT_FOREVER);
    }
    m->owner = rt_self;
}

static void give(struct mutex *m)
{
    if ( m->owner != rt_self )
        rt_fail("a mutex is given back by another");
    m->owner = NULL;
    rt_wake(m);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
    rt_mem_settle();
    rt_point();
    take((struct mutex *)m);
    barrier_point();
    rt_trace_access("locks", __builtin_return_address(0), m, 0, "");

    return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *m);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *m)
{
    barrier_point();
    if ( ((struct mutex *)m)->owner )
    {
        /* Who tries for ever must let the owner come to its end. */
        rt_give_way();
        return EBUSY;
    }
    ((struct mutex *)m)->owner = rt_self;
    barrier_point();

    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
    barrier_point();
    rt_trace_access("unlocks", __builtin_return_address(0), m, 0, "");
    give((struct mutex *)m);
    rt_point();

    return 0;
}

/* ---- condition variables ---- */

int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a);
int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a)
{
    (void)c;
    (void)a;

    return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *c);
int __wrap_pthread_cond_destroy(pthread_cond_t *c)
{
    (void)c;

    return 0;
}

static int wait_until(pthread_cond_t *c, pthread_mutex_t *m, int64_t until)
{
    bool woken;

    barrier_point();
    give((struct mutex *)m);
    woken = rt_block(c, until);
    take((struct mutex *)m);
    barrier_point();

    return woken ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    return wait_until(c, m, RT_FOREVER);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                                  const struct timespec *ts);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                                  const struct timespec *ts)
{
    int64_t until = ts->tv_sec * 1000000000LL + ts->tv_nsec;

    return wait_until(c, m, until - rt_now() > LONG_NS ? RT_FOREVER : until);
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c);
int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
    rt_mem_settle();
    rt_wake(c);

    return 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *c);
int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
    return __wrap_pthread_cond_broadcast(c);
}

/* ---- locks for readers and writers ---- */

struct rwlock {
    const struct rt_thread *writer;
    unsigned int readers;
};

_Static_assert(sizeof(struct rwlock) <= sizeof(pthread_rwlock_t), "fits");

int __wrap_pthread_rwlock_init(pthread_rwlock_t *l, const pthread_rwlockattr_t *a);
int __wrap_pthread_rwlock_init(pthread_rwlock_t *l, const pthread_rwlockattr_t *a)
{
    (void)a;
    *(struct rwlock *)l = (struct rwlock){ 0 };

    return 0;
}

int __wrap_pthread_rwlock_destroy(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_destroy(pthread_rwlock_t *l)
{
    (void)l;

    return 0;
}

int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
    struct rwlock *r = (struct rwlock *)l;

    barrier_point();
    while ( r->writer )
        rt_block(r, RT_FOREVER);
    r->readers++;
    barrier_point();

    return 0;
}

int __wrap_pthread_rwlock_tryrdlock(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_tryrdlock(pthread_rwlock_t *l)
{
    struct rwlock *r = (struct rwlock *)l;

    barrier_point();
    if ( r->writer )
        return EBUSY;
    r->readers++;
    barrier_point();

    return 0;
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
    struct rwlock *r = (struct rwlock *)l;

    barrier_point();
    while ( r->writer || r->readers )
        rt_block(r, RT_FOREVER);
    r->writer = rt_self;
    barrier_point();

    return 0;
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l)
{
    struct rwlock *r = (struct rwlock *)l;

    barrier_point();
    if ( r->writer == rt_self )
        r->writer = NULL;
    else
        r->readers--;
    rt_wake(r);

    return 0;
}

/* ---- threads that the code under test makes itself: its workers ---- */

struct entry {
    void *(*fn)(void *arg);
    void *arg;
};

static void enter(void *arg)
{
    struct entry e = *(struct entry *)arg;

    free(arg);
    e.fn(e.arg);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *arg), void *arg)
{
    struct entry *e = malloc(sizeof(*e));

    (void)attr;
    *e = (struct entry){ fn, arg };
    *thread = 0;
    rt_spawn_worker("worker", enter, e);

    return 0;
}

int __wrap_pthread_detach(pthread_t thread);
int __wrap_pthread_detach(pthread_t thread)
{
    (void)thread;

    return 0;
}

static void (*key_destructor[RT_MAX_KEYS])(void *);
static unsigned int nr_keys;

int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    if ( nr_keys == RT_MAX_KEYS )
        return EAGAIN;
    key_destructor[nr_keys] = destructor;
    *key = nr_keys++;

    return 0;
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    rt_self->key_value[key] = (void *)value;

    return 0;
}

void rt_thread_ends(void)
{
    unsigned int i;

    for ( i = 0; i < nr_keys; i++ )
        if ( rt_self->key_value[i] && key_destructor[i] )
            key_destructor[i](rt_self->key_value[i]);
}

/* ---- time ---- */

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    (void)id;
    rt_advance(1000);
    ts->tv_sec = rt_now() / 1000000000;
    ts->tv_nsec = rt_now() % 1000000000;

    return 0;
}

int __wrap_nanosleep(const struct timespec *ts, struct timespec *left);
int __wrap_nanosleep(const struct timespec *ts, struct timespec *left)
{
    (void)left;
    barrier_point();
    rt_pass_time(ts->tv_sec * 1000000000LL + ts->tv_nsec);
    barrier_point();

    return 0;
}

int __wrap_usleep(useconds_t us);
int __wrap_usleep(useconds_t us)
{
    const struct timespec ts = { .tv_nsec = us * 1000L };

    return __wrap_nanosleep(&ts, NULL);
}

/* A timer of the kernel's would ring by the time of this machine: none rings. */
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *to,
                           struct itimerspec *was);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *to,
                           struct itimerspec *was)
{
    (void)fd;
    (void)flags;
    (void)to;
    (void)was;

    return 0;
}

int __wrap_sched_yield(void);
int __wrap_sched_yield(void)
{
    barrier_point();
    rt_give_way();
    barrier_point();

    return 0;
}

/* ---- files: a wait looks again when anything was written ---- */

static int something_written;

ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
    ssize_t rc;

    barrier_point();
    rc = __real_write(fd, buf, n);
    rt_trace_access("writes", __builtin_return_address(0), NULL, fd, "(fd)");
    rt_wake(&something_written);

    return rc;
}

int __wrap_eventfd_write(int fd, eventfd_t value);
int __wrap_eventfd_write(int fd, eventfd_t value)
{
    return __wrap_write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -1;
}

ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n)
{
    ssize_t rc;

    /* It has one lock of the kernel's: what it finds was written before. */
    rt_mem_settle();
    rt_point();
    rc = __real_read(fd, buf, n);
    rt_trace_access("reads", __builtin_return_address(0), NULL, fd, "(fd)");
    if ( rc > 0 )
        rt_mem_fence(NULL, RT_ACQUIRE);

    return rc;
}

int __wrap_eventfd_read(int fd, eventfd_t *value);
int __wrap_eventfd_read(int fd, eventfd_t *value)
{
    return __wrap_read(fd, value, sizeof(*value)) == sizeof(*value) ? 0 : -1;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    rt_wake(&something_written);

    return __real_close(fd);
}

int __real_poll(struct pollfd *fds, nfds_t nr, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t nr, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t nr, int ms)
{
    int64_t until = ms < 0 ? RT_FOREVER : rt_now() + ms * 1000000LL;
    int rc;

    barrier_point();
    while ( !(rc = __real_poll(fds, nr, 0)) && rt_now() < until )
        rt_block(&something_written, until);
    barrier_point();

    return rc;
}

/* ---- mappings: one file's page is one memory, wherever it is mapped ---- */

#define MAX_FILES   64U
#define WINDOW      (4U << 20)  /* of each file, from its beginning */

static struct file {
    dev_t dev;
    ino_t ino;
    uint8_t *window;            /* the address that stands for all */
    unsigned int pages;         /* mapped by others */
} files[MAX_FILES];

static struct mapping {
    uint8_t *at;
    size_t bytes;
    struct file *file;
} mappings[MAX_FILES];

void *__real_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t off);
int __real_munmap(void *at, size_t bytes);

static struct file *file_of(int fd)
{
    struct stat st;
    struct file *f, *unused = NULL;

    if ( fstat(fd, &st) )
        rt_fail("fstat");
    for ( f = files; f < files + MAX_FILES; f++ )
        if ( f->pages && f->dev == st.st_dev && f->ino == st.st_ino )
            return f;
        else if ( !f->pages && !unused )
            unused = f;
    if ( !unused )
        rt_fail("too many files are mapped");
    unused->dev = st.st_dev;
    unused->ino = st.st_ino;
    unused->window = __real_mmap(NULL, WINDOW, PROT_READ | PROT_WRITE,
                                 MAP_SHARED, fd, 0);

    return unused;
}

void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t off);
void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t off)
{
    struct mapping *m = mappings;
    struct file *f;
    uint8_t *p;

    rt_mem_settle();
    /* The model puts values there that a plain load is to see. */
    if ( fd >= 0 )
        prot |= PROT_WRITE;
    p = __real_mmap(at, bytes, prot, flags, fd, off);
    if ( p == MAP_FAILED || fd < 0 )
        return p;

    f = file_of(fd);
    if ( off + bytes > WINDOW )
        rt_fail("a mapping behind the window");
    while ( m->at )
        if ( ++m == mappings + MAX_FILES )
            rt_fail("too many mappings");
    *m = (struct mapping){ p, bytes, f };
    f->pages += bytes / 4096;
    rt_mem_alias(p, bytes, f->window + off);

    return p;
}

int __wrap_munmap(void *at, size_t bytes);
int __wrap_munmap(void *at, size_t bytes)
{
    uint8_t *p = at;
    struct mapping *m;

    rt_mem_settle();
    for ( m = mappings; m < mappings + MAX_FILES; m++ )
        if ( m->at && m->at >= p && m->at + m->bytes <= p + bytes )
        {
            m->file->pages -= m->bytes / 4096;
            if ( !m->file->pages )
                __real_munmap(m->file->window, WINDOW);
            m->at = NULL;
        }
    rt_mem_unalias(at, bytes);

    return __real_munmap(at, bytes);
}

/* Forgets what a killed process of the run before had mapped. */
void rt_posix_begin(void)
{
    struct mapping *m;

    for ( m = mappings; m < mappings + MAX_FILES; m++ )
        if ( m->at )
            __wrap_munmap(m->at, m->bytes);
}
