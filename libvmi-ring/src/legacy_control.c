/* SPDX-License-Identifier: MIT */
/* Subscriptions and page access under the legacy ABI. */
#include <errno.h>
#include <string.h>

#include "legacy.h"
#include "legacy_monitor.h"

struct kind {
    int16_t event;          /* XEN_DOMCTL_MONITOR_EVENT_*, or below */
    bool async;             /* can be asynchronous */
};

#define NO_EVENT   (-1)     /* cannot be subscribed to */
#define NO_CONTROL (-2)     /* comes without a subscription */

static struct kind kind_of(uint32_t reason)
{
    switch ( reason )
    {
    case VMIRING_WRITE_CTRLREG:
        return (struct kind){ MONITOR_WRITE_CTRLREG, true };

    case VMIRING_GUEST_REQUEST:
        return (struct kind){ MONITOR_GUEST_REQUEST, true };

    case VMIRING_DEBUG_EXCEPTION:
        return (struct kind){ MONITOR_DEBUG_EXCEPTION, true };

    case VMIRING_VMEXIT:
        return (struct kind){ MONITOR_VMEXIT, true };

    case VMIRING_MOV_TO_MSR:
        return (struct kind){ MONITOR_MOV_TO_MSR, false };

    case VMIRING_SINGLESTEP:
        return (struct kind){ MONITOR_SINGLESTEP, false };

    case VMIRING_SOFTWARE_BREAKPOINT:
        return (struct kind){ MONITOR_SOFTWARE_BREAKPOINT, false };

    case VMIRING_CPUID:
        return (struct kind){ MONITOR_CPUID, false };

    case VMIRING_PRIVILEGED_CALL:
        return (struct kind){ MONITOR_PRIVILEGED_CALL, false };

    case VMIRING_DESCRIPTOR_ACCESS:
        return (struct kind){ MONITOR_DESC_ACCESS, false };

    case VMIRING_EMUL_UNIMPLEMENTED:
        return (struct kind){ MONITOR_EMUL_UNIMPLEMENTED, false };

    case VMIRING_IO_INSTRUCTION:
        return (struct kind){ MONITOR_IO, false };

    case VMIRING_MEM_ACCESS:
    case VMIRING_INTERRUPT:
        return (struct kind){ NO_CONTROL, false };

    default:
        return (struct kind){ NO_EVENT, false };
    }
}

/* Reasons by what Xen says of its monitor events; 0: it cannot be asked. */
void legacy_offers(vmiring *h)
{
    struct legacy_host *lh = h->legacy->host;
    uint32_t caps;
    uint32_t reason;

    if ( lh->ops->capabilities(lh, h->domid, &caps) )
        return;

    for ( reason = 0; reason < VMEV2_REASONS; reason++ )
    {
        int event = kind_of(reason).event;

        if ( reason == VMIRING_INTERRUPT )
            event = MONITOR_INTERRUPT;

        /* Page access alone has no bit. */
        if ( event == NO_CONTROL || (event >= 0 && (caps & 1U << event)) )
            h->reasons |= 1ULL << reason;
    }
}

/*
 * DENY of a CR or MSR write acts only if Xen holds the write back until the
 * answer, which it does when told so.  There is no way to take that back, and
 * an asynchronous subscriber must not have it: its guest would run on with
 * the old value.
 */
static void defer_writes(vmiring *h, const struct vmiring_subscription *s)
{
    struct legacy *l = h->legacy;

    if ( l->writes_deferred || !s->sync ||
         (s->reason != VMIRING_WRITE_CTRLREG &&
          s->reason != VMIRING_MOV_TO_MSR) )
        return;

    l->writes_deferred = !l->host->ops->defer_writes(l->host, h->domid);
    if ( !l->writes_deferred )
        h->rsp_flags &= ~VMIRING_RSP_DENY;
}

/* What any control operation can say. */
static int control_fail(vmiring *h, const char *what)
{
    switch ( errno )
    {
    case ESRCH:
        return fail(&h->msg, ENODEV, "%s: domain %u is gone", what, h->domid);

    case EPERM:         /* ours means a fork */
        return fail(&h->msg, EACCES, "%s: no permission", what);

    default:
        return fail(&h->msg, errno, "%s: %s", what, strerror(errno));
    }
}

/* Xen's EINVAL is both "no such bit here" and "no such operation". */
int legacy_mem_option(vmiring *h, uint32_t option, bool on)
{
    struct legacy_host *lh = h->legacy->host;

    if ( !lh->ops->mem_option(lh, h->domid, option, on) )
        return 0;
    /* It is so already. */
    if ( errno == EEXIST )
        return 0;
    if ( errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP )
        return fail(&h->msg, EOPNOTSUPP, "mem_option %u: this CPU or domain "
                    "has no such option", option);

    return control_fail(h, "mem_option");
}

int legacy_monitor(vmiring *h, const struct vmiring_subscription *s,
                   bool enable)
{
    struct legacy_host *lh = h->legacy->host;
    struct kind kind = kind_of(s->reason);
    const struct legacy_monitor m = {
        .event = kind.event,
        .enable = enable,
        .sync = s->sync,
        .onchangeonly = s->onchangeonly,
        .userspace = s->userspace,
        .index = s->index,
        .msr = s->msr,
        .mask = s->mask,
    };
    const char *name = vmiring_reason_name(s->reason);

    if ( kind.event == NO_EVENT )
        return fail(&h->msg, EOPNOTSUPP, "%s: the legacy ABI has no such "
                    "event", name);
    if ( !s->sync && !kind.async )
        return fail(&h->msg, EOPNOTSUPP, "%s: is only synchronous under the "
                    "legacy ABI", name);
    if ( kind.event == NO_CONTROL )
        return 0;

    if ( enable )
        defer_writes(h, s);
    if ( !lh->ops->monitor(lh, h->domid, &m) )
        return 0;

    switch ( errno )
    {
    case EEXIST:
        return fail(&h->msg, enable ? EEXIST : ENOENT, "%s: %s", name,
                    enable ? "is subscribed to already"
                           : "was not subscribed to");

    case EOPNOTSUPP:
    case EINVAL:
    case ENOSYS:
        return cannot_raise(h, s->reason, "");

    default:
        return control_fail(h, name);
    }
}

/*
 * Xen's EINVAL is both "no page access here" and "beyond the last page", and
 * its ESRCH both "no such domain" and "no such page": look which.
 */
static int access_fail(vmiring *h, const char *what)
{
    struct legacy_host *lh = h->legacy->host;
    struct legacy_info info;
    int err = errno;
    uint8_t access;

    if ( err == EINVAL && lh->ops->get_access(lh, h->domid, UINT64_MAX, &access) )
        return fail(&h->msg, EOPNOTSUPP, "%s: this host has no page access for "
                    "domain %u", what, h->domid);
    if ( err == EINVAL ||
         (err == ESRCH && !lh->ops->info(lh, h->domid, &info)) )
        return fail(&h->msg, EFAULT, "%s: domain %u has no such page", what,
                    h->domid);

    errno = err;

    return control_fail(h, what);
}

/* Xen counts in 32 bits here. */
#define CHUNK (1U << 30)

int legacy_set_access(vmiring *h, uint64_t first, uint64_t nr, uint8_t access)
{
    struct legacy_host *lh = h->legacy->host;

    do {
        uint64_t n = first == UINT64_MAX ? 0 : nr < CHUNK ? nr : CHUNK;

        if ( lh->ops->set_access(lh, h->domid, first, n, access) )
            return access_fail(h, "set_access");
        if ( first == UINT64_MAX )
            break;
        first += n;
        nr -= n;
    } while ( nr );

    return 0;
}

/* Arm's Xen has no call for a list, so one for each page on every host. */
int legacy_set_access_list(vmiring *h, const uint64_t *gfns,
                           const uint8_t *access, size_t nr, size_t *done)
{
    for ( *done = 0; *done < nr; ++*done )
        if ( legacy_set_access(h, gfns[*done], 1, access[*done]) )
            return -1;

    return 0;
}

int legacy_get_access(vmiring *h, uint64_t gfn, uint8_t *access)
{
    struct legacy_host *lh = h->legacy->host;

    if ( !lh->ops->get_access(lh, h->domid, gfn, access) )
        return 0;

    return access_fail(h, "get_access");
}
