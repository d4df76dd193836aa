/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_DOMAIN_H
#define SIM_ASM_DOMAIN_H

#include <xen/types.h>
#include <public/vm_event.h>
#include <public/xen.h>

struct page_info;
struct vcpu;

/* What is asked of the monitor, and 0 in all of it: nothing. */
struct sim_monitor {
    uint32_t write_ctrlreg_enabled;
    uint32_t write_ctrlreg_sync;
    uint32_t write_ctrlreg_onchangeonly;
    uint64_t write_ctrlreg_mask[4];
    bool singlestep_enabled;
    bool software_breakpoint_enabled;
    bool debug_exception_enabled;
    bool debug_exception_sync;
    bool cpuid_enabled;
    bool descriptor_access_enabled;
    bool emul_unimplemented_enabled;
    bool inguest_pagefault_disabled;
    bool vmexit_enabled;
    bool vmexit_sync;
    bool guest_request_userspace_enabled;
    bool control_register_values;
    struct monitor_msr_bitmap *msr_bitmap;
};

struct arch_domain {
    struct sim_monitor monitor;
    bool mem_access_emulate_each_rep;
    bool altp2m_active;
    struct {
        uint64_t params[64];
    } hvm;
    struct page_info *ring[3];  /* of monitor, paging and sharing */
    void *ring_va[3];           /* Xen's mappings while they are in use */
    uint8_t *access;            /* XENMEM_access_* of nr_access GFNs */
#define SIM_ACCESS_HOLE 0xff    /* there is no page */
    unsigned long nr_access;
    uint8_t default_access;
};

struct arch_vcpu {
    struct cpu_user_regs user_regs;
    struct {
        uint64_t guest_cr[5];
        uint64_t guest_efer;
        bool single_step;
        struct {
            bool enabled;
            uint16_t p2midx;
        } fast_single_step;
    } hvm;
    uint64_t dr7;
    struct arch_vm_event *vm_event;
    struct {
        bool next_interrupt_enabled;
    } monitor;

    /* What Xen keeps in the VMCS or VMCB, or in other files' state. */
    uint64_t dr6, xcr0;
    uint64_t sysenter_eip;
    uint16_t view;              /* altp2m */
    int pending_vector;         /* interrupt that waits; -1: none */
    uint64_t emulated;          /* instructions that an answer had emulated */
    uint64_t vmtrace_resets;
};

#endif
