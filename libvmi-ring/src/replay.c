/* SPDX-License-Identifier: MIT */
/*
 * A capture as a transport: a host without a machine, whose engine takes its
 * events from a file.  There is nothing to be told, so nothing is: answers are
 * kept for those who ask (vmiring_replay_response()).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "capture.h"

#define ANSWERS 1024U

struct answer {
    uint64_t handle;
    struct vmiring_response rsp;
};

struct replay {
    struct host host;
    char *path;
    pcap_t *pcap;
    uint64_t packets;       /* read so far, for messages */
    bool everything;
    bool access, interrupt; /* what comes without a subscription was asked for */
    uint64_t last_handle;
    int ended;              /* errno of the end, once it was met */
    struct msg why;
    struct capture_channel channel;
    struct answer answers[ANSWERS];
};

static struct replay *replay_of(const vmiring *h)
{
    return (struct replay *)h->host;
}

/* ---- host: there is none ---- */

static int not_here(void)
{
    errno = ENODATA;

    return -1;
}

static int replay_dm_op(struct host *host, uint32_t domid, void *buf0,
                        size_t size0, void *buf1, size_t size1)
{
    (void)host, (void)domid, (void)buf0, (void)size0, (void)buf1, (void)size1;

    return not_here();
}

static int replay_drain(struct host *host)
{
    (void)host;

    return 0;
}

static int replay_read_phys(struct host *host, uint32_t domid, uint64_t gpa,
                            void *buf, size_t size)
{
    (void)host, (void)domid, (void)gpa, (void)buf, (void)size;

    return not_here();
}

static int replay_write_phys(struct host *host, uint32_t domid, uint64_t gpa,
                             const void *buf, size_t size)
{
    (void)host, (void)domid, (void)gpa, (void)buf, (void)size;

    return not_here();
}

static void replay_forget(struct host *host)
{
    (void)host;
}

static int replay_restrict(struct host *host, uint32_t domid)
{
    (void)host, (void)domid;

    return 0;
}

/* No page is shared: a child may free all, and a file is read by its owner. */
static void replay_host_close(struct host *host, bool child)
{
    struct replay *r = (struct replay *)host;

    (void)child;
    if ( r->pcap )
        pcap_close(r->pcap);
    free(r->path);
    free(r);
}

static const struct host_ops replay_host_ops = {
    .name = "capture",
    .caps = VMIRING_CAP_RESTRICT,
    .dm_op = replay_dm_op,
    .drain = replay_drain,
    .read_phys = replay_read_phys,
    .write_phys = replay_write_phys,
    .forget = replay_forget,
    .restrict_to = replay_restrict,
    .close = replay_host_close,
};

struct host *replay_host_open(struct msg *msg, const char *path)
{
    struct replay *r = calloc(1, sizeof(*r));
    char err[PCAP_ERRBUF_SIZE] = "";

    if ( !r || !(r->path = strdup(path)) )
    {
        free(r);
        fail(msg, ENOMEM, "no memory");
        return NULL;
    }

    r->host.ops = &replay_host_ops;
    errno = 0;
    r->pcap = pcap_open_offline_with_tstamp_precision(
        path, PCAP_TSTAMP_PRECISION_NANO, err);
    if ( r->pcap )
        return &r->host;

    /* libpcap's own complaints come without an errno. */
    fail(msg, errno ? errno : EPROTO, "%.255s", err);
    replay_host_close(&r->host, false);

    return NULL;
}

/* ---- the file ---- */

/* 1 a packet of ours, 0 the end, -1 errno EBADMSG. */
static int next_packet(vmiring *h, const uint8_t **packet, size_t *size,
                       int *kind)
{
    struct replay *r = replay_of(h);
    struct pcap_pkthdr *hdr;
    int rc;

    for ( ;; )
    {
        rc = pcap_next_ex(r->pcap, &hdr, packet);
        if ( rc == PCAP_ERROR_BREAK )
            return 0;
        if ( rc != 1 )
            return fail(&h->msg, EBADMSG, "%s: after packet %llu: %s", r->path,
                        (unsigned long long)r->packets,
                        pcap_geterr(r->pcap));

        r->packets++;
        *size = hdr->caplen;
        *kind = capture_kind(*packet, *size);
        if ( *kind < 0 )
            return fail(&h->msg, EBADMSG, "%s: packet %llu is not one of "
                        "vmi-ring, or needs a later version to be read",
                        r->path, (unsigned long long)r->packets);
        if ( *kind )
            return 1;
    }
}

static int read_channel(vmiring *h)
{
    struct replay *r = replay_of(h);
    const uint8_t *packet;
    const char *bad = NULL;
    size_t size;
    int kind = 0;

    if ( pcap_datalink(r->pcap) != VMIRING_CAPTURE_LINKTYPE )
        return fail(&h->msg, EPROTO, "%s: is not a capture of vmi-ring (link "
                    "type %d, should be %d)", r->path,
                    pcap_datalink(r->pcap), VMIRING_CAPTURE_LINKTYPE);
    if ( next_packet(h, &packet, &size, &kind) < 0 )
    {
        errno = EPROTO;
        return -1;
    }
    if ( kind != CAP_CHANNEL )
        return fail(&h->msg, EPROTO, "%s: does not begin with a channel",
                    r->path);
    bad = capture_parse_channel(&r->channel, packet, size);
    if ( bad )
        return fail(&h->msg, EPROTO, "%s: the first packet has a bad %s",
                    r->path, bad);

    return 0;
}

/* ---- which events are wanted ---- */

static bool matches(const struct vmiring_subscription *s,
                    const struct event *e)
{
    const struct vmev2_ctrlreg *cr = e->payload;
    const struct vmev2_msr *msr = e->payload;

    if ( s->reason != e->rec.reason )
        return false;

    switch ( s->reason )
    {
    case VMIRING_WRITE_CTRLREG:
        if ( e->rec.payload_size < sizeof(*cr) || cr->index != s->index )
            return false;
        return !(s->onchangeonly || s->mask) ||
               (s->onchangeonly && !s->mask
                    ? cr->new_value != cr->old_value
                    : ((cr->new_value ^ cr->old_value) & ~s->mask) != 0);

    case VMIRING_MOV_TO_MSR:
        if ( e->rec.payload_size < sizeof(*msr) || msr->msr != s->msr )
            return false;
        return !s->onchangeonly || msr->new_value != msr->old_value;

    default:
        return true;
    }
}

static bool wanted(const vmiring *h, const struct event *e)
{
    const struct replay *r = replay_of(h);
    size_t i;

    if ( r->everything || e->rec.reason >= VMIRING_LOST ||
         (e->rec.reason == VMIRING_MEM_ACCESS && r->access) ||
         (e->rec.reason == VMIRING_INTERRUPT && r->interrupt) )
        return true;

    for ( i = 0; i < h->nr_subs; i++ )
        if ( matches(&h->subs[i], e) )
            return true;

    return false;
}

/* ---- engine ---- */

static int replay_ok(vmiring *h)
{
    (void)h;

    return 0;
}

static int find_next(vmiring *h, struct event *e)
{
    struct replay *r = replay_of(h);
    const uint8_t *packet;
    const char *bad;
    size_t size;
    int kind;
    int rc;

    while ( (rc = next_packet(h, &packet, &size, &kind)) > 0 )
    {
        /* Files that were joined; what is of another domain is not ours. */
        if ( kind != CAP_EVENT ||
             be_get(packet + CAP_DOMID, 4) != r->channel.domid )
            continue;

        bad = capture_parse_event(e, packet, size, h->nr_vcpus);
        if ( bad )
            return fail(&h->msg, EBADMSG, "%s: packet %llu has a bad %s",
                        r->path, (unsigned long long)r->packets, bad);
        if ( !wanted(h, e) )
            continue;

        if ( e->rec.flags & VMEV2_REC_SYNC )
            e->handle = ++r->last_handle;
        if ( e->error )
            h->stats.refused++;
        if ( e->rec.reason == VMIRING_LOST )
            h->stats.lost += e->lost.count;
        return 1;
    }

    return rc ? rc : fail(&h->msg, ENODEV, "the capture %s has ended", r->path);
}

/* The end is told after the events before it, and again to who asks again. */
static int replay_next(vmiring *h, struct event *e)
{
    struct replay *r = replay_of(h);

    if ( r->ended )
        return fail(&h->msg, r->ended, "%s", r->why.text);
    if ( find_next(h, e) > 0 )
        return 1;

    r->ended = errno;
    r->why = h->msg;

    return -1;
}

/* There is always more, if it be the end. */
static bool replay_settle(vmiring *h)
{
    (void)h;

    return true;
}

static int replay_respond(vmiring *h, uint32_t vcpu, uint64_t handle,
                          const struct vmiring_response *rsp)
{
    static const struct vmiring_response go_on = { .size = sizeof(go_on) };
    struct replay *r = replay_of(h);
    struct answer *a = &r->answers[handle % ANSWERS];

    if ( handle > r->last_handle )
        return fail(&h->msg, ECANCELED, "vCPU %u has no such request", vcpu);
    if ( a->handle == handle )
        return fail(&h->msg, EALREADY, "vCPU %u's request was answered before",
                    vcpu);

    a->handle = handle;
    a->rsp = rsp ? *rsp : go_on;
    if ( a->rsp.flags & VMIRING_RSP_GET_NEXT_INTERRUPT )
        r->interrupt = true;

    return 0;
}

static int replay_monitor(vmiring *h, const struct vmiring_subscription *s,
                          bool enable)
{
    size_t i;

    for ( i = 0; i < h->nr_subs; i++ )
        if ( h->subs[i].reason == s->reason && h->subs[i].index == s->index &&
             h->subs[i].msr == s->msr )
            return enable ? fail(&h->msg, EEXIST, "subscribed already") : 0;
    if ( !enable )
        return fail(&h->msg, ENOENT, "was not subscribed");
    if ( !(h->reasons >> s->reason & 1) )
        return fail(&h->msg, EOPNOTSUPP, "the host of this capture could not "
                    "raise %s", vmiring_reason_name(s->reason));

    return 0;
}

static int replay_set_access(vmiring *h, uint64_t first, uint64_t nr,
                             uint8_t access)
{
    (void)first, (void)nr, (void)access;
    replay_of(h)->access = true;

    return 0;
}

static int replay_get_access(vmiring *h, uint64_t gfn, uint8_t *access)
{
    (void)gfn, (void)access;

    return fail(&h->msg, ENODATA, "a capture does not hold access rights");
}

static int replay_leave(vmiring *h)
{
    return fail(&h->msg, ENOTSUP, "leave: a capture has no channel");
}

static void replay_close(vmiring *h, bool child)
{
    (void)h, (void)child;
}

#define REPLAY_ENGINE(abi_) { \
    .abi = abi_, .check = replay_ok, .collect = replay_ok, \
    .next = replay_next, .settle = replay_settle, .respond = replay_respond, \
    .kick = replay_ok, .monitor = replay_monitor, \
    .set_access = replay_set_access, .get_access = replay_get_access, \
    .leave = replay_leave, .close = replay_close }

static const struct engine_ops replay_v2 = REPLAY_ENGINE(VMIRING_ABI_V2);
static const struct engine_ops replay_legacy =
    REPLAY_ENGINE(VMIRING_ABI_LEGACY);

/* What is true of the events, and not of a channel. */
#define REPLAY_CAPS (VMIRING_CAP_LOSSY | VMIRING_CAP_REGSETS | \
                     VMIRING_CAP_SEQUENCE | VMIRING_CAP_TIME | \
                     VMIRING_CAP_SIMULATED)

int replay_open(vmiring *h, const vmiring_options *opts)
{
    struct replay *r = replay_of(h);
    const struct capture_channel *c = &r->channel;

    if ( read_channel(h) )
        return -1;
    if ( opts->domid && opts->domid != c->domid )
        return fail(&h->msg, ENOENT, "%s: is of domain %u, not %u", r->path,
                    c->domid, opts->domid);
    if ( opts->abi && opts->abi != c->abi )
        return fail(&h->msg, EPROTONOSUPPORT, "%s: was made with the other "
                    "ABI", r->path);

    r->everything = opts->flags & VMIRING_OPEN_EVERYTHING;
    h->engine = c->abi == VMIRING_ABI_V2 ? &replay_v2 : &replay_legacy;
    h->domid = c->domid;
    h->nr_vcpus = c->nr_vcpus;
    h->arm64 = c->arm64;
    h->caps = (c->caps & REPLAY_CAPS) | VMIRING_CAP_REPLAY |
              r->host.ops->caps;
    h->simulated = h->caps & VMIRING_CAP_SIMULATED;
    h->reasons = c->reasons;
    h->rsp_flags = c->rsp_flags;
    h->body_size = sizeof(struct replay_body);
    h->clock = c->clock;
    h->geometry.nr_vcpus = c->nr_vcpus;
    h->geometry.nr_rings = c->nr_rings;
    h->geometry.ring_bytes = c->ring_bytes;
    h->geometry.generation = c->generation;
    h->geometry.released_before = c->released_before;
    fds_arm(h);

    return 0;
}

/* ---- what only replays have ---- */

int64_t replay_read(vmiring *h, const struct vmiring_event *ev, uint64_t va,
                    void *buf, size_t size, uint64_t *bad)
{
    const struct event *e = ev ? ev->priv : NULL;
    const struct replay_body *body = e ? (const void *)e->body : NULL;
    uint32_t i;

    if ( bad )
        *bad = va;
    for ( i = 0; body && i < body->nr_memory; i++ )
    {
        const struct replay_memory *m = &body->memory[i];
        uint64_t skip = va - m->address;

        if ( skip < m->size )
        {
            if ( size > m->size - skip )
                size = m->size - skip;
            memcpy(buf, body->bytes + m->from + skip, size);
            if ( bad )
                *bad = va + size;
            return size;
        }
        if ( skip == m->size && m->error )
            return fail(&h->msg, m->error, "address %#llx could not be "
                        "accessed: %s", (unsigned long long)va,
                        strerror(m->error));
    }

    return fail(&h->msg, ENODATA, "the capture does not hold address %#llx",
                (unsigned long long)va);
}

int vmiring_capture_info(const vmiring *h, struct vmiring_capture_info *out)
{
    struct msg *msg = (struct msg *)&h->msg;
    struct vmiring_capture_info info = { .size = sizeof(info) };
    const struct capture_channel *c;

    if ( !(h->caps & VMIRING_CAP_REPLAY) )
        return fail(msg, ENODATA, "capture_info: this is not a replay");

    c = &replay_of(h)->channel;
    info.host = c->host;
    info.boot_id = c->boot_id;
    info.domain = c->domain;
    info.note = c->note;
    memcpy(info.uuid, c->uuid, sizeof(info.uuid));

    return copy_out(msg, "capture_info", out, &info, sizeof(info),
                    sizeof(info.size));
}

int vmiring_get_replayed(const struct vmiring_event *ev,
                         struct vmiring_replayed *out)
{
    const struct event *e = ev ? ev->priv : NULL;
    struct msg msg;

    /* Only these come with a struct replay_body. */
    if ( !e || !e->replayed )
    {
        errno = ENODATA;
        return -1;
    }

    return copy_out(&msg, "replayed", out,
                    &((const struct replay_body *)e->body)->extra,
                    sizeof(*out), sizeof(out->size));
}

int vmiring_replay_response(const vmiring *h, const struct vmiring_event *ev,
                            struct vmiring_response *out)
{
    struct msg *msg = (struct msg *)&h->msg;
    const struct answer *a;

    if ( !(h->caps & VMIRING_CAP_REPLAY) )
        return fail(msg, ENODATA, "replay_response: this is not a replay");
    if ( !ev || !ev->handle )
        return fail(msg, EINVAL, "replay_response: the event did not wait");

    a = &replay_of(h)->answers[ev->handle % ANSWERS];
    if ( a->handle != ev->handle )
        return fail(msg, ENOENT, "replay_response: none was given");

    return copy_out(msg, "response", out, &a->rsp, sizeof(a->rsp),
                    offsetof(struct vmiring_response, regs));
}
