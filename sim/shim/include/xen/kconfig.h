/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_KCONFIG_H
#define SIM_XEN_KCONFIG_H

/* IS_ENABLED(CONFIG_X): 1 if CONFIG_X is defined as 1, 0 if it is not. */
#define SIM_ARG_1 0,
#define SIM_SECOND(unused, val, ...) val
#define SIM_ENABLED_(arg) SIM_SECOND(arg 1, 0, 0)
#define SIM_ENABLED(val) SIM_ENABLED_(SIM_ARG_##val)
#define IS_ENABLED(option) SIM_ENABLED(option)

#endif
