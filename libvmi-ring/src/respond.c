/* SPDX-License-Identifier: MIT */
/* Answers: checked here, so that Xen gets none that it would refuse. */
#include <errno.h>
#include <string.h>

#include "private.h"

#define EMUL_MODIFIERS (VMIRING_RSP_EMULATE_NOWRITE | \
                        VMIRING_RSP_SET_EMUL_READ_DATA | \
                        VMIRING_RSP_SET_EMUL_INSN_DATA)

/* RFLAGS bits 3, 5, 15 and from 22 on are always zero, bit 1 is always one. */
#define RFLAGS_ZERO (~0x3f7fd7ULL)

static int bad(struct msg *msg, const char *field, const char *why)
{
    return fail(msg, EINVAL, "response.%s: %s", field, why);
}

static int does_not_fit(struct msg *msg, const char *flag, uint32_t reason)
{
    return fail(msg, EINVAL, "response.flags: %s does not fit a %s event",
                flag, vmiring_reason_name(reason));
}

/* Flags that act on some kinds of events only. */
static int check_reason(struct msg *msg, uint32_t flags, uint32_t reason)
{
    if ( (flags & VMIRING_RSP_DENY) && reason != VMIRING_WRITE_CTRLREG &&
         reason != VMIRING_MOV_TO_MSR )
        return does_not_fit(msg, "DENY", reason);

    if ( (flags & VMIRING_RSP_SET_EMUL_READ_DATA) &&
         reason != VMIRING_MEM_ACCESS )
        return does_not_fit(msg, "SET_EMUL_READ_DATA", reason);

    if ( (flags & VMIRING_RSP_SET_EMUL_INSN_DATA) &&
         reason != VMIRING_SOFTWARE_BREAKPOINT )
        return does_not_fit(msg, "SET_EMUL_INSN_DATA", reason);

    if ( !(flags & VMIRING_RSP_EMULATE) )
        return 0;

    switch ( reason )
    {
    case VMIRING_MEM_ACCESS:
    case VMIRING_DESCRIPTOR_ACCESS:
        return 0;

    case VMIRING_SOFTWARE_BREAKPOINT:
        if ( flags & VMIRING_RSP_SET_EMUL_INSN_DATA )
            return 0;
        return bad(msg, "flags", "EMULATE of a breakpoint needs "
                   "SET_EMUL_INSN_DATA");

    default:
        return does_not_fit(msg, "EMULATE", reason);
    }
}

static int check_emul(struct msg *msg, const struct vmiring_response *rsp)
{
    uint32_t how = rsp->flags & EMUL_MODIFIERS;

    if ( how && !(rsp->flags & VMIRING_RSP_EMULATE) )
        return bad(msg, "flags", "NOWRITE and SET_EMUL_* need EMULATE");
    if ( how & (how - 1) )
        return bad(msg, "flags", "NOWRITE, SET_EMUL_READ_DATA and "
                   "SET_EMUL_INSN_DATA exclude each other");
    if ( (rsp->flags & VMIRING_RSP_EMULATE) &&
         (rsp->flags & VMIRING_RSP_SET_REGISTERS) )
        return bad(msg, "flags", "SET_REGISTERS would move the instruction "
                   "that EMULATE means");

    if ( rsp->flags & VMIRING_RSP_SET_EMUL_READ_DATA )
    {
        if ( !rsp->emul_size || rsp->emul_size > sizeof(rsp->emul) )
            return fail(msg, EINVAL, "response.emul_size: is %u, should be 1 "
                        "to %zu", rsp->emul_size, sizeof(rsp->emul));
    }
    else if ( rsp->emul_size )
        return bad(msg, "emul_size", "is set without SET_EMUL_READ_DATA");

    return 0;
}

/* Bit 47, or with 5-level paging bit 56, continues up to bit 63. */
static bool canonical(uint64_t address)
{
    int64_t upper = (int64_t)address >> 56;

    return upper == 0 || upper == -1;
}

static int check_regs(struct msg *msg, const struct vmiring_response *rsp)
{
    uint64_t rflags = rsp->regs[VMIRING_RFLAGS];

    if ( rflags & RFLAGS_ZERO )
        return fail(msg, EINVAL, "response.regs[VMIRING_RFLAGS]: bits %#llx "
                    "cannot be set",
                    (unsigned long long)(rflags & RFLAGS_ZERO));
    if ( !(rflags & 2) )
        return fail(msg, EINVAL, "response.regs[VMIRING_RFLAGS]: bit 1 must "
                    "be set; fill regs with vmiring_regs_from()");
    if ( !canonical(rsp->regs[VMIRING_RIP]) )
        return fail(msg, EINVAL, "response.regs[VMIRING_RIP]: %#llx is not "
                    "canonical", (unsigned long long)rsp->regs[VMIRING_RIP]);

    return 0;
}

/* What this host cannot apply, by name, and where it is known why. */
static int lacks(struct msg *msg, uint32_t flags, bool arm64)
{
    static const char emulation[] = ": Xen emulates no instruction on Arm; "
        "open the page with vmiring_set_access() instead";
    static const char stepping[] = ": Xen steps nothing on Arm";
    static const char views[] = ": there is no altp2m on Arm";
    static const struct { uint32_t flag; const char *name, *why; } lacking[] = {
        { VMIRING_RSP_EMULATE, "EMULATE", emulation },
        { VMIRING_RSP_EMULATE_NOWRITE, "EMULATE_NOWRITE", emulation },
        { VMIRING_RSP_SET_EMUL_READ_DATA, "SET_EMUL_READ_DATA", emulation },
        { VMIRING_RSP_SET_EMUL_INSN_DATA, "SET_EMUL_INSN_DATA", emulation },
        { VMIRING_RSP_TOGGLE_SINGLESTEP, "TOGGLE_SINGLESTEP", stepping },
        { VMIRING_RSP_FAST_SINGLESTEP, "FAST_SINGLESTEP", stepping },
        { VMIRING_RSP_DENY, "DENY",
          ": no event on Arm is a write that could be denied" },
        { VMIRING_RSP_ALTERNATE_P2M, "ALTERNATE_P2M", views },
        { VMIRING_RSP_GET_NEXT_INTERRUPT, "GET_NEXT_INTERRUPT",
          ": Xen reports no interrupts on Arm" },
        { VMIRING_RSP_RESET_VMTRACE, "RESET_VMTRACE",
          ": there is no vmtrace on Arm" },
        { VMIRING_RSP_SET_REGISTERS, "SET_REGISTERS", "" },
    };

    for ( size_t i = 0; i < sizeof(lacking) / sizeof(*lacking); i++ )
        if ( flags & lacking[i].flag )
            return fail(msg, ENOTSUP, "response.flags: this host cannot apply "
                        "%s%s", lacking[i].name, arm64 ? lacking[i].why : "");

    return fail(msg, ENOTSUP, "response.flags: this host cannot apply bits "
                "0x%x", flags);
}

int response_check(struct msg *msg, const struct vmiring_response *rsp,
                   uint32_t reason, uint32_t can, bool arm64)
{
    if ( rsp->flags & ~VMEV2_RSP_KNOWN )
        return fail(msg, EINVAL, "response.flags: unknown bits 0x%x",
                    rsp->flags & ~VMEV2_RSP_KNOWN);
    if ( rsp->flags & ~can )
        return lacks(msg, rsp->flags & ~can, arm64);
    if ( rsp->pad )
        return bad(msg, "pad", "is not 0");
    if ( rsp->altp2m_view && !(rsp->flags & VMIRING_RSP_ALTERNATE_P2M) )
        return bad(msg, "altp2m_view", "is set without ALTERNATE_P2M");
    if ( rsp->fast_view && !(rsp->flags & VMIRING_RSP_FAST_SINGLESTEP) )
        return bad(msg, "fast_view", "is set without FAST_SINGLESTEP");
    if ( (rsp->flags & VMIRING_RSP_FAST_SINGLESTEP) &&
         (rsp->flags & (VMIRING_RSP_TOGGLE_SINGLESTEP | VMIRING_RSP_EMULATE |
                        VMIRING_RSP_DENY)) )
        return bad(msg, "flags", "FAST_SINGLESTEP excludes TOGGLE_SINGLESTEP, "
                   "EMULATE and DENY");

    return check_emul(msg, rsp) || check_reason(msg, rsp->flags, reason)
           ? -1 : 0;
}

int vmiring_respond(vmiring *h, const struct vmiring_event *ev,
                    const struct vmiring_response *rsp)
{
    struct vmiring_response copy;

    if ( usable(h) )
        return -1;
    if ( !ev || !(ev->flags & VMIRING_EV_SYNC) || !ev->handle )
        return fail(&h->msg, EINVAL, "respond: the event does not wait for an "
                    "answer");
    if ( ev->vcpu >= h->nr_vcpus )
        return fail(&h->msg, EINVAL, "event.vcpu: is %u, the domain has %u",
                    ev->vcpu, h->nr_vcpus);

    if ( rsp )
    {
        if ( copy_in(&h->msg, "response", &copy, sizeof(copy), rsp,
                     offsetof(struct vmiring_response, regs)) ||
             response_check(&h->msg, &copy, ev->reason, h->rsp_flags,
                            h->arm64) )
            return -1;
        if ( !h->arm64 && (copy.flags & VMIRING_RSP_SET_REGISTERS) &&
             check_regs(&h->msg, &copy) )
            return -1;
    }

    if ( h->engine->check(h) ||
         h->engine->respond(h, ev->vcpu, ev->handle, rsp ? &copy : NULL) )
        return -1;

    h->stats.answered++;

    return 0;
}
