/* SPDX-License-Identifier: MIT */
/*
 * What libvmi-ring and a simulated host (vmi-sim) say to each other.
 *
 * The simulated host listens on a Unix socket of type SOCK_SEQPACKET.  One
 * connection stands for one process's set of Xen handles (privcmd, evtchn):
 * closing it, also by being killed, unbinds all its ports, unmaps nothing
 * (mappings of a memfd outlive it, as resource mappings outlive privcmd) and
 * undoes its domain pauses.  Unbinding the last port of a channel is what Xen
 * sees as the agent's death; a legacy ring stays enabled, as on Xen.
 *
 * The client sends one request and waits for its one reply.  A request is a
 * struct simp_req and data_size[0] + data_size[1] bytes behind it, in one
 * packet.  A reply is a struct simp_rep and data_size[0] + data_size[1] bytes;
 * its nr_fds file descriptors come as SCM_RIGHTS of the same packet.  Both
 * run on one machine: native byte order.  cookie is echoed, so that a client
 * notices a lost step.
 *
 * rc is 0 (or what an op says), or a negative errno of Linux, which Xen shares
 * for all that are used here.  Every op can give
 *   -EINVAL      a size, pad or unused argument is wrong (unused ones are 0)
 *   -EOPNOTSUPP  unknown op, or one that this host does not offer
 *   -ESRCH       no such domain
 *   -EPERM       not allowed, or the connection is restricted (SIMP_RESTRICT)
 * With a negative rc there are neither data nor fds; but DM_OP's -ERESTART is
 * never seen (the server continues by itself, as the hypercall stub does).
 *
 * A packet that is not a request (short, or sizes that do not add up) closes
 * the connection.  HELLO comes first; before it everything is -EPERM.
 */
#ifndef VMIRING_SIM_PROTO_H
#define VMIRING_SIM_PROTO_H

#include <assert.h>
#include <stdint.h>

#define SIMP_MAGIC       0x4d495356U  /* "VSIM" as bytes */
#define SIMP_VERSION     1U

/* A dm_op buffer is at most one page, and a request has two. */
#define SIMP_BUF_MAX     4096U
#define SIMP_PACKET_MAX  (64U + 2 * SIMP_BUF_MAX)
#define SIMP_FDS_MAX     2U

/* Where a host listens unless it is told otherwise. */
#define SIMP_SOCKET_DEFAULT  "/run/vmi-sim.sock"

enum simp_op {
    /*
     * HELLO: arg[0] = SIMP_MAGIC, arg[1] = SIMP_VERSION; data 0: the client's
     * name (comm and pid as "vmi-agent[12]", no NUL), for messages.
     * Reply: val[0] = SIMP_VERSION, val[1] = SIMP_HAS_*.
     * -EPROTO: another version.
     */
    SIMP_HELLO = 1,

    /*
     * LIST: arg[0] = first domid, arg[1] = room in entries.
     * Reply: rc = number of entries; data 0: struct simp_domain[rc], with
     * ascending domids.  No more than fits is an answer too: ask again behind
     * the last.
     */
    SIMP_LIST = 2,

    /* DOMINFO of domid.  Reply: data 0: one struct simp_domain. */
    SIMP_DOMINFO = 3,

    /*
     * DM_OP: the hypercall.  data 0 and 1: the buffers (1 may be empty).
     * Reply: rc as the hypercall's; data 0 and 1: the buffers afterwards, with
     * the same sizes.  rc < 0: none, the caller's buffers stay as they are.
     */
    SIMP_DM_OP = 4,

    /*
     * MAP_RESOURCE: XENMEM_acquire_resource.  arg[0] = type, arg[1] = id,
     * arg[2] = first frame, arg[3] = number of frames (4096 bytes each).
     * Reply: one fd, a memfd in which these frames lie one after the other,
     * from byte offset val[0] on.  It may be mapped any number of times, at
     * any offset inside, also writable: what an agent should not write it
     * maps with PROT_READ, and Xen trusts neither.
     */
    SIMP_MAP_RESOURCE = 5,

    /*
     * BIND: arg[0] = a port of Xen that waits for this caller (the doorbell of
     * CREATE and ATTACH, or LEGACY_ENABLE's).  Reply: val[0] = the local port
     * (what vmev2_op_info.agent_port shows); two non-blocking eventfds: the
     * first becomes readable when Xen notifies, and already is, as a port is
     * pending just after it was bound; writing to the second notifies Xen.
     * -EINVAL: no such port, or it is bound already.
     */
    SIMP_BIND = 6,

    /* UNBIND: arg[0] = local port.  The client closes its own fds. */
    SIMP_UNBIND = 7,

    /*
     * RESTRICT this connection to domid: from now on another domid, a second
     * RESTRICT and the ops from SIMP_LEGACY_VERSION on, except READ_PHYS and
     * WRITE_PHYS, are -EPERM.
     */
    SIMP_RESTRICT = 8,

    /*
     * WATCH: from the reply on, the host sends a struct simp_rep with op WATCH
     * and cookie 0 whenever domains have come or gone.  What was not received
     * yet stands for what comes later too: LIST, on another connection, tells
     * the rest.
     */
    SIMP_WATCH = 9,

    /* LEGACY_VERSION.  Reply: val[0] = VM_EVENT_INTERFACE_VERSION. */
    SIMP_LEGACY_VERSION = 16,

    /*
     * LEGACY_ENABLE the monitor ring.  Reply: one fd, a memfd whose first page
     * is the ring; val[0] = Xen's port to BIND.
     * -EBUSY: a ring or a v2 channel is in use.
     */
    SIMP_LEGACY_ENABLE = 17,

    /* LEGACY_DISABLE.  -EBUSY: cannot be now, try again. */
    SIMP_LEGACY_DISABLE = 18,

    /* LEGACY_RESUME: consume the responses in the ring, as a kick does. */
    SIMP_LEGACY_RESUME = 19,

    /*
     * LEGACY_MONITOR: data 0: struct simp_monitor.
     * -EEXIST: it already is in that state; -EOPNOTSUPP: cannot be raised.
     */
    SIMP_LEGACY_MONITOR = 20,

    /* LEGACY_CAPABILITIES.  Reply: val[0] = 1 << XEN_DOMCTL_MONITOR_EVENT_*. */
    SIMP_LEGACY_CAPABILITIES = 21,

    /*
     * ACCESS_SET: arg[0] = first GFN (~0: the default), arg[1] = number,
     * arg[2] = XENMEM_access_*.  ACCESS_GET: arg[0] = GFN; val[0] = access.
     * (v2 uses DM_OP for this.)
     */
    SIMP_LEGACY_ACCESS_SET = 22,
    SIMP_LEGACY_ACCESS_GET = 23,

    /* The toolstack's pause, counted per connection. */
    SIMP_PAUSE = 32,
    SIMP_UNPAUSE = 33,

    /*
     * READ_PHYS: arg[0] = guest-physical address, arg[1] = size, 1 to 4096,
     * not across a page boundary.  Reply: data 0: the bytes.
     * WRITE_PHYS: arg[0] = address, data 0: the bytes, likewise.
     * -EFAULT: no memory there.
     */
    SIMP_READ_PHYS = 34,
    SIMP_WRITE_PHYS = 35
};

/* val[1] of HELLO: which ABIs this host offers. */
#define SIMP_HAS_V2      (1U << 0)
#define SIMP_HAS_LEGACY  (1U << 1)

struct simp_req {
    uint32_t op;            /* enum simp_op */
    uint32_t cookie;
    uint32_t domid;         /* 0 for HELLO, LIST and LEGACY_VERSION */
    uint32_t pad;
    uint32_t data_size[2];
    uint64_t arg[4];
    uint64_t pad2;
};

struct simp_rep {
    uint32_t op;            /* of the request */
    uint32_t cookie;
    int32_t rc;
    uint32_t nr_fds;
    uint32_t data_size[2];
    uint64_t val[4];
    uint64_t pad;
};

struct simp_domain {
    uint32_t domid;
    uint32_t nr_vcpus;
    uint32_t state;         /* VMEV2_DOMAIN_* */
    uint32_t shutdown_code; /* with VMEV2_DOMAIN_SHUTDOWN */
    uint64_t nr_pages;
    char name[48];          /* NUL-terminated */
    uint8_t uuid[16];
};

/*
 * xen_domctl_monitor_op with its options.  event numbers are those of
 * XEN_DOMCTL_MONITOR_EVENT_*; a field that an event does not know is 0.
 */
struct simp_monitor {
    uint32_t op;            /* XEN_DOMCTL_MONITOR_OP_*: 0 enable, 1 disable,
                             * 3 emulate_each_rep: event is 0 or 1,
                             * 4 control_registers: the rest is 0.  From then
                             * on a CR or MSR write waits for its answer. */
    uint32_t event;
    uint8_t sync;           /* WRITE_CTRLREG, GUEST_REQUEST, DEBUG_EXCEPTION, VMEXIT */
    uint8_t onchangeonly;   /* WRITE_CTRLREG, MOV_TO_MSR */
    uint8_t userspace;      /* GUEST_REQUEST */
    uint8_t pad;
    uint32_t index;         /* WRITE_CTRLREG */
    uint32_t msr;           /* MOV_TO_MSR */
    uint32_t pad2;
    uint64_t mask;          /* WRITE_CTRLREG */
};

static_assert(sizeof(struct simp_req) == 64, "request header");
static_assert(sizeof(struct simp_rep) == 64, "reply header");
static_assert(sizeof(struct simp_domain) == 88, "domain entry");
static_assert(sizeof(struct simp_monitor) == 32, "monitor op");

#endif /* VMIRING_SIM_PROTO_H */
