/* SPDX-License-Identifier: MIT */
/*
 * Which answer lets a vCPU go on is decided by where Xen 4.17 raises the event
 * (arch/x86/hvm/monitor.c and its callers):
 *
 * CPUID      after the results are in RAX to RDX, instead of the step behind
 *            the instruction.  A bare "continue" would run CPUID again, with a
 *            result as its leaf.  So: the captured registers, RIP advanced.
 * INT3       instead of delivering #BP.  "Continue" would meet INT3 again.
 *            Skipped: RIP advanced; the guest's own handler does not run.
 * #DB        instead of delivering it.  A trap has RIP behind the instruction
 *            and a length of 0; ICEBP has a length.  RF keeps an instruction
 *            breakpoint from hitting the same instruction again.
 * request    inside the hypercall, which later returns 0 in RAX and steps over
 *            VMCALL or VMMCALL (3 bytes each).  Registers that an answer sets
 *            are loaded after that, so they must repeat both.
 * CR, MSR    the write waits for the answer, which can deny it.
 * desc, mem  instead of the access: Xen emulates the instruction.
 * mem, Arm   instead of the access, and nothing emulates it: the page is opened
 *            (pages.h), and the instruction made again.
 * SMC        instead of the instruction, 4 bytes long.
 */
#include "answer.h"
#include "cli.h"

#define VMCALL_LENGTH 3
#define SMC_LENGTH    4
#define X86_RFLAGS_RF (1ULL << 16)

/* 0, or -1 if the registers were not captured. */
static int skip(const struct vmiring_event *ev, uint32_t length,
                struct vmiring_response *rsp)
{
    if ( vmiring_regs_from(ev, rsp) )
        return -1;
    rsp->regs[VMIRING_RIP] += length;
    rsp->flags |= VMIRING_RSP_SET_REGISTERS;
    return 0;
}

static const char *answer_request(const struct answer_policy *policy,
                                  const struct vmiring_event *ev,
                                  struct vmiring_response *rsp)
{
    uint64_t pc;

    if ( !policy->reply || !vmiring_get_reg(ev, VMIRING_PC, &pc) ||
         skip(ev, VMCALL_LENGTH, rsp) )
        return "continue";
    rsp->regs[VMIRING_RAX] = 0;
    rsp->regs[VMIRING_RDI] ^= ANSWER_REPLY_XOR;
    return "set";
}

static const char *answer_debug(const struct vmiring_event *ev,
                                struct vmiring_response *rsp)
{
    struct vmiring_debug debug;

    if ( vmiring_get_debug(ev, &debug) || skip(ev, debug.insn_length, rsp) )
        return "continue";
    if ( ev->reason == VMIRING_DEBUG_EXCEPTION )
        rsp->regs[VMIRING_RFLAGS] |= X86_RFLAGS_RF;
    return "skip";
}

static const char *answer_cpuid(const struct answer_policy *policy,
                                const struct vmiring_event *ev,
                                struct vmiring_response *rsp)
{
    struct vmiring_cpuid cpuid;

    if ( vmiring_get_cpuid(ev, &cpuid) || skip(ev, cpuid.insn_length, rsp) )
        return "continue";
    if ( !policy->reply || cpuid.leaf != ANSWER_REPLY_LEAF )
        return "skip";
    rsp->regs[VMIRING_RAX] = cpuid.leaf ^ ANSWER_REPLY_XOR;
    return "set";
}

/* On arm64 word 0 of the registers is the PC, and nothing else can be set. */
static const char *answer_smc(const struct vmiring_event *ev,
                              struct vmiring_response *rsp)
{
    uint64_t pc;

    if ( vmiring_get_reg(ev, VMIRING_PC, &pc) || vmiring_regs_from(ev, rsp) )
        return "continue";
    rsp->regs[0] = pc + SMC_LENGTH;
    rsp->flags |= VMIRING_RSP_SET_REGISTERS;
    return "skip";
}

static const char *answer_write(uint32_t deny, uint32_t bit,
                                struct vmiring_response *rsp)
{
    if ( !(deny & bit) )
        return "continue";
    rsp->flags |= VMIRING_RSP_DENY;
    return "deny";
}

static const char *answer_ctrlreg(const struct answer_policy *policy,
                                  const struct vmiring_event *ev,
                                  struct vmiring_response *rsp)
{
    struct vmiring_ctrlreg reg;

    if ( vmiring_get_ctrlreg(ev, &reg) || reg.index > VMIRING_XCR0 )
        return "continue";
    return answer_write(policy->deny, 1U << reg.index, rsp);
}

static const char *answer_one(const struct answer_policy *policy,
                              const struct vmiring_event *ev,
                              struct vmiring_response *rsp)
{
    switch ( ev->reason )
    {
    case VMIRING_GUEST_REQUEST:
        return answer_request(policy, ev, rsp);
    case VMIRING_SOFTWARE_BREAKPOINT:
    case VMIRING_DEBUG_EXCEPTION:
        return answer_debug(ev, rsp);
    case VMIRING_CPUID:
        return answer_cpuid(policy, ev, rsp);
    case VMIRING_PRIVILEGED_CALL:
        return answer_smc(ev, rsp);
    case VMIRING_WRITE_CTRLREG:
        return answer_ctrlreg(policy, ev, rsp);
    case VMIRING_MOV_TO_MSR:
        return answer_write(policy->deny, DENY_MSR, rsp);
    case VMIRING_MEM_ACCESS:
        if ( policy->lift )
            return "lift";
        /* fall through */
    case VMIRING_DESCRIPTOR_ACCESS:
        rsp->flags |= VMIRING_RSP_EMULATE;
        return "emulate";
    default:
        return "continue";
    }
}

/* Stepping is a toggle in Xen, so what each vCPU's is has to be remembered. */
static void answer_step(const struct answer_policy *policy,
                        const struct vmiring_event *ev,
                        struct vmiring_response *rsp)
{
    uint8_t bit = 1U << (ev->vcpu % 8);

    if ( policy->step && ev->vcpu < ANSWER_VCPUS_MAX &&
         (ev->reason == VMIRING_SINGLESTEP) ==
         !!(policy->stepping[ev->vcpu / 8] & bit) )
        rsp->flags |= VMIRING_RSP_TOGGLE_SINGLESTEP;
}

void answer_taken(struct answer_policy *policy, const struct vmiring_event *ev,
                  const struct vmiring_response *rsp)
{
    uint8_t *byte, bit = 1U << (ev->vcpu % 8);

    if ( !(rsp->flags & VMIRING_RSP_TOGGLE_SINGLESTEP) )
        return;
    byte = &policy->stepping[ev->vcpu / 8];
    *byte ^= bit;
    policy->nr_stepping += *byte & bit ? 1 : -1;
}

const char *answer_build(struct answer_policy *policy,
                         const struct vmiring_event *ev,
                         struct vmiring_response *rsp)
{
    const char *word;

    *rsp = (struct vmiring_response){ .size = sizeof(*rsp) };
    /*
     * Xen refused our answer before: the same one again would be refused for
     * ever, and a vCPU that goes on is better than one that never does.
     */
    if ( ev->flags & VMIRING_EV_AGAIN )
        return "continue";
    word = answer_one(policy, ev, rsp);
    if ( policy->next_interrupt && ev->reason != VMIRING_INTERRUPT )
        rsp->flags |= VMIRING_RSP_GET_NEXT_INTERRUPT;
    answer_step(policy, ev, rsp);
    return word;
}
