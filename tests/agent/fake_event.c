/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "fake_event.h"

struct vmiring_event fake_event(const struct fake_event *f, uint32_t reason,
                                uint32_t flags)
{
    return (struct vmiring_event){
        .reason = reason, .flags = flags, .vcpu = 3, .seq = 42,
        .time = 1234567890123ULL, .handle = 7,
        .regs = f->has_regs ? VMIRING_REGS_CORE : VMIRING_REGS_NONE,
        .priv = f,
    };
}

#define PAYLOAD(name, ...) \
int vmiring_get_##name(const struct vmiring_event *ev, \
                       struct vmiring_##name *out) \
{ \
    static const uint32_t reasons[] = { __VA_ARGS__ }; \
    const struct fake_event *f = ev->priv; \
    for ( size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++ ) \
        if ( f->reason == reasons[i] && ev->reason == reasons[i] ) \
        { \
            *out = f->u.name; \
            return 0; \
        } \
    errno = EINVAL; \
    return -1; \
}

PAYLOAD(ctrlreg, VMIRING_WRITE_CTRLREG)
PAYLOAD(msr, VMIRING_MOV_TO_MSR)
PAYLOAD(cpuid, VMIRING_CPUID)
PAYLOAD(debug, VMIRING_SOFTWARE_BREAKPOINT, VMIRING_DEBUG_EXCEPTION,
        VMIRING_SINGLESTEP)
PAYLOAD(mem, VMIRING_MEM_ACCESS)
PAYLOAD(descriptor, VMIRING_DESCRIPTOR_ACCESS)
PAYLOAD(interrupt, VMIRING_INTERRUPT)
PAYLOAD(vmexit, VMIRING_VMEXIT)
PAYLOAD(lost, VMIRING_LOST)
PAYLOAD(domain, VMIRING_DOMAIN)

int vmiring_get_reg(const struct vmiring_event *ev, enum vmiring_reg reg,
                    uint64_t *value)
{
    const struct fake_event *f = ev->priv;
    int is_arm = reg >= VMIRING_PC;

    if ( reg > VMIRING_SCTLR )
        errno = EINVAL;
    else if ( !f->has_regs || f->arm64 != is_arm ||
              (!is_arm && reg >= VMIRING_SS_BASE) )
        errno = ENODATA;
    else
    {
        *value = f->reg[reg];
        return 0;
    }
    return -1;
}

int vmiring_regs_from(const struct vmiring_event *ev,
                      struct vmiring_response *rsp)
{
    const struct fake_event *f = ev->priv;

    if ( !f->has_regs )
    {
        errno = ENODATA;
        return -1;
    }
    if ( f->arm64 )
        rsp->regs[0] = f->reg[VMIRING_PC];
    else
        memcpy(rsp->regs, f->reg, sizeof(rsp->regs));
    return 0;
}

int64_t vmiring_read_virt(vmiring *h, const struct vmiring_event *ev,
                          uint64_t va, void *buf, size_t size, uint64_t *bad)
{
    const struct fake_event *f = ev->priv;
    size_t n = f->insn_len < size ? f->insn_len : size;

    (void)h;
    if ( !f->insn )
    {
        if ( bad )
            *bad = va;
        errno = EFAULT;
        return -1;
    }
    memcpy(buf, f->insn, n);
    return n;
}
