/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_TIMER_H
#define SIM_XEN_TIMER_H

#include <xen/list.h>
#include <xen/time.h>

/* Timers fire on the thread that also runs the tasklets. */
struct timer {
    struct list_head list;
    void (*function)(void *data);
    void *data;
    s_time_t expires;
    bool queued, running, dead;
};

void init_timer(struct timer *t, void (*function)(void *data), void *data,
                unsigned int cpu);
void set_timer(struct timer *t, s_time_t expires);
void stop_timer(struct timer *t);
/* Waits for a handler that is running: not under a lock that it takes. */
void kill_timer(struct timer *t);

#endif
