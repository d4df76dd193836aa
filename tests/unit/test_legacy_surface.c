/* SPDX-License-Identifier: MIT */
/* Every event, response and subscription of the legacy ABI. */
#include "fake_ring.h"
#include "legacy_monitor.h"

/* ---- conversion ---- */

static struct vmiring_event convert(const vm_event_request_t *req)
{
    struct vmiring_event ev;

    r->paused[req->vcpu_id]++;
    ring_put(r, req);
    must_receive(h, &ev, 1);

    return ev;
}

static void answer_it(const struct vmiring_event *ev,
                      const struct vmiring_response *rsp)
{
    cr_assert_eq(vmiring_respond(h, ev, rsp), 0, "%s", vmiring_error(h));
    vmiring_release(h);
}

#define REQUEST(r_, ...) \
    ((vm_event_request_t){ .version = VM_EVENT_INTERFACE_VERSION, \
                           .flags = VM_EVENT_FLAG_VCPU_PAUSED, \
                           .reason = VM_EVENT_REASON_ ## r_, __VA_ARGS__ })

LEGACY_TEST(payloads_of_instructions)
{
    vm_event_request_t q;
    struct vmiring_event ev;
    struct vmiring_ctrlreg cr;
    struct vmiring_msr msr;
    struct vmiring_cpuid cpuid;
    struct vmiring_debug debug;

    q = REQUEST(WRITE_CTRLREG, .u.write_ctrlreg = { 3, 0, 11, 12 });
    ev = convert(&q);
    cr_assert_eq(vmiring_get_ctrlreg(&ev, &cr), 0);
    cr_assert(cr.index == 3 && cr.new_value == 11 && cr.old_value == 12);
    answer_it(&ev, NULL);

    q = REQUEST(MOV_TO_MSR, .u.mov_to_msr = { 0x176, 21, 22 });
    ev = convert(&q);
    cr_assert_eq(vmiring_get_msr(&ev, &msr), 0);
    cr_assert(msr.msr == 0x176 && msr.new_value == 21 && msr.old_value == 22);
    answer_it(&ev, NULL);

    q = REQUEST(CPUID, .u.cpuid = { 2, 7, 1, 0 });
    ev = convert(&q);
    cr_assert_eq(vmiring_get_cpuid(&ev, &cpuid), 0);
    cr_assert(cpuid.insn_length == 2 && cpuid.leaf == 7 && cpuid.subleaf == 1);
    answer_it(&ev, NULL);

    q = REQUEST(SOFTWARE_BREAKPOINT,
                .u.software_breakpoint = { 31, 0, 1, 6, { 0 } });
    ev = convert(&q);
    cr_assert_eq(vmiring_get_debug(&ev, &debug), 0);
    cr_assert(debug.gfn == 31 && debug.insn_length == 1 && debug.type == 6);
    answer_it(&ev, NULL);

    q = REQUEST(DEBUG_EXCEPTION,
                .u.debug_exception = { 41, 0x4000, 0, 3, { 0 } });
    ev = convert(&q);
    cr_assert_eq(vmiring_get_debug(&ev, &debug), 0);
    cr_assert(debug.gfn == 41 && debug.pending_dbg == 0x4000 &&
              debug.type == 3);
    answer_it(&ev, NULL);
}

LEGACY_TEST(payloads_of_traps)
{
    vm_event_request_t q;
    struct vmiring_event ev;
    struct vmiring_debug debug;
    struct vmiring_mem mem;
    struct vmiring_descriptor desc;
    struct vmiring_interrupt intr;
    struct vmiring_vmexit exit;

    q = REQUEST(SINGLESTEP, .u.singlestep = { 51 });
    ev = convert(&q);
    cr_assert_eq(vmiring_get_debug(&ev, &debug), 0);
    cr_assert_eq(debug.gfn, 51);
    answer_it(&ev, NULL);

    q = REQUEST(MEM_ACCESS, .u.mem_access = { 61, 62, 63, 5, 0 });
    ev = convert(&q);
    cr_assert_eq(vmiring_get_mem(&ev, &mem), 0);
    cr_assert(mem.gfn == 61 && mem.offset == 62 && mem.gla == 63 &&
              mem.access == 5);
    answer_it(&ev, NULL);

    q = REQUEST(DESCRIPTOR_ACCESS,
                .u.desc_access = { { { 71, 0, 72 } }, 2, 1, { 0 } });
    ev = convert(&q);
    cr_assert_eq(vmiring_get_descriptor(&ev, &desc), 0);
    cr_assert(desc.exit_info == 71 && desc.qualification == 72 &&
              desc.descriptor == 2 && desc.is_write == 1);
    answer_it(&ev, NULL);

    q = REQUEST(INTERRUPT, .u.interrupt.x86 = { 81, 82, 83, 0, 84 });
    ev = convert(&q);
    cr_assert_eq(vmiring_get_interrupt(&ev, &intr), 0);
    cr_assert(intr.vector == 81 && intr.type == 82 && intr.error_code == 83 &&
              intr.cr2 == 84);
    answer_it(&ev, NULL);

    q = REQUEST(VMEXIT, .u.vmexit.arch.vmx = { 91, 92 });
    ev = convert(&q);
    cr_assert_eq(vmiring_get_vmexit(&ev, &exit), 0);
    cr_assert(exit.reason == 91 && exit.qualification == 92);
    answer_it(&ev, NULL);
}

#define REG(reg, expected) do { \
        uint64_t value; \
        cr_assert_eq(vmiring_get_reg(&ev, VMIRING_ ## reg, &value), 0, #reg); \
        cr_assert_eq(value, expected, #reg ": %#lx", (unsigned long)value); \
    } while ( 0 )

LEGACY_TEST(registers)
{
    vm_event_request_t q = REQUEST(CPUID, .altp2m_idx = 4);
    struct vm_event_regs_x86 *regs = &q.data.regs.x86;
    struct vmiring_event ev;
    uint64_t value;

    *regs = (struct vm_event_regs_x86){
        .rax = 1, .rcx = 2, .rdx = 3, .rbx = 4, .rsp = 5, .rbp = 6, .rsi = 7,
        .rdi = 8, .r8 = 9, .r9 = 10, .r10 = 11, .r11 = 12, .r12 = 13,
        .r13 = 14, .r14 = 15, .r15 = 16, .rflags = 0x246, .rip = 0x1234,
        .dr6 = 20, .dr7 = 21, .cr0 = 22, .cr2 = 23, .cr3 = 24, .cr4 = 25,
        .sysenter_cs = 26, .sysenter_esp = 27, .sysenter_eip = 28,
        .msr_efer = 29, .msr_star = 30, .msr_lstar = 31, .gdtr_base = 32,
        .npt_base = 33, .cs_base = 34, .ss_base = 35, .ds_base = 36,
        .es_base = 37, .fs_base = 1ULL << 40, .gs_base = 1ULL << 41,
        .cs = { .limit = 0xfffff, .ar = 0xa9b }, .shadow_gs = 38,
        .gdtr_limit = 39, .cs_sel = 40, .ss_sel = 41, .ds_sel = 42,
        .es_sel = 43, .fs_sel = 44, .gs_sel = 45,
    };
    q.flags |= VM_EVENT_FLAG_ALTERNATE_P2M;
    ev = convert(&q);

    cr_assert_eq(ev.flags, VMIRING_EV_SYNC | VMIRING_EV_ALTP2M);
    cr_assert_eq(ev.altp2m_view, 4);
    REG(RAX, 1); REG(RCX, 2); REG(RDX, 3); REG(RBX, 4); REG(RSP, 5);
    REG(RBP, 6); REG(RSI, 7); REG(RDI, 8); REG(R8, 9); REG(R9, 10);
    REG(R10, 11); REG(R11, 12); REG(R12, 13); REG(R13, 14); REG(R14, 15);
    REG(R15, 16); REG(RIP, 0x1234); REG(RFLAGS, 0x246); REG(DR6, 20);
    REG(DR7, 21); REG(REG_CR0, 22); REG(REG_CR2, 23); REG(REG_CR3, 24);
    REG(REG_CR4, 25); REG(SYSENTER_CS, 26); REG(SYSENTER_ESP, 27);
    REG(SYSENTER_EIP, 28); REG(EFER, 29); REG(STAR, 30); REG(LSTAR, 31);
    REG(GDTR_BASE, 32); REG(CS_BASE, 34); REG(SS_BASE, 35); REG(DS_BASE, 36);
    REG(ES_BASE, 37); REG(FS_BASE, 1ULL << 40); REG(GS_BASE, 1ULL << 41);
    REG(SHADOW_GS, 38); REG(GDTR_LIMIT, 39); REG(CS_SEL, 40); REG(SS_SEL, 41);
    REG(DS_SEL, 42); REG(ES_SEL, 43); REG(FS_SEL, 44); REG(GS_SEL, 45);
    REG(CS_AR, 0xa9b);
    REG(CS_LIMIT, 0xffffffff);  /* it came in pages */
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_NPT_BASE, &value), -1,
                 "only of a nested guest");
    answer_it(&ev, NULL);

    q.flags |= VM_EVENT_FLAG_NESTED_P2M;
    q.data.regs.x86.cs.ar = 0x29b;
    ev = convert(&q);
    cr_assert(ev.flags & VMIRING_EV_NESTED);
    REG(NPT_BASE, 33);
    REG(CS_LIMIT, 0xfffff);
    answer_it(&ev, NULL);
}

/* ---- responses ---- */

/* Xen looks at the answer for what was asked. */
LEGACY_TEST(an_answer_repeats_the_question)
{
    vm_event_request_t q = REQUEST(WRITE_CTRLREG,
                                   .u.write_ctrlreg = { 2, 0, 5, 6 });
    struct vmiring_response rsp = { .size = sizeof(rsp),
                                    .flags = VMIRING_RSP_DENY };
    struct vmiring_event ev = convert(&q);

    answer_it(&ev, &rsp);
    cr_assert_eq(r->last[0].flags,
                 VM_EVENT_FLAG_VCPU_PAUSED | VM_EVENT_FLAG_DENY);
    cr_assert_eq(r->last[0].reason, VM_EVENT_REASON_WRITE_CTRLREG);
    cr_assert_eq(r->last[0].u.write_ctrlreg.index, 2);

    q = REQUEST(MEM_ACCESS, .u.mem_access = { 61, 62, 63, 2, 0 });
    ev = convert(&q);
    rsp.flags = VMIRING_RSP_EMULATE | VMIRING_RSP_SET_EMUL_READ_DATA;
    rsp.emul_size = 3;
    memcpy(rsp.emul, "abc", 3);
    answer_it(&ev, &rsp);
    cr_assert_eq(r->last[0].u.mem_access.gfn, 61);
    cr_assert_eq(r->last[0].u.mem_access.flags, 2);
    cr_assert_eq(r->last[0].data.emul.read.size, 3);
    cr_assert_eq(memcmp(r->last[0].data.emul.read.data, "abc", 3), 0);
}

LEGACY_TEST(an_answer_with_registers)
{
    vm_event_request_t q = REQUEST(CPUID, .altp2m_idx = 1);
    struct vmiring_response rsp = { .size = sizeof(rsp) };
    struct vmiring_event ev;

    q.data.regs.x86 = (struct vm_event_regs_x86){
        .rax = 1, .rcx = 2, .rdx = 3, .rbx = 4, .rsp = 5, .rbp = 6, .rsi = 7,
        .rdi = 8, .r8 = 9, .r9 = 10, .r10 = 11, .r11 = 12, .r12 = 13,
        .r13 = 14, .r14 = 15, .r15 = 16, .rip = 17, .rflags = 0x202,
    };
    ev = convert(&q);
    cr_assert_eq(vmiring_regs_from(&ev, &rsp), 0);
    rsp.flags = VMIRING_RSP_SET_REGISTERS | VMIRING_RSP_ALTERNATE_P2M;
    rsp.altp2m_view = 5;
    answer_it(&ev, &rsp);

    cr_assert_eq(r->last[0].altp2m_idx, 5);
    cr_assert_eq(memcmp(&r->last[0].data.regs.x86, &q.data.regs.x86,
                        offsetof(struct vm_event_regs_x86, dr6)), 0);
    cr_assert_eq(r->last[0].data.regs.x86.rip, 17);
}

LEGACY_TEST(an_answer_with_instruction_bytes)
{
    vm_event_request_t q = REQUEST(SOFTWARE_BREAKPOINT, .altp2m_idx = 0);
    struct vmiring_response rsp = {
        .size = sizeof(rsp), .emul = { 0x90, [15] = 0xcc },
        .flags = VMIRING_RSP_EMULATE | VMIRING_RSP_SET_EMUL_INSN_DATA,
    };
    struct vmiring_event ev = convert(&q);

    answer_it(&ev, &rsp);
    cr_assert_eq(r->last[0].data.emul.insn.data[0], 0x90);
    cr_assert_eq(r->last[0].data.emul.insn.data[15], 0xcc);
}

/* ---- subscriptions ---- */

LEGACY_TEST(every_event)
{
    static const struct { uint32_t reason, event; bool async; } table[] = {
        { VMIRING_WRITE_CTRLREG, MONITOR_WRITE_CTRLREG, true },
        { VMIRING_MOV_TO_MSR, MONITOR_MOV_TO_MSR, false },
        { VMIRING_SINGLESTEP, MONITOR_SINGLESTEP, false },
        { VMIRING_SOFTWARE_BREAKPOINT, MONITOR_SOFTWARE_BREAKPOINT, false },
        { VMIRING_GUEST_REQUEST, MONITOR_GUEST_REQUEST, true },
        { VMIRING_DEBUG_EXCEPTION, MONITOR_DEBUG_EXCEPTION, true },
        { VMIRING_CPUID, MONITOR_CPUID, false },
        { VMIRING_PRIVILEGED_CALL, MONITOR_PRIVILEGED_CALL, false },
        { VMIRING_DESCRIPTOR_ACCESS, MONITOR_DESC_ACCESS, false },
        { VMIRING_EMUL_UNIMPLEMENTED, MONITOR_EMUL_UNIMPLEMENTED, false },
        { VMIRING_VMEXIT, MONITOR_VMEXIT, true },
    };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(table); i++ )
    {
        struct vmiring_subscription s = { .size = sizeof(s), .sync = 1,
                                          .reason = table[i].reason };

        cr_assert_eq(ring_subscribe(table[i].reason, false),
                     table[i].async ? 0 : -1, "%u", table[i].reason);
        if ( table[i].async )
            cr_assert_eq(vmiring_unsubscribe(h, &s), 0);
        else
            cr_assert_eq(errno, EOPNOTSUPP);

        cr_assert_eq(ring_subscribe(table[i].reason, true), 0);
        cr_assert_eq(r->monitor.event, table[i].event);
        cr_assert(r->monitor.enable && r->monitor.sync);
        cr_assert_eq(ring_subscribe(table[i].reason, true), -1);
        cr_assert_eq(errno, EEXIST);
        cr_assert_eq(vmiring_unsubscribe(h, &s), 0);
        cr_assert(!r->monitor.enable);
        errno = 0;
        cr_assert_eq(vmiring_unsubscribe(h, &s), -1);
        cr_assert_eq(errno, ENOENT);
    }

    /* Not a subscription under this ABI, and not known to it. */
    cr_assert_eq(ring_subscribe(VMIRING_MEM_ACCESS, true), 0);
    cr_assert_eq(ring_subscribe(VMIRING_INTERRUPT, true), 0);
}

/* Nothing of 4.17 raises it; a later host says so, and can be subscribed to. */
LEGACY_TEST(events_of_later_releases)
{
    r->monitor_errno = EOPNOTSUPP;
    cr_assert_eq(ring_subscribe(VMIRING_IO_INSTRUCTION, true), -1);
    cr_assert_eq(errno, EOPNOTSUPP);
    cr_assert(strstr(vmiring_error(h), "io-instruction: this Xen does not "
                                       "raise it; expected 4.18 or later"));
    r->monitor_errno = 0;
    cr_assert_eq(ring_subscribe(VMIRING_IO_INSTRUCTION, true), 0);
    cr_assert_eq(r->monitor.event, MONITOR_IO);
}

LEGACY_TEST(options_of_memory)
{
    static const struct { int err, rc, as; } table[] = {
        { 0, 0, 0 }, { EEXIST, 0, 0 }, { EINVAL, -1, EOPNOTSUPP },
        { ENOSYS, -1, EOPNOTSUPP }, { ESRCH, -1, ENODEV },
        { EPERM, -1, EACCES },
    };

    for ( unsigned int i = 0; i < ARRAY_SIZE(table); i++ )
        for ( unsigned int option = VMIRING_MEM_NO_WALKS;
              option <= VMIRING_MEM_EACH_REP; option++ )
        {
            r->monitor_errno = table[i].err;
            cr_assert_eq(vmiring_mem_option(h, option, i & 1), table[i].rc);
            cr_assert(!table[i].rc || errno == table[i].as, "%u", i);
            cr_assert_eq(r->mem_option, option);
            cr_assert_eq(r->mem_on, i & 1);
        }
    cr_assert_eq(vmiring_mem_option(h, 0, 1), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(vmiring_mem_option(h, 3, 1), -1);
    cr_assert_eq(errno, EINVAL);
}

LEGACY_TEST(options_of_events)
{
    struct vmiring_subscription s = {
        .size = sizeof(s), .reason = VMIRING_WRITE_CTRLREG, .sync = 1,
        .index = VMIRING_CR4, .onchangeonly = 1, .mask = 0x80,
    };

    cr_assert_eq(vmiring_subscribe(h, &s), 0);
    cr_assert_eq(r->monitor.index, VMIRING_CR4);
    cr_assert(r->monitor.onchangeonly);
    cr_assert_eq(r->monitor.mask, 0x80);
    cr_assert(r->deferred, "a write that may be denied waits");

    s = (struct vmiring_subscription){ .size = sizeof(s), .sync = 1,
        .reason = VMIRING_MOV_TO_MSR, .msr = 0xc0000082 };
    cr_assert_eq(vmiring_subscribe(h, &s), 0);
    cr_assert_eq(r->monitor.msr, 0xc0000082);

    /* Xen has no bit for it: refused here, with the ranges in the message. */
    s.msr = 0xc0010015;
    cr_assert_eq(vmiring_subscribe(h, &s), -1);
    cr_assert_eq(errno, EOPNOTSUPP);
    cr_assert(strstr(vmiring_error(h), "0xc0010015"));

    s = (struct vmiring_subscription){ .size = sizeof(s),
        .reason = VMIRING_GUEST_REQUEST, .userspace = 1 };
    cr_assert_eq(vmiring_subscribe(h, &s), 0);
    cr_assert(r->monitor.userspace && !r->monitor.sync);
}

/* A guest whose writes are only watched must not run on with old values. */
LEGACY_TEST(writes_are_not_deferred_for_async)
{
    cr_assert_eq(ring_subscribe(VMIRING_WRITE_CTRLREG, false), 0);
    cr_assert(!r->deferred);
}

/* Xen that cannot defer cannot deny: an error, not a lie. */
LEGACY_TEST(deny_without_deferral)
{
    vm_event_request_t q = REQUEST(WRITE_CTRLREG, .altp2m_idx = 0);
    struct vmiring_response rsp = { .size = sizeof(rsp),
                                    .flags = VMIRING_RSP_DENY };
    struct vmiring_event ev;

    r->defer_errno = ENOSYS;
    cr_assert_eq(ring_subscribe(VMIRING_WRITE_CTRLREG, true), 0);
    ev = convert(&q);
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, &rsp), -1);
    cr_assert_eq(errno, ENOTSUP);
    answer_it(&ev, NULL);
}

LEGACY_TEST(errors_of_monitor)
{
    r->monitor_errno = EOPNOTSUPP;
    cr_assert_eq(ring_subscribe(VMIRING_VMEXIT, true), -1);
    cr_assert_eq(errno, EOPNOTSUPP);
    r->monitor_errno = EINVAL;
    cr_assert_eq(ring_subscribe(VMIRING_VMEXIT, true), -1);
    cr_assert_eq(errno, EOPNOTSUPP);
    r->monitor_errno = ESRCH;
    cr_assert_eq(ring_subscribe(VMIRING_VMEXIT, true), -1);
    cr_assert_eq(errno, ENODEV);
    r->monitor_errno = 0;
}

/* Xen has one number for a page that is not there and for no access at all. */
LEGACY_TEST(page_access_fails)
{
    const uint64_t gfns[3] = { 1, 2, 3 };
    const uint8_t rights[3] = { VMIRING_ACCESS_R, 0, 0 };
    uint32_t access;
    size_t done = 9;

    cr_assert_eq(vmiring_set_access_list(h, gfns, rights, 3, &done), 0);
    cr_assert_eq(done, 3);
    r->access_errno = ESRCH;
    r->access_end = 3;
    cr_assert_eq(vmiring_set_access_list(h, gfns, rights, 3, &done), -1);
    cr_assert_eq(errno, EFAULT);
    cr_assert_eq(done, 2);
    cr_assert(strstr(vmiring_error(h), "no such page"), "%s", vmiring_error(h));
    cr_assert_eq(vmiring_get_access(h, 5, &access), -1);
    cr_assert_eq(errno, EFAULT);
    r->access_errno = EINVAL;
    r->access_end = 0;
    cr_assert_eq(vmiring_get_access(h, 5, &access), -1);
    cr_assert_eq(errno, EOPNOTSUPP);
    r->access_errno = EPERM;
    cr_assert_eq(vmiring_set_access(h, 5, 1, 0), -1);
    cr_assert_eq(errno, EACCES);
    r->access_errno = EIO;
    cr_assert_eq(vmiring_set_access(h, 5, 1, 0), -1);
    cr_assert_eq(errno, EIO);
}

LEGACY_TEST(page_access)
{
    uint32_t access;

    cr_assert_eq(vmiring_set_access(h, 0x800, 1, VMIRING_ACCESS_RX), 0);
    cr_assert_eq(r->access, VMIRING_ACCESS_RX);
    cr_assert_eq(vmiring_get_access(h, 0x800, &access), 0);
    cr_assert_eq(access, VMIRING_ACCESS_RX);
    errno = 0;
    cr_assert_eq(vmiring_set_access(h, 0x800, 1, 10), -1);
    cr_assert_eq(errno, EINVAL);
}
