/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that an agent can map: pages of Xen's that count to the domain but
 * are never in its p2m.  They are allocated one by one, kept until the domain
 * is torn down, and freed there in steps, so that a mapping in progress never
 * meets a page that has found another owner.
 */
#include <xen/domain_page.h>
#include <xen/mm.h>
#include <xen/softirq.h>
#include <xen/vmap.h>

#include "private.h"

/* The list is exchanged under ch->lock: resource_acquire() reads it there. */
static int make_room(struct vm_event_channel *ch, struct vm_event_area *area,
                     unsigned int nr)
{
    mfn_t *mfn, *old;

    if ( nr <= area->room )
        return 0;

    /* Not contiguous: the list of a 16 MiB ring is 32 KiB long. */
    mfn = vzalloc(nr * sizeof(*mfn));
    if ( !mfn )
        return -ENOMEM;

    spin_lock(&ch->lock);
    old = area->mfn;
    if ( area->nr )
        memcpy(mfn, old, area->nr * sizeof(*mfn));
    area->mfn = mfn;
    area->room = nr;
    spin_unlock(&ch->lock);

    vfree(old);

    return 0;
}

/* As ioreq and vmtrace pages: a type reference, no count in tot_pages. */
static int add_page(struct domain *d, struct vm_event_channel *ch,
                    struct vm_event_area *area)
{
    struct page_info *pg = alloc_domheap_page(d, MEMF_no_refcount);

    if ( !pg )
        return -ENOMEM;

    if ( unlikely(!get_page_and_type(pg, d, PGT_writable_page)) )
    {
        /* Somebody else has a reference: the domain can't go on. */
        domain_crash(d);
        return -ENODATA;
    }

    clear_domain_page(page_to_mfn(pg));

    spin_lock(&ch->lock);
    area->mfn[area->nr++] = page_to_mfn(pg);
    spin_unlock(&ch->lock);

    return 0;
}

/*
 * Brings area to at least nr pages.  What was allocated stays when this has to
 * be continued (-ERESTART) or fails, and is used by the next attempt.
 */
int vm_event_area_grow(struct domain *d, struct vm_event_channel *ch,
                       struct vm_event_area *area, unsigned int nr)
{
    int rc = make_room(ch, area, nr);

    while ( !rc && area->nr < nr )
    {
        rc = add_page(d, ch, area);
        if ( !rc && area->nr < nr && hypercall_preempt_check() )
            rc = -ERESTART;
    }

    return rc;
}

/* Nobody uses the old mapping: the channel is not live. */
int vm_event_area_map(struct vm_event_area *area, unsigned int nr)
{
    void *va;

    if ( area->mapped == nr )
        return 0;

    va = vmap(area->mfn, nr);
    if ( !va )
        return -ENOMEM;

    if ( area->va )
        vunmap((void __force *)area->va);
    area->va = (uint8_t __agent __force *)va;
    area->mapped = nr;

    return 0;
}

/* The domain is dying and ch->dead is set: nobody else is here. */
int vm_event_area_free(struct domain *d, struct vm_event_channel *ch,
                       struct vm_event_area *area)
{
    if ( area->va )
    {
        vunmap((void __force *)area->va);
        area->va = NULL;
        area->mapped = 0;
    }

    while ( area->nr )
    {
        struct page_info *pg;

        spin_lock(&ch->lock);
        pg = mfn_to_page(area->mfn[--area->nr]);
        spin_unlock(&ch->lock);

        put_page_alloc_ref(pg);
        put_page_and_type(pg);

        if ( !(area->nr & 0x1f) && area->nr && hypercall_preempt_check() )
            return -ERESTART;
    }

    vfree(area->mfn);
    area->mfn = NULL;
    area->room = 0;

    return 0;
}
