/* SPDX-License-Identifier: MIT */
/*
 * What is printed, as lines of text or JSON.  Each function returns a line
 * with its newline that stays valid until the next call of any of them, or
 * NULL when memory ran out; none prints by itself.
 */
#ifndef AGENT_PRINT_H
#define AGENT_PRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "disasm.h"
#include "identity.h"
#include "record.h"

/* What the first lines say. */
struct print_header {
    uint32_t domid;
    const char *name;        /* NULL: not known */
    const char *abi;
    bool simulated;
    uint32_t nr_vcpus;
    uint32_t nr_rings;
    uint32_t ring_bytes;
    uint64_t generation;
    const char *events;      /* "cr0:sync,..." */
    const char *regs;
};

struct print_totals {
    uint64_t received, answered, lost, released, expired, output_drops;
    uint64_t filtered, limited, guard_hits, captured, capture_drops;
    uint64_t insn_read, insn_failed, output_writes;
    const uint64_t *insn_errors;  /* by errno, INSN_ERRNOS of them */
};

struct print_vcpu {
    uint32_t vcpu;
    uint64_t received, answered, lost;
    bool has_info;           /* produced, raised, pauses are known */
    uint64_t produced, raised, pauses;
};

#define INSN_ERRNOS 160U

struct printer {
    const char *(*header)(const struct print_header *h);
    const char *(*released)(uint64_t n);
    const char *(*record)(const struct record *r, struct disasm *d);
    const char *(*drops)(uint64_t n);
    const char *(*expired)(uint64_t n);
    const char *(*vcpu)(const struct print_vcpu *v);
    const char *(*totals)(const struct print_totals *t);
    const char *(*counts)(const struct print_totals *t);  /* while it runs */
};

extern const struct printer print_text;
extern const struct printer print_json;
extern const struct printer print_journal;

/*
 * Whose events the lines of JSON and of the journal are; it must stay.  A
 * supervised agent's lines of JSON do not say so: the supervisor adds it.
 */
void print_json_identity(const struct identity *id, bool replay,
                         bool supervised);
void print_journal_identity(const struct identity *id);

/* Names of numbers, shared by both; never NULL. */
const char *print_ctrlreg_name(uint32_t index);
const char *print_descriptor_name(uint32_t descriptor);
const char *print_domain_state(uint32_t state);
const char *print_shutdown_code(uint32_t code);
/* "rwx" with "-" for what is not there; of VMIRING_MEM_*. */
void print_access(uint32_t access, char out[4]);
/* Lower-case hex of n bytes; out has room for 2 * n + 1. */
void print_hex(const uint8_t *bytes, unsigned int n, char *out);

#endif /* AGENT_PRINT_H */
