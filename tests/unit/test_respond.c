/* SPDX-License-Identifier: MIT */
/* What the library refuses of a response, before Xen has to. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fake.h"

static struct fake *f;
static vmiring *h;

static void set_up(void)
{
    f = fake_new(1);
    h = fake_open(f);
}

static void tear_down(void)
{
    vmiring_close(h);
    fake_free(f);
}

/* A request of this kind, with all registers. */
static struct vmiring_event request(uint32_t reason)
{
    const struct vmev2_regs_x86 regs = { .rip = 0x401000, .rflags = 0x202 };
    struct vmiring_event ev;

    fake_sync_full(f, 0, reason, NULL, 0, &regs, VMEV2_REGS_ALL);
    must_receive(h, &ev, 1);
    vmiring_release(h);

    return ev;
}

/* The response is refused so, and the request stays answerable. */
static void refused(uint32_t reason, struct vmiring_response rsp, int err,
                    const char *field)
{
    struct vmiring_event ev = request(reason);

    rsp.size = sizeof(rsp);
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, &rsp), -1, "%s was taken", field);
    cr_assert_eq(errno, err, "%s: errno %d: %s", field, errno,
                 vmiring_error(h));
    cr_assert(strstr(vmiring_error(h), field), "'%s' does not name %s",
              vmiring_error(h), field);

    cr_assert(f->vcpu[0].outstanding);
    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    cr_assert_eq(vmiring_flush(h), 0);
    cr_assert(!f->vcpu[0].outstanding);
}

static void taken(uint32_t reason, struct vmiring_response rsp)
{
    struct vmiring_event ev = request(reason);

    rsp.size = sizeof(rsp);
    cr_assert_eq(vmiring_respond(h, &ev, &rsp), 0, "%s", vmiring_error(h));
    cr_assert_eq(vmiring_flush(h), 0);
    cr_assert(!f->vcpu[0].outstanding);
    cr_assert_eq(f->vcpu[0].rsp.flags, rsp.flags);
}

#define RSP(...) ((struct vmiring_response){ __VA_ARGS__ })

Test(respond, unknown_flags, .init = set_up, .fini = tear_down)
{
    refused(VMIRING_CPUID, RSP(.flags = 1U << 0), EINVAL, "flags");
    refused(VMIRING_CPUID, RSP(.flags = 1U << 1), EINVAL, "flags");
    refused(VMIRING_CPUID, RSP(.flags = 1U << 12), EINVAL, "flags");
    refused(VMIRING_CPUID, RSP(.flags = 1U << 14), EINVAL, "flags");
    refused(VMIRING_CPUID, RSP(.flags = 1U << 31), EINVAL, "flags");
}

Test(respond, pad, .init = set_up, .fini = tear_down)
{
    refused(VMIRING_CPUID, RSP(.pad = 1), EINVAL, "pad");
}

Test(respond, views_need_their_flags, .init = set_up, .fini = tear_down)
{
    refused(VMIRING_CPUID, RSP(.altp2m_view = 1), EINVAL, "altp2m_view");
    refused(VMIRING_CPUID, RSP(.fast_view = 1), EINVAL, "fast_view");
    taken(VMIRING_CPUID, RSP(.flags = VMIRING_RSP_ALTERNATE_P2M,
                             .altp2m_view = 1));
    taken(VMIRING_MEM_ACCESS, RSP(.flags = VMIRING_RSP_FAST_SINGLESTEP,
                                  .fast_view = 1));
}

Test(respond, fast_singlestep_stands_alone, .init = set_up, .fini = tear_down)
{
    const uint32_t fast = VMIRING_RSP_FAST_SINGLESTEP;

    refused(VMIRING_MEM_ACCESS, RSP(.flags = fast | VMIRING_RSP_EMULATE),
            EINVAL, "flags");
    refused(VMIRING_WRITE_CTRLREG, RSP(.flags = fast | VMIRING_RSP_DENY),
            EINVAL, "flags");
    refused(VMIRING_CPUID, RSP(.flags = fast | VMIRING_RSP_TOGGLE_SINGLESTEP),
            EINVAL, "flags");
}

Test(respond, deny_fits_writes_only, .init = set_up, .fini = tear_down)
{
    taken(VMIRING_WRITE_CTRLREG, RSP(.flags = VMIRING_RSP_DENY));
    taken(VMIRING_MOV_TO_MSR, RSP(.flags = VMIRING_RSP_DENY));
    refused(VMIRING_CPUID, RSP(.flags = VMIRING_RSP_DENY), EINVAL, "DENY");
    refused(VMIRING_GUEST_REQUEST, RSP(.flags = VMIRING_RSP_DENY), EINVAL,
            "DENY");
}

Test(respond, emulate_fits, .init = set_up, .fini = tear_down)
{
    const uint32_t insn = VMIRING_RSP_EMULATE | VMIRING_RSP_SET_EMUL_INSN_DATA;

    taken(VMIRING_MEM_ACCESS, RSP(.flags = VMIRING_RSP_EMULATE));
    taken(VMIRING_DESCRIPTOR_ACCESS, RSP(.flags = VMIRING_RSP_EMULATE));
    taken(VMIRING_SOFTWARE_BREAKPOINT, RSP(.flags = insn));
    refused(VMIRING_SOFTWARE_BREAKPOINT, RSP(.flags = VMIRING_RSP_EMULATE),
            EINVAL, "EMULATE");
    refused(VMIRING_CPUID, RSP(.flags = VMIRING_RSP_EMULATE), EINVAL,
            "EMULATE");
    refused(VMIRING_MEM_ACCESS, RSP(.flags = insn), EINVAL, "INSN_DATA");
}

Test(respond, how_to_emulate, .init = set_up, .fini = tear_down)
{
    const uint32_t emulate = VMIRING_RSP_EMULATE;

    refused(VMIRING_MEM_ACCESS, RSP(.flags = VMIRING_RSP_EMULATE_NOWRITE),
            EINVAL, "flags");
    refused(VMIRING_MEM_ACCESS, RSP(.flags = VMIRING_RSP_SET_EMUL_READ_DATA,
                                    .emul_size = 4), EINVAL, "flags");
    refused(VMIRING_SOFTWARE_BREAKPOINT,
            RSP(.flags = VMIRING_RSP_SET_EMUL_INSN_DATA), EINVAL, "flags");
    refused(VMIRING_MEM_ACCESS,
            RSP(.flags = emulate | VMIRING_RSP_EMULATE_NOWRITE |
                         VMIRING_RSP_SET_EMUL_READ_DATA, .emul_size = 4),
            EINVAL, "flags");
    refused(VMIRING_MEM_ACCESS,
            RSP(.flags = emulate | VMIRING_RSP_SET_REGISTERS,
                .regs = { [VMIRING_RFLAGS] = 2 }), EINVAL, "SET_REGISTERS");
    taken(VMIRING_MEM_ACCESS,
          RSP(.flags = emulate | VMIRING_RSP_EMULATE_NOWRITE));
}

Test(respond, emul_size, .init = set_up, .fini = tear_down)
{
    const uint32_t read = VMIRING_RSP_EMULATE | VMIRING_RSP_SET_EMUL_READ_DATA;

    refused(VMIRING_MEM_ACCESS, RSP(.flags = read), EINVAL, "emul_size");
    refused(VMIRING_MEM_ACCESS, RSP(.flags = read, .emul_size = 49), EINVAL,
            "emul_size");
    refused(VMIRING_MEM_ACCESS, RSP(.flags = read, .emul_size = ~0U), EINVAL,
            "emul_size");
    refused(VMIRING_CPUID, RSP(.emul_size = 1), EINVAL, "emul_size");

    taken(VMIRING_MEM_ACCESS, RSP(.flags = read, .emul_size = 48,
                                  .emul = { 1, 2, [47] = 48 }));
    cr_assert_eq(f->vcpu[0].rsp.emul_size, 48);
    cr_assert_eq(f->vcpu[0].rsp.emul[47], 48);
    taken(VMIRING_MEM_ACCESS, RSP(.flags = read, .emul_size = 1));
}

Test(respond, registers, .init = set_up, .fini = tear_down)
{
    struct vmiring_response rsp = { .flags = VMIRING_RSP_SET_REGISTERS };

    rsp.regs[VMIRING_RFLAGS] = 0;
    refused(VMIRING_CPUID, rsp, EINVAL, "VMIRING_RFLAGS");
    rsp.regs[VMIRING_RFLAGS] = 2 | 1U << 3;
    refused(VMIRING_CPUID, rsp, EINVAL, "VMIRING_RFLAGS");
    rsp.regs[VMIRING_RFLAGS] = 2 | 1U << 15;
    refused(VMIRING_CPUID, rsp, EINVAL, "VMIRING_RFLAGS");
    rsp.regs[VMIRING_RFLAGS] = 2 | 1ULL << 22;
    refused(VMIRING_CPUID, rsp, EINVAL, "VMIRING_RFLAGS");
    rsp.regs[VMIRING_RFLAGS] = 2 | 1ULL << 63;
    refused(VMIRING_CPUID, rsp, EINVAL, "VMIRING_RFLAGS");

    rsp.regs[VMIRING_RFLAGS] = 2;
    rsp.regs[VMIRING_RIP] = 1ULL << 57;
    refused(VMIRING_CPUID, rsp, EINVAL, "VMIRING_RIP");
    rsp.regs[VMIRING_RIP] = 1ULL << 63;
    refused(VMIRING_CPUID, rsp, EINVAL, "VMIRING_RIP");

    /* Every flag that there is, virtual-8086 mode included. */
    rsp.regs[VMIRING_RIP] = 0xffffffff81000000ULL;
    rsp.regs[VMIRING_RFLAGS] = 0x3f7fd7;
    taken(VMIRING_CPUID, rsp);
}

/* What Arm's Xen lacks is refused by name and with the reason; its pc can be
 * set, whatever x86 would say of such registers. */
Test(respond, what_arm_lacks, .init = set_up, .fini = tear_down)
{
    static const struct { uint32_t flag; const char *name, *why; } lacking[] = {
        { VMIRING_RSP_EMULATE, "EMULATE:", "emulates no instruction on Arm" },
        { VMIRING_RSP_EMULATE_NOWRITE, "EMULATE_NOWRITE", "emulates" },
        { VMIRING_RSP_SET_EMUL_READ_DATA, "EMUL_READ_DATA", "emulates" },
        { VMIRING_RSP_SET_EMUL_INSN_DATA, "EMUL_INSN_DATA", "emulates" },
        { VMIRING_RSP_TOGGLE_SINGLESTEP, "TOGGLE_SINGLESTEP", "steps" },
        { VMIRING_RSP_FAST_SINGLESTEP, "FAST_SINGLESTEP", "steps" },
        { VMIRING_RSP_DENY, "DENY", "denied" },
        { VMIRING_RSP_ALTERNATE_P2M, "ALTERNATE_P2M", "no altp2m on Arm" },
        { VMIRING_RSP_GET_NEXT_INTERRUPT, "GET_NEXT_INTERRUPT", "interrupts" },
        { VMIRING_RSP_RESET_VMTRACE, "RESET_VMTRACE", "no vmtrace on Arm" },
    };
    uint32_t all = VMIRING_RSP_SET_REGISTERS;

    h->arm64 = true;
    h->rsp_flags = VMIRING_RSP_SET_REGISTERS;
    for ( size_t i = 0; i < sizeof(lacking) / sizeof(*lacking); i++ )
    {
        refused(VMIRING_MEM_ACCESS, RSP(.flags = lacking[i].flag), ENOTSUP,
                lacking[i].name);
        refused(VMIRING_MEM_ACCESS, RSP(.flags = lacking[i].flag), ENOTSUP,
                lacking[i].why);
        all |= lacking[i].flag;
    }
    /* Every flag that there is stands in that list. */
    cr_assert_eq(all, VMEV2_RSP_KNOWN);
    taken(VMIRING_PRIVILEGED_CALL, RSP(.flags = VMIRING_RSP_SET_REGISTERS,
                                       .regs = { 0x80004 }));

    /* Another host that cannot emulate gives no reason that it does not know. */
    h->arm64 = false;
    refused(VMIRING_MEM_ACCESS, RSP(.flags = VMIRING_RSP_EMULATE), ENOTSUP,
            "cannot apply EMULATE");
    cr_assert(!strstr(vmiring_error(h), "Arm"));
}

Test(respond, size, .init = set_up, .fini = tear_down)
{
    struct {
        struct vmiring_response rsp;
        uint8_t more[16];
    } newer = { .rsp.size = sizeof(newer) };
    struct vmiring_response rsp = { 0 };
    struct vmiring_event ev = request(VMIRING_CPUID);

    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, &rsp), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert(strstr(vmiring_error(h), "size"));

    /* A program that knows more may say nothing that this library lacks. */
    newer.more[15] = 1;
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, &newer.rsp), -1);
    cr_assert_eq(errno, EINVAL);
    newer.more[15] = 0;
    cr_assert_eq(vmiring_respond(h, &ev, &newer.rsp), 0);
}

Test(respond, a_flag_that_this_host_lacks)
{
    f = fake_new(1);
    f->rsp_flags = VMEV2_RSP_DENY;
    h = fake_open(f);
    refused(VMIRING_CPUID, RSP(.flags = VMIRING_RSP_TOGGLE_SINGLESTEP),
            ENOTSUP, "flags");
    tear_down();
}
