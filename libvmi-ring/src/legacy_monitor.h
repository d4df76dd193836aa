/* SPDX-License-Identifier: MIT */
/*
 * XEN_DOMCTL_MONITOR_EVENT_*.  domctl.h is not stable and not ours to include
 * outside the plugin, which checks these against it when it is compiled.
 */
#ifndef VMIRING_LEGACY_MONITOR_H
#define VMIRING_LEGACY_MONITOR_H

#define MONITOR_WRITE_CTRLREG        0
#define MONITOR_MOV_TO_MSR           1
#define MONITOR_SINGLESTEP           2
#define MONITOR_SOFTWARE_BREAKPOINT  3
#define MONITOR_GUEST_REQUEST        4
#define MONITOR_DEBUG_EXCEPTION      5
#define MONITOR_CPUID                6
#define MONITOR_PRIVILEGED_CALL      7
#define MONITOR_INTERRUPT            8
#define MONITOR_DESC_ACCESS          9
#define MONITOR_EMUL_UNIMPLEMENTED  10
#define MONITOR_INGUEST_PAGEFAULT   11
#define MONITOR_VMEXIT              12
#define MONITOR_IO                  13  /* of Xen 4.18 */

#endif /* VMIRING_LEGACY_MONITOR_H */
