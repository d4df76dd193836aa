/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The events and answers that the booted Xen cannot show, because its emulated
 * processor is an AMD one: those that need VMX, altp2m or Arm. Each is sent by
 * the hypervisor's own code over both ABIs and looked at by an agent; each answer
 * must arrive at the processor, which is simulated.
 */
#include "harness.h"

#include <asm/vm_event.h>
#include <xen/monitor.h>
#include "cpu.h"

#define VIEW 3

struct answer {
    const char *name;
    uint32_t reason;            /* of the event that it answers */
    uint32_t flags;             /* the same bits in both ABIs */
    bool (*seen)(const struct vcpu *v);
};

/* What the processor was told to emulate on its way into the guest. */
static uint32_t emulated;

static void on_emulate(struct vcpu *v, uint32_t flags)
{
    (void)v;
    emulated = flags;
}

static bool runs(const struct vcpu *v)
{
    return !emulated && !v->arch.hvm.single_step;
}

static bool steps(const struct vcpu *v)
{
    return v->arch.hvm.single_step && !v->arch.hvm.fast_single_step.enabled;
}

static bool steps_fast(const struct vcpu *v)
{
    return v->arch.hvm.single_step && v->arch.hvm.fast_single_step.enabled &&
           v->arch.hvm.fast_single_step.p2midx == VIEW;
}

static bool switched(const struct vcpu *v)
{
    return v->arch.view == VIEW;
}

static bool emulates(const struct vcpu *v)
{
    (void)v;
    return emulated & VM_EVENT_FLAG_EMULATE;
}

static bool emulates_nowrite(const struct vcpu *v)
{
    return emulates(v) && (emulated & VM_EVENT_FLAG_EMULATE_NOWRITE);
}

static bool emulates_with_data(const struct vcpu *v)
{
    const struct vm_event_emul_read_data *read = &v->arch.vm_event->emul.read;

    return (emulated & VM_EVENT_FLAG_SET_EMUL_READ_DATA) &&
           read->size == 2 && read->data[0] == 0x11 && read->data[1] == 0x22;
}

static bool emulates_bytes(const struct vcpu *v)
{
    const uint8_t *insn = v->arch.vm_event->emul.insn.data;

    return (emulated & VM_EVENT_FLAG_SET_EMUL_INSN_DATA) &&
           insn[0] == 0x11 && insn[1] == 0x22;
}

static bool traced_anew(const struct vcpu *v)
{
    return v->arch.vmtrace_resets == 1;
}

static const struct answer answers[] = {
    { "MEM_ACCESS, allow", VM_EVENT_REASON_MEM_ACCESS, 0, runs },
    { "MEM_ACCESS, emulate", VM_EVENT_REASON_MEM_ACCESS,
      VM_EVENT_FLAG_EMULATE, emulates },
    { "MEM_ACCESS, emulate without writes", VM_EVENT_REASON_MEM_ACCESS,
      VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_EMULATE_NOWRITE,
      emulates_nowrite },
    { "MEM_ACCESS, emulate with data", VM_EVENT_REASON_MEM_ACCESS,
      VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_SET_EMUL_READ_DATA,
      emulates_with_data },
    { "MEM_ACCESS, altp2m switch", VM_EVENT_REASON_MEM_ACCESS,
      VM_EVENT_FLAG_ALTERNATE_P2M, switched },
    { "MEM_ACCESS, step", VM_EVENT_REASON_MEM_ACCESS,
      VM_EVENT_FLAG_TOGGLE_SINGLESTEP, steps },
    { "MEM_ACCESS, step in a view", VM_EVENT_REASON_MEM_ACCESS,
      VM_EVENT_FLAG_FAST_SINGLESTEP, steps_fast },
    { "INT3, emulate instruction bytes", VM_EVENT_REASON_SOFTWARE_BREAKPOINT,
      VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_SET_EMUL_INSN_DATA,
      emulates_bytes },
    { "SINGLESTEP, allow", VM_EVENT_REASON_SINGLESTEP, 0, runs },
    { "SINGLESTEP, altp2m switch", VM_EVENT_REASON_SINGLESTEP,
      VM_EVENT_FLAG_ALTERNATE_P2M, switched },
    { "VMEXIT, allow", VM_EVENT_REASON_VMEXIT, 0, runs },
    { "VMEXIT, trace anew", VM_EVENT_REASON_VMEXIT,
      VM_EVENT_FLAG_RESET_VMTRACE, traced_anew },
    { "PRIVILEGED_CALL, allow", VM_EVENT_REASON_PRIVILEGED_CALL, 0, runs },
    { "EMUL_UNIMPLEMENTED, step", VM_EVENT_REASON_EMUL_UNIMPLEMENTED,
      VM_EVENT_FLAG_TOGGLE_SINGLESTEP, steps },
};

/* As the hooks of VMX, of memory access and of Arm fill it in. */
static vm_event_request_t question(uint32_t reason)
{
    vm_event_request_t req = { .reason = reason };

    switch ( reason )
    {
    case VM_EVENT_REASON_MEM_ACCESS:
        req.u.mem_access.gfn = 0x41;
        req.u.mem_access.offset = 0x42;
        req.u.mem_access.gla = 0x43;
        req.u.mem_access.flags = MEM_ACCESS_W | MEM_ACCESS_GLA_VALID;
        break;

    case VM_EVENT_REASON_SINGLESTEP:
        req.u.singlestep.gfn = 0x51;
        break;

    case VM_EVENT_REASON_SOFTWARE_BREAKPOINT:
        req.u.software_breakpoint.gfn = 0x61;
        break;

    case VM_EVENT_REASON_VMEXIT:
        req.u.vmexit.arch.vmx.reason = 0x71;
        req.u.vmexit.arch.vmx.qualification = 0x72;
        break;
    }

    return req;
}

static void check_v2(const struct vmev2_slot *slot, uint32_t reason)
{
    const struct vmev2_mem_access *mem = (const void *)slot->body;
    const struct vmev2_debug *debug = (const void *)slot->body;
    const struct vmev2_vmexit *vmexit = (const void *)slot->body;

    CHECK_EQ(slot->rec.reason, reason);
    CHECK_EQ(slot->rec.flags, VMEV2_REC_SYNC | VMEV2_REC_ALTP2M);
    switch ( reason )
    {
    case VM_EVENT_REASON_MEM_ACCESS:
        CHECK_EQ(slot->rec.payload_size, sizeof(*mem));
        CHECK_EQ(mem->gfn, 0x41);
        CHECK_EQ(mem->offset, 0x42);
        CHECK_EQ(mem->gla, 0x43);
        CHECK_EQ(mem->flags, VMEV2_MEM_W | VMEV2_MEM_GLA_VALID);
        break;

    case VM_EVENT_REASON_SINGLESTEP:
        CHECK_EQ(debug->gfn, 0x51);
        break;

    case VM_EVENT_REASON_SOFTWARE_BREAKPOINT:
        CHECK_EQ(debug->gfn, 0x61);
        break;

    case VM_EVENT_REASON_VMEXIT:
        CHECK_EQ(vmexit->reason, 0x71);
        CHECK_EQ(vmexit->qualification, 0x72);
        break;
    }
}

static void ask(struct vcpu *v, uint32_t reason)
{
    vm_event_request_t req = question(reason);

    sim_vcpu_on(v);
    CHECK_EQ(monitor_traps(v, true, &req), 1);
    sim_vcpu_off(v);
    CHECK(!vcpu_runnable(v));
}

static void test_v2(const struct answer *t)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    struct vmev2_slot *slot;
    uint32_t flags = t->flags;
    struct agent a;

    test_case("v2, %s", t->name);
    emulated = 0;
    d->arch.altp2m_active = true;
    v2_start(&a, d, true);
    ask(v, t->reason);
    slot = v2_slot(&a, 0);
    check_v2(slot, t->reason);

    slot->rsp.altp2m_idx = flags & VMEV2_RSP_ALTERNATE_P2M ? VIEW : 0;
    slot->rsp.fast_p2midx = flags & VMEV2_RSP_FAST_SINGLESTEP ? VIEW : 0;
    slot->rsp.emul_size = flags & VMEV2_RSP_SET_EMUL_READ_DATA ? 2 : 0;
    slot->rsp.emul[0] = 0x11;
    slot->rsp.emul[1] = 0x22;
    v2_answer(&a, 0, flags);
    v2_kick(&a);
    CHECK(vcpu_runnable(v));
    CHECK(sim_vcpu_try_resume(v));
    CHECK_EQ(slot->error, VMEV2_ERR_NONE);
    CHECK(t->seen(v));

    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

static void test_legacy(const struct answer *t)
{
    vm_event_request_t sent = question(t->reason), req = { 0 };
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    vm_event_response_t rsp;
    struct legacy l;

    test_case("legacy, %s", t->name);
    emulated = 0;
    d->arch.altp2m_active = true;
    legacy_start(&l, d, true);
    ask(v, t->reason);
    CHECK(legacy_next(&l, &req));
    CHECK_EQ(req.reason, t->reason);
    CHECK(!memcmp(&req.u, &sent.u, sizeof(req.u)));

    rsp = req;
    /* Every request says which view the vCPU is in: not a wish of ours. */
    rsp.flags = VM_EVENT_FLAG_VCPU_PAUSED | t->flags;
    if ( t->flags & VM_EVENT_FLAG_ALTERNATE_P2M )
        rsp.altp2m_idx = VIEW;
    if ( t->flags & VM_EVENT_FLAG_FAST_SINGLESTEP )
        rsp.u.fast_singlestep.p2midx = VIEW;
    if ( t->flags & VM_EVENT_FLAG_SET_EMUL_READ_DATA )
        rsp.data.emul.read =
            (struct vm_event_emul_read_data){ 2, { 0x11, 0x22 } };
    if ( t->flags & VM_EVENT_FLAG_SET_EMUL_INSN_DATA )
        rsp.data.emul.insn = (struct vm_event_emul_insn_data){
            { 0x11, 0x22 } };
    legacy_put(&l, &rsp);
    legacy_kick(&l);
    CHECK(vcpu_runnable(v));
    CHECK(sim_vcpu_try_resume(v));
    CHECK(t->seen(v));

    legacy_stop(&l);
    sim_domain_kill(d, 0);
}

int main(void)
{
    unsigned int i;

    sim_init();
    sim_emulate_hook = on_emulate;
    for ( i = 0; i < ARRAY_SIZE(answers); i++ )
    {
        test_v2(&answers[i]);
        test_legacy(&answers[i]);
    }

    return test_end();
}
