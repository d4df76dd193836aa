/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory: every allocation that can fail does, every step that can be
 * preempted is, and nothing is left behind by any of it.
 */
#include "harness.h"

#define MANY 200U

static unsigned int fail_create(const struct vmev2_op_create *wish,
                                unsigned int nr_vcpus)
{
    unsigned int k;

    /* A domain for each k: what a failed attempt got is kept for the next. */
    for ( k = 1; k < 5000; k++ )
    {
        struct domain *d = new_domain(nr_vcpus);
        struct agent a;
        int rc;

        test_case("create on %u vCPUs, allocation %u fails", nr_vcpus, k);
        sim_fail_alloc(k);
        rc = v2_create(&a, d, wish);
        if ( !sim_alloc_failed() )
        {
            sim_fail_alloc(0);
            CHECK_EQ(rc, 0);
            sim_domain_kill(d, 0);
            return k - 1;
        }
        CHECK(rc == -ENOMEM || rc == -ENOSPC);
        CHECK(v2_state(d) == VMEV2_STATE_NONE || v2_state(d) == VMEV2_STATE_IDLE);
        CHECK_EQ(sim_evtchn_ports(d), 0);
        CHECK_EQ(nr_paused(d), 0);
        guest_request(d->vcpu[0]);
        CHECK(vcpu_runnable(d->vcpu[0]));

        /* The next attempt works, and so does what it made. */
        CHECK_EQ(v2_create(&a, d, wish), 0);
        CHECK_EQ(v2_bind(&a), 0);
        CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 2), 0);
        guest_request(d->vcpu[nr_vcpus - 1]);
        CHECK(v2_pending(&a, nr_vcpus - 1));
        CHECK_EQ(v2_destroy(&a), 0);
        sim_domain_kill(d, 0);
        if ( sim_leaks() )
            return k;
    }

    return k;
}

/* A second create that needs more pages, on a domain that had a channel. */
static void test_fail_grow(void)
{
    const struct vmev2_op_create small = { .ring_bytes = 4096 },
                                 large = { .ring_bytes = 65536 };
    unsigned int k;
    bool failed = true;

    for ( k = 1; failed; k++ )
    {
        struct domain *d = new_domain(2);
        struct agent a;
        int rc;

        test_case("grow, allocation %u fails", k);
        CHECK_EQ(v2_create(&a, d, &small), 0);
        CHECK_EQ(v2_bind(&a), 0);
        CHECK_EQ(v2_destroy(&a), 0);

        sim_fail_alloc(k);
        rc = v2_create(&a, d, &large);
        failed = sim_alloc_failed();
        sim_fail_alloc(0);
        CHECK_EQ(rc != 0, failed);
        if ( failed )
        {
            CHECK_EQ(v2_state(d), VMEV2_STATE_IDLE);
            /* Back to the size that is there. */
            CHECK_EQ(v2_create(&a, d, &small), 0);
            CHECK_EQ(v2_ctrl(&a)->ring_bytes, 4096);
        }
        CHECK_EQ(v2_bind(&a), 0);
        CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, false, 2), 0);
        guest_request(d->vcpu[1]);
        CHECK_EQ(v2_ring_line(&a, 0)->prod, 32 + VMEV2_REGS_X86_ALL_SIZE);
        sim_domain_kill(d, 0);
        v2_die(&a);
    }
    CHECK(k > 15);
}

/* Attach allocates a port, and nothing is lost when there is none. */
static void test_fail_attach(void)
{
    const struct vmev2_op_create hold = { .on_death = VMEV2_DEATH_HOLD };
    struct domain *d = new_domain(1);
    struct agent a, b;

    test_case("attach fails");
    CHECK_EQ(v2_create(&a, d, &hold), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, true, 0), 0);
    guest_request(d->vcpu[0]);
    v2_die(&a);
    CHECK_EQ(v2_state(d), VMEV2_STATE_HELD);

    sim_fail_alloc(1);
    CHECK(v2_attach(&b, d, 0) < 0);
    CHECK(sim_alloc_failed());
    CHECK_EQ(v2_state(d), VMEV2_STATE_HELD);
    CHECK_EQ(nr_paused(d), 1);

    CHECK_EQ(v2_attach(&b, d, 0), 0);
    CHECK_EQ(v2_bind(&b), 0);
    CHECK(v2_pending(&b, 0));
    CHECK_EQ(v2_destroy(&b), 0);
    sim_domain_kill(d, 0);
}

/* The paging ring has a store of its own for each vCPU. */
static void test_fail_paging(void)
{
    bool failed = true;
    unsigned int k;

    for ( k = 1; failed; k++ )
    {
        struct domain *d = new_domain(2);
        struct legacy l;
        int rc;

        test_case("paging enable, allocation %u fails", k);
        sim_fail_alloc(k);
        rc = legacy_enable_mode(&l, d, XEN_DOMCTL_VM_EVENT_OP_PAGING);
        failed = sim_alloc_failed();
        sim_fail_alloc(0);
        CHECK_EQ(rc, failed ? -ENOMEM : 0);
        CHECK_EQ(vm_event_check_ring(d->vm_event_paging), !failed);
        sim_domain_kill(d, 0);
        if ( sim_leaks() )
            return;
    }
    CHECK(k > 6);
}

static void test_fail_legacy(unsigned int nr_vcpus)
{
    bool failed = true;
    unsigned int k;

    for ( k = 1; failed; k++ )
    {
        struct domain *d = new_domain(nr_vcpus);
        struct legacy l;
        int rc;

        test_case("legacy enable on %u vCPUs, allocation %u fails", nr_vcpus, k);
        sim_fail_alloc(k);
        rc = legacy_enable(&l, d);
        failed = sim_alloc_failed();
        sim_fail_alloc(0);
        CHECK_EQ(rc != 0, failed);
        if ( failed )
        {
            CHECK(!vm_event_check_ring(d->vm_event_monitor));
            CHECK_EQ(sim_evtchn_ports(d), 0);
            CHECK_EQ(legacy_enable(&l, d), 0);
        }
        CHECK_EQ(legacy_bind(&l), 0);
        CHECK_EQ(legacy_monitor(d, XEN_DOMCTL_MONITOR_OP_ENABLE,
                                XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST, true),
                 0);
        guest_request(d->vcpu[0]);
        CHECK_EQ(nr_paused(d), 1);
        legacy_stop(&l);
        sim_domain_kill(d, 0);
        if ( sim_leaks() )
            return;
    }
    CHECK(k > 5);
}

/* Create and destroy over and over: nothing grows. */
static void test_cycles(const struct vmev2_op_create *wish)
{
    struct domain *d = new_domain(5);
    int allocs = 0, pages = 0, maps = 0;
    struct agent a;
    unsigned int i;

    for ( i = 0; i < MANY; i++ )
    {
        test_case("cycle %u", i);
        CHECK_EQ(v2_create(&a, d, wish), 0);
        CHECK_EQ(v2_bind(&a), 0);
        CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, i % 2, 1), 0);
        guest_request(d->vcpu[i % 5]);
        if ( i % 3 == 0 )
            v2_die(&a);     /* DETACH does the rest */
        else
            CHECK_EQ(v2_destroy(&a), 0);
        CHECK_EQ(nr_paused(d), 0);
        resume_all(d);
        CHECK_EQ(v2_state(d), VMEV2_STATE_IDLE);
        CHECK_EQ(sim_evtchn_ports(d), 0);

        if ( !i )
        {
            allocs = sim_nr_allocs;
            pages = sim_nr_pages;
            maps = sim_nr_maps;
        }
        CHECK_EQ(sim_nr_allocs, allocs);
        CHECK_EQ(sim_nr_pages, pages);
        CHECK_EQ(sim_nr_maps, maps);
    }
    sim_domain_kill(d, 0);
}

/* Sizes go up and down; pages are never more than the largest needs. */
static void test_size_cycles(void)
{
    struct domain *d = new_domain(3);
    struct agent a;
    unsigned int i, largest = 0;

    for ( i = 0; i < 100; i++ )
    {
        struct vmev2_op_create wish = {
            .ring_bytes = 4096U << (i * 7 % 6),
            .flags = i % 4 ? 0 : VMEV2_CREATE_SPLIT_RINGS,
        };
        unsigned int ring;

        test_case("size cycle %u", i);
        CHECK_EQ(v2_create(&a, d, &wish), 0);
        CHECK_EQ(v2_bind(&a), 0);
        CHECK_EQ(v2_monitor(&a, VMEV2_REASON_GUEST_REQUEST, true, false, 2), 0);
        guest_request(d->vcpu[2]);
        ring = a.created.nr_rings > 1 ? 2 : 0;
        CHECK_EQ(v2_ring_line(&a, ring)->prod, 32 + VMEV2_REGS_X86_ALL_SIZE);
        largest = max(largest, a.created.frames[VMEV2_RES_RING]);
        CHECK_EQ(d->vm_event->area[VMEV2_RES_RING].nr, largest);
        CHECK_EQ(v2_destroy(&a), 0);
    }
    sim_domain_kill(d, 0);
}

/* A continuation at every page, and teardown in as many steps. */
static void test_preempt(void)
{
    const struct vmev2_op_create wish = { .ring_bytes = 1U << 20 };
    struct domain *d = new_domain(128);
    struct agent a;
    unsigned int pages, steps = 0;
    int rc;

    test_case("preempted create");
    sim_preempt_every(1);
    CHECK_EQ(v2_create(&a, d, &wish), 0);
    pages = d->xen_pages;
    CHECK(pages > 256 + 32);
    CHECK(sim_preempted() > pages - 8);
    CHECK_EQ(v2_bind(&a), 0);

    test_case("preempted teardown");
    get_knownalive_domain(d);
    do {
        unsigned int before = d->xen_pages;

        rc = sim_domain_kill(d, 1);
        /* Each area looks after every 32 pages. */
        CHECK(before - d->xen_pages <= 32 * VMEV2_RES_KINDS);
        steps++;
    } while ( rc == -ERESTART );
    CHECK_EQ(rc, 0);
    CHECK(steps > 4);
    CHECK_EQ(d->xen_pages, 0);
    sim_preempt_every(0);
    v2_die(&a);
    put_domain(d);
}

/* XSA-276: what an agent still maps keeps its page, and no more than that. */
static void test_page_references(void)
{
    const struct vmev2_op_create wish = { .ring_bytes = 4096 };
    struct domain *d = new_domain(1);
    struct page_info *pg;
    struct agent a;
    xen_pfn_t mfn;

    test_case("a page with a foreign mapping");
    CHECK_EQ(v2_create(&a, d, &wish), 0);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(sim_acquire_resource(d->domain_id, XENMEM_resource_vm_event,
                                  VMEV2_RES_ID(a.generation, VMEV2_RES_RING), 0,
                                  1, &mfn), 0);
    pg = mfn_to_page(_mfn(mfn));
    CHECK(get_page(pg, d));
    get_knownalive_domain(d);
    sim_domain_kill(d, 0);
    CHECK_EQ(d->xen_pages, 1);
    CHECK_EQ(pg->types, 0);
    CHECK_EQ(pg->count, 1);
    put_page(pg);
    CHECK_EQ(d->xen_pages, 0);
    v2_die(&a);
    put_domain(d);
}

/* A successor that wants the same sizes finds what is mapped. */
static void test_same_again(void)
{
    struct domain *d = new_domain(2);
    const uint8_t *va;
    struct agent a;

    test_case("created again, of the same size");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    va = d->vm_event->area[VMEV2_RES_RING].va;
    CHECK_EQ(v2_destroy(&a), 0);
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK(d->vm_event->area[VMEV2_RES_RING].va == va);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

/* New pages hold nothing that was there before. */
static void test_clean_pages(void)
{
    struct domain *d = new_domain(9);
    struct agent a;
    unsigned int kind, i, nr = 0;

    test_case("pages are clean");
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    for ( kind = 0; kind < VMEV2_RES_KINDS; kind++ )
    {
        const struct vm_event_area *area = &d->vm_event->area[kind];

        for ( i = 0; i < area->mapped * PAGE_SIZE; i++ )
            nr += area->va[i] == 0xa5;
    }
    /* The clocks in the control page may have one by chance. */
    CHECK(nr <= 8);
    CHECK_EQ(v2_bind(&a), 0);
    CHECK_EQ(v2_destroy(&a), 0);
    sim_domain_kill(d, 0);
}

int main(void)
{
    const struct vmev2_op_create small = { .ring_bytes = 4096 };
    const struct vmev2_op_create split = { .ring_bytes = 4096,
                                           .flags = VMEV2_CREATE_SPLIT_RINGS };

    sim_init();
    /* 4 pages at least, vectors, stashes, a port, ... */
    CHECK(fail_create(&small, 1) > 15);
    CHECK(fail_create(&split, 4) > 25);
    test_fail_grow();
    test_fail_attach();
    test_fail_legacy(1);
    test_fail_legacy(9);
    test_fail_paging();
    test_cycles(NULL);
    test_cycles(&split);
    test_size_cycles();
    test_preempt();
    test_page_references();
    test_clean_pages();
    test_same_again();

    return test_end();
}
