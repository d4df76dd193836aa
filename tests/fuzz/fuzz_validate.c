/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A response: the validator alone, and then through a slot, where what it lets
 * pass is carried out by the vCPU.  What it promises to those who carry it out
 * is asked of every response that it accepts.
 */
#include "harness.h"

#include "input.h"

static struct domain *d;
static struct agent a;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    sim_init();
    d = new_domain(1);
    v2_start(&a, d, true);

    return 0;
}

static bool one_bit(uint32_t v)
{
    return !(v & (v - 1));
}

/* Each line is what somebody behind the validator relies on. */
static void check_promises(const struct vmev2_rsp *rsp,
                           const struct vm_event_rules *rules)
{
    uint32_t f = rsp->flags;

    MUST(!(f & ~rules->flags));
    if ( f & VMEV2_RSP_ALTERNATE_P2M )
        MUST(rsp->altp2m_idx < rules->views);
    if ( f & VMEV2_RSP_FAST_SINGLESTEP )
    {
        MUST(rsp->fast_p2midx < rules->views);
        MUST(!(f & (VMEV2_RSP_EMULATE | VMEV2_RSP_DENY)));
    }
    if ( f & VMEV2_RSP_SET_EMUL_READ_DATA )
        MUST(rsp->emul_size && rsp->emul_size <= sizeof(rsp->emul));
    /* convert() writes one union. */
    MUST(one_bit(f & (VMEV2_RSP_SET_EMUL_READ_DATA | VMEV2_RSP_EMULATE_NOWRITE |
                      VMEV2_RSP_SET_EMUL_INSN_DATA)));
    if ( f & VMEV2_RSP_DENY )
        MUST(rules->reason == VMEV2_REASON_WRITE_CTRLREG ||
             rules->reason == VMEV2_REASON_MOV_TO_MSR);
    if ( f & VMEV2_RSP_SET_REGISTERS )
        MUST(arch_vm_event_regs_valid(&rsp->regs));
}

/* The request ends exactly once, whatever the response says. */
static void through_slot(const struct vmev2_rsp *rsp)
{
    struct vmev2_vcpu_info before = v2_vcpu(d, 0), after;
    struct vmev2_slot *slot = v2_slot(&a, 0);
    uint64_t seq;

    guest_request(d->vcpu[0]);
    seq = slot->req_seq;
    MUST(nr_paused(d) == 1);
    slot->rsp = *rsp;
    slot->rsp.rsp_seq = seq;
    v2_kick(&a);

    after = v2_vcpu(d, 0);
    MUST(after.raised == before.raised + 1);
    MUST(after.answered + after.bad == before.answered + before.bad + 1);
    if ( after.bad != before.bad )
    {
        MUST(slot->error && slot->req_seq == seq + 1);
        MUST(nr_paused(d) == 1);
        memset(&slot->rsp, 0, sizeof(slot->rsp));
        slot->rsp.rsp_seq = slot->req_seq;
        v2_kick(&a);
    }
    MUST(nr_paused(d) == 0);
    MUST(resume_all(d) == 1);
    MUST(v2_vcpu(d, 0).answered == before.answered + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    struct vm_event_rules rules = {
        .reason = take8(&in), .views = take8(&in), .flags = take32(&in),
    };
    struct vmev2_rsp rsp;

    take(&in, &rsp, sizeof(rsp));
    if ( !(rules.reason & 0x80) )
    {
        /* Few of all bit patterns get past this. */
        rsp.pad0 = 0;
        memset(rsp.pad1, 0, sizeof(rsp.pad1));
    }

    if ( vm_event_validate(&rsp, &rules) == VMEV2_ERR_NONE )
        check_promises(&rsp, &rules);
    through_slot(&rsp);

    return 0;
}
