/* SPDX-License-Identifier: MIT */
/*
 * Packets of a capture, from a file that anybody may have made.  Every length
 * is checked against what is there before anything behind it is read; what a
 * later version added is stepped over.
 */
#include <errno.h>
#include <string.h>

#include "capture.h"

struct reader {
    const uint8_t *at;
    size_t left;
};

struct element {
    unsigned int type;
    const uint8_t *value;
    size_t size;
};

int capture_kind(const uint8_t *packet, size_t size)
{
    if ( size < VMIRING_CAPTURE_HEADER ||
         be_get(packet + CAP_MAGIC, 4) != VMIRING_CAPTURE_MAGIC ||
         packet[CAP_COMPAT] > VMIRING_CAPTURE_VERSION )
        return -1;
    if ( packet[CAP_KIND] != CAP_CHANNEL && packet[CAP_KIND] != CAP_EVENT )
        return 0;

    return packet[CAP_KIND];
}

static const char *begin(struct reader *r, const uint8_t *packet, size_t size)
{
    size_t header = be_get(packet + CAP_HEADER, 2);

    if ( header < VMIRING_CAPTURE_HEADER || header > size )
        return "header";

    r->at = packet + header;
    r->left = size - header;

    return NULL;
}

/* 1: *el is the next element, 0: that was all, -1: it does not fit. */
static int next_element(struct reader *r, struct element *el)
{
    if ( !r->left )
        return 0;
    if ( r->left < 4 )
        return -1;

    el->type = be_get(r->at, 2);
    el->size = be_get(r->at + 2, 2);
    if ( el->size > r->left - 4 )
        return -1;

    el->value = r->at + 4;
    r->at += 4 + el->size;
    r->left -= 4 + el->size;

    return 1;
}

/* No control characters: these end up on terminals. */
static void get_text(char *out, size_t room, const struct element *el)
{
    size_t size = el->size < room ? el->size : room - 1;
    size_t i;

    for ( i = 0; i < size; i++ )
    {
        uint8_t c = el->value[i];

        out[i] = (char)(c >= ' ' && c <= '~' ? c : '?');
    }
    out[size] = 0;
}

static const char *get_payload(struct event *e, const struct element *el)
{
    const char *shape = capture_payload_shape(e->rec.reason);
    uint8_t *to = (uint8_t *)((struct replay_body *)e->body)->payload;
    size_t used = 0;

    for ( ; *shape; shape++ )
    {
        unsigned int width = *shape - '0';
        uint64_t whole;
        uint32_t half;

        if ( width > el->size - used )
            return "payload";

        half = whole = be_get(el->value + used, width);
        memcpy(to + used, width == 8 ? (void *)&whole : (void *)&half, width);
        used += width;
    }
    e->rec.payload_size = used;

    if ( e->rec.reason == VMIRING_LOST )
        memcpy(&e->lost, to, sizeof(e->lost));
    if ( e->rec.reason == VMIRING_DOMAIN )
        memcpy(&e->domain, to, sizeof(e->domain));

    return NULL;
}

static const char *get_regs(struct event *e, const struct element *el,
                            uint8_t arch)
{
    struct replay_regs *regs = &((struct replay_body *)e->body)->regs;
    size_t used = 16;
    unsigned int i;

    if ( el->size < 16 )
        return "registers";
    /* Another set, of a version that has more than one. */
    if ( be_get(el->value, 2) != (arch == CAP_ARM64 ? VMIRING_PC : 0U) )
        return NULL;

    regs->valid = be_get(el->value + 8, 8);
    for ( i = 0; i < 64; i++ )
    {
        if ( !(regs->valid >> i & 1) )
            continue;
        if ( el->size - used < 8 )
            return "registers";
        regs->value[i] = be_get(el->value + used, 8);
        used += 8;
    }
    e->regs = regs;
    e->layout = arch == CAP_ARM64 ? REGS_ARM_REPLAYED : REGS_X86_REPLAYED;

    return NULL;
}

static const char *get_memory(struct replay_body *body,
                              const struct element *el)
{
    struct replay_memory *m;

    if ( el->size < 12 )
        return "memory";
    /* More than we keep: as if it were not there. */
    if ( body->nr_memory == REPLAY_MEMORY_BLOCKS ||
         el->size - 12 > sizeof(body->bytes) - body->nr_bytes )
        return NULL;

    m = &body->memory[body->nr_memory++];
    *m = (struct replay_memory){
        .address = be_get(el->value, 8),
        .error = be_get(el->value + 8, 4),
        .from = body->nr_bytes,
        .size = el->size - 12,
    };
    /* errno is small; what is not would turn into a success. */
    if ( m->error > 4095 )
        return "memory";
    memcpy(body->bytes + m->from, el->value + 12, m->size);
    body->nr_bytes += m->size;

    return NULL;
}

static const char *get_response(struct vmiring_replayed *extra,
                                const struct element *el)
{
    struct vmiring_response *rsp = &extra->response;
    size_t i;

    if ( el->size < 16 + sizeof(rsp->regs) + sizeof(rsp->emul) )
        return "response";

    extra->has_response = 1;
    *rsp = (struct vmiring_response){
        .size = sizeof(*rsp),
        .flags = be_get(el->value, 4),
        .altp2m_view = be_get(el->value + 4, 2),
        .fast_view = be_get(el->value + 6, 2),
        .emul_size = be_get(el->value + 8, 4),
    };
    for ( i = 0; i < ARRAY_SIZE(rsp->regs); i++ )
        rsp->regs[i] = be_get(el->value + 16 + 8 * i, 8);
    memcpy(rsp->emul, el->value + 16 + sizeof(rsp->regs), sizeof(rsp->emul));

    return NULL;
}

static const char *get_element(struct event *e, const struct element *el,
                               uint8_t arch)
{
    struct replay_body *body = (struct replay_body *)e->body;

    switch ( el->type )
    {
    case EL_PAYLOAD:
        return get_payload(e, el);

    case EL_REGISTERS:
        return get_regs(e, el, arch);

    case EL_MEMORY:
        return get_memory(body, el);

    case EL_RESPONSE:
        return get_response(&body->extra, el);

    case EL_NOTE:
        get_text(body->extra.note, sizeof(body->extra.note), el);
        return NULL;

    default:
        return NULL;
    }
}

static void get_header(struct event *e, const uint8_t *p)
{
    const uint32_t flags = be_get(p + CAP_FLAGS, 4);

    e->rec = (struct vmev2_rec){
        .size = sizeof(e->rec),
        .reason = be_get(p + CAP_REASON, 2),
        .vcpu = be_get(p + CAP_VCPU, 4),
        .regs = p[CAP_REGS],
        .altp2m_idx = p[CAP_VIEW],
        .seq = be_get(p + CAP_SEQ, 8),
        .time = be_get(p + CAP_TIME, 8),
    };
    if ( flags & VMIRING_EV_SYNC )
        e->rec.flags |= VMEV2_REC_SYNC;
    if ( flags & VMIRING_EV_ALTP2M )
        e->rec.flags |= VMEV2_REC_ALTP2M;
    if ( flags & VMIRING_EV_NESTED )
        e->rec.flags |= VMEV2_REC_NESTED;
    if ( flags & VMIRING_EV_AGAIN )
        e->error = be_get(p + CAP_ERROR, 4);
}

const char *capture_parse_event(struct event *e, const uint8_t *packet,
                                size_t size, uint32_t nr_vcpus)
{
    struct replay_body *body = (struct replay_body *)e->body;
    struct reader r;
    struct element el;
    const char *bad = begin(&r, packet, size);
    int rc = 0;

    *e = (struct event){ .body = e->body, .replayed = true };
    memset(body, 0, offsetof(struct replay_body, bytes));
    body->extra.size = sizeof(body->extra);
    if ( bad )
        return bad;

    get_header(e, packet);
    e->payload = body->payload;
    if ( e->rec.vcpu >= nr_vcpus )
        return "vcpu";
    if ( e->rec.regs > VMIRING_REGS_ALL )
        return "regs";

    while ( !bad && (rc = next_element(&r, &el)) > 0 )
        bad = get_element(e, &el, packet[CAP_ARCH]);
    if ( rc < 0 )
        bad = "element";

    return bad;
}

static const char *get_channel(struct capture_channel *c,
                               const struct element *el)
{
    const uint8_t *v = el->value;

    if ( el->size < 56 )
        return "channel";

    c->abi = be_get(v, 4);
    c->nr_vcpus = be_get(v + 4, 4);
    c->nr_rings = be_get(v + 8, 4);
    c->ring_bytes = be_get(v + 12, 4);
    c->generation = be_get(v + 16, 8);
    c->released_before = be_get(v + 24, 8);
    c->caps = be_get(v + 32, 8);
    c->reasons = be_get(v + 40, 8);
    c->rsp_flags = be_get(v + 48, 4);
    if ( c->abi != VMIRING_ABI_V2 && c->abi != VMIRING_ABI_LEGACY )
        return "ABI";
    /* What Xen can have at most; sizes of arrays come from it. */
    if ( !c->nr_vcpus || c->nr_vcpus > 8192 )
        return "number of vCPUs";

    return NULL;
}

static const char *get_channel_element(struct capture_channel *c,
                                       const struct element *el)
{
    switch ( el->type )
    {
    case EL_HOST:
        get_text(c->host, sizeof(c->host), el);
        return NULL;

    case EL_BOOT:
        get_text(c->boot_id, sizeof(c->boot_id), el);
        return NULL;

    case EL_DOMAIN:
        get_text(c->domain, sizeof(c->domain), el);
        return NULL;

    case EL_CHANNEL_NOTE:
        get_text(c->note, sizeof(c->note), el);
        return NULL;

    case EL_UUID:
        if ( el->size < sizeof(c->uuid) )
            return "uuid";
        memcpy(c->uuid, el->value, sizeof(c->uuid));
        return NULL;

    case EL_CHANNEL:
        return get_channel(c, el);

    case EL_CLOCK:
        if ( el->size < 24 )
            return "clock";
        c->clock.time = be_get(el->value, 8);
        c->clock.wall = be_get(el->value + 8, 8);
        c->clock.tsc = be_get(el->value + 16, 8);
        return NULL;

    default:
        return NULL;
    }
}

const char *capture_parse_channel(struct capture_channel *c,
                                  const uint8_t *packet, size_t size)
{
    struct reader r;
    struct element el;
    const char *bad = begin(&r, packet, size);
    int rc = 0;

    *c = (struct capture_channel){ .clock.size = sizeof(c->clock) };
    while ( !bad && (rc = next_element(&r, &el)) > 0 )
        bad = get_channel_element(c, &el);
    if ( bad )
        return bad;
    if ( rc < 0 )
        return "element";

    c->domid = be_get(packet + CAP_DOMID, 4);
    c->arm64 = packet[CAP_ARCH] == CAP_ARM64;
    if ( packet[CAP_ARCH] != CAP_X86 && packet[CAP_ARCH] != CAP_ARM64 )
        return "architecture";

    return c->nr_vcpus ? NULL : "channel";
}

int capture_parse_any(const uint8_t *data, size_t size)
{
    static struct replay_body body;
    static struct capture_channel channel;
    struct event e = { .body = (uint8_t *)&body };

    switch ( capture_kind(data, size) )
    {
    case CAP_CHANNEL:
        return capture_parse_channel(&channel, data, size) ? -1 : 0;

    case CAP_EVENT:
        return capture_parse_event(&e, data, size, 8192) ? -1 : 0;

    default:
        return -1;
    }
}
