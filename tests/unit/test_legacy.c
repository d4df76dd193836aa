/* SPDX-License-Identifier: MIT */
/* The legacy ring: requests, answers, what stands in the page, open, close. */
#include "fake_ring.h"

/* ---- the ring ---- */

LEGACY_TEST(a_request_and_its_answer)
{
    struct vmiring_event ev;
    uint64_t value;

    must_be_empty(h);
    ring_raise(r, 3, true);
    fake_ring_bell(f);
    cr_assert(readable(vmiring_fd(h)));
    cr_assert_eq(must_receive(h, &ev, 1), 1);
    cr_assert_eq(ev.reason, VMIRING_GUEST_REQUEST);
    cr_assert_eq(ev.vcpu, 3);
    cr_assert_eq(ev.flags, VMIRING_EV_SYNC);
    cr_assert_eq(ev.regs, VMIRING_REGS_ALL);
    cr_assert_gt(ev.time, 0);
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_RAX, &value), 0);
    errno = 0;
    cr_assert_eq(vmiring_get_reg(&ev, VMIRING_TSC, &value), -1);
    cr_assert_eq(errno, ENODATA, "legacy has no TSC, and zero is not one");

    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    vmiring_release(h);
    cr_assert_eq(r->paused[3], 0);
    cr_assert_eq(r->last[3].reason, VM_EVENT_REASON_GUEST_REQUEST);
    must_be_empty(h);
}

/* Entries are freed at once for what needs no answer. */
LEGACY_TEST(async_goes_on_by_itself)
{
    struct vmiring_event ev[8];
    unsigned int total = 0;
    unsigned int i;

    for ( i = 0; i < 1000; i++ )
    {
        ring_raise(r, i % VCPUS, false);
        if ( ring_room(r) )
            continue;
        cr_assert_eq(must_receive(h, ev, 8), 8);
        cr_assert_eq(ev[0].flags, 0);
        total += 8;
        vmiring_release(h);
    }
    cr_assert_eq(total, 1000);
    cr_assert_eq(r->answers, 1000);
    cr_assert_eq(r->bad_answers, 0);
}

/* More vCPUs wait than there are entries; all get their answer. */
LEGACY_TEST(more_vcpus_than_entries)
{
    struct vmiring_event ev[16];
    uint64_t seq[VCPUS] = { 0 };
    unsigned int total = 0;
    unsigned int round;
    unsigned int i;

    for ( round = 0; round < 100; round++ )
    {
        for ( i = 0; i < VCPUS; i++ )
            ring_raise(r, i, true);
        for ( total = 0; total < VCPUS; )
        {
            int n = must_receive(h, ev, 16);
            int k;

            for ( k = 0; k < n; k++ )
            {
                cr_assert_eq(ev[k].seq, ++seq[ev[k].vcpu]);
                cr_assert_eq(vmiring_respond(h, &ev[k], NULL), 0);
            }
            total += n;
            vmiring_release(h);
        }
        for ( i = 0; i < VCPUS; i++ )
            cr_assert_eq(r->paused[i], 0);
    }
}

/* One vCPU can have several requests outstanding; any order of answers. */
LEGACY_TEST(several_of_one_vcpu)
{
    struct vmiring_event ev[4];
    int i;

    for ( i = 0; i < 4; i++ )
        ring_raise(r, 0, true);
    cr_assert_eq(must_receive(h, ev, 4), 4);
    for ( i = 3; i >= 0; i-- )
        cr_assert_eq(vmiring_respond(h, &ev[i], NULL), 0);
    vmiring_release(h);
    cr_assert_eq(r->paused[0], 0);
    cr_assert_eq(r->answers, 4);
}

LEGACY_TEST(indexes_pass_uint32_max)
{
    struct vmiring_event ev;
    uint32_t begin = UINT32_MAX - 50;
    unsigned int i;

    r->req_prod = r->rsp_cons = begin;
    r->page->req_prod = r->page->rsp_prod = begin;
    h->legacy->req_cons = h->legacy->rsp_prod = h->legacy->limit = begin;

    for ( i = 0; i < 200; i++ )
    {
        ring_raise(r, i % VCPUS, i & 1);
        must_receive(h, &ev, 1);
        if ( ev.flags & VMIRING_EV_SYNC )
            cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
        vmiring_release(h);
    }
    cr_assert_eq(r->answers, 200);
    must_be_empty(h);
}

LEGACY_TEST(one_event_per_poll)
{
    struct vmiring_event ev;
    unsigned int i;

    must_be_empty(h);
    for ( i = 0; i < 8; i++ )
        ring_raise(r, i, true);
    for ( i = 0; i < 8; i++ )
    {
        /* The doorbell was for the first; the rest is the library's part. */
        cr_assert(i == 0 || readable(vmiring_fd(h)), "stuck at %u", i);
        must_receive(h, &ev, 1);
        cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
        vmiring_release(h);
    }

    /* The timer that looks after the domain may tick, once a second. */
    for ( i = 0; i < 100; i++ )
    {
        must_be_empty(h);
        if ( !readable(vmiring_fd(h)) )
            return;
    }
    cr_assert_fail("readable, and nothing there");
}

LEGACY_TEST(answers)
{
    struct vmiring_event ev;
    struct vmiring_event forged;

    ring_raise(r, 1, true);
    must_receive(h, &ev, 1);
    forged = ev;
    forged.vcpu = 2;
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &forged, NULL), -1);
    cr_assert_eq(errno, EINVAL);
    forged = ev;
    forged.handle += 9;
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &forged, NULL), -1);
    cr_assert_eq(errno, EINVAL);

    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    errno = 0;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), -1);
    cr_assert_eq(errno, EALREADY);
    vmiring_release(h);
    cr_assert_eq(r->answers, 1);
}

/* ---- what stands in the page may be anything ---- */

static void bogus_prod(uint32_t offset)
{
    struct vmiring_event ev[8];

    r->page->req_prod = r->req_prod + offset;
    errno = 0;
    cr_assert_eq(vmiring_receive(h, ev, 8), -1, "offset 0x%x", offset);
    cr_assert_eq(errno, EBADMSG, "offset 0x%x: errno %d", offset, errno);
    cr_assert(strstr(vmiring_error(h), "req_prod"));
    cr_assert_eq(r->page->rsp_prod, r->rsp_cons, "nothing was answered");
}

LEGACY_TEST(req_prod_one_too_many) { bogus_prod(ENTRIES + 1); }
LEGACY_TEST(req_prod_far_away) { bogus_prod(0x80000100U); }
LEGACY_TEST(req_prod_behind) { bogus_prod(0xffffffffU); }

/* Entries whose requests are not answered cannot hold new ones. */
LEGACY_TEST(req_prod_over_unanswered_requests)
{
    struct vmiring_event ev[8];
    unsigned int i;

    for ( i = 0; i < 4; i++ )
        ring_raise(r, i, true);
    cr_assert_eq(must_receive(h, ev, 8), 4);
    vmiring_release(h);
    bogus_prod(5);
}

/* ... nor can requests that were taken be taken back. */
LEGACY_TEST(req_prod_takes_back)
{
    struct vmiring_event ev[8];

    ring_raise(r, 0, true);
    ring_raise(r, 1, true);
    cr_assert_eq(must_receive(h, ev, 8), 2);
    vmiring_release(h);
    bogus_prod(0xffffffffU);
}

static void bad_request(const char *field, void (*spoil)(vm_event_request_t *))
{
    struct vmiring_event ev;

    ring_raise(r, 0, true);
    spoil(ring_slot(r, 0));
    errno = 0;
    cr_assert_eq(vmiring_receive(h, &ev, 1), -1, "%s", field);
    cr_assert_eq(errno, EBADMSG, "%s", field);
    cr_assert(strstr(vmiring_error(h), field), "'%s' does not name %s",
              vmiring_error(h), field);
}

static void version_old(vm_event_request_t *q) { q->version = 6; }
static void version_new(vm_event_request_t *q) { q->version = 8; }
static void vcpu_beyond(vm_event_request_t *q) { q->vcpu_id = VCPUS; }
static void vcpu_max(vm_event_request_t *q) { q->vcpu_id = ~0U; }
static void reason_max(vm_event_request_t *q) { q->reason = ~0U; }
static void reason_ours(vm_event_request_t *q) { q->reason = VMIRING_LOST; }
static void view_beyond(vm_event_request_t *q) { q->altp2m_idx = 256; }

LEGACY_TEST(version_old) { bad_request("version", version_old); }
LEGACY_TEST(version_new) { bad_request("version", version_new); }
LEGACY_TEST(vcpu_beyond) { bad_request("vcpu_id", vcpu_beyond); }
LEGACY_TEST(vcpu_max) { bad_request("vcpu_id", vcpu_max); }
LEGACY_TEST(reason_max) { bad_request("reason", reason_max); }
LEGACY_TEST(reason_ours) { bad_request("reason", reason_ours); }
LEGACY_TEST(view_beyond) { bad_request("altp2m_idx", view_beyond); }

/* A reason of a newer Xen is delivered, without a payload. */
LEGACY_TEST(an_unknown_reason)
{
    struct vmiring_event ev;
    struct vmiring_msr msr;

    ring_raise(r, 0, true);
    ring_slot(r, 0)->reason = 20;
    must_receive(h, &ev, 1);
    cr_assert_eq(ev.reason, 20);
    cr_assert_eq(strcmp(vmiring_reason_name(ev.reason), "unknown"), 0);
    cr_assert_eq(vmiring_get_msr(&ev, &msr), -1);
    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
}

/* ---- what v2 alone has ---- */

LEGACY_TEST(what_legacy_lacks)
{
    struct vmiring_vcpu_info info = { .size = sizeof(info) };

    cr_assert_eq(vmiring_caps(h), VMIRING_CAP_SIMULATED);
    errno = 0;
    cr_assert_eq(vmiring_info(h, 0, 1, &info), -1);
    cr_assert_eq(errno, ENOTSUP);
    errno = 0;
    cr_assert_eq(vmiring_restrict(h), -1);
    cr_assert_eq(errno, ENOTSUP);
    errno = 0;
    cr_assert_eq(vmiring_leave(h), -1);
    cr_assert_eq(errno, ENOTSUP);
    cr_assert_eq(vmiring_abi_used(h), VMIRING_ABI_LEGACY);
}

static void cannot_open(vmiring_options o, int expected)
{
    errno = 0;
    cr_assert_null(ring_open(o));
    cr_assert_eq(errno, expected, "errno %d, expected %d: %s", errno, expected,
                 vmiring_open_error());
    cr_assert(!r->enabled);
    cr_assert(!f->bound);
}

#define LEGACY_ABI .abi = VMIRING_ABI_LEGACY

Test(legacy_open, errors, .init = ring_make)
{
    const vmiring_options plain = { LEGACY_ABI };

    cannot_open((vmiring_options){ LEGACY_ABI,
                .on_death = VMIRING_DEATH_HOLD }, ENOTSUP);
    cannot_open((vmiring_options){ LEGACY_ABI,
                .on_death = VMIRING_DEATH_CRASH }, ENOTSUP);
    cannot_open((vmiring_options){ LEGACY_ABI, .deadline_ms = 5 }, ENOTSUP);
    cannot_open((vmiring_options){ LEGACY_ABI,
                .flags = VMIRING_OPEN_SPLIT_RINGS }, ENOTSUP);
    cannot_open((vmiring_options){ LEGACY_ABI,
                .flags = VMIRING_OPEN_TAKEOVER }, ENOTSUP);
    cannot_open((vmiring_options){ LEGACY_ABI,
                .required = VMIRING_CAP_LOSSY }, ENOTSUP);

    r->version = 8;
    cannot_open(plain, EPROTONOSUPPORT);
    r->version = VM_EVENT_INTERFACE_VERSION;
    r->info_errno = ESRCH;
    cannot_open(plain, ENOENT);
    r->info_errno = EPERM;
    cannot_open(plain, EACCES);
    r->info_errno = 0;
    r->enable_errno = EBUSY;
    cannot_open(plain, EBUSY);
    r->enable_errno = ENODEV;
    cannot_open(plain, EPROTONOSUPPORT);
    r->enable_errno = ENOMEM;
    cannot_open(plain, ENOMEM);
    r->enable_errno = 0;
    f->fail_bind = EMFILE;
    cannot_open(plain, EMFILE);
}

/* abi = auto on a Xen that knows no such dm_op. */
Test(legacy_open, automatic, .init = ring_make)
{
    f->fail_cmd = VMEV2_CMD_QUERY;
    f->fail_errno = EOPNOTSUPP;
    h = ring_open((vmiring_options){ .abi = VMIRING_ABI_AUTO });
    cr_assert(h, "%s", vmiring_open_error());
    cr_assert_eq(vmiring_abi_used(h), VMIRING_ABI_LEGACY);
    ring_tear_down();
}

/* ---- the end ---- */

LEGACY_TEST(close_answers_everybody)
{
    struct vmiring_event ev[8];
    unsigned int i;

    cr_assert_eq(ring_subscribe(VMIRING_GUEST_REQUEST, true), 0);
    for ( i = 0; i < VCPUS; i++ )
        ring_raise(r, i, true);
    cr_assert_eq(must_receive(h, ev, 8), 8);
    vmiring_release(h);
    r->disable_busy = 3;    /* somebody still waits inside Xen */
    vmiring_close(h);

    for ( i = 0; i < VCPUS; i++ )
        cr_assert(!r->paused[i] && !r->waiting[i], "vCPU %u", i);
    cr_assert_eq(r->answers, VCPUS);
    cr_assert_eq(r->enabled_events, 0);
    cr_assert_eq(r->disables, 1, "no more than it takes");
    cr_assert(!f->bound);
    h = NULL;               /* ring_tear_down() closes NULL */
}

LEGACY_TEST(domain_shuts_down_and_goes)
{
    struct vmiring_event ev;
    struct vmiring_domain d;

    must_be_empty(h);
    r->info.state = VMEV2_DOMAIN_SHUTDOWN;
    r->info.shutdown_code = 3;
    cr_assert_eq(vmiring_wait(h, 5000), 0, "a timer has to look");
    must_receive(h, &ev, 1);
    cr_assert_eq(vmiring_get_domain(&ev, &d), 0);
    cr_assert(d.state == 1 && d.shutdown_code == 3);
    vmiring_release(h);
    must_be_empty(h);

    r->info_errno = ESRCH;
    while ( vmiring_wait(h, 5000) == 0 && vmiring_receive(h, &ev, 1) < 0 )
        cr_assert_eq(errno, EAGAIN);
    cr_assert_eq(vmiring_get_domain(&ev, &d), 0);
    cr_assert_eq(d.state, 2);
    vmiring_release(h);
    errno = 0;
    cr_assert_eq(vmiring_receive(h, &ev, 1), -1);
    cr_assert_eq(errno, ENODEV);
}

/* How the domain does is a hypercall: once per tick of a second's, no more. */
LEGACY_TEST(the_domain_is_asked_for_by_the_tick)
{
    const unsigned int before = r->info_calls;
    unsigned int i;

    for ( i = 0; i < 50; i++ )
        must_be_empty(h);
    cr_assert_leq(r->info_calls, before + 1);
}
