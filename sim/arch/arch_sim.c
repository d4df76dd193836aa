/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The simulated x86 processor, as far as vm_event meets it: registers, and
 * what a response asks for.  It stands where Xen has arch/x86/vm_event.c,
 * arch/x86/hvm/vm_event.c and the resume path of arch/x86/hvm/hvm.c, with the
 * order of steps that those have; arch/x86/vm_event_v2.c is compiled as it is.
 */
#include "sim.h"
#include "cpu.h"

#include <xen/monitor.h>
#include <asm/altp2m.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/monitor.h>
#include <asm/monitor.h>
#include <asm/msr.h>
#include <asm/p2m.h>
#include <asm/vm_event.h>

#include <stdlib.h>

/* ---- registers ---- */

static void save_cpu_ctxt(struct vcpu *v, struct hvm_hw_cpu *ctxt)
{
    ctxt->dr6 = v->arch.dr6;
    ctxt->sysenter_cs = 0x10;
    ctxt->sysenter_eip = v->arch.sysenter_eip;
    ctxt->msr_lstar = SIM_CODE_VA;
}

const struct sim_hvm_funcs hvm_funcs = { .save_cpu_ctxt = save_cpu_ctxt };

void hvm_get_segment_register(struct vcpu *v, enum x86_segment seg,
                              struct segment_register *reg)
{
    memset(reg, 0, sizeof(*reg));
    reg->limit = ~0U;
    reg->g = true;

    switch ( seg )
    {
    case x86_seg_cs:
        reg->sel = 0x08;
        reg->attr = 0xa9b;  /* 64-bit code, present, ring 0 */
        break;

    case x86_seg_gdtr:
        reg->base = SIM_GDT_VA;
        reg->limit = 0x37;
        reg->g = false;
        break;

    case x86_seg_gs:
        /* Per-vCPU data, as kernels have. */
        reg->base = SIM_GDT_VA + 0x1000 + v->vcpu_id * 64ULL;
        fallthrough;

    default:
        reg->sel = 0x10;
        reg->attr = 0xc93;
        break;
    }
}

int hvm_vmtrace_output_position(struct vcpu *v, uint64_t *pos)
{
    (void)v;
    (void)pos;

    return -EOPNOTSUPP;
}

static void pack_segment(struct vm_event_x86_selector_reg *to,
                         const struct segment_register *seg)
{
    to->limit = seg->g ? seg->limit >> 12 : seg->limit;
    to->ar = seg->attr;
}

void vm_event_fill_regs(vm_event_request_t *req)
{
    struct vm_event_regs_x86 *to = &req->data.regs.x86;
    struct vcpu *curr = current;
    const struct cpu_user_regs *regs = &curr->arch.user_regs;
    struct segment_register seg;
    struct hvm_hw_cpu ctxt = {};

    save_cpu_ctxt(curr, &ctxt);
    to->rax = regs->rax;
    to->rcx = regs->rcx;
    to->rdx = regs->rdx;
    to->rbx = regs->rbx;
    to->rsp = regs->rsp;
    to->rbp = regs->rbp;
    to->rsi = regs->rsi;
    to->rdi = regs->rdi;
    to->r8 = regs->r8;
    to->r9 = regs->r9;
    to->r10 = regs->r10;
    to->r11 = regs->r11;
    to->r12 = regs->r12;
    to->r13 = regs->r13;
    to->r14 = regs->r14;
    to->r15 = regs->r15;
    to->rflags = regs->rflags;
    to->rip = regs->rip;
    to->dr6 = ctxt.dr6;
    to->dr7 = curr->arch.dr7;
    to->cr0 = curr->arch.hvm.guest_cr[0];
    to->cr2 = curr->arch.hvm.guest_cr[2];
    to->cr3 = curr->arch.hvm.guest_cr[3];
    to->cr4 = curr->arch.hvm.guest_cr[4];
    to->msr_efer = curr->arch.hvm.guest_efer;
    to->sysenter_cs = ctxt.sysenter_cs;
    to->sysenter_eip = ctxt.sysenter_eip;
    to->msr_lstar = ctxt.msr_lstar;
    to->vmtrace_pos = ~0ULL;

    hvm_get_segment_register(curr, x86_seg_cs, &seg);
    to->cs_sel = seg.sel;
    pack_segment(&to->cs, &seg);
    hvm_get_segment_register(curr, x86_seg_ss, &seg);
    to->ss_sel = to->ds_sel = to->es_sel = seg.sel;
    pack_segment(&to->ss, &seg);
    to->ds = to->es = to->fs = to->ss;
    hvm_get_segment_register(curr, x86_seg_gs, &seg);
    to->gs_base = seg.base;
    pack_segment(&to->gs, &seg);
    hvm_get_segment_register(curr, x86_seg_gdtr, &seg);
    to->gdtr_base = seg.base;
    to->gdtr_limit = seg.limit;
}

static void load_regs(struct vcpu *v)
{
    const struct vm_event_regs_x86 *from = &v->arch.vm_event->gprs;
    struct cpu_user_regs *regs = &v->arch.user_regs;

    regs->rax = from->rax;
    regs->rcx = from->rcx;
    regs->rdx = from->rdx;
    regs->rbx = from->rbx;
    regs->rsp = from->rsp;
    regs->rbp = from->rbp;
    regs->rsi = from->rsi;
    regs->rdi = from->rdi;
    regs->r8 = from->r8;
    regs->r9 = from->r9;
    regs->r10 = from->r10;
    regs->r11 = from->r11;
    regs->r12 = from->r12;
    regs->r13 = from->r13;
    regs->r14 = from->r14;
    regs->r15 = from->r15;
    regs->rflags = from->rflags;
    regs->rip = from->rip;
}

/* ---- what a response asks for ---- */

int vm_event_init_domain(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu ( d, v )
    {
        struct arch_vm_event *a;

        if ( v->arch.vm_event )
            continue;
        a = xzalloc(struct arch_vm_event);
        if ( !a )
            return -ENOMEM;
        smp_wmb();  /* v runs, and looks whether it has one */
        write_atomic(&v->arch.vm_event, a);
    }

    return 0;
}

void vm_event_cleanup_domain(struct domain *d)
{
    d->arch.mem_access_emulate_each_rep = false;
}

static void check_waits(const struct vcpu *v)
{
    ASSERT(v == current || atomic_read(&v->vm_event_pause_count));
}

void vm_event_toggle_singlestep(struct domain *d, struct vcpu *v,
                                vm_event_response_t *rsp)
{
    (void)d;
    if ( !(rsp->flags & (VM_EVENT_FLAG_TOGGLE_SINGLESTEP |
                         VM_EVENT_FLAG_FAST_SINGLESTEP)) )
        return;
    check_waits(v);

    if ( rsp->flags & VM_EVENT_FLAG_TOGGLE_SINGLESTEP )
        v->arch.hvm.single_step = !v->arch.hvm.single_step;
    else if ( rsp->u.fast_singlestep.p2midx < MAX_ALTP2M )
    {
        v->arch.hvm.single_step = true;
        v->arch.hvm.fast_single_step.enabled = true;
        v->arch.hvm.fast_single_step.p2midx = rsp->u.fast_singlestep.p2midx;
    }
}

void vm_event_register_write_resume(struct vcpu *v, vm_event_response_t *rsp)
{
    struct monitor_write_data *w = &v->arch.vm_event->write_data;

    if ( !(rsp->flags & VM_EVENT_FLAG_DENY) )
        return;
    if ( v != current && !atomic_read(&v->vm_event_pause_count) )
        return;

    if ( rsp->reason == VM_EVENT_REASON_MOV_TO_MSR )
        w->do_write.msr = false;
    if ( rsp->reason != VM_EVENT_REASON_WRITE_CTRLREG )
        return;

    switch ( rsp->u.write_ctrlreg.index )
    {
    case VM_EVENT_X86_CR0:
        w->do_write.cr0 = false;
        break;

    case VM_EVENT_X86_CR3:
        w->do_write.cr3 = false;
        break;

    case VM_EVENT_X86_CR4:
        w->do_write.cr4 = false;
        break;
    }
}

void vm_event_emulate_check(struct vcpu *v, vm_event_response_t *rsp)
{
    struct arch_vm_event *a = v->arch.vm_event;

    if ( !(rsp->flags & VM_EVENT_FLAG_EMULATE) )
    {
        a->emulate_flags = 0;
        return;
    }

    switch ( rsp->reason )
    {
    case VM_EVENT_REASON_SOFTWARE_BREAKPOINT:
        if ( rsp->flags & VM_EVENT_FLAG_SET_EMUL_INSN_DATA )
        {
            a->emul.insn = rsp->data.emul.insn;
            a->emulate_flags = rsp->flags;
        }
        break;

    case VM_EVENT_REASON_MEM_ACCESS:
    case VM_EVENT_REASON_DESCRIPTOR_ACCESS:
        if ( rsp->flags & VM_EVENT_FLAG_SET_EMUL_READ_DATA )
            a->emul.read = rsp->data.emul.read;
        a->emulate_flags = rsp->flags;
        break;
    }
}

void vm_event_set_registers(struct vcpu *v, vm_event_response_t *rsp)
{
    check_waits(v);
    v->arch.vm_event->gprs = rsp->data.regs.x86;
    v->arch.vm_event->set_gprs = true;
}

void vm_event_monitor_next_interrupt(struct vcpu *v)
{
    v->arch.monitor.next_interrupt_enabled = true;
}

void vm_event_sync_event(struct vcpu *v, bool value)
{
    v->arch.vm_event->sync_event = value;
}

void vm_event_reset_vmtrace(struct vcpu *v)
{
    v->arch.vmtrace_resets++;
}

void p2m_altp2m_check(struct vcpu *v, uint16_t idx)
{
    if ( altp2m_active(v->domain) && idx < MAX_ALTP2M )
        v->arch.view = idx;
}

/* Nothing is paged out here, so that nothing comes back. */
void p2m_mem_paging_resume(struct domain *d, vm_event_response_t *rsp)
{
    (void)d;
    (void)rsp;
}

/* ---- register writes of the guest ---- */

/*
 * As hvm_set_cr0/3/4(): the write is noted before the event can be seen, since
 * an answer may be quicker than we are, and taken back when it need not wait.
 */
void sim_write_cr(struct vcpu *v, unsigned int cr, uint64_t value,
                  bool may_defer)
{
    static const unsigned int index[5] = {
        [0] = VM_EVENT_X86_CR0, [3] = VM_EVENT_X86_CR3, [4] = VM_EVENT_X86_CR4
    };
    uint64_t old = v->arch.hvm.guest_cr[cr];

    if ( may_defer && v->arch.vm_event &&
         (v->domain->arch.monitor.write_ctrlreg_enabled &
          monitor_ctrlreg_bitmask(index[cr])) )
    {
        struct monitor_write_data *w = &v->arch.vm_event->write_data;
        bool *pending = cr == 0 ? &w->do_write.cr0
                        : cr == 3 ? &w->do_write.cr3 : &w->do_write.cr4;

        *pending = true;
        *(cr == 0 ? &w->cr0 : cr == 3 ? &w->cr3 : &w->cr4) = value;
        if ( hvm_monitor_cr(index[cr], value, old) )
            return;
        *pending = false;
    }

    v->arch.hvm.guest_cr[cr] = value;
}

void sim_write_msr(struct vcpu *v, uint32_t msr, uint64_t value, bool may_defer)
{
    if ( may_defer && v->arch.vm_event && monitored_msr(v->domain, msr) )
    {
        struct monitor_write_data *w = &v->arch.vm_event->write_data;

        w->do_write.msr = true;
        w->msr = msr;
        w->value = value;
        if ( hvm_monitor_msr(msr, value, v->arch.sysenter_eip) )
            return;
        w->do_write.msr = false;
    }

    if ( msr == MSR_SYSENTER_EIP )
        v->arch.sysenter_eip = value;
}

static void finish_writes(struct vcpu *v, struct monitor_write_data *w)
{
    if ( w->do_write.cr0 )
    {
        sim_write_cr(v, 0, w->cr0, false);
        w->do_write.cr0 = false;
    }
    if ( w->do_write.cr4 )
    {
        sim_write_cr(v, 4, w->cr4, false);
        w->do_write.cr4 = false;
    }
    if ( w->do_write.cr3 )
    {
        sim_write_cr(v, 3, w->cr3, false);
        w->do_write.cr3 = false;
    }
    if ( w->do_write.msr )
    {
        sim_write_msr(v, w->msr, w->value, false);
        w->do_write.msr = false;
    }
}

/* ---- the way into the guest ---- */

void (*sim_emulate_hook)(struct vcpu *v, uint32_t flags);

/* As hvm_vm_event_do_resume(). */
static void vm_event_do_resume(struct vcpu *v)
{
    struct arch_vm_event *a = v->arch.vm_event;

    vm_event_resume_begin(v);

    if ( a->set_gprs )
    {
        a->set_gprs = false;
        load_regs(v);
    }

    if ( a->emulate_flags )
    {
        /* What is emulated may raise an event whose answer asks for more. */
        uint32_t flags = xchg(&a->emulate_flags, 0);

        v->arch.emulated++;
        if ( sim_emulate_hook )
            sim_emulate_hook(v, flags);
    }

    /* A write whose own event has no answer yet waits for it. */
    if ( vm_event_resume_end(v) )
        return;

    finish_writes(v, &a->write_data);
}

/* As hvm_do_resume(): cleared before it acts, since acting can set it. */
void sim_do_resume(struct vcpu *v)
{
    ASSERT(v == current);

    if ( !read_atomic(&v->arch.vm_event) )
        return;

    vm_event_do_resume(v);

    if ( v->arch.monitor.next_interrupt_enabled && v->arch.pending_vector >= 0 )
    {
        v->arch.monitor.next_interrupt_enabled = false;
        hvm_monitor_interrupt(v->arch.pending_vector, 0, ~0U, 0);
    }
}

/* ---- life ---- */

void sim_arch_vcpu_init(struct vcpu *v)
{
    v->arch.hvm.guest_cr[0] = X86_CR0_PE | X86_CR0_WP | X86_CR0_PG;
    v->arch.hvm.guest_cr[3] = SIM_PML4_PHYS;
    v->arch.hvm.guest_cr[4] = X86_CR4_PAE | X86_CR4_PGE;
    v->arch.hvm.guest_efer = EFER_LME | EFER_LMA;
    v->arch.user_regs.rflags = X86_EFLAGS_MBS | X86_EFLAGS_IF;
    v->arch.user_regs.rip = SIM_CODE_VA;
    v->arch.user_regs.rsp = SIM_STACK_VA - v->vcpu_id * 0x1000ULL;
    v->arch.dr6 = 0xffff0ff0;
    v->arch.dr7 = 0x400;
    v->arch.pending_vector = -1;
}

void sim_arch_vcpu_free(struct vcpu *v)
{
    xfree(v->arch.vm_event);
}

void sim_arch_domain_free(struct domain *d)
{
    free(d->arch.access);
}
