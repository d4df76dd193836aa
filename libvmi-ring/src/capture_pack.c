/* SPDX-License-Identifier: MIT */
/* Events and channels, as packets of a capture. */
#include <errno.h>
#include <string.h>

#include "capture.h"

/* Where the next element goes; a packet that does not fit is only measured. */
struct packer {
    uint8_t *at;
    size_t room, used;
};

static uint8_t *element(struct packer *p, enum capture_element type,
                        size_t size)
{
    uint8_t *value = NULL;

    if ( p->used + 4 + size <= p->room )
    {
        be_put(p->at + p->used, 2, type);
        be_put(p->at + p->used + 2, 2, size);
        value = p->at + p->used + 4;
        memset(value, 0, size);
    }
    p->used += 4 + size;

    return value;
}

static void put_text(struct packer *p, enum capture_element type,
                     const char *text, size_t max)
{
    size_t size = text ? strnlen(text, max - 1) : 0;
    uint8_t *value;

    if ( !size )
        return;

    value = element(p, type, size);
    if ( value )
        memcpy(value, text, size);
}

const char *capture_payload_shape(uint32_t reason)
{
    switch ( reason )
    {
    case VMIRING_WRITE_CTRLREG:       return "4488";
    case VMIRING_MOV_TO_MSR:          return "888";
    case VMIRING_CPUID:               return "4444";
    case VMIRING_SOFTWARE_BREAKPOINT:
    case VMIRING_DEBUG_EXCEPTION:
    case VMIRING_SINGLESTEP:          return "8844";
    case VMIRING_MEM_ACCESS:          return "88844";
    case VMIRING_DESCRIPTOR_ACCESS:   return "8844";
    case VMIRING_INTERRUPT:           return "44448";
    case VMIRING_VMEXIT:              return "88";
    case VMIRING_LOST:                return "888";
    case VMIRING_DOMAIN:              return "44";
    default:                          return "";
    }
}

static size_t shape_size(const char *shape)
{
    size_t size = 0;

    while ( *shape )
        size += *shape++ - '0';

    return size;
}

static void put_payload(struct packer *p, const struct event *e)
{
    const char *shape = capture_payload_shape(e->rec.reason);
    const uint8_t *from = e->payload;
    size_t size = shape_size(shape);
    uint8_t *to;

    if ( e->rec.reason == VMIRING_LOST )
        from = (const uint8_t *)&e->lost;
    else if ( e->rec.reason == VMIRING_DOMAIN )
        from = (const uint8_t *)&e->domain;
    else if ( e->rec.payload_size < size )
        return;

    to = size ? element(p, EL_PAYLOAD, size) : NULL;
    for ( ; to && *shape; shape++ )
    {
        unsigned int width = *shape - '0';
        uint32_t half;
        uint64_t whole;

        memcpy(&half, from, sizeof(half));
        if ( width == 8 )
            memcpy(&whole, from, sizeof(whole));
        be_put(to, width, width == 8 ? whole : half);
        to += width;
        from += width;
    }
}

static void put_regs(struct packer *p, const vmiring *h,
                     const struct vmiring_event *ev)
{
    unsigned int first = h->arm64 ? VMIRING_PC : 0;
    unsigned int nr = h->arm64 ? VMIRING_SCTLR - VMIRING_PC + 1
                               : VMIRING_REG_X86_END;
    uint64_t value[64], valid = 0;
    unsigned int i, have = 0;
    uint8_t *to;

    for ( i = 0; i < nr; i++ )
        if ( !vmiring_get_reg(ev, first + i, &value[have]) )
        {
            valid |= 1ULL << i;
            have++;
        }
    if ( !have )
        return;

    to = element(p, EL_REGISTERS, 16 + 8 * have);
    if ( !to )
        return;

    be_put(to, 2, first);
    be_put(to + 8, 8, valid);
    for ( i = 0; i < have; i++ )
        be_put(to + 16 + 8 * i, 8, value[i]);
}

static void put_memory(struct packer *p, const struct vmiring_capture_memory *m)
{
    uint8_t *to = element(p, EL_MEMORY, 12 + m->nr_bytes);

    if ( !to )
        return;

    be_put(to, 8, m->address);
    be_put(to + 8, 4, m->error);
    if ( m->nr_bytes )
        memcpy(to + 12, m->bytes, m->nr_bytes);
}

static void put_response(struct packer *p, const struct vmiring_response *rsp)
{
    uint8_t *to = element(p, EL_RESPONSE, 16 + sizeof(rsp->regs) +
                                          sizeof(rsp->emul));
    size_t i;

    if ( !to )
        return;

    be_put(to, 4, rsp->flags);
    be_put(to + 4, 2, rsp->altp2m_view);
    be_put(to + 6, 2, rsp->fast_view);
    be_put(to + 8, 4, rsp->emul_size);
    for ( i = 0; i < ARRAY_SIZE(rsp->regs); i++ )
        be_put(to + 16 + 8 * i, 8, rsp->regs[i]);
    memcpy(to + 16 + sizeof(rsp->regs), rsp->emul, sizeof(rsp->emul));
}

/* What filters want to look at without walking through the elements. */
static uint64_t value_of(const struct vmiring_event *ev, uint16_t *index)
{
    struct vmiring_ctrlreg cr;
    struct vmiring_msr msr;
    struct vmiring_cpuid cpuid;
    struct vmiring_mem mem;
    struct vmiring_descriptor desc;
    struct vmiring_interrupt intr;
    struct vmiring_vmexit vmexit;

    if ( !vmiring_get_ctrlreg(ev, &cr) )
    {
        *index = cr.index;
        return cr.new_value;
    }
    if ( !vmiring_get_descriptor(ev, &desc) )
        *index = desc.descriptor;
    if ( !vmiring_get_msr(ev, &msr) )
        return msr.msr;
    if ( !vmiring_get_cpuid(ev, &cpuid) )
        return cpuid.leaf;
    if ( !vmiring_get_mem(ev, &mem) )
        return mem.gfn;
    if ( !vmiring_get_interrupt(ev, &intr) )
        return intr.vector;
    if ( !vmiring_get_vmexit(ev, &vmexit) )
        return vmexit.reason;

    return 0;
}

static uint64_t reg_or_0(const struct vmiring_event *ev, enum vmiring_reg reg)
{
    uint64_t value;

    return vmiring_get_reg(ev, reg, &value) ? 0 : value;
}

static void put_header(struct packer *p, const vmiring *h, uint8_t kind)
{
    p->used = VMIRING_CAPTURE_HEADER;
    if ( p->room < p->used )
        return;

    memset(p->at, 0, p->used);
    be_put(p->at + CAP_MAGIC, 4, VMIRING_CAPTURE_MAGIC);
    p->at[CAP_VERSION] = VMIRING_CAPTURE_VERSION;
    p->at[CAP_COMPAT] = 1;
    p->at[CAP_KIND] = kind;
    p->at[CAP_ARCH] = h->arm64 ? CAP_ARM64 : CAP_X86;
    be_put(p->at + CAP_HEADER, 2, VMIRING_CAPTURE_HEADER);
    be_put(p->at + CAP_DOMID, 4, h->domid);
}

static void put_event(struct packer *p, const vmiring *h,
                      const struct vmiring_event *ev)
{
    uint16_t index = 0;
    uint64_t value = value_of(ev, &index);

    put_header(p, h, CAP_EVENT);
    if ( p->room < p->used )
        return;

    be_put(p->at + CAP_REASON, 2, ev->reason);
    be_put(p->at + CAP_FLAGS, 4, ev->flags);
    be_put(p->at + CAP_VCPU, 4, ev->vcpu);
    p->at[CAP_REGS] = ev->regs;
    p->at[CAP_VIEW] = ev->altp2m_view;
    be_put(p->at + CAP_INDEX, 2, index);
    be_put(p->at + CAP_ERROR, 4, ev->error);
    be_put(p->at + CAP_SEQ, 8, ev->seq);
    be_put(p->at + CAP_TIME, 8, ev->time);
    be_put(p->at + CAP_VALUE, 8, value);
    be_put(p->at + CAP_PC, 8,
           reg_or_0(ev, h->arm64 ? VMIRING_PC : VMIRING_RIP));
    be_put(p->at + CAP_TABLE, 8,
           reg_or_0(ev, h->arm64 ? VMIRING_TTBR0 : VMIRING_REG_CR3));
}

/* The caller's words, checked; memory is an array of what the first one says. */
static int put_more(struct packer *p, struct msg *msg,
                    const struct vmiring_capture_event *more)
{
    struct vmiring_capture_event m;
    struct vmiring_capture_memory mem;
    struct vmiring_response rsp;
    uint32_t i;

    if ( copy_in(msg, "capture_event", &m, sizeof(m), more, sizeof(m.size)) )
        return -1;
    if ( m.nr_memory > REPLAY_MEMORY_BLOCKS )
        return fail(msg, EINVAL, "capture_event.nr_memory: is %u, at most %u",
                    m.nr_memory, REPLAY_MEMORY_BLOCKS);
    if ( m.response )
    {
        if ( copy_in(msg, "response", &rsp, sizeof(rsp), m.response,
                     offsetof(struct vmiring_response, regs)) )
            return -1;
        put_response(p, &rsp);
    }
    for ( i = 0; i < m.nr_memory; i++ )
    {
        const char *at = (const char *)m.memory + i * m.memory->size;

        if ( copy_in(msg, "capture_memory", &mem, sizeof(mem), at,
                     sizeof(mem)) )
            return -1;
        if ( mem.nr_bytes > REPLAY_MEMORY_BYTES / REPLAY_MEMORY_BLOCKS ||
             (mem.nr_bytes && !mem.bytes) )
            return fail(msg, EINVAL, "capture_memory.nr_bytes: is %u, at most "
                        "%u", mem.nr_bytes,
                        REPLAY_MEMORY_BYTES / REPLAY_MEMORY_BLOCKS);
        put_memory(p, &mem);
    }
    put_text(p, EL_NOTE, m.note, VMIRING_CAPTURE_NOTE_MAX);

    return 0;
}

int vmiring_capture_encode(vmiring *h, const struct vmiring_event *ev,
                           const struct vmiring_capture_event *more,
                           void *packet, size_t room)
{
    struct packer p = { .at = packet, .room = packet ? room : 0 };

    if ( same_process(h) )
        return -1;
    if ( !ev || !ev->priv )
        return fail(&h->msg, EINVAL, "capture: no event");

    put_event(&p, h, ev);
    put_payload(&p, ev->priv);
    put_regs(&p, h, ev);
    if ( more && put_more(&p, &h->msg, more) )
        return -1;
    if ( p.used > VMIRING_CAPTURE_PACKET_MAX || (packet && p.used > room) )
        return fail(&h->msg, ENOSPC, "capture: the packet has %zu bytes, room "
                    "is for %zu", p.used, room);

    return p.used;
}

static void put_channel(struct packer *p, const vmiring *h)
{
    const struct vmiring_geometry *g = &h->geometry;
    uint8_t *to = element(p, EL_CHANNEL, 56);
    uint8_t *clock = element(p, EL_CLOCK, 24);

    if ( !to || !clock )
        return;

    be_put(to, 4, h->engine->abi);
    be_put(to + 4, 4, h->nr_vcpus);
    be_put(to + 8, 4, g->nr_rings);
    be_put(to + 12, 4, g->ring_bytes);
    be_put(to + 16, 8, g->generation);
    be_put(to + 24, 8, g->released_before);
    be_put(to + 32, 8, h->caps);
    be_put(to + 40, 8, h->reasons);
    be_put(to + 48, 4, h->rsp_flags);
    be_put(clock, 8, h->clock.time);
    be_put(clock + 8, 8, h->clock.wall);
    be_put(clock + 16, 8, h->clock.tsc);
}

int capture_pack_channel(const vmiring *h,
                         const struct vmiring_capture_info *info,
                         uint8_t *packet, size_t room)
{
    struct packer p = { .at = packet, .room = room };
    uint8_t *uuid;

    put_header(&p, h, CAP_CHANNEL);
    put_channel(&p, h);
    uuid = element(&p, EL_UUID, sizeof(info->uuid));
    if ( uuid )
        memcpy(uuid, info->uuid, sizeof(info->uuid));
    put_text(&p, EL_HOST, info->host, VMIRING_CAPTURE_TEXT_MAX);
    put_text(&p, EL_BOOT, info->boot_id, VMIRING_CAPTURE_TEXT_MAX);
    put_text(&p, EL_DOMAIN, info->domain, VMIRING_CAPTURE_TEXT_MAX);
    put_text(&p, EL_CHANNEL_NOTE, info->note, 4 * VMIRING_CAPTURE_TEXT_MAX);

    return p.used <= room ? (int)p.used : -1;
}
