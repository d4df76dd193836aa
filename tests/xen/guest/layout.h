/* SPDX-License-Identifier: MIT */
/*
 * What the test guest and its readers in dom0 share: one header page and one
 * block of counters per vCPU, at a fixed guest-physical address.
 *
 * The guest counts here by itself, and dom0 reads the pages through foreign
 * mapping, so that a test can compare what an agent says with what the guest
 * did without asking the agent. Every counter has one writer (the vCPU that it
 * belongs to) and a cache line of its own.
 *
 * The guest is 32-bit and adds to the two halves of a counter one after the
 * other: a reader can see a value 2^32 too small at the instant of a wrap,
 * which no test gets near.
 */
#ifndef VMIRING_TEST_GUEST_LAYOUT_H
#define VMIRING_TEST_GUEST_LAYOUT_H

#include <stdint.h>

#define GUEST_LAYOUT_MAGIC      0x36304755U /* "UG06", read as bytes */
#define GUEST_LAYOUT_VERSION    1U
#ifndef GUEST_LAYOUT_PHYS
#define GUEST_LAYOUT_PHYS       0x200000U   /* x86, 2 MiB: above the image */
#endif
#define GUEST_LAYOUT_GFN        (GUEST_LAYOUT_PHYS >> 12)
#define GUEST_MAX_VCPUS         128U

/*
 * With the word `reply` on its command line the guest puts a fresh token in
 * EDI before every guest request and expects the agent's answer to have
 * changed it to token ^ GUEST_REPLY_KEY. An answer that sets registers sets
 * all of them, and the event shows the state *at* the hypercall instruction:
 * the answer therefore also moves EIP past that instruction (3 bytes, VMCALL
 * and VMMCALL alike) and sets EAX, the hypercall's result, to 0. Otherwise the
 * guest would make the same hypercall again.
 */
#define GUEST_REPLY_KEY         0x5a5aa5a5U
#define GUEST_HYPERCALL_LENGTH  3U

/*
 * The leaf that the word `cpuid` asks for, and the EAX by which the guest
 * knows that an agent answered in the processor's place.
 */
#define GUEST_CPUID_LEAF        0x5a5a5a00U
#define GUEST_CPUID_ANSWER      (GUEST_CPUID_LEAF ^ GUEST_REPLY_KEY)

/* header.control, written by dom0 (and by the guest itself at its start). */
#define GUEST_CONTROL_WAIT      0U  /* vCPUs sleep until told otherwise */
#define GUEST_CONTROL_RUN       1U
#define GUEST_CONTROL_STOP      2U  /* end after the iteration under way */

/* header.command */
#define GUEST_COMMAND_NONE      0U
#define GUEST_COMMAND_SHUTDOWN  1U  /* SCHEDOP_shutdown, argument: the reason */
#define GUEST_COMMAND_DOWN      2U  /* VCPUOP_down of vCPU argument */
#define GUEST_COMMAND_UP        3U  /* VCPUOP_up */
#define GUEST_COMMAND_INIT      4U  /* INIT by local APIC: the vCPU is reset */
#define GUEST_COMMAND_SIPI      5U  /* STARTUP: it begins again */

/* header.phase[vcpu], written by that vCPU. */
#define GUEST_PHASE_DOWN        0U
#define GUEST_PHASE_WAITING     1U
#define GUEST_PHASE_RUNNING     2U
#define GUEST_PHASE_DONE        3U  /* made its last iteration; halted */

struct guest_header {
    uint32_t magic;             /* written last: the page is valid from then */
    uint32_t version;
    uint32_t vcpus;             /* that take part: blocks 0 to vcpus - 1 */
    uint32_t pad;
    volatile uint32_t control;
    /* What vCPU 0 shall do next: dom0 writes argument, then command. */
    volatile uint32_t argument;
    volatile uint32_t command;  /* vCPU 0 sets it to NONE afterwards */
    volatile uint32_t failed;   /* commands that did not work */
    uint32_t pad2[8];
    volatile uint8_t phase[GUEST_MAX_VCPUS];
    uint8_t pad3[4096 - 64 - GUEST_MAX_VCPUS];
};

struct guest_counter {
    volatile uint64_t value;
    uint64_t pad[7];
};

struct guest_vcpu_block {
    struct guest_counter iterations;    /* completed */
    struct guest_counter checked;       /* replies that the guest looked at */
    struct guest_counter mismatched;    /* ... that were not as expected */
    struct guest_counter cpuid_native;  /* CPUID answered as without an agent */
    struct guest_counter cpuid_replaced;/* ... with GUEST_CPUID_ANSWER */
    struct guest_counter writes_kept;   /* CR/MSR writes that read back new */
    struct guest_counter writes_denied; /* ... that read back unchanged */
    struct guest_counter traps;         /* #BP, #DB, #GP that the guest took */
};

struct guest_layout {
    struct guest_header header;
    struct guest_vcpu_block vcpu[GUEST_MAX_VCPUS];
};

#define GUEST_LAYOUT_PAGES      (sizeof(struct guest_layout) / 4096)

_Static_assert(sizeof(struct guest_header) == 4096, "one page");
_Static_assert(sizeof(struct guest_vcpu_block) == 512, "eight cache lines");
_Static_assert(sizeof(struct guest_layout) % 4096 == 0, "whole pages");

#endif /* VMIRING_TEST_GUEST_LAYOUT_H */
