/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which events are asked for, and raising them: in the place of Xen's
 * common/monitor.c, arch/x86/monitor.c and arch/x86/hvm/monitor.c, with their
 * error numbers and pauses.
 */
#include "sim.h"
#include "cpu.h"

#include <xen/mem_access.h>
#include <xen/softirq.h>
#include <xen/monitor.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/monitor.h>
#include <asm/monitor.h>

#include <stdlib.h>

/* ---- control ---- */

int arch_monitor_init_domain(struct domain *d)
{
    if ( !d->arch.monitor.msr_bitmap )
        d->arch.monitor.msr_bitmap =
            xzalloc_array(struct monitor_msr_bitmap, 2);

    return d->arch.monitor.msr_bitmap ? 0 : -ENOMEM;
}

void arch_monitor_cleanup_domain(struct domain *d)
{
    xfree(d->arch.monitor.msr_bitmap);
    memset(&d->arch.monitor, 0, sizeof(d->arch.monitor));
    memset(&d->monitor, 0, sizeof(d->monitor));
}

uint32_t arch_monitor_get_capabilities(struct domain *d)
{
    if ( !is_hvm_domain(d) )
        return 0;

    return (1U << XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST) |
           (1U << XEN_DOMCTL_MONITOR_EVENT_SOFTWARE_BREAKPOINT) |
           (1U << XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR) |
           (1U << XEN_DOMCTL_MONITOR_EVENT_INTERRUPT) |
           (1U << XEN_DOMCTL_MONITOR_EVENT_CPUID) |
           (1U << XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION) |
           (1U << XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG) |
           (1U << XEN_DOMCTL_MONITOR_EVENT_EMUL_UNIMPLEMENTED) |
           (1U << XEN_DOMCTL_MONITOR_EVENT_INGUEST_PAGEFAULT) |
           (1U << XEN_DOMCTL_MONITOR_EVENT_VMEXIT) |
           (1U << XEN_DOMCTL_MONITOR_EVENT_SINGLESTEP) |
           (1U << XEN_DOMCTL_MONITOR_EVENT_DESC_ACCESS);
}

void arch_monitor_allow_userspace(struct domain *d, bool allow)
{
    d->arch.monitor.guest_request_userspace_enabled = allow;
}

int arch_monitor_domctl_op(struct domain *d, struct xen_domctl_monitor_op *mop)
{
    int rc = 0;

    switch ( mop->op )
    {
    case XEN_DOMCTL_MONITOR_OP_EMULATE_EACH_REP:
        domain_pause(d);
        if ( d->max_vcpus && d->vcpu[0]->arch.vm_event )
            d->arch.mem_access_emulate_each_rep = !!mop->event;
        else
            rc = -EINVAL;
        domain_unpause(d);
        return rc;

    case XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS:
        d->arch.monitor.control_register_values = true;
        return 0;

    default:
        return -EOPNOTSUPP;
    }
}

static unsigned long *msr_bitmap(const struct domain *d, uint32_t *msr)
{
    struct monitor_msr_bitmap *map = d->arch.monitor.msr_bitmap;

    switch ( *msr )
    {
    case 0 ... 0x1fff:
        return map->low;

    case 0x40000000 ... 0x40001fff:
        *msr &= 0x1fff;
        return map->hypervisor;

    case 0xc0000000 ... 0xc0001fff:
        *msr &= 0x1fff;
        return map->high;

    default:
        return NULL;
    }
}

#define ONCHANGE (sizeof(struct monitor_msr_bitmap) * 8)

static bool test_msr(const struct domain *d, uint32_t msr, unsigned int offset)
{
    unsigned long *map = d->arch.monitor.msr_bitmap ? msr_bitmap(d, &msr) : NULL;

    return map && test_bit(msr + offset, map);
}

bool monitored_msr(const struct domain *d, uint32_t msr)
{
    return test_msr(d, msr, 0);
}

bool monitored_msr_onchangeonly(const struct domain *d, uint32_t msr)
{
    return test_msr(d, msr, ONCHANGE);
}

static int set_msr(struct domain *d, const struct xen_domctl_monitor_op *mop,
                   bool on)
{
    uint32_t msr = mop->u.mov_to_msr.msr;
    unsigned long *map;

    if ( monitored_msr(d, msr) == on )
        return -EEXIST;
    if ( !d->arch.monitor.msr_bitmap )
        return -ENXIO;
    map = msr_bitmap(d, &msr);
    if ( !map )
        return -EINVAL;

    if ( !on )
        __clear_bit(msr, map);
    else
    {
        __set_bit(msr, map);
        if ( mop->u.mov_to_msr.onchangeonly )
            __set_bit(msr + ONCHANGE, map);
        else
            __clear_bit(msr + ONCHANGE, map);
    }

    return 0;
}

static void set_mask(uint32_t *mask, uint32_t bits, bool on)
{
    if ( on )
        *mask |= bits;
    else
        *mask &= ~bits;
}

static int set_ctrlreg(struct domain *d, const struct xen_domctl_monitor_op *mop,
                       bool on)
{
    struct sim_monitor *m = &d->arch.monitor;
    uint32_t bit;

    if ( mop->u.mov_to_cr.index >= ARRAY_SIZE(m->write_ctrlreg_mask) ||
         mop->u.mov_to_cr.pad1 || mop->u.mov_to_cr.pad2 )
        return -EINVAL;

    bit = monitor_ctrlreg_bitmask(mop->u.mov_to_cr.index);
    if ( !!(m->write_ctrlreg_enabled & bit) == on )
        return -EEXIST;

    set_mask(&m->write_ctrlreg_sync, bit, mop->u.mov_to_cr.sync);
    set_mask(&m->write_ctrlreg_onchangeonly, bit,
             mop->u.mov_to_cr.onchangeonly);
    m->write_ctrlreg_mask[mop->u.mov_to_cr.index] =
        on ? mop->u.mov_to_cr.bitmask : 0;
    set_mask(&m->write_ctrlreg_enabled, bit, on);

    return 0;
}

static int set_flag(bool *flag, bool on, bool *option, bool value)
{
    if ( *flag == on )
        return -EEXIST;
    *flag = on;
    if ( option )
        *option = on && value;

    return 0;
}

/* The domain is paused. */
static int set_event(struct domain *d, const struct xen_domctl_monitor_op *mop,
                     bool on)
{
    struct sim_monitor *m = &d->arch.monitor;

    switch ( mop->event )
    {
    case XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST:
        if ( d->monitor.guest_request_enabled == on )
            return -EEXIST;
        d->monitor.guest_request_sync = mop->u.guest_request.sync;
        d->monitor.guest_request_enabled = on;
        arch_monitor_allow_userspace(d, mop->u.guest_request.allow_userspace);
        return 0;

    case XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG:
        return set_ctrlreg(d, mop, on);

    case XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR:
        return set_msr(d, mop, on);

    case XEN_DOMCTL_MONITOR_EVENT_SINGLESTEP:
        return set_flag(&m->singlestep_enabled, on, NULL, false);

    case XEN_DOMCTL_MONITOR_EVENT_SOFTWARE_BREAKPOINT:
        return set_flag(&m->software_breakpoint_enabled, on, NULL, false);

    case XEN_DOMCTL_MONITOR_EVENT_DESC_ACCESS:
        return set_flag(&m->descriptor_access_enabled, on, NULL, false);

    case XEN_DOMCTL_MONITOR_EVENT_CPUID:
        return set_flag(&m->cpuid_enabled, on, NULL, false);

    case XEN_DOMCTL_MONITOR_EVENT_EMUL_UNIMPLEMENTED:
        return set_flag(&m->emul_unimplemented_enabled, on, NULL, false);

    case XEN_DOMCTL_MONITOR_EVENT_INGUEST_PAGEFAULT:
        return set_flag(&m->inguest_pagefault_disabled, on, NULL, false);

    case XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION:
        return set_flag(&m->debug_exception_enabled, on,
                        &m->debug_exception_sync, mop->u.debug_exception.sync);

    case XEN_DOMCTL_MONITOR_EVENT_VMEXIT:
        return set_flag(&m->vmexit_enabled, on, &m->vmexit_sync,
                        mop->u.vmexit.sync);

    default:
        return -EOPNOTSUPP;
    }
}

int arch_monitor_domctl_event(struct domain *d,
                              struct xen_domctl_monitor_op *mop)
{
    int rc;

    domain_pause(d);
    rc = set_event(d, mop, mop->op == XEN_DOMCTL_MONITOR_OP_ENABLE);
    domain_unpause(d);

    return rc;
}

int monitor_domctl(struct domain *d, struct xen_domctl_monitor_op *mop)
{
    uint32_t caps = arch_monitor_get_capabilities(d);

    if ( current->domain == d )
        return -EPERM;

    switch ( mop->op )
    {
    case XEN_DOMCTL_MONITOR_OP_ENABLE:
    case XEN_DOMCTL_MONITOR_OP_DISABLE:
        if ( mop->event > 31 )
            return -EINVAL;
        if ( !(caps & (1U << mop->event)) )
            return -EOPNOTSUPP;
        return arch_monitor_domctl_event(d, mop);

    case XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES:
        mop->event = caps;
        return 0;

    default:
        return arch_monitor_domctl_op(d, mop);
    }
}

/* ---- events ---- */

void monitor_guest_request(void)
{
    struct vcpu *curr = current;
    struct domain *d = curr->domain;
    vm_event_request_t req = { .reason = VM_EVENT_REASON_GUEST_REQUEST };

    if ( d->monitor.guest_request_enabled )
        monitor_traps(curr, d->monitor.guest_request_sync, &req);
}

bool hvm_monitor_cr(unsigned int index, unsigned long value, unsigned long old)
{
    const struct sim_monitor *m = &current->domain->arch.monitor;
    uint32_t bit = monitor_ctrlreg_bitmask(index);
    vm_event_request_t req = {
        .reason = VM_EVENT_REASON_WRITE_CTRLREG,
        .u.write_ctrlreg.index = index,
        .u.write_ctrlreg.new_value = value,
        .u.write_ctrlreg.old_value = old,
    };

    if ( !(m->write_ctrlreg_enabled & bit) ||
         ((m->write_ctrlreg_onchangeonly & bit) && value == old) ||
         !((value ^ old) & ~m->write_ctrlreg_mask[index]) )
        return false;

    return monitor_traps(current, m->write_ctrlreg_sync & bit, &req) == 1 &&
           m->control_register_values;
}

bool hvm_monitor_msr(unsigned int msr, uint64_t value, uint64_t old_value)
{
    const struct domain *d = current->domain;
    vm_event_request_t req = {
        .reason = VM_EVENT_REASON_MOV_TO_MSR,
        .u.mov_to_msr.msr = msr,
        .u.mov_to_msr.new_value = value,
        .u.mov_to_msr.old_value = old_value,
    };

    if ( monitored_msr_onchangeonly(d, msr) && value == old_value )
        return false;

    return monitor_traps(current, true, &req) == 1 &&
           d->arch.monitor.control_register_values;
}

bool hvm_monitor_descriptor_access(uint64_t exit_info,
                                   uint64_t vmx_exit_qualification,
                                   uint8_t descriptor, bool is_write)
{
    vm_event_request_t req = {
        .reason = VM_EVENT_REASON_DESCRIPTOR_ACCESS,
        .u.desc_access.descriptor = descriptor,
        .u.desc_access.is_write = is_write,
        .u.desc_access.arch.vmx.instr_info = exit_info,
        .u.desc_access.arch.vmx.exit_qualification = vmx_exit_qualification,
    };

    return monitor_traps(current, true, &req) == 1;
}

int hvm_monitor_debug(unsigned long rip, enum hvm_monitor_debug_type type,
                      unsigned int trap_type, unsigned int insn_length,
                      unsigned int pending_dbg)
{
    const struct sim_monitor *m = &current->domain->arch.monitor;
    vm_event_request_t req = {
        .u.debug_exception.gfn = (rip - SIM_KERNEL_VA) >> PAGE_SHIFT,
        .u.debug_exception.type = trap_type,
        .u.debug_exception.insn_length = insn_length,
    };
    bool sync = true;

    switch ( type )
    {
    case HVM_MONITOR_SOFTWARE_BREAKPOINT:
        if ( !m->software_breakpoint_enabled )
            return 0;
        req.reason = VM_EVENT_REASON_SOFTWARE_BREAKPOINT;
        break;

    case HVM_MONITOR_SINGLESTEP_BREAKPOINT:
        if ( !m->singlestep_enabled )
            return 0;
        req.reason = VM_EVENT_REASON_SINGLESTEP;
        break;

    case HVM_MONITOR_DEBUG_EXCEPTION:
        if ( !m->debug_exception_enabled )
            return 0;
        req.reason = VM_EVENT_REASON_DEBUG_EXCEPTION;
        req.u.debug_exception.pending_dbg = pending_dbg;
        sync = m->debug_exception_sync;
        break;
    }

    return monitor_traps(current, sync, &req);
}

int hvm_monitor_cpuid(unsigned long insn_length, unsigned int leaf,
                      unsigned int subleaf)
{
    vm_event_request_t req = {
        .reason = VM_EVENT_REASON_CPUID,
        .u.cpuid.insn_length = insn_length,
        .u.cpuid.leaf = leaf,
        .u.cpuid.subleaf = subleaf,
    };

    return current->domain->arch.monitor.cpuid_enabled
           ? monitor_traps(current, true, &req) : 0;
}

void hvm_monitor_interrupt(unsigned int vector, unsigned int type,
                           unsigned int err, uint64_t cr2)
{
    vm_event_request_t req = {
        .reason = VM_EVENT_REASON_INTERRUPT,
        .u.interrupt.x86.vector = vector,
        .u.interrupt.x86.type = type,
        .u.interrupt.x86.error_code = err,
        .u.interrupt.x86.cr2 = cr2,
    };

    monitor_traps(current, true, &req);
}

int hvm_monitor_vmexit(unsigned long exit_reason,
                       unsigned long exit_qualification)
{
    const struct sim_monitor *m = &current->domain->arch.monitor;
    vm_event_request_t req = {
        .reason = VM_EVENT_REASON_VMEXIT,
        .u.vmexit.arch.vmx.reason = exit_reason,
        .u.vmexit.arch.vmx.qualification = exit_qualification,
    };

    return m->vmexit_enabled ? monitor_traps(current, m->vmexit_sync, &req) : 0;
}

/* The part of p2m_mem_access_check() that sends the event. */
bool hvm_monitor_mem_access(gfn_t gfn, uint64_t gla, uint32_t flags)
{
    vm_event_request_t req = {
        .reason = VM_EVENT_REASON_MEM_ACCESS,
        .u.mem_access.gfn = gfn_x(gfn),
        .u.mem_access.offset = gla & ~PAGE_MASK,
        .u.mem_access.gla = gla,
        .u.mem_access.flags = flags | MEM_ACCESS_GLA_VALID |
                              MEM_ACCESS_FAULT_WITH_GLA,
    };

    return vm_event_monitored(current->domain) &&
           monitor_traps(current, true, &req) == 1;
}

/* ---- access rights ---- */

bool p2m_mem_access_sanity_check(const struct domain *d)
{
    return d->arch.access;
}

unsigned long domain_get_maximum_gpfn(struct domain *d)
{
    return d->arch.nr_access - 1;
}

int p2m_get_mem_access(struct domain *d, gfn_t gfn, xenmem_access_t *access,
                       unsigned int altp2m_idx)
{
    (void)altp2m_idx;
    if ( gfn_x(gfn) == ~0UL )
        *access = d->arch.default_access;
    else if ( gfn_x(gfn) >= d->arch.nr_access ||
              d->arch.access[gfn_x(gfn)] == SIM_ACCESS_HOLE )
        return -ESRCH;
    else
        *access = __atomic_load_n(&d->arch.access[gfn_x(gfn)],
                                  __ATOMIC_RELAXED);

    return 0;
}

long p2m_set_mem_access(struct domain *d, gfn_t gfn, uint32_t nr,
                        uint32_t start, uint32_t mask, xenmem_access_t access,
                        unsigned int altp2m_idx)
{
    unsigned long i;

    (void)altp2m_idx;
    if ( access > XENMEM_access_default )
        return -EINVAL;
    if ( access == XENMEM_access_default )
        access = d->arch.default_access;
    if ( gfn_x(gfn) == ~0UL )
    {
        d->arch.default_access = access;
        return 0;
    }

    while ( start < nr )
    {
        i = gfn_x(gfn) + start;
        /* A test's hole: a page that has no rights at all. */
        if ( i >= d->arch.nr_access || d->arch.access[i] == SIM_ACCESS_HOLE )
            return -ESRCH;
        __atomic_store_n(&d->arch.access[i], access, __ATOMIC_RELAXED);
        if ( nr > ++start && !(start & mask) && hypercall_preempt_check() )
            return start;
    }

    return 0;
}
