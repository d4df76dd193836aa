/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_SOFTIRQ_H
#define SIM_XEN_SOFTIRQ_H

#include <xen/types.h>

enum { SCHEDULE_SOFTIRQ };

/* Asks the current vCPU to pass the scheduler before its guest goes on. */
void raise_softirq(unsigned int nr);
/* Whether a long operation should be continued later: a test decides. */
bool hypercall_preempt_check(void);

#define general_preempt_check() hypercall_preempt_check()
#define softirq_pending(cpu)    ((void)(cpu), false)
#define process_pending_softirqs() ((void)0)

#endif
