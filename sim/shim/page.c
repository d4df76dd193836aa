/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages: references and types as far as vm_event uses them, and mappings.
 *
 * Each domain has a memfd for the pages that Xen keeps for it.  A page takes
 * the next place in it, so that pages which are allocated one after the other
 * lie one after the other, and a client can map them with one mmap().  Where
 * an area grows later they don't: vmap() then moves them to a new place.  The
 * number of a page (its MFN) stays, as nothing is mapped by it but here.
 */
#include "sim.h"

#include <xen/domain_page.h>
#include <xen/vmap.h>
#include <public/hvm/params.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_PAGES   (1U << 18)
#define FIRST_MFN   0x10000UL   /* so that it is not mistaken for an index */
#define MAX_MAPS    4096U

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct page_info *frame[MAX_PAGES];
static unsigned int next_frame;
static struct {
    const void *va;
    size_t bytes;
} map[MAX_MAPS];

/* ---- references ---- */

/* A place at the end of the domain's memfd; not zeroed, as Xen's are not. */
static void take_place(struct domain *d, struct page_info *pg)
{
    static const uint8_t dirt[PAGE_SIZE] = { [0 ... PAGE_SIZE - 1] = 0xa5 };

    pg->fd = d->xen_fd;
    pg->offset = d->xen_bytes;
    d->xen_bytes += PAGE_SIZE;
    BUG_ON(pwrite(pg->fd, dirt, PAGE_SIZE, pg->offset) != PAGE_SIZE);
}

static struct page_info *new_page(struct domain *d)
{
    struct page_info *pg = calloc(1, sizeof(*pg));

    BUG_ON(!pg);
    INIT_LIST_HEAD(&pg->list);
    pg->owner = d;
    pg->count = 1;
    pg->allocated = true;

    pthread_mutex_lock(&mutex);
    while ( frame[next_frame] )
        next_frame = (next_frame + 1) % MAX_PAGES;
    pg->mfn = FIRST_MFN + next_frame;
    frame[next_frame] = pg;
    next_frame = (next_frame + 1) % MAX_PAGES;
    pthread_mutex_unlock(&mutex);

    return pg;
}

struct page_info *alloc_domheap_page(struct domain *d, unsigned int memflags)
{
    struct page_info *pg;

    ASSERT(memflags == MEMF_no_refcount);
    if ( !sim_take_alloc() || d->is_dying )
        return NULL;

    pg = new_page(d);
    spin_lock(&d->page_lock);
    take_place(d, pg);
    d->xen_pages++;
    spin_unlock(&d->page_lock);
    sim_count(&sim_nr_pages, 1);

    return pg;
}

static void free_page(struct page_info *pg)
{
    struct domain *d = pg->owner;

    BUG_ON(pg->types);
    BUG_ON(pg->allocated);
    if ( !pg->guest )
    {
        spin_lock(&d->page_lock);
        d->xen_pages--;
        spin_unlock(&d->page_lock);
        sim_count(&sim_nr_pages, -1);
    }

    pthread_mutex_lock(&mutex);
    frame[pg->mfn - FIRST_MFN] = NULL;
    pthread_mutex_unlock(&mutex);
    free(pg);
}

bool get_page(struct page_info *pg, const struct domain *d)
{
    if ( pg->owner != d )
        return false;
    __atomic_fetch_add(&pg->count, 1, __ATOMIC_SEQ_CST);

    return true;
}

void put_page(struct page_info *pg)
{
    int left = __atomic_sub_fetch(&pg->count, 1, __ATOMIC_SEQ_CST);

    BUG_ON(left < 0);
    if ( !left )
        free_page(pg);
}

bool get_page_and_type(struct page_info *pg, struct domain *d, unsigned int type)
{
    ASSERT(type == PGT_writable_page);
    if ( !get_page(pg, d) )
        return false;
    __atomic_fetch_add(&pg->types, 1, __ATOMIC_SEQ_CST);

    return true;
}

void put_page_and_type(struct page_info *pg)
{
    BUG_ON(__atomic_sub_fetch(&pg->types, 1, __ATOMIC_SEQ_CST) < 0);
    put_page(pg);
}

void put_page_alloc_ref(struct page_info *pg)
{
    if ( __atomic_exchange_n(&pg->allocated, false, __ATOMIC_SEQ_CST) )
        put_page(pg);
}

struct page_info *mfn_to_page(mfn_t mfn)
{
    struct page_info *pg;

    BUG_ON(mfn_x(mfn) - FIRST_MFN >= MAX_PAGES);
    pthread_mutex_lock(&mutex);
    pg = frame[mfn_x(mfn) - FIRST_MFN];
    pthread_mutex_unlock(&mutex);
    BUG_ON(!pg);

    return pg;
}

mfn_t page_to_mfn(const struct page_info *pg)
{
    return _mfn(pg->mfn);
}

int sim_page_place(unsigned long mfn, off_t *offset)
{
    const struct page_info *pg = mfn_to_page(_mfn(mfn));

    *offset = pg->offset;

    return pg->fd;
}

/* ---- mappings ---- */

static void *map_range(int fd, off_t offset, size_t bytes)
{
    void *va = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
    unsigned int i;

    BUG_ON(va == MAP_FAILED);

    pthread_mutex_lock(&mutex);
    for ( i = 0; i < MAX_MAPS && map[i].va; i++ )
        ;
    BUG_ON(i == MAX_MAPS);
    map[i].va = va;
    map[i].bytes = bytes;
    pthread_mutex_unlock(&mutex);
    sim_count(&sim_nr_maps, 1);

    return va;
}

static void unmap_range(const void *va)
{
    unsigned int i;

    pthread_mutex_lock(&mutex);
    for ( i = 0; i < MAX_MAPS && map[i].va != va; i++ )
        ;
    BUG_ON(i == MAX_MAPS);
    map[i].va = NULL;
    munmap((void *)va, map[i].bytes);
    pthread_mutex_unlock(&mutex);
    sim_count(&sim_nr_maps, -1);
}

/*
 * Moves pages so that they follow one another.  An older mapping stays where
 * they were: who maps anew must not go on using it.
 */
static void gather(struct domain *d, const mfn_t *mfn, unsigned int nr)
{
    uint8_t copy[PAGE_SIZE];
    unsigned int i;

    for ( i = 0; i < nr; i++ )
    {
        struct page_info *pg = mfn_to_page(mfn[i]);
        off_t from = pg->offset;

        BUG_ON(pread(pg->fd, copy, PAGE_SIZE, from) != PAGE_SIZE);
        take_place(d, pg);
        BUG_ON(pwrite(pg->fd, copy, PAGE_SIZE, pg->offset) != PAGE_SIZE);
    }
}

static bool contiguous(const mfn_t *mfn, unsigned int nr)
{
    off_t at = mfn_to_page(mfn[0])->offset;
    unsigned int i;

    for ( i = 1; i < nr; i++ )
        if ( mfn_to_page(mfn[i])->offset != at + (off_t)(i * PAGE_SIZE) )
            return false;

    return true;
}

void *vmap(const mfn_t *mfn, unsigned int nr)
{
    struct page_info *pg = mfn_to_page(mfn[0]);
    struct domain *d = pg->owner;

    if ( !sim_take_alloc() )
        return NULL;

    spin_lock(&d->page_lock);
    if ( !contiguous(mfn, nr) )
        gather(d, mfn, nr);
    spin_unlock(&d->page_lock);

    return map_range(pg->fd, pg->offset, nr * PAGE_SIZE);
}

void vunmap(const void *va)
{
    unmap_range(va);
}

void clear_domain_page(mfn_t mfn)
{
    static const uint8_t zero[PAGE_SIZE];
    const struct page_info *pg = mfn_to_page(mfn);

    BUG_ON(pwrite(pg->fd, zero, PAGE_SIZE, pg->offset) != PAGE_SIZE);
}

/* ---- a domain's ---- */

static int new_memfd(const char *name, off_t bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    BUG_ON(fd < 0);
    BUG_ON(ftruncate(fd, bytes));

    return fd;
}

void sim_domain_init_pages(struct domain *d)
{
    static const unsigned int param[SIM_RINGS] = {
        [SIM_RING_MONITOR] = HVM_PARAM_MONITOR_RING_PFN,
        [SIM_RING_PAGING] = HVM_PARAM_PAGING_RING_PFN,
        [SIM_RING_SHARING] = HVM_PARAM_SHARING_RING_PFN,
    };
    unsigned int i;

    spin_lock_init(&d->page_lock);
    d->xen_fd = new_memfd("xen", 0);
    for ( i = 0; i < SIM_RINGS; i++ )
    {
        struct page_info *ring = new_page(d);

        ring->guest = true;
        ring->fd = new_memfd("ring", PAGE_SIZE);
        d->arch.ring[i] = ring;
        d->arch.hvm.params[param[i]] = SIM_RING_GFN + i;
    }
}

void sim_domain_free_pages(struct domain *d)
{
    unsigned int i;

    for ( i = 0; i < SIM_RINGS; i++ )
    {
        close(d->arch.ring[i]->fd);
        put_page_alloc_ref(d->arch.ring[i]);
    }
    close(d->xen_fd);
}

int prepare_ring_for_helper(struct domain *d, unsigned long gmfn,
                            struct page_info **page, void **va)
{
    unsigned long i = gmfn - SIM_RING_GFN;
    struct page_info *pg;

    if ( i >= SIM_RINGS )
        return -EINVAL;
    pg = d->arch.ring[i];
    if ( !get_page_and_type(pg, d, PGT_writable_page) )
        return -EINVAL;
    if ( !sim_take_alloc() )
    {
        put_page_and_type(pg);
        return -ENOMEM;
    }

    *page = pg;
    *va = map_range(pg->fd, pg->offset, PAGE_SIZE);
    d->arch.ring_va[i] = *va;

    return 0;
}

void destroy_ring_for_helper(void **va, struct page_info *page)
{
    struct domain *d = page->owner;
    unsigned int i;

    if ( !*va )
        return;

    for ( i = 0; i < SIM_RINGS; i++ )
        if ( d->arch.ring[i] == page )
            d->arch.ring_va[i] = NULL;
    unmap_range(*va);
    put_page_and_type(page);
    *va = NULL;
}

int sim_ring_fd(const struct domain *d, unsigned int ring)
{
    return d->arch.ring[ring]->fd;
}

void *sim_ring_page(const struct domain *d, unsigned int ring)
{
    return d->arch.ring_va[ring];
}
