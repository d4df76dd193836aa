/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * XEN_DMOP_vm_event and the resource: every input that is refused, with the
 * errno that public/vm_event_v2.h gives, and nothing changed by it.
 */
#include "harness.h"

#include <xen/monitor.h>

/* What a refused operation must leave as it was. */
struct state {
    int allocs, pages, maps, ports, paused;
    uint64_t generation;
    uint32_t channel;
    evtchn_port_t port;
    uint8_t regs[VMEV2_REASONS];
    struct sim_monitor monitor;
    bool guest_request;
};

static struct state state_of(const struct domain *d)
{
    const struct vm_event_channel *ch = d->vm_event;
    struct state s;

    memset(&s, 0, sizeof(s));
    s.allocs = sim_nr_allocs;
    s.pages = sim_nr_pages;
    s.maps = sim_nr_maps;
    s.ports = sim_nr_ports;
    s.paused = d->pause_count.counter + nr_paused(d);
    s.channel = vm_event_channel_state(ch);
    s.guest_request = d->monitor.guest_request_enabled;
    memcpy(&s.monitor, &d->arch.monitor, sizeof(s.monitor));
    if ( ch )
    {
        s.generation = ch->generation;
        s.port = ch->port;
        memcpy(s.regs, ch->regs, sizeof(s.regs));
    }

    return s;
}

static void check_same(const struct domain *d, const struct state *before)
{
    struct state now = state_of(d);

    CHECK(!memcmp(before, &now, sizeof(now)));
}

static void check_refused(struct domain *d, struct vmev2_op *op, int rc)
{
    struct state before = state_of(d);

    CHECK_EQ(v2_op(d, op), rc);
    check_same(d, &before);
}

/* ---- what every command checks ---- */

static void test_buffers(struct agent *a)
{
    struct vmev2_op op = { .dmop = XEN_DMOP_vm_event, .cmd = VMEV2_CMD_QUERY };
    struct xen_dm_op_buf buf = { .size = sizeof(op) };
    struct state before = state_of(a->d);
    uint32_t size;

    test_case("buffer sizes");
    CHECK_EQ(sim_dm_op(a->d->domain_id, &buf, 0), -EFAULT);
    CHECK_EQ(sim_dm_op(a->d->domain_id, &buf, 1), -EFAULT);
    buf.h.p = &op;
    for ( size = 0; size < sizeof(op); size++ )
    {
        buf.size = size;
        CHECK_EQ(sim_dm_op(a->d->domain_id, &buf, 1), -EFAULT);
    }
    CHECK_EQ(sim_dm_op(a->d->domain_id, &buf, 3), -E2BIG);

    test_case("a buffer that can't be read");
    buf.size = sizeof(op);
    sim_fail_guest_access(true);
    CHECK_EQ(sim_dm_op(a->d->domain_id, &buf, 1), -EFAULT);
    sim_fail_guest_access(false);
    check_same(a->d, &before);

    test_case("a longer buffer is fine");
    buf.size = sizeof(op) + 100;
    CHECK_EQ(sim_dm_op(a->d->domain_id, &buf, 1), 0);
}

static void test_header(struct agent *a)
{
    static const uint32_t cmds[] = {
        VMEV2_CMD_QUERY, VMEV2_CMD_CREATE, VMEV2_CMD_ATTACH, VMEV2_CMD_INFO,
        VMEV2_CMD_MONITOR, VMEV2_CMD_ACCESS_SET, VMEV2_CMD_ACCESS_GET,
        VMEV2_CMD_RESUME, VMEV2_CMD_DESTROY,
    };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(cmds); i++ )
    {
        uint64_t generation = cmds[i] >= VMEV2_CMD_MONITOR ? a->generation : 0;
        struct vmev2_op op = { .cmd = cmds[i], .generation = generation };
        unsigned int bit;

        test_case("command %u: pad", cmds[i]);
        op.dmop_pad = 1;
        check_refused(a->d, &op, -EINVAL);
        op.dmop_pad = 0;

        for ( bit = 0; bit < 32; bit++ )
        {
            if ( cmds[i] == VMEV2_CMD_ATTACH &&
                 (VMEV2_ATTACH_KNOWN & (1U << bit)) )
                continue;
            test_case("command %u: flag %u", cmds[i], bit);
            op.flags = 1U << bit;
            check_refused(a->d, &op, -EINVAL);
        }
        op.flags = 0;

        if ( generation )
            continue;
        test_case("command %u: generation where there is none", cmds[i]);
        op.generation = a->generation;
        check_refused(a->d, &op, -EINVAL);
    }
}

/* The last byte of the union, and the first that a command does not know. */
static void test_room(struct agent *a)
{
    static const struct {
        uint32_t cmd;
        unsigned int used;
    } cases[] = {
        { VMEV2_CMD_QUERY, 0 }, { VMEV2_CMD_ATTACH, 0 },
        { VMEV2_CMD_CREATE, sizeof(struct vmev2_op_create) },
        { VMEV2_CMD_INFO, 8 },
        { VMEV2_CMD_MONITOR, sizeof(struct vmev2_op_monitor) },
        { VMEV2_CMD_ACCESS_SET, sizeof(struct vmev2_op_access) },
        { VMEV2_CMD_ACCESS_GET, sizeof(struct vmev2_op_access) },
        { VMEV2_CMD_RESUME, 0 }, { VMEV2_CMD_DESTROY, 0 },
    };
    unsigned int i, at;

    for ( i = 0; i < ARRAY_SIZE(cases); i++ )
        for ( at = cases[i].used; at < sizeof(((struct vmev2_op *)0)->u); at++ )
        {
            struct vmev2_op op = { .cmd = cases[i].cmd };

            test_case("command %u: byte %u", cases[i].cmd, at);
            if ( op.cmd >= VMEV2_CMD_MONITOR )
                op.generation = a->generation;
            if ( op.cmd == VMEV2_CMD_MONITOR )
            {
                op.u.monitor.reason = VMEV2_REASON_CPUID;
                op.u.monitor.enable = op.u.monitor.sync = 1;
            }
            ((uint8_t *)&op.u)[at] = 1;
            check_refused(a->d, &op, -EINVAL);
        }
}

static void test_unknown(struct agent *a)
{
    static const uint32_t cmds[] = { VMEV2_CMD_DESTROY + 1, 100, 0x80000000U,
                                     UINT32_MAX };
    struct vmev2_op op = { .cmd = 0 };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(cmds); i++ )
    {
        test_case("unknown command %u", cmds[i]);
        op.cmd = cmds[i];
        check_refused(a->d, &op, -EOPNOTSUPP);
    }
}

static void test_caller(struct agent *a)
{
    struct domain *other = new_domain(1), *stubdom = new_domain(1);
    uint32_t cmd;

    stubdom->target = a->d;
    for ( cmd = VMEV2_CMD_QUERY; cmd <= VMEV2_CMD_DESTROY; cmd++ )
    {
        struct vmev2_op op = { .cmd = cmd };

        if ( cmd >= VMEV2_CMD_MONITOR )
            op.generation = a->generation;

        test_case("command %u from an unprivileged domain", cmd);
        sim_thread_become(other);
        check_refused(a->d, &op, -EPERM);
        test_case("command %u from the device model's stub domain", cmd);
        sim_thread_become(stubdom);
        check_refused(a->d, &op, -EPERM);
        test_case("command %u from the domain itself", cmd);
        sim_thread_become(a->d);
        check_refused(a->d, &op, -EPERM);
        sim_thread_become(NULL);

        test_case("command %u denied by a policy", cmd);
        sim_xsm_deny(-EACCES);
        check_refused(a->d, &op, -EACCES);
        sim_xsm_deny(0);
        sim_xsm_deny_v2(-EACCES);
        check_refused(a->d, &op, -EACCES);
        sim_xsm_deny_v2(0);
    }

    test_case("no such domain");
    {
        struct vmev2_op op = { .dmop = XEN_DMOP_vm_event };
        struct xen_dm_op_buf buf = { .size = sizeof(op) };

        buf.h.p = &op;
        CHECK_EQ(sim_dm_op(0x7000, &buf, 1), -ESRCH);
        CHECK_EQ(sim_dm_op(DOMID_SELF, &buf, 1), -ESRCH);
        CHECK_EQ(sim_dm_op(DOMID_INVALID, &buf, 1), -ESRCH);
    }

    test_case("a PV domain");
    other->is_hvm = false;
    {
        struct vmev2_op op = { .cmd = VMEV2_CMD_QUERY };

        check_refused(other, &op, -EINVAL);
        op.cmd = VMEV2_CMD_CREATE;
        check_refused(other, &op, -EINVAL);
    }

    sim_domain_kill(other, 0);
    sim_domain_kill(stubdom, 0);
}

/* ---- command by command ---- */

static void test_create_fields(void)
{
    static const struct {
        const char *what;
        struct vmev2_op_create create;
        int rc;
    } cases[] = {
        { "flag", { .flags = 4 }, -EINVAL },
        { "pad2", { .pad2 = 1 }, -EINVAL },
        { "flag 31", { .flags = 1U << 31 }, -EINVAL },
        { "pad", { .pad = 1 }, -EINVAL },
        { "death policy", { .on_death = VMEV2_DEATH_CRASH + 1 }, -EINVAL },
        { "deadline policy", { .on_deadline = VMEV2_DEADLINE_CRASH + 1,
                               .deadline_ms = 5 }, -EINVAL },
        { "deadline flags", { .deadline_flags = VMEV2_RSP_EMULATE,
                              .deadline_ms = 5 }, -EINVAL },
        { "deadline flags without one", { .deadline_flags = VMEV2_RSP_DENY },
          -EINVAL },
        { "deadline policy without one", { .on_deadline = VMEV2_DEADLINE_CRASH },
          -EINVAL },
        { "deadline flags for no answer", { .on_deadline = VMEV2_DEADLINE_DETACH,
                                            .deadline_flags = VMEV2_RSP_DENY,
                                            .deadline_ms = 5 }, -EINVAL },
        { "deadline too long", { .deadline_ms = VMEV2_DEADLINE_MAX_MS + 1 },
          -EINVAL },
        { "deadline too long", { .deadline_ms = UINT32_MAX }, -EINVAL },
        { "ring too large", { .ring_bytes = VMEV2_RING_MAX + 1 }, -EINVAL },
        { "ring too large", { .ring_bytes = UINT32_MAX }, -EINVAL },
    };
    struct domain *d = new_domain(2);
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(cases); i++ )
    {
        struct vmev2_op op = { .cmd = VMEV2_CMD_CREATE };

        /* Not in the initialiser: what is left of the union need not be 0. */
        op.u.create = cases[i].create;
        test_case("create: %s", cases[i].what);
        check_refused(d, &op, cases[i].rc);
    }
    CHECK(!d->vm_event);
    sim_domain_kill(d, 0);
}

/* Wishes for a ring, and what is granted. */
static void test_ring_sizes(void)
{
    static const struct {
        uint32_t wish, granted;
    } cases[] = {
        { 0, 65536 }, { 1, 4096 }, { 4096, 4096 }, { 4097, 8192 },
        { 65536, 65536 }, { 65537, 131072 }, { 1U << 20, 1U << 20 },
        { (1U << 20) + 1, 1U << 20 }, { VMEV2_RING_MAX, 1U << 20 },
    };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(cases); i++ )
    {
        struct vmev2_op_create wish = { .ring_bytes = cases[i].wish };
        struct domain *d = new_domain(3);
        struct agent a;

        test_case("ring of %u", cases[i].wish);
        CHECK_EQ(v2_create(&a, d, &wish), 0);
        CHECK_EQ(a.created.ring_bytes, cases[i].granted);
        CHECK_EQ(a.created.nr_rings, 1);
        CHECK_EQ(a.created.nr_vcpus, 3);
        CHECK_EQ(a.created.frames[VMEV2_RES_RING],
                 cases[i].granted >> PAGE_SHIFT);
        CHECK_EQ(a.created.frames[VMEV2_RES_SLOTS], 1);
        CHECK_EQ(v2_ctrl(&a)->ring_bytes, cases[i].granted);
        CHECK_EQ(v2_ctrl(&a)->magic, VMEV2_MAGIC);
        CHECK_EQ(v2_ctrl(&a)->state, VMEV2_STATE_CREATED);
        CHECK_EQ(v2_ctrl(&a)->generation, a.generation);
        sim_domain_kill(d, 0);
    }
}

static void test_split_sizes(void)
{
    struct vmev2_op_create wish = { .flags = VMEV2_CREATE_SPLIT_RINGS,
                                    .ring_bytes = 65536 };
    struct domain *d = new_domain(128);
    struct agent a;

    test_case("split rings of 128 vCPUs within 1 MiB");
    CHECK_EQ(v2_create(&a, d, &wish), 0);
    CHECK_EQ(a.created.nr_rings, 128);
    CHECK_EQ(a.created.ring_bytes, 8192);
    sim_domain_kill(d, 0);

    test_case("split rings that can't be");
    d = new_domain(300);
    CHECK_EQ(v2_create(&a, d, &wish), -ENOSPC);
    sim_domain_kill(d, 0);
}

static void test_monitor_fields(struct agent *a)
{
    static const struct {
        const char *what;
        struct vmev2_op_monitor m;
        int rc;
    } cases[] = {
        { "enable", { .reason = 8, .enable = 2 }, -EINVAL },
        { "sync", { .reason = 8, .enable = 1, .sync = 2 }, -EINVAL },
        { "regs", { .reason = 8, .enable = 1, .regs = 3 }, -EINVAL },
        { "flags", { .reason = 8, .enable = 1, .flags = 4 }, -EINVAL },
        { "flags", { .reason = 8, .enable = 1, .flags = 0x80 }, -EINVAL },
        { "reason 32", { .reason = 32, .enable = 1 }, -EINVAL },
        { "reason max", { .reason = UINT32_MAX, .enable = 1 }, -EINVAL },
        { "reason 0", { .reason = 0, .enable = 1, .sync = 1 }, -EOPNOTSUPP },
        { "reason 31", { .reason = 31, .enable = 1, .sync = 1 }, -EOPNOTSUPP },
        { "sharing", { .reason = 2, .enable = 1, .sync = 1 }, -EOPNOTSUPP },
        { "mask", { .reason = 8, .enable = 1, .mask = 1 }, -EINVAL },
        { "index", { .reason = 8, .enable = 1, .index = 1 }, -EINVAL },
        { "msr", { .reason = 8, .enable = 1, .msr = 1 }, -EINVAL },
        { "msr of a CR", { .reason = 4, .enable = 1, .msr = 1 }, -EINVAL },
        { "index 4", { .reason = 4, .enable = 1, .index = 4 }, -EINVAL },
        { "onchange", { .reason = 8, .enable = 1, .flags = 1 }, -EINVAL },
        { "userspace", { .reason = 4, .enable = 1, .flags = 2 }, -EINVAL },
        { "async CPUID", { .reason = 10, .enable = 1 }, -EOPNOTSUPP },
        { "async MSR", { .reason = 5, .enable = 1, .msr = 1 }, -EOPNOTSUPP },
        { "async int3", { .reason = 6, .enable = 1 }, -EOPNOTSUPP },
        { "SMC on x86", { .reason = 11, .enable = 1, .sync = 1 }, -EOPNOTSUPP },
        { "not subscribed", { .reason = 8, .enable = 0 }, -EEXIST },
        { "MSR out of range", { .reason = 5, .enable = 1, .sync = 1,
                                .msr = 0x2000 }, -EINVAL },
    };
    struct vmev2_op op = { .cmd = VMEV2_CMD_MONITOR };
    unsigned int i;

    /* What a refused subscription to an MSR has switched on before. */
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_MOV_TO_MSR, true, true, 0), 0);

    for ( i = 0; i < ARRAY_SIZE(cases); i++ )
    {
        test_case("monitor: %s", cases[i].what);
        op.generation = a->generation;
        op.u.monitor = cases[i].m;
        check_refused(a->d, &op, cases[i].rc);
    }

    test_case("monitor: twice");
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_CPUID, true, true, 1), 0);
    op.u.monitor = (struct vmev2_op_monitor){ .reason = VMEV2_REASON_CPUID,
                                              .enable = 1, .sync = 1 };
    check_refused(a->d, &op, -EEXIST);
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_CPUID, false, true, 0), 0);
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_CPUID, false, true, 0), -EEXIST);
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_MOV_TO_MSR, false, true, 0), 0);
}

static void test_generation(struct agent *a)
{
    static const uint32_t cmds[] = { VMEV2_CMD_MONITOR, VMEV2_CMD_RESUME,
                                     VMEV2_CMD_DESTROY };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(cmds); i++ )
    {
        struct vmev2_op op = { .cmd = cmds[i] };

        test_case("command %u: wrong generation", cmds[i]);
        op.generation = a->generation + 1;
        check_refused(a->d, &op, -ENOTCONN);
        op.generation = a->generation - 1;
        check_refused(a->d, &op, -ENOTCONN);
        op.generation = a->generation + (1ULL << 32);
        check_refused(a->d, &op, -ENOTCONN);
    }
}

static void test_info(struct agent *a)
{
    struct vmev2_vcpu_info out[8];
    struct vmev2_op op = { .dmop = XEN_DMOP_vm_event, .cmd = VMEV2_CMD_INFO };
    struct xen_dm_op_buf buf[2] = { { .size = sizeof(op) },
                                    { .size = sizeof(out) } };
    domid_t domid = a->d->domain_id;

    buf[0].h.p = &op;
    buf[1].h.p = out;

    test_case("info: first beyond the last vCPU");
    op.u.info.first = a->d->max_vcpus;
    op.u.info.nr = 1;
    CHECK_EQ(sim_dm_op(domid, buf, 2), -ERANGE);
    op.u.info.first = UINT32_MAX;
    CHECK_EQ(sim_dm_op(domid, buf, 2), -ERANGE);

    test_case("info: no room");
    op.u.info.first = 0;
    op.u.info.nr = 2;
    CHECK_EQ(sim_dm_op(domid, buf, 1), -EFAULT);
    buf[1].size = 2 * sizeof(out[0]) - 1;
    CHECK_EQ(sim_dm_op(domid, buf, 2), -EFAULT);
    buf[1].size = 0;
    CHECK_EQ(sim_dm_op(domid, buf, 2), -EFAULT);

    test_case("info: more asked for than there are");
    buf[1].size = sizeof(out);
    memset(out, 0x55, sizeof(out));
    op.u.info.nr = UINT32_MAX;
    CHECK_EQ(sim_dm_op(domid, buf, 2), 0);
    CHECK_EQ(op.u.info.nr, a->d->max_vcpus);
    CHECK_EQ(((uint8_t *)out)[a->d->max_vcpus * sizeof(out[0])], 0x55);
}

static void test_query(struct agent *a)
{
    struct vmev2_op op = { .cmd = VMEV2_CMD_QUERY };
    const struct vmev2_op_query *q = &op.u.query;

    test_case("query");
    CHECK_EQ(v2_op(a->d, &op), 0);
    CHECK_EQ(q->version, VMEV2_VERSION);
    CHECK_EQ(q->compat, VMEV2_COMPAT);
    CHECK_EQ(q->ring_max, 1U << 20);
    CHECK_EQ(q->nr_vcpus, a->d->max_vcpus);
    CHECK(q->reasons & (1ULL << VMEV2_REASON_GUEST_REQUEST));
    CHECK(!(q->reasons & (1ULL << VMEV2_REASON_PRIVILEGED_CALL)));
    CHECK(!(q->rsp_flags & ~VMEV2_RSP_KNOWN));
    CHECK(!(q->rsp_flags & VMEV2_RSP_ALTERNATE_P2M));
    CHECK_EQ(q->pad, 0);
}

/* ---- the resource ---- */

static void test_acquire(struct agent *a)
{
    uint32_t gen = a->generation;
    uint32_t id = VMEV2_RES_ID(gen, VMEV2_RES_RING);
    domid_t domid = a->d->domain_id;
    unsigned int frames = a->created.frames[VMEV2_RES_RING], i, nr;
    xen_pfn_t mfn[300];
    const struct {
        const char *what;
        uint32_t type, id, frame, nr;
        int rc;
    } cases[] = {
        { "type", 0x7633, id, 0, 1, -EOPNOTSUPP },
        { "kind", XENMEM_resource_vm_event, VMEV2_RES_ID(gen, 4), 0, 1,
          -ENOTCONN },
        { "kind 255", XENMEM_resource_vm_event, VMEV2_RES_ID(gen, 255), 0, 1,
          -ENOTCONN },
        { "generation", XENMEM_resource_vm_event,
          VMEV2_RES_ID(gen + 1, VMEV2_RES_RING), 0, 1, -ENOTCONN },
        { "behind the end", XENMEM_resource_vm_event, id, frames, 1, -EINVAL },
        { "over the end", XENMEM_resource_vm_event, id, frames - 1, 2,
          -EINVAL },
        { "wraps", XENMEM_resource_vm_event, id, UINT32_MAX, 2, -EINVAL },
    };

    for ( i = 0; i < ARRAY_SIZE(cases); i++ )
    {
        test_case("acquire: %s", cases[i].what);
        CHECK_EQ(sim_acquire_resource(domid, cases[i].type, cases[i].id,
                                      cases[i].frame, cases[i].nr, mfn),
                 cases[i].rc);
    }

    /* 34cc2e5f8d, 9244528955: batches are of 32 frames. */
    for ( nr = 0; nr <= frames; nr++ )
    {
        test_case("acquire: %u frames", nr);
        memset(mfn, 0, sizeof(mfn));
        CHECK_EQ(sim_acquire_resource(domid, XENMEM_resource_vm_event, id, 0,
                                      nr, mfn), 0);
        for ( i = 0; i < nr; i++ )
            CHECK_EQ(mfn[i], mfn_x(a->d->vm_event->area[VMEV2_RES_RING].mfn[i]));
        CHECK_EQ(mfn[nr], 0);
    }

    test_case("acquire: sizes");
    for ( i = 0; i < VMEV2_RES_KINDS; i++ )
        CHECK_EQ(vm_event_resource_frames(a->d, VMEV2_RES_ID(gen, i)),
                 a->created.frames[i]);
    CHECK_EQ(vm_event_resource_frames(a->d, VMEV2_RES_ID(gen, 4)), 0);
    CHECK_EQ(vm_event_resource_frames(a->d, VMEV2_RES_ID(gen + 1, 0)), 0);
}

static void test_acquire_caller(struct agent *a)
{
    uint32_t id = VMEV2_RES_ID(a->generation, VMEV2_RES_RING);
    domid_t domid = a->d->domain_id;
    struct domain *stubdom;
    xen_pfn_t mfn[1];

    test_case("acquire: who may");
    sim_xsm_deny_v2(-EACCES);
    CHECK_EQ(sim_acquire_resource(domid, XENMEM_resource_vm_event, id, 0, 1,
                                  mfn), -EACCES);
    sim_xsm_deny_v2(0);
    sim_thread_become(a->d);
    CHECK_EQ(sim_acquire_resource(domid, XENMEM_resource_vm_event, id, 0, 1,
                                  mfn), -EPERM);
    sim_thread_become(NULL);

    /* R4: Xen's own check lets a stub domain's device model pass. */
    stubdom = new_domain(1);
    stubdom->target = a->d;
    sim_thread_become(stubdom);
    CHECK_EQ(sim_acquire_resource(domid, XENMEM_resource_vm_event, id, 0, 1,
                                  mfn), -EPERM);
    sim_thread_become(NULL);
    sim_domain_kill(stubdom, 0);
}

/* A domain that may introspect, but is not this channel's agent. */
static void test_other_agent(struct agent *a)
{
    struct domain *other = new_domain(1);
    struct domain *dom0 = hardware_domain;
    struct domain *d = new_domain(1);
    struct vmev2_op op = { .cmd = VMEV2_CMD_RESUME,
                           .generation = a->generation };
    struct vmev2_op end = { .cmd = VMEV2_CMD_DESTROY };
    struct agent b;
    xen_pfn_t mfn;

    v2_start(&b, d, true);
    guest_request(d->vcpu[0]);
    end.generation = b.generation;

    test_case("another privileged domain");
    hardware_domain = other;    /* whoever that is may do everything */
    sim_thread_become(other);
    check_refused(a->d, &op, -EPERM);
    CHECK_EQ(sim_acquire_resource(a->d->domain_id, XENMEM_resource_vm_event,
                                  VMEV2_RES_ID(a->generation, 0), 0, 1, &mfn),
             -EPERM);
    /* It can free a guest from an agent that hangs. */
    CHECK(!vcpu_runnable(d->vcpu[0]));
    CHECK_EQ(v2_op(d, &end), 0);
    CHECK(vcpu_runnable(d->vcpu[0]));
    hardware_domain = dom0;
    sim_thread_become(NULL);
    v2_die(&b);
    sim_domain_kill(d, 0);
    sim_domain_kill(other, 0);
}

/* ---- life of a channel ---- */

static void test_states(void)
{
    struct vmev2_op_info info;
    struct domain *d = new_domain(4);
    struct vmev2_op op = { .cmd = VMEV2_CMD_DESTROY };
    struct agent a, b;
    xen_pfn_t mfn;

    test_case("no channel");
    CHECK_EQ(v2_state(d), VMEV2_STATE_NONE);
    check_refused(d, &op, -ENOENT);
    CHECK_EQ(v2_attach(&b, d, 0), -ENOENT);
    CHECK_EQ(sim_acquire_resource(d->domain_id, XENMEM_resource_vm_event, 0, 0,
                                  1, &mfn), -ENOENT);

    test_case("created");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_state(d), VMEV2_STATE_CREATED);
    CHECK_EQ(v2_create(&b, d, NULL), -EBUSY);
    CHECK_EQ(v2_attach(&b, d, 0), -EBUSY);
    CHECK_EQ(v2_ctrl(&a)->state, VMEV2_STATE_CREATED);

    test_case("armed");
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_info(d, &info, 0, 0, NULL), 0);
    CHECK_EQ(info.state, VMEV2_STATE_ARMED);
    CHECK_EQ(info.agent, 0);
    CHECK_EQ(info.agent_port, sim_evtchn_local(a.bell));
    CHECK_EQ(info.generation, a.generation);
    CHECK_EQ(v2_ctrl(&a)->state, VMEV2_STATE_ARMED);
    CHECK_EQ(v2_create(&b, d, NULL), -EBUSY);
    CHECK_EQ(v2_attach(&b, d, 0), -EBUSY);
    CHECK_EQ(sim_evtchn_bind(d, a.created.port, &b.bell), -EINVAL);

    test_case("idle");
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(v2_state(d), VMEV2_STATE_IDLE);
    op.generation = a.generation;
    check_refused(d, &op, -ENOENT);
    CHECK_EQ(v2_attach(&b, d, 0), -ENOENT);
    CHECK_EQ(sim_evtchn_ports(d), 0);

    test_case("created again");
    CHECK_EQ(v2_create(&b, d, NULL), 0);
    CHECK(b.generation != a.generation);
    CHECK_EQ(v2_destroy(&b), 0);

    sim_domain_kill(d, 0);
}

/* A creator that never binds is taken to have died after a second. */
static void test_lease(void)
{
    struct domain *d = new_domain(1);
    struct agent a, b;

    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 1), 0);

    test_case("within the lease");
    CHECK_EQ(v2_create(&b, d, NULL), -EBUSY);
    sim_clock_advance(MILLISECS(1001));

    test_case("after the lease");
    CHECK_EQ(v2_create(&b, d, NULL), 0);
    CHECK_EQ(sim_evtchn_bind(d, a.created.port, &a.bell), -EINVAL);
    CHECK_EQ(v2_bind(&b), 0);
    CHECK_EQ(sim_evtchn_ports(d), 1);

    test_case("what the first subscribed to is not the second's");
    CHECK(!d->monitor.guest_request_enabled);
    guest_request(d->vcpu[0]);
    CHECK_EQ(v2_pending(&b, 0), 0);
    CHECK_EQ(v2_monitor(&b, VMEV2_REASON_GUEST_REQUEST, true, true, 1), 0);

    CHECK_EQ(v2_destroy(&b), 0);
    sim_domain_kill(d, 0);
}

/* One agent of either ABI. */
static void test_exclusion(void)
{
    struct domain *d = new_domain(2);
    struct legacy l;
    struct agent a;

    test_case("legacy, then version 2");
    CHECK_EQ(legacy_enable(&l, d), 0);
    CHECK_EQ(legacy_bind(&l), 0);
    CHECK_EQ(v2_create(&a, d, NULL), -EBUSY);
    CHECK(!d->vm_event);
    legacy_stop(&l);

    test_case("version 2, then legacy");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(legacy_enable(&l, d), -EBUSY);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(legacy_enable(&l, d), -EBUSY);
    CHECK_EQ(legacy_monitor(d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                            XEN_DOMCTL_MONITOR_EVENT_CPUID, true), -EBUSY);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(legacy_enable(&l, d), 0);
    CHECK_EQ(legacy_disable(&l), 0);

    sim_domain_kill(d, 0);
}

/* Pages stay the domain's while somebody may still map them. */
static void test_destroy_while_mapped(void)
{
    struct vmev2_op_create wish = { .ring_bytes = 8192 };
    struct domain *d = new_domain(2);
    struct agent a;
    xen_pfn_t before[2], after[2];
    uint32_t id;
    int pages;

    test_case("destroy while mapped");
    CHECK_EQ(v2_create(&a, d, &wish), 0);
    CHECK_EQ(v2_bind(&a), 0);
    id = VMEV2_RES_ID(a.generation, VMEV2_RES_RING);
    CHECK_EQ(sim_acquire_resource(d->domain_id, XENMEM_resource_vm_event, id, 0,
                                  2, before), 0);
    pages = sim_nr_pages;
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(sim_nr_pages, pages);
    CHECK(mfn_to_page(_mfn(before[0]))->owner == d);
    CHECK_EQ(sim_acquire_resource(d->domain_id, XENMEM_resource_vm_event, id, 0,
                                  2, after), -EPERM);

    CHECK_EQ(v2_create(&a, d, &wish), 0);
    CHECK_EQ(sim_nr_pages, pages);
    CHECK_EQ(sim_acquire_resource(d->domain_id, XENMEM_resource_vm_event, id, 0,
                                  2, after), -ENOTCONN);
    id = VMEV2_RES_ID(a.generation, VMEV2_RES_RING);
    CHECK_EQ(sim_acquire_resource(d->domain_id, XENMEM_resource_vm_event, id, 0,
                                  2, after), 0);
    CHECK(!memcmp(before, after, sizeof(before)));

    sim_domain_kill(d, 0);
}

/*
 * A dying domain takes no more commands, and its pages wait for those who may
 * have been given their numbers a moment ago (R5).
 */
static void test_dying(void)
{
    struct domain *d = new_domain(3);
    struct vmev2_op op;
    struct agent a;
    unsigned int pages;
    xen_pfn_t mfn;
    uint32_t cmd;

    test_case("dying");
    v2_start(&a, d, true);
    guest_request(d->vcpu[1]);
    pages = d->xen_pages;
    get_knownalive_domain(d);

    sim_rcu_enter();
    CHECK_EQ(sim_domain_kill(d, 3), -ERESTART);
    CHECK_EQ(d->xen_pages, pages);
    for ( cmd = VMEV2_CMD_QUERY; cmd <= VMEV2_CMD_DESTROY; cmd++ )
    {
        op = (struct vmev2_op){ .cmd = cmd };
        if ( cmd >= VMEV2_CMD_MONITOR )
            op.generation = a.generation;
        CHECK_EQ(v2_op(d, &op), -ENODEV);
    }
    CHECK_EQ(sim_acquire_resource(d->domain_id, XENMEM_resource_vm_event,
                                  VMEV2_RES_ID(a.generation, 0), 0, 1, &mfn),
             -ENODEV);
    CHECK(sim_evtchn_pending(a.bell) > 0);
    v2_kick(&a);
    sim_rcu_leave();

    CHECK_EQ(sim_domain_kill(d, 0), 0);
    v2_kick(&a);
    CHECK_EQ(d->xen_pages, 0);
    v2_die(&a);
    put_domain(d);
}

/* Nothing is taken from the living agent if the new one can't have a port. */
static void test_attach_without_ports(void)
{
    struct vmev2_op_create wish = { .on_death = VMEV2_DEATH_HOLD };
    struct domain *d = new_domain(1);
    struct vmev2_op op = { .cmd = VMEV2_CMD_ATTACH,
                           .flags = VMEV2_ATTACH_TAKEOVER };
    struct agent a;
    unsigned int ports = 0;

    test_case("takeover without a free port");
    CHECK_EQ(v2_create(&a, d, &wish), 0);
    CHECK_EQ(v2_bind(&a), 0);
    sim_evtchn_pending(a.bell);
    while ( alloc_unbound_xen_event_channel(d, 0, 0, vm_event_notification) > 0 )
        ports++;
    CHECK(ports > 1000);
    check_refused(d, &op, -ENOSPC);
    CHECK_EQ(v2_ctrl(&a)->generation, a.generation);
    CHECK_EQ(sim_evtchn_pending(a.bell), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);

    v2_die(&a);
    sim_domain_kill(d, 0);
}

int main(void)
{
    struct domain *d;
    struct agent a;

    sim_init();
    d = new_domain(2);
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK_EQ(v2_bind(&a), 0);

    test_buffers(&a);
    test_header(&a);
    test_room(&a);
    test_unknown(&a);
    test_caller(&a);
    test_monitor_fields(&a);
    test_generation(&a);
    test_info(&a);
    test_query(&a);
    test_acquire(&a);
    test_acquire_caller(&a);
    test_other_agent(&a);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);

    test_create_fields();
    test_ring_sizes();
    test_split_sizes();
    test_states();
    test_lease();
    test_exclusion();
    test_destroy_while_mapped();
    test_dying();
    test_attach_without_ports();

    return test_end();
}
