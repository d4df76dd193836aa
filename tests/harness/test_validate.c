/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which responses are accepted: the validator against a second statement of
 * the rules, over every combination of flags for every reason, and one by one
 * for the fields.
 */
#include "harness.h"

/* Flags that the host of these tests can apply. */
#define ALL VMEV2_RSP_KNOWN

/* Pairs of flags that exclude each other. */
static const uint32_t exclusive[][2] = {
    { VMEV2_RSP_EMULATE, VMEV2_RSP_SET_REGISTERS },
    { VMEV2_RSP_EMULATE_NOWRITE, VMEV2_RSP_SET_EMUL_READ_DATA },
    { VMEV2_RSP_EMULATE_NOWRITE, VMEV2_RSP_SET_EMUL_INSN_DATA },
    { VMEV2_RSP_SET_EMUL_READ_DATA, VMEV2_RSP_SET_EMUL_INSN_DATA },
    { VMEV2_RSP_FAST_SINGLESTEP, VMEV2_RSP_TOGGLE_SINGLESTEP },
    { VMEV2_RSP_FAST_SINGLESTEP, VMEV2_RSP_EMULATE },
    { VMEV2_RSP_FAST_SINGLESTEP, VMEV2_RSP_DENY },
};

/* What says how to emulate needs EMULATE. */
static const uint32_t needs_emulate[] = {
    VMEV2_RSP_EMULATE_NOWRITE, VMEV2_RSP_SET_EMUL_READ_DATA,
    VMEV2_RSP_SET_EMUL_INSN_DATA,
};

static bool flags_fine(uint32_t flags, uint32_t offered)
{
    unsigned int i;

    if ( flags & ~offered )
        return false;
    for ( i = 0; i < ARRAY_SIZE(exclusive); i++ )
        if ( (flags & exclusive[i][0]) && (flags & exclusive[i][1]) )
            return false;
    for ( i = 0; i < ARRAY_SIZE(needs_emulate); i++ )
        if ( (flags & needs_emulate[i]) && !(flags & VMEV2_RSP_EMULATE) )
            return false;

    return true;
}

static bool reason_fine(uint32_t flags, uint32_t reason)
{
    bool write = reason == VMEV2_REASON_WRITE_CTRLREG ||
                 reason == VMEV2_REASON_MOV_TO_MSR;

    if ( (flags & VMEV2_RSP_DENY) && !write )
        return false;
    if ( !(flags & VMEV2_RSP_EMULATE) )
        return true;
    if ( reason == VMEV2_REASON_SOFTWARE_BREAKPOINT )
        return flags & VMEV2_RSP_SET_EMUL_INSN_DATA;

    return (reason == VMEV2_REASON_MEM_ACCESS ||
            reason == VMEV2_REASON_DESCRIPTOR_ACCESS) &&
           !(flags & VMEV2_RSP_SET_EMUL_INSN_DATA);
}

/* All else in order. */
static struct vmev2_rsp good(uint32_t flags)
{
    struct vmev2_rsp rsp = { .rsp_seq = 1, .flags = flags, .emul_size = 8 };

    rsp.regs.word[17] = 2;

    return rsp;
}

static void test_flags(void)
{
    uint32_t reason, flags, accepted = 0;

    for ( reason = 0; reason < VMEV2_REASONS; reason++ )
        for ( flags = 0; flags < (1U << 16); flags++ )
        {
            const struct vm_event_rules rules = { reason, ALL, 10 };
            struct vmev2_rsp rsp = good(flags);
            uint32_t error = vm_event_validate(&rsp, &rules);
            uint32_t wanted = !flags_fine(flags, ALL) ? VMEV2_ERR_FLAGS
                              : !reason_fine(flags, reason) ? VMEV2_ERR_REASON
                              : VMEV2_ERR_NONE;

            if ( error != wanted )
            {
                test_case("reason %u flags %#x", reason, flags);
                CHECK_EQ(error, wanted);
                return;
            }
            accepted += !error;
        }
    test_case("some combinations are accepted, most are not");
    CHECK(accepted > 1000);
    CHECK(accepted < (VMEV2_REASONS << 16) / 8);
}

static void test_high_flags(void)
{
    unsigned int bit;

    for ( bit = 16; bit < 32; bit++ )
    {
        const struct vm_event_rules rules = { VMEV2_REASON_GUEST_REQUEST, ALL,
                                              10 };
        struct vmev2_rsp rsp = good(1U << bit);

        test_case("flag %u", bit);
        CHECK_EQ(vm_event_validate(&rsp, &rules), VMEV2_ERR_FLAGS);
    }
}

/* What this host can't apply is as unknown as what nobody knows. */
static void test_not_offered(void)
{
    unsigned int bit;

    for ( bit = 0; bit < 16; bit++ )
    {
        const struct vm_event_rules rules = {
            VMEV2_REASON_MEM_ACCESS, ALL & ~(1U << bit), 10
        };
        struct vmev2_rsp rsp = good(1U << bit);

        test_case("flag %u that is not offered", bit);
        CHECK_EQ(vm_event_validate(&rsp, &rules), VMEV2_ERR_FLAGS);
    }
}

static void test_fields(void)
{
    static const struct {
        const char *what;
        uint32_t reason, flags;
        uint16_t view, fast;
        uint32_t size, error;
    } cases[] = {
        { "view 9 of 10", 8, VMEV2_RSP_ALTERNATE_P2M, 9, 0, 0, 0 },
        { "view 10 of 10", 8, VMEV2_RSP_ALTERNATE_P2M, 10, 0, 0,
          VMEV2_ERR_INDEX },
        { "view max", 8, VMEV2_RSP_ALTERNATE_P2M, 0xffff, 0, 0,
          VMEV2_ERR_INDEX },
        { "view that nobody asked for", 8, 0, 0xffff, 0xffff, 0, 0 },
        { "fast view 9", 8, VMEV2_RSP_FAST_SINGLESTEP, 0, 9, 0, 0 },
        { "fast view 10", 8, VMEV2_RSP_FAST_SINGLESTEP, 0, 10, 0,
          VMEV2_ERR_INDEX },
        { "no read data", 1, VMEV2_RSP_EMULATE | VMEV2_RSP_SET_EMUL_READ_DATA,
          0, 0, 0, VMEV2_ERR_SIZE },
        { "1 byte", 1, VMEV2_RSP_EMULATE | VMEV2_RSP_SET_EMUL_READ_DATA,
          0, 0, 1, 0 },
        { "48 bytes", 1, VMEV2_RSP_EMULATE | VMEV2_RSP_SET_EMUL_READ_DATA,
          0, 0, 48, 0 },
        { "49 bytes", 1, VMEV2_RSP_EMULATE | VMEV2_RSP_SET_EMUL_READ_DATA,
          0, 0, 49, VMEV2_ERR_SIZE },
        { "4 GiB", 1, VMEV2_RSP_EMULATE | VMEV2_RSP_SET_EMUL_READ_DATA,
          0, 0, UINT32_MAX, VMEV2_ERR_SIZE },
        { "size that nobody asked for", 1, 0, 0, 0, UINT32_MAX, 0 },
    };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(cases); i++ )
    {
        const struct vm_event_rules rules = { cases[i].reason, ALL, 10 };
        struct vmev2_rsp rsp = good(cases[i].flags);

        test_case("%s", cases[i].what);
        rsp.altp2m_idx = cases[i].view;
        rsp.fast_p2midx = cases[i].fast;
        rsp.emul_size = cases[i].size;
        CHECK_EQ(vm_event_validate(&rsp, &rules), cases[i].error);
    }
}

static void test_pads(void)
{
    const struct vm_event_rules rules = { VMEV2_REASON_GUEST_REQUEST, ALL, 10 };
    struct vmev2_rsp rsp;
    unsigned int i, bit;

    for ( bit = 0; bit < 32; bit++ )
    {
        test_case("pad0 bit %u", bit);
        rsp = good(0);
        rsp.pad0 = 1U << bit;
        CHECK_EQ(vm_event_validate(&rsp, &rules), VMEV2_ERR_PAD);
    }
    for ( i = 0; i < ARRAY_SIZE(rsp.pad1); i++ )
        for ( bit = 0; bit < 64; bit++ )
        {
            test_case("pad1[%u] bit %u", i, bit);
            rsp = good(0);
            rsp.pad1[i] = 1ULL << bit;
            CHECK_EQ(vm_event_validate(&rsp, &rules), VMEV2_ERR_PAD);
        }
}

/* Flags that VM entry refuses (Intel SDM 26.3.1.4), and addresses. */
static void test_regs(void)
{
    static const struct {
        uint64_t rip, rflags;
        bool fine;
    } cases[] = {
        { 0, 0x2, true },                       /* nothing but the fixed one */
        { 0, 0x0, false },                      /* the fixed one is missing */
        { 0, 0x3f7fd7, true },                  /* everything that exists */
        { 0, 0x2 | (1U << 3), false },
        { 0, 0x2 | (1U << 5), false },
        { 0, 0x2 | (1U << 15), false },
        { 0, 0x2 | (1U << 22), false },
        { 0, 0x2 | (1ULL << 32), false },
        { 0, 0x2 | (1ULL << 63), false },
        { 0x00007fffffffffffULL, 0x2, true },   /* the lower half's end */
        { 0x0000800000000000ULL, 0x2, false },
        { 0xffff7fffffffffffULL, 0x2, false },
        { 0xffff800000000000ULL, 0x2, true },   /* the upper half's start */
        { 0xffffffffffffffffULL, 0x2, true },
    };
    const struct vm_event_rules rules = { VMEV2_REASON_GUEST_REQUEST, ALL, 10 };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(cases); i++ )
    {
        struct vmev2_rsp rsp = good(VMEV2_RSP_SET_REGISTERS);

        test_case("rip %#" PRIx64 " rflags %#" PRIx64, cases[i].rip,
                  cases[i].rflags);
        rsp.regs.word[16] = cases[i].rip;
        rsp.regs.word[17] = cases[i].rflags;
        CHECK_EQ(vm_event_validate(&rsp, &rules),
                 cases[i].fine ? VMEV2_ERR_NONE : VMEV2_ERR_REGS);
        rsp.flags = 0;
        CHECK_EQ(vm_event_validate(&rsp, &rules), VMEV2_ERR_NONE);
    }
}

int main(void)
{
    sim_init();
    test_flags();
    test_high_flags();
    test_not_offered();
    test_fields();
    test_pads();
    test_regs();

    return test_end();
}
