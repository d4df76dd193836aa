/* SPDX-License-Identifier: MIT */
/* arm64's stage 1 translation, as the registers of an event describe it. */
#ifndef VMIRING_WALK_ARM64_H
#define VMIRING_WALK_ARM64_H

#include <stdbool.h>
#include <stdint.h>

struct arm64_regs {
    uint64_t ttbr0, ttbr1, tcr, sctlr;
    uint32_t cpsr;
    bool sctlr_known;       /* else the MMU counts as on unless all are zero */
};

/* Reads the 8-byte descriptor at gpa.  0, or -1 with errno. */
typedef int arm64_read(void *ctx, uint64_t gpa, uint64_t *descriptor);

/*
 * EFAULT: not mapped; ENOTSUP: a 52-bit format, a reserved granule, or an
 * AArch32 guest; what read says.
 */
int arm64_walk(const struct arm64_regs *regs, uint64_t va, uint64_t *gpa,
               arm64_read *read, void *ctx);

#endif /* VMIRING_WALK_ARM64_H */
