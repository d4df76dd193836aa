/* SPDX-License-Identifier: GPL-2.0-only */
/* What a client can ask for, but for the legacy ABI. */
#include "server.h"
#include "guest.h"

#include <public/vm_event_v2.h>

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- domains ---- */

/* A UUID that is the same in every run: of name and number alone. */
static void fill_uuid(uint8_t *uuid, const char *name, domid_t domid)
{
    uint64_t h = (0xcbf29ce484222325ULL ^ domid) * 0x100000001b3ULL;
    unsigned int i;

    for ( ; *name; name++ )
        h = (h ^ (uint8_t)*name) * 0x100000001b3ULL;
    for ( i = 0; i < 16; i++ )
        uuid[i] = h >> (i % 8 * 8);
    uuid[6] = (uuid[6] & 0x0f) | 0x50;
    uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

static void describe(struct simp_domain *to, const struct domain *d)
{
    memset(to, 0, sizeof(*to));
    to->domid = d->domain_id;
    to->nr_vcpus = d->max_vcpus;
    if ( __atomic_load_n(&d->is_dying, __ATOMIC_RELAXED) )
        to->state = VMEV2_DOMAIN_DYING;
    else if ( __atomic_load_n(&d->is_shut_down, __ATOMIC_RELAXED) )
    {
        to->state = VMEV2_DOMAIN_SHUTDOWN;
        to->shutdown_code = d->shutdown_code;
    }
    to->nr_pages = GUEST_RAM_BYTES >> PAGE_SHIFT;
    memcpy(to->name, d->name, sizeof(to->name));
    fill_uuid(to->uuid, d->name, d->domain_id);
}

int op_list(struct conn *c, struct domain *unused)
{
    struct simp_domain *out = (void *)c->out;
    uint64_t room = c->req.arg[1];
    struct domain *d;
    int nr = 0;

    (void)unused;
    room = min_t(uint64_t, room, SIMP_BUF_MAX / sizeof(*out));

    rcu_read_lock(&domlist_read_lock);
    for_each_domain ( d )
        if ( d->guest && d->domain_id >= c->req.arg[0] && (uint64_t)nr < room )
            describe(&out[nr++], d);
    rcu_read_unlock(&domlist_read_lock);
    c->rep.data_size[0] = nr * sizeof(*out);

    return nr;
}

int op_dominfo(struct conn *c, struct domain *d)
{
    describe((void *)c->out, d);
    c->rep.data_size[0] = sizeof(struct simp_domain);

    return 0;
}

int op_watch(struct conn *c, struct domain *unused)
{
    (void)unused;
    c->watching = true;

    return 0;
}

int op_read_phys(struct conn *c, struct domain *d)
{
    uint64_t size = c->req.arg[1];

    if ( !size || size > SIMP_BUF_MAX )
        return -EINVAL;
    if ( !guest_read(d, c->req.arg[0], c->out, size) )
        return -EFAULT;
    c->rep.data_size[0] = size;

    return 0;
}

int op_write_phys(struct conn *c, struct domain *d)
{
    if ( !c->req.data_size[0] )
        return -EINVAL;

    return guest_write(d, c->req.arg[0], c->in, c->req.data_size[0])
           ? 0 : -EFAULT;
}

/* ---- pauses ---- */

static unsigned int *find_pauses(struct conn *c, domid_t domid, bool make)
{
    unsigned int i, vacant = MAX_PAUSES;

    for ( i = 0; i < MAX_PAUSES; i++ )
    {
        if ( c->pause[i].nr && c->pause[i].domid == domid )
            return &c->pause[i].nr;
        if ( !c->pause[i].nr && vacant == MAX_PAUSES )
            vacant = i;
    }
    if ( !make || vacant == MAX_PAUSES )
        return NULL;
    c->pause[vacant].domid = domid;

    return &c->pause[vacant].nr;
}

int op_pause(struct conn *c, struct domain *d)
{
    unsigned int *nr = find_pauses(c, d->domain_id, true);

    if ( !nr )
        return -ENOSPC;
    domain_pause_by_systemcontroller(d);
    (*nr)++;

    return 0;
}

/* One's own pauses first, then that of a domain which was started paused. */
int op_unpause(struct conn *c, struct domain *d)
{
    unsigned int *nr = find_pauses(c, d->domain_id, false);

    if ( !nr )
        return guest_unpause_start(d) ? 0 : -EINVAL;
    (*nr)--;

    return domain_unpause_by_systemcontroller(d);
}

/* ---- version 2 ---- */

int op_dm_op(struct conn *c, struct domain *d)
{
    uint32_t size0 = c->req.data_size[0], size1 = c->req.data_size[1];
    struct xen_dm_op_buf buf[2] = { { .size = size0 }, { .size = size1 } };
    int rc;

    if ( !size0 )
        return -EINVAL;

    memcpy(c->out, c->in, size0 + size1);
    buf[0].h.p = c->out;
    buf[1].h.p = c->out + size0;
    rc = sim_dm_op(d->domain_id, buf, size1 ? 2 : 1);
    if ( rc >= 0 )
    {
        c->rep.data_size[0] = size0;
        c->rep.data_size[1] = size1;
    }

    return rc;
}

/* Frames of one area lie one behind the other in the memfd: see page.c. */
int op_map_resource(struct conn *c, struct domain *d)
{
    uint64_t type = c->req.arg[0], id = c->req.arg[1], nr = c->req.arg[3];
    xen_pfn_t *mfn;
    off_t first = 0, at;
    int rc, fd = -1;

    if ( !nr || nr > (VMEV2_RING_MAX >> PAGE_SHIFT) || type > UINT32_MAX ||
         id > UINT32_MAX || c->req.arg[2] > UINT32_MAX )
        return -EINVAL;

    mfn = calloc(nr, sizeof(*mfn));
    if ( !mfn )
        return -ENOMEM;

    rc = sim_acquire_resource(d->domain_id, type, id, c->req.arg[2], nr, mfn);
    for ( uint64_t i = 0; !rc && i < nr; i++ )
    {
        fd = sim_page_place(mfn[i], &at);
        if ( !i )
            first = at;
        BUG_ON(at != first + (off_t)(i * PAGE_SIZE));
    }
    free(mfn);
    if ( rc )
        return rc;

    c->rep.val[0] = first;
    c->fds[0] = fd;
    c->rep.nr_fds = 1;

    return 0;
}

/* ---- ports ---- */

static void *run_kicker(void *arg)
{
    struct kicker *k = arg;
    struct pollfd fds[2] = { { .fd = k->kick, .events = POLLIN },
                             { .fd = k->stop, .events = POLLIN } };
    uint64_t n;

    sim_thread_init();
    pthread_setname_np(pthread_self(), "kicks");

    for ( ; ; )
    {
        if ( poll(fds, 2, -1) < 0 )
            continue;
        if ( fds[1].revents )
            break;
        if ( read(k->kick, &n, sizeof(n)) == sizeof(n) )
            sim_evtchn_send(k->binding);
    }

    return NULL;
}

static void stop_kicker(struct kicker *k)
{
    uint64_t one = 1;

    BUG_ON(write(k->stop, &one, sizeof(one)) != sizeof(one));
    pthread_join(k->thread, NULL);
    sim_evtchn_unbind(k->binding);
    close(k->kick);
    close(k->stop);
    free(k);
}

static struct kicker *start_kicker(struct sim_binding *binding, domid_t domid)
{
    struct kicker *k = calloc(1, sizeof(*k));

    BUG_ON(!k);
    k->binding = binding;
    k->domid = domid;
    k->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    k->stop = eventfd(0, EFD_CLOEXEC);
    BUG_ON(k->kick < 0 || k->stop < 0);
    BUG_ON(pthread_create(&k->thread, NULL, run_kicker, k));

    return k;
}

int op_bind(struct conn *c, struct domain *d)
{
    struct sim_binding *binding;
    unsigned int i;
    int rc;

    for ( i = 0; i < MAX_BINDINGS && c->kicker[i]; i++ )
        ;
    if ( i == MAX_BINDINGS )
        return -ENOSPC;
    if ( c->req.arg[0] > UINT32_MAX )
        return -EINVAL;

    rc = sim_evtchn_bind(d, c->req.arg[0], &binding);
    if ( rc )
        return rc;

    c->kicker[i] = start_kicker(binding, d->domain_id);
    c->rep.val[0] = sim_evtchn_local(binding);
    c->fds[0] = sim_evtchn_fd(binding);
    c->fds[1] = c->kicker[i]->kick;
    c->rep.nr_fds = 2;

    return 0;
}

int op_unbind(struct conn *c, struct domain *d)
{
    unsigned int i;

    (void)d;
    for ( i = 0; i < MAX_BINDINGS; i++ )
        if ( c->kicker[i] &&
             sim_evtchn_local(c->kicker[i]->binding) == c->req.arg[0] )
        {
            stop_kicker(c->kicker[i]);
            c->kicker[i] = NULL;
            return 0;
        }

    return -EINVAL;
}

void ops_end(struct conn *c)
{
    unsigned int i;

    for ( i = 0; i < MAX_BINDINGS; i++ )
        if ( c->kicker[i] )
            stop_kicker(c->kicker[i]);

    for ( i = 0; i < MAX_PAUSES; i++ )
    {
        struct domain *d = c->pause[i].nr
                           ? sim_domain_find(c->pause[i].domid) : NULL;

        if ( !d )
            continue;
        while ( c->pause[i].nr-- )
            domain_unpause_by_systemcontroller(d);
        put_domain(d);
    }
}
