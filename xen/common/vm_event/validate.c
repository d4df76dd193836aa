/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is a response acceptable?  A pure function of Xen's private copy and of the
 * rules that hold for the event and the host: no state, no shared memory.
 */
#include "private.h"

/* Which reasons a flag makes sense for; all others take any. */
static bool reason_fits(uint32_t reason, uint32_t flags)
{
    if ( (flags & VMEV2_RSP_DENY) &&
         reason != VMEV2_REASON_WRITE_CTRLREG &&
         reason != VMEV2_REASON_MOV_TO_MSR )
        return false;

    if ( !(flags & VMEV2_RSP_EMULATE) )
        return true;

    switch ( reason )
    {
    case VMEV2_REASON_MEM_ACCESS:
    case VMEV2_REASON_DESCRIPTOR_ACCESS:
        /* These are emulated from the guest's own instruction. */
        return !(flags & VMEV2_RSP_SET_EMUL_INSN_DATA);

    case VMEV2_REASON_SOFTWARE_BREAKPOINT:
        /* Emulating the breakpoint itself leads nowhere. */
        return flags & VMEV2_RSP_SET_EMUL_INSN_DATA;

    default:
        return false;
    }
}

/* Flags that need, or exclude, one another. */
static bool flags_agree(uint32_t flags)
{
    const uint32_t emul = VMEV2_RSP_EMULATE_NOWRITE |
                          VMEV2_RSP_SET_EMUL_READ_DATA |
                          VMEV2_RSP_SET_EMUL_INSN_DATA;
    uint32_t how = flags & emul;

    /* How to emulate says nothing unless we do, and there is one way only. */
    if ( how && (!(flags & VMEV2_RSP_EMULATE) || (how & (how - 1))) )
        return false;

    /* New registers would move the instruction that is to be emulated. */
    if ( (flags & VMEV2_RSP_EMULATE) && (flags & VMEV2_RSP_SET_REGISTERS) )
        return false;

    /* A fast step is neither a step nor anything else about this event. */
    return !(flags & VMEV2_RSP_FAST_SINGLESTEP) ||
           !(flags & (VMEV2_RSP_TOGGLE_SINGLESTEP | VMEV2_RSP_EMULATE |
                      VMEV2_RSP_DENY));
}

static bool pads_zero(const struct vmev2_rsp *rsp)
{
    uint64_t any = rsp->pad0;
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(rsp->pad1); i++ )
        any |= rsp->pad1[i];

    return !any;
}

uint32_t vm_event_validate(const struct vmev2_rsp *rsp,
                           const struct vm_event_rules *rules)
{
    uint32_t flags = rsp->flags;

    if ( (flags & ~rules->flags) || !flags_agree(flags) )
        return VMEV2_ERR_FLAGS;

    if ( !pads_zero(rsp) )
        return VMEV2_ERR_PAD;

    if ( !reason_fits(rules->reason, flags) )
        return VMEV2_ERR_REASON;

    if ( (flags & VMEV2_RSP_ALTERNATE_P2M) && rsp->altp2m_idx >= rules->views )
        return VMEV2_ERR_INDEX;

    if ( (flags & VMEV2_RSP_FAST_SINGLESTEP) &&
         rsp->fast_p2midx >= rules->views )
        return VMEV2_ERR_INDEX;

    if ( (flags & VMEV2_RSP_SET_EMUL_READ_DATA) &&
         (!rsp->emul_size || rsp->emul_size > sizeof(rsp->emul)) )
        return VMEV2_ERR_SIZE;

    if ( (flags & VMEV2_RSP_SET_REGISTERS) &&
         !arch_vm_event_regs_valid(&rsp->regs) )
        return VMEV2_ERR_REGS;

    return VMEV2_ERR_NONE;
}
