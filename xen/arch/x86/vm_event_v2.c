/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm_event on x86: registers out and in, and the effects of a response.
 */
#include <xen/sched.h>
#include <xen/vm_event.h>
#include <asm/altp2m.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/monitor.h>
#include <asm/monitor.h>
#include <asm/msr.h>
#include <asm/p2m.h>
#include <asm/vm_event.h>
#include <public/vm_event_v2.h>

bool arch_vm_event_supported(const struct domain *d)
{
    return is_hvm_domain(d);
}

uint64_t arch_vm_event_features(const struct domain *d)
{
    return 0;
}

uint64_t arch_vm_event_clock(void)
{
    return rdtsc();
}

uint64_t arch_vm_event_ip(void)
{
    return guest_cpu_user_regs()->rip;
}

unsigned int arch_vm_event_views(const struct domain *d)
{
    return altp2m_active(d) ? MAX_ALTP2M : 0;
}

uint32_t arch_vm_event_rsp_flags(const struct domain *d)
{
#ifdef CONFIG_HVM
    uint32_t flags = VMEV2_RSP_EMULATE | VMEV2_RSP_EMULATE_NOWRITE |
                     VMEV2_RSP_SET_EMUL_READ_DATA | VMEV2_RSP_DENY |
                     VMEV2_RSP_SET_REGISTERS | VMEV2_RSP_SET_EMUL_INSN_DATA |
                     VMEV2_RSP_GET_NEXT_INTERRUPT | VMEV2_RSP_RESET_VMTRACE;

    if ( cpu_has_monitor_trap_flag )
        flags |= VMEV2_RSP_TOGGLE_SINGLESTEP;

    if ( altp2m_active(d) )
    {
        flags |= VMEV2_RSP_ALTERNATE_P2M;
        if ( cpu_has_monitor_trap_flag )
            flags |= VMEV2_RSP_FAST_SINGLESTEP;
    }

    return flags;
#else
    return 0;
#endif
}

/* ---- registers out ---- */

#ifdef CONFIG_HVM
static void put_seg(struct vmev2_seg *to, enum x86_segment seg)
{
    struct segment_register reg;

    hvm_get_segment_register(current, seg, &reg);

    to->base = reg.base;
    to->limit = reg.limit;
    to->ar = reg.attr;
    to->sel = reg.sel;
    memset(to->pad, 0, sizeof(to->pad));
}

static void put_core(struct vmev2_regs_x86 *to)
{
    const struct cpu_user_regs *regs = guest_cpu_user_regs();
    const struct vcpu *curr = current;

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
    to->rip = regs->rip;
    to->rflags = regs->rflags;
    to->cr0 = curr->arch.hvm.guest_cr[0];
    to->cr2 = curr->arch.hvm.guest_cr[2];
    to->cr3 = curr->arch.hvm.guest_cr[3];
    to->cr4 = curr->arch.hvm.guest_cr[4];
    to->efer = curr->arch.hvm.guest_efer;
    to->tsc = rdtsc();
    put_seg(&to->cs, x86_seg_cs);
}

/* What has to be fetched from the VMCS or VMCB. */
static void put_rest(struct vmev2_regs_x86 *to, const vm_event_request_t *req)
{
    struct vcpu *curr = current;
    struct hvm_hw_cpu ctxt = {};
    struct segment_register gdtr;

    alternative_vcall(hvm_funcs.save_cpu_ctxt, curr, &ctxt);

    put_seg(&to->ss, x86_seg_ss);
    put_seg(&to->ds, x86_seg_ds);
    put_seg(&to->es, x86_seg_es);
    put_seg(&to->fs, x86_seg_fs);
    put_seg(&to->gs, x86_seg_gs);

    hvm_get_segment_register(curr, x86_seg_gdtr, &gdtr);
    to->gdtr_base = gdtr.base;
    to->gdtr_limit = gdtr.limit;
    to->pad = 0;

    to->shadow_gs = ctxt.shadow_gs;
    to->dr6 = ctxt.dr6;
    to->dr7 = curr->arch.dr7;
    to->sysenter_cs = ctxt.sysenter_cs;
    to->sysenter_esp = ctxt.sysenter_esp;
    to->sysenter_eip = ctxt.sysenter_eip;
    to->star = ctxt.msr_star;
    to->lstar = ctxt.msr_lstar;
    to->npt_base = req->flags & VM_EVENT_FLAG_NESTED_P2M
                   ? req->data.regs.x86.npt_base : 0;
    if ( hvm_vmtrace_output_position(curr, &to->vmtrace_pos) != 1 )
        to->vmtrace_pos = ~0ULL;
}

#endif /* CONFIG_HVM */

unsigned int arch_vm_event_regs(void *dst, unsigned int set,
                                const vm_event_request_t *req)
{
#ifdef CONFIG_HVM
    put_core(dst);
    if ( set == VMEV2_REGS_CORE )
        return VMEV2_REGS_X86_CORE_SIZE;

    put_rest(dst, req);

    return VMEV2_REGS_X86_ALL_SIZE;
#else
    return 0;
#endif
}

/* ---- registers in ---- */

/* Words of struct vmev2_set_regs, in the order of struct vmev2_regs_x86. */
#define WORD_RIP 16
#define WORD_RFLAGS 17

/*
 * A guest with a reserved flag set, or an instruction pointer that no mode can
 * have, fails VM entry, which crashes it.
 */
bool arch_vm_event_regs_valid(const struct vmev2_set_regs *regs)
{
    const uint64_t settable = X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF |
                              X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_TF |
                              X86_EFLAGS_IF | X86_EFLAGS_DF | X86_EFLAGS_OF |
                              X86_EFLAGS_IOPL | X86_EFLAGS_NT | X86_EFLAGS_RF |
                              X86_EFLAGS_VM | X86_EFLAGS_AC | X86_EFLAGS_VIF |
                              X86_EFLAGS_VIP | X86_EFLAGS_ID;
    uint64_t rflags = regs->word[WORD_RFLAGS];

    return (rflags & ~settable) == X86_EFLAGS_MBS &&
           is_canonical_address(regs->word[WORD_RIP]);
}

void arch_vm_event_convert_regs(vm_event_response_t *to,
                                const struct vmev2_set_regs *from)
{
    struct vm_event_regs_x86 *r = &to->data.regs.x86;
    const uint64_t *w = from->word;

    r->rax = w[0];
    r->rcx = w[1];
    r->rdx = w[2];
    r->rbx = w[3];
    r->rsp = w[4];
    r->rbp = w[5];
    r->rsi = w[6];
    r->rdi = w[7];
    r->r8 = w[8];
    r->r9 = w[9];
    r->r10 = w[10];
    r->r11 = w[11];
    r->r12 = w[12];
    r->r13 = w[13];
    r->r14 = w[14];
    r->r15 = w[15];
    r->rip = w[WORD_RIP];
    r->rflags = w[WORD_RFLAGS];
}

/* ---- effects ---- */

/*
 * Version 2: v == current, on its way into the guest.  Legacy: v is paused and
 * somebody else runs this.
 */
void arch_vm_event_apply(struct vcpu *v, vm_event_response_t *rsp)
{
    vm_event_emulate_check(v, rsp);
    vm_event_register_write_resume(v, rsp);
    vm_event_toggle_singlestep(v->domain, v, rsp);

    if ( rsp->flags & VM_EVENT_FLAG_ALTERNATE_P2M )
        p2m_altp2m_check(v, rsp->altp2m_idx);

    if ( rsp->flags & VM_EVENT_FLAG_SET_REGISTERS )
        vm_event_set_registers(v, rsp);

    if ( rsp->flags & VM_EVENT_FLAG_GET_NEXT_INTERRUPT )
        vm_event_monitor_next_interrupt(v);

    if ( rsp->flags & VM_EVENT_FLAG_RESET_VMTRACE )
        vm_event_reset_vmtrace(v);
}

/* From now on a register write that raised a sync event waits for its answer. */
int arch_vm_event_defer_writes(struct domain *d)
{
    if ( d->arch.monitor.control_register_values )
        return 0;

    /* One word of bit-fields with what the vCPUs read. */
    domain_pause(d);
    d->arch.monitor.control_register_values = true;
    domain_unpause(d);

    return 0;
}

void arch_vm_event_stop(struct vcpu *v)
{
    v->arch.monitor.next_interrupt_enabled = false;
#ifdef CONFIG_HVM
    v->arch.hvm.single_step = false;
    v->arch.hvm.fast_single_step.enabled = false;
#endif
}

void arch_vm_event_reset(struct vcpu *v)
{
    struct arch_vm_event *ev = v->arch.vm_event;

    if ( !ev )
        return;

    memset(&ev->write_data.do_write, 0, sizeof(ev->write_data.do_write));
    ev->set_gprs = false;
    ev->emulate_flags = 0;
    ev->sync_event = false;
}
