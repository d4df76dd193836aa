/* SPDX-License-Identifier: MIT */
/* State of the v2 engine, shared by v2.c, v2_open.c and v2_control.c. */
#ifndef VMIRING_V2_H
#define VMIRING_V2_H

#include "private.h"

struct v2_ring {
    const uint8_t *bytes;   /* the ring, mapped twice in a row */
    const struct vmev2_ring_line SHARED *line;
    struct vmev2_user_line SHARED *user;
    uint64_t cons;          /* the next record to hand out */
    uint64_t limit;         /* prod when we last looked */
    uint64_t published;     /* what user->cons says */
    uint64_t awake;         /* what user->awake says */
    uint64_t lost_told;     /* sum of its vCPUs' lost_told */
};

struct v2_vcpu {
    uint64_t next_seq;      /* expected; they begin at 1.  0: not known */
    uint64_t lost_told;     /* of Xen's lost counter: reported, or not ours */
    uint64_t taken;         /* req_seq of the request handed out last */
    uint64_t answered;      /* req_seq of the request answered last */
    uint64_t seen;          /* queued: req_seq that we saw */
    uint64_t wait_pos;      /* ... ring position to reach before hand-out */
    bool queued;            /* in v2.queue */
    bool unplaced;          /* ... and wait_pos is yet to be set */
    uint8_t serve;          /* bit n: its request is ours while its byte is n */
    bool due;               /* worker: answered, and Xen was not told yet */
    bool has_port;          /* worker: local is the slot's port, bound by us */
    int local;
};

struct v2 {
    uint64_t generation;

    /* Copies, checked once; the shared ones are not looked at again. */
    uint32_t nr_vcpus;
    uint32_t nr_rings;
    uint32_t ring_bytes;
    uint32_t slot_size;
    uint32_t slot_rsp;
    uint32_t frames[VMEV2_RES_KINDS];

    const struct vmev2_ctrl SHARED *ctrl;
    const uint8_t SHARED *pending;  /* one byte per vCPU */
    const uint32_t SHARED *ports;   /* of slots; NULL: this Xen has none */
    const struct vmev2_vcpu_line SHARED *lines;
    const struct vmev2_ring_line SHARED *ring_lines;
    uint8_t SHARED *slots;
    struct vmev2_user_line SHARED *user;

    struct v2_ring *rings;
    struct v2_vcpu *vcpus;

    /* vCPUs with a request to hand out, oldest first; each at most once. */
    uint32_t *queue;
    uint32_t queue_head;
    uint32_t queue_len;

    /* A worker's vCPUs, ascending; it has no ring.  NULL: not a worker. */
    uint32_t *own;
    uint32_t nr_own;
    uint32_t nr_due;

    /* An heir's last answer to each vCPU, which a predecessor may spoil. */
    struct vmiring_response *kept;

    uint32_t ring_turn;     /* which ring is looked at first */
    uint32_t domain_told;   /* VMEV2_DOMAIN_* that was reported */
    bool inherited;         /* the slots may hold a predecessor's answers */
    bool heir;              /* a predecessor may still run, and write */
    bool stable;            /* rings were seen empty after the last look */
    bool access_looks;      /* a change of access has Xen look for answers */
    bool promised;          /* user->awake may be ahead of what Xen produced */
    uint32_t busy;          /* looks in a row that found records in a ring */
};

static inline uint32_t v2_ring_of(const struct v2 *v2, uint32_t vcpu)
{
    return v2->nr_rings == 1 ? 0 : vcpu;
}

/* VMEV2_PENDING_*: is what waits in this vCPU's slot ours to answer? */
static inline bool v2_ours(const struct v2 *v2, uint32_t vcpu, uint8_t pending)
{
    return pending < 8 && (v2->vcpus[vcpu].serve >> pending & 1);
}

static inline struct vmev2_slot SHARED *v2_slot(const struct v2 *v2,
                                                uint32_t vcpu)
{
    return (void SHARED *)(v2->slots + (size_t)vcpu * v2->slot_size);
}

static inline struct vmev2_rsp SHARED *v2_rsp(const struct v2 *v2,
                                              uint32_t vcpu)
{
    return (void SHARED *)((uint8_t SHARED *)v2_slot(v2, vcpu) + v2->slot_rsp);
}

/* v2.c */
extern const struct engine_ops v2_engine;
extern const struct engine_ops v2_heir_engine;
extern const struct engine_ops v2_worker_engine;
int v2_collect(vmiring *h);
void v2_recall(vmiring *h);
void v2_answer(vmiring *h, uint32_t vcpu, const struct vmiring_response *rsp);
int v2_kick(vmiring *h);

/* v2_open.c */
void v2_free(vmiring *h, bool child);
void *v2_map(vmiring *h, uint32_t kind, uint64_t first, uint64_t nr, int prot,
             unsigned int times);
int v2_alloc_vcpus(vmiring *h, uint32_t nr);
int v2_map_slots(vmiring *h);
int v2_read_geometry(vmiring *h);
uint32_t v2_slot_port(const struct v2 *v2, uint32_t vcpu);

/* worker.c */
int v2_worker_monitor(vmiring *h, const struct vmiring_subscription *s,
                      bool enable);
int v2_worker_set_access(vmiring *h, uint64_t first, uint64_t nr,
                         uint8_t access);
int v2_worker_get_access(vmiring *h, uint64_t gfn, uint8_t *access);
int v2_worker_set_access_list(vmiring *h, const uint64_t *gfns,
                              const uint8_t *access, size_t nr, size_t *done);
int v2_worker_leave(vmiring *h);
void v2_worker_close(vmiring *h, bool child);

/* v2_control.c */
void v2_op_init(struct vmev2_op *op, uint32_t cmd, uint64_t generation);
int v2_op(struct host *host, uint32_t domid, struct vmev2_op *op, void *buf,
          size_t size);
int v2_check(vmiring *h);
int v2_fail(vmiring *h, const char *what);
int v2_monitor(vmiring *h, const struct vmiring_subscription *s, bool enable);
int v2_set_access(vmiring *h, uint64_t first, uint64_t nr, uint8_t access);
int v2_get_access(vmiring *h, uint64_t gfn, uint8_t *access);
int v2_set_access_list(vmiring *h, const uint64_t *gfns, const uint8_t *access,
                       size_t nr, size_t *done);
int v2_leave(vmiring *h);
void v2_close(vmiring *h, bool child);

#endif /* VMIRING_V2_H */
