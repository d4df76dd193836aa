/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_MM_H
#define SIM_XEN_MM_H

#include <asm/page.h>
#include <xen/lib.h>
#include <xen/list.h>
#include <public/xen.h>
#include <public/memory.h>

struct domain;

typedef struct { unsigned long mfn; } mfn_t;
typedef struct { unsigned long gfn; } gfn_t;
#define INVALID_GFN ((gfn_t){ ~0UL })

static inline mfn_t _mfn(unsigned long n)
{
    return (mfn_t){ n };
}

static inline unsigned long mfn_x(mfn_t mfn)
{
    return mfn.mfn;
}

static inline gfn_t _gfn(unsigned long n)
{
    return (gfn_t){ n };
}

static inline unsigned long gfn_x(gfn_t gfn)
{
    return gfn.gfn;
}

/*
 * A page of the simulated host: a page of a memfd of its domain's, so that it
 * can be passed to a client.  Its number says nothing about its place there.
 */
struct page_info {
    struct list_head list;      /* in sim_memory's list of live pages */
    unsigned long mfn;
    struct domain *owner;
    int count;                  /* general references */
    int types;                  /* type references */
    bool allocated;             /* the reference that the allocator gave */
    bool guest;                 /* RAM of the guest, or its magic page */
    int fd;
    off_t offset;
};

#define MEMF_no_refcount    (1U << 0)
#define PGT_writable_page   1U

struct page_info *alloc_domheap_page(struct domain *d, unsigned int memflags);
bool get_page(struct page_info *pg, const struct domain *d);
void put_page(struct page_info *pg);
bool get_page_and_type(struct page_info *pg, struct domain *d, unsigned int type);
void put_page_and_type(struct page_info *pg);
/* The allocator's reference, once. */
void put_page_alloc_ref(struct page_info *pg);

struct page_info *mfn_to_page(mfn_t mfn);
mfn_t page_to_mfn(const struct page_info *pg);

/* The page of the guest that a legacy ring lives in. */
int prepare_ring_for_helper(struct domain *d, unsigned long gmfn,
                            struct page_info **page, void **va);
void destroy_ring_for_helper(void **va, struct page_info *page);

#endif
