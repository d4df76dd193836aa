/* SPDX-License-Identifier: MIT */
/*
 * The dispatch loop, the same for every ABI.
 *
 * Nothing gets stuck because: whatever is undelivered has either an unconsumed
 * notification, or has armed our eventfd.  A notification is consumed in one
 * place only, when a first look found nothing; a second look follows, and what
 * that finds arms the eventfd.  Records that Xen did not notify, because it
 * saw that we had not caught up, are found when a batch is released: the
 * position is published, fenced, and compared with Xen's (R5).
 */
#include <errno.h>
#include <string.h>

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

int vmiring_receive(vmiring *h, struct vmiring_event *ev, int max)
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
    if ( h->engine->check(h) || flush_kicks(h) )
        return broke(h);

    if ( max > (int)BATCH_MAX )
        max = BATCH_MAX;

    h->host->ops->forget(h->host);
    n = fill(h, ev, max);
    if ( n == 0 )
        n = fill_or_sleep(h, ev, max);
    if ( n < 0 )
        return broke(h);

    /*
     * An engine may have answered by itself what needs no answer of ours.  Xen
     * goes on with that while the application has the batch.
     */
    if ( flush_kicks(h) && n == 0 )
        return broke(h);
    if ( n == 0 )
        return fail(&h->msg, EAGAIN, "nothing to receive");

    h->batch_held = true;

    return n;
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
