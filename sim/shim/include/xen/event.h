/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_EVENT_H
#define SIM_XEN_EVENT_H

#include <xen/sched.h>
#include <public/event_channel.h>

typedef void (*xen_event_channel_notification_t)(struct vcpu *v,
                                                 unsigned int port);

/* Returns the new port of ld, or -errno. */
int alloc_unbound_xen_event_channel(struct domain *ld, unsigned int lvcpu,
                                    domid_t remote_domid,
                                    xen_event_channel_notification_t fn);
void free_xen_event_channel(struct domain *d, int port);
void notify_via_xen_event_channel(struct domain *ld, int lport);

#endif
