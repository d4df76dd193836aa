/* SPDX-License-Identifier: MIT */
/*
 * A Xen of one domain, inside the test's process: implements struct host_ops
 * over memfds and eventfds, with the rules of the v2 ABI's text.  Tests raise
 * events in it, look at what the library wrote, and make it misbehave.
 */
#ifndef TEST_UNIT_FAKE_H
#define TEST_UNIT_FAKE_H

#include "private.h"

#define FAKE_DOMID      7U
#define FAKE_VCPUS_MAX  16U
#define FAKE_PORT       33U     /* Xen's end of the doorbell */
#define FAKE_LOCAL      5       /* ours */
#define FAKE_GUEST      (64U * HOST_PAGE)

struct fake_vcpu {
    uint64_t seq;               /* of the last event raised */
    uint64_t req_seq;
    bool outstanding;
    bool bound;                 /* the port of its slot, by a worker */
    struct vmev2_rsp rsp;       /* the answer taken last */
    struct vmev2_vcpu_info info;
};

struct fake_ring {
    uint64_t prod;
    uint64_t cons;
    uint64_t lost;
    uint64_t awake;
};

struct fake {
    struct host host;
    uint32_t nr_vcpus;
    uint32_t nr_rings;
    uint32_t ring_bytes;
    uint32_t slot_ports;        /* what CREATE finds ports for */
    uint64_t features;
    uint32_t rsp_flags;
    uint64_t reasons;
    uint64_t first_pos;         /* where the rings' positions begin */

    uint32_t state;
    uint64_t generation;
    uint32_t on_death;
    uint64_t released_before;
    bool legacy;                /* INFO: the legacy ring is in use */
    int memfd[VMEV2_RES_KINDS];
    uint8_t *mem[VMEV2_RES_KINDS];
    uint32_t frames[VMEV2_RES_KINDS];
    struct vmev2_ctrl *ctrl;
    struct fake_vcpu vcpu[FAKE_VCPUS_MAX];
    struct fake_ring ring[FAKE_VCPUS_MAX];

    int bell;                   /* eventfd: Xen rings */
    bool bound;
    bool deaf;                  /* kicks are counted, and not acted on */
    bool keep_quiet;            /* no doorbell, whatever happens */
    unsigned int kicks;
    unsigned int resumes;
    unsigned int bells;
    unsigned int maps, unmaps;
    bool closed;
    uint32_t restricted_to;

    /* The next command of this kind fails so; 0: none does. */
    uint32_t fail_cmd;
    int fail_errno;
    unsigned int fail_times;    /* so often; 0: always */
    bool lease_ends;            /* CREATE finds the channel idle */
    int fail_bind;
    int fail_kick;
    int fail_map;
    unsigned int fail_map_after;    /* maps that work before */
    uint32_t last_cmd;
    struct vmev2_op_monitor monitor;    /* as asked for last */
    struct vmev2_op_create create;      /* likewise */
    uint32_t nr_subs;
    struct vmev2_op_monitor subs[16];
    struct vmev2_op_access access;
    unsigned int lists;         /* of pages, that came */
    uint32_t list_takes;        /* pages, until one is not there */

    uint8_t *guest;             /* FAKE_GUEST bytes at guest-physical 0 */
    uint64_t guest_holes;       /* bit n: page n is not there */
    unsigned int phys_reads;
};

struct fake *fake_new(uint32_t nr_vcpus);
void fake_free(struct fake *f);

/* Options that open this fake. */
vmiring_options fake_options(void);
vmiring *fake_open(struct fake *f);
vmiring *fake_open_with(struct fake *f, const vmiring_options *o);

struct vmev2_slot *fake_slot(struct fake *f, uint32_t vcpu);
struct vmev2_vcpu_line *fake_line(struct fake *f, uint32_t vcpu);
struct vmev2_ring_line *fake_ring_line(struct fake *f, uint32_t ring);
uint8_t *fake_pending(struct fake *f, uint32_t vcpu);
/* What the library published: how far it is, and how far it looks unasked. */
uint64_t fake_cons(struct fake *f, uint32_t ring);
uint64_t fake_awake(struct fake *f, uint32_t ring);
/* Where position pos of a ring is. */
uint8_t *fake_at(struct fake *f, uint32_t ring, uint64_t pos);

/*
 * What guests do.  size is of the whole record, at least 32; regs as
 * VMEV2_REGS_*, if size has room for them.  async returns whether it was
 * stored (not lost); both give it the vCPU's next sequence number.
 */
bool fake_async(struct fake *f, uint32_t vcpu, uint32_t reason, uint32_t size);
void fake_sync(struct fake *f, uint32_t vcpu, uint32_t reason);
/* A sync request with all that it can carry. */
void fake_sync_full(struct fake *f, uint32_t vcpu, uint32_t reason,
                    const void *payload, uint32_t payload_size,
                    const void *regs, uint8_t set);
/* Policy ends the request that stands in the slot. */
void fake_release(struct fake *f, uint32_t vcpu);
/* Publishes the request once more, as one whose answer was refused. */
void fake_refuse(struct fake *f, uint32_t vcpu, uint32_t error);
void fake_domain(struct fake *f, uint32_t state, uint32_t code);
void fake_ring_bell(struct fake *f);
/* What Xen does when it is kicked. */
void fake_visit(struct fake *f);

/* Is fd readable now? */
bool readable(int fd);
/* Receives up to max, at least one; fails the test otherwise. */
int must_receive(vmiring *h, struct vmiring_event *ev, int max);
/* Receives nothing, with EAGAIN. */
void must_be_empty(vmiring *h);

#endif /* TEST_UNIT_FAKE_H */
