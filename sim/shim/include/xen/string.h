/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_STRING_H
#define SIM_XEN_STRING_H

#include <string.h>
#include <xen/types.h>

#endif
