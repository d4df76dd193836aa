/* SPDX-License-Identifier: MIT */
/* What to answer to a sync event so that the guest makes progress. */
#ifndef AGENT_ANSWER_H
#define AGENT_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "vmiring.h"

#define ANSWER_VCPUS_MAX 8192

struct answer_policy {
    bool reply;              /* change RDI in the answer to a guest request */
    uint32_t deny;           /* DENY_* of cli.h */
    bool next_interrupt;     /* ask for the next interrupt */
    bool step;               /* one step after each other sync event */
    uint8_t stepping[ANSWER_VCPUS_MAX / 8];  /* which vCPUs are in a step */
    unsigned int nr_stepping;
};

/* The change that --reply makes, and that a test's guest looks for. */
#define ANSWER_REPLY_XOR 0x5a5aa5a5ULL

/*
 * Fills rsp for ev and returns a word for it that lives for ever ("continue",
 * "skip", "emulate", "deny", "set").
 */
const char *answer_build(struct answer_policy *policy,
                         const struct vmiring_event *ev,
                         struct vmiring_response *rsp);

#endif /* AGENT_ANSWER_H */
