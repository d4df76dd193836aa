/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What runs in a simulated domain: memory, and on each vCPU a thread that
 * carries out a small program, instruction by instruction, so that events and
 * their answers (a new RIP, a denied write, an emulated instruction) have the
 * effects that they have in a real guest.
 *
 * Counters and the control word are laid out as in the test guest that runs on
 * a real Xen: tests/xen/guest/layout.h.
 */
#ifndef SIM_GUEST_H
#define SIM_GUEST_H

#include "sim.h"

#define GUEST_RAM_BYTES     (4UL << 20)

/* What happens when the last vCPU has made its last iteration. */
enum guest_end { GUEST_END_HALT, GUEST_END_OFF, GUEST_END_CRASH,
                 GUEST_END_DESTROY };

struct guest_config {
    char name[48];
    unsigned int vcpus;
    char program[64];       /* words joined by '+' */
    uint64_t rate;          /* iterations per second and vCPU; 0: no limit */
    uint64_t count;         /* iterations per vCPU; 0: no end */
    bool reply;             /* check the answer to each guest request */
    bool wait;              /* start when header.control says so */
    bool paused;            /* start paused by the toolstack */
    bool altp2m;
    enum guest_end end;
    uint64_t seed;
};

void guest_init(void);
/* NULL: a program word is not known; *error says which. */
struct domain *guest_create(domid_t domid, const struct guest_config *config,
                            const char **error);
/* Starts the vCPUs' threads. */
void guest_start(struct domain *d);
/* Ends the threads and destroys the domain; waits for both. */
void guest_destroy(struct domain *d);
/* True once, when the domain has come to its end and is to be destroyed. */
bool guest_wants_destroy(struct domain *d);
/* Becomes readable when guest_wants_destroy() may say something new. */
int guest_end_fd(void);
/* Drops the toolstack's pause of the start; false: there is none (left). */
bool guest_unpause_start(struct domain *d);

/*
 * Guest-physical memory, word by word as another processor would.  False: not
 * within a page of RAM.
 */
bool guest_read(const struct domain *d, uint64_t gpa, void *to, size_t size);
bool guest_write(struct domain *d, uint64_t gpa, const void *from, size_t size);
uint64_t guest_iterations(const struct domain *d);

/* program.c: code and page tables in RAM. */
enum guest_op {
    OP_GUEST_REQUEST, OP_CR0, OP_CR3, OP_CR4, OP_MSR, OP_CPUID, OP_INT3,
    OP_SGDT, OP_SIDT, OP_LIDT, OP_MEM, OP_IRQ, OP_LOOP
};

struct guest_insn {
    enum guest_op op;
    uint16_t at;            /* from the start of the code */
    uint8_t len;
};

#define GUEST_MAX_INSNS 24U

struct guest_program {
    unsigned int nr;
    struct guest_insn insn[GUEST_MAX_INSNS];
};

/* NULL, or the word that is not known. */
const char *guest_compile(struct guest_program *prog, const char *words,
                          uint8_t *ram);
void guest_page_tables(uint8_t *ram);

#endif
