/* SPDX-License-Identifier: MIT */
/*
 * Workers: handles for the sync requests of some vCPUs, by the ports of their
 * slots.  A worker finds all that it needs in the control page, so it shares
 * nothing with the main handle, which may be another process's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "v2.h"

static int only_main(struct msg *msg, const char *field)
{
    return fail(msg, EINVAL, "options.%s: is set, but a worker takes domid, sim "
                "and spin_us only; the rest is vmiring_open()'s", field);
}

int worker_check(struct msg *msg, const vmiring_options *o,
                 struct vmiring_worker *out, const struct vmiring_worker *in)
{
    if ( o->abi == VMIRING_ABI_LEGACY )
        return fail(msg, ENOTSUP, "options.abi: the legacy ABI has one FIFO for "
                    "all vCPUs and no workers");
    if ( o->flags )
        return only_main(msg, "flags");
    if ( o->required )
        return only_main(msg, "required");
    if ( o->ring_bytes )
        return only_main(msg, "ring_bytes");
    if ( o->on_death )
        return only_main(msg, "on_death");
    if ( o->deadline_ms )
        return only_main(msg, "deadline_ms");
    if ( o->capture )
        return only_main(msg, "capture");

    if ( copy_in(msg, "worker", out, sizeof(*out), in, sizeof(*out)) )
        return -1;
    if ( out->flags )
        return fail(msg, EINVAL, "worker.flags: is %#x, should be 0",
                    out->flags);
    if ( !out->vcpus || !out->nr_vcpus )
        return fail(msg, EINVAL, "worker.vcpus: is empty");

    return 0;
}

/* ---- open ---- */

/* The main handle's channel, as far as INFO tells. */
static int find_channel(vmiring *h, const struct vmiring_worker *w)
{
    struct vmev2_op_info info;

    if ( v2_info(h->host, h->domid, &info, NULL, 0, 0) < 0 )
        return v2_query_fail(&h->msg, h->domid);

    if ( info.legacy )
        return fail(&h->msg, ENOTSUP, "domain %u is watched through the legacy "
                    "ABI, which has one FIFO and no workers", h->domid);
    if ( info.state != VMEV2_STATE_ARMED )
        return fail(&h->msg, ENXIO, "domain %u has no channel to work for: open "
                    "the main handle first", h->domid);
    if ( w->generation && w->generation != info.generation )
        return fail(&h->msg, ESTALE, "worker.generation: is %llu, but the "
                    "channel of domain %u is generation %llu by now",
                    (unsigned long long)w->generation, h->domid,
                    (unsigned long long)info.generation);
    if ( !info.slot_ports )
        return fail(&h->msg, ENOTSUP, "the channel of domain %u has no ports "
                    "for workers: open the main handle with "
                    "VMIRING_OPEN_SLOT_PORTS; the guest must have event channel "
                    "ports left", h->domid);

    h->v2->generation = info.generation;

    return v2_alloc_vcpus(h, info.nr_vcpus);
}

static uint32_t pages(uint64_t bytes)
{
    return bytes < VMEV2_RING_MAX ? (bytes + HOST_PAGE - 1) / HOST_PAGE : 0;
}

/*
 * A creator is told how many pages there are, a worker reads it from the first
 * of them.  Xen does not map more than there are.
 */
static int learn_pages(vmiring *h)
{
    struct v2 *v2 = h->v2;
    struct vmev2_ctrl c;
    void *first = v2_map(h, VMEV2_RES_CTRL, 0, 1, PROT_READ, 1);

    if ( !first )
        return -1;
    c = *(const volatile struct vmev2_ctrl *)first;
    h->host->ops->unmap(h->host, first, 1, 1);

    v2->frames[VMEV2_RES_CTRL] = pages(c.ctrl_bytes);
    v2->frames[VMEV2_RES_SLOTS] = pages((uint64_t)c.nr_vcpus * c.slot_size);
    v2->frames[VMEV2_RES_USER] =
        pages((uint64_t)c.nr_rings * sizeof(struct vmev2_user_line));
    v2->frames[VMEV2_RES_RING] =
        c.ring_bytes / HOST_PAGE * (uint64_t)c.nr_rings;
    if ( !v2->frames[VMEV2_RES_CTRL] || !v2->frames[VMEV2_RES_SLOTS] )
        return fail(&h->msg, EPROTO, "control page of domain %u: ctrl_bytes is "
                    "%u, slot_size %u", h->domid, c.ctrl_bytes, c.slot_size);

    return 0;
}

static int bind_slot(vmiring *h, uint32_t vcpu, uint32_t port)
{
    struct v2_vcpu *v = &h->v2->vcpus[vcpu];

    v->local = h->host->ops->bind(h->host, h->domid, port);
    if ( v->local < 0 && errno == EINVAL )
        return fail(&h->msg, EBUSY, "worker.vcpus: vCPU %u of domain %u has a "
                    "worker already, or the channel has just been taken over",
                    vcpu, h->domid);
    if ( v->local < 0 )
        return fail(&h->msg, errno, "binding the port of vCPU %u of domain %u: "
                    "%s", vcpu, h->domid, strerror(errno));

    v->has_port = true;
    v->serve = 1U << VMEV2_PENDING_SLOT;

    return 0;
}

/* The set, each vCPU once: serve marks those that are wanted. */
static int mark_wanted(vmiring *h, const struct vmiring_worker *w)
{
    struct v2 *v2 = h->v2;
    uint32_t i;

    for ( i = 0; i < w->nr_vcpus; i++ )
    {
        if ( w->vcpus[i] >= v2->nr_vcpus )
            return fail(&h->msg, ERANGE, "worker.vcpus: entry %u is vCPU %u, "
                        "domain %u has %u", i, w->vcpus[i], h->domid,
                        v2->nr_vcpus);
        if ( v2->vcpus[w->vcpus[i]].due )
            return fail(&h->msg, EINVAL, "worker.vcpus: vCPU %u is named twice",
                        w->vcpus[i]);
        v2->vcpus[w->vcpus[i]].due = true;
    }

    return 0;
}

static int bind_all(vmiring *h)
{
    struct v2 *v2 = h->v2;
    uint32_t i;

    v2->own = calloc(v2->nr_vcpus, sizeof(*v2->own));
    if ( !v2->own )
        return fail(&h->msg, ENOMEM, "no memory");

    for ( i = 0; i < v2->nr_vcpus; i++ )
    {
        uint32_t port = v2->vcpus[i].due ? v2_slot_port(v2, i) : 0;

        v2->vcpus[i].due = false;
        if ( !port )
            continue;
        if ( bind_slot(h, i, port) )
            return -1;
        v2->own[v2->nr_own++] = i;
    }

    if ( !v2->nr_own )
        return fail(&h->msg, ENOSPC, "worker.vcpus: none of these has an event "
                    "channel port, the guest has used up its own; vCPUs below "
                    "%u have one", h->geometry.slot_ports);

    return 0;
}

int v2_open_worker(vmiring *h, const struct vmiring_worker *w)
{
    int err;

    h->v2 = calloc(1, sizeof(*h->v2));
    if ( !h->v2 )
        return fail(&h->msg, ENOMEM, "no memory");

    if ( !find_channel(h, w) && !mark_wanted(h, w) && !learn_pages(h) &&
         !v2_map_slots(h) && !v2_read_geometry(h) && !bind_all(h) &&
         !fds_watch(h, h->host->ops->fd(h->host)) && !v2_check(h) )
    {
        h->v2->nr_rings = 0;    /* the main handle's */
        h->body_size = h->v2->slot_rsp - VMEV2_SLOT_REC;
        h->geometry.nr_vcpus = h->v2->nr_vcpus;
        h->geometry.generation = h->v2->generation;
        h->engine = &v2_worker_engine;
        return 0;
    }

    err = errno;
    v2_free(h, false);
    errno = err;

    return -1;
}

int vmiring_worker_vcpus(const vmiring *h, uint32_t *vcpus, uint32_t nr)
{
    uint32_t i;

    if ( same_process((vmiring *)h) )
        return -1;
    if ( nr && !vcpus )
        return fail((struct msg *)&h->msg, EINVAL, "worker_vcpus: vcpus is NULL");
    if ( !h->v2 || !h->v2->own )
        return 0;

    for ( i = 0; i < nr && i < h->v2->nr_own; i++ )
        vcpus[i] = h->v2->own[i];

    return h->v2->nr_own;
}

/* ---- what a worker does not do ---- */

static int no_control(vmiring *h, const char *what)
{
    return fail(&h->msg, ENOTSUP, "%s: this is a worker; the handle that "
                "vmiring_open() gave does that", what);
}

int v2_worker_monitor(vmiring *h, const struct vmiring_subscription *s,
                      bool enable)
{
    (void)s;

    return no_control(h, enable ? "subscribe" : "unsubscribe");
}

int v2_worker_set_access(vmiring *h, uint64_t first, uint64_t nr,
                         uint8_t access)
{
    (void)first, (void)nr, (void)access;

    return no_control(h, "set_access");
}

int v2_worker_get_access(vmiring *h, uint64_t gfn, uint8_t *access)
{
    (void)gfn, (void)access;

    return no_control(h, "get_access");
}

int v2_worker_set_access_list(vmiring *h, const uint64_t *gfns,
                              const uint8_t *access, size_t nr, size_t *done)
{
    (void)gfns, (void)access, (void)nr, (void)done;

    return no_control(h, "set_access_list");
}

int v2_worker_leave(vmiring *h)
{
    return fail(&h->msg, ENOTSUP, "leave: this is a worker, which "
                "vmiring_close() ends; what it has not answered goes to the "
                "main handle");
}

/*
 * Answers that were given go with the last kick; the rest becomes the main
 * handle's when the ports are unbound.
 */
void v2_worker_close(vmiring *h, bool child)
{
    if ( !child && h->kick_due && !v2_check(h) )
        h->engine->kick(h);

    v2_free(h, child);
}
