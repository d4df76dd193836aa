/* SPDX-License-Identifier: MIT */
/* A legacy request becomes the internal event, field by field, once. */
#include <string.h>

#include "legacy.h"

static void payload(struct event *e, const void *from, size_t size)
{
    memcpy(e->body, from, size);
    e->payload = e->body;
    e->rec.payload_size = size;
}

static void convert_debug(struct event *e, const struct vm_event_debug *in)
{
    const struct vmev2_debug out = {
        .gfn = in->gfn, .pending_dbg = in->pending_dbg, .type = in->type,
        .insn_length = in->insn_length,
    };

    payload(e, &out, sizeof(out));
}

static void convert_mem(struct event *e, const struct vm_event_mem_access *in)
{
    const struct vmev2_mem_access out = {
        .gfn = in->gfn, .offset = in->offset, .gla = in->gla,
        .flags = in->flags,
    };

    payload(e, &out, sizeof(out));
}

static void convert_ctrlreg(struct event *e,
                            const struct vm_event_write_ctrlreg *in)
{
    const struct vmev2_ctrlreg out = {
        .index = in->index, .new_value = in->new_value,
        .old_value = in->old_value,
    };

    payload(e, &out, sizeof(out));
}

static void convert_msr(struct event *e, const struct vm_event_mov_to_msr *in)
{
    const struct vmev2_msr out = {
        .msr = in->msr, .new_value = in->new_value,
        .old_value = in->old_value,
    };

    payload(e, &out, sizeof(out));
}

static void convert_cpuid(struct event *e, const struct vm_event_cpuid *in)
{
    const struct vmev2_cpuid out = {
        .insn_length = in->insn_length, .leaf = in->leaf,
        .subleaf = in->subleaf,
    };

    payload(e, &out, sizeof(out));
}

static void convert_step(struct event *e, const struct vm_event_singlestep *in)
{
    const struct vmev2_debug out = { .gfn = in->gfn };

    payload(e, &out, sizeof(out));
}

static void convert_descriptor(struct event *e,
                               const struct vm_event_desc_access *in)
{
    const struct vmev2_descriptor out = {
        .exit_info = in->arch.vmx.instr_info,
        .qualification = in->arch.vmx.exit_qualification,
        .descriptor = in->descriptor, .is_write = in->is_write,
    };

    payload(e, &out, sizeof(out));
}

static void convert_interrupt(struct event *e,
                              const struct vm_event_interrupt_x86 *in)
{
    const struct vmev2_interrupt out = {
        .vector = in->vector, .type = in->type, .error_code = in->error_code,
        .cr2 = in->cr2,
    };

    payload(e, &out, sizeof(out));
}

static void convert_vmexit(struct event *e, const struct vm_event_vmexit *in)
{
    const struct vmev2_vmexit out = {
        .reason = in->arch.vmx.reason,
        .qualification = in->arch.vmx.qualification,
    };

    payload(e, &out, sizeof(out));
}

static void convert_payload(struct event *e, const vm_event_request_t *req)
{
    switch ( req->reason )
    {
    case VM_EVENT_REASON_MEM_ACCESS:
        convert_mem(e, &req->u.mem_access);
        break;

    case VM_EVENT_REASON_WRITE_CTRLREG:
        convert_ctrlreg(e, &req->u.write_ctrlreg);
        break;

    case VM_EVENT_REASON_MOV_TO_MSR:
        convert_msr(e, &req->u.mov_to_msr);
        break;

    case VM_EVENT_REASON_SOFTWARE_BREAKPOINT:
        convert_debug(e, &req->u.software_breakpoint);
        break;

    case VM_EVENT_REASON_DEBUG_EXCEPTION:
        convert_debug(e, &req->u.debug_exception);
        break;

    case VM_EVENT_REASON_SINGLESTEP:
        convert_step(e, &req->u.singlestep);
        break;

    case VM_EVENT_REASON_CPUID:
        convert_cpuid(e, &req->u.cpuid);
        break;

    case VM_EVENT_REASON_DESCRIPTOR_ACCESS:
        convert_descriptor(e, &req->u.desc_access);
        break;

    case VM_EVENT_REASON_INTERRUPT:
        convert_interrupt(e, &req->u.interrupt.x86);
        break;

    case VM_EVENT_REASON_VMEXIT:
        convert_vmexit(e, &req->u.vmexit);
        break;

    default:
        break;  /* no payload, or one of a Xen newer than this library */
    }
}

#if defined(__x86_64__) || defined(__i386__)

static void convert_seg(struct vmev2_seg *out, uint64_t base, uint16_t sel,
                        struct vm_event_x86_selector_reg in)
{
    out->base = base;
    out->sel = sel;
    out->ar = in.ar;
    /* Bit 11 is the granularity: the limit came in pages. */
    out->limit = in.ar & 0x800 ? (uint32_t)in.limit << 12 | 0xfff : in.limit;
}

/* The order of gprs in a response and in vmev2_regs_x86. */
static void convert_gprs(uint64_t out[18], const struct vm_event_regs_x86 *in)
{
    const uint64_t gprs[18] = {
        in->rax, in->rcx, in->rdx, in->rbx, in->rsp, in->rbp, in->rsi, in->rdi,
        in->r8, in->r9, in->r10, in->r11, in->r12, in->r13, in->r14, in->r15,
        in->rip, in->rflags,
    };

    memcpy(out, gprs, sizeof(gprs));
}

static void convert_regs(struct event *e, const vm_event_request_t *req)
{
    const struct vm_event_regs_x86 *in = &req->data.regs.x86;
    struct vmev2_regs_x86 out = {
        .cr0 = in->cr0, .cr2 = in->cr2, .cr3 = in->cr3, .cr4 = in->cr4,
        .efer = in->msr_efer,
        .gdtr_base = in->gdtr_base, .gdtr_limit = in->gdtr_limit,
        .shadow_gs = in->shadow_gs, .dr6 = in->dr6, .dr7 = in->dr7,
        .sysenter_cs = in->sysenter_cs, .sysenter_esp = in->sysenter_esp,
        .sysenter_eip = in->sysenter_eip,
        .star = in->msr_star, .lstar = in->msr_lstar,
        .npt_base = in->npt_base, .vmtrace_pos = in->vmtrace_pos,
    };
    uint64_t gprs[18];

    convert_gprs(gprs, in);
    memcpy(&out, gprs, sizeof(gprs));
    convert_seg(&out.cs, in->cs_base, in->cs_sel, in->cs);
    convert_seg(&out.ss, in->ss_base, in->ss_sel, in->ss);
    convert_seg(&out.ds, in->ds_base, in->ds_sel, in->ds);
    convert_seg(&out.es, in->es_base, in->es_sel, in->es);
    convert_seg(&out.fs, in->fs_base, in->fs_sel, in->fs);
    convert_seg(&out.gs, in->gs_base, in->gs_sel, in->gs);

    memcpy(e->body + VMEV2_PAYLOAD_MAX, &out, sizeof(out));
    e->layout = REGS_X86_LEGACY;
}

void legacy_set_regs(vm_event_response_t *rsp, const uint64_t regs[18])
{
    struct vm_event_regs_x86 *out = &rsp->data.regs.x86;

    out->rax = regs[VMIRING_RAX];
    out->rcx = regs[VMIRING_RCX];
    out->rdx = regs[VMIRING_RDX];
    out->rbx = regs[VMIRING_RBX];
    out->rsp = regs[VMIRING_RSP];
    out->rbp = regs[VMIRING_RBP];
    out->rsi = regs[VMIRING_RSI];
    out->rdi = regs[VMIRING_RDI];
    out->r8 = regs[VMIRING_R8];
    out->r9 = regs[VMIRING_R9];
    out->r10 = regs[VMIRING_R10];
    out->r11 = regs[VMIRING_R11];
    out->r12 = regs[VMIRING_R12];
    out->r13 = regs[VMIRING_R13];
    out->r14 = regs[VMIRING_R14];
    out->r15 = regs[VMIRING_R15];
    out->rip = regs[VMIRING_RIP];
    out->rflags = regs[VMIRING_RFLAGS];
}

#else /* Arm: Xen gives five registers and takes the pc */

static void convert_regs(struct event *e, const vm_event_request_t *req)
{
    const struct vm_event_regs_arm *in = &req->data.regs.arm;
    const struct vmev2_regs_arm64 out = {
        .pc = in->pc, .cpsr = in->cpsr, .ttbr0 = in->ttbr0,
        .ttbr1 = in->ttbr1, .tcr = in->ttbcr,
    };

    memcpy(e->body + VMEV2_PAYLOAD_MAX, &out, sizeof(out));
    e->layout = REGS_ARM_LEGACY;
}

void legacy_set_regs(vm_event_response_t *rsp, const uint64_t regs[18])
{
    rsp->data.regs.arm.pc = regs[0];
}

#endif

const char *legacy_convert(struct event *e, const vm_event_request_t *req,
                           uint32_t nr_vcpus)
{
    if ( req->version != VM_EVENT_INTERFACE_VERSION )
        return "version";
    if ( req->reason >= VMEV2_REASONS )
        return "reason";
    if ( req->vcpu_id >= nr_vcpus )
        return "vcpu_id";
    if ( req->altp2m_idx > 0xff )
        return "altp2m_idx";

    e->rec = (struct vmev2_rec){
        .size = sizeof(e->rec) + LEGACY_BODY,
        .reason = req->reason,
        .vcpu = req->vcpu_id,
        .regs = VMEV2_REGS_ALL,
        .altp2m_idx = req->altp2m_idx,
    };
    if ( req->flags & VM_EVENT_FLAG_VCPU_PAUSED )
        e->rec.flags |= VMEV2_REC_SYNC;
    if ( req->flags & VM_EVENT_FLAG_ALTERNATE_P2M )
        e->rec.flags |= VMEV2_REC_ALTP2M;
    if ( req->flags & VM_EVENT_FLAG_NESTED_P2M )
        e->rec.flags |= VMEV2_REC_NESTED;

    e->error = 0;
    e->handle = 0;
    e->payload = e->body;
    e->regs = e->body + VMEV2_PAYLOAD_MAX;
    convert_payload(e, req);
    convert_regs(e, req);

    return NULL;
}
