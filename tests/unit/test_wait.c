/* SPDX-License-Identifier: MIT */
/*
 * Staying awake: what a busy agent promises to Xen and takes back in time,
 * waiting, and how little an answer touches.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fake.h"

#define EVENTS  50000U
#define LOST_MS 10000           /* nothing takes so long but what never comes */

/* Looks that find something, until the library holds on to being awake. */
static void be_busy(struct fake *f, vmiring *h)
{
    struct vmiring_event ev;
    unsigned int i;

    for ( i = 0; i < 8; i++ )
    {
        cr_assert(fake_async(f, 0, VMIRING_CPUID, 32));
        cr_assert_eq(must_receive(h, &ev, 1), 1);
        vmiring_release(h);
    }
}

Test(wait, a_busy_agent_is_not_rung)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    unsigned int bells;

    must_be_empty(h);
    cr_assert_eq(fake_awake(f, 0), 0);
    be_busy(f, h);
    cr_assert(fake_awake(f, 0) > f->ring[0].prod);
    cr_assert(fake_awake(f, 0) - f->ring[0].prod <= f->ring_bytes);

    /* Xen takes note with the first record that it looks up for. */
    fake_async(f, 0, VMIRING_CPUID, 32);
    bells = f->bells;
    be_busy(f, h);
    cr_assert_eq(f->bells, bells);
    cr_assert_eq(f->resumes, 0);
    vmiring_close(h);
    fake_free(f);
}

/* A promise is renewed when half of what it reached is used up. */
Test(wait, renewed_at_the_half)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[64];
    uint64_t awake;
    unsigned int i;

    be_busy(f, h);
    awake = fake_awake(f, 0);
    cr_assert_eq(awake, f->ring[0].prod + f->ring_bytes);
    for ( i = 0; i < f->ring_bytes / 2 / 32 - 1; i++ )
        cr_assert(fake_async(f, 0, VMIRING_CPUID, 32));
    cr_assert_eq(must_receive(h, ev, 64), (int)i);
    cr_assert_eq(fake_awake(f, 0), awake);
    vmiring_release(h);
    cr_assert(fake_async(f, 0, VMIRING_CPUID, 32));
    cr_assert_eq(must_receive(h, ev, 64), 1);
    cr_assert_eq(fake_awake(f, 0), awake + f->ring_bytes / 2);
    vmiring_close(h);
    fake_free(f);
}

/* Between a release and a sleep nobody tells of a record but the fd. */
Test(wait, readable_until_it_was_taken_back)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmiring_event ev;

    must_be_empty(h);
    be_busy(f, h);
    cr_assert(readable(vmiring_fd(h)));
    must_be_empty(h);
    cr_assert(!readable(vmiring_fd(h)));
    cr_assert_eq(f->resumes, 1);
    cr_assert_eq(fake_awake(f, 0), 0);

    fake_async(f, 0, VMIRING_CPUID, 32);
    cr_assert(readable(vmiring_fd(h)), "the record rang nobody");
    cr_assert_eq(must_receive(h, &ev, 1), 1);
    vmiring_release(h);
    must_be_empty(h);
    cr_assert_eq(f->resumes, 1, "nothing to take back");
    vmiring_close(h);
    fake_free(f);
}

/* Until Xen has taken note, the library goes on looking. */
Test(wait, a_failed_recall_is_repeated)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);

    must_be_empty(h);
    be_busy(f, h);
    f->fail_cmd = VMEV2_CMD_RESUME;
    f->fail_errno = EINTR;
    f->fail_times = 1;
    must_be_empty(h);
    cr_assert(readable(vmiring_fd(h)));
    must_be_empty(h);
    cr_assert(!readable(vmiring_fd(h)));
    cr_assert_eq(f->resumes, 1);
    vmiring_close(h);
    fake_free(f);
}

/* ---- receive_wait ---- */

static void *produce(void *arg)
{
    uint64_t random = 88172645463325252ULL;
    struct fake *f = arg;
    unsigned int i;

    for ( i = 0; i < EVENTS; i++ )
    {
        volatile unsigned int pause;

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        for ( pause = random % 1024 ? random % 64 : 100000; pause; pause-- )
            ;
        while ( f->ring[0].prod - fake_cons(f, 0) > f->ring_bytes / 2 )
            ;
        fake_async(f, 0, VMIRING_CPUID, 32);
    }

    return NULL;
}

static void consume_all(uint32_t spin_us)
{
    vmiring_options o = fake_options();
    struct fake *f = fake_new(1);
    struct vmiring_event ev[64];
    pthread_t thread;
    uint32_t got = 0;
    vmiring *h;

    o.spin_us = spin_us;
    h = fake_open_with(f, &o);
    cr_assert_eq(pthread_create(&thread, NULL, produce, f), 0);
    while ( got < EVENTS )
    {
        int n = vmiring_receive_wait(h, ev, 64, LOST_MS);

        cr_assert(n > 0, "%u of %u events, then %s", got, EVENTS,
                  vmiring_error(h));
        got += n;
        vmiring_release(h);
    }
    cr_assert_eq(pthread_join(thread, NULL), 0);
    vmiring_close(h);
    fake_free(f);
}

Test(wait, receive_wait_loses_no_wakeup)
{
    consume_all(0);
}

Test(wait, nor_with_spins)
{
    consume_all(20);
}

Test(wait, receive_wait_times_out)
{
    vmiring_options o = fake_options();
    struct fake *f = fake_new(1);
    struct vmiring_event ev;
    uint32_t spin;

    for ( spin = 0; spin < 2000; spin += 1000 )
    {
        vmiring *h;

        o.spin_us = spin;
        h = fake_open_with(f, &o);
        errno = 0;
        cr_assert_eq(vmiring_receive_wait(h, &ev, 1, 5), -1);
        cr_assert_eq(errno, EAGAIN);
        cr_assert_eq(fake_awake(f, 0), 0);
        vmiring_close(h);
    }
    fake_free(f);
}

static uint64_t us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

/* With timeout 0 the caller sleeps by itself, and that is learnt from too. */
Test(wait, a_sleep_of_the_callers)
{
    struct fake *f = fake_new(1);
    vmiring_options o = fake_options();
    struct vmiring_event ev;
    vmiring *h;

    h = fake_open_with(f, &o);
    cr_assert_not_null(h);
    /* Not by the option: a test that may use one CPU only would not spin. */
    h->spin_us = h->spin_now = 200000;
    cr_assert_eq(vmiring_receive_wait(h, &ev, 1, 0), -1);
    cr_assert_eq(errno, EAGAIN);
    cr_assert_eq(h->spin_now, 200000);
    cr_assert(h->left_at && h->left_at <= us());

    h->left_at = us() - 1000000;
    cr_assert_eq(vmiring_receive_wait(h, &ev, 1, 0), -1);
    cr_assert_eq(h->spin_now, 100000);

    h->left_at = us();
    fake_sync(f, 0, VMIRING_CPUID);
    cr_assert_eq(vmiring_receive_wait(h, &ev, 1, 0), 1);
    cr_assert_eq(h->spin_now, 200000);
    cr_assert_eq(h->left_at, 0);
    vmiring_close(h);
    fake_free(f);
}

/* ---- answers ---- */

Test(wait, one_kick_for_many_answers)
{
    struct fake *f = fake_new(16);
    vmiring *h = fake_open(f);
    struct vmiring_event ev[16];
    unsigned int i;

    must_be_empty(h);
    for ( i = 0; i < 16; i++ )
        fake_sync(f, i, VMIRING_CPUID);
    cr_assert_eq(must_receive(h, ev, 16), 16);
    for ( i = 0; i < 16; i++ )
        cr_assert_eq(vmiring_respond(h, &ev[i], NULL), 0);
    vmiring_release(h);
    cr_assert_eq(f->kicks, 1);
    must_be_empty(h);
    cr_assert_eq(f->kicks, 1);
    vmiring_close(h);
    fake_free(f);
}

/* The agent's side of a plain answer is one cache line of the slot. */
Test(wait, a_plain_answer_touches_one_line)
{
    struct fake *f = fake_new(1);
    vmiring *h = fake_open(f);
    struct vmev2_slot *slot = fake_slot(f, 0);
    struct vmiring_event ev;
    uint8_t before[sizeof(*slot)];

    must_be_empty(h);
    fake_sync(f, 0, VMIRING_CPUID);
    cr_assert_eq(must_receive(h, &ev, 1), 1);
    memset(&slot->rsp.regs, 0xa5, sizeof(slot->rsp.regs));
    memset(slot->rsp.emul, 0xa5, sizeof(slot->rsp.emul));
    memcpy(before, slot, sizeof(before));
    f->deaf = true;
    cr_assert_eq(vmiring_respond(h, &ev, NULL), 0);
    vmiring_release(h);
    cr_assert_eq(memcmp(slot, before, VMEV2_SLOT_RSP), 0);
    cr_assert_eq(memcmp((uint8_t *)slot + VMEV2_SLOT_RSP + 64,
                        before + VMEV2_SLOT_RSP + 64,
                        sizeof(before) - VMEV2_SLOT_RSP - 64), 0);
    vmiring_close(h);
    fake_free(f);
}
