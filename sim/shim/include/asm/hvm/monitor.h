/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_HVM_MONITOR_H
#define SIM_ASM_HVM_MONITOR_H

#include <xen/sched.h>

enum hvm_monitor_debug_type {
    HVM_MONITOR_SOFTWARE_BREAKPOINT,
    HVM_MONITOR_SINGLESTEP_BREAKPOINT,
    HVM_MONITOR_DEBUG_EXCEPTION,
};

/* As in arch/x86/hvm/monitor.c.  True: the write waits for the answer. */
bool hvm_monitor_cr(unsigned int index, unsigned long value, unsigned long old);
bool hvm_monitor_msr(unsigned int msr, uint64_t value, uint64_t old_value);
bool hvm_monitor_descriptor_access(uint64_t exit_info,
                                   uint64_t vmx_exit_qualification,
                                   uint8_t descriptor, bool is_write);
int hvm_monitor_debug(unsigned long rip, enum hvm_monitor_debug_type type,
                      unsigned int trap_type, unsigned int insn_length,
                      unsigned int pending_dbg);
int hvm_monitor_cpuid(unsigned long insn_length, unsigned int leaf,
                      unsigned int subleaf);
void hvm_monitor_interrupt(unsigned int vector, unsigned int type,
                           unsigned int err, uint64_t cr2);
int hvm_monitor_vmexit(unsigned long exit_reason,
                       unsigned long exit_qualification);
bool hvm_monitor_mem_access(gfn_t gfn, uint64_t gla, uint32_t flags);

#endif
