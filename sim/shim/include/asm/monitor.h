/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_MONITOR_H
#define SIM_ASM_MONITOR_H

#include <xen/sched.h>

struct monitor_msr_bitmap {
    DECLARE_BITMAP(low, 8192);
    DECLARE_BITMAP(hypervisor, 8192);
    DECLARE_BITMAP(high, 8192);
};

#define monitor_ctrlreg_bitmask(index) (1U << (index))

int arch_monitor_init_domain(struct domain *d);
void arch_monitor_cleanup_domain(struct domain *d);
uint32_t arch_monitor_get_capabilities(struct domain *d);
void arch_monitor_allow_userspace(struct domain *d, bool allow);
int arch_monitor_domctl_op(struct domain *d, struct xen_domctl_monitor_op *mop);
int arch_monitor_domctl_event(struct domain *d,
                              struct xen_domctl_monitor_op *mop);
bool monitored_msr(const struct domain *d, uint32_t msr);
bool monitored_msr_onchangeonly(const struct domain *d, uint32_t msr);

#endif
