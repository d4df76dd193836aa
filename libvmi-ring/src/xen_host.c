/* SPDX-License-Identifier: MIT */
/*
 * Real Xen, through stable libraries only.
 *
 * dm_op goes through a privcmd fd of our own: libxencall's fd refuses every
 * hypercall once it is restricted, and libxendevicemodel offers no way to make
 * an operation that it does not know.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xentoolcore.h>
#include <xentoollog.h>
#include <xen/sys/privcmd.h>

#include "private.h"

/*
 * libxentoolcore's list of handles, which xentoolcore_restrict_all() walks.
 * The stable libraries embed this record, so its layout is part of their ABI,
 * but the header that declares it is not shipped.
 */
struct toolcore_handle {
    int (*restrict_callback)(struct toolcore_handle *handle, domid_t domid);
    struct {
        struct toolcore_handle *next;
        struct toolcore_handle **prev;
    } entry;
};
void xentoolcore__register_active_handle(struct toolcore_handle *handle);
void xentoolcore__deregister_active_handle(struct toolcore_handle *handle);

/* Resource mappings. */
struct mapping {
    struct mapping *next;
    void *addr;
    size_t bytes;
};

/* Pages of guest memory that stay mapped until forget(). */
#define PAGES_MAX 32U
struct page {
    uint64_t gfn;
    void *addr;
    bool writable;
};

struct xen_host {
    struct host host;
    struct toolcore_handle toolcore;  /* first: before any fd is used */
    int privcmd;
    xenforeignmemory_handle *fmem;
    xenevtchn_handle *evtchn;
    unsigned int nr_bound;
    struct mapping *mappings;
    struct page pages[PAGES_MAX];
    uint32_t pages_domid;
    unsigned int nr_pages;
};

static struct xen_host *to_xen(struct host *host)
{
    return (struct xen_host *)host;
}

/* The libraries would log to stderr; this one never prints. */
static void quiet_message(struct xentoollog_logger *logger,
                          xentoollog_level level, int err,
                          const char *context, const char *format, va_list al)
{
    (void)logger, (void)level, (void)err, (void)context, (void)format;
    (void)al;
}

static void quiet_destroy(struct xentoollog_logger *logger)
{
    (void)logger;
}

static struct xentoollog_logger quiet = {
    .vmessage = quiet_message,
    .destroy = quiet_destroy,
};

/* ---- dm_op ---- */

static int xen_dm_op(struct host *host, uint32_t domid, void *buf0,
                     size_t size0, void *buf1, size_t size1)
{
    privcmd_dm_op_buf_t bufs[2] = {
        { .uptr = buf0, .size = size0 },
        { .uptr = buf1, .size = size1 },
    };
    privcmd_dm_op_t op = {
        .dom = domid,
        .num = buf1 ? 2 : 1,
        .ubufs = bufs,
    };

    return ioctl(to_xen(host)->privcmd, IOCTL_PRIVCMD_DM_OP, &op) < 0 ? -1 : 0;
}

static int restrict_privcmd(struct toolcore_handle *handle, domid_t domid)
{
    struct xen_host *x = (void *)((char *)handle -
                                  offsetof(struct xen_host, toolcore));

    return ioctl(x->privcmd, IOCTL_PRIVCMD_RESTRICT, &domid);
}

/*
 * Our handles only: xentoolcore_restrict_all() would also cut off the handles
 * of another domain's vmiring in this process.
 */
static int xen_restrict(struct host *host, uint32_t domid)
{
    struct xen_host *x = to_xen(host);

    if ( restrict_privcmd(&x->toolcore, domid) ||
         xenforeignmemory_restrict(x->fmem, domid) ||
         xenevtchn_restrict(x->evtchn, domid) )
        return -1;

    return 0;
}

/* ---- mappings ---- */

static void drop_mapping(struct mapping *m)
{
    munmap(m->addr, m->bytes);
    free(m);
}

/*
 * By ioctl and not by libxenforeignmemory, which refuses MAP_FIXED: a ring is
 * mapped twice in a row.
 */
static int map_at(struct xen_host *x, void *addr, size_t bytes, int prot,
                  privcmd_mmap_resource_t *op)
{
    if ( mmap(addr, bytes, prot, MAP_SHARED | MAP_FIXED, x->privcmd, 0) ==
         MAP_FAILED )
        return -1;

    op->addr = (uintptr_t)addr;

    return ioctl(x->privcmd, IOCTL_PRIVCMD_MMAP_RESOURCE, op) < 0 ? -1 : 0;
}

static void *xen_map(struct host *host, uint32_t domid, uint32_t type,
                     uint32_t id, uint64_t first, uint64_t nr, int prot,
                     unsigned int times)
{
    struct xen_host *x = to_xen(host);
    struct mapping *m = calloc(1, sizeof(*m));
    size_t bytes = nr * HOST_PAGE;
    unsigned int i;
    int err;

    if ( !m )
        return NULL;

    /* Reserves the addresses, so that MAP_FIXED replaces nothing of others. */
    m->bytes = bytes * times;
    m->addr = mmap(NULL, m->bytes, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if ( m->addr == MAP_FAILED )
    {
        free(m);
        errno = ENOMEM;
        return NULL;
    }

    for ( i = 0; i < times; i++ )
    {
        privcmd_mmap_resource_t op = {
            .dom = domid,
            .type = type,
            .id = id,
            .idx = first,
            .num = nr,
        };

        if ( map_at(x, (char *)m->addr + i * bytes, bytes, prot, &op) )
        {
            err = errno;
            drop_mapping(m);
            errno = err;
            return NULL;
        }
    }

    m->next = x->mappings;
    x->mappings = m;

    return m->addr;
}

static void xen_unmap(struct host *host, void *addr, uint64_t nr,
                      unsigned int times)
{
    struct xen_host *x = to_xen(host);
    struct mapping **link;

    (void)nr, (void)times;

    for ( link = &x->mappings; *link; link = &(*link)->next )
        if ( (*link)->addr == addr )
        {
            struct mapping *m = *link;

            *link = m->next;
            drop_mapping(m);
            return;
        }
}

/* ---- event channels ---- */

static int xen_bind(struct host *host, uint32_t domid, uint32_t port)
{
    struct xen_host *x = to_xen(host);
    int local = xenevtchn_bind_interdomain(x->evtchn, domid, port);

    if ( local >= 0 )
        x->nr_bound++;

    return local;
}

static int xen_unbind(struct host *host, int local)
{
    struct xen_host *x = to_xen(host);

    if ( x->nr_bound )
        x->nr_bound--;

    return xenevtchn_unbind(x->evtchn, local);
}

static int xen_notify(struct host *host, int local)
{
    return xenevtchn_notify(to_xen(host)->evtchn, local);
}

static int xen_fd(struct host *host)
{
    return xenevtchn_fd(to_xen(host)->evtchn);
}

/*
 * Unmasked before the caller looks: what comes while it looks is pending.  At
 * most one notification for each port that is bound; what comes again meanwhile
 * leaves the fd readable.
 */
static int xen_drain(struct host *host)
{
    struct xen_host *x = to_xen(host);
    unsigned int i;

    for ( i = 0; i < x->nr_bound; i++ )
    {
        xenevtchn_port_or_error_t port = xenevtchn_pending(x->evtchn);

        if ( port < 0 && errno == EAGAIN )
            break;
        if ( port < 0 || xenevtchn_unmask(x->evtchn, port) )
            return -1;
    }

    return i;
}

/* ---- guest memory ---- */

static void xen_forget(struct host *host)
{
    struct xen_host *x = to_xen(host);

    while ( x->nr_pages )
        xenforeignmemory_unmap(x->fmem, x->pages[--x->nr_pages].addr, 1);
}

static void *guest_page(struct xen_host *x, uint32_t domid, uint64_t gfn,
                        bool writable)
{
    const int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    const xen_pfn_t frame = gfn;
    unsigned int i;
    int err = 0;
    void *addr;

    if ( x->pages_domid != domid || x->nr_pages == PAGES_MAX )
        xen_forget(&x->host);
    x->pages_domid = domid;

    for ( i = 0; i < x->nr_pages; i++ )
        if ( x->pages[i].gfn == gfn && (x->pages[i].writable || !writable) )
            return x->pages[i].addr;

    addr = xenforeignmemory_map(x->fmem, domid, prot, 1, &frame, &err);
    if ( !addr )
        return NULL;
    if ( err )
    {
        xenforeignmemory_unmap(x->fmem, addr, 1);
        errno = err < 0 ? -err : err;
        return NULL;
    }

    x->pages[x->nr_pages++] = (struct page){ gfn, addr, writable };

    return addr;
}

static int xen_read_phys(struct host *host, uint32_t domid, uint64_t gpa,
                         void *buf, size_t size)
{
    const uint8_t *page = guest_page(to_xen(host), domid, gpa / HOST_PAGE,
                                     false);

    if ( !page )
        return -1;

    memcpy(buf, page + gpa % HOST_PAGE, size);

    return 0;
}

static int xen_write_phys(struct host *host, uint32_t domid, uint64_t gpa,
                          const void *buf, size_t size)
{
    uint8_t *page = guest_page(to_xen(host), domid, gpa / HOST_PAGE, true);

    if ( !page )
        return -1;

    memcpy(page + gpa % HOST_PAGE, buf, size);

    return 0;
}

/* ---- open, close ---- */

static void xen_close(struct host *host, bool child)
{
    struct xen_host *x = to_xen(host);

    if ( !child )
        xen_forget(host);

    while ( x->mappings )
    {
        struct mapping *m = x->mappings;

        x->mappings = m->next;
        if ( child )
            free(m);
        else
            drop_mapping(m);
    }

    if ( x->evtchn )
        xenevtchn_close(x->evtchn);
    if ( x->fmem )
        xenforeignmemory_close(x->fmem);
    xentoolcore__deregister_active_handle(&x->toolcore);
    if ( x->privcmd >= 0 )
        close(x->privcmd);
    free(x);
}

static const struct host_ops xen_ops = {
    .name = "Xen",
    .caps = VMIRING_CAP_RESTRICT,
    .dm_op = xen_dm_op,
    .map = xen_map,
    .unmap = xen_unmap,
    .bind = xen_bind,
    .unbind = xen_unbind,
    .notify = xen_notify,
    .fd = xen_fd,
    .drain = xen_drain,
    .read_phys = xen_read_phys,
    .write_phys = xen_write_phys,
    .forget = xen_forget,
    .restrict_to = xen_restrict,
    .close = xen_close,
};

static int open_fail(struct msg *msg, const char *what)
{
    int err = errno;

    switch ( err )
    {
    case EACCES:
    case EPERM:
        return fail(msg, EACCES, "no permission to use Xen: %s: %s", what,
                    strerror(err));

    case ENOENT:
    case ENXIO:
    case ENODEV:
    case ENOSYS:
        return fail(msg, ENOSYS, "this is not a Xen host: %s: %s", what,
                    strerror(err));

    default:
        return fail(msg, err, "%s: %s", what, strerror(err));
    }
}

struct host *xen_host_open(struct msg *msg)
{
    struct xen_host *x = calloc(1, sizeof(*x));
    const char *what = "/dev/xen/privcmd";
    int err;

    if ( !x )
    {
        fail(msg, ENOMEM, "no memory");
        return NULL;
    }

    x->host.ops = &xen_ops;
    x->toolcore.restrict_callback = restrict_privcmd;
    x->privcmd = -1;
    xentoolcore__register_active_handle(&x->toolcore);

    x->privcmd = open(what, O_RDWR | O_CLOEXEC);
    if ( x->privcmd < 0 )
        goto bad;

    x->fmem = xenforeignmemory_open(&quiet, 0);
    if ( !x->fmem )
        goto bad;

    what = "/dev/xen/evtchn";
    x->evtchn = xenevtchn_open(&quiet, 0);
    if ( !x->evtchn )
        goto bad;

    /*
     * Saves a poll() for each look.  The driver honours it; the caution in
     * xenevtchn.h is about kernels of 2013.
     */
    if ( fcntl(xenevtchn_fd(x->evtchn), F_SETFL, O_RDWR | O_NONBLOCK) )
        goto bad;

    return &x->host;

 bad:
    open_fail(msg, what);
    err = errno;
    xen_close(&x->host, false);
    errno = err;

    return NULL;
}
