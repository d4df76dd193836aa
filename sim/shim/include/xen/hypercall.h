/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_HYPERCALL_H
#define SIM_XEN_HYPERCALL_H

#include <xen/softirq.h>
#include <public/xen.h>

#endif
