/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_ALTP2M_H
#define SIM_ASM_ALTP2M_H

#include <xen/sched.h>

#define MAX_ALTP2M 10U

static inline bool altp2m_active(const struct domain *d)
{
    return d->arch.altp2m_active;
}

static inline uint16_t altp2m_vcpu_idx(const struct vcpu *v)
{
    return v->arch.view;
}

#endif
