/* SPDX-License-Identifier: MIT */
/* What to answer to a sync event so that the guest makes progress. */
#ifndef AGENT_ANSWER_H
#define AGENT_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "vmiring.h"

#define ANSWER_VCPUS_MAX 8192

struct answer_policy {
    bool lift;               /* no emulation: the page was opened instead */
    bool reply;              /* answer so that a test's guest can tell */
    uint32_t deny;           /* DENY_* of cli.h */
    bool next_interrupt;     /* ask for the next interrupt */
    bool step;               /* one step after each other sync event */
    uint8_t stepping[ANSWER_VCPUS_MAX / 8];  /* which vCPUs are in a step */
    unsigned int nr_stepping;
};

/*
 * What --reply changes, for a guest that looks whether an answer came: RDI of
 * a guest request, and the EAX of this leaf of CPUID, which no processor has.
 */
#define ANSWER_REPLY_XOR  0x5a5aa5a5ULL
#define ANSWER_REPLY_LEAF 0x5a5a5a00U

/*
 * Fills rsp for ev and returns a word for it that lives for ever ("continue",
 * "skip", "emulate", "lift", "deny", "set").
 */
const char *answer_build(struct answer_policy *policy,
                         const struct vmiring_event *ev,
                         struct vmiring_response *rsp);

/* To be called when Xen has taken rsp: what it has changed on that vCPU. */
void answer_taken(struct answer_policy *policy, const struct vmiring_event *ev,
                  const struct vmiring_response *rsp);

#endif /* AGENT_ANSWER_H */
