/* SPDX-License-Identifier: MIT */
/*
 * Events made by hand.  Linked into a test, these accessors take the place of
 * the library's, so that the agent's parts can be tried without a host.
 */
#ifndef TEST_FAKE_EVENT_H
#define TEST_FAKE_EVENT_H

#include "vmiring.h"

struct fake_event {
    uint32_t reason;         /* of the payload */
    union {
        struct vmiring_ctrlreg ctrlreg;
        struct vmiring_msr msr;
        struct vmiring_cpuid cpuid;
        struct vmiring_debug debug;
        struct vmiring_mem mem;
        struct vmiring_descriptor descriptor;
        struct vmiring_interrupt interrupt;
        struct vmiring_vmexit vmexit;
        struct vmiring_lost lost;
        struct vmiring_domain domain;
    } u;
    int arm64;
    int has_regs;            /* CORE: everything below VMIRING_SS_BASE */
    uint64_t reg[VMIRING_SCTLR + 1];
    const uint8_t *insn;     /* what a read of guest memory gives, or NULL */
    size_t insn_len;
};

/* An event that points to f. */
struct vmiring_event fake_event(const struct fake_event *f, uint32_t reason,
                                uint32_t flags);

#endif /* TEST_FAKE_EVENT_H */
