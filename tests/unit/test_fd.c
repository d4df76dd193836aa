/* SPDX-License-Identifier: MIT */
/*
 * The fd: readable while anything is undelivered, quiet when nothing is.  A
 * vmiring_wait() that times out here is a lost wake-up.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "fake.h"

#define EVENTS  100000U
#define LOST_MS 5000            /* nothing takes so long but what never comes */

Test(fd, quiet_when_empty)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);

    /* Bound ports are pending once; that is consumed by the first look. */
    must_be_empty(h);
    cr_assert(!readable(vmiring_fd(h)));
    errno = 0;
    cr_assert_eq(vmiring_wait(h, 0), -1);
    cr_assert_eq(errno, EAGAIN);
    vmiring_close(h);
    fake_free(f);
}

static void on_alarm(int sig)
{
    (void)sig;
}

Test(fd, a_signal_ends_the_wait)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    const struct sigaction sa = { .sa_handler = on_alarm };
    const struct itimerval soon = { .it_value = { .tv_usec = 20000 } };

    must_be_empty(h);
    cr_assert_eq(sigaction(SIGALRM, &sa, NULL), 0);
    cr_assert_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
    errno = 0;
    cr_assert_eq(vmiring_wait(h, -1), -1);
    cr_assert_eq(errno, EINTR);
    vmiring_close(h);
    fake_free(f);
}

/* Users of level-triggered loops take one event per poll. */
Test(fd, one_event_per_poll)
{
    struct fake *f = fake_new(2);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;
    uint64_t random = 88172645463325252ULL;
    uint64_t undelivered = 0;
    uint32_t done = 0;

    must_be_empty(h);
    while ( done < EVENTS )
    {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if ( undelivered < 100 && (undelivered == 0 || (random & 3)) )
        {
            cr_assert(fake_async(f, random >> 8 & 1, VMIRING_CPUID, 32));
            undelivered++;
            continue;
        }

        cr_assert(readable(vmiring_fd(h)), "stuck with %lu undelivered",
                  (unsigned long)undelivered);
        cr_assert_eq(must_receive(h, &ev, 1), 1);
        vmiring_release(h);
        undelivered--;
        done++;
    }
    vmiring_close(h);
    fake_free(f);
}

/*
 * A record that comes while a batch is held makes no notification, as the
 * consumer has not caught up; the release must find it.
 */
Test(fd, a_record_while_a_batch_is_held)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[4];

    must_be_empty(h);
    f->keep_quiet = true;
    fake_async(f, 0, VMIRING_CPUID, 32);
    must_receive(h, ev, 4);
    fake_async(f, 0, VMIRING_CPUID, 32);
    cr_assert(!readable(vmiring_fd(h)));
    vmiring_release(h);
    cr_assert(readable(vmiring_fd(h)));
    cr_assert_eq(must_receive(h, ev, 4), 1);
    vmiring_release(h);
    must_be_empty(h);
    cr_assert(!readable(vmiring_fd(h)));
    vmiring_close(h);
    fake_free(f);
}

/* ... and when more was there than was asked for, likewise. */
Test(fd, a_batch_that_was_too_small)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[4];
    int round;
    int i;

    for ( round = 0; round < 3; round++ )
    {
        for ( i = 0; i < 4; i++ )
            fake_async(f, 0, VMIRING_CPUID, 32);
        cr_assert_eq(must_receive(h, ev, 3), 3);
        vmiring_release(h);
        cr_assert(readable(vmiring_fd(h)));
        cr_assert_eq(must_receive(h, ev, 3), 1);
        vmiring_release(h);
        must_be_empty(h);
        cr_assert(!readable(vmiring_fd(h)));
    }
    vmiring_close(h);
    fake_free(f);
}

/*
 * Requests that come after the first look and before the doorbell is drained:
 * their ring is consumed, so what does not fit the batch needs another sign.
 */
static const struct host_ops *plain;

static int late_drain(struct host *host)
{
    struct fake *f = (struct fake *)host;
    unsigned int i;

    for ( i = 0; i < 3 && !f->vcpu[i].req_seq; i++ )
        fake_sync(f, i, VMIRING_CPUID);

    return plain->drain(host);
}

Test(fd, requests_between_look_and_drain)
{
    struct fake *f = fake_new(3);
    struct host_ops ops = *f->host.ops;
    vmiring *h = fake_open(f);
    struct vmiring_event ev;
    int i;

    plain = f->host.ops;
    ops.drain = late_drain;
    f->host.ops = &ops;
    for ( i = 0; i < 3; i++ )
    {
        cr_assert_eq(must_receive(h, &ev, 1), 1);
        vmiring_release(h);
        cr_assert(i == 2 || readable(vmiring_fd(h)), "stuck at %d", i);
    }
    must_be_empty(h);
    cr_assert(!readable(vmiring_fd(h)));
    vmiring_close(h);
    fake_free(f);
}

/* ---- with a producer in another thread ---- */

/* A random wait of up to about a microsecond, to meet each other's steps. */
#define SPINS 400U

static void spin(unsigned int n)
{
    volatile unsigned int i;

    for ( i = 0; i < n; i++ )
        continue;
}

struct producer {
    struct fake *f;
    uint32_t events;
    uint64_t consumed;      /* the consumer's count */
    bool one_by_one;        /* each only when the one before was consumed */
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    uint32_t i;

    for ( i = 0; i < p->events; i++ )
    {
        fake_async(p->f, i % p->f->nr_vcpus, VMIRING_CPUID, 32 + i % 4 * 8);

        /*
         * Waits for the receipt, but not for the consumer to have gone to
         * sleep: the next record meets it on its way there.
         */
        while ( p->one_by_one &&
                __atomic_load_n(&p->consumed, __ATOMIC_ACQUIRE) != i + 1 )
            spin(1);
    }

    return NULL;
}

/*
 * eager: receives until there is nothing; else sleeps after each batch, as
 * most event loops do, so that the release alone has to notice what came.
 */
static void race(uint32_t events, int batch, bool one_by_one, bool eager)
{
    uint64_t random = 88172645463325252ULL;
    struct fake *f = fake_new(4);
    vmiring *h = fake_open(f);
    struct producer p = { .f = f, .events = events, .one_by_one = one_by_one };
    struct vmiring_event ev[64];
    struct vmiring_lost lost;
    uint64_t total = 0;
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, produce, &p), 0);
    while ( total < events )
    {
        int n = vmiring_receive(h, ev, batch);
        int i;

        for ( i = 0; i < n; i++ )
            total += vmiring_get_lost(&ev[i], &lost) ? 1 : lost.count;

        /* First this, so that the next record meets the release. */
        __atomic_store_n(&p.consumed, total, __ATOMIC_RELEASE);
        cr_assert(n > 0 || errno == EAGAIN, "%s", vmiring_error(h));
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        spin(one_by_one ? random % SPINS : 0);
        vmiring_release(h);

        if ( total < events && (n < 0 || !eager) )
            cr_assert_eq(vmiring_wait(h, LOST_MS), 0,
                         "lost wake-up after %lu events",
                         (unsigned long)total);
    }
    pthread_join(thread, NULL);

    cr_assert_eq(total, events);
    must_be_empty(h);
    vmiring_close(h);
    fake_free(f);
}

Test(fd_race, eager) { race(EVENTS, 64, false, true); }
Test(fd_race, eager_batch_of_one) { race(EVENTS, 1, false, true); }
Test(fd_race, eager_one_by_one) { race(EVENTS, 1, true, true); }
Test(fd_race, lazy) { race(EVENTS, 64, false, false); }
Test(fd_race, lazy_batch_of_one) { race(EVENTS, 1, false, false); }
Test(fd_race, lazy_one_by_one) { race(3 * EVENTS, 1, true, false); }

/* ---- arguments and states of receive ---- */

Test(receive, arguments)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    errno = 0;
    cr_assert_eq(vmiring_receive(h, &ev, 0), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_receive(h, &ev, -1), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_receive(h, NULL, 1), -1);
    cr_assert_eq(errno, EINVAL);

    fake_async(f, 0, VMIRING_CPUID, 32);
    must_receive(h, &ev, 1);
    errno = 0;
    cr_assert_eq(vmiring_receive(h, &ev, 1), -1);
    cr_assert_eq(errno, ENOBUFS);
    vmiring_release(h);
    vmiring_release(h);  /* nothing held: nothing done */
    must_be_empty(h);
    vmiring_close(h);
    fake_free(f);
}

/* More than the library hands out at once is no error, and nothing is lost. */
Test(receive, a_huge_batch)
{
    struct fake *f = fake_new(1);
    static struct vmiring_event ev[2000];
    unsigned int total = 0;
    vmiring *h;

    f->ring_bytes = 65536;
    h = fake_open(f);
    while ( fake_async(f, 0, VMIRING_CPUID, 64) )
        continue;
    while ( total < 1024 )
    {
        total += must_receive(h, ev, 2000);
        vmiring_release(h);
    }
    cr_assert_eq(total, 1024);
    vmiring_close(h);
    fake_free(f);
}

/* ---- fork ---- */

#define CHILD_OK 42

static void check_child(vmiring *h, const struct vmiring_event *held)
{
    struct vmiring_subscription s = { .size = sizeof(s), .sync = 1,
                                      .reason = VMIRING_CPUID };
    struct vmiring_geometry g = { .size = sizeof(g) };
    struct vmiring_stats st = { .size = sizeof(st) };
    struct vmiring_vcpu_info info = { .size = sizeof(info) };
    struct vmiring_event ev;
    uint8_t byte;
    uint32_t access;
    unsigned int bad = 0;

#define MUST_FAIL(call) do { \
        errno = 0; \
        if ( (call) != -1 || errno != EPERM ) \
            bad = 1; \
    } while ( 0 )
    MUST_FAIL(vmiring_receive(h, &ev, 1));
    MUST_FAIL(vmiring_respond(h, held, NULL));
    MUST_FAIL(vmiring_flush(h));
    MUST_FAIL(vmiring_wait(h, 0));
    MUST_FAIL(vmiring_subscribe(h, &s));
    MUST_FAIL(vmiring_unsubscribe(h, &s));
    MUST_FAIL(vmiring_set_access(h, 0, 1, 0));
    MUST_FAIL(vmiring_get_access(h, 0, &access));
    MUST_FAIL(vmiring_geometry(h, &g));
    MUST_FAIL(vmiring_stats(h, &st));
    MUST_FAIL(vmiring_info(h, 0, 1, &info));
    MUST_FAIL(vmiring_restrict(h));
    MUST_FAIL(vmiring_leave(h));
    MUST_FAIL(vmiring_read_phys(h, 0, &byte, 1, NULL));
    MUST_FAIL(vmiring_write_phys(h, 0, &byte, 1, NULL));
    MUST_FAIL(vmiring_read_virt(h, held, 0, &byte, 1, NULL));
#undef MUST_FAIL
    vmiring_release(h);  /* nothing: the ring is not there */
    vmiring_close(h);
    _exit(bad ? 1 : CHILD_OK);
}

Test(fork, the_child_may_only_close)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;
    int status;
    pid_t pid;

    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    pid = fork();
    cr_assert_geq(pid, 0);
    if ( !pid )
        check_child(h, &ev);

    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OK,
              "status 0x%x", status);

    /* Nothing that the child did shows here. */
    cr_assert(f->bound);
    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    vmiring_close(h);
    cr_assert_eq(f->state, VMEV2_STATE_IDLE);
    fake_free(f);
}
