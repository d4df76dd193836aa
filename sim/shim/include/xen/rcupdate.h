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
void rcu_barrier(void);

#define rcu_dereference(p)          read_atomic(&(p))
#define rcu_assign_pointer(p, v)    __atomic_store_n(&(p), v, __ATOMIC_RELEASE)

#endif
