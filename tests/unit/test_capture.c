/* SPDX-License-Identifier: MIT */
/* Captures: what goes in comes out; what is not one is refused. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "capture.h"
#include "fake.h"

static struct fake *f;
static vmiring *h, *r;
static char path[64];
static uint8_t packet[VMIRING_CAPTURE_PACKET_MAX];

static const struct vmiring_capture_info info = {
    .size = sizeof(info), .host = "dom0\n", .boot_id = "b-1",
    .domain = "web", .note = "cr3:async", .uuid = { 1, 2, [15] = 16 },
};

static void set_up(void)
{
    int fd;

    f = fake_new(2);
    h = fake_open(f);
    strcpy(path, "/tmp/vmiring-capture.XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void tear_down(void)
{
    vmiring_close(r);
    vmiring_close(h);
    fake_free(f);
    unlink(path);
}

#define CAPTURE_TEST(name) \
    Test(capture, name, .init = set_up, .fini = tear_down)

static vmiring_capture *begin(void)
{
    vmiring_capture *c = vmiring_capture_open(
        h, open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), &info);

    cr_assert_not_null(c, "%s", vmiring_error(h));
    return c;
}

static vmiring *replay(uint32_t flags)
{
    vmiring_options o = { .size = sizeof(o), .capture = path, .flags = flags };

    r = vmiring_open(&o);
    cr_assert_not_null(r, "%s", vmiring_open_error());
    return r;
}

/* The file's packet n is exchanged for these bytes: what a later one finds. */
static void write_raw(const uint8_t *bytes, size_t size, bool channel)
{
    const uint8_t head[24] = { 0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0,
                               [16] = 0xff, 0xff, [20] = 147 };
    uint8_t first[VMIRING_CAPTURE_PACKET_MAX];
    int len = capture_pack_channel(h, &info, first, sizeof(first));
    FILE *to = fopen(path, "w");
    uint32_t hdr[4] = { 0, 0, len, len };

    cr_assert(to && len > 0);
    fwrite(head, 1, sizeof(head), to);
    if ( channel )
    {
        fwrite(hdr, 1, sizeof(hdr), to);
        fwrite(first, 1, len, to);
    }
    hdr[2] = hdr[3] = size;
    fwrite(hdr, 1, sizeof(hdr), to);
    fwrite(bytes, 1, size, to);
    fclose(to);
}

static const struct vmev2_regs_x86 regs = {
    .rax = 0x1122334455667788, .rip = 0xffffffff80001000, .rflags = 2,
    .cr3 = 0x187000, .tsc = 99, .cs = { .sel = 0x10, .ar = 0xa9b },
    .lstar = 0xffffffff81000000,
};

/* One sync event with all there can be, received and encoded. */
static int encode_full(const struct vmiring_capture_event *more)
{
    const struct vmev2_ctrlreg cr = { .index = VMIRING_CR4, .new_value = 0x20,
                                      .old_value = 1ULL << 63 };
    struct vmiring_event ev;

    fake_sync_full(f, 1, VMIRING_WRITE_CTRLREG, &cr, sizeof(cr), &regs,
                   VMEV2_REGS_ALL);
    must_receive(h, &ev, 1);
    return vmiring_capture_encode(h, &ev, more, packet, sizeof(packet));
}

static void check_full(const struct vmiring_event *ev)
{
    struct vmiring_ctrlreg cr;
    uint64_t value;

    cr_assert_eq(ev->reason, VMIRING_WRITE_CTRLREG);
    cr_assert_eq(ev->vcpu, 1);
    cr_assert_eq(ev->flags, VMIRING_EV_SYNC);
    cr_assert_eq(ev->regs, VMIRING_REGS_ALL);
    cr_assert_eq(vmiring_get_ctrlreg(ev, &cr), 0);
    cr_assert(cr.index == VMIRING_CR4 && cr.new_value == 0x20 &&
              cr.old_value == 1ULL << 63);
    cr_assert_eq(vmiring_get_reg(ev, VMIRING_RAX, &value), 0);
    cr_assert_eq(value, regs.rax);
    cr_assert_eq(vmiring_get_reg(ev, VMIRING_LSTAR, &value), 0);
    cr_assert_eq(value, regs.lstar);
    cr_assert_eq(vmiring_get_reg(ev, VMIRING_CS_SEL, &value), 0);
    cr_assert_eq(value, 0x10);
    /* Not nested: what was not captured is not zero but missing. */
    errno = 0;
    cr_assert_eq(vmiring_get_reg(ev, VMIRING_NPT_BASE, &value), -1);
    cr_assert_eq(errno, ENODATA);
    cr_assert_eq(vmiring_get_reg(ev, VMIRING_PC, &value), -1);
}

CAPTURE_TEST(round_trip)
{
    const struct vmiring_response rsp = {
        .size = sizeof(rsp), .flags = VMIRING_RSP_DENY, .regs = { 7 },
        .emul = { 0x90 },
    };
    const struct vmiring_capture_memory mem[2] = {
        { .size = sizeof(*mem), .address = 0x1000, .bytes = "\x0f\x22\xe0",
          .nr_bytes = 3 },
        { .size = sizeof(*mem), .address = 0x9000, .error = EFAULT },
    };
    const struct vmiring_capture_event more = {
        .size = sizeof(more), .note = "deny", .response = &rsp,
        .memory = mem, .nr_memory = 2,
    };
    struct vmiring_replayed was = { .size = sizeof(was) };
    vmiring_capture *c = begin();
    struct vmiring_event ev;
    uint8_t insn[15];
    uint64_t bad;
    int len = encode_full(&more);

    cr_assert_gt(len, VMIRING_CAPTURE_HEADER, "%s", vmiring_error(h));
    cr_assert_eq(vmiring_capture_write(c, packet, len), 0);
    cr_assert_eq(vmiring_capture_close(c), 0);
    replay(VMIRING_OPEN_EVERYTHING);
    cr_assert(readable(vmiring_fd(r)));
    cr_assert_eq(vmiring_receive(r, &ev, 1), 1, "%s", vmiring_error(r));
    check_full(&ev);
    cr_assert_eq(vmiring_get_replayed(&ev, &was), 0);
    cr_assert_eq(was.has_response, 1);
    cr_assert_eq(was.response.flags, VMIRING_RSP_DENY);
    cr_assert_eq(was.response.regs[0], 7);
    cr_assert_eq(was.response.emul[0], 0x90);
    cr_assert_str_eq(was.note, "deny");
    cr_assert_eq(vmiring_read_virt(r, &ev, 0x1001, insn, 15, &bad), 2);
    cr_assert(insn[0] == 0x22 && insn[1] == 0xe0 && bad == 0x1003);
    errno = 0;
    cr_assert_eq(vmiring_read_virt(r, &ev, 0x9000, insn, 15, NULL), -1);
    cr_assert_eq(errno, EFAULT);
    cr_assert_eq(vmiring_read_virt(r, &ev, 0x5000, insn, 15, NULL), -1);
    cr_assert_eq(errno, ENODATA);
    cr_assert_eq(vmiring_read_phys(r, 0x1000, insn, 15, NULL), -1);
    cr_assert_eq(errno, ENODATA);
    vmiring_release(r);
    cr_assert_eq(vmiring_receive(r, &ev, 1), -1);
    cr_assert_eq(errno, ENODEV);
    cr_assert(readable(vmiring_fd(r)));
}

CAPTURE_TEST(identity)
{
    struct vmiring_capture_info got = { .size = sizeof(got) };
    struct vmiring_geometry g = { .size = sizeof(g) };
    struct vmiring_clock live = { .size = sizeof(live) }, then = live;

    vmiring_capture_close(begin());
    replay(0);
    cr_assert_eq(vmiring_capture_info(h, &got), -1);
    cr_assert_eq(errno, ENODATA);
    cr_assert_eq(vmiring_capture_info(r, &got), 0);
    cr_assert_str_eq(got.host, "dom0?");
    cr_assert_str_eq(got.boot_id, "b-1");
    cr_assert_str_eq(got.domain, "web");
    cr_assert_str_eq(got.note, "cr3:async");
    cr_assert_arr_eq(got.uuid, info.uuid, 16);
    cr_assert_eq(vmiring_geometry(r, &g), 0);
    cr_assert_eq(g.nr_vcpus, 2);
    vmiring_clock(h, &live);
    vmiring_clock(r, &then);
    cr_assert(live.time == then.time && live.wall == then.wall &&
              live.tsc == then.tsc);
    cr_assert_eq(vmiring_caps(r) & (VMIRING_CAP_REPLAY | VMIRING_CAP_HOLD),
                 VMIRING_CAP_REPLAY);
    cr_assert_eq(vmiring_abi_used(r), VMIRING_ABI_V2);
}

/* Answers are checked and kept, each once; nobody else hears of them. */
CAPTURE_TEST(answers)
{
    struct vmiring_response rsp = { .size = sizeof(rsp),
                                    .flags = VMIRING_RSP_DENY };
    struct vmiring_response got = { .size = sizeof(got) };
    unsigned int kicks;
    vmiring_capture *c = begin();
    struct vmiring_event ev;

    vmiring_capture_write(c, packet, encode_full(NULL));
    vmiring_capture_close(c);
    kicks = f->kicks;
    replay(VMIRING_OPEN_EVERYTHING);
    cr_assert_eq(vmiring_receive(r, &ev, 1), 1);
    cr_assert_eq(vmiring_replay_response(r, &ev, &got), -1);
    cr_assert_eq(errno, ENOENT);
    rsp.emul_size = 4;
    cr_assert_eq(vmiring_respond(r, &ev, &rsp), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert(strstr(vmiring_error(r), "emul_size"));
    rsp.emul_size = 0;
    cr_assert_eq(vmiring_respond(r, &ev, &rsp), 0, "%s", vmiring_error(r));
    cr_assert_eq(vmiring_respond(r, &ev, NULL), -1);
    cr_assert_eq(errno, EALREADY);
    cr_assert_eq(vmiring_replay_response(r, &ev, &got), 0);
    cr_assert_eq(got.flags, VMIRING_RSP_DENY);
    cr_assert_eq(f->kicks, kicks);
    cr_assert_eq(f->vcpu[1].outstanding, true);
}

/* As on a guest: only what was subscribed to comes, losses always. */
CAPTURE_TEST(subscriptions)
{
    struct vmiring_subscription cr4 = {
        .size = sizeof(cr4), .reason = VMIRING_WRITE_CTRLREG,
        .index = VMIRING_CR4
    };
    vmiring_capture *c = begin();
    struct vmiring_event ev;
    int len = encode_full(NULL);

    vmiring_capture_write(c, packet, len);
    be_put(packet + CAP_REASON, 2, VMIRING_CPUID);
    vmiring_capture_write(c, packet, VMIRING_CAPTURE_HEADER);
    be_put(packet + CAP_REASON, 2, VMIRING_LOST);
    vmiring_capture_write(c, packet, VMIRING_CAPTURE_HEADER);
    vmiring_capture_close(c);
    replay(0);
    cr_assert_eq(vmiring_subscribe(r, &cr4), 0, "%s", vmiring_error(r));
    cr_assert_eq(vmiring_subscribe(r, &cr4), -1);
    cr_assert_eq(errno, EEXIST);
    cr_assert_eq(vmiring_receive(r, &ev, 1), 1);
    cr_assert_eq(ev.reason, VMIRING_WRITE_CTRLREG);
    vmiring_release(r);
    cr_assert_eq(vmiring_receive(r, &ev, 1), 1);
    cr_assert_eq(ev.reason, VMIRING_LOST);
    vmiring_release(r);
    cr_assert_eq(vmiring_unsubscribe(r, &cr4), 0);
    cr_assert_eq(vmiring_unsubscribe(r, &cr4), -1);
    cr_assert_eq(errno, ENOENT);
}

/* A later version: longer header, unknown kinds, elements, longer values. */
CAPTURE_TEST(what_is_unknown_is_skipped)
{
    uint8_t later[VMIRING_CAPTURE_PACKET_MAX];
    const int more = 24;
    int len = encode_full(NULL);
    struct vmiring_event ev;
    vmiring_capture *c;

    memcpy(later, packet, VMIRING_CAPTURE_HEADER);
    memset(later + VMIRING_CAPTURE_HEADER, 0xee, more);
    be_put(later + CAP_HEADER, 2, VMIRING_CAPTURE_HEADER + more);
    later[CAP_VERSION] = 9;
    memcpy(later + VMIRING_CAPTURE_HEADER + more,
           packet + VMIRING_CAPTURE_HEADER, len - VMIRING_CAPTURE_HEADER);
    len += more;
    be_put(later + len, 2, 4711);
    be_put(later + len + 2, 2, 3);
    memset(later + len + 4, 0xdd, 3);
    len += 7;
    c = begin();
    cr_assert_eq(vmiring_capture_write(c, later, len), 0);
    vmiring_capture_close(c);
    replay(VMIRING_OPEN_EVERYTHING);
    cr_assert_eq(vmiring_receive(r, &ev, 1), 1, "%s", vmiring_error(r));
    check_full(&ev);

    vmiring_close(r);
    later[CAP_KIND] = 77;
    write_raw(later, len, true);
    replay(VMIRING_OPEN_EVERYTHING);
    cr_assert_eq(vmiring_receive(r, &ev, 1), -1);
    cr_assert_eq(errno, ENODEV);

    vmiring_close(r);
    later[CAP_KIND] = CAP_EVENT;
    later[CAP_COMPAT] = 2;
    write_raw(later, len, true);
    replay(VMIRING_OPEN_EVERYTHING);
    cr_assert_eq(vmiring_receive(r, &ev, 1), -1);
    cr_assert_eq(errno, EBADMSG);
    cr_assert(strstr(vmiring_error(r), "later version"));
}

static void open_fails(int err, const char *word)
{
    vmiring_options o = { .size = sizeof(o), .capture = path };

    errno = 0;
    cr_assert_null(vmiring_open(&o));
    cr_assert_eq(errno, err, "errno %d (%s)", errno, vmiring_open_error());
    cr_assert(strstr(vmiring_open_error(), word), "%s", vmiring_open_error());
}

CAPTURE_TEST(no_captures)
{
    int len = encode_full(NULL);
    vmiring_options o = { .size = sizeof(o), .capture = path, .domid = 3 };

    open_fails(EPROTO, "truncated");
    write_raw(packet, len, false);
    open_fails(EPROTO, "channel");
    write_raw(packet, 10, false);
    open_fails(EPROTO, "not one of");
    vmiring_capture_close(begin());
    cr_assert_null(vmiring_open(&o));
    cr_assert_eq(errno, ENOENT);
    unlink(path);
    open_fails(ENOENT, path);
}

/* Each field that is out of range, and a packet cut at each byte. */
CAPTURE_TEST(hostile_packets)
{
    static struct replay_body body;
    struct event e = { .body = (uint8_t *)&body };
    int len = encode_full(NULL), full = len;

    cr_assert_null(capture_parse_event(&e, packet, len, 2));
    cr_assert_str_eq(capture_parse_event(&e, packet, len, 1), "vcpu");
    packet[CAP_REGS] = 3;
    cr_assert_str_eq(capture_parse_event(&e, packet, len, 2), "regs");
    packet[CAP_REGS] = 2;
    be_put(packet + CAP_HEADER, 2, 71);
    cr_assert_str_eq(capture_parse_event(&e, packet, len, 2), "header");
    be_put(packet + CAP_HEADER, 2, 65535);
    cr_assert_str_eq(capture_parse_event(&e, packet, len, 2), "header");
    be_put(packet + CAP_HEADER, 2, 72);
    while ( --len > 72 )
    {
        /* On the heap and no longer: the sanitizer sees what goes beyond. */
        uint8_t *cut = malloc(len);

        memcpy(cut, packet, len);
        /* Between two elements it is a shorter packet, and right. */
        if ( len != 72 + 4 + 24 )
            cr_assert_not_null(capture_parse_event(&e, cut, len, 2),
                               "%d of %d", len, full);
        free(cut);
    }
}

CAPTURE_TEST(encode_errors)
{
    struct vmiring_capture_memory mem = { .size = sizeof(mem),
                                          .nr_bytes = 513, .bytes = packet };
    struct vmiring_capture_event more = { .size = sizeof(more),
                                          .memory = &mem, .nr_memory = 1 };
    vmiring_capture *c = begin();
    struct vmiring_event ev;
    int len;

    fake_sync(f, 0, VMIRING_GUEST_REQUEST);
    must_receive(h, &ev, 1);
    len = vmiring_capture_encode(h, &ev, NULL, NULL, 0);
    cr_assert_gt(len, 0);
    cr_assert_eq(vmiring_capture_encode(h, &ev, NULL, packet, len - 1), -1);
    cr_assert_eq(errno, ENOSPC);
    cr_assert_eq(vmiring_capture_encode(h, &ev, NULL, packet, len), len);
    cr_assert_eq(vmiring_capture_encode(h, &ev, &more, packet, 4096), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert(strstr(vmiring_error(h), "nr_bytes"));
    more.nr_memory = 5;
    cr_assert_eq(vmiring_capture_encode(h, &ev, &more, packet, 4096), -1);
    cr_assert(strstr(vmiring_error(h), "nr_memory"));
    cr_assert_eq(vmiring_capture_encode(h, NULL, NULL, packet, 4096), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(vmiring_capture_write(c, "short", 5), -1);
    cr_assert_eq(errno, EINVAL);
    vmiring_capture_close(c);
    /* A disk that is full is told, at the latest at the end. */
    c = vmiring_capture_open(h, open("/dev/full", O_WRONLY | O_CLOEXEC),
                             &info);
    cr_assert_null(c);
    cr_assert_eq(errno, ENOSPC);
}

/* A capture whose descriptor has become a full disk's. */
static vmiring_capture *begin_on_full_disk(void)
{
    vmiring_capture *c = begin();
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC), i;

    cr_assert_geq(full, 0);
    for ( i = 3; i < 64; i++ )
    {
        char link[32], target[64] = "";

        snprintf(link, sizeof(link), "/proc/self/fd/%d", i);
        if ( i != full && readlink(link, target, sizeof(target) - 1) > 0 &&
             !strcmp(target, path) )
            dup2(full, i);
    }
    close(full);

    return c;
}

/* A disk that fills up later: at the latest the end says so. */
CAPTURE_TEST(writing_fails)
{
    struct vmiring_capture_info old = info;
    vmiring_capture *c = begin();
    int len = encode_full(NULL), i, rc = 0;

    cr_assert_eq(vmiring_capture_write(c, NULL, len), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(vmiring_capture_write(c, packet, sizeof(packet) + 1), -1);
    packet[CAP_KIND] = CAP_CHANNEL;
    cr_assert_eq(vmiring_capture_write(c, packet, len), -1);
    packet[CAP_KIND] = CAP_EVENT;
    cr_assert_eq(vmiring_capture_flush(c), 0);
    cr_assert_gt(vmiring_capture_bytes(c), 24);
    cr_assert_eq(vmiring_capture_close(c), 0);
    cr_assert_eq(vmiring_capture_close(NULL), 0);

    c = begin_on_full_disk();
    cr_assert_eq(vmiring_capture_write(c, packet, len), 0);
    cr_assert_eq(vmiring_capture_close(c), -1);
    cr_assert_eq(errno, ENOSPC);
    c = begin_on_full_disk();
    for ( i = 0; i < 1000 && !rc; i++ )
        rc = vmiring_capture_write(c, packet, len);
    cr_assert_eq(rc, -1);
    cr_assert_eq(errno, ENOSPC);
    vmiring_capture_close(c);

    errno = 0;
    cr_assert_null(vmiring_capture_open(h, -1, &info));
    cr_assert_eq(errno, EBADF);
    old.size = 1;
    cr_assert_null(vmiring_capture_open(h, open("/dev/null", O_WRONLY), &old));
    cr_assert_eq(errno, EINVAL);
    cr_assert(strstr(vmiring_error(h), "capture_info"));
    /* A file that ends in the middle of its header. */
    cr_assert_eq(truncate(path, 10), 0);
    open_fails(EPROTO, "");
}

/* One CR4 write 0 -> 0x20 of which the second changes nothing; an MSR's. */
static void write_choices(void)
{
    vmiring_capture *c = begin();
    int len = encode_full(NULL);
    uint8_t *payload = packet + VMIRING_CAPTURE_HEADER + 4;

    vmiring_capture_write(c, packet, len);
    be_put(payload + 16, 8, 0x20);
    vmiring_capture_write(c, packet, len);
    be_put(packet + CAP_REASON, 2, VMIRING_MOV_TO_MSR);
    be_put(payload, 8, 0x174);
    be_put(payload + 8, 8, 5);
    be_put(payload + 16, 8, 5);
    vmiring_capture_write(c, packet, len);
    /* Without a payload nothing can be said of it. */
    vmiring_capture_write(c, packet, VMIRING_CAPTURE_HEADER);
    be_put(packet + CAP_REASON, 2, VMIRING_WRITE_CTRLREG);
    vmiring_capture_write(c, packet, VMIRING_CAPTURE_HEADER);
    be_put(packet + CAP_REASON, 2, VMIRING_MEM_ACCESS);
    vmiring_capture_write(c, packet, VMIRING_CAPTURE_HEADER);
    be_put(packet + CAP_REASON, 2, VMIRING_INTERRUPT);
    vmiring_capture_write(c, packet, VMIRING_CAPTURE_HEADER);
    be_put(packet + CAP_REASON, 2, VMIRING_GUEST_REQUEST);
    vmiring_capture_write(c, packet, VMIRING_CAPTURE_HEADER);
    /* Another domain's, from a file that was joined. */
    be_put(packet + CAP_DOMID, 4, 99);
    vmiring_capture_write(c, packet, VMIRING_CAPTURE_HEADER);
    cr_assert_eq(vmiring_capture_close(c), 0);
}

/* How many events come to who subscribed to this. */
static unsigned int come(const struct vmiring_subscription *s)
{
    struct vmiring_event ev;
    unsigned int n = 0;

    replay(0);
    cr_assert_eq(vmiring_subscribe(r, s), 0, "%s", vmiring_error(r));
    while ( vmiring_receive(r, &ev, 1) == 1 )
    {
        cr_assert_eq(ev.reason, s->reason);
        vmiring_release(r);
        n++;
    }
    cr_assert_eq(errno, ENODEV);
    vmiring_close(r);
    r = NULL;

    return n;
}

CAPTURE_TEST(choices_of_a_subscription)
{
    struct vmiring_subscription s = { .size = sizeof(s),
                                      .reason = VMIRING_WRITE_CTRLREG,
                                      .index = VMIRING_CR4 };

    write_choices();
    cr_assert_eq(come(&s), 2);
    s.onchangeonly = 1;
    cr_assert_eq(come(&s), 1);
    s.mask = 0x20;
    cr_assert_eq(come(&s), 1);
    s.mask = 0x20 | 1ULL << 63;
    cr_assert_eq(come(&s), 0);
    s = (struct vmiring_subscription){ .size = sizeof(s),
                                       .reason = VMIRING_WRITE_CTRLREG,
                                       .index = VMIRING_CR3 };
    cr_assert_eq(come(&s), 0);
    s = (struct vmiring_subscription){ .size = sizeof(s), .msr = 0x174,
                                       .reason = VMIRING_MOV_TO_MSR };
    cr_assert_eq(come(&s), 1);
    s.onchangeonly = 1;
    cr_assert_eq(come(&s), 0);
    s.onchangeonly = 0;
    s.msr = 0x175;
    cr_assert_eq(come(&s), 0);
    s = (struct vmiring_subscription){ .size = sizeof(s),
                                       .reason = VMIRING_GUEST_REQUEST };
    cr_assert_eq(come(&s), 1);
}

/* What a capture cannot do says so; access rights let accesses through. */
CAPTURE_TEST(what_only_a_channel_can)
{
    struct vmiring_response rsp = { .size = sizeof(rsp),
                                    .flags = VMIRING_RSP_GET_NEXT_INTERRUPT };
    struct vmiring_replayed was = { .size = sizeof(was) };
    struct vmiring_event ev, live;
    uint32_t access;

    write_choices();
    replay(0);
    cr_assert_eq(vmiring_receive(r, &ev, 1), -1);
    vmiring_close(r);
    replay(0);
    cr_assert_eq(vmiring_set_access(r, 0, 1, VMIRING_ACCESS_N), 0);
    cr_assert_eq(vmiring_get_access(r, 0, &access), -1);
    cr_assert_eq(errno, ENODATA);
    cr_assert_eq(vmiring_write_phys(r, 0, "x", 1, NULL), -1);
    cr_assert_eq(vmiring_receive(r, &ev, 1), 1);
    cr_assert_eq(ev.reason, VMIRING_MEM_ACCESS);
    cr_assert_eq(vmiring_respond(r, &ev, &rsp), 0, "%s", vmiring_error(r));
    vmiring_release(r);
    cr_assert_eq(vmiring_receive(r, &ev, 1), 1);
    cr_assert_eq(ev.reason, VMIRING_INTERRUPT);
    cr_assert_eq(vmiring_replay_response(h, &ev, &rsp), -1);
    cr_assert_eq(errno, ENODATA);
    cr_assert_eq(vmiring_replay_response(r, NULL, &rsp), -1);
    cr_assert_eq(errno, EINVAL);
    ev.handle += 100;
    cr_assert_eq(vmiring_respond(r, &ev, NULL), -1);
    cr_assert_eq(vmiring_leave(r), -1);
    cr_assert_eq(errno, ENOTSUP);
    vmiring_release(h);
    fake_sync(f, 0, VMIRING_GUEST_REQUEST);
    must_receive(h, &live, 1);
    cr_assert_eq(vmiring_get_replayed(&live, &was), -1);
    cr_assert_eq(errno, ENODATA);
    cr_assert_eq(vmiring_get_replayed(NULL, &was), -1);
}

CAPTURE_TEST(files_of_others)
{
    vmiring_options o = { .size = sizeof(o), .capture = path,
                          .abi = VMIRING_ABI_LEGACY };
    struct vmiring_event ev;
    FILE *file;
    int len = encode_full(NULL);

    vmiring_capture_close(begin());
    cr_assert_null(vmiring_open(&o));
    cr_assert_eq(errno, EPROTONOSUPPORT);
    o.abi = 0;
    o.sim = "/none";
    cr_assert_null(vmiring_open(&o));
    cr_assert_eq(errno, EINVAL);

    /* A record that breaks off, and one whose element does. */
    write_raw(packet, len, true);
    cr_assert_eq(truncate(path, 24 + 16 + 100), 0);
    open_fails(EPROTO, "");
    write_raw(packet, len - 1, true);
    replay(VMIRING_OPEN_EVERYTHING);
    cr_assert_eq(vmiring_receive(r, &ev, 1), -1);
    cr_assert_eq(errno, EBADMSG);
    cr_assert(strstr(vmiring_error(r), "has a bad"), "%s", vmiring_error(r));
    vmiring_close(r);
    r = NULL;

    write_raw(packet, len, true);
    file = fopen(path, "r+");
    fseek(file, 24 + 16 + CAP_ARCH, SEEK_SET);
    fputc(9, file);
    fclose(file);
    open_fails(EPROTO, "architecture");
    file = fopen(path, "r+");
    fseek(file, 20, SEEK_SET);
    fputc(1, file);
    fclose(file);
    open_fails(EPROTO, "link type");
}
