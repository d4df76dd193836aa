/* SPDX-License-Identifier: MIT */
/*
 * Every allocation and every kernel object that the library asks for fails in
 * turn: the call says so, and leaves nothing behind.  The linker sends the
 * library's calls here (--wrap).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>

#include "fake_ring.h"

static unsigned int countdown;  /* the how manieth fails; 0: none */
static bool failed;

static bool fails(int err)
{
    if ( !countdown || --countdown )
        return false;

    failed = true;
    errno = err;

    return true;
}

#define WRAP(type, bad, err, name, params, args)    \
    type __real_##name params;                      \
    type __wrap_##name params;                      \
    type __wrap_##name params                       \
    {                                               \
        return fails(err) ? bad : __real_##name args; \
    }

WRAP(void *, NULL, ENOMEM, calloc, (size_t nr, size_t size), (nr, size))
WRAP(void *, NULL, ENOMEM, realloc, (void *old, size_t size), (old, size))
WRAP(void *, NULL, ENOMEM, aligned_alloc, (size_t align, size_t size),
     (align, size))
WRAP(int, -1, EMFILE, epoll_create1, (int flags), (flags))
WRAP(int, -1, ENOSPC, epoll_ctl,
     (int ep, int op, int fd, struct epoll_event *ev), (ep, op, fd, ev))
WRAP(int, -1, EMFILE, eventfd, (unsigned int value, int flags), (value, flags))
WRAP(int, -1, EMFILE, timerfd_create, (int clock, int flags), (clock, flags))
WRAP(int, -1, EINVAL, timerfd_settime,
     (int fd, int flags, const struct itimerspec *to, struct itimerspec *was),
     (fd, flags, to, was))

static void arm(unsigned int nth)
{
    countdown = nth;
    failed = false;
    errno = 0;
}

/* After a call that has to fail exactly when one of its calls did. */
static bool disarm(bool ok, unsigned int nth)
{
    int err = errno;

    countdown = 0;
    cr_assert_eq(ok, !failed, "call %u fails", nth);
    if ( failed )
        cr_assert(err == ENOMEM || err == EMFILE || err == ENOSPC || err == EINVAL,
                  "call %u: errno %d", nth, err);

    return failed;
}

Test(faults, open)
{
    unsigned int n;
    bool more = true;

    for ( n = 1; more; n++ )
    {
        struct fake *fake = fake_new(3);
        vmiring_options o = fake_options();
        vmiring *opened;

        arm(n);
        opened = fake_open_with(fake, &o);
        more = disarm(opened, n);
        if ( opened )
            vmiring_close(opened);
        cr_assert(fake->closed);
        cr_assert(!fake->bound, "call %u: the port is bound", n);
        cr_assert_eq(fake->maps, fake->unmaps, "call %u: a mapping is left", n);
        cr_assert_neq(fake->state, VMEV2_STATE_ARMED);
        cr_assert_neq(fake->state, VMEV2_STATE_CREATED);
        fake_free(fake);
    }
    cr_assert_gt(n, 9);
}

Test(faults, open_legacy)
{
    unsigned int n;
    bool more = true;

    for ( n = 1; more; n++ )
    {
        vmiring_options o;
        vmiring *opened;

        ring_make();
        o = fake_options();
        o.abi = VMIRING_ABI_LEGACY;
        arm(n);
        opened = vmiring_open_on(&f->host, &r->lh, &o);
        more = disarm(opened, n);
        if ( opened )
            vmiring_close(opened);
        cr_assert(!r->enabled, "call %u: the ring is enabled", n);
        cr_assert(!f->bound, "call %u: the port is bound", n);
        cr_assert(f->closed);
        munmap(r->page, HOST_PAGE);
        free(r);
        fake_free(f);
    }
    cr_assert_gt(n, 9);
}

Test(faults, open_worker)
{
    static const uint32_t one[] = { 1 };
    const struct vmiring_worker w = { .size = sizeof(w), .vcpus = one,
                                      .nr_vcpus = 1 };
    struct fake *fake = fake_new(3);
    vmiring_options o = fake_options();
    unsigned int n;
    bool more = true;
    vmiring *opened;

    fake->features |= VMEV2_FEAT_SLOT_PORTS;
    fake->slot_ports = 3;
    o.flags = VMIRING_OPEN_SLOT_PORTS;
    opened = fake_open_with(fake, &o);
    cr_assert(opened);
    o = fake_options();
    for ( n = 1; more; n++ )
    {
        const unsigned int mapped = fake->maps - fake->unmaps;
        vmiring *worker;

        arm(n);
        worker = vmiring_worker_on(&fake->host, &o, &w);
        more = disarm(worker, n);
        if ( worker )
            vmiring_close(worker);
        cr_assert(!fake->vcpu[1].bound, "call %u: the port is bound", n);
        cr_assert_eq(fake->maps - fake->unmaps, mapped);
    }
    cr_assert_gt(n, 9);
    vmiring_close(opened);
    fake_free(fake);
}

/* What there is no memory to remember is not asked for, either. */
Test(faults, subscribe_and_info)
{
    struct vmiring_subscription s = { .size = sizeof(s), .reason = VMIRING_CPUID };
    struct vmiring_vcpu_info vcpus[3] = { { .size = sizeof(vcpus[0]) } };
    struct fake *fake = fake_new(3);
    vmiring *opened = fake_open(fake);

    arm(1);
    cr_assert(disarm(vmiring_subscribe(opened, &s) == 0, 1));
    cr_assert_eq(fake->nr_subs, 0);
    cr_assert_eq(vmiring_subscribe(opened, &s), 0);
    cr_assert_eq(fake->nr_subs, 1);

    arm(1);
    cr_assert(disarm(vmiring_info(opened, 0, 3, vcpus) >= 0, 1));
    cr_assert_eq(vmiring_info(opened, 0, 3, vcpus), 3);
    vmiring_close(opened);
    fake_free(fake);
}
