/* SPDX-License-Identifier: MIT */
/*
 * Lines for programs: one JSON object each, with a "type".  64-bit values are
 * strings (many readers know doubles only): counts and times in decimal,
 * addresses, registers and payload words in hex with "0x".
 */
#include <string.h>
#include <unistd.h>

#include "jsonout.h"
#include "print.h"

static const struct identity *whose;
static bool replayed;
static bool marked;   /* by the supervisor, who says whose it is */

void print_json_identity(const struct identity *id, bool replay,
                         bool supervised)
{
    whose = id;
    replayed = replay;
    marked = supervised;
}

/* Every line says whose it is: a consumer may see many agents' lines. */
static struct json_object *begin(const char *type)
{
    struct json_object *o = jo_object(type);

    if ( !whose || marked )
        return o;
    jo_str(o, "host", whose->host);
    jo_str(o, "boot", whose->boot_id);
    jo_str(o, "uuid", whose->uuid);
    jo_u32(o, "domid", whose->domid);
    return o;
}

/*
 * What a replay cannot repeat stands apart.  number: of the line, where it has
 * one; a gap says that lines were dropped.
 */
static const char *end(struct json_object *o, uint64_t number)
{
    struct json_object *live = jo_object(NULL);

    if ( number )
        jo_count(live, "line", number);
    jo_u32(live, "pid", getpid());
    if ( replayed )
        jo_bool(live, "replay", true);
    jo_put(o, "live", live);
    return jo_line(o);
}

static const char *json_header(const struct print_header *h)
{
    struct json_object *o = begin("start"), *clock = jo_object(NULL);

    if ( !whose )
        jo_u32(o, "domid", h->domid);
    if ( h->name )
        jo_str(o, "name", h->name);
    jo_str(o, "abi", h->abi);
    jo_bool(o, "simulated", h->simulated);
    jo_u32(o, "vcpus", h->nr_vcpus);
    jo_u32(o, "rings", h->nr_rings);
    jo_u32(o, "ring_bytes", h->ring_bytes);
    jo_count(o, "generation", h->generation);
    jo_str(o, "events", h->events);
    jo_str(o, "regs", h->regs);
    if ( whose )
    {
        jo_count(clock, "time", whose->clock.time);
        jo_count(clock, "wall", whose->clock.wall);
        jo_count(clock, "tsc", whose->clock.tsc);
    }
    jo_put(o, "clock", clock);
    return end(o, 0);
}

static const char *json_released(uint64_t n)
{
    struct json_object *o = begin("released");

    jo_count(o, "count", n);
    jo_str(o, "text", "requests left unanswered by the previous agent");
    return end(o, 0);
}

static const char *json_expired(uint64_t n)
{
    struct json_object *o = begin("deadline");

    jo_count(o, "count", n);
    return end(o, 0);
}

static struct json_object *debug_payload(const struct record *r)
{
    struct json_object *o = jo_object(NULL);

    jo_hex(o, "gfn", r->u.debug.gfn);
    if ( r->reason == VMIRING_SINGLESTEP )
        return o;
    jo_u32(o, "event_type", r->u.debug.type);
    jo_u32(o, "insn_length", r->u.debug.insn_length);
    if ( r->reason == VMIRING_DEBUG_EXCEPTION )
        jo_hex(o, "pending_dbg", r->u.debug.pending_dbg);
    return o;
}

static struct json_object *mem_payload(const struct vmiring_mem *m)
{
    struct json_object *o = jo_object(NULL);
    char access[4];

    print_access(m->access, access);
    jo_hex(o, "gfn", m->gfn);
    jo_hex(o, "offset", m->offset);
    jo_str(o, "access", access);
    if ( m->access & VMIRING_MEM_GLA_VALID )
        jo_hex(o, "gla", m->gla);
    jo_bool(o, "fault_with_gla", m->access & VMIRING_MEM_FAULT_WITH_GLA);
    jo_bool(o, "fault_in_page_table", m->access & VMIRING_MEM_FAULT_IN_GPT);
    return o;
}

static void payload_small(const struct record *r, struct json_object *o)
{
    switch ( r->reason )
    {
    case VMIRING_WRITE_CTRLREG:
        jo_str(o, "register", print_ctrlreg_name(r->u.ctrlreg.index));
        jo_hex(o, "old", r->u.ctrlreg.old_value);
        jo_hex(o, "new", r->u.ctrlreg.new_value);
        break;
    case VMIRING_MOV_TO_MSR:
        jo_hex(o, "msr", r->u.msr.msr);
        jo_hex(o, "old", r->u.msr.old_value);
        jo_hex(o, "new", r->u.msr.new_value);
        break;
    case VMIRING_CPUID:
        jo_hex(o, "leaf", r->u.cpuid.leaf);
        jo_hex(o, "subleaf", r->u.cpuid.subleaf);
        break;
    case VMIRING_DESCRIPTOR_ACCESS:
        jo_str(o, "register",
                print_descriptor_name(r->u.descriptor.descriptor));
        jo_bool(o, "write", r->u.descriptor.is_write);
        jo_hex(o, "exit_info", r->u.descriptor.exit_info);
        jo_hex(o, "qualification", r->u.descriptor.qualification);
        break;
    case VMIRING_INTERRUPT:
        jo_u32(o, "vector", r->u.interrupt.vector);
        jo_u32(o, "event_type", r->u.interrupt.type);
        jo_u32(o, "error_code", r->u.interrupt.error_code);
        jo_hex(o, "cr2", r->u.interrupt.cr2);
        break;
    case VMIRING_VMEXIT:
        jo_count(o, "reason", r->u.vmexit.reason);
        jo_hex(o, "qualification", r->u.vmexit.qualification);
        break;
    }
}

static struct json_object *payload(const struct record *r)
{
    struct json_object *o;

    switch ( r->reason )
    {
    case VMIRING_SOFTWARE_BREAKPOINT:
    case VMIRING_DEBUG_EXCEPTION:
    case VMIRING_SINGLESTEP:
        return debug_payload(r);
    case VMIRING_MEM_ACCESS:
        return mem_payload(&r->u.mem);
    default:
        o = jo_object(NULL);
        payload_small(r, o);
        return o;
    }
}

static struct json_object *insn(const struct record *r, struct disasm *d)
{
    struct json_object *o = jo_object(NULL);
    char text[256], hex[2 * INSN_MAX + 1];
    unsigned int len = r->insn_len;

    jo_hex(o, "address", r->insn_addr);
    if ( r->insn_state == INSN_ERROR )
    {
        jo_str(o, "error", strerror(r->insn_errno));
        return o;
    }
    if ( !disasm_record(d, r, text, sizeof(text), &len) )
        jo_str(o, "text", text);
    print_hex(r->insn, len, hex);
    jo_str(o, "bytes", hex);
    jo_u32(o, "bits", record_code_bits(r));
    return o;
}

static struct json_object *regs(const struct record *r)
{
    struct json_object *o = jo_object(NULL);

    for ( unsigned int i = 0; i < RECORD_REGS; i++ )
    {
        const char *name = record_reg_name(r, i);

        if ( name && (r->reg_valid >> i & 1) )
            jo_hex(o, name, r->reg[i]);
    }
    return o;
}

static const char *json_lost(const struct record *r)
{
    struct json_object *o = begin("lost");

    jo_u32(o, "vcpu", r->vcpu);
    jo_count(o, "count", r->u.lost.count);
    jo_count(o, "first_seq", r->u.lost.first_seq);
    jo_count(o, "last_seq", r->u.lost.last_seq);
    return end(o, r->number);
}

static const char *json_domain(const struct record *r)
{
    struct json_object *o = begin("domain");

    jo_str(o, "state", print_domain_state(r->u.domain.state));
    if ( r->u.domain.state == 1 )
        jo_str(o, "reason", print_shutdown_code(r->u.domain.shutdown_code));
    return end(o, r->number);
}

static void put_flags(struct json_object *o, const struct record *r)
{
    jo_bool(o, "sync", r->flags & VMIRING_EV_SYNC);
    if ( r->answer )
        jo_str(o, "answer", r->answer);
    if ( r->flags & VMIRING_EV_ALTP2M )
        jo_u32(o, "view", r->altp2m_view);
    if ( r->flags & VMIRING_EV_NESTED )
        jo_bool(o, "nested", true);
    if ( r->flags & VMIRING_EV_AGAIN )
        jo_u32(o, "refused", r->error);
}

static void put_time(struct json_object *o, const struct record *r)
{
    jo_u32(o, "vcpu", r->vcpu);
    jo_count(o, "seq", r->seq);
    jo_count(o, "time", r->time);
    if ( whose )
        jo_count(o, "wall", identity_wall(whose, r->time));
}

static const char *json_guard(const struct record *r)
{
    struct json_object *o = begin("guard");
    const struct guard_hit *g = &r->u.guard;
    uint64_t value;

    put_time(o, r);
    jo_str(o, "rule", g->rule);
    jo_str(o, "action", g->denied ? "deny" : "report");
    jo_str(o, "reason", g->text);
    if ( record_pc(r, &value) )
        jo_hex(o, "rip", value);
    if ( record_table(r, &value) )
        jo_hex(o, "cr3", value);
    jo_hex(o, "old", g->old_value);
    jo_hex(o, "new", g->new_value);
    if ( g->count )
        jo_count(o, "count", g->count);
    return end(o, r->number);
}

static const char *json_limited(const struct record *r)
{
    struct json_object *o = begin("rate_limited");

    jo_str(o, "reason", vmiring_reason_name(r->u.limited.reason));
    jo_count(o, "count", r->u.limited.count);
    return end(o, r->number);
}

static const char *json_record(const struct record *r, struct disasm *d)
{
    struct json_object *o;
    uint64_t value;

    if ( r->reason == VMIRING_LOST && r->has_payload )
        return json_lost(r);
    if ( r->reason == VMIRING_DOMAIN && r->has_payload )
        return json_domain(r);
    if ( r->reason == RECORD_GUARD )
        return json_guard(r);
    if ( r->reason == RECORD_LIMITED )
        return json_limited(r);
    o = begin("event");
    put_time(o, r);
    jo_str(o, "reason", vmiring_reason_name(r->reason));
    jo_u32(o, "reason_number", r->reason);
    put_flags(o, r);
    if ( record_pc(r, &value) )
        jo_hex(o, "rip", value);
    if ( record_table(r, &value) )
        jo_hex(o, "cr3", value);
    if ( record_reg(r, VMIRING_TSC, &value) )
        jo_count(o, "tsc", value);
    if ( r->has_payload )
        jo_put(o, "payload", payload(r));
    if ( r->insn_state != INSN_NOT_READ )
        jo_put(o, "insn", insn(r, d));
    if ( r->reg_valid )
        jo_put(o, "regs", regs(r));
    return end(o, r->number);
}

static const char *json_drops(uint64_t n)
{
    struct json_object *o = begin("output_drops");

    jo_count(o, "count", n);
    return end(o, 0);
}

static const char *json_vcpu(const struct print_vcpu *v)
{
    struct json_object *o = begin("vcpu");

    jo_u32(o, "vcpu", v->vcpu);
    jo_count(o, "received", v->received);
    jo_count(o, "answered", v->answered);
    jo_count(o, "lost", v->lost);
    if ( v->has_info )
    {
        jo_count(o, "produced", v->produced);
        jo_count(o, "raised", v->raised);
        jo_count(o, "pauses", v->pauses);
    }
    return end(o, 0);
}

static void put_insn_errors(struct json_object *o, const struct print_totals *t)
{
    struct json_object *e = jo_object(NULL);

    for ( unsigned int i = 0; t->insn_errors && i < INSN_ERRNOS; i++ )
        if ( t->insn_errors[i] )
            jo_count(e, i ? strerror(i) : "unexplained", t->insn_errors[i]);
    jo_put(o, "insn_errors", e);
}

static const char *totals_line(const struct print_totals *t, const char *type)
{
    struct json_object *o = begin(type);

    jo_count(o, "received", t->received);
    jo_count(o, "answered", t->answered);
    jo_count(o, "lost", t->lost);
    jo_count(o, "released", t->released);
    jo_count(o, "expired", t->expired);
    jo_count(o, "output_drops", t->output_drops);
    jo_count(o, "filtered", t->filtered);
    jo_count(o, "rate_limited", t->limited);
    jo_count(o, "guard_hits", t->guard_hits);
    jo_count(o, "captured", t->captured);
    jo_count(o, "capture_drops", t->capture_drops);
    jo_count(o, "output_writes", t->output_writes);
    jo_count(o, "insn_read", t->insn_read);
    jo_count(o, "insn_failed", t->insn_failed);
    put_insn_errors(o, t);
    return end(o, 0);
}

static const char *json_totals(const struct print_totals *t)
{
    return totals_line(t, "summary");
}

static const char *json_counts(const struct print_totals *t)
{
    return totals_line(t, "stats");
}

const struct printer print_json = {
    json_header, json_released, json_record, json_drops, json_expired, json_vcpu,
    json_totals, json_counts
};
