/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_SOFTIRQ_H
#define SIM_XEN_SOFTIRQ_H

#include <xen/types.h>

/* Whether a long operation should be continued later: a test decides. */
bool hypercall_preempt_check(void);

#define process_pending_softirqs() ((void)0)

#endif
