/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_HVM_H
#define SIM_ASM_HVM_H

/*
 * The simulated processor: 64-bit, flat segments, with a monitor trap flag and
 * no trace buffer.
 */
#include <asm/current.h>
#include <xen/sched.h>
#include <public/hvm/save.h>

enum x86_segment {
    x86_seg_es, x86_seg_cs, x86_seg_ss, x86_seg_ds, x86_seg_fs, x86_seg_gs,
    x86_seg_tr, x86_seg_ldtr, x86_seg_gdtr, x86_seg_idtr
};

struct segment_register {
    uint16_t sel;
    uint16_t attr;
    uint32_t limit;
    uint64_t base;
    bool g;
};

struct sim_hvm_funcs {
    void (*save_cpu_ctxt)(struct vcpu *v, struct hvm_hw_cpu *ctxt);
};

extern const struct sim_hvm_funcs hvm_funcs;
#define alternative_vcall(fn, ...) (fn)(__VA_ARGS__)

void hvm_get_segment_register(struct vcpu *v, enum x86_segment seg,
                              struct segment_register *reg);
int hvm_vmtrace_output_position(struct vcpu *v, uint64_t *pos);

#define cpu_has_monitor_trap_flag       true

#define X86_EFLAGS_CF   0x00000001U
#define X86_EFLAGS_MBS  0x00000002U
#define X86_EFLAGS_PF   0x00000004U
#define X86_EFLAGS_AF   0x00000010U
#define X86_EFLAGS_ZF   0x00000040U
#define X86_EFLAGS_SF   0x00000080U
#define X86_EFLAGS_TF   0x00000100U
#define X86_EFLAGS_IF   0x00000200U
#define X86_EFLAGS_DF   0x00000400U
#define X86_EFLAGS_OF   0x00000800U
#define X86_EFLAGS_IOPL 0x00003000U
#define X86_EFLAGS_NT   0x00004000U
#define X86_EFLAGS_RF   0x00010000U
#define X86_EFLAGS_VM   0x00020000U
#define X86_EFLAGS_AC   0x00040000U
#define X86_EFLAGS_VIF  0x00080000U
#define X86_EFLAGS_VIP  0x00100000U
#define X86_EFLAGS_ID   0x00200000U

#define X86_CR0_PE      0x00000001U
#define X86_CR0_WP      0x00010000U
#define X86_CR0_PG      0x80000000U
#define X86_CR4_PAE     0x00000020U
#define X86_CR4_PGE     0x00000080U
#define EFER_LME        0x00000100U
#define EFER_LMA        0x00000400U

static inline bool is_canonical_address(uint64_t va)
{
    return ((int64_t)va >> 47) == ((int64_t)va >> 63);
}

#endif
