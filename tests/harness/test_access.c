/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ACCESS_SET and ACCESS_GET: what is set, what is refused with which errno, how
 * far a command came, and what is left when the agent has gone.
 */
#include "harness.h"

#include <stdlib.h>
#include <xen/softirq.h>

#define PAGES 2048U

/* A domain of PAGES pages with all rights, and an agent. */
static void start(struct agent *a)
{
    struct domain *d = new_domain(1);

    d->arch.nr_access = PAGES;
    d->arch.access = malloc(PAGES);
    BUG_ON(!d->arch.access);
    memset(d->arch.access, XENMEM_access_rwx, PAGES);
    d->arch.default_access = XENMEM_access_rwx;
    CHECK_EQ(v2_create(a, d, NULL), 0);
    CHECK_EQ(v2_bind(a), 0);
}

static void end(struct agent *a)
{
    v2_destroy(a);
    sim_domain_kill(a->d, 0);
}

static struct vmev2_op access_op(const struct agent *a, uint32_t cmd,
                                 struct vmev2_op_access access)
{
    return (struct vmev2_op){ .cmd = cmd, .generation = a->generation,
                              .u.access = access };
}

static int set(struct agent *a, struct vmev2_op_access access)
{
    struct vmev2_op op = access_op(a, VMEV2_CMD_ACCESS_SET, access);

    return v2_op(a->d, &op);
}

static int get(struct agent *a, uint64_t gfn)
{
    struct vmev2_op op = access_op(a, VMEV2_CMD_ACCESS_GET,
                                   (struct vmev2_op_access){ .first = gfn });
    int rc = v2_op(a->d, &op);

    return rc ?: op.u.access.access;
}

/* Pages in [first, first + nr) with that access. */
static unsigned int with_access(const struct agent *a, unsigned int first,
                                unsigned int nr, uint8_t access)
{
    unsigned int i, n = 0;

    for ( i = first; i < first + nr; i++ )
        n += a->d->arch.access[i] == access;

    return n;
}

/* One op with a list behind it; size is that of buffer 1. */
static int set_list(struct agent *a, struct vmev2_op *op, const void *list,
                    uint32_t size)
{
    struct xen_dm_op_buf buf[2] = { { .size = sizeof(*op) }, { .size = size } };

    op->dmop = XEN_DMOP_vm_event;
    buf[0].h.p = op;
    buf[1].h.p = (void *)list;

    return sim_dm_op(a->d->domain_id, buf, 2);
}

static void test_ranges(struct agent *a)
{
    uint8_t access;

    for ( access = 0; access <= XENMEM_access_n2rwx; access++ )
    {
        test_case("range with access %u", access);
        CHECK_EQ(set(a, (struct vmev2_op_access){
                     .first = 10, .nr = 20, .access = access }), 0);
        CHECK_EQ(with_access(a, 10, 20, access), 20);
        CHECK_EQ(get(a, 9), XENMEM_access_rwx);
        CHECK_EQ(get(a, 10), access);
        CHECK_EQ(get(a, 29), access);
        CHECK_EQ(get(a, 30), XENMEM_access_rwx);
    }

    test_case("the default");
    CHECK_EQ(get(a, ~0ULL), XENMEM_access_rwx);
    CHECK_EQ(set(a, (struct vmev2_op_access){
                 .first = ~0ULL, .access = XENMEM_access_rx }), 0);
    CHECK_EQ(get(a, ~0ULL), XENMEM_access_rx);
    CHECK_EQ(set(a, (struct vmev2_op_access){
                 .first = 5, .nr = 1, .access = XENMEM_access_default }), 0);
    CHECK_EQ(get(a, 5), XENMEM_access_rx);

    test_case("the first and the last page, and none");
    CHECK_EQ(set(a, (struct vmev2_op_access){ .first = 0, .nr = 1 }), 0);
    CHECK_EQ(set(a, (struct vmev2_op_access){ .first = PAGES - 1, .nr = 1 }), 0);
    CHECK_EQ(get(a, 0), XENMEM_access_n);
    CHECK_EQ(get(a, PAGES - 1), XENMEM_access_n);
    CHECK_EQ(set(a, (struct vmev2_op_access){ .first = PAGES + 7 }), 0);
}

static void test_refused(struct agent *a)
{
    static const struct {
        const char *what;
        uint32_t cmd;
        struct vmev2_op_access access;
        int rc;
    } cases[] = {
#define SET VMEV2_CMD_ACCESS_SET
#define GET VMEV2_CMD_ACCESS_GET
        { "pad", SET, { .nr = 1, .pad = 1 }, -EINVAL },
        { "access", SET, { .nr = 1, .access = 11 }, -EINVAL },
        { "access", SET, { .nr = 1, .access = 255 }, -EINVAL },
        { "view", SET, { .nr = 1, .view = 1 }, -EINVAL },
        { "view", SET, { .nr = 1, .view = 0xffff }, -EINVAL },
        { "beyond", SET, { .first = PAGES, .nr = 1 }, -ERANGE },
        { "beyond", SET, { .first = PAGES - 1, .nr = 2 }, -ERANGE },
        { "beyond", SET, { .nr = PAGES + 1 }, -ERANGE },
        { "wraps", SET, { .first = 1, .nr = ~0ULL }, -ERANGE },
        { "wraps", SET, { .first = ~0ULL - 1, .nr = 4 }, -ERANGE },
        { "default of pages", SET, { .first = ~0ULL, .nr = 1 }, -EINVAL },
        { "default of a view", SET, { .first = ~0ULL, .view = 1 }, -EINVAL },
        { "list without a buffer", SET, { .nr_list = 1 }, -EFAULT },
        { "list too long", SET, { .nr_list = VMEV2_ACCESS_LIST_MAX + 1 },
          -EINVAL },
        { "list and nr", SET, { .nr_list = 1, .nr = 1 }, -EINVAL },
        { "list and access", SET, { .nr_list = 1, .access = 1 }, -EINVAL },
        { "list, beyond its end", SET, { .nr_list = 1, .first = 2 }, -EINVAL },
        { "pad", GET, { .pad = 1 }, -EINVAL },
        { "nr", GET, { .nr = 2 }, -EINVAL },
        { "list", GET, { .nr_list = 1 }, -EINVAL },
        { "access", GET, { .access = 1 }, -EINVAL },
        { "view", GET, { .view = 1 }, -EINVAL },
        { "beyond", GET, { .first = PAGES }, -ERANGE },
        { "beyond", GET, { .first = ~0ULL - 1 }, -ERANGE },
#undef SET
#undef GET
    };
    uint8_t before[PAGES];
    unsigned int i;

    memcpy(before, a->d->arch.access, PAGES);
    for ( i = 0; i < ARRAY_SIZE(cases); i++ )
    {
        struct vmev2_op op = access_op(a, cases[i].cmd, cases[i].access);

        test_case("%s: %s", cases[i].cmd == VMEV2_CMD_ACCESS_SET ? "set"
                                                                 : "get",
                  cases[i].what);
        CHECK_EQ(v2_op(a->d, &op), cases[i].rc);
        CHECK(!memcmp(&op.u.access, &cases[i].access, sizeof(op.u.access)));
        CHECK(!memcmp(before, a->d->arch.access, PAGES));
    }

    test_case("a hole");
    a->d->arch.access[100] = SIM_ACCESS_HOLE;
    CHECK_EQ(set(a, (struct vmev2_op_access){ .first = 100, .nr = 1 }),
             -ERANGE);
    CHECK_EQ(get(a, 100), -ERANGE);
    a->d->arch.access[100] = XENMEM_access_rwx;

    test_case("a policy that admits the agent, but not this");
    CHECK_EQ(set(a, (struct vmev2_op_access){ .nr = 1 }), 0);
    sim_xsm_deny(-EACCES);
    CHECK_EQ(set(a, (struct vmev2_op_access){ .nr = 1 }), -EACCES);
    sim_xsm_deny(0);
}

/* A view needs altp2m, and is one of Xen's. */
static void test_views(struct agent *a)
{
    test_case("views");
    a->d->arch.altp2m_active = true;
    CHECK_EQ(set(a, (struct vmev2_op_access){ .nr = 1, .view = 1 }), 0);
    CHECK_EQ(set(a, (struct vmev2_op_access){ .nr = 1, .view = 10 }), -EINVAL);
    a->d->arch.altp2m_active = false;
}

static void test_lists(struct agent *a)
{
    struct {
        uint64_t gfn[VMEV2_ACCESS_LIST_MAX];
        uint8_t access[VMEV2_ACCESS_LIST_MAX];
    } list;
    const struct vmev2_op op0 = access_op(a, VMEV2_CMD_ACCESS_SET,
        (struct vmev2_op_access){ .nr_list = VMEV2_ACCESS_LIST_MAX });
    struct vmev2_op op = op0;
    unsigned int i, wrong = 0;

    test_case("a list of %u", VMEV2_ACCESS_LIST_MAX);
    for ( i = 0; i < VMEV2_ACCESS_LIST_MAX; i++ )
    {
        list.gfn[i] = (i * 7) % PAGES;
        list.access[i] = i % 8;
    }
    CHECK_EQ(set_list(a, &op, &list, sizeof(list)), 0);
    CHECK_EQ(op.u.access.first, VMEV2_ACCESS_LIST_MAX);
    for ( i = 0; i < VMEV2_ACCESS_LIST_MAX; i++ )
        wrong += a->d->arch.access[list.gfn[i]] != list.access[i];
    CHECK_EQ(wrong, 0);

    test_case("one byte too few");
    op = op0;
    CHECK_EQ(set_list(a, &op, &list, 9 * VMEV2_ACCESS_LIST_MAX - 1), -EFAULT);

    test_case("an entry that is refused: those before it are set");
    memset(a->d->arch.access, XENMEM_access_rwx, PAGES);
    list.access[300] = 11;
    op = op0;
    CHECK_EQ(set_list(a, &op, &list, sizeof(list)), -EINVAL);
    CHECK_EQ(op.u.access.first, 300);
    CHECK_EQ(a->d->arch.access[list.gfn[299]], list.access[299]);
    list.gfn[300] = ~0ULL;
    CHECK_EQ(set_list(a, &op, &list, sizeof(list)), -EINVAL);
    list.access[300] = 1;
    op = op0;
    CHECK_EQ(set_list(a, &op, &list, sizeof(list)), -ERANGE);
    CHECK_EQ(op.u.access.first, 300);

    test_case("and goes on from there");
    list.gfn[300] = 2047;
    CHECK_EQ(set_list(a, &op, &list, sizeof(list)), 0);
    CHECK_EQ(a->d->arch.access[2047], 1);
    CHECK_EQ(a->d->arch.access[list.gfn[511]], list.access[511]);
}

/* Interrupted wherever it looks: all pages are set, each of them once. */
static void test_preemption(struct agent *a)
{
    uint8_t list[9 * VMEV2_ACCESS_LIST_MAX] = {};
    struct vmev2_op op;
    unsigned int i;

    test_case("a range that is interrupted");
    memset(a->d->arch.access, XENMEM_access_rwx, PAGES);
    op = access_op(a, VMEV2_CMD_ACCESS_SET, (struct vmev2_op_access){
        .first = 1, .nr = PAGES - 2, .access = XENMEM_access_r });
    sim_preempt_every(1);
    sim_nr_continued = 0;
    CHECK_EQ(v2_op(a->d, &op), 0);
    CHECK_EQ(sim_preempted(), (PAGES - 2) / 64);
    CHECK_EQ(sim_nr_continued, (PAGES - 2) / 64);
    CHECK_EQ(op.u.access.first, PAGES - 1);
    CHECK_EQ(op.u.access.nr, 0);
    CHECK_EQ(with_access(a, 0, PAGES, XENMEM_access_r), PAGES - 2);

    test_case("a list that is interrupted");
    for ( i = 0; i < VMEV2_ACCESS_LIST_MAX; i++ )
    {
        uint64_t gfn = 2 * i;

        memcpy(list + 8 * i, &gfn, 8);
        list[8 * VMEV2_ACCESS_LIST_MAX + i] = XENMEM_access_wx;
    }
    op = access_op(a, VMEV2_CMD_ACCESS_SET, (struct vmev2_op_access){
        .nr_list = VMEV2_ACCESS_LIST_MAX });
    sim_preempt_every(1);
    sim_nr_continued = 0;
    CHECK_EQ(set_list(a, &op, list, sizeof(list)), 0);
    CHECK_EQ(sim_preempted(), VMEV2_ACCESS_LIST_MAX / 64 - 1);
    CHECK_EQ(sim_nr_continued, VMEV2_ACCESS_LIST_MAX / 64 - 1);
    CHECK_EQ(with_access(a, 0, PAGES, XENMEM_access_wx),
             VMEV2_ACCESS_LIST_MAX);
    sim_preempt_every(0);
}

static void test_unsupported(void)
{
    struct domain *d = new_domain(1);
    struct vmev2_op query = { .cmd = VMEV2_CMD_QUERY };
    struct agent a;

    test_case("a domain that cannot");
    CHECK_EQ(v2_op(d, &query), 0);
    CHECK(!(query.u.query.features & VMEV2_FEAT_MEM_ACCESS));
    CHECK(!(query.u.query.reasons & (1ULL << VMEV2_REASON_MEM_ACCESS)));
    CHECK_EQ(v2_create(&a, d, NULL), 0);
    CHECK(!(v2_ctrl(&a)->features & VMEV2_FEAT_MEM_ACCESS));
    CHECK_EQ(set(&a, (struct vmev2_op_access){ .nr = 1 }), -EOPNOTSUPP);
    CHECK_EQ(get(&a, 0), -EOPNOTSUPP);
    sim_domain_kill(d, 0);
}

/* An answer that stands in a slot is taken once the rights are set, not before. */
static void test_looks(struct agent *a)
{
    struct vcpu *v = a->d->vcpu[0];

    test_case("a set looks for answers");
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_GUEST_REQUEST, true, true,
                        VMEV2_REGS_CORE), 0);
    guest_request(v);
    CHECK_EQ(nr_paused(a->d), 1);
    CHECK_EQ(set(a, (struct vmev2_op_access){ .first = 1, .nr = 1,
                                              .access = 7 }), 0);
    CHECK_EQ(nr_paused(a->d), 1);
    v2_answer(a, 0, 0);
    CHECK_EQ(get(a, 1), XENMEM_access_rwx);
    CHECK_EQ(set(a, (struct vmev2_op_access){ .first = PAGES, .nr = 1,
                                              .access = 7 }), -ERANGE);
    CHECK_EQ(nr_paused(a->d), 1);
    CHECK_EQ(set(a, (struct vmev2_op_access){ .first = 1, .nr = 1,
                                              .access = 7 }), 0);
    CHECK_EQ(nr_paused(a->d), 0);
    CHECK_EQ(v2_vcpu(a->d, 0).answered, 1);
    CHECK_EQ(v2_monitor(a, VMEV2_REASON_GUEST_REQUEST, false, true,
                        VMEV2_REGS_CORE), 0);
}

static void test_offered(struct agent *a)
{
    struct vmev2_op query = { .cmd = VMEV2_CMD_QUERY };

    test_case("a domain that can");
    CHECK_EQ(v2_op(a->d, &query), 0);
    CHECK(query.u.query.features & VMEV2_FEAT_MEM_ACCESS);
    CHECK(query.u.query.features & VMEV2_FEAT_ACCESS_LOOKS);
    CHECK(v2_ctrl(a)->features & VMEV2_FEAT_ACCESS_LOOKS);
    CHECK(query.u.query.reasons & (1ULL << VMEV2_REASON_MEM_ACCESS));
    CHECK(v2_ctrl(a)->features & VMEV2_FEAT_MEM_ACCESS);
}

/* Pages keep what they have; the default goes back. */
static void test_ends(void)
{
    unsigned int how;

    for ( how = 0; how < 2; how++ )
    {
        struct agent a;

        test_case("after %s", how ? "the agent's death" : "destroy");
        start(&a);
        CHECK_EQ(set(&a, (struct vmev2_op_access){
                     .first = 3, .nr = 1, .access = XENMEM_access_r }), 0);
        CHECK_EQ(set(&a, (struct vmev2_op_access){
                     .first = ~0ULL, .access = XENMEM_access_rx }), 0);
        if ( how )
            v2_die(&a);
        else
            CHECK_EQ(v2_destroy(&a), 0);
        CHECK_EQ(a.d->arch.default_access, XENMEM_access_rwx);
        CHECK_EQ(a.d->arch.access[3], XENMEM_access_r);

        test_case("what was not set is not touched");
        a.d->arch.default_access = XENMEM_access_rw;
        CHECK_EQ(v2_create(&a, a.d, NULL), 0);
        CHECK_EQ(v2_destroy(&a), 0);
        CHECK_EQ(a.d->arch.default_access, XENMEM_access_rw);
        sim_domain_kill(a.d, 0);
    }
}

int main(void)
{
    struct agent a;

    sim_init();
    start(&a);
    test_offered(&a);
    test_ranges(&a);
    test_refused(&a);
    test_views(&a);
    test_lists(&a);
    test_preemption(&a);
    test_looks(&a);
    end(&a);
    test_unsupported();
    test_ends();

    return test_end();
}
