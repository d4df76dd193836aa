/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_MONITOR_H
#define SIM_XEN_MONITOR_H

#include <xen/sched.h>

struct xen_domctl_monitor_op;

int monitor_domctl(struct domain *d, struct xen_domctl_monitor_op *mop);
void monitor_guest_request(void);
int monitor_traps(struct vcpu *v, bool sync, vm_event_request_t *req);

#endif
