/* SPDX-License-Identifier: MIT */
/*
 * A private copy of one event, for printing after its batch was released and
 * its vCPU went on.  Printing works on these alone: it needs no handle.
 */
#ifndef AGENT_RECORD_H
#define AGENT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmiring.h"

#define RECORD_GUARD   0x10000  /* beyond the library's: a rule was met */
#define RECORD_LIMITED 0x10001  /* events above the rate limit */
#define RECORD_REGS 64       /* per architecture; see record_reg_slot() */
#define INSN_MAX    15       /* the longest x86 instruction */

enum insn_state {
    INSN_NOT_READ,           /* nobody asked, or no registers */
    INSN_READ,
    INSN_ERROR
};

/* What a rule of --guard found; the rest of the record is the event's. */
struct guard_hit {
    const char *rule, *text;
    bool denied;
    uint64_t old_value, new_value;
    uint64_t count;          /* switches to new_value, else 0 */
};

struct record {
    uint32_t reason;
    uint32_t flags;          /* VMIRING_EV_* */
    uint32_t vcpu;
    uint32_t error;
    uint64_t seq;
    uint64_t time;
    uint32_t altp2m_view;
    bool arm64;
    bool has_payload;
    const char *answer;      /* as answer_build() says; NULL: none needed */
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
        struct guard_hit guard;
        struct { uint32_t reason; uint64_t count; } limited;
    } u;
    uint64_t number;         /* of the line; what is missing was dropped */
    uint64_t reg_valid;      /* bit n: reg[n] was captured */
    uint64_t reg[RECORD_REGS];
    enum insn_state insn_state;
    int insn_errno;          /* with INSN_ERROR */
    uint64_t insn_addr;
    unsigned int insn_len;
    uint8_t insn[INSN_MAX];
};

/* Copies everything but the instruction.  The batch must be held. */
void record_capture(struct record *r, const struct vmiring_event *ev,
                    const char *answer);

/* Reads the instruction at RIP (or PC).  The batch must be held. */
void record_read_insn(struct record *r, vmiring *h,
                      const struct vmiring_event *ev);

/* The word of answer_build() that a capture has, or NULL: none of them. */
const char *record_answer_word(const char *word);

/* false: that register was not captured. */
bool record_reg(const struct record *r, enum vmiring_reg reg, uint64_t *value);

/* Name of register slot i of this record, or NULL. */
const char *record_reg_name(const struct record *r, unsigned int i);

/* RIP or PC, and CR3 or TTBR0. */
bool record_pc(const struct record *r, uint64_t *value);
bool record_table(const struct record *r, uint64_t *value);

/* 16, 32 or 64: what the vCPU decodes instructions as.  Arm: T32, A32, A64. */
unsigned int record_code_bits(const struct record *r);

/* A ring of records between the event loop and the printing. */
struct record_queue {
    struct record *slot;
    unsigned int size;       /* a power of two */
    unsigned int head;       /* free running: next to take */
    unsigned int tail;       /* free running: next to fill */
};

int record_queue_init(struct record_queue *q, unsigned int size);
void record_queue_free(struct record_queue *q);

unsigned int record_queue_count(const struct record_queue *q);

/* Where to capture the next event, or NULL: full.  Then record_queue_push(). */
struct record *record_queue_room(struct record_queue *q, uint32_t reason);
void record_queue_push(struct record_queue *q);
/* The oldest, or NULL: empty.  Then record_queue_pop(). */
const struct record *record_queue_first(const struct record_queue *q);
void record_queue_pop(struct record_queue *q);

#endif /* AGENT_RECORD_H */
