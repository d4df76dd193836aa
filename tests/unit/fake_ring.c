/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/mman.h>

#include "fake_ring.h"

struct fake *f;
struct ring *r;
vmiring *h;

static struct ring *to_ring(struct legacy_host *lh)
{
    return (struct ring *)lh;
}

/* ---- Xen's side of the ring ---- */

vm_event_request_t *ring_slot(struct ring *r, uint32_t index)
{
    return &r->page->ring[index & (ENTRIES - 1)].req;
}

bool ring_room(const struct ring *r)
{
    return ENTRIES - (r->req_prod - r->rsp_cons) > 0;
}

void ring_put(struct ring *r, const vm_event_request_t *req)
{
    cr_assert(ring_room(r));
    *ring_slot(r, r->req_prod) = *req;
    r->req_prod++;
    __atomic_store_n(&r->page->req_prod, r->req_prod, __ATOMIC_RELEASE);
}

static void pop_answers(struct ring *r)
{
    uint32_t prod = __atomic_load_n(&r->page->rsp_prod, __ATOMIC_ACQUIRE);

    cr_assert_leq(prod - r->rsp_cons, r->req_prod - r->rsp_cons,
                  "more answers than requests");
    for ( ; r->rsp_cons != prod; r->rsp_cons++ )
    {
        vm_event_response_t rsp =
            r->page->ring[r->rsp_cons & (ENTRIES - 1)].rsp;

        r->answers++;
        if ( rsp.version != VM_EVENT_INTERFACE_VERSION ||
             rsp.vcpu_id >= VCPUS )
        {
            r->bad_answers++;
            continue;
        }
        r->last[rsp.vcpu_id] = rsp;
        if ( (rsp.flags & VM_EVENT_FLAG_VCPU_PAUSED) &&
             r->paused[rsp.vcpu_id] )
            r->paused[rsp.vcpu_id]--;
    }
}

void ring_raise(struct ring *r, uint32_t vcpu, bool sync)
{
    const vm_event_request_t req = {
        .version = VM_EVENT_INTERFACE_VERSION,
        .flags = sync ? VM_EVENT_FLAG_VCPU_PAUSED : 0,
        .reason = VM_EVENT_REASON_GUEST_REQUEST,
        .vcpu_id = vcpu,
    };

    if ( sync )
        r->paused[vcpu]++;
    if ( ring_room(r) )
        ring_put(r, &req);
    else
        r->waiting[vcpu]++;
}

/* As when Xen is notified: takes answers, then lets those in who wait. */
static void xen_side(struct ring *r)
{
    unsigned int i;

    if ( r->deaf )
        return;

    pop_answers(r);
    for ( i = 0; i < VCPUS; i++ )
        while ( r->waiting[i] && ring_room(r) )
        {
            const vm_event_request_t req = {
                .version = VM_EVENT_INTERFACE_VERSION,
                .flags = VM_EVENT_FLAG_VCPU_PAUSED,
                .reason = VM_EVENT_REASON_GUEST_REQUEST,
                .vcpu_id = i,
            };

            r->waiting[i]--;
            ring_put(r, &req);
        }
}

/* ---- the control operations ---- */

static int r_version(struct legacy_host *lh)
{
    return to_ring(lh)->version;
}

static int r_info(struct legacy_host *lh, uint32_t domid,
                  struct legacy_info *info)
{
    struct ring *r = to_ring(lh);

    cr_assert_eq(domid, FAKE_DOMID);
    r->info_calls++;
    if ( r->info_errno )
    {
        errno = r->info_errno;
        return -1;
    }
    *info = r->info;

    return 0;
}

static void *r_enable(struct legacy_host *lh, uint32_t domid, uint32_t *port)
{
    struct ring *r = to_ring(lh);

    cr_assert_eq(domid, FAKE_DOMID);
    if ( r->enable_errno )
    {
        errno = r->enable_errno;
        return NULL;
    }
    /* The guest may have scribbled on the page before. */
    memset(r->page, 0x55, HOST_PAGE);
    r->enabled = true;
    *port = FAKE_PORT;

    return r->page;
}

static int r_disable(struct legacy_host *lh, uint32_t domid)
{
    struct ring *r = to_ring(lh);

    (void)domid;
    if ( r->disable_busy )
    {
        r->disable_busy--;
        errno = EBUSY;
        return -1;
    }
    r->enabled = false;
    r->disables++;

    return 0;
}

static void r_unmap(struct legacy_host *lh, void *page)
{
    cr_assert_eq(page, to_ring(lh)->page);
}

static int r_monitor(struct legacy_host *lh, uint32_t domid,
                     const struct legacy_monitor *m)
{
    struct ring *r = to_ring(lh);

    (void)domid;
    r->monitor = *m;
    if ( r->monitor_errno )
    {
        errno = r->monitor_errno;
        return -1;
    }
    if ( !!(r->enabled_events & 1U << m->event) == m->enable )
    {
        errno = EEXIST;
        return -1;
    }
    r->enabled_events ^= 1U << m->event;

    return 0;
}

static int r_defer(struct legacy_host *lh, uint32_t domid)
{
    struct ring *r = to_ring(lh);

    (void)domid;
    errno = r->defer_errno;
    r->deferred = !r->defer_errno;

    return r->defer_errno ? -1 : 0;
}

static int r_capabilities(struct legacy_host *lh, uint32_t domid,
                          uint32_t *caps)
{
    (void)lh, (void)domid;
    *caps = 0;

    return 0;
}

static int r_mem_option(struct legacy_host *lh, uint32_t domid,
                        uint32_t option, bool on)
{
    struct ring *r = to_ring(lh);

    (void)domid;
    r->mem_option = option;
    r->mem_on = on;
    errno = r->monitor_errno;

    return r->monitor_errno ? -1 : 0;
}

static int r_pause(struct legacy_host *lh, uint32_t domid)
{
    (void)domid;
    to_ring(lh)->pauses++;

    return 0;
}

static int r_unpause(struct legacy_host *lh, uint32_t domid)
{
    (void)domid;
    to_ring(lh)->pauses--;
    xen_side(to_ring(lh));

    return 0;
}

static int r_set_access(struct legacy_host *lh, uint32_t domid,
                        uint64_t first, uint64_t nr, uint8_t access)
{
    (void)domid, (void)nr;
    if ( to_ring(lh)->access_errno && first >= to_ring(lh)->access_end )
    {
        errno = to_ring(lh)->access_errno;
        return -1;
    }
    to_ring(lh)->access = access;

    return 0;
}

static int r_get_access(struct legacy_host *lh, uint32_t domid, uint64_t gfn,
                        uint8_t *access)
{
    (void)domid;
    if ( to_ring(lh)->access_errno &&
         (gfn >= to_ring(lh)->access_end || !to_ring(lh)->access_end) )
    {
        errno = to_ring(lh)->access_errno;
        return -1;
    }
    *access = to_ring(lh)->access;

    return 0;
}

static void r_close(struct legacy_host *lh, bool child)
{
    (void)child;
    to_ring(lh)->closed = true;
}

static const struct legacy_ops ring_ops = {
    .version = r_version, .info = r_info, .enable = r_enable,
    .disable = r_disable, .unmap = r_unmap, .monitor = r_monitor,
    .defer_writes = r_defer, .capabilities = r_capabilities,
    .mem_option = r_mem_option,
    .pause = r_pause, .unpause = r_unpause, .set_access = r_set_access,
    .get_access = r_get_access, .close = r_close,
};

/* ---- fixture ---- */

static struct host_ops host_ops;
static const struct host_ops *plain_ops;

static int notify(struct host *host, int local)
{
    int rc = plain_ops->notify(host, local);

    xen_side(r);

    return rc;
}

void ring_make(void)
{
    f = fake_new(VCPUS);
    plain_ops = f->host.ops;
    host_ops = *plain_ops;
    host_ops.notify = notify;
    f->host.ops = &host_ops;

    r = calloc(1, sizeof(*r));
    r->lh.ops = &ring_ops;
    r->version = VM_EVENT_INTERFACE_VERSION;
    r->info.nr_vcpus = VCPUS;
    r->page = mmap(NULL, HOST_PAGE, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(r->page, MAP_FAILED);
}

vmiring *ring_open(vmiring_options o)
{
    vmiring_options base = fake_options();

    o.size = base.size;
    o.domid = base.domid;
    o.sim = base.sim;

    return vmiring_open_on(&f->host, &r->lh, &o);
}

void ring_set_up(void)
{
    ring_make();
    h = ring_open((vmiring_options){ .abi = VMIRING_ABI_LEGACY });
    cr_assert(h, "%s", vmiring_open_error());
}

void ring_tear_down(void)
{
    vmiring_close(h);
    cr_assert(!r->enabled);
    cr_assert(r->closed);
    cr_assert_eq(r->pauses, 0, "the domain is left paused");
    munmap(r->page, HOST_PAGE);
    free(r);
    fake_free(f);
}

int ring_subscribe(uint32_t reason, bool sync)
{
    struct vmiring_subscription s = { .size = sizeof(s), .reason = reason,
                                      .sync = sync };

    errno = 0;

    return vmiring_subscribe(h, &s);
}
