/* SPDX-License-Identifier: MIT */
/*
 * vm_event version 2: what Xen and an introspection agent share.
 *
 * A channel joins one domain (the subject) and one agent.  It has
 *   - control pages: Xen writes, the agent reads;
 *   - one sync slot per vCPU: Xen writes the request half, the agent writes
 *     the response half;
 *   - a lossy ring (or one ring per vCPU) for asynchronous records: Xen writes;
 *   - user pages: the agent writes its ring positions, Xen reads them;
 *   - a doorbell event channel for both directions, and on request one more
 *     for each slot, as far as the subject has ports left.
 * All pages belong to Xen and are never part of the subject's physical memory.
 * An agent maps them with XENMEM_acquire_resource and controls the channel
 * with XEN_DMOP_vm_event.
 *
 * Who writes what, and which barrier pairs with which:
 *
 *   word             writer  order
 *   request record   Xen     before req_seq                       (S0)
 *   slot.req_seq     Xen     release store; pairs with S2          (S1)
 *   request read     agent   acquire load of req_seq, then record  (S2)
 *   response         agent   before rsp_seq                        (S3)
 *   slot.rsp_seq     agent   release store; pairs with S5          (S4)
 *   response read    Xen     acquire load of rsp_seq, then copy    (S5)
 *   ring bytes       Xen     before prod                           (R0)
 *   ring.prod        Xen     release store; pairs with R2          (R1)
 *   record read      agent   acquire load of prod, then record     (R2)
 *   user.cons        agent   release store after the last read;
 *                            pairs with R4                         (R3)
 *   space reuse      Xen     acquire load of cons, then overwrite  (R4)
 *   wake-up          both    store own index, FULL barrier, load
 *                            the other's index: Xen after R1, the
 *                            agent after R3.  Without either side's
 *                            full barrier a wake-up is lost.       (R5)
 *   user.awake       agent   none: raised at any time, lowered only
 *                            before RESUME and a look at prod.  Xen
 *                            may leave out R5, barrier and all, for
 *                            a record that ends at or before it    (R6)
 *   loss counters    Xen     the ring's lost, then the vCPU's lost_seq,
 *                            then its lost; an agent that loads them the
 *                            other way round sees from their sum whether
 *                            lost_seq belongs to lost              (R7)
 *
 * Why R6 loses no wake-up.  Say the agent sleeps, having consumed up to X.  It
 * then has awake <= X: either it never said more, or it lowered the word and
 * had RESUME done, and found prod == X after that.  A record that starts at X
 * or later ends behind awake, so that Xen leaves out nothing for it, unless it
 * still goes by a higher value that it loaded earlier.  RESUME makes Xen forget
 * that value, in mutual exclusion with every producer of the ring.  Producers
 * that came before it have published, and the agent's look at prod, which comes
 * after it, would have found their records; those that come after it load the
 * word anew, behind R5's barrier.
 *
 * Rules for every field: fixed-width integers, 8-byte members on 8-byte
 * offsets, every gap is a named pad that is written as zero, and refused with
 * -EINVAL where Xen reads it and it is not zero.  Indexes and positions run
 * free and are compared by unsigned difference.  Readers take offsets and
 * sizes from the control page, not from this file, so that either may grow.
 *
 * The layout is the same for 32-bit and 64-bit callers.
 */
#ifndef XEN_PUBLIC_VM_EVENT_V2_H
#define XEN_PUBLIC_VM_EVENT_V2_H

#ifndef __XEN__
#include <stdint.h>
#endif

/*
 * Private numbers, in this one place.  Upstream has not assigned any; these
 * are far from the ranges it counts up in, and change when it does.
 */
#define XEN_DMOP_vm_event            0x564d4532U  /* "2EMV" as bytes */
#define XENMEM_resource_vm_event     0x7632U

#define VMEV2_MAGIC                  0x32454d56U  /* "VME2" as bytes */
#define VMEV2_VERSION                1U   /* this layout */
#define VMEV2_COMPAT                 1U   /* oldest reader that copes with it */

/* Resource id: kind in bits 0-7, low 24 bits of the generation above. */
#define VMEV2_RES_CTRL               0U   /* Xen writes */
#define VMEV2_RES_SLOTS              1U   /* halves, see struct vmev2_slot */
#define VMEV2_RES_USER               2U   /* agent writes */
#define VMEV2_RES_RING               3U   /* Xen writes; ring i at i * ring_bytes */
#define VMEV2_RES_KINDS              4U
#define VMEV2_RES_ID(gen, kind) \
    ((uint32_t)(((gen) & 0xffffffU) << 8 | (kind)))

/* Limits.  Xen may grant less (query), never more. */
#define VMEV2_RING_MIN               4096U        /* one page */
#define VMEV2_RING_MAX               (16U << 20)  /* boot option's ceiling */
#define VMEV2_DEADLINE_MIN_MS        1U
#define VMEV2_DEADLINE_MAX_MS        60000U

/* ------------------------------------------------------------------ */
/* Events                                                              */
/* ------------------------------------------------------------------ */

/* Reasons: the numbers of the legacy ABI, which 4.18 extended to 16. */
#define VMEV2_REASON_MEM_ACCESS           1U
#define VMEV2_REASON_WRITE_CTRLREG        4U
#define VMEV2_REASON_MOV_TO_MSR           5U
#define VMEV2_REASON_SOFTWARE_BREAKPOINT  6U
#define VMEV2_REASON_SINGLESTEP           7U
#define VMEV2_REASON_GUEST_REQUEST        8U
#define VMEV2_REASON_DEBUG_EXCEPTION      9U
#define VMEV2_REASON_CPUID               10U
#define VMEV2_REASON_PRIVILEGED_CALL     11U
#define VMEV2_REASON_INTERRUPT           12U
#define VMEV2_REASON_DESCRIPTOR_ACCESS   13U
#define VMEV2_REASON_EMUL_UNIMPLEMENTED  14U
#define VMEV2_REASON_VMEXIT              15U
#define VMEV2_REASON_IO_INSTRUCTION      16U
#define VMEV2_REASONS                    32U      /* table size, not a reason */

/* Register sets that a subscription can ask for. */
#define VMEV2_REGS_NONE              0U
#define VMEV2_REGS_CORE              1U
#define VMEV2_REGS_ALL               2U

/* Record flags. */
#define VMEV2_REC_SYNC               (1U << 0)  /* the vCPU waits for an answer */
#define VMEV2_REC_ALTP2M             (1U << 1)  /* altp2m_idx is valid */
#define VMEV2_REC_NESTED             (1U << 2)  /* raised by a nested guest */
#define VMEV2_REC_KNOWN              7U

/*
 * One event.  The same header leads a record in a ring and a request in a
 * slot.  payload_size bytes of a payload below follow it, then the registers
 * named by regs; size covers all of it and is a multiple of 8.  Consumers skip
 * what lies behind the parts they know.
 */
struct vmev2_rec {
    uint32_t size;          /* bytes, this header included */
    uint16_t reason;        /* VMEV2_REASON_* */
    uint16_t flags;         /* VMEV2_REC_* */
    uint32_t vcpu;
    uint16_t payload_size;  /* bytes; a multiple of 8 */
    uint8_t regs;           /* VMEV2_REGS_* really captured */
    uint8_t altp2m_idx;     /* with VMEV2_REC_ALTP2M */
    uint64_t seq;           /* per vCPU, over slot and ring; a gap is a loss */
    uint64_t time;          /* Xen system time in ns, see clock_* below */
};

struct vmev2_ctrlreg {      /* WRITE_CTRLREG */
    uint32_t index;         /* 0: CR0, 1: CR3, 2: CR4, 3: XCR0 */
    uint32_t pad;
    uint64_t new_value;
    uint64_t old_value;
};

struct vmev2_msr {          /* MOV_TO_MSR */
    uint64_t msr;
    uint64_t new_value;
    uint64_t old_value;
};

struct vmev2_cpuid {        /* CPUID; 16 bytes, so the slot's first line has all */
    uint32_t insn_length;
    uint32_t leaf;
    uint32_t subleaf;
    uint32_t pad;
};

struct vmev2_debug {        /* SOFTWARE_BREAKPOINT, DEBUG_EXCEPTION, SINGLESTEP */
    uint64_t gfn;           /* of the instruction */
    uint64_t pending_dbg;   /* DEBUG_EXCEPTION */
    uint32_t type;          /* x86 event type; not for SINGLESTEP */
    uint32_t insn_length;
};

struct vmev2_mem_access {   /* MEM_ACCESS */
    uint64_t gfn;
    uint64_t offset;        /* in bytes, inside the frame */
    uint64_t gla;           /* with VMEV2_MEM_GLA_VALID */
    uint32_t flags;         /* VMEV2_MEM_* */
    uint32_t pad;
};
#define VMEV2_MEM_R                  (1U << 0)
#define VMEV2_MEM_W                  (1U << 1)
#define VMEV2_MEM_X                  (1U << 2)
#define VMEV2_MEM_GLA_VALID          (1U << 3)
#define VMEV2_MEM_FAULT_WITH_GLA     (1U << 4)
#define VMEV2_MEM_FAULT_IN_GPT       (1U << 5)

struct vmev2_descriptor {   /* DESCRIPTOR_ACCESS */
    uint64_t exit_info;     /* VMX: instruction information; SVM: 0 */
    uint64_t qualification; /* VMX: exit qualification; SVM: 0 */
    uint32_t descriptor;    /* 1 IDTR, 2 GDTR, 3 LDTR, 4 TR */
    uint32_t is_write;
};

struct vmev2_interrupt {    /* INTERRUPT */
    uint32_t vector;
    uint32_t type;
    uint32_t error_code;
    uint32_t pad;
    uint64_t cr2;
};

struct vmev2_vmexit {       /* VMEXIT */
    uint64_t reason;
    uint64_t qualification;
};

/* Largest payload and the space kept for one. */
#define VMEV2_PAYLOAD_MAX            40U

struct vmev2_seg {
    uint64_t base;
    uint32_t limit;         /* bytes, the granularity bit applied */
    uint32_t ar;            /* attributes as in a VMCB */
    uint16_t sel;
    uint16_t pad[3];
};

/*
 * x86.  CORE is the part up to and with cs, ALL is the whole.  The first 18
 * words are also what a response may set (struct vmev2_set_regs).
 */
struct vmev2_regs_x86 {
    uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rip, rflags;
    uint64_t cr0, cr2, cr3, cr4, efer;
    uint64_t tsc;           /* host time stamp counter when the event was raised */
    struct vmev2_seg cs;    /* CORE ends here */
    struct vmev2_seg ss, ds, es, fs, gs;
    uint64_t gdtr_base;
    uint32_t gdtr_limit;
    uint32_t pad;
    uint64_t shadow_gs, dr6, dr7;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, star, lstar;
    uint64_t npt_base;      /* with VMEV2_REC_NESTED */
    uint64_t vmtrace_pos;   /* ~0: no trace buffer */
};

/* arm64.  CORE is the part up to and with tsc. */
struct vmev2_regs_arm64 {
    uint64_t pc, cpsr;
    uint64_t x[31];
    uint64_t sp_el0, sp_el1;
    uint64_t ttbr0, ttbr1, tcr, sctlr;
    uint64_t tsc;           /* physical counter; CORE ends here */
    uint64_t mair, vbar, esr_el1, far_el1, elr_el1, spsr_el1;
    uint64_t contextidr, tpidr_el0, tpidr_el1;
};

#define VMEV2_REGS_X86_CORE_SIZE     216U
#define VMEV2_REGS_X86_ALL_SIZE      432U
#define VMEV2_REGS_ARM64_CORE_SIZE   320U
#define VMEV2_REGS_ARM64_ALL_SIZE    392U

/* No record is longer: header + payload + registers. */
#define VMEV2_REC_MAX                (32U + VMEV2_PAYLOAD_MAX + 432U)

/* ------------------------------------------------------------------ */
/* Sync slot                                                           */
/* ------------------------------------------------------------------ */

/* Response flags: the legacy numbers, for those that version 2 offers. */
#define VMEV2_RSP_EMULATE            (1U << 2)
#define VMEV2_RSP_EMULATE_NOWRITE    (1U << 3)
#define VMEV2_RSP_TOGGLE_SINGLESTEP  (1U << 4)
#define VMEV2_RSP_SET_EMUL_READ_DATA (1U << 5)
#define VMEV2_RSP_DENY               (1U << 6)
#define VMEV2_RSP_ALTERNATE_P2M      (1U << 7)
#define VMEV2_RSP_SET_REGISTERS      (1U << 8)
#define VMEV2_RSP_SET_EMUL_INSN_DATA (1U << 9)
#define VMEV2_RSP_GET_NEXT_INTERRUPT (1U << 10)
#define VMEV2_RSP_FAST_SINGLESTEP    (1U << 11)
#define VMEV2_RSP_RESET_VMTRACE      (1U << 13)
#define VMEV2_RSP_KNOWN              0x2ffcU

/* What a response can set: on x86 all 18 words, on arm64 word 0 is the pc. */
struct vmev2_set_regs {
    uint64_t word[18];
};

/*
 * The response half.  A plain answer (flags 0) touches its first line only;
 * the rest is read by Xen when a flag says so.  Xen copies once, then checks
 * and uses its copy.
 */
struct vmev2_rsp {
    uint64_t rsp_seq;       /* = the answered req_seq; stored last (S4) */
    uint32_t flags;         /* VMEV2_RSP_* */
    uint16_t altp2m_idx;    /* with ALTERNATE_P2M */
    uint16_t fast_p2midx;   /* with FAST_SINGLESTEP */
    uint32_t emul_size;     /* bytes of emul[] with SET_EMUL_READ_DATA */
    uint32_t pad0;
    uint64_t pad1[5];
    struct vmev2_set_regs regs;  /* with SET_REGISTERS */
    uint8_t emul[48];       /* read data, or 16 instruction bytes */
};

/* Why a request stands in the slot a second time (slot.error). */
#define VMEV2_ERR_NONE               0U
#define VMEV2_ERR_FLAGS              1U   /* unknown or contradictory flags */
#define VMEV2_ERR_PAD                2U   /* a pad is not zero */
#define VMEV2_ERR_INDEX              3U   /* altp2m view out of range */
#define VMEV2_ERR_SIZE               4U   /* emul_size out of range */
#define VMEV2_ERR_REGS               5U   /* rflags or rip cannot be loaded */
#define VMEV2_ERR_REASON             6U   /* the flag does not fit the event */

#define VMEV2_SLOT_SIZE              1024U
#define VMEV2_SLOT_RSP               640U  /* offset of the response half */
#define VMEV2_SLOT_REC               16U   /* offset of the record */

/* pending means req_seq != rsp_seq; 0 = never used. */
struct vmev2_slot {
    uint64_t req_seq;       /* Xen: number of this publication, stored last (S1) */
    uint32_t error;         /* Xen: VMEV2_ERR_* of the answer that was refused */
    uint32_t pad;
    struct vmev2_rec rec;   /* Xen: the request; payload and registers behind */
    uint8_t body[VMEV2_SLOT_RSP - 48];
    struct vmev2_rsp rsp;   /* agent */
    uint8_t pad2[VMEV2_SLOT_SIZE - VMEV2_SLOT_RSP - 256];
};

/* ------------------------------------------------------------------ */
/* Control and user pages                                              */
/* ------------------------------------------------------------------ */

/* Channel states (vmev2_ctrl.state, vmev2_op_info.state). */
#define VMEV2_STATE_NONE             0U   /* never created */
#define VMEV2_STATE_IDLE             1U   /* no agent; created before */
#define VMEV2_STATE_CREATED          2U   /* waits for the doorbell to be bound */
#define VMEV2_STATE_ARMED            3U   /* events are delivered */
#define VMEV2_STATE_HELD             4U   /* the agent died, policy HOLD */
#define VMEV2_STATE_DEAD             5U   /* the domain is being destroyed */

/* Domain states (vmev2_ctrl.domain). */
#define VMEV2_DOMAIN_RUNNING         0U
#define VMEV2_DOMAIN_SHUTDOWN        1U   /* shutdown_code is valid */
#define VMEV2_DOMAIN_DYING           2U

/* Policies. */
#define VMEV2_DEATH_DETACH           0U   /* release all, stop monitoring */
#define VMEV2_DEATH_HOLD             1U   /* keep them paused for the next agent */
#define VMEV2_DEATH_CRASH            2U   /* crash the domain */
/*
 * The deadline runs from the publication of a request, also while no agent is
 * there (HELD), and stands still while the toolstack has paused the domain.  An
 * answer that Xen refuses does not prolong it.
 * RELEASE ends that request alone, as "released": the guest goes on as if nobody
 * had listened.  A register write is done, or denied with VMEV2_RSP_DENY; where
 * the instruction would raise the event again (CPUID, breakpoint, privileged
 * call), the repetition passes unseen.  On arm64 an instruction that raised
 * MEM_ACCESS raises it again, since Xen cannot emulate it.
 */
#define VMEV2_DEADLINE_RELEASE       0U   /* answer with deadline_flags */
#define VMEV2_DEADLINE_DETACH        1U   /* release all, stop monitoring */
#define VMEV2_DEADLINE_CRASH         2U   /* crash the domain */

/* Features (query, control page). */
#define VMEV2_FEAT_SPLIT_RINGS       (1ULL << 0)
#define VMEV2_FEAT_HOLD              (1ULL << 1)  /* death policy HOLD, attach */
#define VMEV2_FEAT_DEADLINE          (1ULL << 2)
#define VMEV2_FEAT_SLOT_PORTS        (1ULL << 3)
#define VMEV2_FEAT_MEM_ACCESS        (1ULL << 4)  /* the access commands */
#define VMEV2_FEAT_ARM64             (1ULL << 5)  /* registers are arm64's */
#define VMEV2_FEAT_ACCESS_LOOKS      (1ULL << 6)  /* ACCESS_SET looks for
                                                   * answers */

/*
 * A pending byte.  Who takes a request looks at the byte before, and again
 * after it has copied the request: it must be the same and one's own.  A request
 * becomes an orphan, at any time, when the slot's port loses its other end, and
 * stays one until it is over.
 */
#define VMEV2_PENDING_NONE           0U
#define VMEV2_PENDING_SLOT           1U   /* for who bound the slot's port, or if
                                           * it has none for the doorbell's */
#define VMEV2_PENDING_ORPHAN         2U   /* for who bound the doorbell: nobody
                                           * has bound the slot's port */

/* First page of VMEV2_RES_CTRL.  Everything here is written by Xen alone. */
struct vmev2_ctrl {
    uint32_t magic;
    uint16_t version;
    uint16_t compat;
    uint64_t generation;    /* changes with every create and attach */
    uint64_t features;      /* of this channel */
    uint32_t state;         /* VMEV2_STATE_* */
    uint32_t domain;        /* VMEV2_DOMAIN_* */
    uint32_t shutdown_code; /* SHUTDOWN_* of sched.h */
    uint32_t nr_vcpus;
    uint32_t nr_rings;      /* 1, or nr_vcpus */
    uint32_t ring_bytes;    /* of each; a power of two */
    uint32_t slot_size;     /* stride of the slots */
    uint32_t slot_rsp;      /* offset of the response half in a slot */
    uint32_t pending_off;   /* one byte per vCPU: VMEV2_PENDING_* */
    uint32_t vcpu_off;      /* struct vmev2_vcpu_line[nr_vcpus] */
    uint32_t ring_off;      /* struct vmev2_ring_line[nr_rings] */
    uint32_t ctrl_bytes;    /* size of all of it */
    uint64_t clock_time;    /* Xen system time in ns ... */
    uint64_t clock_wall;    /* ... and the wall clock in ns at that moment */
    uint64_t clock_tsc;     /* ... and the host's time stamp counter */
    uint64_t deadline_expired;  /* requests whose deadline passed, since create */
    uint32_t port_off;      /* uint32_t[nr_vcpus]: ports of the slots, 0 = none */
    uint32_t slot_ports;    /* slots that have one: [0, slot_ports) */
    uint64_t pad[3];
};

/* Per vCPU, brought up to date when something in it changes for the worse. */
struct vmev2_vcpu_line {
    uint64_t lost;          /* asynchronous records dropped since create */
    uint64_t lost_seq;      /* sequence number of the last one dropped */
    uint64_t released;      /* sync requests ended by policy since create */
    uint64_t bad;           /* responses refused since create */
    uint64_t stale;         /* responses that answered nothing */
    uint64_t pad[3];
};

struct vmev2_ring_line {
    uint64_t prod;          /* bytes produced, free running (R1) */
    uint64_t lost;          /* records dropped on this ring since create */
    uint64_t bad_cons;      /* times that cons was outside [last good, prod] */
    uint64_t pad[5];
};

/* VMEV2_RES_USER: struct vmev2_user_line[nr_rings]. */
struct vmev2_user_line {
    uint64_t cons;          /* bytes consumed, free running (R3) */
    uint64_t awake;         /* no wake-up is needed for what ends at or before
                             * this position: the agent looks by itself.  At
                             * most ring_bytes ahead of prod; 0 = none (R6) */
    uint64_t pad[6];
};

/* ------------------------------------------------------------------ */
/* Control commands                                                    */
/* ------------------------------------------------------------------ */

/*
 * XEN_DMOP_vm_event: buffer 0 of the dm_op is a struct vmev2_op, at least 128
 * bytes long; the results are written back into it.  Errors of every command:
 *   EFAULT      a buffer is too short or not accessible
 *   EINVAL      a pad, reserved field or unknown flag is not zero; on x86, the
 *               domain is not HVM/PVH
 *   EOPNOTSUPP  unknown command
 *   EPERM       the caller may not introspect this domain, or it is its own,
 *               or (but for DESTROY) another domain has the channel's agent
 *   ESRCH       no such domain
 *   ENODEV      the domain is being destroyed
 *   ENOTCONN    generation is not the channel's (where the command takes one)
 */
#define VMEV2_CMD_QUERY              0U
#define VMEV2_CMD_CREATE             1U
#define VMEV2_CMD_ATTACH             2U
#define VMEV2_CMD_INFO               3U
#define VMEV2_CMD_MONITOR            4U
#define VMEV2_CMD_ACCESS_SET         5U
#define VMEV2_CMD_ACCESS_GET         6U
#define VMEV2_CMD_RESUME             7U
#define VMEV2_CMD_DESTROY            8U

/* QUERY.  Works without a channel. */
struct vmev2_op_query {
    uint32_t version;       /* OUT */
    uint32_t compat;        /* OUT */
    uint64_t features;      /* OUT */
    uint32_t ring_max;      /* OUT: bytes, all rings together */
    uint32_t nr_vcpus;      /* OUT */
    uint64_t reasons;       /* OUT: bit n: reason n can be subscribed to */
    uint32_t rsp_flags;     /* OUT: VMEV2_RSP_* that this host can apply */
    uint32_t pad;           /* 0 */
};

/*
 * CREATE.  Makes the caller's domain the agent.  The channel delivers nothing
 * until the doorbell is bound.  Create flags: as below, others -EINVAL.
 * SLOT_PORTS: a port for each slot, for as many as the subject has free; the
 * slots without one go by the doorbell.  Xen notifies a slot's request on its
 * port if that is bound, else on the doorbell, as an orphan.  A kick of a slot's
 * port makes Xen look at that slot alone; of the doorbell, at all that wait.
 * The agent is dead when none of its ports is bound any more, or when a request
 * waits that no bound port hears of.
 *   EBUSY  another agent holds the channel or the legacy ring; or another
 *          agent created one less than a second ago and has yet to bind
 *   ENOMEM ENOSPC  no memory, no free port in the domain
 *   EOPNOTSUPP     deadline_flags are none of this host's rsp_flags
 */
#define VMEV2_CREATE_SPLIT_RINGS     (1U << 0)
#define VMEV2_CREATE_SLOT_PORTS      (1U << 1)
#define VMEV2_CREATE_KNOWN           3U
struct vmev2_op_create {
    uint32_t flags;         /* IN: VMEV2_CREATE_* */
    uint32_t ring_bytes;    /* IN: wish for each ring, rounded up to a power of
                             * two; OUT: granted, may be less.  0 = 64 KiB */
    uint8_t on_death;       /* IN: VMEV2_DEATH_* */
    uint8_t on_deadline;    /* IN: VMEV2_DEADLINE_* */
    uint16_t pad;           /* 0 */
    uint32_t deadline_ms;   /* IN: VMEV2_DEADLINE_MIN_MS to _MAX_MS; 0 = none,
                             * and then no policy or flags either */
    uint32_t deadline_flags;/* IN: VMEV2_RSP_DENY or 0, for RELEASE */
    uint32_t port;          /* OUT: doorbell, to bind interdomain */
    uint32_t nr_rings;      /* OUT */
    uint32_t nr_vcpus;      /* OUT */
    uint32_t frames[VMEV2_RES_KINDS];  /* OUT: pages of each resource */
    uint64_t released_before;   /* OUT: requests that the previous agent left
                                 * without an answer and policy released */
    uint64_t generation;    /* OUT */
    uint32_t slot_ports;    /* OUT: slots [0, slot_ports) have a port */
    uint32_t pad2;          /* 0 */
};

/*
 * ATTACH to a channel that is HELD or whose doorbell has lost its other end, or
 * that is ARMED or CREATED with the TAKEOVER flag: the same pages, a new
 * generation, new ports, the outstanding requests still in their slots, as
 * orphans where slots have ports.  The results are CREATE's; SLOT_PORTS as there.
 * EBUSY: an agent is attached and TAKEOVER was not asked for; ENOENT: there is
 * no channel to attach to.
 * EOPNOTSUPP: TAKEOVER of a channel whose policy is not HOLD.
 * The ring goes on at the position in the user page.  An agent that finds no
 * record there (its predecessor wrote nonsense) moves to prod; INFO's produced
 * says how many it has missed.
 */
#define VMEV2_ATTACH_TAKEOVER        (1U << 0)
#define VMEV2_ATTACH_SLOT_PORTS      (1U << 1)
#define VMEV2_ATTACH_KNOWN           3U

/*
 * INFO.  Buffer 1 receives nr struct vmev2_vcpu_info from vCPU first on, taken
 * under the channel's locks: exact.  OUT values as of the same moment.
 * ERANGE: first is beyond the last vCPU.
 */
struct vmev2_op_info {
    uint32_t first;         /* IN: vCPU */
    uint32_t nr;            /* IN: room; OUT: entries written */
    uint32_t state;         /* OUT: VMEV2_STATE_* */
    uint16_t agent;         /* OUT: the agent's domid */
    uint8_t legacy;         /* OUT: 1 = the legacy ring is in use */
    uint8_t on_death;       /* OUT */
    uint64_t generation;    /* OUT */
    uint32_t pending;       /* OUT: sync requests waiting for an answer */
    uint32_t nr_vcpus;      /* OUT */
    uint32_t nr_rings;      /* OUT */
    uint32_t ring_bytes;    /* OUT */
    uint32_t deadline_ms;   /* OUT */
    uint32_t agent_port;    /* OUT: the agent's end of the doorbell; ~0 = none.
                             * Names the process that holds the channel. */
    uint64_t now;           /* OUT: Xen system time in ns */
    uint64_t expired;       /* OUT: deadlines expired since create ... */
    uint64_t expired_late;  /* OUT: ... more than a fifth of it too late */
    uint64_t expired_min;   /* OUT: ns from publication to expiry, without the */
    uint64_t expired_max;   /*      time that the toolstack paused the domain */
    uint8_t on_deadline;    /* OUT */
    uint8_t pad[3];
    uint32_t deadline_flags;    /* OUT */
    uint32_t slot_ports;    /* OUT: slots that have a port of their own ... */
    uint32_t slot_ports_bound;  /* OUT: ... of them bound */
};

struct vmev2_vcpu_info {
    uint64_t seq;           /* events raised, asynchronous ones that were lost
                             * included */
    uint64_t produced;      /* asynchronous records, the lost ones included */
    uint64_t lost;
    uint64_t raised;        /* sync requests raised = answered + released +
                             * cancelled + pending */
    uint64_t answered;
    uint64_t released;      /* ended by policy */
    uint64_t cancelled;     /* ended by destroy, detach or reset */
    uint64_t stale;         /* responses that answered nothing */
    uint64_t bad;           /* responses refused */
    uint64_t pauses;        /* times that vm_event paused the vCPU, either ABI;
                             * never goes back, not even across channels */
    uint64_t pending_since; /* Xen time of the request in the slot; 0 = none */
    uint32_t pending_reason;
    uint32_t pending;       /* in the slot and in the stash */
};

/*
 * MONITOR: subscribe to, or cancel, one event.  EEXIST: it already is in that
 * state; EOPNOTSUPP: the CPU or domain cannot raise it.  Needs the generation.
 */
#define VMEV2_MON_ONCHANGEONLY       (1U << 0)  /* WRITE_CTRLREG, MOV_TO_MSR */
#define VMEV2_MON_USERSPACE          (1U << 1)  /* GUEST_REQUEST from user mode */
#define VMEV2_MON_KNOWN              3U
struct vmev2_op_monitor {
    uint32_t reason;        /* IN */
    uint8_t enable;         /* IN: 0 or 1 */
    uint8_t sync;           /* IN: 0 or 1 */
    uint8_t regs;           /* IN: VMEV2_REGS_* */
    uint8_t flags;          /* IN: VMEV2_MON_* */
    uint32_t index;         /* IN: WRITE_CTRLREG: as in vmev2_ctrlreg */
    uint32_t msr;           /* IN: MOV_TO_MSR */
    uint64_t mask;          /* IN: WRITE_CTRLREG: bits whose change is ignored */
};

/*
 * ACCESS_SET: what the domain may do with a page before MEM_ACCESS is raised.
 *   range    GFNs [first, first + nr)
 *   default  first = ~0, nr = 0: pages that are added later
 *   list     nr_list != 0: buffer 1 holds nr_list 64-bit GFNs and behind all of
 *            them nr_list access bytes; nr and access are 0, first is the index
 *            of the entry to begin with.  Entries are set in their order.
 * ACCESS_GET: that of one GFN, first; ~0: the default.  nr is 0 or 1.
 * A SET that ends with 0 then looks for answers, as a ring of the doorbell does
 * (VMEV2_FEAT_ACCESS_LOOKS): an agent that opens a page for a vCPU first writes
 * the answer, then sets the access, and need not ring.
 * SET brings first and nr (of a list: first) up to date, whatever it returns:
 * everything before first is done.  After an error first is the entry of a list
 * that was refused; in a range, pages from first on may have been set.  Pages that are not there are skipped in a range on arm64, and
 * refused on x86.  The rights outlive the channel: a page that is still
 * restricted gets all of them back, without an event, when the domain next
 * runs into it and no agent is there.  The default is put back at once.
 *   EINVAL      no such access or view; too long a list; contradictory fields
 *   EOPNOTSUPP  this host or domain has no page access (VMEV2_FEAT_MEM_ACCESS)
 *   ERANGE      a GFN is beyond the domain's last, or has no page
 *   EFAULT      buffer 1 is too short for the list
 */
#define VMEV2_ACCESS_LIST_MAX        512U
struct vmev2_op_access {
    uint64_t first;         /* IN/OUT: GFN, ~0 = the default; or index */
    uint64_t nr;            /* IN/OUT */
    uint32_t nr_list;       /* IN */
    uint16_t view;          /* IN: altp2m view, 0 = host */
    uint8_t access;         /* IN for SET, OUT for GET: XENMEM_access_* */
    uint8_t pad;            /* 0 */
};

/*
 * DESTROY and RESUME take the generation only.  RESUME looks for answers, as a
 * ring of the doorbell does, and takes note that user.awake was lowered (R6).
 */

struct vmev2_op {
    uint32_t dmop;          /* IN: XEN_DMOP_vm_event */
    uint32_t dmop_pad;      /* IN: 0 */
    uint32_t cmd;           /* IN: VMEV2_CMD_* */
    uint32_t flags;         /* IN: ATTACH: VMEV2_ATTACH_*; else 0 */
    uint64_t generation;    /* IN: MONITOR, ACCESS_*, RESUME, DESTROY; else 0 */
    union {
        struct vmev2_op_query query;
        struct vmev2_op_create create;
        struct vmev2_op_info info;
        struct vmev2_op_monitor monitor;
        struct vmev2_op_access access;
        uint64_t room[13];
    } u;
};

/* ------------------------------------------------------------------ */
/* Sizes and offsets that the other side relies on                     */
/* ------------------------------------------------------------------ */

#define VMEV2_CAT_(a, b) a ## b
#define VMEV2_CAT(a, b) VMEV2_CAT_(a, b)
#define VMEV2_CHECK(expr) \
    typedef char VMEV2_CAT(vmev2_check_, __LINE__)[(expr) ? 1 : -1] \
        VMEV2_UNUSED
#if defined(__GNUC__)
#define VMEV2_UNUSED __attribute__((__unused__))
#define VMEV2_OFF(t, m) __builtin_offsetof(struct t, m)
#else
#include <stddef.h>
#define VMEV2_UNUSED
#define VMEV2_OFF(t, m) offsetof(struct t, m)
#endif
#define VMEV2_SIZE(t, n) VMEV2_CHECK(sizeof(struct t) == (n))
#define VMEV2_AT(t, m, n) VMEV2_CHECK(VMEV2_OFF(t, m) == (n))

VMEV2_SIZE(vmev2_rec, 32);
VMEV2_AT(vmev2_rec, reason, 4);
VMEV2_AT(vmev2_rec, flags, 6);
VMEV2_AT(vmev2_rec, vcpu, 8);
VMEV2_AT(vmev2_rec, payload_size, 12);
VMEV2_AT(vmev2_rec, regs, 14);
VMEV2_AT(vmev2_rec, altp2m_idx, 15);
VMEV2_AT(vmev2_rec, seq, 16);
VMEV2_AT(vmev2_rec, time, 24);
VMEV2_SIZE(vmev2_ctrlreg, 24);
VMEV2_AT(vmev2_ctrlreg, new_value, 8);
VMEV2_AT(vmev2_ctrlreg, old_value, 16);
VMEV2_SIZE(vmev2_msr, 24);
VMEV2_SIZE(vmev2_cpuid, 16);
VMEV2_SIZE(vmev2_debug, 24);
VMEV2_AT(vmev2_debug, type, 16);
VMEV2_SIZE(vmev2_mem_access, 32);
VMEV2_AT(vmev2_mem_access, flags, 24);
VMEV2_SIZE(vmev2_descriptor, 24);
VMEV2_AT(vmev2_descriptor, descriptor, 16);
VMEV2_SIZE(vmev2_interrupt, 24);
VMEV2_AT(vmev2_interrupt, cr2, 16);
VMEV2_SIZE(vmev2_vmexit, 16);
VMEV2_SIZE(vmev2_seg, 24);
VMEV2_AT(vmev2_seg, sel, 16);
VMEV2_SIZE(vmev2_regs_x86, VMEV2_REGS_X86_ALL_SIZE);
VMEV2_AT(vmev2_regs_x86, rip, 128);
VMEV2_AT(vmev2_regs_x86, cr0, 144);
VMEV2_AT(vmev2_regs_x86, tsc, 184);
VMEV2_AT(vmev2_regs_x86, cs, 192);
VMEV2_AT(vmev2_regs_x86, ss, VMEV2_REGS_X86_CORE_SIZE);
VMEV2_AT(vmev2_regs_x86, gdtr_base, 336);
VMEV2_AT(vmev2_regs_x86, shadow_gs, 352);
VMEV2_SIZE(vmev2_regs_arm64, VMEV2_REGS_ARM64_ALL_SIZE);
VMEV2_AT(vmev2_regs_arm64, mair, VMEV2_REGS_ARM64_CORE_SIZE);
VMEV2_SIZE(vmev2_set_regs, 144);
VMEV2_SIZE(vmev2_rsp, 256);
VMEV2_AT(vmev2_rsp, flags, 8);
VMEV2_AT(vmev2_rsp, altp2m_idx, 12);
VMEV2_AT(vmev2_rsp, fast_p2midx, 14);
VMEV2_AT(vmev2_rsp, emul_size, 16);
VMEV2_AT(vmev2_rsp, regs, 64);
VMEV2_AT(vmev2_rsp, emul, 208);
VMEV2_SIZE(vmev2_slot, VMEV2_SLOT_SIZE);
VMEV2_AT(vmev2_slot, error, 8);
VMEV2_AT(vmev2_slot, rec, VMEV2_SLOT_REC);
VMEV2_AT(vmev2_slot, rsp, VMEV2_SLOT_RSP);
VMEV2_CHECK(VMEV2_SLOT_REC + VMEV2_REC_MAX <= VMEV2_SLOT_RSP);
VMEV2_SIZE(vmev2_ctrl, 136);
VMEV2_AT(vmev2_ctrl, generation, 8);
VMEV2_AT(vmev2_ctrl, features, 16);
VMEV2_AT(vmev2_ctrl, state, 24);
VMEV2_AT(vmev2_ctrl, domain, 28);
VMEV2_AT(vmev2_ctrl, shutdown_code, 32);
VMEV2_AT(vmev2_ctrl, nr_vcpus, 36);
VMEV2_AT(vmev2_ctrl, nr_rings, 40);
VMEV2_AT(vmev2_ctrl, ring_bytes, 44);
VMEV2_AT(vmev2_ctrl, slot_size, 48);
VMEV2_AT(vmev2_ctrl, slot_rsp, 52);
VMEV2_AT(vmev2_ctrl, pending_off, 56);
VMEV2_AT(vmev2_ctrl, vcpu_off, 60);
VMEV2_AT(vmev2_ctrl, ring_off, 64);
VMEV2_AT(vmev2_ctrl, ctrl_bytes, 68);
VMEV2_AT(vmev2_ctrl, clock_time, 72);
VMEV2_AT(vmev2_ctrl, clock_wall, 80);
VMEV2_AT(vmev2_ctrl, clock_tsc, 88);
VMEV2_AT(vmev2_ctrl, deadline_expired, 96);
VMEV2_AT(vmev2_ctrl, port_off, 104);
VMEV2_AT(vmev2_ctrl, slot_ports, 108);
VMEV2_SIZE(vmev2_vcpu_line, 64);
VMEV2_AT(vmev2_vcpu_line, released, 16);
VMEV2_SIZE(vmev2_ring_line, 64);
VMEV2_SIZE(vmev2_user_line, 64);
VMEV2_AT(vmev2_user_line, awake, 8);
VMEV2_SIZE(vmev2_op_query, 40);
VMEV2_SIZE(vmev2_op_create, 72);
VMEV2_AT(vmev2_op_create, on_death, 8);
VMEV2_AT(vmev2_op_create, deadline_ms, 12);
VMEV2_AT(vmev2_op_create, port, 20);
VMEV2_AT(vmev2_op_create, frames, 32);
VMEV2_AT(vmev2_op_create, released_before, 48);
VMEV2_AT(vmev2_op_create, generation, 56);
VMEV2_AT(vmev2_op_create, slot_ports, 64);
VMEV2_SIZE(vmev2_op_info, 104);
VMEV2_AT(vmev2_op_info, agent, 12);
VMEV2_AT(vmev2_op_info, generation, 16);
VMEV2_AT(vmev2_op_info, agent_port, 44);
VMEV2_AT(vmev2_op_info, now, 48);
VMEV2_AT(vmev2_op_info, expired_late, 64);
VMEV2_AT(vmev2_op_info, on_deadline, 88);
VMEV2_AT(vmev2_op_info, slot_ports, 96);
VMEV2_AT(vmev2_op_info, slot_ports_bound, 100);
VMEV2_SIZE(vmev2_vcpu_info, 96);
VMEV2_SIZE(vmev2_op_monitor, 24);
VMEV2_AT(vmev2_op_monitor, mask, 16);
VMEV2_SIZE(vmev2_op_access, 24);
VMEV2_SIZE(vmev2_op, 128);
VMEV2_AT(vmev2_op, cmd, 8);
VMEV2_AT(vmev2_op, generation, 16);
VMEV2_AT(vmev2_op, u, 24);

#endif /* XEN_PUBLIC_VM_EVENT_V2_H */
