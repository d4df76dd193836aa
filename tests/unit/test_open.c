/* SPDX-License-Identifier: MIT */
/* Opening: options, what the host refuses, what it could get wrong. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "fake.h"

/* ---- options ---- */

static void bad_options(vmiring_options o, const char *field)
{
    errno = 0;
    cr_assert_null(vmiring_open(&o), "%s was taken", field);
    cr_assert_eq(errno, EINVAL, "%s: errno %d", field, errno);
    cr_assert(strstr(vmiring_open_error(), field), "'%s' does not name %s",
              vmiring_open_error(), field);
}

#define OPTIONS(...) \
    ((vmiring_options){ .size = sizeof(vmiring_options), __VA_ARGS__ })

Test(options, fields)
{
    bad_options((vmiring_options){ .size = 0 }, "size");
    bad_options((vmiring_options){ .size = 15 }, "size");
    bad_options((vmiring_options){ .size = SIZE_MAX }, "size");
    bad_options(OPTIONS(.domid = 0x7ff0), "domid");
    bad_options(OPTIONS(.domid = ~0U), "domid");
    bad_options(OPTIONS(.abi = 3), "abi");
    bad_options(OPTIONS(.flags = 1U << 3), "flags");
    bad_options(OPTIONS(.flags = 1U << 31), "flags");
    bad_options(OPTIONS(.on_death = 3), "on_death");
    bad_options(OPTIONS(.deadline_ms = 60001), "deadline_ms");
    bad_options(OPTIONS(.deadline_deny = 1), "deadline_deny");
    bad_options(OPTIONS(.deadline_ms = 1, .deadline_deny = 2),
                "deadline_deny");
    bad_options(OPTIONS(.on_deadline = 1), "on_deadline");
    bad_options(OPTIONS(.on_deadline = 3, .deadline_ms = 1), "on_deadline");
    bad_options(OPTIONS(.on_deadline = 1, .deadline_ms = 1,
                        .deadline_deny = 1), "on_deadline");
    bad_options(OPTIONS(.legacy_plugin = "plugin.so"), "legacy_plugin");
}

Test(options, null)
{
    errno = 0;
    cr_assert_null(vmiring_open(NULL));
    cr_assert_eq(errno, EINVAL);
}

/* A program that was built against a newer library. */
Test(options, a_newer_program)
{
    struct {
        vmiring_options o;
        uint64_t more;
    } newer = { .o = { .size = sizeof(newer), .sim = "/nowhere" } };

    /* What it does not use is no problem; here the next step fails. */
    errno = 0;
    cr_assert_null(vmiring_open(&newer.o));
    cr_assert_eq(errno, ENOSYS);
    newer.more = 1;
    errno = 0;
    cr_assert_null(vmiring_open(&newer.o));
    cr_assert_eq(errno, EINVAL);
}

/* An older program's shorter struct: the rest is as if it were zero. */
Test(options, an_older_program)
{
    vmiring_options o = OPTIONS(.abi = VMIRING_ABI_V2, .on_deadline = 0xffffffff);
    vmiring_options out;
    struct msg msg;

    o.size = offsetof(vmiring_options, sim);
    cr_assert_eq(options_check(&msg, &out, &o), 0);
    cr_assert_eq(out.abi, VMIRING_ABI_V2);
    cr_assert_null(out.sim);
    cr_assert_eq(out.on_deadline, 0);
}

Test(options, no_host)
{
    vmiring_options o = OPTIONS(.sim = "/nowhere/vmi-sim.sock");

    errno = 0;
    cr_assert_null(vmiring_open(&o));
    cr_assert_eq(errno, ENOSYS);
    cr_assert(strstr(vmiring_open_error(), "/nowhere/vmi-sim.sock"));
}

Test(options, a_path_too_long_for_a_socket)
{
    char path[200];
    vmiring_options o = OPTIONS(.sim = path);

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = 0;
    errno = 0;
    cr_assert_null(vmiring_open(&o));
    cr_assert_eq(errno, EINVAL);
}

/* ---- what the host refuses ---- */

static void open_fails(uint32_t cmd, int err, uint32_t abi, int expected)
{
    struct fake *f = fake_new(1);
    vmiring_options o = fake_options();

    o.abi = abi;
    f->fail_cmd = cmd;
    f->fail_errno = err;
    errno = 0;
    cr_assert_null(fake_open_with(f, &o));
    cr_assert_eq(errno, expected, "cmd %u errno %d: %d, expected %d (%s)", cmd,
                 err, errno, expected, vmiring_open_error());
    cr_assert_neq(vmiring_open_error()[0], 0);
    cr_assert(f->closed);
    cr_assert(!f->bound);
    cr_assert_eq(f->maps, f->unmaps);
    fake_free(f);
}

Test(open, query)
{
    open_fails(VMEV2_CMD_QUERY, ESRCH, VMIRING_ABI_AUTO, ENOENT);
    open_fails(VMEV2_CMD_QUERY, EPERM, VMIRING_ABI_AUTO, EACCES);
    open_fails(VMEV2_CMD_QUERY, EACCES, VMIRING_ABI_AUTO, EACCES);
    open_fails(VMEV2_CMD_QUERY, ENODEV, VMIRING_ABI_AUTO, ENODEV);
    open_fails(VMEV2_CMD_QUERY, EOPNOTSUPP, VMIRING_ABI_V2, EPROTONOSUPPORT);
    open_fails(VMEV2_CMD_QUERY, EINVAL, VMIRING_ABI_V2, EPROTONOSUPPORT);
    open_fails(VMEV2_CMD_QUERY, ENOSYS, VMIRING_ABI_V2, EPROTONOSUPPORT);
    open_fails(VMEV2_CMD_QUERY, ENOTTY, VMIRING_ABI_V2, EPROTONOSUPPORT);
}

Test(open, create)
{
    open_fails(VMEV2_CMD_CREATE, EBUSY, VMIRING_ABI_AUTO, EBUSY);
    open_fails(VMEV2_CMD_CREATE, ENOMEM, VMIRING_ABI_AUTO, ENOMEM);
    open_fails(VMEV2_CMD_CREATE, ENOSPC, VMIRING_ABI_AUTO, ENOMEM);
    open_fails(VMEV2_CMD_CREATE, ESRCH, VMIRING_ABI_AUTO, ENOENT);
    open_fails(VMEV2_CMD_CREATE, EPERM, VMIRING_ABI_AUTO, EACCES);
    open_fails(VMEV2_CMD_INFO, ESRCH, VMIRING_ABI_AUTO, ENODEV);
}

Test(open, bind_and_map)
{
    struct fake *f = fake_new(1);
    vmiring_options o = fake_options();

    f->fail_bind = EINVAL;  /* another agent's create took our port away */
    errno = 0;
    cr_assert_null(fake_open_with(f, &o));
    cr_assert_eq(errno, EBUSY);

    f->fail_bind = EMFILE;
    f->state = VMEV2_STATE_IDLE;
    errno = 0;
    cr_assert_null(fake_open_with(f, &o));
    cr_assert_eq(errno, EMFILE);
    cr_assert_eq(f->state, VMEV2_STATE_IDLE, "what was made is taken back");

    f->fail_bind = 0;
    f->fail_map = ENOMEM;
    errno = 0;
    cr_assert_null(fake_open_with(f, &o));
    cr_assert_eq(errno, ENOMEM);
    cr_assert_eq(f->state, VMEV2_STATE_IDLE);
    cr_assert(!f->bound);

    /* Control page, slots, positions and ring in turn. */
    for ( unsigned int i = 0; i < 4; i++ )
    {
        f->fail_map_after = f->maps + i;
        errno = 0;
        cr_assert_null(fake_open_with(f, &o));
        cr_assert_eq(errno, ENOMEM);
        cr_assert_eq(f->maps, f->unmaps);
    }

    f->fail_map = 0;
    vmiring_close(fake_open_with(f, &o));
    cr_assert_eq(f->maps, f->unmaps);
    fake_free(f);
}

Test(open, the_holder_is_named)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    vmiring_options o = fake_options();
    char name[64];

    holder_own_name(name, sizeof(name));
    errno = 0;
    cr_assert_null(fake_open_with(f, &o));
    cr_assert_eq(errno, EBUSY);
    cr_assert(strstr(vmiring_open_error(), name), "'%s' does not name %s",
              vmiring_open_error(), name);

    /* One that left no note, and one of the other ABI. */
    holder_remove(h);
    cr_assert_null(fake_open_with(f, &o));
    cr_assert(strstr(vmiring_open_error(), "port 5 of domain 3"), "%s",
              vmiring_open_error());
    f->legacy = true;
    cr_assert_null(fake_open_with(f, &o));
    cr_assert(strstr(vmiring_open_error(), "legacy ring"), "%s",
              vmiring_open_error());
    holder_write(h, &o);
    cr_assert_null(fake_open_with(f, &o));
    cr_assert(strstr(vmiring_open_error(), name), "%s", vmiring_open_error());

    /* A handle that is gone has left no note. */
    vmiring_close(h);
    holder_read(&o, name, sizeof(name));
    cr_assert_eq(name[0], 0);
    fake_free(f);
}

/*
 * Somebody created a channel and died before it bound; or one held, likewise.
 * Xen gives way after a second, so the library asks again.
 */
static void lease(uint32_t flags, uint32_t state, uint32_t cmd)
{
    struct fake *f = fake_new(1);
    vmiring_options o = fake_options();
    vmiring *h;

    o.on_death = VMIRING_DEATH_HOLD;
    if ( flags )
        cr_assert_eq(vmiring_leave(fake_open_with(f, &o)), 0);
    o.flags = flags;
    f->state = state;
    f->fail_cmd = cmd;
    f->fail_errno = EBUSY;
    f->fail_times = 3;
    f->lease_ends = !flags;
    h = fake_open_with(f, &o);
    cr_assert(h, "%s", vmiring_open_error());
    vmiring_close(h);
    fake_free(f);
}

Test(open, a_creation_that_was_never_bound)
{
    lease(0, VMEV2_STATE_CREATED, VMEV2_CMD_CREATE);
}

Test(open, an_attachment_that_was_never_bound)
{
    lease(VMIRING_OPEN_REATTACH, VMEV2_STATE_HELD, VMEV2_CMD_ATTACH);
}

Test(open, reattach)
{
    struct fake *f = fake_new(1);
    vmiring_options o = fake_options();

    o.flags = VMIRING_OPEN_REATTACH;
    errno = 0;
    cr_assert_null(fake_open_with(f, &o));
    cr_assert_eq(errno, ENXIO, "nothing is held");
    fake_free(f);
}

Test(open, takeover)
{
    struct fake *f = fake_new(1);
    vmiring_options o = fake_options();
    struct vmiring_event ev;
    vmiring *first;
    vmiring *second;

    /* Nobody is there: it is as without the flag. */
    o.flags = VMIRING_OPEN_TAKEOVER;
    first = fake_open_with(f, &o);
    cr_assert(first, "%s", vmiring_open_error());

    /* Policy DETACH: the channel is made anew. */
    second = fake_open_with(f, &o);
    cr_assert(second, "%s", vmiring_open_error());
    errno = 0;
    cr_assert_eq(vmiring_receive(first, &ev, 1), -1);
    cr_assert_eq(errno, EOWNERDEAD);
    f->bound = true;  /* in Xen they have a port each */
    vmiring_close(first);
    f->bound = true;
    f->state = VMEV2_STATE_ARMED;
    vmiring_close(second);
    fake_free(f);
}

Test(open, geometry_and_create)
{
    struct fake *f = fake_new(3);
    vmiring_options o = fake_options();
    struct vmiring_geometry g = { .size = sizeof(g) };
    vmiring *h;

    f->released_before = 12;
    o.ring_bytes = 1U << 30;    /* a wish: cut to what Xen takes */
    o.on_death = VMIRING_DEATH_CRASH;
    o.deadline_ms = 250;
    o.deadline_deny = 1;
    h = fake_open_with(f, &o);
    cr_assert(h, "%s", vmiring_open_error());
    cr_assert_eq(f->create.ring_bytes, VMEV2_RING_MAX);
    cr_assert_eq(f->create.on_death, VMEV2_DEATH_CRASH);
    cr_assert_eq(f->create.on_deadline, VMEV2_DEADLINE_RELEASE);
    cr_assert_eq(f->create.deadline_ms, 250);
    cr_assert_eq(f->create.deadline_flags, VMEV2_RSP_DENY);

    cr_assert_eq(vmiring_geometry(h, &g), 0);
    cr_assert_eq(g.size, sizeof(g));
    cr_assert_eq(g.nr_vcpus, 3);
    cr_assert_eq(g.nr_rings, 1);
    cr_assert_eq(g.ring_bytes, VMEV2_RING_MIN);
    cr_assert_eq(g.generation, 1);
    cr_assert_eq(g.released_before, 12);
    cr_assert_eq(vmiring_abi_used(h), VMIRING_ABI_V2);

    g.size = 4;
    errno = 0;
    cr_assert_eq(vmiring_geometry(h, &g), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(vmiring_restrict(h), 0);
    cr_assert_eq(f->restricted_to, FAKE_DOMID);
    vmiring_close(h);
    fake_free(f);
}

/* Between our create and our bind another agent's create took our place. */
static const struct host_ops *undisturbed;

static int late_bind(struct host *host, uint32_t domid, uint32_t port)
{
    int local = undisturbed->bind(host, domid, port);

    ((struct fake *)host)->generation++;

    return local;
}

Test(open, somebody_came_between)
{
    struct fake *f = fake_new(1);
    struct host_ops ops = *f->host.ops;
    vmiring_options o = fake_options();

    undisturbed = f->host.ops;
    ops.bind = late_bind;
    f->host.ops = &ops;
    errno = 0;
    cr_assert_null(fake_open_with(f, &o));
    cr_assert_eq(errno, EBUSY);
    cr_assert_eq(f->state, VMEV2_STATE_IDLE, "unbound, not destroyed");
    cr_assert_neq(f->last_cmd, VMEV2_CMD_DESTROY);
    fake_free(f);
}

/* ---- capabilities ---- */

static void lacks(uint64_t features, vmiring_options o, const char *name)
{
    struct fake *f = fake_new(1);
    vmiring_options base = fake_options();

    o.size = base.size;
    o.domid = base.domid;
    o.sim = base.sim;
    f->features = features;
    errno = 0;
    cr_assert_null(fake_open_with(f, &o));
    cr_assert_eq(errno, ENOTSUP, "%s: errno %d", name, errno);
    cr_assert(strstr(vmiring_open_error(), name), "'%s' does not name %s",
              vmiring_open_error(), name);
    cr_assert_eq(f->state, VMEV2_STATE_NONE, "nothing was made");
    fake_free(f);
}

Test(caps, missing_ones_are_named)
{
    lacks(VMEV2_FEAT_DEADLINE, OPTIONS(.on_death = VMIRING_DEATH_HOLD),
          "HOLD");
    lacks(VMEV2_FEAT_DEADLINE, OPTIONS(.flags = VMIRING_OPEN_REATTACH),
          "HOLD");
    lacks(VMEV2_FEAT_HOLD, OPTIONS(.deadline_ms = 5), "DEADLINE");
    lacks(VMEV2_FEAT_HOLD, OPTIONS(.flags = VMIRING_OPEN_SPLIT_RINGS),
          "SPLIT_RINGS");
    lacks(0, OPTIONS(.required = VMIRING_CAP_HOLD | VMIRING_CAP_DEADLINE),
          "DEADLINE, HOLD");
    lacks(~0ULL, OPTIONS(.required = 1ULL << 63), "does not know");
}

Test(caps, of_v2)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);

    cr_assert_eq(vmiring_caps(h),
                 VMIRING_CAP_LOSSY | VMIRING_CAP_REGSETS |
                 VMIRING_CAP_SEQUENCE | VMIRING_CAP_TIME |
                 VMIRING_CAP_DEADLINE | VMIRING_CAP_HOLD |
                 VMIRING_CAP_DETACH | VMIRING_CAP_SPLIT_RINGS |
                 VMIRING_CAP_RESTRICT | VMIRING_CAP_INFO |
                 VMIRING_CAP_SIMULATED);
    vmiring_close(h);
    fake_free(f);
}

/* ---- a control page that cannot be true ---- */

/* Spoils the page when the doorbell is bound, before the library maps it. */
static void (*spoil)(struct vmev2_ctrl *ctrl);
static const struct host_ops *honest;

static int spoiling_bind(struct host *host, uint32_t domid, uint32_t port)
{
    int local = honest->bind(host, domid, port);

    spoil(((struct fake *)host)->ctrl);

    return local;
}

static void bad_page(const char *field, void (*how)(struct vmev2_ctrl *))
{
    struct fake *f = fake_new(4);
    vmiring_options o = fake_options();
    struct host_ops ops = *f->host.ops;

    honest = f->host.ops;
    spoil = how;
    ops.bind = spoiling_bind;
    f->host.ops = &ops;
    errno = 0;
    cr_assert_null(fake_open_with(f, &o), "%s", field);
    cr_assert_eq(errno, EPROTO, "%s: errno %d", field, errno);
    cr_assert(strstr(vmiring_open_error(), field), "'%s' does not name %s",
              vmiring_open_error(), field);
    cr_assert_eq(f->maps, f->unmaps);
    cr_assert(!f->bound);
    fake_free(f);
}

#define PAGE_TEST(name, field, value) \
    static void spoil_ ## name(struct vmev2_ctrl *c) { c->field = value; } \
    Test(ctrl_page, name) { bad_page(#field, spoil_ ## name); }

PAGE_TEST(magic, magic, 0)
PAGE_TEST(compat, compat, 2)
PAGE_TEST(vcpus_more, nr_vcpus, 5)
PAGE_TEST(vcpus_none, nr_vcpus, 0)
PAGE_TEST(rings_none, nr_rings, 0)
PAGE_TEST(rings_odd, nr_rings, 2)
PAGE_TEST(ring_small, ring_bytes, 2048)
PAGE_TEST(ring_odd, ring_bytes, 4096 + 8)
PAGE_TEST(ring_large, ring_bytes, 8192)
PAGE_TEST(ring_huge, ring_bytes, 1U << 31)
PAGE_TEST(slot_small, slot_size, 512)
PAGE_TEST(slot_odd, slot_size, 1028)
PAGE_TEST(slot_large, slot_size, 2048)
PAGE_TEST(slot_huge, slot_size, 0xfffffff8U)
PAGE_TEST(rsp_early, slot_rsp, 632)
PAGE_TEST(rsp_late, slot_rsp, 776)
PAGE_TEST(rsp_odd, slot_rsp, 644)
PAGE_TEST(pending_odd, pending_off, 513)
PAGE_TEST(pending_beyond, pending_off, 4096)
PAGE_TEST(pending_huge, pending_off, 0xfffffff8U)
PAGE_TEST(vcpu_odd, vcpu_off, 1028)
PAGE_TEST(vcpu_beyond, vcpu_off, 4096 - 4 * 64 + 8)
PAGE_TEST(ring_off_beyond, ring_off, 4096 - 64 + 8)
PAGE_TEST(ring_off_huge, ring_off, 0xfffffff8U)
PAGE_TEST(ports_more, slot_ports, 5)

static void spoil_port_off(struct vmev2_ctrl *c)
{
    c->slot_ports = 4;
    c->port_off = 4096 - 8;
}

Test(ctrl_page, port_off) { bad_page("slot_ports", spoil_port_off); }

/* ---- a grant that cannot be true ---- */

static struct vmev2_op_create grant;

static int granting_op(struct host *host, uint32_t domid, void *buf0,
                       size_t size0, void *buf1, size_t size1)
{
    struct vmev2_op *op = buf0;
    bool create = op->cmd == VMEV2_CMD_CREATE;
    int rc = honest->dm_op(host, domid, buf0, size0, buf1, size1);
    unsigned int i;

    for ( i = 0; create && i < VMEV2_RES_KINDS; i++ )
        if ( grant.frames[i] != 1 )
            op->u.create.frames[i] = grant.frames[i];
    if ( create && grant.nr_vcpus != 1 )
        op->u.create.nr_vcpus = grant.nr_vcpus;

    return rc;
}

/* What is 1 stays as it is; text: in the error, NULL: there is none. */
static void granted(struct vmev2_op_create wish, const char *text)
{
    struct fake *f = fake_new(4);
    vmiring_options o = fake_options();
    struct host_ops ops = *f->host.ops;
    vmiring *h;

    grant = wish;
    honest = f->host.ops;
    ops.dm_op = granting_op;
    f->host.ops = &ops;
    errno = 0;
    h = fake_open_with(f, &o);
    cr_assert_eq(h == NULL, text != NULL, "%s", text ? text : "refused");
    if ( h )
        vmiring_close(h);
    else
    {
        cr_assert_eq(errno, EPROTO);
        cr_assert(strstr(vmiring_open_error(), text), "%s: %s", text,
                  vmiring_open_error());
    }
    cr_assert_eq(f->maps, f->unmaps);
    cr_assert(!f->bound);
    fake_free(f);
}

Test(open, what_create_grants)
{
    const struct vmev2_op_create as_it_is = { .frames = { 1, 1, 1, 1 },
                                              .nr_vcpus = 1 };
    struct vmev2_op_create g;
    unsigned int i;
    char text[32];

    granted(as_it_is, NULL);
    for ( i = 0; i < VMEV2_RES_KINDS; i++ )
    {
        g = as_it_is;
        g.frames[i] = 0;
        snprintf(text, sizeof(text), "resource %u has 0 frames", i);
        granted(g, text);
        g.frames[i] = VMEV2_RING_MAX / 4096 * 2 + 1;
        snprintf(text, sizeof(text), "resource %u has 8193 frames", i);
        granted(g, text);
    }
    g = as_it_is;
    g.frames[VMEV2_RES_RING] = VMEV2_RING_MAX / 4096 * 2;
    granted(g, NULL);
    g = as_it_is;
    g.nr_vcpus = 0;
    granted(g, "nr_vcpus is 0");
    g.nr_vcpus = 65537;
    granted(g, "nr_vcpus is 65537");
    /* As many as a domain may have, which this one's page denies. */
    g.nr_vcpus = 65536;
    granted(g, "control page");
}
