/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests that call the hypervisor's files directly: a guest is played by the
 * test, and so is an agent, which looks at the shared pages through the very
 * mapping that Xen has (one mapping is what ThreadSanitizer needs to see races
 * between the two).
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "sim.h"

#include <private.h>

#include <public/domctl.h>
#include <public/hvm/dm_op.h>
#include <public/io/ring.h>

/* ---- checks: a failure is printed, and makes test_end() return 1 ---- */

bool check_(bool ok, const char *what, const char *file, int line);
bool check_eq_(int64_t a, int64_t b, const char *what, const char *file,
               int line);
#define CHECK(cond)     check_(cond, #cond, __FILE__, __LINE__)
#define CHECK_EQ(a, b)  check_eq_(a, b, #a " == " #b, __FILE__, __LINE__)
/* Names the case that the next failures belong to; printf-like. */
void test_case(const char *fmt, ...) __attribute__((__format__(printf, 1, 2)));
int test_end(void);
/* Whether a check has failed so far. */
int test_failures(void);

/* ---- guests ---- */

struct domain *new_domain(unsigned int nr_vcpus);
/* Raises a guest request on v; v is descheduled afterwards. */
void guest_request(struct vcpu *v);
/* Brings every vCPU that may run into its guest; returns how many got there. */
unsigned int resume_all(struct domain *d);
/* vCPUs that may not run. */
unsigned int nr_paused(const struct domain *d);

/* ---- an agent of version 2 ---- */

struct agent {
    struct domain *d;
    struct vmev2_op_create created;
    uint64_t generation;
    struct sim_binding *bell;
    uint64_t pos;               /* consumed of ring 0 */
};

/* One dm_op with the operation alone; results are written back into it. */
int v2_op(struct domain *d, struct vmev2_op *op);
int v2_create(struct agent *a, struct domain *d,
              const struct vmev2_op_create *wish);
int v2_attach(struct agent *a, struct domain *d, uint32_t flags);
int v2_bind(struct agent *a);
/* Create with defaults, bind, subscribe to guest requests. */
void v2_start(struct agent *a, struct domain *d, bool sync);
int v2_monitor(struct agent *a, uint32_t reason, bool enable, bool sync,
               uint8_t regs);
int v2_destroy(struct agent *a);
/* Also takes back what was promised in user.awake (R6). */
int v2_resume(struct agent *a);
/* The agent's process dies: its port is closed, nothing else. */
void v2_die(struct agent *a);
void v2_kick(struct agent *a);
int v2_info(struct domain *d, struct vmev2_op_info *info, unsigned int first,
            unsigned int nr, struct vmev2_vcpu_info *out);
uint32_t v2_state(struct domain *d);
struct vmev2_vcpu_info v2_vcpu(struct domain *d, unsigned int vcpu);

/* The port of a slot, as the control page says; 0: none. */
evtchn_port_t v2_slot_port(struct agent *a, unsigned int vcpu);
int v2_bind_slot(struct agent *a, unsigned int vcpu, struct sim_binding **port);
/* A kick of any port. */
void v2_ring(struct sim_binding *port);
/* VMEV2_PENDING_* of a slot. */
uint8_t v2_byte(struct agent *a, unsigned int vcpu);

struct vmev2_ctrl *v2_ctrl(struct agent *a);
struct vmev2_slot *v2_slot(struct agent *a, unsigned int vcpu);
/* The request that waits in a slot; 0: none. */
uint64_t v2_pending(struct agent *a, unsigned int vcpu);
/* Answers with the response that stands in the slot, flags apart. */
void v2_answer(struct agent *a, unsigned int vcpu, uint32_t flags);
/* The next record of ring i from *pos on, or NULL; copied to room. */
const struct vmev2_rec *v2_next(struct agent *a, unsigned int ring,
                                uint64_t *pos, void *room);
/* Tells Xen how far ring i has been consumed. */
void v2_consumed(struct agent *a, unsigned int ring, uint64_t pos);
struct vmev2_user_line *v2_user(struct agent *a, unsigned int ring);
struct vmev2_ring_line *v2_ring_line(struct agent *a, unsigned int ring);

/* ---- an agent of the legacy ABI ---- */

struct legacy {
    struct domain *d;
    uint32_t mode;              /* XEN_DOMCTL_VM_EVENT_OP_* */
    struct sim_binding *bell;
    vm_event_back_ring_t ring;
    evtchn_port_t port;
};

int legacy_enable(struct legacy *l, struct domain *d);
int legacy_enable_mode(struct legacy *l, struct domain *d, uint32_t mode);
int legacy_bind(struct legacy *l);
int legacy_disable(struct legacy *l);
int legacy_monitor(struct domain *d, uint32_t op, uint32_t event, bool sync);
/* Enable, bind and subscribe to guest requests. */
void legacy_start(struct legacy *l, struct domain *d, bool sync);
void legacy_stop(struct legacy *l);
bool legacy_next(struct legacy *l, vm_event_request_t *req);
/* Puts a response; the kick is separate. */
void legacy_put(struct legacy *l, const vm_event_response_t *rsp);
void legacy_kick(struct legacy *l);
/* Answers a request with what it asked for and nothing else. */
void legacy_answer(struct legacy *l, const vm_event_request_t *req);

#endif
