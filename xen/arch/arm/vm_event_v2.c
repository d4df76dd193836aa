/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm_event on arm64: registers out and in, and the effects of a response.
 */
#include <xen/sched.h>
#include <xen/vm_event.h>
#include <asm/event.h>
#include <asm/monitor.h>
#include <asm/p2m.h>
#include <asm/processor.h>
#include <asm/time.h>
#include <asm/vm_event.h>
#include <public/vm_event_v2.h>

bool arch_vm_event_supported(const struct domain *d)
{
    /* Every domain but Xen's own is hardware-assisted here. */
    return true;
}

uint64_t arch_vm_event_features(const struct domain *d)
{
    return VMEV2_FEAT_ARM64;
}

uint64_t arch_vm_event_clock(void)
{
    return get_cycles();
}

uint64_t arch_vm_event_ip(void)
{
    return guest_cpu_user_regs()->pc;
}

unsigned int arch_vm_event_views(const struct domain *d)
{
    return 0;
}

uint32_t arch_vm_event_rsp_flags(const struct domain *d)
{
    return VMEV2_RSP_SET_REGISTERS;
}

static void put_core(struct vmev2_regs_arm64 *to)
{
    const struct cpu_user_regs *regs = guest_cpu_user_regs();

    to->pc = regs->pc;
    to->cpsr = regs->cpsr;
#ifdef CONFIG_ARM_64
    BUILD_BUG_ON(offsetof(struct cpu_user_regs, x1) -
                 offsetof(struct cpu_user_regs, x0) != sizeof(to->x[0]));
    memcpy(to->x, &regs->x0, sizeof(to->x));
    to->sp_el0 = regs->sp_el0;
    to->sp_el1 = regs->sp_el1;
#else
    memset(to->x, 0, sizeof(to->x));
    to->sp_el0 = to->sp_el1 = 0;
#endif
    to->ttbr0 = READ_SYSREG64(TTBR0_EL1);
    to->ttbr1 = READ_SYSREG64(TTBR1_EL1);
    to->tcr = READ_SYSREG(TCR_EL1);
    to->sctlr = READ_SYSREG(SCTLR_EL1);
    to->tsc = get_cycles();
}

static void put_rest(struct vmev2_regs_arm64 *to)
{
#ifdef CONFIG_ARM_64
    to->mair = READ_SYSREG64(MAIR_EL1);
    to->vbar = READ_SYSREG64(VBAR_EL1);
    to->esr_el1 = READ_SYSREG64(ESR_EL1);
    to->far_el1 = READ_SYSREG64(FAR_EL1);
    to->elr_el1 = READ_SYSREG64(ELR_EL1);
    to->spsr_el1 = READ_SYSREG64(SPSR_EL1);
    to->contextidr = READ_SYSREG64(CONTEXTIDR_EL1);
    to->tpidr_el0 = READ_SYSREG64(TPIDR_EL0);
    to->tpidr_el1 = READ_SYSREG64(TPIDR_EL1);
#else
    memset(&to->mair, 0, sizeof(*to) - offsetof(typeof(*to), mair));
#endif
}

/* The vCPU is current, so its EL1 state is in the registers. */
unsigned int arch_vm_event_regs(void *dst, unsigned int set,
                                const vm_event_request_t *req)
{
    put_core(dst);
    if ( set == VMEV2_REGS_CORE )
        return VMEV2_REGS_ARM64_CORE_SIZE;

    put_rest(dst);

    return VMEV2_REGS_ARM64_ALL_SIZE;
}

/* The pc alone can be set, and a bad one faults inside the guest. */
bool arch_vm_event_regs_valid(const struct vmev2_set_regs *regs)
{
    unsigned int i;

    for ( i = 1; i < ARRAY_SIZE(regs->word); i++ )
        if ( regs->word[i] )
            return false;

    return true;
}

void arch_vm_event_convert_regs(vm_event_response_t *to,
                                const struct vmev2_set_regs *from)
{
    to->data.regs.arm.pc = from->word[0];
}

void arch_vm_event_apply(struct vcpu *v, vm_event_response_t *rsp)
{
    if ( rsp->flags & VM_EVENT_FLAG_SET_REGISTERS )
        vm_event_set_registers(v, rsp);
}

/* Arm raises no register writes. */
int arch_vm_event_defer_writes(struct domain *d)
{
    return -EOPNOTSUPP;
}

void arch_vm_event_stop(struct vcpu *v)
{
}

/* What an answer asks for is carried out at once here. */
void arch_vm_event_reset(struct vcpu *v)
{
}

/*
 * On the way into the guest, interrupts off: carries out an answer, publishes
 * what is next, and says whether the vCPU has to wait.
 */
bool vm_event_check_entry(struct vcpu *v)
{
    bool wait;

    if ( likely(!vm_event_busy(v)) )
        return false;

    local_irq_enable();
    vm_event_resume_begin(v);
    wait = vm_event_resume_end(v);
    local_irq_disable();

    return wait;
}
