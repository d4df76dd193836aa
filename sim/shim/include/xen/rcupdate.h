/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_RCUPDATE_H
#define SIM_XEN_RCUPDATE_H

#include <asm/atomic.h>

struct rcu_head {
    struct rcu_head *next;
    void (*func)(struct rcu_head *head);
};

/* func is called when all who hold a domain by RCU now have let it go. */
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));

#endif
