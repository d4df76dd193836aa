/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control operations in any order and with any content, between events of
 * the guest, a hostile agent that writes to every page it can map, kicks, the
 * agent's death, and failing allocations.  After each input:
 *
 *   per vCPU raised = answered + released + cancelled + pending
 *   a vCPU is paused only if it has a request pending
 *   the domain can be destroyed, and nothing is left behind
 */
#include "harness.h"

#include <xen/monitor.h>

#include "cpu.h"
#include "input.h"

#define VCPUS   3U
#define STEPS   48U

static struct domain *d;
static struct agent a;
static struct legacy l;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    sim_init();

    return 0;
}

static void take_op(struct input *in, struct vmev2_op *op)
{
    uint8_t how = take8(in), length = take8(in) % (sizeof(op->u) + 1);

    memset(op, 0, sizeof(*op));
    op->dmop = XEN_DMOP_vm_event;
    op->cmd = take8(in) % 12;
    if ( how & 1 )
        op->flags = take8(in);
    if ( how & 2 )
        op->generation = how & 4 ? take64(in) : a.generation;
    if ( how & 8 )
        op->dmop_pad = take8(in);
    take(in, &op->u, length);
}

static void control(struct input *in)
{
    struct vmev2_vcpu_info info[VCPUS];
    struct xen_dm_op_buf buf[2] = { { .size = sizeof(struct vmev2_op) } };
    struct vmev2_op op;
    uint8_t size = take8(in);
    int rc;

    take_op(in, &op);
    buf[0].h.p = &op;
    if ( size < sizeof(op) )
        buf[0].size = size;
    buf[1].h.p = info;
    buf[1].size = size % (sizeof(info) + 1);

    rc = sim_dm_op(d->domain_id, buf, 1 + (size & 1));
    if ( !rc && (op.cmd == VMEV2_CMD_CREATE || op.cmd == VMEV2_CMD_ATTACH) )
    {
        struct sim_binding *old = a.bell;

        a = (struct agent){ .d = d, .created = op.u.create,
                            .generation = op.u.create.generation, .bell = old };
    }
}

/* A create that works, so that the rest of an input has something to meet. */
static void create(struct input *in)
{
    struct vmev2_op op = { .cmd = VMEV2_CMD_CREATE };
    uint8_t how = take8(in);

    op.u.create.flags = how & 1;
    op.u.create.on_death = how / 2 % 3;
    op.u.create.ring_bytes = VMEV2_RING_MIN << (how / 8 % 4);
    if ( v2_op(d, &op) )
        return;
    a.d = d;
    a.created = op.u.create;
    a.generation = op.u.create.generation;
}

static void bind(void)
{
    if ( !a.bell && a.created.port )
        v2_bind(&a);
}

static void die(void)
{
    if ( a.bell )
        v2_die(&a);
}

static void scribble(struct input *in)
{
    struct vm_event_channel *ch = d->vm_event;
    const struct vm_event_area *area;
    uint8_t kind = take8(in), size = 1 + take8(in) % 64;
    uint32_t at = take16(in);

    if ( !ch )
        return;
    area = &ch->area[kind % VMEV2_RES_KINDS];
    if ( !area->va )
        return;
    at %= area->mapped * PAGE_SIZE - size;
    take(in, area->va + at, size);
}

static void answer(struct input *in)
{
    uint8_t vcpu = take8(in) % VCPUS;

    if ( d->vm_event && d->vm_event->area[VMEV2_RES_SLOTS].va )
        v2_answer(&a, vcpu, take16(in));
}

static void guest(struct input *in)
{
    uint8_t how = take8(in);
    struct vcpu *v = d->vcpu[how % VCPUS];

    if ( !sim_vcpu_try_resume(v) )
        return;
    sim_vcpu_on(v);
    switch ( how / VCPUS % 4 )
    {
    case 0: sim_write_cr(v, 3, 0x9000 + how * 16, true); break;
    case 1: sim_write_msr(v, 0x176, how, true); break;
    case 2: monitor_guest_request(); /* fallthrough */  /* two in one pass */
    default: monitor_guest_request();
    }
    sim_vcpu_off(v);
}

static void acquire(struct input *in)
{
    xen_pfn_t mfn[8];
    uint8_t kind = take8(in), nr = take8(in) % 9;

    sim_acquire_resource(d->domain_id, XENMEM_resource_vm_event,
                         kind & 0x80 ? take32(in)
                                     : VMEV2_RES_ID(a.generation, kind),
                         take16(in), nr, mfn);
}

static void legacy(struct input *in)
{
    switch ( take8(in) % 4 )
    {
    case 0:
        if ( !l.d && !legacy_enable(&l, d) )
            break;
        if ( !sim_ring_page(d, SIM_RING_MONITOR) )
            l.d = NULL;
        break;

    case 1:
        if ( l.d )
            legacy_monitor(d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                           XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST, true);
        break;

    case 2:
        if ( l.d && sim_ring_page(d, SIM_RING_MONITOR) )
        {
            uint16_t at = take16(in) % (PAGE_SIZE - 8);

            take(in, (uint8_t *)sim_ring_page(d, SIM_RING_MONITOR) + at, 8);
        }
        break;

    default:
        if ( l.d )
            legacy_disable(&l);
        l.d = NULL;
    }
}

static void step(struct input *in)
{
    switch ( take8(in) % 16 )
    {
    case 0: case 1: control(in); break;
    case 2: create(in); break;
    case 3: bind(); break;
    case 4: die(); break;
    case 5: scribble(in); break;
    case 6: answer(in); break;
    case 7: case 8: case 9: guest(in); break;
    case 10: if ( a.bell ) v2_kick(&a); break;
    case 11: acquire(in); break;
    case 12: sim_fail_alloc(take8(in) % 64); break;
    case 13: sim_clock_advance(take8(in) * 100000000LL); break;
    case 14: legacy(in); break;
    case 15:
        if ( a.generation )
            v2_monitor(&a, take8(in) % VMEV2_REASONS, true, take8(in) & 1,
                       take8(in) % 3);
        break;
    }
}

static void check_books(void)
{
    struct vmev2_vcpu_info info;
    unsigned int i;

    sim_softirq_drain();
    for ( i = 0; i < VCPUS; i++ )
    {
        info = v2_vcpu(d, i);
        MUST(info.raised == info.answered + info.released + info.cancelled +
                            info.pending);
        if ( !d->vm_event_monitor && info.raised )
            MUST(vcpu_runnable(d->vcpu[i]) || info.pending ||
                 d->is_shut_down || atomic_read(&d->pause_count));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    unsigned int steps = 0;

    d = sim_domain_create("fuzz", 1, VCPUS);
    a = (struct agent){ .d = d };
    l = (struct legacy){ .d = NULL };
    sim_preempt_every(take8(&in) % 4);

    while ( in.left && steps++ < STEPS )
        step(&in);

    sim_fail_alloc(0);
    check_books();
    sim_preempt_every(0);
    die();
    MUST(!sim_domain_kill(d, 0));
    MUST(!sim_leaks());

    return 0;
}
