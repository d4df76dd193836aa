/* SPDX-License-Identifier: MIT */
/* Guest memory, by physical address and by the guest's own page tables. */
#include <errno.h>
#include <string.h>

#include "capture.h"
#include "walk_arm64.h"

/* x86, by the numbers of the architecture manuals. */
#define CR0_PG      (1ULL << 31)
#define CR4_PSE     (1ULL << 4)
#define CR4_PAE     (1ULL << 5)
#define CR4_LA57    (1ULL << 12)
#define EFER_LMA    (1ULL << 10)
#define PTE_PRESENT 1ULL
#define PTE_LARGE   (1ULL << 7)
#define PTE_FRAME   0x000ffffffffff000ULL

struct paging {
    unsigned int levels;    /* 0: paging is off */
    unsigned int entry;     /* bytes of an entry: 4 or 8 */
    bool large4m;           /* 32-bit: 4 MiB pages are on */
    bool wide;              /* addresses have 64 bits */
    uint64_t root;
    bool is_arm64;          /* arm64 is what counts then */
    struct arm64_regs arm64;
};

/* ---- by physical address ---- */

typedef int access_fn(struct host *host, uint32_t domid, uint64_t gpa,
                      void *buf, size_t size);

static int write_page(struct host *host, uint32_t domid, uint64_t gpa,
                      void *buf, size_t size)
{
    return host->ops->write_phys(host, domid, gpa, buf, size);
}

/* What is left of the page that addr lies in, at most size. */
static size_t to_page_end(uint64_t addr, size_t size)
{
    size_t room = HOST_PAGE - addr % HOST_PAGE;

    return size < room ? size : room;
}

/* How an access ends: the bytes that went well, or -1 if none did. */
static int64_t ended(vmiring *h, size_t done, uint64_t addr, uint64_t *bad)
{
    int err = errno;

    if ( bad )
        *bad = addr;
    if ( done )
        return done;

    /* Xen has several ways to say that there is no memory. */
    if ( err == ENOENT || err == EINVAL || err == ESRCH )
        err = EFAULT;

    return fail(&h->msg, err, "address %#llx cannot be accessed: %s",
                (unsigned long long)addr, strerror(err));
}

static int64_t access_phys(vmiring *h, access_fn *fn, uint64_t gpa,
                           uint8_t *buf, size_t size, uint64_t *bad)
{
    size_t done = 0;

    while ( done < size )
    {
        size_t part = to_page_end(gpa + done, size - done);

        if ( gpa + done < gpa )
        {
            errno = EFAULT;
            return ended(h, done, gpa + done, bad);
        }
        if ( fn(h->host, h->domid, gpa + done, buf + done, part) )
            return ended(h, done, gpa + done, bad);
        done += part;
    }

    return done;
}

static int check_args(vmiring *h, const void *buf, size_t size)
{
    if ( usable(h) )
        return -1;
    if ( !buf || !size || size > INT64_MAX )
        return fail(&h->msg, EINVAL, "size: is %zu, or the buffer is NULL",
                    size);

    return 0;
}

int64_t vmiring_read_phys(vmiring *h, uint64_t gpa, void *buf, size_t size,
                          uint64_t *bad)
{
    if ( check_args(h, buf, size) )
        return -1;

    return access_phys(h, h->host->ops->read_phys, gpa, buf, size, bad);
}

int64_t vmiring_write_phys(vmiring *h, uint64_t gpa, const void *buf,
                           size_t size, uint64_t *bad)
{
    if ( check_args(h, buf, size) )
        return -1;

    return access_phys(h, write_page, gpa, (void *)buf, size, bad);
}

/* ---- by virtual address ---- */

static int arm64_regs_of(vmiring *h, const struct vmiring_event *ev,
                         struct arm64_regs *r)
{
    uint64_t cpsr;

    if ( vmiring_get_reg(ev, VMIRING_TTBR0, &r->ttbr0) ||
         vmiring_get_reg(ev, VMIRING_TTBR1, &r->ttbr1) ||
         vmiring_get_reg(ev, VMIRING_TCR, &r->tcr) ||
         vmiring_get_reg(ev, VMIRING_CPSR, &cpsr) )
        return fail(&h->msg, errno, "the event has no captured TTBR0, TTBR1 "
                    "and TCR: subscribe with VMIRING_REGS_CORE");
    r->cpsr = cpsr;
    r->sctlr_known = !vmiring_get_reg(ev, VMIRING_SCTLR, &r->sctlr);

    return 0;
}

static int paging_of(vmiring *h, const struct vmiring_event *ev,
                     struct paging *p)
{
    uint64_t cr0, cr3, cr4, efer, pc;

    if ( h->arm64 || !vmiring_get_reg(ev, VMIRING_PC, &pc) )
    {
        *p = (struct paging){ .is_arm64 = true };
        return arm64_regs_of(h, ev, &p->arm64);
    }

    if ( vmiring_get_reg(ev, VMIRING_REG_CR0, &cr0) ||
         vmiring_get_reg(ev, VMIRING_REG_CR3, &cr3) ||
         vmiring_get_reg(ev, VMIRING_REG_CR4, &cr4) ||
         vmiring_get_reg(ev, VMIRING_EFER, &efer) )
        return fail(&h->msg, errno, "the event has no captured CR0, CR3, CR4 "
                    "and EFER: subscribe with VMIRING_REGS_CORE");

    *p = (struct paging){ .entry = 8 };
    if ( !(cr0 & CR0_PG) )
        return 0;

    if ( efer & EFER_LMA )
    {
        p->levels = cr4 & CR4_LA57 ? 5 : 4;
        p->wide = true;
        p->root = cr3 & PTE_FRAME;
    }
    else if ( cr4 & CR4_PAE )
    {
        p->levels = 3;
        p->root = cr3 & 0xffffffe0U;
    }
    else
    {
        p->levels = 2;
        p->entry = 4;
        p->large4m = cr4 & CR4_PSE;
        p->root = cr3 & 0xfffff000U;
    }

    return 0;
}

/* Address bits that lie above what the tables translate must repeat the top. */
static bool canonical(const struct paging *p, uint64_t va)
{
    unsigned int bits = 12 + 9 * p->levels;
    int64_t upper = (int64_t)va >> (bits - 1);

    return upper == 0 || upper == -1;
}

static int no_mapping(void)
{
    errno = EFAULT;

    return -1;
}

static int read_entry(vmiring *h, const struct paging *p, uint64_t table,
                      uint64_t index, uint64_t *entry)
{
    *entry = 0;
    if ( h->host->ops->read_phys(h->host, h->domid, table + index * p->entry,
                                 entry, p->entry) )
        return -1;

    return *entry & PTE_PRESENT ? 0 : no_mapping();
}

/* Whether an entry of this level (1: the last) maps a page by itself. */
static bool is_leaf(const struct paging *p, unsigned int level, uint64_t entry)
{
    if ( level == 1 )
        return true;
    if ( !(entry & PTE_LARGE) )
        return false;
    if ( p->entry == 4 )
        return p->large4m;

    /* 2 MiB anywhere, 1 GiB only in long mode. */
    return level == 2 || (level == 3 && p->wide);
}

static uint64_t leaf_address(const struct paging *p, unsigned int level,
                             uint64_t entry, uint64_t va)
{
    unsigned int shift = 12 + (p->entry == 4 ? 10 : 9) * (level - 1);
    uint64_t offset = va & ((1ULL << shift) - 1);
    uint64_t frame = entry & PTE_FRAME;

    /* 4 MiB: bits 13 to 20 of the entry are bits 32 to 39 of the address. */
    if ( p->entry == 4 && level == 2 )
        return (entry & 0xffc00000U) | (entry & 0x1fe000U) << 19 | offset;

    return (frame & ~((1ULL << shift) - 1)) | offset;
}

struct reader {
    struct host *host;
    uint32_t domid;
};

static int read_descriptor(void *ctx, uint64_t gpa, uint64_t *descriptor)
{
    const struct reader *r = ctx;

    return r->host->ops->read_phys(r->host, r->domid, gpa, descriptor,
                                   sizeof(*descriptor));
}

static int translate(vmiring *h, const struct paging *p, uint64_t va,
                     uint64_t *gpa)
{
    struct reader reader = { h->host, h->domid };
    unsigned int bits = p->entry == 4 ? 10 : 9;
    uint64_t table = p->root;
    unsigned int level;
    uint64_t entry;

    if ( p->is_arm64 )
        return arm64_walk(&p->arm64, va, gpa, read_descriptor, &reader);

    if ( p->wide ? !canonical(p, va) : va >> 32 )
        return no_mapping();

    *gpa = va;
    for ( level = p->levels; level; level-- )
    {
        uint64_t index = va >> (12 + bits * (level - 1)) & ((1U << bits) - 1);

        /* PAE's first level has four entries, which the shift leaves. */
        if ( read_entry(h, p, table, index, &entry) )
            return -1;
        if ( is_leaf(p, level, entry) )
        {
            *gpa = leaf_address(p, level, entry, va);
            return 0;
        }
        table = entry & PTE_FRAME;
    }

    return 0;
}

int vmiring_translate(vmiring *h, const struct vmiring_event *ev, uint64_t va,
                      uint64_t *gpa)
{
    struct paging p;

    if ( usable(h) || paging_of(h, ev, &p) )
        return -1;
    if ( translate(h, &p, va, gpa) )
        return ended(h, 0, va, NULL);

    return 0;
}

static int64_t access_virt(vmiring *h, const struct vmiring_event *ev,
                           access_fn *fn, uint64_t va, uint8_t *buf,
                           size_t size, uint64_t *bad)
{
    size_t done = 0;
    struct paging p;

    if ( check_args(h, buf, size) || paging_of(h, ev, &p) )
        return -1;

    while ( done < size )
    {
        uint64_t at = va + done;
        size_t part = to_page_end(at, size - done);
        uint64_t gpa;

        if ( translate(h, &p, at, &gpa) ||
             fn(h->host, h->domid, gpa, buf + done, part) )
            return ended(h, done, at, bad);
        done += part;
    }

    return done;
}

int64_t vmiring_read_virt(vmiring *h, const struct vmiring_event *ev,
                          uint64_t va, void *buf, size_t size, uint64_t *bad)
{
    if ( h->caps & VMIRING_CAP_REPLAY )
        return check_args(h, buf, size) ? -1
               : replay_read(h, ev, va, buf, size, bad);

    return access_virt(h, ev, h->host->ops->read_phys, va, buf, size, bad);
}

int64_t vmiring_write_virt(vmiring *h, const struct vmiring_event *ev,
                           uint64_t va, const void *buf, size_t size,
                           uint64_t *bad)
{
    return access_virt(h, ev, write_page, va, (void *)buf, size, bad);
}
