/* SPDX-License-Identifier: MIT */
/*
 * The dispatch loop, the same for every ABI.
 *
 * Nothing gets stuck because: whatever is undelivered has either an unconsumed
 * notification, or has armed our eventfd.  A notification is consumed in one
 * place only, when a first look found nothing; a second look follows, and what
 * that finds arms the eventfd.  Records that Xen did not notify, because it
 * saw that we had not caught up, are found when a batch is released: the
 * position is published, fenced, and compared with Xen's (R5).  While the
 * engine has told Xen that it looks unasked (R6), a release leaves the fd armed,
 * and the look before a sleep takes that back.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "private.h"

int same_process(vmiring *h)
{
    if ( !fork_is_child(h) )
        return 0;

    return fail(&h->msg, EPERM, "this process is a fork of the one that opened "
                "the handle; it may only close it");
}

int usable(vmiring *h)
{
    if ( same_process(h) )
        return -1;

    if ( h->broken )
    {
        errno = h->broken;
        return -1;
    }

    return 0;
}

int flush_kicks(vmiring *h)
{
    if ( !h->kick_due )
        return 0;

    h->kick_due = false;
    if ( h->engine->kick(h) )
    {
        /* The port goes with the domain, which is told by check(). */
        if ( h->engine->check(h) )
            return -1;
        return fail(&h->msg, errno, "ringing the doorbell of domain %u: %s",
                    h->domid, strerror(errno));
    }
    h->stats.kicks++;

    return 0;
}

int vmiring_flush(vmiring *h)
{
    if ( usable(h) )
        return -1;

    return flush_kicks(h);
}

/* From now on every call fails alike, and the fd stays readable to say so. */
static int broke(vmiring *h)
{
    h->broken = errno;
    fds_arm(h);

    return -1;
}

static int fill(vmiring *h, struct vmiring_event *ev, uint32_t max)
{
    uint32_t n = 0;

    if ( h->engine->collect(h) )
        return -1;

    while ( n < max )
    {
        struct event *e = &h->batch[n];
        int rc = h->engine->next(h, e);

        /* What came before the bad one is still handed out. */
        if ( rc < 0 && n == 0 )
            return -1;
        if ( rc <= 0 )
            break;

        event_publish(e, &ev[n++]);
        if ( e->rec.reason != VMIRING_LOST )
            h->stats.received++;
        if ( e->handle )
            h->stats.sync_received++;
    }

    return n;
}

/* check() failed: 1 if there is still an event that says why, else -1. */
static int last_event(vmiring *h, struct vmiring_event *ev)
{
    int err = errno;

    if ( err != ESTALE || !h->engine->last ||
         !h->engine->last(h, &h->batch[0]) )
    {
        errno = err;
        return broke(h);
    }

    event_publish(&h->batch[0], &ev[0]);
    h->stats.received++;
    h->batch_held = true;
    fds_arm(h);

    return 1;
}

/* The look after which an application may sleep. */
static int fill_or_sleep(vmiring *h, struct vmiring_event *ev, uint32_t max)
{
    int rung;
    int n;

    h->engine->settle(h);
    fds_disarm(h);

    /* The doorbell before the look: what comes later rings again. */
    rung = h->host->ops->drain(h->host);
    if ( rung < 0 )
        return fail(&h->msg, errno, "the %s's notifications: %s",
                    h->host->ops->name, strerror(errno));
    h->stats.wakeups += rung;
    if ( h->engine->idle )
        h->engine->idle(h);

    n = fill(h, ev, max);
    if ( n > 0 )
        fds_arm(h);

    return n;
}

/* last: nothing found means EAGAIN, after the look before a sleep; else 0. */
static int receive(vmiring *h, struct vmiring_event *ev, int max, bool last)
{
    int n;

    if ( usable(h) )
        return -1;
    if ( max <= 0 || !ev )
        return fail(&h->msg, EINVAL, "receive: max is %d, should be positive",
                    max);
    if ( h->batch_held )
        return fail(&h->msg, ENOBUFS, "receive: the batch before was not "
                    "released");
    if ( h->engine->check(h) )
        return last_event(h, ev);
    if ( flush_kicks(h) )
        return broke(h);

    if ( max > (int)BATCH_MAX )
        max = BATCH_MAX;

    h->host->ops->forget(h->host);
    n = fill(h, ev, max);
    if ( n == 0 && last )
        n = fill_or_sleep(h, ev, max);
    if ( n < 0 )
        return broke(h);

    /*
     * An engine may have answered by itself what needs no answer of ours.  Xen
     * goes on with that while the application has the batch.
     */
    if ( flush_kicks(h) && n == 0 )
        return broke(h);
    if ( n == 0 && last )
        return fail(&h->msg, EAGAIN, "nothing to receive");

    h->batch_held = n > 0;

    return n;
}

int vmiring_receive(vmiring *h, struct vmiring_event *ev, int max)
{
    return receive(h, ev, max, true);
}

/* ---- spin, then sleep ---- */

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

/* Looks between two looks at the clock, which cost about as much as one. */
#define SPIN_LOOKS 8

/* Looks again and again, for as long as it has paid off lately. */
static int spin(vmiring *h, struct vmiring_event *ev, int max)
{
    uint64_t end = 0;
    unsigned int i;
    int n = 0;

    h->spinning = h->spin_now != 0;
    for ( i = 0; !n; i++ )
    {
        if ( i % SPIN_LOOKS == 0 )
        {
            uint64_t now = now_us();

            end = end ? end : now + h->spin_now;
            if ( i && now >= end )
                break;
        }
        n = receive(h, ev, max, false);
        if ( !h->spinning )
            break;
        spin_relax();
    }
    h->spinning = false;

    return n;
}

/*
 * A spin that would have ended in time is worth trying for its whole length; a
 * sleep that was longer makes the next spin half as long, down to none.  One
 * short sleep brings it back.
 */
static void learn(vmiring *h, uint64_t slept)
{
    h->spin_now = slept <= h->spin_us ? h->spin_us : h->spin_now / 2;
}

int vmiring_receive_wait(vmiring *h, struct vmiring_event *ev, int max,
                         int timeout_ms)
{
    uint64_t start = now_us();
    uint64_t end = start + (timeout_ms > 0 ? timeout_ms * 1000ULL : 0);

    if ( h->left_at )
        learn(h, start - h->left_at);
    h->left_at = 0;

    for ( ; ; )
    {
        uint64_t asleep, now;
        int n = spin(h, ev, max);

        if ( n == 0 )
            n = receive(h, ev, max, true);
        if ( n > 0 || errno != EAGAIN )
            return n;

        asleep = now_us();
        if ( timeout_ms >= 0 && asleep >= end )
        {
            h->left_at = asleep;
            return n;
        }
        if ( vmiring_wait(h, timeout_ms < 0
                             ? -1 : (int)((end - asleep + 999) / 1000)) )
            return -1;
        now = now_us();
        learn(h, now - asleep);
    }
}

void vmiring_release(vmiring *h)
{
    if ( usable(h) || !h->batch_held )
        return;

    h->batch_held = false;
    if ( h->engine->check(h) || flush_kicks(h) )
    {
        broke(h);
        return;
    }

    if ( h->engine->settle(h) )
        fds_arm(h);
}
