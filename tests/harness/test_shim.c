/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The harness itself: each misuse that it watches for is made in a child,
 * which must be stopped by it, and what it plays works as in Xen.
 */
#include "harness.h"

#include <xen/domain_page.h>
#include <xen/rcupdate.h>
#include <xen/timer.h>
#include <xen/tasklet.h>
#include <xen/vmap.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what stops a program ---- */

static spinlock_t a, b, c;

static void init_locks(void)
{
    spin_lock_init(&a);
    spin_lock_init(&b);
    spin_lock_init(&c);
}

static void lock_twice(void)
{
    spin_lock(&a);
    spin_lock(&a);
}

static void unlock_free(void)
{
    spin_unlock(&a);
}

static void both_orders(void)
{
    spin_lock(&a);
    spin_lock(&b);
    spin_unlock(&b);
    spin_unlock(&a);
    spin_lock(&b);
    spin_lock(&a);
}

static void ring_of_orders(void)
{
    spin_lock(&a);
    spin_lock(&b);
    spin_unlock(&b);
    spin_unlock(&a);
    spin_lock(&b);
    spin_lock(&c);
    spin_unlock(&c);
    spin_unlock(&b);
    spin_lock(&c);
    spin_lock(&a);
}

/* A lock that a running vCPU takes, held while one is waited for. */
static void pause_under_lock(void)
{
    struct domain *d = new_domain(1);

    sim_vcpu_on(d->vcpu[0]);
    spin_lock(&a);
    spin_unlock(&a);
    sim_vcpu_off(d->vcpu[0]);
    spin_lock(&a);
    domain_pause(d);
}

static void sleep_with_lock(void)
{
    struct domain *d = new_domain(1);

    sim_vcpu_on(d->vcpu[0]);
    spin_lock(&a);
    sim_vcpu_off(d->vcpu[0]);
}

static void unpause_too_often(void)
{
    struct domain *d = new_domain(1);

    vcpu_unpause(d->vcpu[0]);
}

static void put_page_too_often(void)
{
    struct domain *d = new_domain(1);
    struct page_info *pg = alloc_domheap_page(d, MEMF_no_refcount);

    put_page_and_type(pg);
}

static void unmap_twice(void)
{
    struct domain *d = new_domain(1);
    struct page_info *pg = alloc_domheap_page(d, MEMF_no_refcount);
    mfn_t mfn = page_to_mfn(pg);
    void *va = vmap(&mfn, 1);

    vunmap(va);
    vunmap(va);
}

static void kill_with_pages(void)
{
    struct domain *d = new_domain(1);

    alloc_domheap_page(d, MEMF_no_refcount);
    sim_domain_kill(d, 0);
}

/* In a process of its own, and quietly. */
static bool is_stopped(void (*misuse)(void))
{
    int status;
    pid_t pid = fork();

    if ( !pid )
    {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        misuse();
        _exit(0);
    }
    waitpid(pid, &status, 0);

    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_misuse(void)
{
    static const struct {
        const char *what;
        void (*misuse)(void);
    } cases[] = {
        { "lock twice", lock_twice },
        { "unlock what is free", unlock_free },
        { "two orders", both_orders },
        { "three locks in a ring", ring_of_orders },
        { "pause under a lock", pause_under_lock },
        { "sleep with a lock", sleep_with_lock },
        { "unpause too often", unpause_too_often },
        { "put a page too often", put_page_too_often },
        { "unmap twice", unmap_twice },
        { "kill with pages left", kill_with_pages },
    };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(cases); i++ )
    {
        test_case("%s", cases[i].what);
        CHECK(is_stopped(cases[i].misuse));
    }

    test_case("good manners");
    spin_lock(&a);
    CHECK(!spin_trylock(&a));
    CHECK(spin_trylock(&b));
    CHECK_EQ(sim_locks_held(), 2);
    spin_unlock(&b);
    spin_unlock(&a);
    spin_barrier(&a);
    CHECK_EQ(sim_locks_held(), 0);
}

/* ---- what is played ---- */

static unsigned int ran;

static void run(void *data)
{
    struct tasklet *again = data;

    if ( ++ran < 3 && again )
        tasklet_schedule(again);
}

static void test_tasklets(void)
{
    struct tasklet t;

    test_case("tasklets");
    tasklet_init(&t, run, &t);
    tasklet_schedule(&t);
    sim_softirq_drain();
    CHECK_EQ(ran, 3);
    tasklet_kill(&t);
    tasklet_schedule(&t);
    sim_softirq_drain();
    CHECK_EQ(ran, 3);
}

static void test_timers(void)
{
    struct timer soon, later;

    test_case("timers");
    ran = 0;
    init_timer(&soon, run, NULL, 0);
    init_timer(&later, run, NULL, 0);
    set_timer(&later, NOW() + SECONDS(2000));
    set_timer(&soon, NOW() + SECONDS(1000));
    sim_softirq_drain();
    CHECK_EQ(ran, 0);
    sim_clock_advance(SECONDS(1001));
    sim_softirq_drain();
    CHECK_EQ(ran, 1);
    stop_timer(&later);
    sim_clock_advance(SECONDS(2001));
    sim_softirq_drain();
    CHECK_EQ(ran, 1);
    set_timer(&later, NOW());
    sim_softirq_drain();
    CHECK_EQ(ran, 2);
    kill_timer(&soon);
    kill_timer(&later);
    set_timer(&later, NOW());
    sim_softirq_drain();
    CHECK_EQ(ran, 2);
}

static bool quiet;

static void note_quiet(struct rcu_head *head)
{
    (void)head;
    __atomic_store_n(&quiet, true, __ATOMIC_RELEASE);
}

static void test_rcu(void)
{
    struct domain *d = new_domain(1);
    struct rcu_head head;
    unsigned int i;

    test_case("grace periods");
    rcu_lock_domain(d);
    rcu_lock_domain(d);
    call_rcu(&head, note_quiet);
    rcu_unlock_domain(d);
    /* Long enough for one that does not wait. */
    for ( i = 0; i < 200; i++ )
        sched_yield();
    CHECK(!__atomic_load_n(&quiet, __ATOMIC_ACQUIRE));
    rcu_unlock_domain(d);
    while ( !__atomic_load_n(&quiet, __ATOMIC_ACQUIRE) )
        sched_yield();
    sim_domain_kill(d, 0);
}

/* Pages of an area follow one another, however they came about. */
static void test_pages(void)
{
    struct domain *d = new_domain(1);
    struct page_info *pg[6];
    mfn_t mfn[3];
    off_t at[3];
    uint8_t *va;
    unsigned int i;

    test_case("pages");
    for ( i = 0; i < 6; i++ )
    {
        pg[i] = alloc_domheap_page(d, MEMF_no_refcount);
        CHECK(get_page_and_type(pg[i], d, PGT_writable_page));
    }
    /* Every other one: the mapping has them in a row all the same. */
    for ( i = 0; i < 3; i++ )
        mfn[i] = page_to_mfn(pg[2 * i]);
    clear_domain_page(mfn[1]);
    va = vmap(mfn, 3);
    CHECK_EQ(va[0], 0xa5);
    CHECK_EQ(va[PAGE_SIZE], 0);
    CHECK_EQ(va[2 * PAGE_SIZE], 0xa5);
    for ( i = 0; i < 3; i++ )
        CHECK_EQ(sim_page_place(mfn_x(mfn[i]), &at[i]), d->xen_fd);
    CHECK_EQ(at[1], at[0] + PAGE_SIZE);
    CHECK_EQ(at[2], at[1] + PAGE_SIZE);
    vunmap(va);
    for ( i = 0; i < 6; i++ )
    {
        put_page_alloc_ref(pg[i]);
        put_page_and_type(pg[i]);
    }
    CHECK_EQ(d->xen_pages, 0);
    sim_domain_kill(d, 0);
}

static void test_allocations(void)
{
    void *p;

    test_case("allocations that fail");
    sim_fail_alloc(2);
    p = xzalloc(uint64_t);
    CHECK(p);
    xfree(p);
    CHECK(!sim_alloc_failed());
    CHECK(!xzalloc(uint64_t));
    CHECK(sim_alloc_failed());
    p = xzalloc(uint64_t);
    CHECK(p);
    xfree(p);
    sim_fail_alloc(0);
}

int main(void)
{
    sim_init();
    init_locks();
    test_misuse();
    test_tasklets();
    test_timers();
    test_rcu();
    test_pages();
    test_allocations();

    return test_end();
}
