/* SPDX-License-Identifier: MIT */
/* Lines for people: columns, then payload, then the instruction. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "print.h"

/* The longest line is an event's: columns 120, payload 140, instruction 200. */
static char line[1024];
static size_t used;

static void begin(void)
{
    used = 0;
    line[0] = '\0';
}

static void __attribute__((format(printf, 1, 2))) add(const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line + used, sizeof(line) - used, fmt, ap);
    va_end(ap);
    if ( n > 0 )
        used += n;
    if ( used > sizeof(line) - 1 )
        used = sizeof(line) - 1;
}

/* A line that was cut still ends as one. */
static const char *end(void)
{
    if ( used > sizeof(line) - 2 )
        used = sizeof(line) - 2;
    line[used++] = '\n';
    line[used] = '\0';
    return line;
}

static const char *text_header(const struct print_header *h)
{
    begin();
    add("# domain %" PRIu32, h->domid);
    if ( h->name )
        add(" (%s)", h->name);
    add(", %sabi %s, %" PRIu32 " vCPUs", h->simulated ? "SIMULATED HOST, " : "",
        h->abi, h->nr_vcpus);
    if ( h->ring_bytes )
        add(", %" PRIu32 " ring%s of %" PRIu32 " bytes, generation %" PRIu64,
            h->nr_rings, h->nr_rings == 1 ? "" : "s", h->ring_bytes,
            h->generation);
    add("\n# watching %s, registers %s\n", h->events, h->regs);
    add("# %14s %4s %10s %-19s %-5s %18s %18s %18s payload ; instruction",
        "time", "vcpu", "seq", "event", "mode", "rip", "cr3", "tsc");
    return end();
}

static const char *text_released(uint64_t n)
{
    begin();
    add("released %" PRIu64 " requests left unanswered by the previous agent",
        n);
    return end();
}

static const char *text_expired(uint64_t n)
{
    begin();
    add("# deadline passed for %" PRIu64 " request%s", n, n == 1 ? "" : "s");
    return end();
}

static void add_time(const struct record *r)
{
    add("%6" PRIu64 ".%09" PRIu64 " ", r->time / 1000000000,
        r->time % 1000000000);
}

static void add_value(bool have, uint64_t value)
{
    if ( have )
        add(" 0x%016" PRIx64, value);
    else
        add(" %18s", "-");
}

static void add_debug(const struct record *r)
{
    add(" gfn 0x%" PRIx64, r->u.debug.gfn);
    if ( r->reason == VMIRING_SINGLESTEP )
        return;
    add(" type %" PRIu32 " length %" PRIu32, r->u.debug.type,
        r->u.debug.insn_length);
    if ( r->reason == VMIRING_DEBUG_EXCEPTION )
        add(" pending_dbg 0x%" PRIx64, r->u.debug.pending_dbg);
}

static void add_mem(const struct vmiring_mem *m)
{
    char access[4];

    print_access(m->access, access);
    add(" gfn 0x%" PRIx64 " offset 0x%" PRIx64 " access %s", m->gfn, m->offset,
        access);
    if ( m->access & VMIRING_MEM_GLA_VALID )
        add(" gla 0x%" PRIx64, m->gla);
}

static void add_payload(const struct record *r)
{
    switch ( r->reason )
    {
    case VMIRING_WRITE_CTRLREG:
        add(" %s 0x%" PRIx64 " -> 0x%" PRIx64,
            print_ctrlreg_name(r->u.ctrlreg.index), r->u.ctrlreg.old_value,
            r->u.ctrlreg.new_value);
        break;
    case VMIRING_MOV_TO_MSR:
        add(" msr 0x%" PRIx64 " 0x%" PRIx64 " -> 0x%" PRIx64, r->u.msr.msr,
            r->u.msr.old_value, r->u.msr.new_value);
        break;
    case VMIRING_CPUID:
        add(" leaf 0x%" PRIx32 " subleaf 0x%" PRIx32, r->u.cpuid.leaf,
            r->u.cpuid.subleaf);
        break;
    case VMIRING_SOFTWARE_BREAKPOINT:
    case VMIRING_DEBUG_EXCEPTION:
    case VMIRING_SINGLESTEP:
        add_debug(r);
        break;
    case VMIRING_MEM_ACCESS:
        add_mem(&r->u.mem);
        break;
    case VMIRING_DESCRIPTOR_ACCESS:
        add(" %s of %s", r->u.descriptor.is_write ? "write" : "read",
            print_descriptor_name(r->u.descriptor.descriptor));
        break;
    case VMIRING_INTERRUPT:
        add(" vector %" PRIu32 " type %" PRIu32 " error 0x%" PRIx32
            " cr2 0x%" PRIx64, r->u.interrupt.vector, r->u.interrupt.type,
            r->u.interrupt.error_code, r->u.interrupt.cr2);
        break;
    case VMIRING_VMEXIT:
        add(" reason %" PRIu64 " qualification 0x%" PRIx64, r->u.vmexit.reason,
            r->u.vmexit.qualification);
        break;
    }
}

static void add_insn(const struct record *r, struct disasm *d)
{
    char insn[256], hex[2 * INSN_MAX + 1];
    unsigned int len;

    if ( r->insn_state == INSN_ERROR )
        add(" ; cannot read 0x%" PRIx64 ": %s", r->insn_addr,
            strerror(r->insn_errno));
    if ( r->insn_state != INSN_READ )
        return;
    if ( disasm_record(d, r, insn, sizeof(insn), &len) )
    {
        print_hex(r->insn, r->insn_len, hex);
        add(" ; %s (no instruction)", hex);
        return;
    }
    print_hex(r->insn, len, hex);
    add(" ; %s  %s", hex, insn);
}

static const char *text_lost(const struct record *r)
{
    begin();
    add("# %14s %4" PRIu32 " lost %" PRIu64 " events of this vCPU", "",
        r->vcpu, r->u.lost.count);
    if ( r->u.lost.last_seq )
        add(", seq %" PRIu64 " to %" PRIu64, r->u.lost.first_seq,
            r->u.lost.last_seq);
    return end();
}

static const char *text_domain(const struct record *r)
{
    begin();
    add("# domain is %s", print_domain_state(r->u.domain.state));
    if ( r->u.domain.state == 1 )
        add(", reason %s", print_shutdown_code(r->u.domain.shutdown_code));
    return end();
}

static const char *text_guard(const struct record *r)
{
    const struct guard_hit *g = &r->u.guard;
    uint64_t pc;

    begin();
    add("! ");
    add_time(r);
    add("vcpu %" PRIu32 " %s %s: %s", r->vcpu, g->denied ? "DENIED" : "report",
        g->rule, g->text);
    if ( g->count )
        add(", %" PRIu64 " switches to 0x%" PRIx64, g->count, g->new_value);
    else
        add(", 0x%" PRIx64 " -> 0x%" PRIx64, g->old_value, g->new_value);
    if ( record_pc(r, &pc) )
        add(", rip 0x%" PRIx64, pc);
    return end();
}

static const char *text_limited(const struct record *r)
{
    begin();
    add("# %" PRIu64 " %s events above the rate limit not shown",
        r->u.limited.count, vmiring_reason_name(r->u.limited.reason));
    return end();
}

static const char *text_record(const struct record *r, struct disasm *d)
{
    uint64_t pc = 0, table = 0, tsc = 0;
    bool have_pc = record_pc(r, &pc), have_table = record_table(r, &table);
    bool have_tsc = record_reg(r, VMIRING_TSC, &tsc);

    if ( r->reason == VMIRING_LOST && r->has_payload )
        return text_lost(r);
    if ( r->reason == VMIRING_DOMAIN && r->has_payload )
        return text_domain(r);
    if ( r->reason == RECORD_GUARD )
        return text_guard(r);
    if ( r->reason == RECORD_LIMITED )
        return text_limited(r);
    begin();
    add_time(r);
    add("%4" PRIu32 " %10" PRIu64 " %-19s %-5s", r->vcpu, r->seq,
        vmiring_reason_name(r->reason),
        r->flags & VMIRING_EV_SYNC ? "sync" : "async");
    add_value(have_pc, pc);
    add_value(have_table, table);
    add_value(have_tsc, tsc);
    if ( r->has_payload )
        add_payload(r);
    if ( r->flags & VMIRING_EV_ALTP2M )
        add(" view %" PRIu32, r->altp2m_view);
    if ( r->flags & VMIRING_EV_NESTED )
        add(" nested");
    if ( r->flags & VMIRING_EV_AGAIN )
        add(" again: answer refused, error %" PRIu32, r->error);
    if ( r->answer && strcmp(r->answer, "continue") )
        add(" [%s]", r->answer);
    add_insn(r, d);
    return end();
}

static const char *text_drops(uint64_t n)
{
    begin();
    add("# output dropped %" PRIu64 " lines: the reader was too slow", n);
    return end();
}

static void add_count(const char *name, bool have, uint64_t value)
{
    if ( have )
        add(" %s=%" PRIu64, name, value);
    else
        add(" %s=-", name);
}

static const char *text_vcpu(const struct print_vcpu *v)
{
    begin();
    add("vcpu %" PRIu32, v->vcpu);
    add_count("received", true, v->received);
    add_count("answered", true, v->answered);
    add_count("lost", true, v->lost);
    add_count("produced", v->has_info, v->produced);
    add_count("raised", v->has_info, v->raised);
    add_count("pauses", v->has_info, v->pauses);
    return end();
}

static const char *text_totals(const struct print_totals *t)
{
    begin();
    add("total");
    add_count("received", true, t->received);
    add_count("answered", true, t->answered);
    add_count("lost", true, t->lost);
    add_count("released", true, t->released);
    add_count("expired", true, t->expired);
    add_count("output_drops", true, t->output_drops);
    return end();
}

static const char *text_counts(const struct print_totals *t)
{
    begin();
    add("counts");
    add_count("filtered", true, t->filtered);
    add_count("rate_limited", true, t->limited);
    add_count("guard_hits", true, t->guard_hits);
    add_count("captured", true, t->captured);
    add_count("capture_drops", true, t->capture_drops);
    add_count("output_writes", true, t->output_writes);
    add_count("insn_read", true, t->insn_read);
    add_count("insn_failed", true, t->insn_failed);
    for ( unsigned int i = 0; t->insn_errors && i < INSN_ERRNOS; i++ )
        if ( t->insn_errors[i] )
            add(" (%s: %" PRIu64 ")", i ? strerror(i) : "unexplained",
                t->insn_errors[i]);
    return end();
}

const struct printer print_text = {
    text_header, text_released, text_record, text_drops, text_expired, text_vcpu,
    text_totals, text_counts
};
