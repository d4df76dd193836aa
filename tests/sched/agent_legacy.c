/* SPDX-License-Identifier: GPL-2.0-only */
/* What the library's legacy half asks of the simulated Xen in place of libxenctrl. */
#include "private.h"
#include "glue.h"
#include "rt.h"
#include "agent_legacy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct inproc_legacy {
    struct legacy_host host;
    uint32_t nr_vcpus;
};

static int result(int rc)
{
    if ( rc >= 0 )
        return rc;
    errno = -rc;

    return -1;
}

static int l_version(struct legacy_host *lh)
{
    (void)lh;

    return result(glue_legacy_version());
}

static int l_info(struct legacy_host *lh, uint32_t domid,
                  struct legacy_info *info)
{
    const struct inproc_legacy *l = (void *)lh;

    (void)domid;
    *info = (struct legacy_info){ .nr_vcpus = l->nr_vcpus };

    return 0;
}

static void *l_enable(struct legacy_host *lh, uint32_t domid, uint32_t *port)
{
    void *ring;
    int fd;

    (void)lh;
    if ( result(glue_legacy_enable(domid, port, &fd)) )
        return NULL;
    ring = mmap(NULL, HOST_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return ring == MAP_FAILED ? NULL : ring;
}

static int l_disable(struct legacy_host *lh, uint32_t domid)
{
    (void)lh;

    return result(glue_legacy_disable(domid));
}

static void l_unmap(struct legacy_host *lh, void *ring)
{
    (void)lh;
    munmap(ring, HOST_PAGE);
}

static int l_monitor(struct legacy_host *lh, uint32_t domid,
                     const struct legacy_monitor *m)
{
    (void)lh;

    return result(glue_legacy_monitor(domid, m->event, m->enable, m->sync));
}

static int l_unknown(void)
{
    return result(-EOPNOTSUPP);
}

static int l_defer_writes(struct legacy_host *lh, uint32_t domid)
{
    (void)lh;
    (void)domid;

    return l_unknown();
}

/* All that a scenario asks for. */
static int l_capabilities(struct legacy_host *lh, uint32_t domid, uint32_t *caps)
{
    (void)lh;
    (void)domid;
    *caps = UINT32_MAX;

    return 0;
}

static int l_mem_option(struct legacy_host *lh, uint32_t domid, uint32_t option,
                        bool on)
{
    (void)option;
    (void)on;

    return l_defer_writes(lh, domid);
}

static int l_pause(struct legacy_host *lh, uint32_t domid)
{
    (void)lh;

    return result(glue_pause(domid, true));
}

static int l_unpause(struct legacy_host *lh, uint32_t domid)
{
    (void)lh;

    return result(glue_pause(domid, false));
}

static int l_set_access(struct legacy_host *lh, uint32_t domid, uint64_t first,
                        uint64_t nr, uint8_t access)
{
    (void)first;
    (void)nr;
    (void)access;

    return l_defer_writes(lh, domid);
}

static int l_get_access(struct legacy_host *lh, uint32_t domid, uint64_t gfn,
                        uint8_t *access)
{
    (void)gfn;
    (void)access;

    return l_defer_writes(lh, domid);
}

static void l_close(struct legacy_host *lh, bool child)
{
    (void)child;
    free(lh);
}

static const struct legacy_ops l_ops = {
    .version = l_version,
    .info = l_info,
    .enable = l_enable,
    .disable = l_disable,
    .unmap = l_unmap,
    .monitor = l_monitor,
    .defer_writes = l_defer_writes,
    .capabilities = l_capabilities,
    .mem_option = l_mem_option,
    .pause = l_pause,
    .unpause = l_unpause,
    .set_access = l_set_access,
    .get_access = l_get_access,
    .close = l_close,
};

struct legacy_host *agent_legacy_host(uint32_t nr_vcpus)
{
    struct inproc_legacy *l = calloc(1, sizeof(*l));

    l->host.ops = &l_ops;
    l->nr_vcpus = nr_vcpus;

    return &l->host;
}
