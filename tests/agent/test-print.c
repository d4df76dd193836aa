/* SPDX-License-Identifier: MIT */
/* Captured events as text and JSON, and the queue in between. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include <json-c/json.h>

#include "fake_event.h"
#include "print.h"

static const uint8_t vmmcall[] = { 0x0f, 0x01, 0xd9, 0x90, 0x90, 0x90 };

static struct fake_event guest(uint32_t reason)
{
    struct fake_event f = { .reason = reason, .has_regs = 1,
                            .insn = vmmcall, .insn_len = sizeof(vmmcall) };

    f.reg[VMIRING_RIP] = 0xffffffff81000100ULL;
    f.reg[VMIRING_REG_CR0] = 0x80050033;
    f.reg[VMIRING_REG_CR3] = 0x7fffffffffffffffULL;
    f.reg[VMIRING_EFER] = 0xd01;
    f.reg[VMIRING_CS_AR] = 0xa9b;
    f.reg[VMIRING_TSC] = 9007199254740993ULL;   /* 2^53 + 1: no double */
    return f;
}

static struct record capture(const struct fake_event *f, uint32_t flags,
                             const char *answer)
{
    struct vmiring_event ev = fake_event(f, f->reason, flags);
    struct record r;

    record_capture(&r, &ev, answer);
    record_read_insn(&r, NULL, &ev);
    return r;
}

static struct json_object *parse(const char *line)
{
    struct json_object *o;
    size_t len;

    cr_assert(line);
    len = strlen(line);
    cr_assert(len && line[len - 1] == '\n');
    cr_assert_null(memchr(line, '\n', len - 1));
    o = json_tokener_parse(line);
    cr_assert(o, "no JSON: %s", line);
    return o;
}

/* "payload.new" */
static const char *at(struct json_object *o, const char *path)
{
    char copy[64], *save = NULL;

    cr_assert_lt(strlen(path), sizeof(copy));
    strcpy(copy, path);
    for ( char *k = strtok_r(copy, ".", &save); k;
          k = strtok_r(NULL, ".", &save) )
        if ( !json_object_object_get_ex(o, k, &o) )
            return "(none)";
    return json_object_get_string(o);
}

static void expect(const char *line, const char *path, const char *value)
{
    struct json_object *o = parse(line);

    cr_expect_str_eq(at(o, path), value, "%s in %s", path, line);
    json_object_put(o);
}

/* One line, printable ASCII only. */
static void expect_text(const char *line, const char *part)
{
    size_t len = strlen(line);

    cr_assert(len && line[len - 1] == '\n');
    for ( size_t i = 0; i + 1 < len; i++ )
        cr_assert(isprint((unsigned char)line[i]), "byte %zu: %s", i, line);
    cr_expect(strstr(line, part), "\"%s\" is not in: %s", part, line);
}

Test(json, event)
{
    struct fake_event f = guest(VMIRING_WRITE_CTRLREG);
    struct disasm *d = disasm_open();
    struct record r;
    const char *line;

    f.u.ctrlreg = (struct vmiring_ctrlreg){ VMIRING_CR4, UINT64_MAX, 0x20 };
    r = capture(&f, VMIRING_EV_SYNC, "deny");
    line = print_json.record(&r, d);
    expect(line, "type", "event");
    expect(line, "vcpu", "3");
    expect(line, "seq", "42");
    expect(line, "time", "1234567890123");
    expect(line, "sync", "true");
    expect(line, "answer", "deny");
    expect(line, "rip", "0xffffffff81000100");
    expect(line, "cr3", "0x7fffffffffffffff");
    expect(line, "tsc", "9007199254740993");
    expect(line, "payload.register", "cr4");
    expect(line, "payload.new", "0xffffffffffffffff");
    expect(line, "payload.old", "0x20");
    expect(line, "insn.text", "vmmcall");
    expect(line, "insn.bytes", "0f01d9");
    expect(line, "regs.efer", "0xd01");
    disasm_close(d);
}

/* 64-bit values are strings, so that no reader rounds them. */
Test(json, wide_values_are_strings)
{
    struct fake_event f = guest(VMIRING_MOV_TO_MSR);
    struct record r = capture(&f, 0, NULL);
    struct json_object *o = parse(print_json.record(&r, NULL)), *v;
    static const char *const keys[] = { "seq", "time", "tsc", "rip", "cr3" };

    for ( size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++ )
    {
        cr_assert(json_object_object_get_ex(o, keys[i], &v));
        cr_expect(json_object_is_type(v, json_type_string), "%s", keys[i]);
    }
    json_object_put(o);
}

Test(json, no_registers)
{
    struct fake_event f = { .reason = VMIRING_GUEST_REQUEST };
    struct record r = capture(&f, 0, NULL);
    const char *line = print_json.record(&r, NULL);

    expect(line, "rip", "(none)");
    expect(line, "regs", "(none)");
    expect(line, "insn", "(none)");
    expect(line, "sync", "false");
}

Test(json, unreadable_instruction)
{
    struct fake_event f = guest(VMIRING_GUEST_REQUEST);
    struct record r;
    const char *line;

    f.insn = NULL;
    r = capture(&f, 0, NULL);
    line = print_json.record(&r, NULL);
    expect(line, "insn.error", "Bad address");
    expect(line, "insn.address", "0xffffffff81000100");
}

Test(json, others)
{
    struct fake_event lost = { .reason = VMIRING_LOST,
                               .u.lost = { 5, 10, 14 } };
    struct fake_event gone = { .reason = VMIRING_DOMAIN,
                               .u.domain = { 1, 3 } };
    struct record r = capture(&lost, 0, NULL);

    expect(print_json.record(&r, NULL), "count", "5");
    expect(print_json.record(&r, NULL), "last_seq", "14");
    r = capture(&gone, 0, NULL);
    expect(print_json.record(&r, NULL), "state", "shutdown");
    expect(print_json.record(&r, NULL), "reason", "crash");
    expect(print_json.drops(7), "count", "7");
    expect(print_json.released(3), "type", "released");
    expect(print_json.totals(&(struct print_totals){ .received = 9 }),
           "received", "9");
    expect(print_json.vcpu(&(struct print_vcpu){ .vcpu = 2 }), "pauses",
           "(none)");
    expect(print_json.vcpu(&(struct print_vcpu){ .has_info = true,
                                                 .pauses = 4 }),
           "pauses", "4");
}

/* Every reason there is, and one that there is not, in both forms. */
Test(print, every_reason_is_one_good_line)
{
    struct disasm *d = disasm_open();

    for ( uint32_t reason = 0; reason <= 1002; reason++ )
    {
        struct fake_event f = guest(reason);
        struct record r;

        if ( reason == 40 )
            reason = 999;
        f.reason = reason;
        memset(&f.u, 0xff, sizeof(f.u));
        r = capture(&f, UINT32_MAX, "continue");
        json_object_put(parse(print_json.record(&r, d)));
        expect_text(print_text.record(&r, d),
                    reason == VMIRING_LOST ? "lost" :
                    reason == VMIRING_DOMAIN ? "domain" :
                    "0xffffffff81000100");
    }
    disasm_close(d);
}

Test(text, event)
{
    struct fake_event f = guest(VMIRING_CPUID);
    struct disasm *d = disasm_open();
    struct record r;
    const char *line;

    f.u.cpuid = (struct vmiring_cpuid){ 2, 0x80000001, 3 };
    r = capture(&f, VMIRING_EV_SYNC, "skip");
    line = print_text.record(&r, d);
    expect_text(line, "1234.567890123");
    expect_text(line, " sync ");
    expect_text(line, "leaf 0x80000001 subleaf 0x3");
    expect_text(line, "[skip]");
    expect_text(line, "; 0f01d9  vmmcall");
    disasm_close(d);
}

Test(text, unreadable_and_undecodable_instruction)
{
    static const uint8_t junk[] = { 0x06, 0x07 };   /* not in 64-bit mode */
    struct fake_event f = guest(VMIRING_GUEST_REQUEST);
    struct disasm *d = disasm_open();
    struct record r;

    f.insn = NULL;
    r = capture(&f, 0, NULL);
    expect_text(print_text.record(&r, d),
                "cannot read 0xffffffff81000100: Bad address");
    f.insn = junk;
    f.insn_len = sizeof(junk);
    r = capture(&f, 0, NULL);
    expect_text(print_text.record(&r, d), "; 0607 (no instruction)");
    disasm_close(d);
}

Test(text, totals_and_vcpu)
{
    struct print_totals t = { .received = 1, .answered = 2, .lost = 3,
                              .released = 4, .expired = 6,
                              .output_drops = 5 };
    struct print_vcpu v = { .vcpu = 7, .received = 1, .answered = 2,
                            .lost = 3, .produced = 4, .raised = 5,
                            .pauses = 6 };

    cr_assert_str_eq(print_text.totals(&t),
                     "total received=1 answered=2 lost=3 released=4 "
                     "expired=6 output_drops=5\n");
    cr_assert_str_eq(print_text.vcpu(&v),
                     "vcpu 7 received=1 answered=2 lost=3 produced=- raised=- "
                     "pauses=-\n");
    v.has_info = true;
    cr_assert_str_eq(print_text.vcpu(&v),
                     "vcpu 7 received=1 answered=2 lost=3 produced=4 raised=5 "
                     "pauses=6\n");
    cr_assert_str_eq(print_text.released(3),
                     "released 3 requests left unanswered by the previous "
                     "agent\n");
}

/* The same two bytes in each mode: what CS, EFER and CR0 say decides. */
Test(disasm, code_size)
{
    static const uint8_t code[] = { 0x48, 0x89, 0xc3 };
    static const struct {
        uint64_t cr0, efer, ar;
        unsigned int bits;
        const char *text;
    } cases[] = {
        { 0x10, 0, 0x93, 16, "dec ax" },
        { 0x11, 0, 0xc9b, 32, "dec eax" },
        { 0x11, 0, 0x9b, 16, "dec ax" },
        { 0x80000011, 0xd01, 0xa9b, 64, "mov rbx, rax" },
        { 0x80000011, 0xd01, 0xc9b, 32, "dec eax" },   /* compatibility */
        { 0x80000011, 0x901, 0xa9b, 16, "dec ax" },    /* L without LMA */
    };
    struct disasm *d = disasm_open();

    for ( size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++ )
    {
        struct fake_event f = guest(VMIRING_GUEST_REQUEST);
        struct record r;
        char text[128];
        unsigned int len;

        f.reg[VMIRING_REG_CR0] = cases[i].cr0;
        f.reg[VMIRING_EFER] = cases[i].efer;
        f.reg[VMIRING_CS_AR] = cases[i].ar;
        f.insn = code;
        f.insn_len = sizeof(code);
        r = capture(&f, 0, NULL);
        cr_expect_eq(record_code_bits(&r), cases[i].bits, "case %zu", i);
        cr_assert_eq(disasm_record(d, &r, text, sizeof(text), &len), 0);
        cr_expect_str_eq(text, cases[i].text, "case %zu", i);
    }
    disasm_close(d);
}

Test(disasm, outside_64_bit_the_segment_base_counts)
{
    struct fake_event f = guest(VMIRING_GUEST_REQUEST);
    struct record r;

    f.reg[VMIRING_EFER] = 0;
    f.reg[VMIRING_RIP] = 0xfff0;
    f.reg[VMIRING_CS_BASE] = 0xffff0000;
    r = capture(&f, 0, NULL);
    cr_assert_eq(r.insn_addr, 0xfffffff0);
}

Test(disasm, arm64)
{
    static const uint8_t smc[] = { 0x03, 0x00, 0x00, 0xd4 };
    struct fake_event f = { .reason = VMIRING_PRIVILEGED_CALL, .arm64 = 1,
                            .has_regs = 1, .insn = smc, .insn_len = 4 };
    struct disasm *d = disasm_open();
    struct record r;

    f.reg[VMIRING_PC] = 0x80000;
    f.reg[VMIRING_TTBR0] = 0x1234000;
    r = capture(&f, VMIRING_EV_SYNC, "skip");
    expect(print_json.record(&r, d), "insn.text", "smc #0");
    expect(print_json.record(&r, d), "regs.ttbr0", "0x1234000");
    expect(print_json.record(&r, d), "rip", "0x80000");
    disasm_close(d);
}

/* CPSR tells A64, A32 and Thumb apart; the same bytes differ in each. */
Test(disasm, arm_states)
{
    static const struct {
        uint64_t cpsr;
        unsigned int bits, len;
        const char *text;
    } cases[] = {
        { 0x3c5, 64, 4, "adc w0, w8, w1" },     /* EL1h */
        { 0x20, 64, 4, "adc w0, w8, w1" },      /* T means nothing there */
        { 0x10, 32, 4, "bne #0x48408" },
        { 0x30, 16, 2, "lsls r0, r0, #4" },
        { 0x33, 16, 2, "lsls r0, r0, #4" },     /* supervisor mode, Thumb */
    };
    static const uint8_t code[] = { 0x00, 0x01, 0x01, 0x1a };
    struct fake_event f = { .reason = VMIRING_MEM_ACCESS, .arm64 = 1,
                            .has_regs = 1, .insn = code, .insn_len = 4 };
    struct disasm *d = disasm_open();

    for ( size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++ )
    {
        struct record r;
        unsigned int len;
        char text[128];

        f.reg[VMIRING_CPSR] = cases[i].cpsr;
        f.reg[VMIRING_PC] = 0x8000;
        r = capture(&f, 0, NULL);
        cr_expect_eq(record_code_bits(&r), cases[i].bits, "case %zu", i);
        cr_assert_eq(disasm_record(d, &r, text, sizeof(text), &len), 0);
        cr_expect_eq(len, cases[i].len, "case %zu", i);
        cr_expect_str_eq(text, cases[i].text, "case %zu: %s", i, text);
    }
    disasm_close(d);
}

/* Thumb's longer form, and an AArch32 pc that has no upper half. */
Test(disasm, thumb_smc)
{
    static const uint8_t smc[] = { 0xf0, 0xf7, 0x00, 0x80 };
    struct fake_event f = { .reason = VMIRING_PRIVILEGED_CALL, .arm64 = 1,
                            .has_regs = 1, .insn = smc, .insn_len = 4 };
    struct disasm *d = disasm_open();
    struct record r;

    f.reg[VMIRING_CPSR] = 0x33;
    f.reg[VMIRING_PC] = 0x100008000;
    r = capture(&f, VMIRING_EV_SYNC, "skip");
    cr_assert_eq(r.insn_addr, 0x8000);
    expect(print_json.record(&r, d), "insn.text", "smc #0");
    expect(print_json.record(&r, d), "insn.bits", "16");
    disasm_close(d);
}

/* Full of events, it still has room for what the library itself reports. */
Test(queue, events_leave_room_for_losses)
{
    struct record_queue q;
    unsigned int events = 0, losses = 0;

    cr_assert_eq(record_queue_init(&q, 256), 0);
    q.head = q.tail = UINT32_MAX - 100;   /* so that they wrap */
    while ( record_queue_room(&q, VMIRING_GUEST_REQUEST) )
    {
        record_queue_room(&q, VMIRING_GUEST_REQUEST)->seq = events++;
        record_queue_push(&q);
    }
    while ( record_queue_room(&q, VMIRING_LOST) )
    {
        record_queue_room(&q, VMIRING_LOST)->seq = events + losses++;
        record_queue_push(&q);
    }
    cr_assert_eq(events + losses, 256);
    cr_assert_eq(losses, 64);
    cr_assert_eq(record_queue_count(&q), 256);
    for ( unsigned int i = 0; i < 256; i++ )
    {
        cr_assert_eq(record_queue_first(&q)->seq, i);
        record_queue_pop(&q);
    }
    cr_assert_null(record_queue_first(&q));
    record_queue_free(&q);
}
