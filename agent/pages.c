/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "pages.h"

#define TOGETHER 4U             /* pages that one instruction can need */

/* What one vCPU opened and nobody has closed yet. */
struct opened {
    uint64_t pc;                /* of the instruction that opened the last */
    uint64_t *gfn;
    unsigned int nr, room;
};

struct pages {
    vmiring *h;
    const struct event_list *list;
    bool lift, rearm;
    uint32_t nr_vcpus;
    struct opened *vcpu;
};

struct pages *pages_open(vmiring *h, const struct event_list *list,
                         uint32_t nr_vcpus, bool lift, bool rearm)
{
    struct pages *p = calloc(1, sizeof(*p));

    if ( !p )
        return NULL;
    *p = (struct pages){ .h = h, .list = list, .lift = lift, .rearm = rearm,
                         .nr_vcpus = nr_vcpus };
    p->vcpu = calloc(nr_vcpus, sizeof(*p->vcpu));
    if ( !p->vcpu )
    {
        free(p);
        return NULL;
    }
    return p;
}

void pages_close(struct pages *p)
{
    if ( !p )
        return;
    for ( uint32_t v = 0; v < p->nr_vcpus; v++ )
        free(p->vcpu[v].gfn);
    free(p->vcpu);
    free(p);
}

/* The choice that a page belongs to, or NULL. */
static const struct event_choice *choice_of(const struct pages *p,
                                            uint64_t gfn)
{
    for ( unsigned int i = 0; i < p->list->nr; i++ )
    {
        const struct event_choice *c = &p->list->item[i];

        if ( c->kind->way == WAY_PAGES && gfn - c->gfn < c->nr )
            return c;
    }
    return NULL;
}

/* Watches the first nr of what a vCPU opened again. */
static int watch_again(struct pages *p, struct opened *o, unsigned int nr)
{
    uint8_t access[256];
    size_t done;
    int rc = 0;

    for ( unsigned int i = 0; i < nr && !rc; i += done )
    {
        unsigned int n = nr - i < sizeof(access) ? nr - i : sizeof(access);

        for ( unsigned int k = 0; k < n; k++ )
            access[k] = choice_of(p, o->gfn[i + k])->access;
        rc = vmiring_set_access_list(p->h, o->gfn + i, access, n, &done);
    }
    o->nr -= nr;
    memmove(o->gfn, o->gfn + nr, o->nr * sizeof(*o->gfn));
    return rc;
}

static int remember(struct opened *o, uint64_t gfn)
{
    if ( o->nr == o->room )
    {
        unsigned int room = o->room ? 2 * o->room : TOGETHER;
        uint64_t *more = realloc(o->gfn, room * sizeof(*more));

        if ( !more )
            return -1;
        o->gfn = more;
        o->room = room;
    }
    o->gfn[o->nr++] = gfn;
    return 0;
}

/* Which pages a lost event was about is not known: any of them. */
static int all_again(struct pages *p)
{
    for ( unsigned int i = 0; i < p->list->nr; i++ )
    {
        const struct event_choice *c = &p->list->item[i];

        if ( c->kind->way == WAY_PAGES &&
             vmiring_set_access(p->h, c->gfn, c->nr, c->access) )
            return -1;
    }
    return 0;
}

static int page_event(struct pages *p, struct opened *o,
                      const struct vmiring_event *ev, uint64_t gfn)
{
    bool sync = ev->flags & VMIRING_EV_SYNC;
    uint64_t pc = 0;

    if ( vmiring_get_reg(ev, VMIRING_PC, &pc) )
        (void)vmiring_get_reg(ev, VMIRING_RIP, &pc);
    if ( p->rearm && sync && o->nr &&
         (pc != o->pc || o->nr >= TOGETHER) &&
         watch_again(p, o, pc != o->pc ? o->nr : 1) )
        return -1;
    o->pc = pc;
    return p->rearm ? remember(o, gfn) : 0;
}

int pages_event(struct pages *p, const struct vmiring_event *ev)
{
    struct vmiring_mem mem;
    struct opened *o;

    if ( ev->reason == VMIRING_LOST )
        return p->rearm ? all_again(p) : 0;
    if ( ev->vcpu >= p->nr_vcpus )
        return 0;
    o = &p->vcpu[ev->vcpu];
    if ( !vmiring_get_mem(ev, &mem) )
        return choice_of(p, mem.gfn) ? page_event(p, o, ev, mem.gfn) : 0;
    return o->nr ? watch_again(p, o, o->nr) : 0;
}

int pages_answered(struct pages *p, const struct vmiring_event *ev)
{
    struct vmiring_mem mem;

    if ( !p->lift || !(ev->flags & VMIRING_EV_SYNC) ||
         ev->vcpu >= p->nr_vcpus || vmiring_get_mem(ev, &mem) ||
         !choice_of(p, mem.gfn) )
        return 0;
    return vmiring_set_access(p->h, mem.gfn, 1, VMIRING_ACCESS_RWX);
}
