/* SPDX-License-Identifier: MIT */
/*
 * libvmi-ring: receive and answer a Xen guest's introspection events.
 *
 * One handle watches one domain.  It speaks the v2 ABI (slots and lossy rings)
 * or the legacy ABI (one 4 KiB ring), with a real Xen or a simulated one, and
 * looks the same in all four cases; and on a capture of one (vmiring_capture.h).
 *
 *     vmiring_options opts = { .size = sizeof opts, .domid = 5 };
 *     vmiring *h = vmiring_open(&opts);
 *     struct vmiring_subscription s = { .size = sizeof s,
 *         .reason = VMIRING_GUEST_REQUEST, .sync = 1, .regs = VMIRING_REGS_CORE };
 *     vmiring_subscribe(h, &s);
 *     for ( ;; )
 *     {
 *         struct vmiring_event ev[64];
 *         int n = vmiring_receive(h, ev, 64);      // -1 + EAGAIN: poll the fd
 *         for ( int i = 0; i < n; i++ )
 *             if ( ev[i].flags & VMIRING_EV_SYNC )
 *                 vmiring_respond(h, &ev[i], NULL); // NULL: let it continue
 *         vmiring_release(h);                       // pointers of the batch end
 *     }
 *
 * Threads: one handle belongs to one thread at a time.  Several threads, or
 * processes, share a domain's vCPUs by workers, each a handle of its own.  The
 * library starts no thread, installs no signal handler and prints nothing.
 * Fork: the child may only call vmiring_close(); all else fails with EPERM,
 * because the mappings are not inherited.  Every fd is O_CLOEXEC.
 * Blocking: vmiring_wait() and vmiring_receive_wait() wait for events; nothing
 * else waits for anybody.  Hypercalls that may pause the domain, or a vCPU, for
 * a moment are made by vmiring_open(), vmiring_close(), vmiring_subscribe(),
 * vmiring_unsubscribe(), vmiring_info(), and by vmiring_receive() when a busy
 * ring has run empty; vmiring_set_access() takes as long as Xen takes for that
 * many pages.
 * Errors: -1 or NULL with errno; vmiring_error() then says in words what was
 * expected and what to do.  errno values are given at each function; on every
 * function EPERM after fork (and only then), and on all that use the channel:
 *   ENODEV     the domain is gone or going, or the simulated host is
 *   EOWNERDEAD another agent has the channel now
 *   ESTALE     the channel was ended by somebody else, or by its deadline; if
 *              the domain crashed with it, receive says that first
 *   EBADMSG    what stands in the shared pages cannot be true
 * These are for good: close the handle, which leaves what is another's alone.
 * EACCES says that Xen does not allow it.
 * Structs begin with their size, which the caller sets to sizeof.  What a
 * shorter one lacks is taken as 0; a longer one must be 0 beyond what the
 * library knows.  Where an array of them is filled, the first one's size is
 * every entry's.
 */
#ifndef VMIRING_H
#define VMIRING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmiring vmiring;

/* ---- opening ---- */

enum vmiring_abi { VMIRING_ABI_AUTO, VMIRING_ABI_V2, VMIRING_ABI_LEGACY };

/* Capabilities: what this handle can really do (vmiring_caps, required). */
#define VMIRING_CAP_LOSSY          (1ULL << 0)  /* async never parks a vCPU */
#define VMIRING_CAP_REGSETS        (1ULL << 1)  /* none/core/all; else always all */
#define VMIRING_CAP_SEQUENCE       (1ULL << 2)  /* per-vCPU sequence from Xen */
#define VMIRING_CAP_TIME           (1ULL << 3)  /* time stamps from Xen */
#define VMIRING_CAP_DEADLINE       (1ULL << 4)
#define VMIRING_CAP_HOLD           (1ULL << 5)  /* HOLD policy, re-attach */
#define VMIRING_CAP_DETACH         (1ULL << 6)  /* guest released on agent death */
#define VMIRING_CAP_SPLIT_RINGS    (1ULL << 7)
#define VMIRING_CAP_RESTRICT       (1ULL << 8)  /* handles can be restricted */
#define VMIRING_CAP_INFO           (1ULL << 9)  /* vmiring_info() per vCPU */
#define VMIRING_CAP_SIMULATED      (1ULL << 10)
#define VMIRING_CAP_REPLAY         (1ULL << 11) /* a capture, not a guest */
#define VMIRING_CAP_WORKERS        (1ULL << 12) /* vmiring_worker_open() */

enum vmiring_death { VMIRING_DEATH_DETACH, VMIRING_DEATH_HOLD, VMIRING_DEATH_CRASH };
/* A request without an answer after deadline_ms: it alone is let go, or the
 * channel ends and all are, or the domain crashes. */
enum vmiring_deadline { VMIRING_DEADLINE_RELEASE, VMIRING_DEADLINE_DETACH,
                        VMIRING_DEADLINE_CRASH };

typedef struct vmiring_options {
    size_t size;             /* sizeof(vmiring_options) */
    uint32_t domid;
    uint32_t abi;            /* enum vmiring_abi; AUTO takes v2 where offered */
    const char *sim;         /* socket of vmi-sim; NULL: the Xen of this host */
    const char *legacy_plugin; /* absolute path; NULL: the installed one.  Loaded
                              * only when the legacy ABI is used on a real Xen */
    uint64_t required;       /* VMIRING_CAP_*; open fails when one is missing */
    uint32_t ring_bytes;     /* 0 = 64 KiB; a wish, see vmiring_geometry() */
    uint32_t flags;          /* VMIRING_OPEN_* */
    uint32_t on_death;       /* enum vmiring_death; v2 only */
    uint32_t deadline_ms;    /* 1 to 60000, 0 = none; v2 only */
    uint32_t deadline_deny;  /* 1: RELEASE denies a CR or MSR write */
    uint32_t on_deadline;    /* enum vmiring_deadline; needs deadline_ms */
    uint32_t spin_us;        /* vmiring_receive_wait(): 0 = sleep at once; how
                              * long to look again before, at most a second */
    uint32_t pad2;
    const char *capture;     /* file to replay instead of a guest, see
                              * vmiring_capture.h; domid may be 0 then */
} vmiring_options;
#define VMIRING_OPEN_SPLIT_RINGS   (1U << 0)  /* one ring per vCPU */
#define VMIRING_OPEN_REATTACH      (1U << 1)  /* to a channel that is held for
                                               * the next agent */
#define VMIRING_OPEN_TAKEOVER      (1U << 2)  /* even from a living agent, which
                                               * is better ended first.  Of a
                                               * channel without HOLD nothing is
                                               * kept: it is ended and made anew.
                                               * One that is not there is made. */
#define VMIRING_OPEN_EVERYTHING    (1U << 3)  /* replay: events need no
                                               * subscription */
#define VMIRING_OPEN_SLOT_PORTS    (1U << 4)  /* for workers; see
                                               * vmiring_worker_open() */

/*
 * Opens a handle.  Creates (or attaches to) the channel, maps it, binds the
 * doorbell.  No event is enabled yet; after attaching, those are that the
 * predecessor enabled, and its policy and ring stay.  May take a second when
 * another agent died while it opened.
 * NULL and errno:
 *   EINVAL      size, unknown flag or value
 *   ENOENT      no such domain
 *   ENOSYS      no Xen here (or no vmi-sim at that socket)
 *   EACCES      no permission to use Xen
 *   EBUSY       another agent is attached; vmiring_open_error() names it where
 *               that can be found out.  Or the channel is held: see REATTACH
 *   ENXIO       REATTACH, and no channel is held
 *   ENODEV      the domain is being destroyed
 *   EPROTONOSUPPORT  the host does not offer the ABI that was asked for
 *   ENOTSUP     a required capability is missing
 *   ELIBACC     the legacy plugin cannot be loaded
 *   EPROTO      the control page, or the capture, makes no sense
 *   EPROTONOSUPPORT, ENOENT  likewise of a capture of the other ABI, another
 *               domain, or that is not there
 *   ENOMEM, EMFILE
 * vmiring_open_error() gives the message of the calling thread's last failure.
 */
vmiring *vmiring_open(const vmiring_options *opts);
const char *vmiring_open_error(void);

/*
 * Stops all monitoring, answers what is outstanding with "continue", and frees
 * everything.  Leaves no vCPU paused, even under HOLD.  Under legacy it may
 * take up to two seconds, while vCPUs wait inside an older Xen.  NULL is
 * allowed.  In a forked child it closes fds and frees memory, no more.
 */
void vmiring_close(vmiring *h);

/*
 * As close, but leaves the channel, its subscriptions and its outstanding
 * requests to the next agent (VMIRING_OPEN_REATTACH).  ENOTSUP: not under HOLD.
 * On failure the handle stays open.
 */
int vmiring_leave(vmiring *h);

/* Message of the last failure on this handle; valid until the next call. */
const char *vmiring_error(const vmiring *h);

uint64_t vmiring_caps(const vmiring *h);
uint32_t vmiring_domid(const vmiring *h);
enum vmiring_abi vmiring_abi_used(const vmiring *h);

struct vmiring_geometry {
    size_t size;
    uint32_t nr_vcpus;
    uint32_t nr_rings;
    uint32_t ring_bytes;      /* granted */
    uint32_t pad;
    uint64_t generation;      /* 0 under legacy */
    uint64_t released_before; /* left unanswered by the previous agent and
                               * released by policy; 0 under legacy */
    uint32_t slot_ports;      /* vCPUs [0, slot_ports) can have a worker */
    uint32_t pad2;
};
int vmiring_geometry(const vmiring *h, struct vmiring_geometry *g);

/*
 * What can be had of this host and domain: bit n of *reasons is set when
 * reason n can be subscribed to, *rsp_flags has the VMIRING_RSP_* that a
 * response may use.  A CPU may still refuse one in vmiring_subscribe().
 */
int vmiring_offers(const vmiring *h, uint64_t *reasons, uint32_t *rsp_flags);

/*
 * One moment by three clocks, for turning vmiring_event.time into another:
 * time as in events, the wall clock in ns since 1970 UTC, and the host's time
 * stamp counter (0: not known, as under legacy).
 */
struct vmiring_clock { size_t size; uint64_t time, wall, tsc; };
int vmiring_clock(const vmiring *h, struct vmiring_clock *c);

/*
 * Restricts every Xen handle of this vmiring to its domain, for good; those of
 * other handles in this process stay as they are.  Everything of this header
 * goes on working.  xentoolcore_restrict_all() covers the same handles.
 * ENOTSUP: legacy, which needs hypercalls that cannot be restricted.
 */
int vmiring_restrict(vmiring *h);

/* ---- workers ---- */

/*
 * Several threads or processes that answer the sync requests of one domain.
 *
 * The main handle, opened with VMIRING_OPEN_SLOT_PORTS, has the subscriptions,
 * the ring and all else.  A worker is a handle of its own for some vCPUs, fixed
 * when it is opened: own fd, own connection to Xen, own thread or process.  It
 * receives and answers the sync requests of these vCPUs, and VMIRING_DOMAIN.
 * Sets are disjoint: Xen lets a slot's port be bound once.
 *
 * What no worker has is the main handle's: asynchronous events of all vCPUs;
 * requests of vCPUs without a worker, or without a port (a guest that has used
 * up its event channels has some without); and requests of a worker that was
 * closed, or died, unanswered.  A request is one handle's at a time; answering
 * one that has passed on is ECANCELED.
 *
 *     vmiring *h = vmiring_open(&opts);           // VMIRING_OPEN_SLOT_PORTS
 *     struct vmiring_geometry g = { .size = sizeof g };
 *     vmiring_geometry(h, &g);
 *     uint32_t vcpus[] = { 0, 1, 2, 3 };
 *     struct vmiring_worker w = { .size = sizeof w, .generation = g.generation,
 *                                 .vcpus = vcpus, .nr_vcpus = 4 };
 *     vmiring_options wopts = { .size = sizeof wopts, .domid = 5 };
 *     vmiring *worker = vmiring_worker_open(&wopts, &w);   // in its thread
 *
 * Threads: a worker is independent of the main handle and of other workers; no
 * two share anything in this library.  It may be opened in another thread, or
 * in another process (not inherited by fork), that may use Xen.  Open workers
 * before privileges go, and restrict each by itself: vmiring_restrict().
 * Order: records of a vCPU come on the main handle, its requests on the worker;
 * seq compares them.
 * Lifetime: a worker may be closed and opened again at any time.  Closing the
 * main handle ends the channel: workers get ESTALE.  If the main handle's
 * process dies and workers live, the policy for a dead agent waits until the
 * last has gone, or a request comes that nobody hears of; the next agent
 * attaches as ever (REATTACH), and the old workers get EOWNERDEAD.
 * On a worker vmiring_subscribe(), _unsubscribe(), _set_access(), _get_access(),
 * _set_access_list() and _leave() are ENOTSUP.
 */
struct vmiring_worker {
    size_t size;
    uint64_t generation;     /* vmiring_geometry() of the main handle; 0: of
                              * whichever channel is there */
    const uint32_t *vcpus;   /* which vCPUs */
    uint32_t nr_vcpus;
    uint32_t flags;          /* 0 */
};

/*
 * Of opts: size, domid, sim and spin_us; all else is 0.  NULL and errno:
 *   EINVAL      a field is not what it should be, a vCPU is named twice
 *   ERANGE      the domain has no such vCPU
 *   ENXIO       nobody has opened the domain
 *   ESTALE      the channel is another one than generation's
 *   ENOTSUP     the channel was opened without VMIRING_OPEN_SLOT_PORTS; or it is
 *               the legacy ABI, which has one FIFO for all
 *   ENOSPC      none of the vCPUs has a port, as the guest has used them up
 *   EBUSY       a vCPU has a worker already
 * and those of vmiring_open().
 */
vmiring *vmiring_worker_open(const vmiring_options *opts,
                             const struct vmiring_worker *worker);

/*
 * Fills up to nr of the vCPUs that the worker really has, ascending, and returns
 * how many it has; those that it was opened for but have no port are missing.
 * Of the main handle: 0.
 */
int vmiring_worker_vcpus(const vmiring *h, uint32_t *vcpus, uint32_t nr);

/* ---- subscribing ---- */

/* Reasons; the numbers are Xen's. */
#define VMIRING_MEM_ACCESS           1
#define VMIRING_WRITE_CTRLREG        4
#define VMIRING_MOV_TO_MSR           5
#define VMIRING_SOFTWARE_BREAKPOINT  6
#define VMIRING_SINGLESTEP           7
#define VMIRING_GUEST_REQUEST        8
#define VMIRING_DEBUG_EXCEPTION      9
#define VMIRING_CPUID               10
#define VMIRING_PRIVILEGED_CALL     11
#define VMIRING_INTERRUPT           12
#define VMIRING_DESCRIPTOR_ACCESS   13
#define VMIRING_EMUL_UNIMPLEMENTED  14
#define VMIRING_VMEXIT              15
#define VMIRING_IO_INSTRUCTION      16  /* raised by Xen 4.18 and later */
/* Made by the library, never by the guest: */
#define VMIRING_LOST              1000  /* async events of one vCPU were lost */
#define VMIRING_DOMAIN            1001  /* shutdown or destruction */

#define VMIRING_REGS_NONE 0
#define VMIRING_REGS_CORE 1
#define VMIRING_REGS_ALL  2

#define VMIRING_CR0  0
#define VMIRING_CR3  1
#define VMIRING_CR4  2
#define VMIRING_XCR0 3

struct vmiring_subscription {
    size_t size;
    uint32_t reason;         /* VMIRING_* */
    uint8_t sync;            /* the vCPU waits for vmiring_respond() */
    uint8_t regs;            /* VMIRING_REGS_*; legacy always captures all */
    uint8_t onchangeonly;    /* WRITE_CTRLREG, MOV_TO_MSR */
    uint8_t userspace;       /* GUEST_REQUEST from user mode as well */
    uint32_t index;          /* WRITE_CTRLREG: VMIRING_CR* */
    uint32_t msr;            /* MOV_TO_MSR */
    uint64_t mask;           /* WRITE_CTRLREG: ignore changes in these bits */
};

/*
 * EINVAL bad field; EEXIST already subscribed; EOPNOTSUPP this CPU, domain or
 * ABI cannot raise it so.  MEM_ACCESS and INTERRUPT come without: the first
 * after vmiring_set_access(), the second once after a response with
 * GET_NEXT_INTERRUPT; subscribing chooses their registers.
 */
int vmiring_subscribe(vmiring *h, const struct vmiring_subscription *s);

/*
 * Stops new events of that kind.  Those raised before are still delivered:
 * receive until EAGAIN to drain.  ENOENT: was not subscribed.
 */
int vmiring_unsubscribe(vmiring *h, const struct vmiring_subscription *s);

/*
 * What the guest may do with the pages [first_gfn, first_gfn + nr) before a
 * MEM_ACCESS event is raised; the numbers are Xen's.  RX2RW: a write makes it
 * RW.  N2RWX: any access makes it RWX, with an asynchronous event.
 * first_gfn = ~0: the default of pages that are added later.
 * EINVAL, EOPNOTSUPP this CPU or domain cannot, EFAULT no such page: those
 * before it are set.  In a range, arm64 skips pages that are not there.
 * A set takes a list of pages, each with its own access; under legacy it is
 * made page by page, since Arm's Xen has no call for lists there.  *done is the
 * number of entries that are set, all of them on success.
 * Pages keep their access when the handle is closed: set them to RWX before.
 * One that is left gets RWX, without an event, when the guest runs into it and
 * no agent is there (with access_required, Xen crashes the domain instead).
 */
#define VMIRING_ACCESS_N      0
#define VMIRING_ACCESS_R      1
#define VMIRING_ACCESS_W      2
#define VMIRING_ACCESS_RW     3
#define VMIRING_ACCESS_X      4
#define VMIRING_ACCESS_RX     5
#define VMIRING_ACCESS_WX     6
#define VMIRING_ACCESS_RWX    7
#define VMIRING_ACCESS_RX2RW  8
#define VMIRING_ACCESS_N2RWX  9
int vmiring_set_access(vmiring *h, uint64_t first_gfn, uint64_t nr, uint32_t access);

/*
 * How MEM_ACCESS treats what is no plain access of an instruction.  Xen has
 * this for the legacy ABI alone.  EOPNOTSUPP: v2, or not this CPU or domain.
 */
#define VMIRING_MEM_NO_WALKS  1  /* what the page walk of the processor itself
                                  * reads or writes is done without an event
                                  * (xc_monitor_inguest_pagefault) */
#define VMIRING_MEM_EACH_REP  2  /* emulating a REP instruction does one
                                  * repetition at a time, each with its event
                                  * (xc_monitor_emulate_each_rep) */
int vmiring_mem_option(vmiring *h, uint32_t option, int on);
int vmiring_get_access(vmiring *h, uint64_t gfn, uint32_t *access);
int vmiring_set_access_list(vmiring *h, const uint64_t *gfns,
                            const uint8_t *access, size_t nr, size_t *done);

/* ---- receiving ---- */

#define VMIRING_EV_SYNC     (1U << 0)  /* waits for vmiring_respond() */
#define VMIRING_EV_AGAIN    (1U << 1)  /* our answer was refused; error tells */
#define VMIRING_EV_ALTP2M   (1U << 2)
#define VMIRING_EV_NESTED   (1U << 3)

/*
 * One event.  Plain data is here; payload and registers are read with the
 * accessors and stay valid until vmiring_release().
 */
struct vmiring_event {
    uint32_t reason;
    uint32_t flags;          /* VMIRING_EV_* */
    uint32_t vcpu;
    uint32_t error;          /* with EV_AGAIN: VMEV2_ERR_* */
    uint64_t seq;            /* per vCPU, ascending; gaps are losses */
    uint64_t time;           /* ns of Xen system time; legacy: of CLOCK_MONOTONIC
                              * when received */
    uint64_t handle;         /* sync: names this request for vmiring_respond() */
    uint32_t altp2m_view;
    uint32_t regs;           /* VMIRING_REGS_* captured */
    const void *priv;        /* library use */
};

/* Readable while anything may be undelivered.  Owned by the handle. */
int vmiring_fd(const vmiring *h);

/*
 * Fills up to max events, a vCPU's in its own order: asynchronous ones come
 * before the sync one that was raised after them, losses where they happened.
 * Never blocks.  Returns the number (> 0; fewer than max does not mean that no
 * more are there), or -1: EAGAIN nothing there (after it looked a last time
 * with its position published: the fd will wake you), EINVAL max is not
 * positive, ENOBUFS the previous batch was not released.
 * While a batch is held, ring space is held: Xen then loses events, counted.
 * A sync event can come a second time: with EV_AGAIN when the answer was
 * refused, or after re-attach; (vcpu, seq) tells.
 */
int vmiring_receive(vmiring *h, struct vmiring_event *ev, int max);

/* Ends the batch; sync events stay answerable. */
void vmiring_release(vmiring *h);

/* poll() on the fd.  0 ready, -1: EAGAIN timed out, EINTR.  -1 ms: for ever. */
int vmiring_wait(vmiring *h, int timeout_ms);

/*
 * vmiring_receive(), and if there is nothing, waits as vmiring_wait() does and
 * receives what came.  Errors of both.  The fast way for an agent that has one
 * handle and nothing else to wait for.
 * With options.spin_us it first looks again for that long, while Xen need not
 * notify: an answer or a record is then taken in well under a microsecond, where
 * a sleep costs several.  It gives up sooner each time that this did not pay
 * off, and begins again once a sleep was no longer than a spin.  With timeout_ms
 * 0 it spins and does not sleep: for those who wait for the fd themselves, and
 * the time until the next call counts as the sleep.
 * For guests whose vCPUs have other CPUs than this process: on a CPU that both
 * share a spin keeps away whom it waits for.  With a simulated host a process
 * that may use one CPU only never spins.
 */
int vmiring_receive_wait(vmiring *h, struct vmiring_event *ev, int max,
                         int timeout_ms);

/* ---- what is in an event ---- */

struct vmiring_ctrlreg { uint32_t index; uint64_t new_value, old_value; };
struct vmiring_msr { uint64_t msr, new_value, old_value; };
struct vmiring_cpuid { uint32_t insn_length, leaf, subleaf; };
struct vmiring_debug { uint64_t gfn, pending_dbg; uint32_t type, insn_length; };
struct vmiring_mem { uint64_t gfn, offset, gla; uint32_t access; };
#define VMIRING_MEM_R (1U << 0)
#define VMIRING_MEM_W (1U << 1)
#define VMIRING_MEM_X (1U << 2)
#define VMIRING_MEM_GLA_VALID (1U << 3)
#define VMIRING_MEM_FAULT_WITH_GLA (1U << 4)
#define VMIRING_MEM_FAULT_IN_GPT (1U << 5)
struct vmiring_descriptor { uint64_t exit_info, qualification; uint32_t descriptor, is_write; };
struct vmiring_interrupt { uint32_t vector, type, error_code; uint64_t cr2; };
struct vmiring_vmexit { uint64_t reason, qualification; };
/* Of ev.vcpu; last_seq is ev.seq as well. */
struct vmiring_lost { uint64_t count, first_seq, last_seq; };
/* state: 0 runs again, 1 shut down (shutdown_code is Xen's SHUTDOWN_*), 2 is
 * being destroyed: the last event there is, ENODEV follows. */
struct vmiring_domain { uint32_t state, shutdown_code; };

/* Payload; -1 and EINVAL if the event is of another kind. */
int vmiring_get_ctrlreg(const struct vmiring_event *ev, struct vmiring_ctrlreg *out);
int vmiring_get_msr(const struct vmiring_event *ev, struct vmiring_msr *out);
int vmiring_get_cpuid(const struct vmiring_event *ev, struct vmiring_cpuid *out);
int vmiring_get_debug(const struct vmiring_event *ev, struct vmiring_debug *out);
int vmiring_get_mem(const struct vmiring_event *ev, struct vmiring_mem *out);
int vmiring_get_descriptor(const struct vmiring_event *ev, struct vmiring_descriptor *out);
int vmiring_get_interrupt(const struct vmiring_event *ev, struct vmiring_interrupt *out);
int vmiring_get_vmexit(const struct vmiring_event *ev, struct vmiring_vmexit *out);
int vmiring_get_lost(const struct vmiring_event *ev, struct vmiring_lost *out);
int vmiring_get_domain(const struct vmiring_event *ev, struct vmiring_domain *out);

/* Registers.  The first 18 of x86 can be set by a response. */
enum vmiring_reg {
    VMIRING_RAX, VMIRING_RCX, VMIRING_RDX, VMIRING_RBX, VMIRING_RSP,
    VMIRING_RBP, VMIRING_RSI, VMIRING_RDI, VMIRING_R8, VMIRING_R9,
    VMIRING_R10, VMIRING_R11, VMIRING_R12, VMIRING_R13, VMIRING_R14,
    VMIRING_R15, VMIRING_RIP, VMIRING_RFLAGS,
    VMIRING_REG_CR0, VMIRING_REG_CR2, VMIRING_REG_CR3, VMIRING_REG_CR4,
    VMIRING_EFER, VMIRING_TSC, VMIRING_CS_BASE, VMIRING_CS_AR, VMIRING_CS_SEL,
    VMIRING_CS_LIMIT,
    /* ALL only */
    VMIRING_SS_BASE, VMIRING_SS_SEL, VMIRING_DS_BASE, VMIRING_DS_SEL,
    VMIRING_ES_BASE, VMIRING_ES_SEL, VMIRING_FS_BASE, VMIRING_FS_SEL,
    VMIRING_GS_BASE, VMIRING_GS_SEL, VMIRING_GDTR_BASE, VMIRING_GDTR_LIMIT,
    VMIRING_SHADOW_GS, VMIRING_DR6, VMIRING_DR7, VMIRING_SYSENTER_CS,
    VMIRING_SYSENTER_ESP, VMIRING_SYSENTER_EIP, VMIRING_STAR, VMIRING_LSTAR,
    VMIRING_NPT_BASE,
    VMIRING_REG_X86_END,
    /* arm64 */
    VMIRING_PC = 256, VMIRING_CPSR, VMIRING_X0 = 264, /* X0 + n, n < 31 */
    VMIRING_SP_EL0 = 296, VMIRING_SP_EL1, VMIRING_TTBR0, VMIRING_TTBR1,
    VMIRING_TCR, VMIRING_SCTLR
};
/* -1: ENODATA that register was not captured; EINVAL no such register. */
int vmiring_get_reg(const struct vmiring_event *ev, enum vmiring_reg reg, uint64_t *value);

/* ---- answering ---- */

/* Response flags; the numbers are Xen's. */
#define VMIRING_RSP_EMULATE            (1U << 2)
#define VMIRING_RSP_EMULATE_NOWRITE    (1U << 3)
#define VMIRING_RSP_TOGGLE_SINGLESTEP  (1U << 4)
#define VMIRING_RSP_SET_EMUL_READ_DATA (1U << 5)
#define VMIRING_RSP_DENY               (1U << 6)
#define VMIRING_RSP_ALTERNATE_P2M      (1U << 7)
#define VMIRING_RSP_SET_REGISTERS      (1U << 8)
#define VMIRING_RSP_SET_EMUL_INSN_DATA (1U << 9)
#define VMIRING_RSP_GET_NEXT_INTERRUPT (1U << 10)
#define VMIRING_RSP_FAST_SINGLESTEP    (1U << 11)
#define VMIRING_RSP_RESET_VMTRACE      (1U << 13)

struct vmiring_response {
    size_t size;
    uint32_t flags;          /* VMIRING_RSP_* */
    uint16_t altp2m_view;    /* with ALTERNATE_P2M */
    uint16_t fast_view;      /* with FAST_SINGLESTEP */
    uint32_t emul_size;      /* with SET_EMUL_READ_DATA: bytes, at most 48 */
    uint32_t pad;
    uint64_t regs[18];       /* with SET_REGISTERS: as enum vmiring_reg; fill it
                              * with vmiring_regs_from() and change some */
    uint8_t emul[48];
};

/* Copies the settable registers of a captured event.  ENODATA as above. */
int vmiring_regs_from(const struct vmiring_event *ev, struct vmiring_response *rsp);

/*
 * Answers a sync event, once; also after its batch was released.  NULL means:
 * continue.  Xen is told at the latest by the next vmiring_receive(),
 * _release(), _wait() or _flush(); under v2 by vmiring_set_access() too, once
 * the rights are set: answer first, then open the page, and one call does both.
 * -1: EINVAL the event is not sync or a field of the response is bad (the
 * request stays outstanding), EALREADY answered before, ECANCELED the request
 * was ended by policy or reset, ENOTSUP the ABI or CPU lacks the flag.
 *
 * What goes together: DENY with WRITE_CTRLREG and MOV_TO_MSR events.  EMULATE
 * with MEM_ACCESS and DESCRIPTOR_ACCESS, and with SET_EMUL_INSN_DATA (16 bytes
 * of emul) for SOFTWARE_BREAKPOINT; not with SET_REGISTERS.  Of NOWRITE,
 * SET_EMUL_READ_DATA (MEM_ACCESS) and SET_EMUL_INSN_DATA at most one, each
 * with EMULATE.  FAST_SINGLESTEP without TOGGLE_SINGLESTEP, EMULATE, DENY.
 * All others with any event.
 */
int vmiring_respond(vmiring *h, const struct vmiring_event *ev,
                    const struct vmiring_response *rsp);
int vmiring_flush(vmiring *h);

/* ---- counting ---- */

struct vmiring_stats {
    size_t size;
    uint64_t received;       /* events handed out, VMIRING_LOST not counted */
    uint64_t sync_received;
    uint64_t answered;
    uint64_t lost;           /* async events lost, as seen in sequences and
                              * Xen's counters */
    uint64_t refused;        /* our answers that Xen refused */
    uint64_t kicks;          /* doorbells rung */
    uint64_t wakeups;        /* doorbells received */
    uint64_t expired;        /* requests whose deadline passed, since create;
                              * 0 under legacy */
};
/* Works after an error that is for good, too. */
int vmiring_stats(const vmiring *h, struct vmiring_stats *s);

/* Xen's own counts of one vCPU; needs VMIRING_CAP_INFO (else ENOTSUP). */
struct vmiring_vcpu_info {
    size_t size;
    uint64_t seq, produced, lost, raised, answered, released, cancelled;
    uint64_t stale, bad, pauses, pending_since;
    uint32_t pending_reason, pending;
};
/*
 * Returns the number of entries filled, from vCPU first on.  Each vCPU's are
 * exact.  EINVAL: first is beyond the last vCPU, nr is 0.
 */
int vmiring_info(vmiring *h, uint32_t first, uint32_t nr, struct vmiring_vcpu_info *out);

/* What is known of a domain's channel without holding it. */
struct vmiring_status {
    size_t size;
    uint32_t state;          /* 0 none 1 idle 2 created 3 armed 4 held 5 dead */
    uint32_t agent_domid;
    uint32_t legacy;         /* the legacy ring is in use */
    uint32_t on_death;
    uint64_t generation;
    uint32_t pending;
    uint32_t nr_vcpus;
    uint32_t nr_rings;
    uint32_t ring_bytes;
    uint32_t deadline_ms;
    uint32_t agent_port;     /* holder's local port, ~0 none */
    uint64_t now;
    uint64_t expired;
    char holder[64];         /* "vmi-agent[123]" where it can be found out */
    uint64_t expired_late;   /* of them: more than a fifth too late */
    uint64_t expired_min;    /* ns from publication to expiry, of all of them */
    uint64_t expired_max;
    uint32_t on_deadline;    /* enum vmiring_deadline */
    uint32_t deadline_deny;
    uint32_t slot_ports;     /* vCPUs that can have a worker */
    uint32_t slot_ports_bound;   /* ... and have one */
};
/* vcpus may be NULL; else nr entries of room.  Only domid and sim of opts are
 * used.  Returns the number of vCPU entries filled, or -1 as vmiring_open();
 * EPROTONOSUPPORT: this Xen has no v2. */
int vmiring_query_status(const vmiring_options *opts, struct vmiring_status *st,
                         struct vmiring_vcpu_info *vcpus, uint32_t nr);

/*
 * Ends a channel whoever holds it, releasing all vCPUs; 0 also if there is
 * none.  A legacy ring is disabled; an older Xen leaves vCPUs paused that
 * waited for an answer.  errno as open.
 */
int vmiring_force_release(const vmiring_options *opts);

/* A domain of a simulated host. */
struct vmiring_domain_entry {
    size_t size;             /* of each entry; set the first one's */
    uint32_t domid;
    uint32_t nr_vcpus;
    uint32_t state;          /* 0 running 1 shutdown 2 dying */
    uint32_t shutdown_code;
    uint64_t nr_pages;
    char name[48];
    uint8_t uuid[16];
};

/*
 * Fills up to nr entries, with ascending domids from first on, and returns how
 * many.  Fewer than nr: that was all.  sim is the host's socket; NULL gives
 * ENOTSUP, as on Xen xenstore has the names.  Otherwise errno as open.
 */
int vmiring_sim_domains(const char *sim, uint32_t first,
                        struct vmiring_domain_entry *out, uint32_t nr);

/*
 * Returns a file descriptor (O_CLOEXEC, non-blocking) that becomes readable
 * whenever domains of that host come or go: read and ignore what is there,
 * then list them anew.  End of file: the host has ended.  The caller closes
 * it.  errno as vmiring_sim_domains(); on Xen, watch xenstore.
 */
int vmiring_sim_watch(const char *sim);

/* ---- guest memory ---- */

/*
 * Read and write guest-physical memory.  Return the bytes done, which may be
 * fewer than size when a page is not there; then *bad (if not NULL) is the
 * first address that could not be accessed.  -1 if none could: EFAULT no
 * memory there, EINVAL size is 0.
 */
int64_t vmiring_read_phys(vmiring *h, uint64_t gpa, void *buf, size_t size, uint64_t *bad);
int64_t vmiring_write_phys(vmiring *h, uint64_t gpa, const void *buf, size_t size, uint64_t *bad);

/*
 * The same at a linear address (in 16- and 32-bit code add the segment's
 * base), translated with the paging mode and CR3 of ev, which needs at least
 * VMIRING_REGS_CORE (else ENODATA).  EFAULT: not mapped.  Permissions in the
 * tables are not looked at, accessed and dirty bits not set.
 * On arm64: stage 1 of EL1 and EL0, from TTBR0 or TTBR1 as TCR says, granules
 * of 4, 16 and 64 KiB, without the 52-bit formats; AArch32 guests are ENOTSUP.
 * The legacy ABI does not say whether the MMU is on: it is taken to be when
 * both TTBRs and TCR are not all zero.
 */
int64_t vmiring_read_virt(vmiring *h, const struct vmiring_event *ev, uint64_t va,
                          void *buf, size_t size, uint64_t *bad);
int64_t vmiring_write_virt(vmiring *h, const struct vmiring_event *ev, uint64_t va,
                           const void *buf, size_t size, uint64_t *bad);
int vmiring_translate(vmiring *h, const struct vmiring_event *ev, uint64_t va, uint64_t *gpa);

const char *vmiring_reason_name(uint32_t reason);

#ifdef __cplusplus
}
#endif
#endif /* VMIRING_H */
