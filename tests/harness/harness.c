/* SPDX-License-Identifier: GPL-2.0-only */
#include "harness.h"

#include <xen/monitor.h>

#include <stdlib.h>

/* For the macros of io/ring.h. */
#define xen_mb()  smp_mb()
#define xen_rmb() smp_rmb()
#define xen_wmb() smp_wmb()

/* ---- checks ---- */

static unsigned int failures, checks;
static char case_name[256];

void test_case(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(case_name, sizeof(case_name), fmt, args);
    va_end(args);
}

bool check_(bool ok, const char *what, const char *file, int line)
{
    __atomic_fetch_add(&checks, 1, __ATOMIC_RELAXED);
    if ( !ok )
    {
        fprintf(stderr, "%s:%d: [%s] failed: %s\n", file, line, case_name, what);
        __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
    }

    return ok;
}

bool check_eq_(int64_t a, int64_t b, const char *what, const char *file,
               int line)
{
    if ( !check_(a == b, what, file, line) )
        fprintf(stderr, "    %" PRId64 " against %" PRId64 "\n", a, b);

    return a == b;
}

int test_failures(void)
{
    return failures != 0;
}

int test_end(void)
{
    if ( sim_leaks() )
        failures++;
    printf("%u checks, %u failed\n", checks, failures);
    if ( !checks )
        printf("no check was made\n");

    return failures || !checks;
}

/* ---- guests ---- */

struct domain *new_domain(unsigned int nr_vcpus)
{
    static domid_t last;
    char name[16];

    last++;
    snprintf(name, sizeof(name), "guest%u", last);

    return sim_domain_create(name, last, nr_vcpus);
}

void guest_request(struct vcpu *v)
{
    sim_vcpu_on(v);
    monitor_guest_request();
    sim_vcpu_off(v);
}

unsigned int resume_all(struct domain *d)
{
    unsigned int nr = 0;
    struct vcpu *v;

    for_each_vcpu ( d, v )
        nr += sim_vcpu_try_resume(v);

    return nr;
}

unsigned int nr_paused(const struct domain *d)
{
    unsigned int nr = 0;
    struct vcpu *v;

    for_each_vcpu ( d, v )
        nr += !vcpu_runnable(v);

    return nr;
}

/* The agent runs on another processor, whatever the test plays here. */
static void ring_bell(struct sim_binding *bell)
{
    struct vcpu *was = current;

    sim_thread_become(NULL);
    sim_evtchn_send(bell);
    sim_current = was;
}

/* ---- version 2 ---- */

int v2_op(struct domain *d, struct vmev2_op *op)
{
    struct xen_dm_op_buf buf = { .size = sizeof(*op) };

    op->dmop = XEN_DMOP_vm_event;
    buf.h.p = op;

    return sim_dm_op(d->domain_id, &buf, 1);
}

int v2_create(struct agent *a, struct domain *d,
              const struct vmev2_op_create *wish)
{
    struct vmev2_op op = { .cmd = VMEV2_CMD_CREATE };
    int rc;

    if ( wish )
        op.u.create = *wish;
    memset(a, 0, sizeof(*a));
    a->d = d;
    rc = v2_op(d, &op);
    if ( !rc )
    {
        a->created = op.u.create;
        a->generation = op.u.create.generation;
    }

    return rc;
}

int v2_attach(struct agent *a, struct domain *d, uint32_t flags)
{
    struct vmev2_op op = { .cmd = VMEV2_CMD_ATTACH, .flags = flags };
    int rc;

    memset(a, 0, sizeof(*a));
    a->d = d;
    rc = v2_op(d, &op);
    if ( !rc )
    {
        a->created = op.u.create;
        a->generation = op.u.create.generation;
    }

    return rc;
}

int v2_bind(struct agent *a)
{
    return sim_evtchn_bind(a->d, a->created.port, &a->bell);
}

int v2_monitor(struct agent *a, uint32_t reason, bool enable, bool sync,
               uint8_t regs)
{
    struct vmev2_op op = {
        .cmd = VMEV2_CMD_MONITOR, .generation = a->generation,
        .u.monitor.reason = reason, .u.monitor.enable = enable,
        .u.monitor.sync = sync, .u.monitor.regs = regs,
    };

    if ( reason == VMEV2_REASON_WRITE_CTRLREG )
        op.u.monitor.index = VM_EVENT_X86_CR3;
    if ( reason == VMEV2_REASON_MOV_TO_MSR )
        op.u.monitor.msr = 0x176;

    return v2_op(a->d, &op);
}

void v2_start(struct agent *a, struct domain *d, bool sync)
{
    CHECK_EQ(v2_create(a, d, NULL), 0);
    CHECK_EQ(v2_bind(a), 0);
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_GUEST_REQUEST, true, sync,
                        VMEV2_REGS_NONE), 0);
}

int v2_destroy(struct agent *a)
{
    struct vmev2_op op = { .cmd = VMEV2_CMD_DESTROY,
                           .generation = a->generation };
    int rc = v2_op(a->d, &op);

    if ( !rc && a->bell )
        v2_die(a);

    return rc;
}

int v2_resume(struct agent *a)
{
    struct vmev2_op op = { .cmd = VMEV2_CMD_RESUME,
                           .generation = a->created.generation };

    return v2_op(a->d, &op);
}

void v2_die(struct agent *a)
{
    sim_evtchn_unbind(a->bell);
    a->bell = NULL;
    sim_softirq_drain();
}

void v2_kick(struct agent *a)
{
    ring_bell(a->bell);
}

int v2_info(struct domain *d, struct vmev2_op_info *info, unsigned int first,
            unsigned int nr, struct vmev2_vcpu_info *out)
{
    struct vmev2_op op = { .dmop = XEN_DMOP_vm_event, .cmd = VMEV2_CMD_INFO,
                           .u.info.first = first, .u.info.nr = nr };
    struct xen_dm_op_buf buf[2] = { { .size = sizeof(op) },
                                    { .size = nr * sizeof(*out) } };
    int rc;

    buf[0].h.p = &op;
    buf[1].h.p = out;
    rc = sim_dm_op(d->domain_id, buf, nr ? 2 : 1);
    if ( !rc && info )
        *info = op.u.info;

    return rc;
}

uint32_t v2_state(struct domain *d)
{
    struct vmev2_op_info info = {};

    CHECK_EQ(v2_info(d, &info, 0, 0, NULL), 0);

    return info.state;
}

struct vmev2_vcpu_info v2_vcpu(struct domain *d, unsigned int vcpu)
{
    struct vmev2_vcpu_info one = {};

    CHECK_EQ(v2_info(d, NULL, vcpu, 1, &one), 0);

    return one;
}

static uint8_t *v2_area(struct agent *a, unsigned int kind)
{
    return a->d->vm_event->area[kind].va;
}

struct vmev2_ctrl *v2_ctrl(struct agent *a)
{
    return (void *)v2_area(a, VMEV2_RES_CTRL);
}

struct vmev2_slot *v2_slot(struct agent *a, unsigned int vcpu)
{
    return (void *)(v2_area(a, VMEV2_RES_SLOTS) + vcpu * VMEV2_SLOT_SIZE);
}

struct vmev2_user_line *v2_user(struct agent *a, unsigned int ring)
{
    return (struct vmev2_user_line *)v2_area(a, VMEV2_RES_USER) + ring;
}

struct vmev2_ring_line *v2_ring_line(struct agent *a, unsigned int ring)
{
    struct vmev2_ctrl *ctrl = v2_ctrl(a);

    return (struct vmev2_ring_line *)((uint8_t *)ctrl + ctrl->ring_off) + ring;
}

evtchn_port_t v2_slot_port(struct agent *a, unsigned int vcpu)
{
    const struct vmev2_ctrl *ctrl = v2_ctrl(a);
    const uint32_t *ports = (const void *)((const uint8_t *)ctrl +
                                           ctrl->port_off);

    return __atomic_load_n(&ports[vcpu], __ATOMIC_RELAXED);
}

int v2_bind_slot(struct agent *a, unsigned int vcpu, struct sim_binding **port)
{
    return sim_evtchn_bind(a->d, v2_slot_port(a, vcpu), port);
}

void v2_ring(struct sim_binding *port)
{
    ring_bell(port);
}

uint8_t v2_byte(struct agent *a, unsigned int vcpu)
{
    const struct vmev2_ctrl *ctrl = v2_ctrl(a);

    return __atomic_load_n((const uint8_t *)ctrl + ctrl->pending_off + vcpu,
                           __ATOMIC_ACQUIRE);
}

uint64_t v2_pending(struct agent *a, unsigned int vcpu)
{
    struct vmev2_slot *slot = v2_slot(a, vcpu);
    uint64_t seq = __atomic_load_n(&slot->req_seq, __ATOMIC_ACQUIRE);  /* S2 */

    return seq == __atomic_load_n(&slot->rsp.rsp_seq, __ATOMIC_RELAXED)
           ? 0 : seq;
}

void v2_answer(struct agent *a, unsigned int vcpu, uint32_t flags)
{
    struct vmev2_slot *slot = v2_slot(a, vcpu);
    uint64_t seq = __atomic_load_n(&slot->req_seq, __ATOMIC_ACQUIRE);  /* S2 */

    __atomic_store_n(&slot->rsp.flags, flags, __ATOMIC_RELAXED);       /* S3 */
    __atomic_store_n(&slot->rsp.rsp_seq, seq, __ATOMIC_RELEASE);       /* S4 */
}

const struct vmev2_rec *v2_next(struct agent *a, unsigned int ring,
                                uint64_t *pos, void *room)
{
    const uint8_t *data = v2_area(a, VMEV2_RES_RING) +
                          (size_t)ring * a->created.ring_bytes;
    uint32_t mask = a->created.ring_bytes - 1, size, i;
    uint64_t prod = __atomic_load_n(&v2_ring_line(a, ring)->prod,
                                    __ATOMIC_ACQUIRE);                 /* R2 */
    uint8_t *to = room;

    if ( prod == *pos )
        return NULL;

    memcpy(&size, data + (*pos & mask), sizeof(size));
    if ( size < sizeof(struct vmev2_rec) || size > VMEV2_REC_MAX ||
         size > prod - *pos || size % 8 )
    {
        CHECK_EQ(size, 0);
        abort();
    }
    for ( i = 0; i < size; i++ )
        to[i] = data[(*pos + i) & mask];
    *pos += size;

    return room;
}

void v2_consumed(struct agent *a, unsigned int ring, uint64_t pos)
{
    __atomic_store_n(&v2_user(a, ring)->cons, pos, __ATOMIC_RELEASE);  /* R3 */
    smp_mb();                                                          /* R5 */
}

/* ---- legacy ---- */

int legacy_enable(struct legacy *l, struct domain *d)
{
    return legacy_enable_mode(l, d, XEN_DOMCTL_VM_EVENT_OP_MONITOR);
}

int legacy_enable_mode(struct legacy *l, struct domain *d, uint32_t mode)
{
    struct xen_domctl_vm_event_op op = {
        .op = XEN_VM_EVENT_ENABLE, .mode = mode,
    };
    vm_event_sring_t *page;
    int rc;

    memset(l, 0, sizeof(*l));
    l->d = d;
    l->mode = mode;
    rc = sim_domctl_vm_event(d->domain_id, &op);
    if ( rc )
        return rc;

    l->port = op.u.enable.port;
    page = sim_ring_page(d, mode == XEN_DOMCTL_VM_EVENT_OP_MONITOR
                            ? SIM_RING_MONITOR :
                            mode == XEN_DOMCTL_VM_EVENT_OP_PAGING
                            ? SIM_RING_PAGING : SIM_RING_SHARING);
    SHARED_RING_INIT(page);
    BACK_RING_INIT(&l->ring, page, PAGE_SIZE);

    return 0;
}

int legacy_bind(struct legacy *l)
{
    return sim_evtchn_bind(l->d, l->port, &l->bell);
}

int legacy_disable(struct legacy *l)
{
    struct xen_domctl_vm_event_op op = {
        .op = XEN_VM_EVENT_DISABLE, .mode = l->mode,
    };

    return sim_domctl_vm_event(l->d->domain_id, &op);
}

int legacy_monitor(struct domain *d, uint32_t op, uint32_t event, bool sync)
{
    struct xen_domctl_monitor_op mop = { .op = op, .event = event };

    switch ( event )
    {
    case XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST:
        mop.u.guest_request.sync = sync;
        break;

    case XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG:
        mop.u.mov_to_cr.sync = sync;
        mop.u.mov_to_cr.index = VM_EVENT_X86_CR3;
        break;

    case XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR:
        mop.u.mov_to_msr.msr = 0x176;
        break;
    }

    return sim_domctl_monitor(d->domain_id, &mop);
}

void legacy_start(struct legacy *l, struct domain *d, bool sync)
{
    CHECK_EQ(legacy_enable(l, d), 0);
    CHECK_EQ(legacy_bind(l), 0);
    CHECK_EQ(legacy_monitor(d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                            XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST, sync), 0);
}

void legacy_stop(struct legacy *l)
{
    CHECK_EQ(legacy_disable(l), 0);
    if ( l->bell )
        sim_evtchn_unbind(l->bell);
    l->bell = NULL;
}

bool legacy_next(struct legacy *l, vm_event_request_t *req)
{
    RING_IDX prod = __atomic_load_n(&l->ring.sring->req_prod, __ATOMIC_ACQUIRE);

    if ( prod == l->ring.req_cons )
        return false;

    memcpy(req, RING_GET_REQUEST(&l->ring, l->ring.req_cons), sizeof(*req));
    l->ring.req_cons++;

    return true;
}

void legacy_put(struct legacy *l, const vm_event_response_t *rsp)
{
    memcpy(RING_GET_RESPONSE(&l->ring, l->ring.rsp_prod_pvt), rsp, sizeof(*rsp));
    l->ring.rsp_prod_pvt++;
    __atomic_store_n(&l->ring.sring->rsp_prod, l->ring.rsp_prod_pvt,
                     __ATOMIC_RELEASE);
}

void legacy_kick(struct legacy *l)
{
    ring_bell(l->bell);
    /* What is left for a tasklet may be half done by it. */
    sim_softirq_drain();
}

void legacy_answer(struct legacy *l, const vm_event_request_t *req)
{
    vm_event_response_t rsp = {
        .version = VM_EVENT_INTERFACE_VERSION, .vcpu_id = req->vcpu_id,
        .reason = req->reason, .flags = req->flags & VM_EVENT_FLAG_VCPU_PAUSED,
        .u = req->u,
    };

    legacy_put(l, &rsp);
}
