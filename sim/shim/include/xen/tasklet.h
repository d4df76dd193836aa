/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_TASKLET_H
#define SIM_XEN_TASKLET_H

#include <xen/list.h>

/* All tasklets run on one thread (sim/shim/softirq.c), one at a time. */
struct tasklet {
    struct list_head list;
    void (*func)(void *data);
    void *data;
    bool queued, running, dead;
};

void tasklet_init(struct tasklet *t, void (*func)(void *data), void *data);
void tasklet_schedule(struct tasklet *t);
/* Returns when it neither runs nor will run. */
void tasklet_kill(struct tasklet *t);

#endif
