/* SPDX-License-Identifier: GPL-2.0-only */
/* The simulated processor and where its guests keep what. */
#ifndef SIM_CPU_H
#define SIM_CPU_H

#include <xen/sched.h>

/*
 * Physical: code and page tables below the counters (GUEST_LAYOUT_PHYS).
 * Virtual: everything at its physical address, and once more at SIM_KERNEL_VA,
 * where the guest runs, so that an agent has to translate to read it.
 */
#define SIM_KERNEL_VA   0xffffffff80000000ULL
#define SIM_PML4_PHYS   0x10000ULL      /* two sets of tables: CR3 writes have */
#define SIM_PML4_SIZE   0x3000ULL       /* somewhere to go */
#define SIM_CODE_PHYS   0x100000ULL
#define SIM_CODE_VA     (SIM_KERNEL_VA + SIM_CODE_PHYS)
#define SIM_GDT_VA      (SIM_KERNEL_VA + 0x8000ULL)
#define SIM_STACK_VA    (SIM_KERNEL_VA + 0x1ff000ULL)

void sim_write_cr(struct vcpu *v, unsigned int cr, uint64_t value,
                  bool may_defer);
void sim_write_msr(struct vcpu *v, uint32_t msr, uint64_t value, bool may_defer);

/*
 * Emulates v's next instruction, as an answer asked for (VM_EVENT_FLAG_*); set
 * by whoever plays the guest.  NULL: nothing.
 */
extern void (*sim_emulate_hook)(struct vcpu *v, uint32_t flags);

#endif
