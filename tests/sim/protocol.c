/* SPDX-License-Identifier: MIT */
/* What is no request ends its connection, and that of nobody else. */
#include "scenarios.h"

#include <errno.h>
#include <string.h>

static ssize_t send_bytes(size_t size, const struct simp_req *req)
{
    uint8_t packet[SIMP_PACKET_MAX + 64], reply[SIMP_PACKET_MAX];

    memset(packet, 0, sizeof(packet));
    memcpy(packet, req, sizeof(*req));

    return sim_raw(&t.sim, packet, size, reply, sizeof(reply));
}

static void test_packets(void)
{
    struct simp_req req = { .op = SIMP_HELLO };
    size_t size;

    for ( size = 1; size < sizeof(req); size += 7 )
    {
        CHECK_EQ(send_bytes(size, &req), 0);
        sim_reconnect(&t.sim);
    }
    /* Sizes that do not add up, and such as overflow. */
    req.data_size[0] = 1;
    CHECK_EQ(send_bytes(sizeof(req), &req), 0);
    sim_reconnect(&t.sim);
    req.data_size[0] = SIMP_BUF_MAX + 1;
    CHECK_EQ(send_bytes(sizeof(req) + SIMP_BUF_MAX + 1, &req), 0);
    sim_reconnect(&t.sim);
    req.data_size[0] = req.data_size[1] = 0x80000000U;
    CHECK_EQ(send_bytes(sizeof(req), &req), 0);
    sim_reconnect(&t.sim);
    req.data_size[0] = UINT32_MAX;
    req.data_size[1] = 1;
    CHECK_EQ(send_bytes(sizeof(req), &req), 0);
    sim_reconnect(&t.sim);
}

static int rc_of(uint32_t op, uint32_t domid, uint64_t a0, uint64_t a1,
                 uint64_t a2, uint64_t a3)
{
    const uint64_t arg[4] = { a0, a1, a2, a3 };
    uint8_t out[SIMP_BUF_MAX];

    return sim_call(&t.sim, op, domid, arg, NULL, 0, out, sizeof(out));
}

static void test_hello(void)
{
    CHECK_EQ(rc_of(SIMP_DOMINFO, 1, 0, 0, 0, 0), -EPERM);
    CHECK_EQ(rc_of(SIMP_HELLO, 0, 1, SIMP_VERSION, 0, 0), -EINVAL);
    CHECK_EQ(rc_of(SIMP_HELLO, 0, SIMP_MAGIC, SIMP_VERSION + 1, 0, 0), -EPROTO);
    CHECK_EQ(rc_of(SIMP_DOMINFO, 1, 0, 0, 0, 0), -EPERM);
    sim_hello(&t.sim);
    CHECK_EQ(rc_of(SIMP_HELLO, 0, SIMP_MAGIC, SIMP_VERSION, 0, 0), -EINVAL);
    CHECK_EQ(rc_of(SIMP_DOMINFO, 1, 0, 0, 0, 0), 0);
}

static void test_arguments(void)
{
    static const struct {
        uint32_t op, domid;
        uint64_t arg[4];
        int rc;
    } cases[] = {
        { 0, 0, { 0 }, -EOPNOTSUPP },
        { 10, 1, { 0 }, -EOPNOTSUPP },
        { SIMP_WATCH, 1, { 0 }, -EINVAL },
        { SIMP_WATCH, 0, { 1 }, -EINVAL },
        { 1000, 1, { 0 }, -EOPNOTSUPP },
        { UINT32_MAX, 1, { 0 }, -EOPNOTSUPP },
        { SIMP_DOMINFO, 2, { 0 }, -ESRCH },
        { SIMP_DOMINFO, 0, { 0 }, -ESRCH },     /* dom0 is nobody's guest */
        { SIMP_DOMINFO, 0x10001, { 0 }, -ESRCH },
        { SIMP_DOMINFO, 1, { 1 }, -EINVAL },
        { SIMP_LIST, 1, { 0, 4 }, -EINVAL },
        { SIMP_DM_OP, 1, { 0 }, -EINVAL },
        { SIMP_BIND, 1, { 1 }, -EINVAL },
        { SIMP_BIND, 1, { UINT64_MAX }, -EINVAL },
        { SIMP_UNBIND, 1, { 1 }, -EINVAL },
        { SIMP_UNPAUSE, 1, { 0 }, -EINVAL },
        { SIMP_MAP_RESOURCE, 1, { 0x7632, 0, 0, 0 }, -EINVAL },
        { SIMP_MAP_RESOURCE, 1, { 0x7632, 0, 0, UINT64_MAX }, -EINVAL },
        { SIMP_MAP_RESOURCE, 1, { 0x7632, 0, 0, 1 }, -ENOENT },
        { SIMP_READ_PHYS, 1, { 0, 0 }, -EINVAL },
        { SIMP_READ_PHYS, 1, { 0, 4097 }, -EINVAL },
        { SIMP_READ_PHYS, 1, { 4000, 97 }, -EFAULT },
        { SIMP_READ_PHYS, 1, { UINT64_MAX, 1 }, -EFAULT },
        { SIMP_READ_PHYS, 1, { 1ULL << 40, 8 }, -EFAULT },
        { SIMP_READ_PHYS, 1, { 4000, 96 }, 0 },
        { SIMP_LEGACY_DISABLE, 1, { 0 }, -EINVAL },
        { SIMP_LEGACY_VERSION, 0, { 0 }, 0 },
        { SIMP_LEGACY_ACCESS_GET, 1, { 0 }, -ENODEV },
    };
    unsigned int i;

    for ( i = 0; i < sizeof(cases) / sizeof(cases[0]); i++ )
        CHECK_EQ(rc_of(cases[i].op, cases[i].domid, cases[i].arg[0],
                       cases[i].arg[1], cases[i].arg[2], cases[i].arg[3]),
                 cases[i].rc);
}

static void test_restrict(void)
{
    CHECK_EQ(rc_of(SIMP_RESTRICT, 2, 0, 0, 0, 0), -ESRCH);
    CHECK_EQ(rc_of(SIMP_PAUSE, 1, 0, 0, 0, 0), 0);
    CHECK_EQ(rc_of(SIMP_UNPAUSE, 1, 0, 0, 0, 0), 0);
    CHECK_EQ(rc_of(SIMP_RESTRICT, 1, 0, 0, 0, 0), 0);
    CHECK_EQ(rc_of(SIMP_RESTRICT, 1, 0, 0, 0, 0), -EPERM);
    CHECK_EQ(rc_of(SIMP_DOMINFO, 1, 0, 0, 0, 0), 0);
    CHECK_EQ(rc_of(SIMP_DOMINFO, 2, 0, 0, 0, 0), -EPERM);
    CHECK_EQ(rc_of(SIMP_LIST, 0, 0, 4, 0, 0), -EPERM);
    CHECK_EQ(rc_of(SIMP_PAUSE, 1, 0, 0, 0, 0), -EPERM);
    CHECK_EQ(rc_of(SIMP_LEGACY_ENABLE, 1, 0, 0, 0, 0), -EPERM);
    CHECK_EQ(rc_of(SIMP_READ_PHYS, 1, 0, 8, 0, 0), 0);
}

/* A client that goes takes its pauses with it. */
static void test_pauses(void)
{
    sim_reconnect(&t.sim);
    sim_hello(&t.sim);
    CHECK_EQ(rc_of(SIMP_PAUSE, 1, 0, 0, 0, 0), 0);
    CHECK_EQ(rc_of(SIMP_PAUSE, 1, 0, 0, 0, 0), 0);
    sim_reconnect(&t.sim);
    sim_hello(&t.sim);
    sim_control(&t.sim, GUEST_CONTROL_RUN);
    sim_wait_done(&t.sim, t.nr);
    CHECK_EQ(sim_iterations(&t.sim, t.nr), t.nr * t.events);
}

void scenario_protocol(void)
{
    t.events = 1000;
    start_guest("program=gr");
    sim_reconnect(&t.sim);
    test_packets();
    test_hello();
    test_arguments();
    test_restrict();
    test_pauses();
    end_guest();
}
