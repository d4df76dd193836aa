/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Builds the record of an event in private memory, from where it is copied
 * into a slot or ring as a whole.
 */
#include <xen/time.h>

#include "private.h"

static unsigned int put_ctrlreg(void *to, const vm_event_request_t *req)
{
    struct vmev2_ctrlreg *p = to;

    p->index = req->u.write_ctrlreg.index;
    p->pad = 0;
    p->new_value = req->u.write_ctrlreg.new_value;
    p->old_value = req->u.write_ctrlreg.old_value;

    return sizeof(*p);
}

static unsigned int put_msr(void *to, const vm_event_request_t *req)
{
    struct vmev2_msr *p = to;

    p->msr = req->u.mov_to_msr.msr;
    p->new_value = req->u.mov_to_msr.new_value;
    p->old_value = req->u.mov_to_msr.old_value;

    return sizeof(*p);
}

static unsigned int put_cpuid(void *to, const vm_event_request_t *req)
{
    struct vmev2_cpuid *p = to;

    p->insn_length = req->u.cpuid.insn_length;
    p->leaf = req->u.cpuid.leaf;
    p->subleaf = req->u.cpuid.subleaf;
    p->pad = 0;

    return sizeof(*p);
}

/* A breakpoint has no pending_dbg, a single step neither type nor length. */
static unsigned int put_debug(void *to, const vm_event_request_t *req)
{
    struct vmev2_debug *p = to;
    bool step = req->reason == VM_EVENT_REASON_SINGLESTEP;

    p->gfn = step ? req->u.singlestep.gfn : req->u.debug_exception.gfn;
    p->pending_dbg = req->reason == VM_EVENT_REASON_DEBUG_EXCEPTION
                     ? req->u.debug_exception.pending_dbg : 0;
    p->type = step ? 0 : req->u.debug_exception.type;
    p->insn_length = step ? 0 : req->u.debug_exception.insn_length;

    return sizeof(*p);
}

static unsigned int put_mem_access(void *to, const vm_event_request_t *req)
{
    struct vmev2_mem_access *p = to;

    p->gfn = req->u.mem_access.gfn;
    p->offset = req->u.mem_access.offset;
    p->gla = req->u.mem_access.gla;
    p->flags = req->u.mem_access.flags;
    p->pad = 0;

    return sizeof(*p);
}

static unsigned int put_descriptor(void *to, const vm_event_request_t *req)
{
    struct vmev2_descriptor *p = to;

    p->exit_info = req->u.desc_access.arch.vmx.instr_info;
    p->qualification = req->u.desc_access.arch.vmx.exit_qualification;
    p->descriptor = req->u.desc_access.descriptor;
    p->is_write = req->u.desc_access.is_write;

    return sizeof(*p);
}

static unsigned int put_interrupt(void *to, const vm_event_request_t *req)
{
    struct vmev2_interrupt *p = to;

    p->vector = req->u.interrupt.x86.vector;
    p->type = req->u.interrupt.x86.type;
    p->error_code = req->u.interrupt.x86.error_code;
    p->pad = 0;
    p->cr2 = req->u.interrupt.x86.cr2;

    return sizeof(*p);
}

static unsigned int put_vmexit(void *to, const vm_event_request_t *req)
{
    struct vmev2_vmexit *p = to;

    p->reason = req->u.vmexit.arch.vmx.reason;
    p->qualification = req->u.vmexit.arch.vmx.qualification;

    return sizeof(*p);
}

/* Payload of an event; none for those that carry nothing but their reason. */
static unsigned int put_payload(void *to, const vm_event_request_t *req)
{
    switch ( req->reason )
    {
    case VM_EVENT_REASON_WRITE_CTRLREG:
        return put_ctrlreg(to, req);

    case VM_EVENT_REASON_MOV_TO_MSR:
        return put_msr(to, req);

    case VM_EVENT_REASON_CPUID:
        return put_cpuid(to, req);

    case VM_EVENT_REASON_SOFTWARE_BREAKPOINT:
    case VM_EVENT_REASON_DEBUG_EXCEPTION:
    case VM_EVENT_REASON_SINGLESTEP:
        return put_debug(to, req);

    case VM_EVENT_REASON_MEM_ACCESS:
        return put_mem_access(to, req);

    case VM_EVENT_REASON_DESCRIPTOR_ACCESS:
        return put_descriptor(to, req);

    case VM_EVENT_REASON_INTERRUPT:
        return put_interrupt(to, req);

    case VM_EVENT_REASON_VMEXIT:
        return put_vmexit(to, req);

    default:
        return 0;
    }
}

/*
 * rec has room for VMEV2_REC_MAX bytes.  Every byte of what is returned has
 * been written: nothing of Xen's stack or heap gets out.
 */
unsigned int vm_event_record(struct vmev2_rec *rec, struct vcpu *v, bool sync,
                             unsigned int regs, const vm_event_request_t *req)
{
    uint8_t *body = (uint8_t *)(rec + 1);
    unsigned int payload = put_payload(body, req), size = 0;

    BUILD_BUG_ON(sizeof(struct vmev2_rec) + VMEV2_PAYLOAD_MAX +
                 VMEV2_REGS_X86_ALL_SIZE > VMEV2_REC_MAX);

    if ( regs != VMEV2_REGS_NONE )
        size = arch_vm_event_regs(body + payload, regs, req);

    rec->size = sizeof(*rec) + payload + size;
    rec->reason = req->reason;
    rec->flags = (sync ? VMEV2_REC_SYNC : 0) |
                 (req->flags & VM_EVENT_FLAG_ALTERNATE_P2M
                  ? VMEV2_REC_ALTP2M : 0) |
                 (req->flags & VM_EVENT_FLAG_NESTED_P2M ? VMEV2_REC_NESTED : 0);
    rec->vcpu = v->vcpu_id;
    rec->payload_size = payload;
    rec->regs = size ? regs : VMEV2_REGS_NONE;
    rec->altp2m_idx = req->altp2m_idx;
    rec->seq = 0;  /* given when it is published, under a lock */
    rec->time = NOW();

    return rec->size;
}
