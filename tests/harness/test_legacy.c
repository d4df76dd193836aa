/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The legacy ring without waitqueues: what finds it full is kept in Xen, every
 * event is delivered, and neither an agent nor a guest that scribbles on the
 * page can make Xen do more than the ring has entries.
 */
#include "harness.h"

#include <xen/monitor.h>
#include "cpu.h"

#include <public/hvm/params.h>

#define RING_ENTRIES 8U

/*
 * 7f8445d967: more vCPUs than entries, all waiting.  Nobody is answered until
 * the ring is full and all are asked; then each gets its answer.
 */
static void test_many_withheld(unsigned int nr)
{
    struct domain *d = new_domain(nr);
    vm_event_request_t req[RING_ENTRIES];
    unsigned int i, n, got = 0, rounds = 0;
    uint8_t seen[512] = {};
    struct legacy l;

    test_case("%u vCPUs, answers withheld", nr);
    legacy_start(&l, d, true);
    for ( i = 0; i < nr; i++ )
        guest_request(d->vcpu[i]);
    CHECK_EQ(nr_paused(d), nr);
    CHECK_EQ(l.ring.sring->req_prod, min(nr, RING_ENTRIES));

    /* Batches: take all there is, answer all, ring once. */
    while ( got < nr && rounds++ < nr )
    {
        for ( n = 0; n < RING_ENTRIES && legacy_next(&l, &req[n]); n++ )
        {
            CHECK_EQ(req[n].reason, VM_EVENT_REASON_GUEST_REQUEST);
            CHECK_EQ(req[n].version, VM_EVENT_INTERFACE_VERSION);
            CHECK_EQ(req[n].flags, VM_EVENT_FLAG_VCPU_PAUSED);
            seen[req[n].vcpu_id]++;
        }
        for ( i = 0; i < n; i++ )
            legacy_answer(&l, &req[i]);
        legacy_kick(&l);
        got += n;
    }
    CHECK_EQ(got, nr);
    for ( i = 0; i < nr; i++ )
        CHECK_EQ(seen[i], 1);
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(resume_all(d), nr);

    legacy_stop(&l);
    sim_domain_kill(d, 0);
}

/* An asynchronous event that finds no room parks its vCPU, and is not lost. */
static void test_async_parks(void)
{
    struct domain *d = new_domain(3);
    vm_event_request_t req;
    struct legacy l;
    unsigned int i, n = 0;

    test_case("asynchronous, full ring");
    legacy_start(&l, d, false);
    for ( i = 0; i < RING_ENTRIES; i++ )
        guest_request(d->vcpu[i % 3]);
    CHECK_EQ(nr_paused(d), 0);

    for ( i = 0; i < 3; i++ )
        guest_request(d->vcpu[i]);
    CHECK_EQ(nr_paused(d), 3);
    for ( i = 0; i < 3; i++ )
        CHECK_EQ(atomic_read(&d->vcpu[i]->vm_event_pause_count), 0);

    /* A response that claims to unpause does not drop the park (R2). */
    CHECK(legacy_next(&l, &req));
    req.flags |= VM_EVENT_FLAG_VCPU_PAUSED;
    legacy_answer(&l, &req);
    legacy_kick(&l);
    CHECK_EQ(nr_paused(d), 2);

    for ( n = 1; legacy_next(&l, &req); n++ )
    {
        legacy_answer(&l, &req);
        legacy_kick(&l);
    }
    CHECK_EQ(n, RING_ENTRIES + 3);
    CHECK_EQ(nr_paused(d), 0);
    CHECK_EQ(resume_all(d), 3);

    legacy_stop(&l);
    sim_domain_kill(d, 0);
}

/* A vCPU's own events stay in order, through ring and stash. */
static void test_order(void)
{
    struct domain *d = new_domain(2);
    vm_event_request_t req;
    struct legacy l;
    unsigned int i, n;

    test_case("order");
    legacy_start(&l, d, false);
    CHECK_EQ(legacy_monitor(d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                            XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG, false), 0);
    for ( i = 0; i < RING_ENTRIES; i++ )
        guest_request(d->vcpu[0]);
    /* Four in one pass, told apart by what they carry. */
    sim_vcpu_on(d->vcpu[1]);
    for ( i = 0; i < 4; i++ )
        sim_write_cr(d->vcpu[1], 3, 0x100000 + i * 0x1000, true);
    sim_vcpu_off(d->vcpu[1]);
    CHECK_EQ(nr_paused(d), 1);

    for ( n = i = 0; legacy_next(&l, &req); n++ )
    {
        if ( req.vcpu_id == 1 )
            CHECK_EQ(req.u.write_ctrlreg.new_value, 0x100000 + i++ * 0x1000);
        legacy_answer(&l, &req);
        legacy_kick(&l);
    }
    CHECK_EQ(n, RING_ENTRIES + 4);
    CHECK_EQ(i, 4);
    CHECK_EQ(resume_all(d), 2);

    legacy_stop(&l);
    sim_domain_kill(d, 0);
}

/* More than a stash holds: an error that the caller defines, no wait. */
static void test_overflow(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    vm_event_request_t req = { .reason = VM_EVENT_REASON_GUEST_REQUEST };
    struct legacy l;
    unsigned int i, refused = 0, n;

    test_case("stash overflow");
    legacy_start(&l, d, false);
    sim_vcpu_on(v);
    for ( i = 0; i < RING_ENTRIES + VM_EVENT_STASH + 5; i++ )
    {
        int rc = monitor_traps(v, false, &req);

        CHECK(!rc || rc == -EBUSY);
        refused += rc == -EBUSY;
    }
    sim_vcpu_off(v);
    CHECK_EQ(refused, 5);
    for ( n = 0; legacy_next(&l, &req); n++ )
    {
        legacy_answer(&l, &req);
        legacy_kick(&l);
    }
    CHECK_EQ(n, RING_ENTRIES + VM_EVENT_STASH);
    CHECK_EQ(resume_all(d), 1);

    legacy_stop(&l);
    sim_domain_kill(d, 0);
}

/* Response positions that no request covers. */
static void test_bogus_position(void)
{
    static const uint32_t bogus[] = {
        0x80000100U, 4, 9, 1000, UINT32_MAX, 0x80000000U, 0x7fffffffU
    };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(bogus); i++ )
    {
        struct domain *d = new_domain(3);
        vm_event_request_t req;
        struct legacy l;
        unsigned long lines;
        unsigned int n;

        test_case("response position + %#x", bogus[i]);
        legacy_start(&l, d, true);
        for ( n = 0; n < 3; n++ )
            guest_request(d->vcpu[n]);

        l.ring.sring->rsp_prod = bogus[i];
        lines = sim_console_lines();
        legacy_kick(&l);
        legacy_kick(&l);
        CHECK_EQ(nr_paused(d), 3);
        /* Said once: an agent can't fill the console. */
        CHECK_EQ(sim_console_lines() - lines, 1);

        /* The right position afterwards still counts. */
        while ( legacy_next(&l, &req) )
            legacy_answer(&l, &req);
        legacy_kick(&l);
        CHECK_EQ(nr_paused(d), 0);
        CHECK_EQ(resume_all(d), 3);

        legacy_stop(&l);
        sim_domain_kill(d, 0);
    }
}

/* 4481335590, 868d9b99b3: what is answered twice, or without being asked. */
static void test_duplicates(void)
{
    struct domain *d = new_domain(3);
    vm_event_request_t req[3];
    vm_event_response_t rsp = {};
    struct legacy l;
    unsigned int i;

    legacy_start(&l, d, true);
    for ( i = 0; i < 3; i++ )
        guest_request(d->vcpu[i]);
    for ( i = 0; i < 3; i++ )
        CHECK(legacy_next(&l, &req[i]));

    test_case("the same answer three times");
    for ( i = 0; i < 3; i++ )
        legacy_answer(&l, &req[0]);
    legacy_kick(&l);
    CHECK(vcpu_runnable(d->vcpu[req[0].vcpu_id]));
    CHECK_EQ(nr_paused(d), 2);
    CHECK_EQ(atomic_read(&d->vcpu[req[0].vcpu_id]->vm_event_pause_count), 0);
    CHECK_EQ(d->vcpu[req[0].vcpu_id]->pause_count.counter, 0);

    test_case("an answer for a vCPU paused by somebody else");
    legacy_disable(&l);
    sim_evtchn_unbind(l.bell);
    legacy_start(&l, d, true);
    CHECK_EQ(nr_paused(d), 0);
    resume_all(d);
    for ( i = 0; i < 2; i++ )
        guest_request(d->vcpu[i]);
    domain_pause(d);
    CHECK(legacy_next(&l, &req[0]));
    legacy_answer(&l, &req[0]);
    rsp.version = VM_EVENT_INTERFACE_VERSION;
    rsp.flags = VM_EVENT_FLAG_VCPU_PAUSED;
    rsp.vcpu_id = 2;
    legacy_put(&l, &rsp);
    legacy_kick(&l);
    CHECK_EQ(nr_paused(d), 3);
    CHECK_EQ(d->vcpu[2]->pause_count.counter, 0);
    domain_unpause(d);
    CHECK_EQ(nr_paused(d), 1);

    legacy_stop(&l);
    CHECK_EQ(nr_paused(d), 0);
    sim_domain_kill(d, 0);
}

/* Responses that mean nothing use up their entry, and that is all. */
static void test_garbage(void)
{
    struct domain *d = new_domain(2);
    vm_event_request_t req;
    vm_event_response_t rsp;
    struct legacy l;
    unsigned int i;

    legacy_start(&l, d, true);
    for ( i = 0; i < 6; i++ )
    {
        test_case("garbage %u", i);
        guest_request(d->vcpu[0]);
        CHECK(legacy_next(&l, &req));
        memset(&rsp, 0, sizeof(rsp));
        rsp.version = i == 0 ? 6 : i == 1 ? UINT32_MAX
                                          : VM_EVENT_INTERFACE_VERSION;
        rsp.vcpu_id = i == 2 ? 2 : i == 3 ? UINT32_MAX : 0;
        rsp.flags = i == 4 ? 0 : VM_EVENT_FLAG_VCPU_PAUSED;
        if ( i == 5 )
            memset(&rsp.u, 0xff, sizeof(rsp.u) + sizeof(rsp.data));
        legacy_put(&l, &rsp);
        legacy_kick(&l);
        CHECK_EQ(vcpu_runnable(d->vcpu[0]), i == 5);
        if ( i < 5 )
        {
            legacy_stop(&l);
            CHECK(vcpu_runnable(d->vcpu[0]));
            resume_all(d);
            legacy_start(&l, d, true);
        }
    }

    legacy_stop(&l);
    sim_domain_kill(d, 0);
}

/* 928f59868c: nobody waits for more than a round of the others. */
static void test_fairness(void)
{
    const unsigned int nr = 40, rounds = 50;
    struct domain *d = new_domain(nr);
    unsigned int i, served[40] = {}, least = UINT32_MAX, most = 0;
    vm_event_request_t req;
    struct legacy l;

    test_case("fairness");
    legacy_start(&l, d, true);
    for ( i = 0; i < nr; i++ )
        guest_request(d->vcpu[i]);

    /* Who is answered asks again at once. */
    for ( i = 0; i < nr * rounds && legacy_next(&l, &req); i++ )
    {
        legacy_answer(&l, &req);
        legacy_kick(&l);
        served[req.vcpu_id]++;
        CHECK(sim_vcpu_try_resume(d->vcpu[req.vcpu_id]));
        guest_request(d->vcpu[req.vcpu_id]);
    }
    CHECK_EQ(i, nr * rounds);
    for ( i = 0; i < nr; i++ )
    {
        least = min(least, served[i]);
        most = max(most, served[i]);
    }
    CHECK(most - least <= 1);

    legacy_stop(&l);
    CHECK_EQ(nr_paused(d), 0);
    sim_domain_kill(d, 0);
}

/* Disabled with requests in ring and stash: all go on, none is left paused. */
static void test_disable(unsigned int nr)
{
    struct domain *d = new_domain(nr);
    struct legacy l;
    unsigned int i, again;

    for ( again = 0; again < 3; again++ )
    {
        test_case("disable with %u waiting, time %u", nr, again);
        legacy_start(&l, d, true);
        for ( i = 0; i < nr; i++ )
            guest_request(d->vcpu[i]);
        CHECK_EQ(nr_paused(d), nr);
        legacy_stop(&l);
        CHECK_EQ(nr_paused(d), 0);
        CHECK_EQ(resume_all(d), nr);
        for ( i = 0; i < nr; i++ )
            CHECK_EQ(d->vcpu[i]->pause_count.counter, 0);
        CHECK_EQ(legacy_disable(&l), -EINVAL);
    }
    guest_request(d->vcpu[0]);
    CHECK_EQ(nr_paused(d), 0);
    sim_domain_kill(d, 0);
}

/* The domain dies with requests everywhere. */
static void test_domain_dies(void)
{
    struct domain *d = new_domain(20);
    struct legacy l, later;
    unsigned int i;

    test_case("the domain dies");
    legacy_start(&l, d, true);
    for ( i = 0; i < 20; i++ )
        guest_request(d->vcpu[i]);
    get_knownalive_domain(d);
    CHECK_EQ(sim_domain_kill(d, 0), 0);
    legacy_kick(&l);
    for ( i = 0; i < 20; i++ )
        CHECK_EQ(d->vcpu[i]->pause_count.counter, 0);
    CHECK_EQ(legacy_enable(&later, d), -ESRCH);
    sim_evtchn_unbind(l.bell);
    put_domain(d);
}

/* A kick with the ring full of answers leaves none of them behind. */
static void test_budget(void)
{
    struct domain *d = new_domain(RING_ENTRIES * 3);
    vm_event_request_t req;
    struct legacy l;
    unsigned int i, n = 0;

    test_case("full of answers");
    legacy_start(&l, d, true);
    for ( i = 0; i < RING_ENTRIES * 3; i++ )
        guest_request(d->vcpu[i]);
    while ( n < RING_ENTRIES * 3 )
    {
        while ( legacy_next(&l, &req) )
        {
            legacy_answer(&l, &req);
            n++;
        }
        legacy_kick(&l);
    }
    CHECK_EQ(nr_paused(d), 0);
    legacy_stop(&l);
    sim_domain_kill(d, 0);
}

/* Fast answers, and a denied write: as with slots. */
static void test_deny(void)
{
    struct xen_domctl_monitor_op mop = {
        .op = XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS,
    };
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    uint64_t old = v->arch.hvm.guest_cr[3];
    vm_event_request_t req;
    vm_event_response_t rsp;
    struct legacy l;
    unsigned int fast;

    legacy_start(&l, d, true);
    CHECK_EQ(sim_domctl_monitor(d->domain_id, &mop), 0);
    CHECK_EQ(legacy_monitor(d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                            XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG, true), 0);
    for ( fast = 0; fast < 2; fast++ )
    {
        test_case("denied write, fast %u", fast);
        sim_vcpu_on(v);
        sim_write_cr(v, 3, old + 0x1000, true);
        if ( !fast )
            sim_vcpu_off(v);
        CHECK(legacy_next(&l, &req));
        rsp = req;
        rsp.flags = VM_EVENT_FLAG_VCPU_PAUSED | VM_EVENT_FLAG_DENY;
        legacy_put(&l, &rsp);
        legacy_kick(&l);
        if ( fast )
            sim_vcpu_off(v);
        CHECK(sim_vcpu_try_resume(v));
        CHECK_EQ(v->arch.hvm.guest_cr[3], old);
    }

    test_case("set registers");
    guest_request(v);
    CHECK(legacy_next(&l, &req));
    rsp = req;
    rsp.flags |= VM_EVENT_FLAG_SET_REGISTERS;
    rsp.data.regs.x86.rdi = 0x77;
    legacy_put(&l, &rsp);
    legacy_kick(&l);
    CHECK(sim_vcpu_try_resume(v));
    CHECK_EQ(v->arch.user_regs.rdi, 0x77);

    /* b848dc83cc: neither a stale write nor a monitor outlives its ring. */
    test_case("write pending at disable");
    sim_vcpu_on(v);
    sim_write_cr(v, 3, old + 0x3000, true);
    sim_vcpu_off(v);
    legacy_stop(&l);
    CHECK(sim_vcpu_try_resume(v));
    CHECK_EQ(v->arch.hvm.guest_cr[3], old + 0x3000);
    sim_vcpu_on(v);
    sim_write_cr(v, 3, old, true);
    CHECK_EQ(v->arch.hvm.guest_cr[3], old);
    sim_vcpu_off(v);
    CHECK(vcpu_runnable(v));
    sim_domain_kill(d, 0);
}

/* The control operations that are refused. */
static void test_control(void)
{
    struct xen_domctl_vm_event_op op = { .op = XEN_VM_EVENT_GET_VERSION };
    struct domain *d = new_domain(1), *other = new_domain(1);
    struct legacy l;

    test_case("version");
    CHECK_EQ(sim_domctl_vm_event(DOMID_INVALID, &op), 0);
    CHECK_EQ(op.u.version, 7);

    test_case("no domain");
    op.op = XEN_VM_EVENT_ENABLE;
    op.mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR;
    CHECK_EQ(sim_domctl_vm_event(DOMID_INVALID, &op), -ESRCH);

    test_case("without permission");
    sim_thread_become(other);
    CHECK_EQ(sim_domctl_vm_event(d->domain_id, &op), -EPERM);
    sim_thread_become(NULL);

    test_case("on itself");
    sim_thread_become(d);
    hardware_domain = d;
    CHECK_EQ(sim_domctl_vm_event(d->domain_id, &op), -EINVAL);
    hardware_domain = rcu_lock_domain_by_id(0);
    rcu_unlock_domain(hardware_domain);
    sim_thread_become(NULL);

    test_case("unknown operation and mode");
    op.op = 99;
    CHECK_EQ(sim_domctl_vm_event(d->domain_id, &op), -ENOSYS);
    op.op = XEN_VM_EVENT_ENABLE;
    op.mode = 99;
    CHECK_EQ(sim_domctl_vm_event(d->domain_id, &op), -ENOSYS);

    test_case("twice");
    CHECK_EQ(legacy_enable(&l, d), 0);
    CHECK_EQ(legacy_enable(&l, d), -EBUSY);
    l.d = d;
    l.mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR;
    CHECK_EQ(legacy_disable(&l), 0);

    test_case("no ring page");
    d->arch.hvm.params[HVM_PARAM_MONITOR_RING_PFN] = 0;
    CHECK_EQ(legacy_enable(&l, d), -EOPNOTSUPP);

    sim_domain_kill(d, 0);
    sim_domain_kill(other, 0);
}

/* Only the ring that paused a vCPU may let it go: pauses are monotonic. */
static void test_pause_count(void)
{
    struct domain *d = new_domain(1);
    vm_event_request_t req;
    struct legacy l;
    struct agent a;
    unsigned int i;

    test_case("pauses are counted over both ABIs");
    legacy_start(&l, d, true);
    for ( i = 0; i < 3; i++ )
    {
        guest_request(d->vcpu[0]);
        CHECK(legacy_next(&l, &req));
        legacy_answer(&l, &req);
        legacy_kick(&l);
        resume_all(d);
    }
    CHECK_EQ(v2_vcpu(d, 0).pauses, 3);
    legacy_stop(&l);
    v2_start(&a, d, true);
    guest_request(d->vcpu[0]);
    CHECK_EQ(v2_vcpu(d, 0).pauses, 4);
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(v2_vcpu(d, 0).pauses, 4);
    sim_domain_kill(d, 0);
}

/* One request of the paging code on the current vCPU. */
static int drop_page(struct domain *d, uint64_t gfn, bool evict_fail)
{
    vm_event_request_t req = {
        .reason = VM_EVENT_REASON_MEM_PAGING,
        .vcpu_id = current->vcpu_id,
        .u.mem_paging.gfn = gfn,
        .u.mem_paging.flags = MEM_PAGING_DROP_PAGE |
                              (evict_fail ? MEM_PAGING_EVICT_FAIL : 0),
    };
    int rc = vm_event_claim_slot(d, d->vm_event_paging);

    if ( !rc )
        vm_event_put_request(d, d->vm_event_paging, &req);

    return rc;
}

/*
 * R1: a hypercall that gives back 512 pages before it can be preempted.  Each
 * is told of, in order, and the vCPU waits at its next way out.
 */
static void test_paging_drops(void)
{
    const unsigned int stashed = PAGE_SIZE / sizeof(uint64_t);
    struct domain *d = new_domain(2);
    vm_event_request_t req;
    struct legacy l;
    unsigned int i, n;

    test_case("paging drops");
    CHECK_EQ(legacy_enable_mode(&l, d, XEN_DOMCTL_VM_EVENT_OP_PAGING), 0);
    CHECK_EQ(legacy_bind(&l), 0);

    sim_vcpu_on(d->vcpu[1]);
    for ( i = 0; i < RING_ENTRIES + stashed; i++ )
        CHECK_EQ(drop_page(d, 0x1000 + i, i % 3 == 0), 0);
    CHECK_EQ(drop_page(d, 0, false), -EBUSY);
    sim_vcpu_off(d->vcpu[1]);
    CHECK(!vcpu_runnable(d->vcpu[1]));
    CHECK(vcpu_runnable(d->vcpu[0]));

    for ( n = 0; legacy_next(&l, &req); n++ )
    {
        CHECK_EQ(req.reason, VM_EVENT_REASON_MEM_PAGING);
        CHECK_EQ(req.vcpu_id, 1);
        CHECK_EQ(req.u.mem_paging.gfn, 0x1000 + n);
        CHECK_EQ(req.u.mem_paging.flags,
                 MEM_PAGING_DROP_PAGE |
                 (n % 3 == 0 ? MEM_PAGING_EVICT_FAIL : 0));
        legacy_answer(&l, &req);
        legacy_kick(&l);
    }
    CHECK_EQ(n, RING_ENTRIES + stashed);
    CHECK(vcpu_runnable(d->vcpu[1]));

    test_case("paging ring disabled with drops stashed");
    sim_vcpu_on(d->vcpu[0]);
    for ( i = 0; i < 100; i++ )
        CHECK_EQ(drop_page(d, i, false), 0);
    sim_vcpu_off(d->vcpu[0]);
    legacy_stop(&l);
    CHECK_EQ(nr_paused(d), 0);
    sim_domain_kill(d, 0);
}

/* The pager may not undo the pause of the monitor, nor the other way round. */
static void test_two_rings(void)
{
    struct domain *d = new_domain(1);
    vm_event_response_t rsp = {
        .version = VM_EVENT_INTERFACE_VERSION,
        .reason = VM_EVENT_REASON_MEM_PAGING,
        .flags = VM_EVENT_FLAG_VCPU_PAUSED,
    };
    vm_event_request_t req;
    struct legacy m, p;

    test_case("an answer on the other ring");
    legacy_start(&m, d, true);
    CHECK_EQ(legacy_enable_mode(&p, d, XEN_DOMCTL_VM_EVENT_OP_PAGING), 0);
    CHECK_EQ(legacy_bind(&p), 0);
    sim_vcpu_on(d->vcpu[0]);
    CHECK_EQ(drop_page(d, 1, false), 0);
    monitor_guest_request();
    sim_vcpu_off(d->vcpu[0]);
    CHECK(!vcpu_runnable(d->vcpu[0]));

    CHECK(legacy_next(&p, &req));
    legacy_put(&p, &rsp);
    legacy_kick(&p);
    CHECK(!vcpu_runnable(d->vcpu[0]));

    test_case("one ring's end is not the other's");
    legacy_stop(&p);
    CHECK(!vcpu_runnable(d->vcpu[0]));
    CHECK(d->vcpu[0]->arch.vm_event);
    CHECK(legacy_next(&m, &req));
    legacy_answer(&m, &req);
    legacy_kick(&m);
    CHECK(sim_vcpu_try_resume(d->vcpu[0]));
    legacy_stop(&m);
    sim_domain_kill(d, 0);
}
/*
 * A guest resets a vCPU that waits, and has it raise another event at once: the
 * answer to the first, which comes late, must not let the second one pass.
 */
static void test_reset(void)
{
    struct xen_domctl_monitor_op mop = {
        .op = XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS,
    };
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];
    uint64_t old = v->arch.hvm.guest_cr[3];
    vm_event_request_t first, second;
    vm_event_response_t rsp;
    struct legacy l;

    test_case("vcpu_reset");
    legacy_start(&l, d, true);
    CHECK_EQ(sim_domctl_monitor(d->domain_id, &mop), 0);
    CHECK_EQ(legacy_monitor(d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                            XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG, true), 0);
    guest_request(v);
    CHECK(legacy_next(&l, &first));
    domain_pause(d);
    vm_event_vcpu_reset(v);
    domain_unpause(d);
    CHECK(!vcpu_runnable(v));

    /* It is let go by the answer, which does nothing else. */
    rsp = first;
    rsp.flags |= VM_EVENT_FLAG_SET_REGISTERS;
    rsp.data.regs.x86.rdi = 0xbad;
    legacy_put(&l, &rsp);
    legacy_kick(&l);
    CHECK(sim_vcpu_try_resume(v));
    CHECK(v->arch.user_regs.rdi != 0xbad);

    sim_vcpu_on(v);
    sim_write_cr(v, 3, old + 0x1000, true);
    sim_vcpu_off(v);
    CHECK(legacy_next(&l, &second));
    CHECK(!vcpu_runnable(v));
    rsp = second;
    rsp.flags = VM_EVENT_FLAG_VCPU_PAUSED | VM_EVENT_FLAG_DENY;
    legacy_put(&l, &rsp);
    legacy_kick(&l);
    CHECK(sim_vcpu_try_resume(v));
    CHECK_EQ(v->arch.hvm.guest_cr[3], old);
    CHECK_EQ(v->pause_count.counter, 0);

    legacy_stop(&l);
    sim_domain_kill(d, 0);
}

/* A register is watched on a domain that never had a ring: it is written. */
static void test_no_ring(void)
{
    struct domain *d = new_domain(1);
    struct vcpu *v = d->vcpu[0];

    test_case("a watched register, no ring");
    CHECK_EQ(legacy_monitor(d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                            XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG, true), 0);
    CHECK(!v->arch.vm_event);
    sim_vcpu_on(v);
    sim_write_cr(v, 3, 0x9000, true);
    CHECK_EQ(v->arch.hvm.guest_cr[3], 0x9000);
    sim_vcpu_off(v);
    CHECK_EQ(nr_paused(d), 0);
    sim_domain_kill(d, 0);
}

int main(void)
{
    sim_init();
    test_reset();
    test_paging_drops();
    test_two_rings();
    test_many_withheld(1);
    test_many_withheld(8);
    test_many_withheld(9);
    test_many_withheld(12);
    test_many_withheld(128);
    test_async_parks();
    test_order();
    test_overflow();
    test_bogus_position();
    test_duplicates();
    test_garbage();
    test_fairness();
    test_disable(5);
    test_disable(30);
    test_domain_dies();
    test_budget();
    test_deny();
    test_control();
    test_pause_count();
    test_no_ring();

    return test_end();
}
