/* SPDX-License-Identifier: MIT */
/* libvmi-ring-legacy.so: the legacy ABI's control operations by libxenctrl. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenctrl.h>
#include <xencall.h>
#include <xentoollog.h>

#include "host.h"
#include "legacy_monitor.h"
#include "vmiring.h"
#include "vm_event_v2.h"

#define CHECK_EVENT(name) \
    _Static_assert(MONITOR_ ## name == XEN_DOMCTL_MONITOR_EVENT_ ## name, #name)
CHECK_EVENT(WRITE_CTRLREG);
CHECK_EVENT(MOV_TO_MSR);
CHECK_EVENT(SINGLESTEP);
CHECK_EVENT(SOFTWARE_BREAKPOINT);
CHECK_EVENT(GUEST_REQUEST);
CHECK_EVENT(DEBUG_EXCEPTION);
CHECK_EVENT(CPUID);
CHECK_EVENT(PRIVILEGED_CALL);
CHECK_EVENT(INTERRUPT);
CHECK_EVENT(DESC_ACCESS);
CHECK_EVENT(EMUL_UNIMPLEMENTED);
CHECK_EVENT(VMEXIT);

struct legacy_xen {
    struct legacy_host lh;
    xc_interface *xch;
    xencall_handle *xcall;
};

static struct legacy_xen *to_xen(struct legacy_host *lh)
{
    return (struct legacy_xen *)lh;
}

/* libxenctrl would log to stderr; this library never prints. */
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

static int xen_version(struct legacy_host *lh)
{
    return xc_vm_event_get_version(to_xen(lh)->xch);
}

/* xc_domain_getinfolist() is what all releases have. */
static int xen_info(struct legacy_host *lh, uint32_t domid,
                    struct legacy_info *out)
{
    xc_domaininfo_t info;
    int rc = xc_domain_getinfolist(to_xen(lh)->xch, domid, 1, &info);

    if ( rc < 0 )
        return -1;
    if ( rc != 1 || info.domain != domid )
    {
        errno = ESRCH;
        return -1;
    }

    out->nr_vcpus = info.max_vcpu_id + 1;
    out->state = info.flags & XEN_DOMINF_dying ? VMEV2_DOMAIN_DYING
                 : info.flags & XEN_DOMINF_shutdown ? VMEV2_DOMAIN_SHUTDOWN
                                                    : VMEV2_DOMAIN_RUNNING;
    out->shutdown_code = info.flags >> XEN_DOMINF_shutdownshift &
                         XEN_DOMINF_shutdownmask;

    return 0;
}

static void *xen_enable(struct legacy_host *lh, uint32_t domid,
                        uint32_t *port)
{
    return xc_monitor_enable(to_xen(lh)->xch, domid, port);
}

static int xen_disable(struct legacy_host *lh, uint32_t domid)
{
    return xc_monitor_disable(to_xen(lh)->xch, domid);
}

static void xen_unmap(struct legacy_host *lh, void *ring)
{
    (void)lh;
    munmap(ring, HOST_PAGE);
}

static int xen_monitor(struct legacy_host *lh, uint32_t domid,
                       const struct legacy_monitor *m)
{
    xc_interface *xch = to_xen(lh)->xch;

    switch ( m->event )
    {
    case MONITOR_WRITE_CTRLREG:
        return xc_monitor_write_ctrlreg(xch, domid, m->index, m->enable,
                                        m->sync, m->mask, m->onchangeonly);

    case MONITOR_MOV_TO_MSR:
        return xc_monitor_mov_to_msr(xch, domid, m->msr, m->enable,
                                     m->onchangeonly);

    case MONITOR_SINGLESTEP:
        return xc_monitor_singlestep(xch, domid, m->enable);

    case MONITOR_SOFTWARE_BREAKPOINT:
        return xc_monitor_software_breakpoint(xch, domid, m->enable);

    case MONITOR_GUEST_REQUEST:
        return xc_monitor_guest_request(xch, domid, m->enable, m->sync,
                                        m->userspace);

    case MONITOR_DEBUG_EXCEPTION:
        return xc_monitor_debug_exceptions(xch, domid, m->enable, m->sync);

    case MONITOR_CPUID:
        return xc_monitor_cpuid(xch, domid, m->enable);

    case MONITOR_PRIVILEGED_CALL:
        return xc_monitor_privileged_call(xch, domid, m->enable);

    case MONITOR_DESC_ACCESS:
        return xc_monitor_descriptor_access(xch, domid, m->enable);

    case MONITOR_EMUL_UNIMPLEMENTED:
        return xc_monitor_emul_unimplemented(xch, domid, m->enable);

    case MONITOR_VMEXIT:
        return xc_monitor_vmexit(xch, domid, m->enable, m->sync);

#ifdef XEN_DOMCTL_MONITOR_EVENT_IO      /* libxenctrl 4.18 */
    case MONITOR_IO:
        return xc_monitor_io(xch, domid, m->enable);
#endif

    default:
        errno = EOPNOTSUPP;
        return -1;
    }
}

/* libxenctrl 4.17 has no function for it, so the domctl is made by hand. */
static int xen_defer_writes(struct legacy_host *lh, uint32_t domid)
{
    xencall_handle *xcall = to_xen(lh)->xcall;
    struct xen_domctl *op = xencall_alloc_buffer(xcall, sizeof(*op));
    int rc;

    if ( !op )
        return -1;

    memset(op, 0, sizeof(*op));
    op->cmd = XEN_DOMCTL_monitor_op;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = domid;
    op->u.monitor_op.op = XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS;
    rc = xencall1(xcall, __HYPERVISOR_domctl, (unsigned long)op);
    xencall_free_buffer(xcall, op);

    return rc < 0 ? -1 : 0;
}

static int xen_capabilities(struct legacy_host *lh, uint32_t domid,
                            uint32_t *caps)
{
    return xc_monitor_get_capabilities(to_xen(lh)->xch, domid, caps);
}

static int xen_mem_option(struct legacy_host *lh, uint32_t domid,
                          uint32_t option, bool on)
{
    xc_interface *xch = to_xen(lh)->xch;

    return option == VMIRING_MEM_NO_WALKS
           ? xc_monitor_inguest_pagefault(xch, domid, on)
           : xc_monitor_emulate_each_rep(xch, domid, on);
}

static int xen_pause(struct legacy_host *lh, uint32_t domid)
{
    return xc_domain_pause(to_xen(lh)->xch, domid);
}

static int xen_unpause(struct legacy_host *lh, uint32_t domid)
{
    return xc_domain_unpause(to_xen(lh)->xch, domid);
}

static int xen_set_access(struct legacy_host *lh, uint32_t domid,
                          uint64_t first, uint64_t nr, uint8_t access)
{
    if ( nr > UINT32_MAX )
    {
        errno = E2BIG;
        return -1;
    }

    return xc_set_mem_access(to_xen(lh)->xch, domid, access, first, nr);
}

static int xen_get_access(struct legacy_host *lh, uint32_t domid,
                          uint64_t gfn, uint8_t *access)
{
    xenmem_access_t value;

    if ( xc_get_mem_access(to_xen(lh)->xch, domid, gfn, &value) )
        return -1;

    *access = value;

    return 0;
}

static void xen_close(struct legacy_host *lh, bool child)
{
    struct legacy_xen *x = to_xen(lh);

    (void)child;  /* both only close fds */

    if ( x->xcall )
        xencall_close(x->xcall);
    if ( x->xch )
        xc_interface_close(x->xch);
    free(x);
}

static const struct legacy_ops xen_legacy_ops = {
    .version = xen_version,
    .info = xen_info,
    .enable = xen_enable,
    .disable = xen_disable,
    .unmap = xen_unmap,
    .monitor = xen_monitor,
    .defer_writes = xen_defer_writes,
    .capabilities = xen_capabilities,
    .mem_option = xen_mem_option,
    .pause = xen_pause,
    .unpause = xen_unpause,
    .set_access = xen_set_access,
    .get_access = xen_get_access,
    .close = xen_close,
};

static struct legacy_host *open_xen(void)
{
    struct legacy_xen *x = calloc(1, sizeof(*x));
    int err;

    if ( !x )
        return NULL;

    x->lh.ops = &xen_legacy_ops;
    x->xch = xc_interface_open(&quiet, &quiet, 0);
    x->xcall = xencall_open(&quiet, 0);
    if ( x->xch && x->xcall )
        return &x->lh;

    err = errno;
    xen_close(&x->lh, false);
    errno = err;

    return NULL;
}

extern const struct vmiring_legacy_plugin vmiring_legacy_plugin_1;
__attribute__((visibility("default")))
const struct vmiring_legacy_plugin vmiring_legacy_plugin_1 = {
    .version = VMIRING_PLUGIN_VERSION,
    .size = sizeof(vmiring_legacy_plugin_1),
    .open = open_xen,
};
