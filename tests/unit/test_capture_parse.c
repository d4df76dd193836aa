/* SPDX-License-Identifier: MIT */
/*
 * A capture's packets, without a file: each reason there and back, and each
 * element that is shorter than it says, or says what cannot be.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "capture.h"
#include "fake.h"

static struct fake *f;
static vmiring *h;
/* More than the writer's longest: a reader may meet it. */
static uint8_t packet[3 * VMIRING_CAPTURE_PACKET_MAX];
static size_t used;
static struct replay_body body;
static struct event e;

static void set_up(void)
{
    f = fake_new(2);
    h = fake_open(f);
}

static void tear_down(void)
{
    vmiring_close(h);
    fake_free(f);
}

#define PARSE_TEST(name) \
    Test(capture_parse, name, .init = set_up, .fini = tear_down)

/* On the heap and no longer than it is: the sanitizer sees a read beyond. */
static const char *parse(void)
{
    size_t size = used < sizeof(packet) ? used : 0;
    uint8_t *copy = malloc(size);
    const char *bad;

    memcpy(copy, packet, size);
    e = (struct event){ .body = (uint8_t *)&body };
    bad = capture_parse_event(&e, copy, size, 2);
    free(copy);

    return bad;
}

static const char *parse_channel(struct capture_channel *c)
{
    size_t size = used < sizeof(packet) ? used : 0;
    uint8_t *copy = malloc(size);
    const char *bad;

    memcpy(copy, packet, size);
    bad = capture_parse_channel(c, copy, size);
    free(copy);

    return bad;
}

/* A header with nothing behind it. */
static void begin(uint8_t kind, unsigned int reason)
{
    memset(packet, 0, sizeof(packet));
    be_put(packet + CAP_MAGIC, 4, VMIRING_CAPTURE_MAGIC);
    packet[CAP_VERSION] = packet[CAP_COMPAT] = 1;
    packet[CAP_KIND] = kind;
    packet[CAP_ARCH] = CAP_X86;
    be_put(packet + CAP_HEADER, 2, VMIRING_CAPTURE_HEADER);
    be_put(packet + CAP_REASON, 2, reason);
    used = VMIRING_CAPTURE_HEADER;
}

/* One more element of zeros. */
static uint8_t *add(unsigned int type, size_t size)
{
    uint8_t *at = packet + used;

    cr_assert_leq(used + 4 + size, sizeof(packet));
    be_put(at, 2, type);
    be_put(at + 2, 2, size);
    used += 4 + size;

    return at + 4;
}

static void encode(const struct vmiring_event *ev)
{
    int len = vmiring_capture_encode(h, ev, NULL, packet, sizeof(packet));

    cr_assert_gt(len, 0, "%s", vmiring_error(h));
    used = len;
}

/* What a filter looks at, and the payload byte for byte. */
PARSE_TEST(each_reason)
{
    static const struct {
        uint32_t reason, size, index;
        uint64_t value;
    } rows[] = {
        { VMIRING_WRITE_CTRLREG, 24, 0x0101, 0x0102030405060708 },
        { VMIRING_MOV_TO_MSR, 24, 0, 0x0101010101010101 },
        { VMIRING_CPUID, 16, 0, 0x02020202 },
        { VMIRING_SOFTWARE_BREAKPOINT, 24, 0, 0 },
        { VMIRING_SINGLESTEP, 24, 0, 0 },
        { VMIRING_DEBUG_EXCEPTION, 24, 0, 0 },
        { VMIRING_MEM_ACCESS, 32, 0, 0x0101010101010101 },
        { VMIRING_DESCRIPTOR_ACCESS, 24, 0x0303, 0 },
        { VMIRING_INTERRUPT, 24, 0, 0x01010101 },
        { VMIRING_VMEXIT, 16, 0, 0x0101010101010101 },
    };
    uint8_t payload[32], sent[32];
    struct vmiring_event ev;
    size_t i, j;

    for ( i = 0; i < ARRAY_SIZE(rows); i++ )
    {
        for ( j = 0; j < sizeof(payload); j++ )
            payload[j] = 1 + j / (rows[i].reason == VMIRING_CPUID ? 4 : 8);
        if ( rows[i].reason == VMIRING_WRITE_CTRLREG )
            for ( j = 0; j < 8; j++ )
                payload[8 + j] = 8 - j;
        fake_sync_full(f, 0, rows[i].reason, payload, rows[i].size, NULL, 0);
        must_receive(h, &ev, 1);
        encode(&ev);
        memcpy(sent, payload, sizeof(sent));
        cr_assert_eq(be_get(packet + CAP_REASON, 2), rows[i].reason);
        cr_assert_eq(be_get(packet + CAP_INDEX, 2), rows[i].index, "%u: %llx",
                     rows[i].reason,
                     (unsigned long long)be_get(packet + CAP_INDEX, 2));
        cr_assert_eq(be_get(packet + CAP_VALUE, 8), rows[i].value, "%u: %llx",
                     rows[i].reason,
                     (unsigned long long)be_get(packet + CAP_VALUE, 8));
        cr_assert_null(parse());
        cr_assert_eq(e.rec.reason, rows[i].reason);
        cr_assert_eq(e.rec.payload_size, rows[i].size);
        cr_assert_arr_eq(e.payload, sent, rows[i].size);
        cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
        vmiring_release(h);
    }
}

PARSE_TEST(losses_and_the_end)
{
    struct vmiring_event ev;

    while ( fake_async(f, 1, VMIRING_GUEST_REQUEST, 32) )
        ;
    do {
        must_receive(h, &ev, 1);
        if ( ev.reason == VMIRING_LOST )
            break;
        vmiring_release(h);
    } while ( true );
    encode(&ev);
    cr_assert_null(parse());
    cr_assert_eq(e.lost.count, 1);
    cr_assert_eq(e.lost.last_seq, ev.seq);
    vmiring_release(h);

    fake_domain(f, VMEV2_DOMAIN_SHUTDOWN, 3);
    must_receive(h, &ev, 1);
    cr_assert_eq(ev.reason, VMIRING_DOMAIN);
    encode(&ev);
    cr_assert_null(parse());
    cr_assert_eq(e.domain.state, 1);
    cr_assert_eq(e.domain.shutdown_code, 3);
}

/* A payload that is shorter than its reason's is left out by the writer. */
PARSE_TEST(short_payload)
{
    struct vmiring_event ev;

    fake_sync(f, 0, VMIRING_CPUID);
    must_receive(h, &ev, 1);
    encode(&ev);
    cr_assert_eq(used, VMIRING_CAPTURE_HEADER);
    begin(CAP_EVENT, VMIRING_CPUID);
    add(EL_PAYLOAD, 15);
    cr_assert_str_eq(parse(), "payload");
    begin(CAP_EVENT, VMIRING_MOV_TO_MSR);
    add(EL_PAYLOAD, 23);
    cr_assert_str_eq(parse(), "payload");
    /* Longer is of a later version. */
    begin(CAP_EVENT, VMIRING_MOV_TO_MSR);
    add(EL_PAYLOAD, 25);
    cr_assert_null(parse());
    cr_assert_eq(e.rec.payload_size, 24);
}

PARSE_TEST(flags)
{
    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    be_put(packet + CAP_ERROR, 4, 5);
    cr_assert_null(parse());
    cr_assert_eq(e.rec.flags, 0);
    cr_assert_eq(e.error, 0);
    be_put(packet + CAP_FLAGS, 4, VMIRING_EV_ALTP2M | VMIRING_EV_NESTED |
                                  VMIRING_EV_AGAIN);
    cr_assert_null(parse());
    cr_assert_eq(e.rec.flags, VMEV2_REC_ALTP2M | VMEV2_REC_NESTED);
    cr_assert_eq(e.error, 5);
}

PARSE_TEST(registers)
{
    struct vmiring_response rsp = { .size = sizeof(rsp), .regs = { 9, 9 } };
    struct vmiring_event ev = { .priv = &e };
    uint8_t *at;

    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    add(EL_REGISTERS, 15);
    cr_assert_str_eq(parse(), "registers");
    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    at = add(EL_REGISTERS, 16 + 15);
    be_put(at + 8, 8, 3);
    cr_assert_str_eq(parse(), "registers");
    /* Arm's, in a packet that says x86: a set that we do not know. */
    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    be_put(add(EL_REGISTERS, 16), 2, VMIRING_PC);
    cr_assert_null(parse());
    cr_assert_null(e.regs);

    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    at = add(EL_REGISTERS, 16 + 17 * 8);
    be_put(at + 8, 8, (1ULL << 17) - 1);
    cr_assert_null(parse());
    cr_assert_eq(vmiring_regs_from(&ev, &rsp), -1);
    cr_assert_eq(errno, ENODATA);
    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    at = add(EL_REGISTERS, 16 + 18 * 8);
    be_put(at + 8, 8, (1ULL << 18) - 1);
    be_put(at + 16 + 8, 8, 0xabc);
    cr_assert_null(parse());
    cr_assert_eq(vmiring_regs_from(&ev, &rsp), 0);
    cr_assert_eq(rsp.regs[0], 0);
    cr_assert_eq(rsp.regs[1], 0xabc);
}

PARSE_TEST(registers_of_arm)
{
    struct vmiring_response rsp = { .size = sizeof(rsp), .regs = { 9, 9 } };
    struct vmiring_event ev = { .priv = &e };
    uint64_t value;
    uint8_t *at;

    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    packet[CAP_ARCH] = CAP_ARM64;
    at = add(EL_REGISTERS, 16 + 8);
    be_put(at, 2, VMIRING_PC);
    be_put(at + 8, 8, 1);
    be_put(at + 16, 8, 0x40080000);
    cr_assert_null(parse());
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_PC, &value), 0);
    cr_assert_eq(value, 0x40080000);
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_RAX, &value), -1);
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_TTBR0, &value), -1);
    cr_assert_eq(vmiring_regs_from(&ev, &rsp), 0);
    cr_assert_eq(rsp.regs[0], 0x40080000);
    cr_assert_eq(rsp.regs[1], 0);
    cr_assert_eq(vmiring_regs_from(NULL, &rsp), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(vmiring_regs_from(&ev, NULL), -1);
}

PARSE_TEST(memory)
{
    uint8_t *at;
    unsigned int i;

    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    add(EL_MEMORY, 11);
    cr_assert_str_eq(parse(), "memory");
    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    at = add(EL_MEMORY, 12);
    be_put(at + 8, 4, 4096);
    cr_assert_str_eq(parse(), "memory");
    be_put(at + 8, 4, 4095);
    cr_assert_null(parse());

    /* More blocks, or bytes, than we keep: as if they were not there. */
    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    for ( i = 0; i < REPLAY_MEMORY_BLOCKS + 1; i++ )
        add(EL_MEMORY, 13);
    cr_assert_null(parse());
    cr_assert_eq(body.nr_memory, REPLAY_MEMORY_BLOCKS);
    cr_assert_eq(body.nr_bytes, REPLAY_MEMORY_BLOCKS);
    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    add(EL_MEMORY, 12 + 1);
    add(EL_MEMORY, 12 + REPLAY_MEMORY_BYTES);
    add(EL_MEMORY, 12 + REPLAY_MEMORY_BYTES - 1);
    cr_assert_null(parse());
    cr_assert_eq(body.nr_memory, 2);
    cr_assert_eq(body.nr_bytes, REPLAY_MEMORY_BYTES);
}

PARSE_TEST(responses_and_rests)
{
    const size_t whole = 16 + sizeof(((struct vmiring_response *)0)->regs) +
                         sizeof(((struct vmiring_response *)0)->emul);

    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    add(EL_RESPONSE, whole - 1);
    cr_assert_str_eq(parse(), "response");
    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    add(EL_RESPONSE, whole);
    cr_assert_null(parse());
    cr_assert_eq(body.extra.has_response, 1);
    used += 3;
    cr_assert_str_eq(parse(), "element");
    used = VMIRING_CAPTURE_HEADER;
    add(EL_NOTE, 4);
    used--;
    cr_assert_str_eq(parse(), "element");
}

static const struct vmiring_capture_info info = {
    .size = sizeof(info), .host = "a", .uuid = { 1 },
};

static struct capture_channel c;

static void good_channel(void)
{
    int len = capture_pack_channel(h, &info, packet, sizeof(packet));

    cr_assert_gt(len, 0);
    used = len;
}

/* Where the first element of a type has its value. */
static uint8_t *find(unsigned int type)
{
    uint8_t *at = packet + VMIRING_CAPTURE_HEADER;

    while ( be_get(at, 2) != type )
    {
        at += 4 + be_get(at + 2, 2);
        cr_assert_lt(at, packet + used);
    }

    return at + 4;
}

PARSE_TEST(channels)
{
    good_channel();
    cr_assert_null(parse_channel(&c));
    cr_assert_eq(c.nr_vcpus, 2);
    add(4711, 3);
    cr_assert_null(parse_channel(&c), "what a later version added");
    used--;
    cr_assert_str_eq(parse_channel(&c), "element");
    good_channel();
    packet[CAP_ARCH] = CAP_ARM64;
    cr_assert_null(parse_channel(&c));
    cr_assert(c.arm64);
    packet[CAP_ARCH] = 3;
    cr_assert_str_eq(parse_channel(&c), "architecture");

    good_channel();
    be_put(packet + CAP_HEADER, 2, VMIRING_CAPTURE_HEADER - 1);
    cr_assert_str_eq(parse_channel(&c), "header");
    begin(CAP_CHANNEL, 0);
    cr_assert_str_eq(parse_channel(&c), "channel");
    add(EL_CHANNEL, 55);
    cr_assert_str_eq(parse_channel(&c), "channel");
    begin(CAP_CHANNEL, 0);
    add(EL_UUID, 15);
    cr_assert_str_eq(parse_channel(&c), "uuid");
    begin(CAP_CHANNEL, 0);
    add(EL_CLOCK, 23);
    cr_assert_str_eq(parse_channel(&c), "clock");
}

PARSE_TEST(channels_that_cannot_be)
{
    good_channel();
    be_put(find(EL_CHANNEL), 4, 0);
    cr_assert_str_eq(parse_channel(&c), "ABI");
    be_put(find(EL_CHANNEL), 4, VMIRING_ABI_LEGACY);
    cr_assert_null(parse_channel(&c));
    be_put(find(EL_CHANNEL) + 4, 4, 0);
    cr_assert_str_eq(parse_channel(&c), "number of vCPUs");
    be_put(find(EL_CHANNEL) + 4, 4, 8193);
    cr_assert_str_eq(parse_channel(&c), "number of vCPUs");
    be_put(find(EL_CHANNEL) + 4, 4, 8192);
    cr_assert_null(parse_channel(&c));
    cr_assert_lt(capture_pack_channel(h, &info, packet, used - 1), 0);
}

/* What is looked at first is what is told. */
PARSE_TEST(headers_that_cannot_be)
{
    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    be_put(packet + CAP_VCPU, 4, 2);
    cr_assert_str_eq(parse(), "vcpu");
    be_put(packet + CAP_HEADER, 2, used + 1);
    cr_assert_str_eq(parse(), "header");
    be_put(packet + CAP_HEADER, 2, used - 1);
    cr_assert_str_eq(parse(), "header");
}

/* An element may have no value, and be the last. */
PARSE_TEST(empty_elements)
{
    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    add(0x7fff, 0);
    cr_assert_null(parse());
    add(0x7fff, 0);
    cr_assert_null(parse());
    used--;
    cr_assert_str_eq(parse(), "element");
}

/* The fuzzers' way in. */
PARSE_TEST(anything)
{
    good_channel();
    cr_assert_eq(capture_parse_any(packet, used), 0);
    cr_assert_eq(capture_parse_any(packet, used - 1), -1);
    begin(CAP_EVENT, VMIRING_GUEST_REQUEST);
    cr_assert_eq(capture_parse_any(packet, used), 0);
    cr_assert_eq(capture_parse_any(packet, used - 1), -1);
    add(EL_MEMORY, 1);
    cr_assert_eq(capture_parse_any(packet, used), -1);
    packet[CAP_KIND] = 9;
    cr_assert_eq(capture_parse_any(packet, used), -1);
    cr_assert_eq(capture_kind(packet, used), 0);
    packet[CAP_KIND] = CAP_CHANNEL;
    cr_assert_eq(capture_kind(packet, used), CAP_CHANNEL);
    packet[CAP_KIND] = CAP_EVENT;
    cr_assert_eq(capture_kind(packet, used), CAP_EVENT);
    packet[0] ^= 1;
    cr_assert_eq(capture_parse_any(packet, used), -1);
}
