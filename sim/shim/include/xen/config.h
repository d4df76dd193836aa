/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included before everything else, as Xen's build does.  The simulated host
 * is an x86 machine with HVM guests, whatever it runs on.
 */
#ifndef SIM_XEN_CONFIG_H
#define SIM_XEN_CONFIG_H

#define CONFIG_X86 1
#define CONFIG_HVM 1
#define CONFIG_64BIT 1
#define CONFIG_VM_EVENT_LEGACY 1
#define CONFIG_MEM_ACCESS 1
#define CONFIG_MEM_PAGING 1     /* its ring has a stash of its own kind */
#define CONFIG_MEM_SHARING 1    /* who may have its ring */

#define __force                 /* as in Xen: nothing, but for sparse */

#include <xen/compiler.h>
#include <xen/kconfig.h>

#endif
