/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include <systemd/sd-daemon.h>

#include "watchdog.h"

#define LOOKS 4              /* in the time after which we would be killed */

struct watchdog {
    sd_event_source *timer;
    uint64_t interval_us;
    struct vmiring_vcpu_info *info;
    uint64_t *since;         /* per vCPU: when what waited then was raised */
    uint64_t turns;          /* batches by the last look */
    bool readable;           /* at the last look */
};

/* A request that waited at the last look too is older than the limit. */
static bool requests_move(struct watch *w)
{
    struct watchdog *dog = w->watchdog;
    bool move = true;

    if ( !watch_info(w, dog->info) )
        return true;         /* the domain is gone: the ring tells */
    for ( uint32_t i = 0; i < w->geo.nr_vcpus; i++ )
    {
        uint64_t since = dog->info[i].pending_since;

        if ( since && since == dog->since[i] )
            move = false;
        dog->since[i] = since;
    }
    return move;
}

/* The legacy ABI says no more than that something is there. */
static bool ring_moves(struct watch *w)
{
    struct watchdog *dog = w->watchdog;
    struct pollfd p = { .fd = vmiring_fd(w->h), .events = POLLIN };
    bool readable = poll(&p, 1, 0) > 0;
    bool moves = !readable || !dog->readable || dog->turns != w->turns;

    dog->readable = readable;
    dog->turns = w->turns;
    return moves;
}

static int on_look(sd_event_source *s, uint64_t usec, void *data)
{
    struct watch *w = data;
    bool counted = vmiring_caps(w->h) & VMIRING_CAP_INFO;

    if ( w->replay || (counted ? requests_move(w) : ring_moves(w)) )
        sd_notify(0, "WATCHDOG=1");
    sd_event_source_set_time(s, usec + w->watchdog->interval_us);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int watchdog_watch(struct watch *w)
{
    struct watchdog *dog;
    uint64_t usec = 0;
    int rc = sd_watchdog_enabled(0, &usec);

    if ( rc <= 0 )
        return rc;
    w->watchdog = dog = calloc(1, sizeof(*dog));
    if ( !dog )
        return -ENOMEM;
    dog->info = calloc(w->geo.nr_vcpus, sizeof(*dog->info));
    dog->since = calloc(w->geo.nr_vcpus, sizeof(*dog->since));
    if ( !dog->info || !dog->since )
        return -ENOMEM;
    dog->interval_us = usec / LOOKS;
    rc = sd_event_add_time_relative(w->loop, &dog->timer, CLOCK_MONOTONIC,
                                    0, 1000, on_look, w);
    return rc < 0 ? rc : sd_event_source_set_priority(dog->timer, -1);
}

void watchdog_free(struct watch *w)
{
    struct watchdog *dog = w->watchdog;

    if ( !dog )
        return;
    sd_event_source_unref(dog->timer);
    free(dog->info);
    free(dog->since);
    free(dog);
    w->watchdog = NULL;
}
