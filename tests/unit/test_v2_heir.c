/* SPDX-License-Identifier: MIT */
/*
 * A handle whose predecessor is still alive, and carries out the store that it
 * was about to make when the channel was taken over.
 */
#include <errno.h>

#include <criterion/criterion.h>

#include "fake.h"

static struct vmev2_user_line *user(struct fake *f)
{
    return (struct vmev2_user_line *)(void *)f->mem[VMEV2_RES_USER];
}

/* Who is replaced while its process lives on. */
static vmiring *volatile replaced;

/* The predecessor, of which only a late store is left, and its successor. */
static vmiring *succeed(struct fake *f, bool hold)
{
    vmiring_options o = fake_options();
    vmiring *h;

    o.on_death = hold ? VMIRING_DEATH_HOLD : VMIRING_DEATH_DETACH;
    h = fake_open_with(f, &o);
    cr_assert(h, "%s", vmiring_open_error());
    if ( hold )
        cr_assert_eq(vmiring_leave(h), 0);
    else
        replaced = h;
    o.flags = hold ? VMIRING_OPEN_REATTACH : VMIRING_OPEN_TAKEOVER;
    h = fake_open_with(f, &o);
    cr_assert(h, "%s", vmiring_open_error());
    must_be_empty(h);

    return h;
}

/* How Xen is brought to look at the answers. */
static void by_release(vmiring *h)
{
    vmiring_release(h);
}

static void by_flush(vmiring *h)
{
    cr_assert_eq(vmiring_flush(h), 0);
}

static void by_access(vmiring *h)
{
    cr_assert_eq(vmiring_set_access(h, 1, 1, VMIRING_ACCESS_RWX), 0);
}

static void by_list(vmiring *h)
{
    const uint64_t gfn = 1;
    const uint8_t access = VMIRING_ACCESS_RWX;
    size_t done = 0;

    cr_assert_eq(vmiring_set_access_list(h, &gfn, &access, 1, &done), 0);
}

/* The number of an older request is stored over the one of our answer. */
static void late_answer(bool hold, void (*look)(vmiring *h))
{
    struct fake *f = fake_new(2);
    struct vmiring_response deny = {
        .size = sizeof(deny), .flags = VMIRING_RSP_DENY
    };
    struct vmiring_event ev;
    vmiring *h;
    uint32_t i;

    f->features |= VMEV2_FEAT_ACCESS_LOOKS;
    h = succeed(f, hold);
    f->list_takes = 3;
    for ( i = 0; i < 3; i++ )
    {
        fake_sync(f, 1, VMIRING_WRITE_CTRLREG);
        cr_assert_eq(must_receive(h, &ev, 1), 1);
        if ( look != by_release )
        {
            vmiring_release(h);
            must_be_empty(h);
            cr_assert(!readable(vmiring_fd(h)));
        }
        cr_assert_eq(vmiring_respond(h, &ev, i ? &deny : NULL), 0);
        /* ... and what it wrote before that, if it was stopped in there. */
        fake_slot(f, 1)->rsp.flags = 0;
        fake_slot(f, 1)->rsp.rsp_seq = f->vcpu[1].req_seq - 1;
        look(h);
        cr_assert(readable(vmiring_fd(h)), "nobody will look again");
        must_be_empty(h);
        cr_assert(!f->vcpu[1].outstanding, "its vCPU waits for ever");
        cr_assert_eq(f->vcpu[1].rsp.flags, i ? VMEV2_RSP_DENY : 0);
        cr_assert_eq(f->vcpu[1].info.answered, i + 1);
        cr_assert(!readable(vmiring_fd(h)));
    }
    vmiring_close(h);
    fake_free(f);
}

Test(v2_heir, late_answer) { late_answer(true, by_release); }
Test(v2_heir, late_answer_flush) { late_answer(true, by_flush); }
Test(v2_heir, late_answer_access) { late_answer(true, by_access); }
Test(v2_heir, late_answer_list) { late_answer(true, by_list); }

/* Policy DETACH: the channel was ended and made anew, on the same pages. */
Test(v2_heir, late_answer_made_anew) { late_answer(false, by_release); }

/* Answers that Xen is slow to take, or that are not ours, are left alone. */
Test(v2_heir, nothing_to_write_again)
{
    struct fake *f = fake_new(2);
    vmiring *h = succeed(f, true);
    struct vmiring_event ev[2];

    f->deaf = true;
    fake_sync(f, 0, VMIRING_CPUID);
    fake_sync(f, 1, VMIRING_CPUID);
    cr_assert_eq(must_receive(h, ev, 2), 2);
    cr_assert_eq(vmiring_respond(h, &ev[0], NULL), 0);
    fake_slot(f, 1)->rsp.flags = 77;
    vmiring_release(h);
    must_be_empty(h);
    cr_assert_eq(f->kicks, 1);
    cr_assert(!readable(vmiring_fd(h)));
    cr_assert_eq(fake_slot(f, 1)->rsp.rsp_seq, 0);
    cr_assert_eq(fake_slot(f, 1)->rsp.flags, 77);
    f->deaf = false;
    cr_assert_eq(vmiring_respond(h, &ev[1], NULL), 0);
    cr_assert_eq(vmiring_flush(h), 0);
    cr_assert(!f->vcpu[0].outstanding && !f->vcpu[1].outstanding);
    vmiring_close(h);
    fake_free(f);
}

/* Before a sleep: Xen would not ring for a record at all. */
static void late_word(uint64_t cons, uint64_t awake)
{
    struct fake *f = fake_new(1);
    vmiring *h = succeed(f, true);
    struct vmiring_event ev;
    unsigned int i;

    for ( i = 0; i < 2; i++ )
    {
        cr_assert(fake_async(f, 0, VMIRING_CPUID, 32));
        cr_assert_eq(must_receive(h, &ev, 1), 1);
        vmiring_release(h);
    }
    user(f)->cons = cons;
    user(f)->awake = awake;
    must_be_empty(h);
    cr_assert_eq(fake_cons(f, 0), 64);
    cr_assert_eq(fake_awake(f, 0), 0);
    cr_assert_eq(f->resumes, awake != 0);
    cr_assert(!readable(vmiring_fd(h)));
    cr_assert(fake_async(f, 0, VMIRING_CPUID, 32));
    cr_assert(readable(vmiring_fd(h)), "the record rang nobody");
    cr_assert_eq(must_receive(h, &ev, 1), 1);
    vmiring_release(h);
    must_be_empty(h);
    cr_assert_eq(f->resumes, awake != 0, "once is enough");
    vmiring_close(h);
    fake_free(f);
}

Test(v2_heir, late_promise) { late_word(64, 64 + 2048); }
Test(v2_heir, late_position) { late_word(32, 0); }
Test(v2_heir, late_both) { late_word(0, 4096); }
