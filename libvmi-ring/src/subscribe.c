/* SPDX-License-Identifier: MIT */
/* Subscriptions: checked and remembered here, made by the engine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "legacy.h"
#include "private.h"

static int bad(vmiring *h, const char *field, uint64_t value, const char *what)
{
    return fail(&h->msg, EINVAL, "subscription.%s: is %llu, %s", field,
                (unsigned long long)value, what);
}

/* A field that only some kinds of events have is 0 for the others. */
static int check_options(vmiring *h, const struct vmiring_subscription *s)
{
    const bool cr = s->reason == VMIRING_WRITE_CTRLREG;
    const bool msr = s->reason == VMIRING_MOV_TO_MSR;

    if ( s->onchangeonly > (cr || msr) )
        return bad(h, "onchangeonly", s->onchangeonly, "should be 0, or 1 for "
                   "WRITE_CTRLREG and MOV_TO_MSR");
    if ( s->userspace > (s->reason == VMIRING_GUEST_REQUEST) )
        return bad(h, "userspace", s->userspace, "should be 0, or 1 for "
                   "GUEST_REQUEST");
    if ( s->index > (cr ? VMIRING_XCR0 : 0) )
        return bad(h, "index", s->index, "should be VMIRING_CR* for "
                   "WRITE_CTRLREG, else 0");
    if ( s->msr && !msr )
        return bad(h, "msr", s->msr, "should be 0 but for MOV_TO_MSR");
    if ( s->mask && !cr )
        return bad(h, "mask", s->mask, "should be 0 but for WRITE_CTRLREG");

    return 0;
}

int cannot_raise(vmiring *h, uint32_t reason, const char *mode)
{
    if ( reason == VMIRING_IO_INSTRUCTION )
        return fail(&h->msg, EOPNOTSUPP, "%s%s: this Xen does not raise it; "
                    "expected 4.18 or later, as vmiring_offers() tells",
                    vmiring_reason_name(reason), mode);

    return fail(&h->msg, EOPNOTSUPP, "%s%s: this CPU or domain cannot raise "
                "it", vmiring_reason_name(reason), mode);
}

/* Xen keeps a bit for each MSR of these ranges, on every processor. */
static int check_msr(vmiring *h, const struct vmiring_subscription *s)
{
    uint32_t range = s->msr & ~0x1fffU;

    if ( range && range != 0x40000000U && range != 0xc0000000U )
        return fail(&h->msg, EOPNOTSUPP, "subscription.msr: is 0x%x; Xen can "
                    "watch 0 to 0x1fff, 0x40000000 to 0x40001fff and "
                    "0xc0000000 to 0xc0001fff", s->msr);

    return 0;
}

static int check(vmiring *h, struct vmiring_subscription *out,
                 const struct vmiring_subscription *in)
{
    if ( copy_in(&h->msg, "subscription", out, sizeof(*out), in,
                 offsetof(struct vmiring_subscription, index)) )
        return -1;

    if ( !out->reason || out->reason >= VMEV2_REASONS )
        return bad(h, "reason", out->reason, "which nothing raises");
    if ( out->sync > 1 )
        return bad(h, "sync", out->sync, "should be 0 or 1");
    if ( out->regs > VMIRING_REGS_ALL )
        return bad(h, "regs", out->regs, "should be VMIRING_REGS_*");

    return check_options(h, out) ? -1 : check_msr(h, out);
}

/* Two subscriptions that Xen sees as one. */
static bool same(const struct vmiring_subscription *a,
                 const struct vmiring_subscription *b)
{
    return a->reason == b->reason && a->index == b->index && a->msr == b->msr;
}

int vmiring_subscribe(vmiring *h, const struct vmiring_subscription *s)
{
    struct vmiring_subscription sub;
    struct vmiring_subscription *more;

    if ( usable(h) || check(h, &sub, s) || h->engine->check(h) )
        return -1;

    more = realloc(h->subs, (h->nr_subs + 1) * sizeof(*more));
    if ( !more )
        return fail(&h->msg, ENOMEM, "no memory");
    h->subs = more;

    if ( h->engine->monitor(h, &sub, true) )
        return -1;

    h->subs[h->nr_subs++] = sub;

    return 0;
}

int vmiring_unsubscribe(vmiring *h, const struct vmiring_subscription *s)
{
    struct vmiring_subscription sub;
    size_t i;

    if ( usable(h) || check(h, &sub, s) || h->engine->check(h) ||
         h->engine->monitor(h, &sub, false) )
        return -1;

    for ( i = 0; i < h->nr_subs; i++ )
        if ( same(&h->subs[i], &sub) )
        {
            h->subs[i] = h->subs[--h->nr_subs];
            break;
        }

    return 0;
}

int vmiring_mem_option(vmiring *h, uint32_t option, int on)
{
    if ( usable(h) || h->engine->check(h) )
        return -1;
    if ( !option || option > VMIRING_MEM_EACH_REP )
        return fail(&h->msg, EINVAL, "mem_option: is %u, should be "
                    "VMIRING_MEM_NO_WALKS or VMIRING_MEM_EACH_REP", option);
    if ( !h->legacy )
        return fail(&h->msg, EOPNOTSUPP, "mem_option: the legacy ABI alone "
                    "has it");

    return legacy_mem_option(h, option, on);
}

int vmiring_set_access(vmiring *h, uint64_t first_gfn, uint64_t nr,
                       uint32_t access)
{
    if ( usable(h) || h->engine->check(h) )
        return -1;
    if ( access > VMIRING_ACCESS_N2RWX )
        return fail(&h->msg, EINVAL, "set_access: access is %u, should be "
                    "VMIRING_ACCESS_*", access);

    return h->engine->set_access(h, first_gfn, nr, access);
}

int vmiring_set_access_list(vmiring *h, const uint64_t *gfns,
                            const uint8_t *access, size_t nr, size_t *done)
{
    size_t i;

    if ( usable(h) || h->engine->check(h) )
        return -1;
    if ( !done || (nr && (!gfns || !access)) )
        return fail(&h->msg, EINVAL, "set_access_list: a pointer is NULL");
    *done = 0;
    for ( i = 0; i < nr; i++ )
        if ( access[i] > VMIRING_ACCESS_N2RWX || gfns[i] == UINT64_MAX )
            return fail(&h->msg, EINVAL, "set_access_list: entry %zu is not a "
                        "page and a VMIRING_ACCESS_*", i);

    return h->engine->set_access_list(h, gfns, access, nr, done);
}

int vmiring_get_access(vmiring *h, uint64_t gfn, uint32_t *access)
{
    uint8_t value;

    if ( usable(h) || h->engine->check(h) ||
         h->engine->get_access(h, gfn, &value) )
        return -1;

    *access = value;

    return 0;
}
