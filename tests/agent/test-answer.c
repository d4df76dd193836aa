/* SPDX-License-Identifier: MIT */
/* The answer to each kind of event: what it must change, and what not. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "answer.h"
#include "cli.h"
#include "fake_event.h"
#include "guard.h"

#define RIP 0xffffffff81000100ULL
#define RF  (1ULL << 16)

static struct fake_event with_regs(uint32_t reason)
{
    struct fake_event f = { .reason = reason, .has_regs = 1 };

    for ( int i = 0; i < 18; i++ )
        f.reg[i] = 0x1000 + i;
    f.reg[VMIRING_RIP] = RIP;
    f.reg[VMIRING_RFLAGS] = 0x202;
    return f;
}

static struct vmiring_response build(struct answer_policy *policy,
                                     const struct fake_event *f,
                                     uint32_t flags)
{
    struct vmiring_event ev = fake_event(f, f->reason, flags);
    struct vmiring_response rsp;

    answer_build(policy, &ev, &rsp);
    cr_assert_eq(rsp.size, sizeof(rsp));
    return rsp;
}

/* All 18 registers are as captured but RIP, and the given ones. */
static void expect_regs(const struct vmiring_response *rsp,
                        const struct fake_event *f, uint64_t rip,
                        uint32_t changed)
{
    cr_assert_eq(rsp->flags, VMIRING_RSP_SET_REGISTERS);
    cr_assert_eq(rsp->regs[VMIRING_RIP], rip);
    for ( int i = 0; i < 18; i++ )
        if ( i != VMIRING_RIP && !(changed >> i & 1) )
            cr_assert_eq(rsp->regs[i], f->reg[i], "register %d", i);
}

Test(answer, cpuid_steps_over_and_keeps_the_result)
{
    struct answer_policy policy = { 0 };
    struct fake_event f = with_regs(VMIRING_CPUID);
    struct vmiring_response rsp;

    f.u.cpuid.insn_length = 2;
    rsp = build(&policy, &f, VMIRING_EV_SYNC);
    expect_regs(&rsp, &f, RIP + 2, 0);
}

/* The test guest's own leaf only: no other guest may see wrong features. */
Test(answer, reply_changes_one_leaf_of_cpuid)
{
    struct answer_policy policy = { .reply = true };
    struct fake_event f = with_regs(VMIRING_CPUID);
    struct vmiring_response rsp;

    f.u.cpuid.insn_length = 2;
    f.u.cpuid.leaf = 0x5a5a5a00;
    rsp = build(&policy, &f, VMIRING_EV_SYNC);
    expect_regs(&rsp, &f, RIP + 2, 1U << VMIRING_RAX);
    cr_assert_eq(rsp.regs[VMIRING_RAX], 0x5a5a5a00 ^ 0x5a5aa5a5);
    f.u.cpuid.leaf = 1;
    rsp = build(&policy, &f, VMIRING_EV_SYNC);
    expect_regs(&rsp, &f, RIP + 2, 0);
}

Test(answer, int3_is_skipped)
{
    struct answer_policy policy = { 0 };
    struct fake_event f = with_regs(VMIRING_SOFTWARE_BREAKPOINT);
    struct vmiring_response rsp;

    f.u.debug.insn_length = 1;
    rsp = build(&policy, &f, VMIRING_EV_SYNC);
    expect_regs(&rsp, &f, RIP + 1, 0);
}

Test(answer, debug_trap_stays_and_sets_rf)
{
    struct answer_policy policy = { 0 };
    struct fake_event f = with_regs(VMIRING_DEBUG_EXCEPTION);
    struct vmiring_response rsp = build(&policy, &f, VMIRING_EV_SYNC);

    expect_regs(&rsp, &f, RIP, 1U << VMIRING_RFLAGS);
    cr_assert_eq(rsp.regs[VMIRING_RFLAGS], 0x202 | RF);
}

Test(answer, icebp_is_skipped)
{
    struct answer_policy policy = { 0 };
    struct fake_event f = with_regs(VMIRING_DEBUG_EXCEPTION);
    struct vmiring_response rsp;

    f.u.debug.insn_length = 1;
    rsp = build(&policy, &f, VMIRING_EV_SYNC);
    cr_assert_eq(rsp.regs[VMIRING_RIP], RIP + 1);
}

Test(answer, request_continues)
{
    struct answer_policy policy = { 0 };
    struct fake_event f = with_regs(VMIRING_GUEST_REQUEST);

    cr_assert_eq(build(&policy, &f, VMIRING_EV_SYNC).flags, 0);
}

/* Registers are loaded after the hypercall ended: RIP and RAX as it left. */
Test(answer, reply_changes_rdi_behind_the_hypercall)
{
    struct answer_policy policy = { .reply = true };
    struct fake_event f = with_regs(VMIRING_GUEST_REQUEST);
    struct vmiring_response rsp = build(&policy, &f, VMIRING_EV_SYNC);

    expect_regs(&rsp, &f, RIP + 3, 1U << VMIRING_RAX | 1U << VMIRING_RDI);
    cr_assert_eq(rsp.regs[VMIRING_RAX], 0);
    cr_assert_eq(rsp.regs[VMIRING_RDI],
                 f.reg[VMIRING_RDI] ^ 0x5a5aa5a5ULL);
}

Test(answer, reply_without_registers_continues)
{
    struct answer_policy policy = { .reply = true };
    struct fake_event f = { .reason = VMIRING_GUEST_REQUEST };

    cr_assert_eq(build(&policy, &f, VMIRING_EV_SYNC).flags, 0);
}

Test(answer, reply_on_arm64_continues)
{
    struct answer_policy policy = { .reply = true };
    struct fake_event f = { .reason = VMIRING_GUEST_REQUEST, .has_regs = 1,
                            .arm64 = 1 };

    cr_assert_eq(build(&policy, &f, VMIRING_EV_SYNC).flags, 0);
}

Test(answer, smc_is_skipped)
{
    struct answer_policy policy = { 0 };
    struct fake_event f = { .reason = VMIRING_PRIVILEGED_CALL, .has_regs = 1,
                            .arm64 = 1 };
    struct vmiring_response rsp;

    f.reg[VMIRING_PC] = 0x80000;
    rsp = build(&policy, &f, VMIRING_EV_SYNC);
    cr_assert_eq(rsp.flags, VMIRING_RSP_SET_REGISTERS);
    cr_assert_eq(rsp.regs[0], 0x80004);
}

Test(answer, accesses_are_emulated)
{
    struct answer_policy policy = { 0 };
    struct fake_event mem = with_regs(VMIRING_MEM_ACCESS);
    struct fake_event desc = with_regs(VMIRING_DESCRIPTOR_ACCESS);

    cr_assert_eq(build(&policy, &mem, VMIRING_EV_SYNC).flags,
                 VMIRING_RSP_EMULATE);
    cr_assert_eq(build(&policy, &desc, VMIRING_EV_SYNC).flags,
                 VMIRING_RSP_EMULATE);
}

Test(answer, deny_is_for_the_named_register_only)
{
    static const struct { uint32_t deny, index; bool denied; } cases[] = {
        { 0, VMIRING_CR4, false },
        { DENY_CR4, VMIRING_CR4, true },
        { DENY_CR4, VMIRING_CR0, false },
        { DENY_CR4, VMIRING_CR3, false },
        { DENY_CR0 | DENY_CR3, VMIRING_CR0, true },
        { DENY_CR0 | DENY_CR3, VMIRING_CR3, true },
        { DENY_MSR, VMIRING_CR0, false },
        { ~0U, VMIRING_XCR0 + 1, false },   /* not an index */
        { ~0U, 31, false },                 /* that of DENY_MSR */
        { ~0U, 1U << 31, false },
    };

    for ( size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++ )
    {
        struct answer_policy policy = { .deny = cases[i].deny };
        struct fake_event f = with_regs(VMIRING_WRITE_CTRLREG);

        f.u.ctrlreg.index = cases[i].index;
        cr_expect_eq(build(&policy, &f, VMIRING_EV_SYNC).flags,
                     cases[i].denied ? VMIRING_RSP_DENY : 0, "case %zu", i);
    }
}

Test(answer, deny_msr)
{
    struct answer_policy policy = { .deny = DENY_MSR };
    struct fake_event f = with_regs(VMIRING_MOV_TO_MSR);

    cr_assert_eq(build(&policy, &f, VMIRING_EV_SYNC).flags, VMIRING_RSP_DENY);
    policy.deny = DENY_CR0 | DENY_CR3 | DENY_CR4;
    cr_assert_eq(build(&policy, &f, VMIRING_EV_SYNC).flags, 0);
}

/* The same answer again would be refused again, for ever. */
Test(answer, refused_before_continues)
{
    struct answer_policy policy = { .reply = true, .deny = ~0U };
    struct fake_event f = with_regs(VMIRING_CPUID);

    f.u.cpuid.insn_length = 2;
    cr_assert_eq(build(&policy, &f,
                       VMIRING_EV_SYNC | VMIRING_EV_AGAIN).flags, 0);
}

Test(answer, next_interrupt_is_asked_for_but_not_by_its_own_answer)
{
    struct answer_policy policy = { .next_interrupt = true };
    struct fake_event f = with_regs(VMIRING_GUEST_REQUEST);
    struct fake_event i = with_regs(VMIRING_INTERRUPT);

    cr_assert_eq(build(&policy, &f, VMIRING_EV_SYNC).flags,
                 VMIRING_RSP_GET_NEXT_INTERRUPT);
    cr_assert_eq(build(&policy, &i, VMIRING_EV_SYNC).flags, 0);
}

static void take(struct answer_policy *policy, const struct fake_event *f)
{
    struct vmiring_event ev = fake_event(f, f->reason, VMIRING_EV_SYNC);
    struct vmiring_response rsp = build(policy, f, VMIRING_EV_SYNC);

    cr_assert_eq(rsp.flags, VMIRING_RSP_TOGGLE_SINGLESTEP);
    answer_taken(policy, &ev, &rsp);
}

/* In Xen the flag toggles, so on, nothing, off. */
Test(answer, one_step_after_each_event)
{
    struct answer_policy policy = { .step = true };
    struct fake_event f = with_regs(VMIRING_GUEST_REQUEST);
    struct fake_event s = with_regs(VMIRING_SINGLESTEP);

    cr_assert_eq(build(&policy, &f, VMIRING_EV_SYNC).flags,
                 VMIRING_RSP_TOGGLE_SINGLESTEP);
    /* Not taken, so Xen has toggled nothing. */
    cr_assert_eq(policy.nr_stepping, 0);
    take(&policy, &f);
    cr_assert_eq(policy.nr_stepping, 1);
    cr_assert_eq(build(&policy, &f, VMIRING_EV_SYNC).flags, 0);
    take(&policy, &s);
    cr_assert_eq(policy.nr_stepping, 0);
    cr_assert_eq(build(&policy, &s, VMIRING_EV_SYNC).flags, 0);
}

Test(answer, step_of_an_impossible_vcpu_is_ignored)
{
    struct answer_policy policy = { .step = true };
    struct fake_event f = with_regs(VMIRING_GUEST_REQUEST);
    struct vmiring_event ev = fake_event(&f, f.reason, VMIRING_EV_SYNC);
    struct vmiring_response rsp;

    ev.vcpu = UINT32_MAX;
    answer_build(&policy, &ev, &rsp);
    cr_assert_eq(rsp.flags, 0);
    cr_assert_eq(policy.nr_stepping, 0);
}

Test(answer, without_registers_nothing_is_set)
{
    static const uint32_t reasons[] = {
        VMIRING_CPUID, VMIRING_SOFTWARE_BREAKPOINT, VMIRING_DEBUG_EXCEPTION,
        VMIRING_PRIVILEGED_CALL
    };
    struct answer_policy policy = { 0 };

    for ( size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++ )
    {
        struct fake_event f = { .reason = reasons[i] };

        cr_expect_eq(build(&policy, &f, VMIRING_EV_SYNC).flags, 0,
                     "reason %u", reasons[i]);
    }
}

static void note_hit(void *ctx, const struct guard_hit *hit)
{
    *(int *)ctx = hit->denied;
}

/* A rule that denies has not done so when Xen ended the request before. */
Test(guard, denied_only_if_it_was)
{
    struct fake_event f = with_regs(VMIRING_WRITE_CTRLREG);
    struct vmiring_event ev;
    char err[200] = "", path[] = "/tmp/guard-XXXXXX";
    struct guard *g;
    int fd = mkstemp(path), hit = -1;

    cr_assert_geq(fd, 0);
    cr_assert_gt(dprintf(fd, "{ \"rules\": { \"cr0-wp\": \"deny\" } }\n"), 0);
    close(fd);
    g = guard_load(path, err, sizeof(err));
    unlink(path);
    cr_assert_not_null(g, "%s", err);
    f.u.ctrlreg.index = VMIRING_CR0;
    f.u.ctrlreg.old_value = 1U << 16;
    ev = fake_event(&f, f.reason, VMIRING_EV_SYNC);
    cr_assert(guard_denies(g, &ev));
    guard_report(g, &ev, true, note_hit, &hit);
    cr_expect_eq(hit, 1);
    guard_report(g, &ev, false, note_hit, &hit);
    cr_expect_eq(hit, 0);
    guard_free(g);
}
