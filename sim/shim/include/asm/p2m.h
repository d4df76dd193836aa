/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_P2M_H
#define SIM_ASM_P2M_H

#include <asm/altp2m.h>

/* Switches v to a view if there is such a one. */
void p2m_altp2m_check(struct vcpu *v, uint16_t idx);
void p2m_mem_paging_resume(struct domain *d, vm_event_response_t *rsp);

/* What excludes the rings of paging and sharing. */
extern struct sim_p2m {
    bool pod, shadow, iommu;
} sim_p2m;
#define p2m_pod_active(d)   ((void)(d), sim_p2m.pod)
#define hap_enabled(d)      ((void)(d), !sim_p2m.shadow)
#define is_iommu_enabled(d) ((void)(d), sim_p2m.iommu)

#endif
