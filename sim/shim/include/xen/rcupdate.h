/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_RCUPDATE_H
#define SIM_XEN_RCUPDATE_H

#include <asm/atomic.h>

#define rcu_dereference(p)          read_atomic(&(p))
#define rcu_assign_pointer(p, v)    __atomic_store_n(&(p), v, __ATOMIC_RELEASE)

#endif
