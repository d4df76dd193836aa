/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_PARAM_H
#define SIM_XEN_PARAM_H

#include <xen/types.h>

/* Boot options: known by name, so that a test or vmi-sim can set them. */
void sim_param_add(const char *name, void *var, size_t size);

#define SIM_PARAM(name, var)                                            \
    __attribute__((__constructor__)) static void sim_param_##var(void)  \
    {                                                                   \
        sim_param_add(name, &(var), sizeof(var));                       \
    }                                                                   \
    struct sim_param_##var
#define size_param(name, var)       SIM_PARAM(name, var)

#endif
