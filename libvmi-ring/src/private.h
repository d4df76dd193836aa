/* SPDX-License-Identifier: MIT */
/*
 * Inside libvmi-ring.
 *
 *   application
 *       |            vmiring.h
 *   receive.c, respond.c, event.c, memory.c, ...   one loop for both ABIs
 *       |            struct engine_ops
 *   v2.c             legacy.c                      each converts its ABI into
 *       |                |                         struct event, once
 *       |  struct host_ops, struct legacy_ops      (host.h)
 *   xen_host.c   sim_host.c   legacy_xen.c (plugin)
 *
 * and replay.c, which is an engine and a host of its own (capture.h).
 */
#ifndef VMIRING_PRIVATE_H
#define VMIRING_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmiring.h"
#include "host.h"
#include "shm.h"
#include "vm_event_v2.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Events handed out by one vmiring_receive().  More wait for the next call. */
#define BATCH_MAX 256U

/* ---- error.c ---- */

struct msg {
    char text[320];
};

/* Sets errno and the message; returns -1. */
int fail(struct msg *msg, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* EOPNOTSUPP: mode is ", synchronous" or the like. */
int cannot_raise(vmiring *h, uint32_t reason, const char *mode);
/* The calling thread's message of a failed open. */
struct msg *open_msg(void);

/* ---- event.c: the one internal event ---- */

/* Which registers a capture really holds. */
enum reg_layout {
    REGS_ABSENT,
    REGS_X86,               /* struct vmev2_regs_x86, up to CORE or ALL */
    REGS_X86_LEGACY,        /* the same, but no tsc */
    REGS_ARM64,             /* struct vmev2_regs_arm64 */
    REGS_ARM_LEGACY,        /* the same: pc, cpsr, ttbr0, ttbr1, tcr alone */
    REGS_X86_REPLAYED,      /* struct replay_regs */
    REGS_ARM_REPLAYED,
};

/*
 * payload and regs point into the ring, or into body; both are 8-byte aligned.
 * rec is always a private copy: its sizes were checked and stay true.
 */
struct event {
    struct vmev2_rec rec;
    const void *payload;
    const void *regs;
    enum reg_layout layout;
    uint32_t error;         /* VMEV2_ERR_* of the answer that was refused */
    uint64_t handle;        /* sync: nonzero */
    /* An event of a ring has all it needs above, in one cache line. */
    struct vmiring_lost lost;       /* reason VMIRING_LOST */
    struct vmiring_domain domain;   /* reason VMIRING_DOMAIN */
    uint8_t *body;          /* event_body_size bytes of this event's own */
    bool replayed;          /* body is a struct replay_body */
} __attribute__((aligned(64)));

/*
 * Checks a record header against the bytes that are there, and sets payload
 * and regs for a record that starts at from.  Returns NULL, or the name of the
 * field that is wrong.
 */
const char *event_from_rec(struct event *e, const void *from, uint64_t avail,
                           uint32_t nr_vcpus, bool arm64);
void event_lost(struct event *e, uint32_t vcpu, uint64_t count, uint64_t last);
void event_domain(struct event *e, uint32_t state, uint32_t code);
void event_publish(const struct event *e, struct vmiring_event *ev);

/* ---- engines ---- */

struct engine_ops {
    enum vmiring_abi abi;

    /* Is the channel still ours?  0, or -1 with errno and message. */
    int (*check)(vmiring *h);
    /* Looks for what is new; next() then hands it out. */
    int (*collect)(vmiring *h);
    /* Called when a look found nothing; may be NULL. */
    void (*idle)(vmiring *h);
    /* The next event: 1, 0 none, -1 errno and message (for good). */
    int (*next)(vmiring *h, struct event *e);
    /* What is still to be told after check() failed: 1 or 0; may be NULL. */
    int (*last)(vmiring *h, struct event *e);
    /*
     * Publishes how far we have read, a full barrier behind it, and looks
     * whether anything came meanwhile.
     */
    bool (*settle)(vmiring *h);

    /* Losses that Xen counted and no event has reported yet; may be NULL. */
    uint64_t (*untold)(const vmiring *h);
    /* Deadlines that have passed; NULL: there are none. */
    uint64_t (*expired)(const vmiring *h);

    /* vcpu and handle as the event said; rsp was checked, or is NULL. */
    int (*respond)(vmiring *h, uint32_t vcpu, uint64_t handle,
                   const struct vmiring_response *rsp);
    int (*kick)(vmiring *h);

    /* s was checked.  EEXIST, ENOENT, EOPNOTSUPP with message. */
    int (*monitor)(vmiring *h, const struct vmiring_subscription *s,
                   bool enable);
    int (*set_access)(vmiring *h, uint64_t first, uint64_t nr, uint8_t access);
    int (*get_access)(vmiring *h, uint64_t gfn, uint8_t *access);
    int (*set_access_list)(vmiring *h, const uint64_t *gfns, const uint8_t *access,
                           size_t nr, size_t *done);

    /* Ends everything.  leave: keep the channel for the next agent. */
    int (*leave)(vmiring *h);
    void (*close)(vmiring *h, bool child);
};

struct vmiring {
    const struct engine_ops *engine;
    struct host *host;
    struct msg msg;

    uint32_t domid;
    uint32_t nr_vcpus;
    uint64_t caps;
    uint64_t reasons;       /* bit n: reason n can be subscribed to */
    uint32_t rsp_flags;     /* VMIRING_RSP_* that can be applied */
    int local_port;         /* -1: none */
    bool simulated;
    bool arm64;
    bool held_on_leave;     /* policy HOLD: leave() leaves something */
    char *holder_file;      /* what tells others who we are; NULL: none */

    /* fork.c: a page that is zero in a child. */
    pid_t pid;
    const uint32_t SHARED *alive;

    /* fd.c */
    int epoll_fd;
    int more_fd;            /* eventfd: armed while work is known to wait */
    bool more_armed;

    /* receive.c */
    struct event *batch;    /* BATCH_MAX */
    uint8_t *bodies;
    size_t body_size;
    uint32_t spin_us;       /* the longest spin; 0: none */
    uint64_t spin_now;      /* how long to spin next, in us */
    uint64_t left_at;       /* when receive_wait() left the sleep to its caller */
    bool spinning;          /* looks again by itself, without being woken */
    bool batch_held;
    bool kick_due;
    int broken;             /* errno that every call gives from now on */

    struct vmiring_subscription *subs;  /* what close has to take back */
    size_t nr_subs;

    struct vmiring_geometry geometry;
    struct vmiring_clock clock;
    struct vmiring_stats stats;

    struct v2 *v2;          /* one of the two */
    struct legacy *legacy;
};

/* ---- options.c ---- */

/*
 * Copies a caller's versioned struct: smaller than ours is padded with zeros,
 * larger must be zero behind what we know.  min is the first size there was.
 */
int copy_in(struct msg *msg, const char *what, void *out, size_t size,
            const void *in, size_t min);
/* Copies ours to a caller's versioned struct, as far as that has room. */
int copy_out(struct msg *msg, const char *what, void *out, const void *in,
             size_t size, size_t min);
int options_check(struct msg *msg, vmiring_options *out,
                  const vmiring_options *in);

/* ---- host back ends ---- */

struct host *xen_host_open(struct msg *msg);
struct host *sim_host_open(struct msg *msg, const char *path);
struct legacy_host *sim_legacy(struct host *host);
struct legacy_host *legacy_plugin_open(struct msg *msg, const char *path);
/* Whether a simulated host offers an ABI; real Xen is asked by QUERY. */
bool sim_host_offers(struct host *host, enum vmiring_abi abi);

/* ---- v2.c, v2_open.c, v2_close.c ---- */

int v2_open(vmiring *h, const vmiring_options *opts);
/* worker.c */
int worker_check(struct msg *msg, const vmiring_options *o,
                 struct vmiring_worker *out, const struct vmiring_worker *in);
int v2_open_worker(vmiring *h, const struct vmiring_worker *w);
int v2_query(struct host *host, uint32_t domid, struct vmev2_op_query *q);
int v2_info(struct host *host, uint32_t domid, struct vmev2_op_info *info,
            struct vmev2_vcpu_info *vcpus, uint32_t first, uint32_t nr);
/* Open on a host that the caller made: the unit tests' doors. */
vmiring *vmiring_open_on(struct host *host, struct legacy_host *lh,
                         const vmiring_options *opts);
vmiring *vmiring_worker_on(struct host *host, const vmiring_options *o,
                           const struct vmiring_worker *w);
/* errno of a failed QUERY: EPROTONOSUPPORT means that there is no v2. */
int v2_query_fail(struct msg *msg, uint32_t domid);
/* The host that opts names. */
struct host *host_for(struct msg *msg, const vmiring_options *opts);
/* The host's legacy side; a real Xen's is the plugin. */
struct legacy_host *legacy_for(struct msg *msg, struct host *host,
                               const vmiring_options *opts);

/* ---- legacy.c ---- */

int legacy_open(vmiring *h, struct legacy_host *lh,
                const vmiring_options *opts);

/* ---- receive.c, respond.c ---- */

int same_process(vmiring *h);
/* The same process, and nothing went wrong for good. */
int usable(vmiring *h);
int flush_kicks(vmiring *h);
int response_check(struct msg *msg, const struct vmiring_response *rsp,
                   uint32_t reason, uint32_t can, bool arm64);

/* ---- fd.c ---- */

int fds_open(vmiring *h);
int fds_watch(vmiring *h, int fd);
void fds_arm(vmiring *h);
void fds_disarm(vmiring *h);
void fds_close(vmiring *h);

/* ---- fork.c ---- */

int fork_mark(vmiring *h);
bool fork_is_child(const vmiring *h);
void fork_unmark(vmiring *h);

/* ---- holder.c: who has the channel ---- */

void holder_write(vmiring *h, const vmiring_options *opts);
void holder_remove(vmiring *h);
/* "comm[pid]" of this process. */
void holder_own_name(char *out, size_t size);
/* "vmi-agent[12]", or "" if nobody left a name or who did is gone. */
void holder_read(const vmiring_options *opts, char *out, size_t size);

#endif /* VMIRING_PRIVATE_H */
