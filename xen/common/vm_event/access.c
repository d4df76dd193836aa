/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page access through XEN_DMOP_vm_event.  Both architectures' p2m set one
 * range at a time; a list is set entry by entry, since Arm has no
 * p2m_set_mem_access_multi().  Everything is preemptible: progress is kept in
 * the operation, which the continued hypercall reads again.
 */
#include <xen/dm.h>
#include <xen/guest_access.h>
#include <xen/mem_access.h>
#include <xen/sched.h>
#include <xen/softirq.h>
#include <xsm/xsm.h>

#include "private.h"

/*
 * So many pages are set before the p2m looks whether it should let go; and no
 * more than so many are handed to it at once, since it counts in 32 bits.
 */
#define PREEMPT_MASK 0x3fU
#define CHUNK        (1U << 30)

bool vm_event_access_supported(struct domain *d)
{
#ifdef CONFIG_MEM_ACCESS
    return p2m_mem_access_sanity_check(d);
#else
    return false;
#endif
}

#ifdef CONFIG_MEM_ACCESS

/* p2m says -ESRCH of a page that is not there, which here means the domain. */
static int page_error(long rc)
{
    return rc == -ESRCH ? -ERANGE : rc;
}

static bool beyond_last(const struct domain *d, uint64_t gfn)
{
    return gfn > domain_get_maximum_gpfn((struct domain *)d);
}

static int set_default(struct domain *d, struct vm_event_channel *ch,
                       const struct vmev2_op_access *a)
{
    long rc;

    if ( a->nr || a->view )
        return -EINVAL;

    rc = p2m_set_mem_access(d, INVALID_GFN, 0, 0, 0, a->access, 0);
    if ( !rc )
        ch->default_access_set = true;

    return rc;
}

static int set_range(struct domain *d, struct vmev2_op_access *a)
{
    if ( a->nr && (a->first + a->nr - 1 < a->first ||
                   beyond_last(d, a->first + a->nr - 1)) )
        return -ERANGE;

    while ( a->nr )
    {
        uint32_t nr = min(a->nr, (uint64_t)CHUNK);
        long rc = p2m_set_mem_access(d, _gfn(a->first), nr, 0, PREEMPT_MASK,
                                     a->access, a->view);

        if ( rc < 0 )
            return page_error(rc);
        /* 0: all of it; else the p2m let go after so many. */
        nr = rc ?: nr;
        a->first += nr;
        a->nr -= nr;
        if ( rc || (a->nr && hypercall_preempt_check()) )
            return -ERESTART;
    }

    return 0;
}

/* first counts the entries that are done. */
static int set_list(struct domain *d, struct vmev2_op_access *a,
                    const struct dmop_args *args)
{
    if ( a->nr || a->access || a->nr_list > VMEV2_ACCESS_LIST_MAX ||
         a->first > a->nr_list )
        return -EINVAL;
    if ( args->nr_bufs < 2 ||
         args->buf[1].size / (sizeof(uint64_t) + 1) < a->nr_list )
        return -EFAULT;

    while ( a->first < a->nr_list )
    {
        uint64_t gfn;
        uint8_t access;
        long rc;

        if ( copy_from_guest_offset((void *)&gfn, args->buf[1].h,
                                    a->first * sizeof(gfn), sizeof(gfn)) ||
             copy_from_guest_offset((void *)&access, args->buf[1].h,
                                    a->nr_list * sizeof(gfn) + a->first,
                                    sizeof(access)) )
            return -EFAULT;
        if ( access > XENMEM_access_default )
            return -EINVAL;
        if ( beyond_last(d, gfn) )
            return -ERANGE;

        rc = p2m_set_mem_access(d, _gfn(gfn), 1, 0, 0, access, a->view);
        if ( rc < 0 )
            return page_error(rc);
        a->first++;
        if ( !(a->first & PREEMPT_MASK) && a->first < a->nr_list &&
             hypercall_preempt_check() )
            return -ERESTART;
    }

    return 0;
}

static int get_one(struct domain *d, struct vmev2_op_access *a)
{
    xenmem_access_t access;
    int rc;

    if ( a->nr > 1 || a->nr_list || a->access )
        return -EINVAL;
    if ( a->first != ~0ULL && beyond_last(d, a->first) )
        return -ERANGE;

    rc = p2m_get_mem_access(d, a->first == ~0ULL ? INVALID_GFN
                                                 : _gfn(a->first),
                            &access, a->view);
    if ( !rc )
        a->access = access;

    return page_error(rc);
}

int vm_event_access_op(struct domain *d, struct vmev2_op *op,
                       const struct dmop_args *args)
{
    struct vm_event_channel *ch = vm_event_channel(d);
    struct vmev2_op_access *a = &op->u.access;
    int rc;

    if ( a->pad || a->access > XENMEM_access_default )
        return -EINVAL;
    if ( !vm_event_access_supported(d) )
        return -EOPNOTSUPP;
    if ( a->view && a->view >= arch_vm_event_views(d) )
        return -EINVAL;

    rc = xsm_mem_access(XSM_DM_PRIV, d);
    if ( rc )
        return rc;

    if ( op->cmd == VMEV2_CMD_ACCESS_GET )
        return get_one(d, a);
    if ( a->nr_list )
        return set_list(d, a, args);
    if ( a->first == ~0ULL )
        return set_default(d, ch, a);

    return set_range(d, a);
}

/*
 * The agent is gone: pages that come from now on are nobody's to watch.  Those
 * that it restricted get their rights back one by one, when the guest next
 * runs into them and nobody is there to be told.
 */
void vm_event_access_stop(struct domain *d, struct vm_event_channel *ch)
{
    if ( ch->default_access_set )
        (void)p2m_set_mem_access(d, INVALID_GFN, 0, 0, 0, XENMEM_access_rwx, 0);
    ch->default_access_set = false;
}

#else

int vm_event_access_op(struct domain *d, struct vmev2_op *op,
                       const struct dmop_args *args)
{
    return -EOPNOTSUPP;
}

void vm_event_access_stop(struct domain *d, struct vm_event_channel *ch) {}

#endif /* CONFIG_MEM_ACCESS */
