/* SPDX-License-Identifier: MIT */
/*
 * Workers: what opens one and what is refused, whose request is whose, and what
 * is left to the main handle.  Races are tests/sim's.
 */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fake.h"

#define VCPUS 4U

struct pair {
    struct fake *f;
    vmiring *h, *worker;
};

/* A channel whose first slot_ports vCPUs can have workers. */
static struct pair start(uint32_t slot_ports)
{
    struct pair p = { .f = fake_new(VCPUS) };
    vmiring_options o = fake_options();

    p.f->features |= VMEV2_FEAT_SLOT_PORTS;
    p.f->slot_ports = slot_ports;
    o.flags = VMIRING_OPEN_SLOT_PORTS;
    p.h = fake_open_with(p.f, &o);
    cr_assert(p.h, "open: %s", vmiring_open_error());
    cr_assert_eq(p.f->create.flags, VMEV2_CREATE_SLOT_PORTS);

    return p;
}

static vmiring *open_worker(struct fake *f, struct vmiring_worker w)
{
    vmiring_options o = fake_options();

    w.size = sizeof(w);
    errno = 0;

    return vmiring_worker_on(&f->host, &o, &w);
}

static void end(struct pair *p)
{
    if ( p->worker )
        vmiring_close(p->worker);
    vmiring_close(p->h);
    fake_free(p->f);
}

static void refused(struct fake *f, struct vmiring_worker w, int err,
                    const char *text)
{
    const unsigned int unmapped = f->unmaps;
    const unsigned int mapped = f->maps;
    uint32_t i;

    cr_assert_null(open_worker(f, w), "%s", text);
    cr_assert_eq(errno, err, "%s: errno %d", text, errno);
    cr_assert(strstr(vmiring_open_error(), text), "%s: %s", text,
              vmiring_open_error());
    cr_assert_eq(f->maps - mapped, f->unmaps - unmapped);
    for ( i = 0; i < VCPUS; i++ )
        cr_assert(!f->vcpu[i].bound, "%s: port %u is still bound", text, i);
}

Test(worker, its_own_requests_and_no_others)
{
    static const uint32_t mine[] = { 3, 1 };
    struct pair p = start(VCPUS);
    struct vmiring_event ev[4];
    uint32_t vcpus[4] = { 9, 9, 9, 9 };
    unsigned int kicks;

    p.worker = open_worker(p.f, (struct vmiring_worker){ .vcpus = mine,
                                                         .nr_vcpus = 2 });
    cr_assert(p.worker, "%s", vmiring_open_error());
    cr_assert_eq(vmiring_worker_vcpus(p.worker, vcpus, 1), 2);
    cr_assert_eq(vcpus[0], 1);
    cr_assert_eq(vcpus[1], 9);
    cr_assert_eq(vmiring_worker_vcpus(p.worker, vcpus, 4), 2);
    cr_assert_eq(vcpus[1], 3);
    cr_assert_eq(vmiring_worker_vcpus(p.worker, NULL, 1), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(vmiring_worker_vcpus(p.h, vcpus, 4), 0);

    fake_sync(p.f, 0, VMIRING_CPUID);
    fake_sync(p.f, 3, VMIRING_CPUID);
    cr_assert_eq(must_receive(p.worker, ev, 4), 1);
    cr_assert_eq(ev[0].vcpu, 3);
    cr_assert_eq(vmiring_respond(p.worker, &ev[0], NULL), 0);
    kicks = p.f->kicks;
    vmiring_release(p.worker);
    cr_assert(!p.f->vcpu[3].outstanding);
    cr_assert_eq(p.f->kicks, kicks + 1, "each port is rung for its slot alone");

    cr_assert_eq(must_receive(p.h, ev, 4), 1);
    cr_assert_eq(ev[0].vcpu, 0);
    cr_assert_eq(vmiring_respond(p.h, &ev[0], NULL), 0);
    vmiring_release(p.h);
    must_be_empty(p.h);
    must_be_empty(p.worker);
    end(&p);
}

/* Asynchronous events and losses are the main handle's alone. */
Test(worker, no_ring)
{
    static const uint32_t mine[] = { 0 };
    struct pair p = start(VCPUS);
    struct vmiring_event ev[4];

    p.worker = open_worker(p.f, (struct vmiring_worker){ .vcpus = mine,
                                                         .nr_vcpus = 1 });
    cr_assert(p.worker);
    fake_async(p.f, 0, VMIRING_CPUID, 32);
    must_be_empty(p.worker);
    /* Far ahead of the request before: no loss for a worker to tell of. */
    while ( fake_async(p.f, 0, VMIRING_CPUID, 32) )
        continue;
    fake_sync(p.f, 0, VMIRING_CPUID);
    cr_assert_eq(must_receive(p.worker, ev, 4), 1);
    cr_assert_eq(ev[0].reason, VMIRING_CPUID);
    vmiring_release(p.worker);
    end(&p);
}

/* What a worker did not answer passes on when it goes. */
Test(worker, what_is_left)
{
    static const uint32_t mine[] = { 2 };
    struct pair p = start(VCPUS);
    struct vmiring_event ev[2];

    p.worker = open_worker(p.f, (struct vmiring_worker){ .vcpus = mine,
                                                         .nr_vcpus = 1 });
    cr_assert(p.worker);
    fake_sync(p.f, 2, VMIRING_CPUID);
    must_be_empty(p.h);
    cr_assert_eq(must_receive(p.worker, ev, 1), 1);
    vmiring_close(p.worker);
    p.worker = NULL;
    cr_assert(!p.f->vcpu[2].bound);
    cr_assert_eq(*fake_pending(p.f, 2), VMEV2_PENDING_ORPHAN);

    cr_assert_eq(must_receive(p.h, ev, 2), 1);
    cr_assert_eq(ev[0].vcpu, 2);
    cr_assert_eq(vmiring_respond(p.h, &ev[0], NULL), 0);
    vmiring_release(p.h);
    cr_assert(!p.f->vcpu[2].outstanding);
    end(&p);
}

/* An answer that was given and not announced goes with the close. */
Test(worker, close_announces)
{
    static const uint32_t mine[] = { 2 };
    struct pair p = start(VCPUS);
    struct vmiring_event ev;

    p.worker = open_worker(p.f, (struct vmiring_worker){ .vcpus = mine,
                                                         .nr_vcpus = 1 });
    cr_assert(p.worker);
    fake_sync(p.f, 2, VMIRING_CPUID);
    cr_assert_eq(must_receive(p.worker, &ev, 1), 1);
    cr_assert_eq(vmiring_respond(p.worker, &ev, NULL), 0);
    cr_assert(p.f->vcpu[2].outstanding);
    vmiring_close(p.worker);
    p.worker = NULL;
    cr_assert(!p.f->vcpu[2].outstanding);
    must_be_empty(p.h);
    end(&p);
}

/* An orphan whose answer stands already: Xen takes it when it is rung. */
Test(worker, an_answer_that_was_left)
{
    static const uint32_t mine[] = { 1 };
    struct pair p = start(VCPUS);
    struct vmiring_event ev;

    p.worker = open_worker(p.f, (struct vmiring_worker){ .vcpus = mine,
                                                         .nr_vcpus = 1 });
    cr_assert(p.worker);
    p.f->deaf = true;
    fake_sync(p.f, 1, VMIRING_CPUID);
    cr_assert_eq(must_receive(p.worker, &ev, 1), 1);
    cr_assert_eq(vmiring_respond(p.worker, &ev, NULL), 0);
    vmiring_close(p.worker);
    p.worker = NULL;
    cr_assert(p.f->vcpu[1].outstanding);

    p.f->deaf = false;
    must_be_empty(p.h);
    vmiring_release(p.h);
    cr_assert(!p.f->vcpu[1].outstanding);
    end(&p);
}

Test(worker, refused)
{
    static const uint32_t one[] = { 1 }, twice[] = { 2, 0, 2 }, far[] = { 0, VCPUS };
    const struct vmiring_worker w = { .vcpus = one, .nr_vcpus = 1 };
    struct pair p = start(2);
    struct vmiring_worker other = w;
    struct fake *f = p.f;

    other.generation = f->generation + 1;
    refused(f, other, ESTALE, "is generation");
    other.generation = f->generation;
    other.vcpus = twice;
    other.nr_vcpus = 3;
    refused(f, other, EINVAL, "is named twice");
    other.vcpus = far;
    other.nr_vcpus = 2;
    refused(f, other, ERANGE, "entry 1 is vCPU 4");
    other.vcpus = twice;
    other.nr_vcpus = 1;
    refused(f, other, ENOSPC, "below 2 have one");

    f->slot_ports = 0;
    refused(f, w, ENOTSUP, "has no ports");
    f->slot_ports = 2;
    f->legacy = true;
    refused(f, w, ENOTSUP, "legacy");
    f->legacy = false;
    f->state = VMEV2_STATE_IDLE;
    refused(f, w, ENXIO, "open the main handle first");
    f->state = VMEV2_STATE_ARMED;
    f->fail_bind = EMFILE;
    refused(f, w, EMFILE, "binding the port of vCPU 1");
    f->fail_bind = 0;
    f->fail_map = ENOMEM;
    f->fail_map_after = f->maps;
    refused(f, w, ENOMEM, "");
    f->fail_map = 0;
    end(&p);
}

Test(worker, one_for_each_vcpu)
{
    static const uint32_t both[] = { 0, 1 }, one[] = { 1 };
    struct pair p = start(VCPUS);

    p.worker = open_worker(p.f, (struct vmiring_worker){ .vcpus = one,
                                                         .nr_vcpus = 1 });
    cr_assert(p.worker);
    cr_assert_null(open_worker(p.f, (struct vmiring_worker){ .vcpus = both,
                                                             .nr_vcpus = 2 }));
    cr_assert_eq(errno, EBUSY);
    cr_assert(!p.f->vcpu[0].bound);
    cr_assert(p.f->vcpu[1].bound);
    end(&p);
}

/* A control page that does not say how large it is. */
Test(worker, sizes_of_the_control_page)
{
    static const uint32_t one[] = { 1 };
    const struct vmiring_worker w = { .vcpus = one, .nr_vcpus = 1 };
    struct pair p = start(VCPUS);

    p.f->ctrl->ctrl_bytes = 0;
    refused(p.f, w, EPROTO, "ctrl_bytes is 0");
    p.f->ctrl->ctrl_bytes = VMEV2_RING_MAX;
    refused(p.f, w, EPROTO, "ctrl_bytes is");
    p.f->ctrl->ctrl_bytes = 4096;
    p.f->ctrl->slot_size = 0;
    refused(p.f, w, EPROTO, "slot_size 0");
    p.f->ctrl->slot_size = VMEV2_SLOT_SIZE;
    p.worker = open_worker(p.f, w);
    cr_assert(p.worker, "%s", vmiring_open_error());
    end(&p);
}

Test(worker, what_it_does_not_do)
{
    static const uint32_t one[] = { 1 };
    struct vmiring_subscription s = { .size = sizeof(s), .reason = VMIRING_CPUID };
    struct pair p = start(VCPUS);
    const uint64_t gfn = 1;
    const uint8_t rights = VMIRING_ACCESS_R;
    uint32_t access;
    size_t done;

    p.worker = open_worker(p.f, (struct vmiring_worker){ .vcpus = one,
                                                         .nr_vcpus = 1 });
    cr_assert(p.worker);
#define ENDS_IN(call) do {              \
        errno = 0;                      \
        cr_assert_eq(call, -1);         \
        cr_assert_eq(errno, ENOTSUP);   \
    } while ( 0 )
    ENDS_IN(vmiring_subscribe(p.worker, &s));
    ENDS_IN(vmiring_unsubscribe(p.worker, &s));
    ENDS_IN(vmiring_set_access(p.worker, 0, 1, VMIRING_ACCESS_R));
    ENDS_IN(vmiring_get_access(p.worker, 0, &access));
    ENDS_IN(vmiring_set_access_list(p.worker, &gfn, &rights, 1, &done));
    ENDS_IN(vmiring_leave(p.worker));
    cr_assert_eq(p.f->nr_subs, 0);
    end(&p);
}

/* Options that are the main handle's. */
Test(worker, options)
{
    static const uint32_t one[] = { 1 };
    const struct vmiring_worker good = { .size = sizeof(good), .vcpus = one,
                                         .nr_vcpus = 1 };
    const struct {
        const char *field;
        int err;
        vmiring_options o;
    } cases[] = {
        { "options.abi", ENOTSUP, { .abi = VMIRING_ABI_LEGACY } },
        { "options.flags", EINVAL, { .flags = VMIRING_OPEN_REATTACH } },
        { "options.required", EINVAL, { .required = VMIRING_CAP_HOLD } },
        { "options.ring_bytes", EINVAL, { .ring_bytes = 4096 } },
        { "options.on_death", EINVAL, { .on_death = VMIRING_DEATH_HOLD } },
        { "options.deadline_ms", EINVAL, { .deadline_ms = 5 } },
        { "options.capture", EINVAL, { .capture = "file" } },
    };
    vmiring_options plain = { .size = sizeof(plain) };
    struct vmiring_worker w, copy;
    struct msg msg;
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(cases); i++ )
    {
        errno = 0;
        cr_assert_eq(worker_check(&msg, &cases[i].o, &copy, &good), -1);
        cr_assert_eq(errno, cases[i].err, "%s", cases[i].field);
        cr_assert(strstr(msg.text, cases[i].field), "%s", msg.text);
    }

    cr_assert_eq(worker_check(&msg, &plain, &copy, &good), 0);
    cr_assert_eq(copy.nr_vcpus, 1);
    w = good;
    w.flags = 1;
    cr_assert_eq(worker_check(&msg, &plain, &copy, &w), -1);
    w = good;
    w.nr_vcpus = 0;
    cr_assert_eq(worker_check(&msg, &plain, &copy, &w), -1);
    w = good;
    w.vcpus = NULL;
    cr_assert_eq(worker_check(&msg, &plain, &copy, &w), -1);
    cr_assert_eq(errno, EINVAL);
}
