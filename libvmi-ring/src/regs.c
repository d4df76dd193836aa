/* SPDX-License-Identifier: MIT */
/* Registers of an event: where each stands in its capture. */
#include <errno.h>
#include <string.h>

#include "capture.h"

struct place {
    uint16_t offset;
    uint8_t width;          /* bytes; 0: no such register */
    bool all;               /* ALL only */
};

#define X86(member, all_) \
    { offsetof(struct vmev2_regs_x86, member), \
      sizeof(((struct vmev2_regs_x86 *)0)->member), all_ }
#define CORE(member) X86(member, false)
#define REST(member) X86(member, true)

static const struct place x86[VMIRING_REG_X86_END] = {
    [VMIRING_RAX] = CORE(rax), [VMIRING_RCX] = CORE(rcx),
    [VMIRING_RDX] = CORE(rdx), [VMIRING_RBX] = CORE(rbx),
    [VMIRING_RSP] = CORE(rsp), [VMIRING_RBP] = CORE(rbp),
    [VMIRING_RSI] = CORE(rsi), [VMIRING_RDI] = CORE(rdi),
    [VMIRING_R8] = CORE(r8), [VMIRING_R9] = CORE(r9),
    [VMIRING_R10] = CORE(r10), [VMIRING_R11] = CORE(r11),
    [VMIRING_R12] = CORE(r12), [VMIRING_R13] = CORE(r13),
    [VMIRING_R14] = CORE(r14), [VMIRING_R15] = CORE(r15),
    [VMIRING_RIP] = CORE(rip), [VMIRING_RFLAGS] = CORE(rflags),
    [VMIRING_REG_CR0] = CORE(cr0), [VMIRING_REG_CR2] = CORE(cr2),
    [VMIRING_REG_CR3] = CORE(cr3), [VMIRING_REG_CR4] = CORE(cr4),
    [VMIRING_EFER] = CORE(efer), [VMIRING_TSC] = CORE(tsc),
    [VMIRING_CS_BASE] = CORE(cs.base), [VMIRING_CS_AR] = CORE(cs.ar),
    [VMIRING_CS_SEL] = CORE(cs.sel), [VMIRING_CS_LIMIT] = CORE(cs.limit),
    [VMIRING_SS_BASE] = REST(ss.base), [VMIRING_SS_SEL] = REST(ss.sel),
    [VMIRING_DS_BASE] = REST(ds.base), [VMIRING_DS_SEL] = REST(ds.sel),
    [VMIRING_ES_BASE] = REST(es.base), [VMIRING_ES_SEL] = REST(es.sel),
    [VMIRING_FS_BASE] = REST(fs.base), [VMIRING_FS_SEL] = REST(fs.sel),
    [VMIRING_GS_BASE] = REST(gs.base), [VMIRING_GS_SEL] = REST(gs.sel),
    [VMIRING_GDTR_BASE] = REST(gdtr_base),
    [VMIRING_GDTR_LIMIT] = REST(gdtr_limit),
    [VMIRING_SHADOW_GS] = REST(shadow_gs),
    [VMIRING_DR6] = REST(dr6), [VMIRING_DR7] = REST(dr7),
    [VMIRING_SYSENTER_CS] = REST(sysenter_cs),
    [VMIRING_SYSENTER_ESP] = REST(sysenter_esp),
    [VMIRING_SYSENTER_EIP] = REST(sysenter_eip),
    [VMIRING_STAR] = REST(star), [VMIRING_LSTAR] = REST(lstar),
    [VMIRING_NPT_BASE] = REST(npt_base),
};

#define ARM64(member) \
    { offsetof(struct vmev2_regs_arm64, member), sizeof(uint64_t), false }

static struct place arm64_place(unsigned int reg)
{
    static const struct place rest[] = {
        ARM64(sp_el0), ARM64(sp_el1), ARM64(ttbr0), ARM64(ttbr1), ARM64(tcr),
        ARM64(sctlr),
    };

    if ( reg == VMIRING_PC )
        return (struct place)ARM64(pc);
    if ( reg == VMIRING_CPSR )
        return (struct place)ARM64(cpsr);
    if ( reg >= VMIRING_X0 && reg < VMIRING_X0 + 31U )
        return (struct place){
            offsetof(struct vmev2_regs_arm64, x) + 8 * (reg - VMIRING_X0),
            sizeof(uint64_t), false
        };
    if ( reg >= VMIRING_SP_EL0 && reg - VMIRING_SP_EL0 < ARRAY_SIZE(rest) )
        return rest[reg - VMIRING_SP_EL0];

    return (struct place){ 0 };
}

/* Whether this capture has a register that its architecture and set have. */
static bool captured(const struct event *e, unsigned int reg)
{
    switch ( e->layout )
    {
    case REGS_X86_LEGACY:
        if ( reg == VMIRING_TSC )
            return false;
        /* fall through */
    case REGS_X86:
        return reg != VMIRING_NPT_BASE || (e->rec.flags & VMEV2_REC_NESTED);

    case REGS_ARM64:
        return true;

    case REGS_ARM_LEGACY:
        return reg == VMIRING_PC || reg == VMIRING_CPSR ||
               reg == VMIRING_TTBR0 || reg == VMIRING_TTBR1 ||
               reg == VMIRING_TCR;

    default:
        return false;
    }
}

static bool is_arm_layout(enum reg_layout layout)
{
    return layout == REGS_ARM64 || layout == REGS_ARM_LEGACY ||
           layout == REGS_ARM_REPLAYED;
}

/* A capture says of each register whether it has it. */
static int replayed(const struct event *e, unsigned int n, uint64_t *value)
{
    const struct replay_regs *regs = e->regs;

    if ( is_arm_layout(e->layout) != (n >= VMIRING_PC) ||
         !(regs->valid >> (n % VMIRING_PC) & 1) )
    {
        errno = ENODATA;
        return -1;
    }
    *value = regs->value[n % VMIRING_PC];

    return 0;
}

int vmiring_get_reg(const struct vmiring_event *ev, enum vmiring_reg reg,
                    uint64_t *value)
{
    const struct event *e = ev ? ev->priv : NULL;
    const unsigned int n = reg;
    bool is_arm = n >= VMIRING_PC;
    struct place place;

    place = is_arm ? arm64_place(n)
                   : n < ARRAY_SIZE(x86) ? x86[n] : (struct place){ 0 };
    if ( !e || !place.width )
    {
        errno = EINVAL;
        return -1;
    }

    if ( e->layout == REGS_X86_REPLAYED || e->layout == REGS_ARM_REPLAYED )
        return replayed(e, n, value);

    if ( is_arm != is_arm_layout(e->layout) || !captured(e, n) || (place.all && e->rec.regs != VMEV2_REGS_ALL) )
    {
        errno = ENODATA;
        return -1;
    }

    /* Little-endian on every architecture that Xen runs on. */
    *value = 0;
    memcpy(value, (const uint8_t *)e->regs + place.offset, place.width);

    return 0;
}

/* All that can be set, or nothing: what is missing would be set to zero. */
static int settable(const struct event *e, struct vmiring_response *rsp)
{
    const struct replay_regs *regs = e->regs;
    const bool arm = e->layout == REGS_ARM_REPLAYED;
    const unsigned int nr = arm ? 1 : ARRAY_SIZE(rsp->regs);

    if ( ~regs->valid & ((1ULL << nr) - 1) )
    {
        errno = ENODATA;
        return -1;
    }
    memset(rsp->regs, 0, sizeof(rsp->regs));
    memcpy(rsp->regs, regs->value, nr * sizeof(rsp->regs[0]));

    return 0;
}

int vmiring_regs_from(const struct vmiring_event *ev,
                      struct vmiring_response *rsp)
{
    const struct event *e = ev ? ev->priv : NULL;

    if ( !e || !rsp )
    {
        errno = EINVAL;
        return -1;
    }

    switch ( e->layout )
    {
    case REGS_X86:
    case REGS_X86_LEGACY:
        memcpy(rsp->regs, e->regs, sizeof(rsp->regs));
        return 0;

    case REGS_ARM64:
    case REGS_ARM_LEGACY:
        /* The pc is all that can be set. */
        memset(rsp->regs, 0, sizeof(rsp->regs));
        memcpy(rsp->regs, e->regs, sizeof(rsp->regs[0]));
        return 0;

    case REGS_X86_REPLAYED:
    case REGS_ARM_REPLAYED:
        return settable(e, rsp);

    default:
        errno = ENODATA;
        return -1;
    }
}
