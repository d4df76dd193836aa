/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_ERRNO_H
#define SIM_XEN_ERRNO_H

/* Xen's numbers are Linux's; this one is internal to the kernel there. */
#include <errno.h>
#ifndef ERESTART
#define ERESTART 85
#endif

#endif
