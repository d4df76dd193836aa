/* SPDX-License-Identifier: MIT */
/* Accessors of v2 events, subscriptions, page access, counters. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "fake.h"

static struct fake *f;
static vmiring *h;

static void set_up(void)
{
    f = fake_new(2);
    h = fake_open(f);
}

static void tear_down(void)
{
    vmiring_close(h);
    fake_free(f);
}

#define EVENT_TEST(suite, name) \
    Test(suite, name, .init = set_up, .fini = tear_down)

static struct vmiring_event get(uint32_t reason, const void *payload,
                                uint32_t size)
{
    struct vmiring_event ev;

    fake_sync_full(f, 0, reason, payload, size, NULL, VMEV2_REGS_NONE);
    must_receive(h, &ev, 1);

    return ev;
}

static void done(const struct vmiring_event *ev)
{
    cr_assert_eq(vmiring_respond(h, ev, NULL), 0);
    vmiring_release(h);
}

/* ---- payloads ---- */

EVENT_TEST(payload, instructions)
{
    const struct vmev2_ctrlreg cr_in = { 1, 0, 11, 12 };
    const struct vmev2_msr msr_in = { 0xc0000080, 21, 22 };
    const struct vmev2_debug debug_in = { 31, 32, 33, 34 };
    static const uint32_t debugs[] = { VMIRING_SOFTWARE_BREAKPOINT,
                                       VMIRING_DEBUG_EXCEPTION,
                                       VMIRING_SINGLESTEP };
    struct vmiring_ctrlreg cr;
    struct vmiring_msr msr;
    struct vmiring_debug debug;
    struct vmiring_event ev;
    unsigned int i;

    ev = get(VMIRING_WRITE_CTRLREG, &cr_in, sizeof(cr_in));
    cr_assert_eq(vmiring_get_ctrlreg(&ev, &cr), 0);
    cr_assert(cr.index == 1 && cr.new_value == 11 && cr.old_value == 12);
    done(&ev);

    ev = get(VMIRING_MOV_TO_MSR, &msr_in, sizeof(msr_in));
    cr_assert_eq(vmiring_get_msr(&ev, &msr), 0);
    cr_assert(msr.msr == 0xc0000080 && msr.new_value == 21 &&
              msr.old_value == 22);
    done(&ev);

    for ( i = 0; i < ARRAY_SIZE(debugs); i++ )
    {
        ev = get(debugs[i], &debug_in, sizeof(debug_in));
        cr_assert_eq(vmiring_get_debug(&ev, &debug), 0);
        cr_assert(debug.gfn == 31 && debug.pending_dbg == 32 &&
                  debug.type == 33 && debug.insn_length == 34);
        done(&ev);
    }
}

EVENT_TEST(payload, traps)
{
    const struct vmev2_mem_access mem_in = { 41, 42, 43, 44, 0 };
    const struct vmev2_descriptor desc_in = { 51, 52, 53, 54 };
    const struct vmev2_interrupt intr_in = { 61, 62, 63, 0, 64 };
    const struct vmev2_vmexit exit_in = { 71, 72 };
    struct vmiring_mem mem;
    struct vmiring_descriptor desc;
    struct vmiring_interrupt intr;
    struct vmiring_vmexit vmexit;
    struct vmiring_event ev;

    ev = get(VMIRING_MEM_ACCESS, &mem_in, sizeof(mem_in));
    cr_assert_eq(vmiring_get_mem(&ev, &mem), 0);
    cr_assert(mem.gfn == 41 && mem.offset == 42 && mem.gla == 43 &&
              mem.access == 44);
    done(&ev);

    ev = get(VMIRING_DESCRIPTOR_ACCESS, &desc_in, sizeof(desc_in));
    cr_assert_eq(vmiring_get_descriptor(&ev, &desc), 0);
    cr_assert(desc.exit_info == 51 && desc.qualification == 52 &&
              desc.descriptor == 53 && desc.is_write == 54);
    done(&ev);

    ev = get(VMIRING_INTERRUPT, &intr_in, sizeof(intr_in));
    cr_assert_eq(vmiring_get_interrupt(&ev, &intr), 0);
    cr_assert(intr.vector == 61 && intr.type == 62 && intr.error_code == 63 &&
              intr.cr2 == 64);
    done(&ev);

    ev = get(VMIRING_VMEXIT, &exit_in, sizeof(exit_in));
    cr_assert_eq(vmiring_get_vmexit(&ev, &vmexit), 0);
    cr_assert(vmexit.reason == 71 && vmexit.qualification == 72);
    done(&ev);
}

/* No accessor reads a payload of another kind, or one that is too short. */
EVENT_TEST(payload, of_another_kind)
{
    const struct vmev2_msr in = { 1, 2, 3 };
    struct vmiring_ctrlreg cr;
    struct vmiring_msr msr;
    struct vmiring_cpuid cpuid;
    struct vmiring_debug debug;
    struct vmiring_mem mem;
    struct vmiring_descriptor desc;
    struct vmiring_interrupt intr;
    struct vmiring_vmexit vmexit;
    struct vmiring_lost lost;
    struct vmiring_domain domain;
    struct vmiring_event ev = get(VMIRING_MOV_TO_MSR, &in, sizeof(in));

#define REFUSES(what, out) \
    errno = 0; \
    cr_assert_eq(vmiring_get_ ## what(&ev, &out), -1, #what); \
    cr_assert_eq(errno, EINVAL)
    REFUSES(ctrlreg, cr);
    REFUSES(cpuid, cpuid);
    REFUSES(debug, debug);
    REFUSES(mem, mem);
    REFUSES(descriptor, desc);
    REFUSES(interrupt, intr);
    REFUSES(vmexit, vmexit);
    REFUSES(lost, lost);
    REFUSES(domain, domain);
    done(&ev);

    ev = get(VMIRING_MOV_TO_MSR, &in, sizeof(in) - 8);
    REFUSES(msr, msr);
    done(&ev);
#undef REFUSES
}

/* A newer Xen's longer payload: what is known of it is read. */
EVENT_TEST(payload, longer_than_known)
{
    const struct { struct vmev2_msr msr; uint64_t more[2]; } in = {
        { 1, 2, 3 }, { 4, 5 },
    };
    struct vmiring_msr msr;
    struct vmiring_event ev = get(VMIRING_MOV_TO_MSR, &in, sizeof(in));

    cr_assert_eq(vmiring_get_msr(&ev, &msr), 0);
    cr_assert_eq(msr.old_value, 3);
    done(&ev);
}

EVENT_TEST(payload, names)
{
    cr_assert_str_eq(vmiring_reason_name(VMIRING_CPUID), "cpuid");
    cr_assert_str_eq(vmiring_reason_name(VMIRING_LOST), "lost");
    cr_assert_str_eq(vmiring_reason_name(VMIRING_DOMAIN), "domain");
    cr_assert_str_eq(vmiring_reason_name(0), "unknown");
    for ( uint32_t reason = 14; reason < 64; reason++ )
        cr_assert(vmiring_reason_name(reason)[0]);
    cr_assert_str_eq(vmiring_reason_name(2), "unknown");
    cr_assert_str_eq(vmiring_reason_name(VMIRING_IO_INSTRUCTION + 1), "unknown");
    cr_assert_str_eq(vmiring_reason_name(~0U), "unknown");
}

/* ---- registers ---- */

/* Each register has a value that tells where it stands. */
EVENT_TEST(registers, core_and_all)
{
    struct vmev2_regs_x86 regs;
    struct vmiring_response rsp = { .size = sizeof(rsp) };
    struct vmiring_event ev;
    uint64_t value;
    unsigned int reg;
    uint8_t set;

    memset(&regs, 0x11, sizeof(regs));
    for ( set = VMEV2_REGS_NONE; set <= VMEV2_REGS_ALL; set++ )
    {
        fake_sync_full(f, 0, VMIRING_CPUID, NULL, 0, &regs, set);
        must_receive(h, &ev, 1);
        cr_assert_eq(ev.regs, set);
        for ( reg = 0; reg < VMIRING_REG_X86_END; reg++ )
        {
            bool there = set == VMEV2_REGS_ALL ? reg != VMIRING_NPT_BASE
                         : set == VMEV2_REGS_CORE && reg <= VMIRING_CS_LIMIT;

            errno = 0;
            cr_assert_eq(vmiring_get_reg(&ev, reg, &value), there ? 0 : -1,
                         "set %u register %u", set, reg);
            cr_assert(there || errno == ENODATA);
        }
        errno = 0;
        cr_assert_eq(vmiring_regs_from(&ev, &rsp), set ? 0 : -1);
        cr_assert(set || errno == ENODATA);
        done(&ev);
    }
}

EVENT_TEST(registers, widths)
{
    struct vmev2_regs_x86 regs;
    struct vmiring_event ev;
    uint64_t value;

    memset(&regs, 0xee, sizeof(regs));
    regs.cs.sel = 0x10;
    regs.cs.ar = 0xa9b;
    fake_sync_full(f, 0, VMIRING_CPUID, NULL, 0, &regs, VMEV2_REGS_ALL);
    must_receive(h, &ev, 1);
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_CS_SEL, &value), 0);
    cr_assert_eq(value, 0x10);
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_CS_AR, &value), 0);
    cr_assert_eq(value, 0xa9b);
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_GDTR_LIMIT, &value), 0);
    cr_assert_eq(value, 0xeeeeeeee);
    done(&ev);
}

EVENT_TEST(registers, none_such)
{
    const struct vmev2_regs_x86 regs = { 0 };
    struct vmiring_event ev;
    uint64_t value;

    fake_sync_full(f, 0, VMIRING_CPUID, NULL, 0, &regs, VMEV2_REGS_ALL);
    must_receive(h, &ev, 1);
    errno = 0;
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_REG_X86_END, &value), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_get_reg(&ev, 100000, &value), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_PC, &value), -1);
    cr_assert_eq(errno, ENODATA, "of another architecture");
    errno = 0;
    cr_assert_eq(vmiring_get_reg(NULL, VMIRING_RAX, &value), -1);
    cr_assert_eq(errno, EINVAL);
    done(&ev);
}

/* An arm64 domain: other registers, and only the pc can be set. */
Test(registers, arm64)
{
    struct vmev2_regs_arm64 regs = { .pc = 1, .cpsr = 2, .x = { 10, [30] = 40 },
                                     .sp_el0 = 50, .sctlr = 55 };
    struct vmiring_response rsp = { .size = sizeof(rsp) };
    struct vmev2_slot *slot;
    struct vmiring_event ev;
    uint64_t value;

    f = fake_new(1);
    f->features |= VMEV2_FEAT_ARM64;
    h = fake_open(f);
    fake_sync(f, 0, VMIRING_PRIVILEGED_CALL);
    slot = fake_slot(f, 0);
    memcpy(slot->body, &regs, VMEV2_REGS_ARM64_CORE_SIZE);
    slot->rec.regs = VMEV2_REGS_CORE;
    slot->rec.size = 32 + VMEV2_REGS_ARM64_CORE_SIZE;

    must_receive(h, &ev, 1);
#define IS(reg, expected) \
    cr_assert_eq(vmiring_get_reg(&ev, reg, &value), 0); \
    cr_assert_eq(value, expected)
    IS(VMIRING_PC, 1);
    IS(VMIRING_CPSR, 2);
    IS(VMIRING_X0, 10);
    IS(VMIRING_X0 + 30, 40);
    IS(VMIRING_SP_EL0, 50);
    IS(VMIRING_SCTLR, 55);
#undef IS
    errno = 0;
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_X0 + 31, &value), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_RAX, &value), -1);
    cr_assert_eq(errno, ENODATA);

    cr_assert_eq(vmiring_regs_from(&ev, &rsp), 0);
    rsp.regs[0] += 4;
    rsp.flags = VMIRING_RSP_SET_REGISTERS;
    cr_assert_eq(vmiring_respond(h, &ev, &rsp), 0, "%s", vmiring_error(h));
    vmiring_release(h);
    cr_assert_eq(f->vcpu[0].rsp.regs.word[0], 5);
    cr_assert_eq(f->vcpu[0].rsp.regs.word[17], 0);
    tear_down();
}

EVENT_TEST(registers, flags_of_events)
{
    struct vmiring_event ev;

    fake_sync(f, 0, VMIRING_CPUID);
    fake_slot(f, 0)->rec.flags |= VMEV2_REC_ALTP2M | VMEV2_REC_NESTED;
    fake_slot(f, 0)->rec.altp2m_idx = 9;
    must_receive(h, &ev, 1);
    cr_assert_eq(ev.flags, VMIRING_EV_SYNC | VMIRING_EV_ALTP2M |
                           VMIRING_EV_NESTED);
    cr_assert_eq(ev.altp2m_view, 9);
    done(&ev);
}

/* ---- subscriptions ---- */

static void refuses(struct vmiring_subscription s, const char *field)
{
    s.size = sizeof(s);
    errno = 0;
    cr_assert_eq(vmiring_subscribe(h, &s), -1, "%s was taken", field);
    cr_assert_eq(errno, EINVAL);
    cr_assert(strstr(vmiring_error(h), field), "'%s' does not name %s",
              vmiring_error(h), field);
    cr_assert_eq(f->nr_subs, 0);
}

#define SUB(...) ((struct vmiring_subscription){ __VA_ARGS__ })

EVENT_TEST(subscribe, fields)
{
    struct vmiring_subscription none = { .size = 0 };

    errno = 0;
    cr_assert_eq(vmiring_subscribe(h, &none), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_subscribe(h, NULL), -1);
    cr_assert_eq(errno, EINVAL);

    refuses(SUB(.reason = 0), "reason");
    refuses(SUB(.reason = 32), "reason");
    refuses(SUB(.reason = VMIRING_LOST), "reason");
    refuses(SUB(.reason = VMIRING_CPUID, .sync = 2), "sync");
    refuses(SUB(.reason = VMIRING_CPUID, .regs = 3), "regs");
    refuses(SUB(.reason = VMIRING_CPUID, .onchangeonly = 1), "onchangeonly");
    refuses(SUB(.reason = VMIRING_WRITE_CTRLREG, .onchangeonly = 2),
            "onchangeonly");
    refuses(SUB(.reason = VMIRING_CPUID, .userspace = 1), "userspace");
    refuses(SUB(.reason = VMIRING_GUEST_REQUEST, .userspace = 2), "userspace");
    refuses(SUB(.reason = VMIRING_CPUID, .index = 1), "index");
    refuses(SUB(.reason = VMIRING_WRITE_CTRLREG, .index = 4), "index");
    refuses(SUB(.reason = VMIRING_WRITE_CTRLREG, .msr = 1), "msr");
    refuses(SUB(.reason = VMIRING_MOV_TO_MSR, .mask = 1), "mask");
}

EVENT_TEST(subscribe, arrives)
{
    struct vmiring_subscription s = {
        .size = sizeof(s), .reason = VMIRING_WRITE_CTRLREG, .sync = 1,
        .regs = VMIRING_REGS_ALL, .onchangeonly = 1, .index = VMIRING_CR4,
        .mask = 0x80,
    };

    cr_assert_eq(vmiring_subscribe(h, &s), 0);
    cr_assert_eq(f->monitor.reason, VMEV2_REASON_WRITE_CTRLREG);
    cr_assert_eq(f->monitor.enable, 1);
    cr_assert_eq(f->monitor.sync, 1);
    cr_assert_eq(f->monitor.regs, VMEV2_REGS_ALL);
    cr_assert_eq(f->monitor.flags, VMEV2_MON_ONCHANGEONLY);
    cr_assert_eq(f->monitor.index, 2);
    cr_assert_eq(f->monitor.mask, 0x80);

    errno = 0;
    cr_assert_eq(vmiring_subscribe(h, &s), -1);
    cr_assert_eq(errno, EEXIST);
    cr_assert_eq(vmiring_unsubscribe(h, &s), 0);
    cr_assert_eq(f->monitor.enable, 0);
    errno = 0;
    cr_assert_eq(vmiring_unsubscribe(h, &s), -1);
    cr_assert_eq(errno, ENOENT);

    s = SUB(.size = sizeof(s), .reason = VMIRING_GUEST_REQUEST, .userspace = 1);
    cr_assert_eq(vmiring_subscribe(h, &s), 0);
    cr_assert_eq(f->monitor.flags, VMEV2_MON_USERSPACE);
    s = SUB(.size = sizeof(s), .reason = VMIRING_MOV_TO_MSR, .msr = 0x176);
    cr_assert_eq(vmiring_subscribe(h, &s), 0);
    cr_assert_eq(f->monitor.msr, 0x176);
}

/* Closing takes back what is subscribed, and that alone. */
EVENT_TEST(subscribe, close_takes_back)
{
    struct vmiring_subscription s = { .size = sizeof(s) };
    uint32_t i;

    for ( i = 0; i < 4; i++ )
    {
        s.reason = VMIRING_WRITE_CTRLREG;
        s.index = i;
        cr_assert_eq(vmiring_subscribe(h, &s), 0);
    }
    s.index = 1;
    cr_assert_eq(vmiring_unsubscribe(h, &s), 0);
    cr_assert_eq(f->nr_subs, 3);

    /* So that only the library's own account empties the list. */
    f->fail_cmd = VMEV2_CMD_DESTROY;
    f->fail_errno = ENOMEM;
    vmiring_close(h);
    cr_assert_eq(f->nr_subs, 0);
    h = NULL;
}

static void monitor_fails(int err, int expected)
{
    struct vmiring_subscription s = { .size = sizeof(s),
                                      .reason = VMIRING_CPUID };

    f->fail_cmd = VMEV2_CMD_MONITOR;
    f->fail_errno = err;
    errno = 0;
    cr_assert_eq(vmiring_subscribe(h, &s), -1);
    cr_assert_eq(errno, expected, "errno %d for %d", errno, err);
    f->fail_errno = 0;
}

EVENT_TEST(subscribe, errors)
{
    monitor_fails(EOPNOTSUPP, EOPNOTSUPP);
    monitor_fails(EEXIST, EEXIST);
    monitor_fails(ESRCH, ENODEV);
    monitor_fails(ENODEV, ENODEV);
    cr_assert(strstr(vmiring_error(h), "is gone"), "%s", vmiring_error(h));
    monitor_fails(EPERM, EACCES);
    f->fail_cmd = VMEV2_CMD_ACCESS_SET;
    f->fail_errno = EOPNOTSUPP;
    cr_assert_eq(vmiring_set_access(h, 1, 1, 0), -1);
    cr_assert_eq(errno, EOPNOTSUPP);
    cr_assert(strstr(vmiring_error(h), "no page access"), "%s",
              vmiring_error(h));
    f->fail_errno = 0;
    f->state = f->ctrl->state = VMEV2_STATE_IDLE;
    errno = 0;
    cr_assert_eq(vmiring_set_access(h, 1, 1, 0), -1);
    cr_assert_eq(errno, ESTALE);
}

/* The channel is taken over while the command is on its way. */
static int losing_op(struct host *host, uint32_t domid, void *buf0, size_t size0,
                     void *buf1, size_t size1)
{
    (void)host, (void)domid, (void)buf0, (void)size0, (void)buf1, (void)size1;
    f->ctrl->generation++;
    errno = ENOTCONN;

    return -1;
}

EVENT_TEST(subscribe, the_pages_say_why_it_fails)
{
    const struct host_ops *honest = f->host.ops;
    struct host_ops ops = *honest;

    ops.dm_op = losing_op;
    f->host.ops = &ops;
    errno = 0;
    cr_assert_eq(vmiring_set_access(h, 1, 1, 0), -1);
    cr_assert_eq(errno, EOWNERDEAD, "errno %d", errno);
    f->host.ops = honest;
}

/* ---- page access, offers, clock ---- */

EVENT_TEST(access, arrives)
{
    uint32_t access;

    cr_assert_eq(vmiring_set_access(h, 0x800, 16, VMIRING_ACCESS_RX), 0);
    cr_assert_eq(f->access.first, 0x800);
    cr_assert_eq(f->access.nr, 16);
    cr_assert_eq(f->access.access, VMIRING_ACCESS_RX);
    cr_assert_eq(vmiring_get_access(h, 0x800, &access), 0);
    cr_assert_eq(access, VMIRING_ACCESS_RX);

    errno = 0;
    cr_assert_eq(vmiring_set_access(h, 0, 1, VMIRING_ACCESS_N2RWX + 1), -1);
    cr_assert_eq(errno, EINVAL);
    f->fail_cmd = VMEV2_CMD_ACCESS_SET;
    f->fail_errno = EOPNOTSUPP;
    errno = 0;
    cr_assert_eq(vmiring_set_access(h, 0, 1, 0), -1);
    cr_assert_eq(errno, EOPNOTSUPP);
}

/* Where setting rights has Xen look for answers, nobody rings for them. */
Test(access, tells_of_answers)
{
    for ( int looks = 0; looks < 2; looks++ )
    {
        struct vmiring_event ev;

        f = fake_new(1);
        if ( looks )
            f->features |= VMEV2_FEAT_ACCESS_LOOKS;
        h = fake_open(f);
        fake_sync(f, 0, VMIRING_MEM_ACCESS);
        must_receive(h, &ev, 1);
        cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);

        /* Rights that could not be set tell nothing. */
        f->fail_cmd = VMEV2_CMD_ACCESS_SET;
        f->fail_errno = ERANGE;
        cr_assert_eq(vmiring_set_access(h, 1, 1, VMIRING_ACCESS_RWX), -1);
        f->fail_cmd = 0;
        f->fail_errno = 0;
        cr_assert(f->vcpu[0].outstanding);

        f->kicks = 0;
        cr_assert_eq(vmiring_set_access(h, 1, 1, VMIRING_ACCESS_RWX), 0);
        cr_assert_eq(f->vcpu[0].outstanding, !looks);
        vmiring_release(h);
        cr_assert_eq(f->kicks, !looks);
        cr_assert(!f->vcpu[0].outstanding);
        tear_down();
    }
}

/* In chunks that fit a page; the one that is not there is named. */
EVENT_TEST(access, lists)
{
    static uint64_t gfns[1000];
    static uint8_t access[1000];
    size_t done = 9, i;

    for ( i = 0; i < 1000; i++ )
        gfns[i] = 0x1000 + i;
    f->list_takes = 1000;
    cr_assert_eq(vmiring_set_access_list(h, gfns, access, 1000, &done), 0);
    cr_assert_eq(done, 1000);
    cr_assert_eq(f->lists, 3);
    f->list_takes = 500;
    cr_assert_eq(vmiring_set_access_list(h, gfns, access, 1000, &done), -1);
    cr_assert_eq(errno, EFAULT);
    cr_assert_eq(done, 500);
    cr_assert(strstr(vmiring_error(h), "0x11f4"), "%s", vmiring_error(h));
    cr_assert_eq(vmiring_set_access_list(h, gfns, access, 0, &done), 0);
    cr_assert_eq(done, 0);
    cr_assert_eq(vmiring_set_access_list(h, NULL, access, 1, &done), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(vmiring_set_access_list(h, gfns, NULL, 1, &done), -1);
    cr_assert_eq(vmiring_set_access_list(h, gfns, access, 1, NULL), -1);
    access[1] = VMIRING_ACCESS_N2RWX + 1;
    cr_assert_eq(vmiring_set_access_list(h, gfns, access, 2, &done), -1);
    cr_assert(strstr(vmiring_error(h), "entry 1"));
    access[1] = 0;
    gfns[1] = UINT64_MAX;
    cr_assert_eq(vmiring_set_access_list(h, gfns, access, 2, &done), -1);
}

/* A page that is not there, and a handle that is not the channel's any more. */
EVENT_TEST(access, errors)
{
    uint32_t access;

    f->fail_cmd = VMEV2_CMD_ACCESS_GET;
    f->fail_errno = ERANGE;
    cr_assert_eq(vmiring_get_access(h, 0x77, &access), -1);
    cr_assert_eq(errno, EFAULT);
    cr_assert(strstr(vmiring_error(h), "0x77"));
    f->fail_errno = EPERM;
    cr_assert_eq(vmiring_get_access(h, 0x77, &access), -1);
    cr_assert_eq(errno, EACCES);
    f->fail_cmd = VMEV2_CMD_MONITOR;
    f->fail_errno = ENOTCONN;
    cr_assert_eq(vmiring_set_access(h, 0, 1, 0), 0);
}

EVENT_TEST(access, offers_and_clock)
{
    struct vmiring_clock clock = { .size = sizeof(clock) };
    uint64_t reasons = 1;
    uint32_t flags = 0;

    cr_assert_eq(vmiring_offers(h, &reasons, &flags), 0);
    cr_assert_eq(reasons, f->reasons);
    cr_assert_eq(flags, VMEV2_RSP_KNOWN);
    errno = 0;
    cr_assert_eq(vmiring_offers(h, NULL, &flags), -1);
    cr_assert_eq(errno, EINVAL);

    cr_assert_eq(vmiring_clock(h, &clock), 0);
    cr_assert_eq(clock.time, 101);
    cr_assert_eq(clock.wall, 102);
    cr_assert_eq(clock.tsc, 103);
}

/* ---- counters ---- */

EVENT_TEST(info, all_and_some)
{
    struct vmiring_vcpu_info info[4] = { { .size = sizeof(info[0]) } };

    f->vcpu[0].info = (struct vmev2_vcpu_info){
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 };
    f->vcpu[0].seq = 14;
    f->vcpu[1].info.raised = 15;

    cr_assert_eq(vmiring_info(h, 0, 4, info), 2);
    cr_assert(info[0].seq == 14 && info[0].produced == 2 &&
              info[0].lost == 3 && info[0].raised == 4 &&
              info[0].answered == 5 && info[0].released == 6 &&
              info[0].cancelled == 7 && info[0].stale == 8 &&
              info[0].bad == 9 && info[0].pauses == 10 &&
              info[0].pending_since == 11 && info[0].pending_reason == 12 &&
              info[0].pending == 13);
    cr_assert_eq(info[1].raised, 15);
    cr_assert_eq(info[1].size, sizeof(info[0]));
    cr_assert_eq(vmiring_info(h, 1, 1, info), 1);
    cr_assert_eq(info[0].raised, 15);

    errno = 0;
    cr_assert_eq(vmiring_info(h, 2, 1, info), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_info(h, 0, 0, info), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(vmiring_info(h, 0, 1, NULL), -1);
    cr_assert_eq(errno, EINVAL);
    info[0].size = 8;
    errno = 0;
    cr_assert_eq(vmiring_info(h, 0, 1, info), -1);
    cr_assert_eq(errno, EINVAL);
    info[0].size = sizeof(info[0]);
    f->fail_cmd = VMEV2_CMD_INFO;
    f->fail_errno = ESRCH;
    errno = 0;
    cr_assert_eq(vmiring_info(h, 0, 1, info), -1);
    cr_assert_eq(errno, ENODEV);
}

/* An older program's shorter entries: as many bytes apart as it says. */
EVENT_TEST(info, shorter_entries)
{
    struct { size_t size; uint64_t word[7]; } info[2] = { { .size = 64 } };

    f->vcpu[0].info.cancelled = 5;
    f->vcpu[1].info.cancelled = 6;
    cr_assert_eq(vmiring_info(h, 0, 2, (void *)info), 2);
    cr_assert_eq(info[0].word[6], 5);
    cr_assert_eq(info[1].word[6], 6);
    cr_assert_eq(info[1].size, 64);
}
