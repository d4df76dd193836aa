/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each reason's request as it stands in the slot, and each kind of answer as it
 * reaches the vCPU.
 */
#include "harness.h"

#include <asm/hvm/monitor.h>
#include <asm/vm_event.h>

#include "cpu.h"

static struct domain *d;
static struct vcpu *v;
static struct agent a;

static void begin(void)
{
    d = new_domain(1);
    v = d->vcpu[0];
    d->arch.altp2m_active = true;
    v2_start(&a, d, true);
}

static void end(void)
{
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* The request's payload, once it stands there. */
static const void *payload_of(uint32_t reason, uint32_t size)
{
    const struct vmev2_rec *rec = &v2_slot(&a, 0)->rec;

    CHECK(v2_pending(&a, 0));
    CHECK_EQ(rec->reason, reason);
    CHECK_EQ(rec->payload_size, size);
    CHECK(!vcpu_runnable(v));

    return rec + 1;
}

static void answer(uint32_t flags)
{
    v2_answer(&a, 0, flags);
    v2_kick(&a);
    CHECK(vcpu_runnable(v));
    CHECK_EQ(v2_vcpu(d, 0).bad, 0);
    CHECK(sim_vcpu_try_resume(v));
}

static void access_page(uint64_t gfn)
{
    sim_vcpu_on(v);
    CHECK(hvm_monitor_mem_access(_gfn(gfn), (gfn << PAGE_SHIFT) + 0x10,
                                 MEM_ACCESS_W));
    sim_vcpu_off(v);
}

static void test_mem_access(void)
{
    const struct vmev2_mem_access *p;
    struct vmev2_rsp *rsp;
    uint64_t emulated;

    test_case("MEM_ACCESS");
    begin();
    access_page(0x123);
    p = payload_of(VMEV2_REASON_MEM_ACCESS, sizeof(*p));
    CHECK_EQ(p->gfn, 0x123);
    CHECK_EQ(p->offset, 0x10);
    CHECK_EQ(p->gla, 0x123010);
    CHECK_EQ(p->flags, VMEV2_MEM_W | VMEV2_MEM_GLA_VALID |
                       VMEV2_MEM_FAULT_WITH_GLA);
    emulated = v->arch.emulated;
    answer(VMEV2_RSP_EMULATE);
    CHECK_EQ(v->arch.emulated, emulated + 1);

    test_case("MEM_ACCESS, emulated with other data");
    access_page(0x124);
    rsp = &v2_slot(&a, 0)->rsp;
    rsp->emul_size = 3;
    memcpy(rsp->emul, "abc", 3);
    answer(VMEV2_RSP_EMULATE | VMEV2_RSP_SET_EMUL_READ_DATA);
    CHECK_EQ(v->arch.vm_event->emul.read.size, 3);
    CHECK(!memcmp(v->arch.vm_event->emul.read.data, "abc", 3));
    CHECK_EQ(v->arch.emulated, emulated + 2);
    rsp->emul_size = 0;

    test_case("MEM_ACCESS, not emulated");
    access_page(0x125);
    answer(0);
    CHECK_EQ(v->arch.emulated, emulated + 2);
    end();
}

/* In Xen's own word for it, what a handler is told of an access. */
static void test_about_access(void)
{
    test_case("the access that an answer is about");
    begin();
    access_page(0x777);
    v2_answer(&a, 0, 0);
    v2_kick(&a);
    CHECK_EQ(vm_event_of(v)->rsp.reason, VM_EVENT_REASON_MEM_ACCESS);
    CHECK_EQ(vm_event_of(v)->rsp.u.mem_access.gfn, 0x777);
    CHECK_EQ(vm_event_of(v)->rsp.u.mem_access.flags,
             MEM_ACCESS_W | MEM_ACCESS_GLA_VALID | MEM_ACCESS_FAULT_WITH_GLA);
    CHECK(sim_vcpu_try_resume(v));
    end();
}

/* One debug event; its payload, which is answered with flags. */
static struct vmev2_debug debug(enum hvm_monitor_debug_type type,
                                uint32_t reason, uint32_t flags)
{
    const struct vmev2_debug *p;
    struct vmev2_debug copy;

    CHECK_EQ(v2_monitor(&a, reason, true, true, 0), 0);
    sim_vcpu_on(v);
    CHECK_EQ(hvm_monitor_debug(SIM_KERNEL_VA + 0x5000, type, 6, 1, 0x4000), 1);
    sim_vcpu_off(v);
    p = payload_of(reason, sizeof(*p));
    copy = *p;
    CHECK_EQ(copy.gfn, 5);
    answer(flags);
    CHECK_EQ(v2_monitor(&a, reason, false, true, 0), 0);

    return copy;
}

static void test_debug(void)
{
    struct vmev2_rsp *rsp;
    struct vmev2_debug p;

    test_case("SOFTWARE_BREAKPOINT, another instruction instead");
    begin();
    rsp = &v2_slot(&a, 0)->rsp;
    memcpy(rsp->emul, "\x90\xc3", 2);
    p = debug(HVM_MONITOR_SOFTWARE_BREAKPOINT, VMEV2_REASON_SOFTWARE_BREAKPOINT,
              VMEV2_RSP_EMULATE | VMEV2_RSP_SET_EMUL_INSN_DATA);
    CHECK_EQ(p.type, 6);
    CHECK_EQ(p.insn_length, 1);
    CHECK_EQ(p.pending_dbg, 0);
    CHECK(!memcmp(v->arch.vm_event->emul.insn.data, "\x90\xc3", 2));

    test_case("DEBUG_EXCEPTION");
    p = debug(HVM_MONITOR_DEBUG_EXCEPTION, VMEV2_REASON_DEBUG_EXCEPTION, 0);
    CHECK_EQ(p.pending_dbg, 0x4000);
    CHECK_EQ(p.type, 6);

    test_case("SINGLESTEP");
    p = debug(HVM_MONITOR_SINGLESTEP_BREAKPOINT, VMEV2_REASON_SINGLESTEP,
              VMEV2_RSP_TOGGLE_SINGLESTEP);
    CHECK_EQ(p.type, 0);
    CHECK_EQ(p.insn_length, 0);
    CHECK_EQ(p.pending_dbg, 0);
    CHECK(v->arch.hvm.single_step);
    end();
}

static void test_views(void)
{
    struct vmev2_rsp *rsp;

    test_case("a single step in another view");
    begin();
    rsp = &v2_slot(&a, 0)->rsp;
    rsp->fast_p2midx = 3;
    guest_request(v);
    CHECK_EQ(v2_slot(&a, 0)->rec.flags & VMEV2_REC_ALTP2M, VMEV2_REC_ALTP2M);
    answer(VMEV2_RSP_FAST_SINGLESTEP);
    CHECK(v->arch.hvm.fast_single_step.enabled);
    CHECK_EQ(v->arch.hvm.fast_single_step.p2midx, 3);
    rsp->fast_p2midx = 0;

    test_case("another view, and a new trace");
    rsp->altp2m_idx = 2;
    guest_request(v);
    answer(VMEV2_RSP_ALTERNATE_P2M | VMEV2_RSP_RESET_VMTRACE);
    guest_request(v);
    CHECK_EQ(v2_slot(&a, 0)->rec.altp2m_idx, 2);
    rsp->altp2m_idx = 0;
    answer(0);
    end();
}

static void test_others(void)
{
    const struct vmev2_descriptor *desc;
    const struct vmev2_vmexit *exit;

    test_case("DESCRIPTOR_ACCESS");
    begin();
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_DESCRIPTOR_ACCESS, true, true, 0), 0);
    sim_vcpu_on(v);
    CHECK(hvm_monitor_descriptor_access(7, 8, 2, true));
    sim_vcpu_off(v);
    desc = payload_of(VMEV2_REASON_DESCRIPTOR_ACCESS, sizeof(*desc));
    CHECK_EQ(desc->exit_info, 7);
    CHECK_EQ(desc->qualification, 8);
    CHECK_EQ(desc->descriptor, 2);
    CHECK_EQ(desc->is_write, 1);
    answer(VMEV2_RSP_EMULATE);

    test_case("VMEXIT");
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_VMEXIT, true, true, 0), 0);
    sim_vcpu_on(v);
    CHECK_EQ(hvm_monitor_vmexit(48, 0x181), 1);
    sim_vcpu_off(v);
    exit = payload_of(VMEV2_REASON_VMEXIT, sizeof(*exit));
    CHECK_EQ(exit->reason, 48);
    CHECK_EQ(exit->qualification, 0x181);
    answer(0);
    end();
}

/* A doorbell of a channel that is gone by the time that it is looked at. */
static void test_no_channel(void)
{
    test_case("no channel");
    d = new_domain(1);
    v = d->vcpu[0];
    vm_event_slots_visit(d);
    CHECK(!vm_event_monitored(d));
    sim_vcpu_on(v);
    CHECK(!hvm_monitor_mem_access(_gfn(1), 0x1000, MEM_ACCESS_R));
    sim_vcpu_off(v);
    sim_domain_kill(d, 0);
}

int main(void)
{
    sim_init();
    test_mem_access();
    test_about_access();
    test_debug();
    test_views();
    test_others();
    test_no_channel();
    sim_softirq_drain();
    CHECK_EQ(sim_leaks(), 0);

    return test_end();
}
