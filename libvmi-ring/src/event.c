/* SPDX-License-Identifier: MIT */
/* The internal event: made from a record, read through accessors. */
#include <errno.h>
#include <string.h>

#include "private.h"

static uint32_t regs_bytes(uint8_t regs, bool arm64)
{
    switch ( regs )
    {
    case VMEV2_REGS_CORE:
        return arm64 ? VMEV2_REGS_ARM64_CORE_SIZE : VMEV2_REGS_X86_CORE_SIZE;

    case VMEV2_REGS_ALL:
        return arm64 ? VMEV2_REGS_ARM64_ALL_SIZE : VMEV2_REGS_X86_ALL_SIZE;

    default:
        return 0;
    }
}

const char *event_from_rec(struct event *e, const void *from, uint64_t avail,
                           uint32_t nr_vcpus, bool arm64)
{
    const struct vmev2_rec *rec = &e->rec;
    uint32_t regs;

    if ( avail < sizeof(*rec) )
        return "header";

    /* Private from here on: nothing below looks at the shared header again. */
    memcpy(&e->rec, from, sizeof(e->rec));

    if ( rec->size < sizeof(*rec) || rec->size % 8 || rec->size > avail )
        return "size";
    if ( rec->reason >= VMEV2_REASONS )
        return "reason";
    if ( rec->vcpu >= nr_vcpus )
        return "vcpu";
    if ( rec->regs > VMEV2_REGS_ALL )
        return "regs";
    if ( rec->payload_size % 8 )
        return "payload_size";

    /* At most 2^16 + 432: no overflow. */
    regs = regs_bytes(rec->regs, arm64);
    if ( sizeof(*rec) + rec->payload_size + regs > rec->size )
        return "payload_size";

    e->payload = (const uint8_t *)from + sizeof(*rec);
    e->regs = (const uint8_t *)e->payload + rec->payload_size;
    e->layout = !regs ? REGS_ABSENT : arm64 ? REGS_ARM64 : REGS_X86;
    e->error = 0;
    e->handle = 0;

    return NULL;
}

static void event_made_here(struct event *e, uint32_t reason, uint32_t vcpu)
{
    uint8_t *body = e->body;

    *e = (struct event){
        .body = body,
        .rec = { .size = sizeof(e->rec), .vcpu = vcpu },
    };
    e->rec.reason = reason;
}

void event_lost(struct event *e, uint32_t vcpu, uint64_t count, uint64_t last)
{
    event_made_here(e, VMIRING_LOST, vcpu);
    e->rec.seq = last;
    e->lost = (struct vmiring_lost){
        .count = count,
        .first_seq = last - count + 1,
        .last_seq = last,
    };
}

void event_domain(struct event *e, uint32_t state, uint32_t code)
{
    event_made_here(e, VMIRING_DOMAIN, 0);
    e->domain.state = state;
    e->domain.shutdown_code = code;
}

void event_publish(const struct event *e, struct vmiring_event *ev)
{
    *ev = (struct vmiring_event){
        .reason = e->rec.reason,
        .vcpu = e->rec.vcpu,
        .error = e->error,
        .seq = e->rec.seq,
        .time = e->rec.time,
        .handle = e->handle,
        .regs = e->layout == REGS_ABSENT ? VMIRING_REGS_NONE : e->rec.regs,
        .priv = e,
    };

    if ( e->handle )
        ev->flags |= VMIRING_EV_SYNC;
    if ( e->error )
        ev->flags |= VMIRING_EV_AGAIN;
    if ( e->rec.flags & VMEV2_REC_NESTED )
        ev->flags |= VMIRING_EV_NESTED;
    if ( e->rec.flags & VMEV2_REC_ALTP2M )
    {
        ev->flags |= VMIRING_EV_ALTP2M;
        ev->altp2m_view = e->rec.altp2m_idx;
    }
}

/*
 * The payload of an event that has one of these reasons and at least size
 * bytes of it; or NULL and EINVAL.
 */
static const void *payload_of(const struct vmiring_event *ev, uint32_t reason,
                              size_t size)
{
    const struct event *e = ev ? ev->priv : NULL;

    if ( e && e->rec.reason == reason && e->rec.payload_size >= size )
        return e->payload;

    errno = EINVAL;

    return NULL;
}

int vmiring_get_ctrlreg(const struct vmiring_event *ev,
                        struct vmiring_ctrlreg *out)
{
    const struct vmev2_ctrlreg *p =
        payload_of(ev, VMEV2_REASON_WRITE_CTRLREG, sizeof(*p));

    if ( !p )
        return -1;

    *out = (struct vmiring_ctrlreg){ .index = p->index,
                                     .new_value = p->new_value,
                                     .old_value = p->old_value };

    return 0;
}

int vmiring_get_msr(const struct vmiring_event *ev, struct vmiring_msr *out)
{
    const struct vmev2_msr *p =
        payload_of(ev, VMEV2_REASON_MOV_TO_MSR, sizeof(*p));

    if ( !p )
        return -1;

    *out = (struct vmiring_msr){ .msr = p->msr, .new_value = p->new_value,
                                 .old_value = p->old_value };

    return 0;
}

int vmiring_get_cpuid(const struct vmiring_event *ev,
                      struct vmiring_cpuid *out)
{
    const struct vmev2_cpuid *p =
        payload_of(ev, VMEV2_REASON_CPUID, sizeof(*p));

    if ( !p )
        return -1;

    *out = (struct vmiring_cpuid){ .insn_length = p->insn_length,
                                   .leaf = p->leaf, .subleaf = p->subleaf };

    return 0;
}

int vmiring_get_debug(const struct vmiring_event *ev,
                      struct vmiring_debug *out)
{
    const struct vmev2_debug *p =
        payload_of(ev, VMEV2_REASON_SOFTWARE_BREAKPOINT, sizeof(*p));

    if ( !p )
        p = payload_of(ev, VMEV2_REASON_DEBUG_EXCEPTION, sizeof(*p));
    if ( !p )
        p = payload_of(ev, VMEV2_REASON_SINGLESTEP, sizeof(*p));
    if ( !p )
        return -1;

    *out = (struct vmiring_debug){ .gfn = p->gfn,
                                   .pending_dbg = p->pending_dbg,
                                   .type = p->type,
                                   .insn_length = p->insn_length };

    return 0;
}

int vmiring_get_mem(const struct vmiring_event *ev, struct vmiring_mem *out)
{
    const struct vmev2_mem_access *p =
        payload_of(ev, VMEV2_REASON_MEM_ACCESS, sizeof(*p));

    if ( !p )
        return -1;

    *out = (struct vmiring_mem){ .gfn = p->gfn, .offset = p->offset,
                                 .gla = p->gla, .access = p->flags };

    return 0;
}

int vmiring_get_descriptor(const struct vmiring_event *ev,
                           struct vmiring_descriptor *out)
{
    const struct vmev2_descriptor *p =
        payload_of(ev, VMEV2_REASON_DESCRIPTOR_ACCESS, sizeof(*p));

    if ( !p )
        return -1;

    *out = (struct vmiring_descriptor){ .exit_info = p->exit_info,
                                        .qualification = p->qualification,
                                        .descriptor = p->descriptor,
                                        .is_write = p->is_write };

    return 0;
}

int vmiring_get_interrupt(const struct vmiring_event *ev,
                          struct vmiring_interrupt *out)
{
    const struct vmev2_interrupt *p =
        payload_of(ev, VMEV2_REASON_INTERRUPT, sizeof(*p));

    if ( !p )
        return -1;

    *out = (struct vmiring_interrupt){ .vector = p->vector, .type = p->type,
                                       .error_code = p->error_code,
                                       .cr2 = p->cr2 };

    return 0;
}

int vmiring_get_vmexit(const struct vmiring_event *ev,
                       struct vmiring_vmexit *out)
{
    const struct vmev2_vmexit *p =
        payload_of(ev, VMEV2_REASON_VMEXIT, sizeof(*p));

    if ( !p )
        return -1;

    *out = (struct vmiring_vmexit){ .reason = p->reason,
                                    .qualification = p->qualification };

    return 0;
}

int vmiring_get_lost(const struct vmiring_event *ev, struct vmiring_lost *out)
{
    const struct event *e = ev ? ev->priv : NULL;

    if ( !e || e->rec.reason != VMIRING_LOST )
    {
        errno = EINVAL;
        return -1;
    }

    *out = e->lost;

    return 0;
}

int vmiring_get_domain(const struct vmiring_event *ev,
                       struct vmiring_domain *out)
{
    const struct event *e = ev ? ev->priv : NULL;

    if ( !e || e->rec.reason != VMIRING_DOMAIN )
    {
        errno = EINVAL;
        return -1;
    }

    *out = e->domain;

    return 0;
}

const char *vmiring_reason_name(uint32_t reason)
{
    static const char *const names[] = {
        [VMIRING_MEM_ACCESS] = "mem-access",
        [VMIRING_WRITE_CTRLREG] = "write-ctrlreg",
        [VMIRING_MOV_TO_MSR] = "mov-to-msr",
        [VMIRING_SOFTWARE_BREAKPOINT] = "software-breakpoint",
        [VMIRING_SINGLESTEP] = "singlestep",
        [VMIRING_GUEST_REQUEST] = "guest-request",
        [VMIRING_DEBUG_EXCEPTION] = "debug-exception",
        [VMIRING_CPUID] = "cpuid",
        [VMIRING_PRIVILEGED_CALL] = "privileged-call",
        [VMIRING_INTERRUPT] = "interrupt",
        [VMIRING_DESCRIPTOR_ACCESS] = "descriptor-access",
        [VMIRING_EMUL_UNIMPLEMENTED] = "emul-unimplemented",
        [VMIRING_VMEXIT] = "vmexit",
        [VMIRING_IO_INSTRUCTION] = "io-instruction",
    };

    if ( reason == VMIRING_LOST )
        return "lost";
    if ( reason == VMIRING_DOMAIN )
        return "domain";
    if ( reason < ARRAY_SIZE(names) && names[reason] )
        return names[reason];

    return "unknown";
}
