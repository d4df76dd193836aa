/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pauses and the scheduler.  A vCPU is a thread (or a test that plays one).
 * Pausing it without waiting only sets counters and asks for a look at them;
 * the thread takes that look on its way into the guest, and there it sleeps.
 * So between the pause and the sleep it goes on in Xen, as on a real one.
 */
#include "sim.h"

__thread struct vcpu *sim_current;

/* What a synchronous pause waits for: for the lock order, a lock. */
static unsigned int running_class(void)
{
    static unsigned int class;

    return sim_known_class(&class, "a running vCPU");
}

bool vcpu_runnable(const struct vcpu *v)
{
    return !(__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) |
             __atomic_load_n(&v->pause_count.counter, __ATOMIC_SEQ_CST) |
             __atomic_load_n(&v->domain->pause_count.counter,
                             __ATOMIC_SEQ_CST));
}

static void sleep_nosync(struct vcpu *v)
{
    pthread_mutex_lock(&v->sched_mutex);
    v->need_resched = true;
    pthread_cond_broadcast(&v->sched_cond);
    pthread_mutex_unlock(&v->sched_mutex);
}

/* Waits until v has been descheduled; it was told to look. */
static void sleep_wait(struct vcpu *v)
{
    sim_order_enter(running_class(), false);
    pthread_mutex_lock(&v->sched_mutex);
    while ( !vcpu_runnable(v) && v->is_running )
        pthread_cond_wait(&v->sched_cond, &v->sched_mutex);
    pthread_mutex_unlock(&v->sched_mutex);
    sim_order_leave(running_class());
}

void vcpu_wake(struct vcpu *v)
{
    pthread_mutex_lock(&v->sched_mutex);
    pthread_cond_broadcast(&v->sched_cond);
    pthread_mutex_unlock(&v->sched_mutex);
}

void vcpu_pause_nosync(struct vcpu *v)
{
    atomic_inc(&v->pause_count);
    sleep_nosync(v);
}

void vcpu_pause(struct vcpu *v)
{
    ASSERT(v != current);
    vcpu_pause_nosync(v);
    sleep_wait(v);
}

void vcpu_unpause(struct vcpu *v)
{
    int left = atomic_dec_return(&v->pause_count);

    BUG_ON(left < 0);
    if ( !left )
        vcpu_wake(v);
}

void domain_pause_nosync(struct domain *d)
{
    struct vcpu *v;

    atomic_inc(&d->pause_count);
    for_each_vcpu ( d, v )
        sleep_nosync(v);
}

void domain_pause(struct domain *d)
{
    struct vcpu *v;

    ASSERT(d != current->domain);
    /* All are told before one is waited for: there are few processors. */
    domain_pause_nosync(d);
    for_each_vcpu ( d, v )
        sleep_wait(v);
}

void domain_unpause(struct domain *d)
{
    int left = atomic_dec_return(&d->pause_count);
    struct vcpu *v;

    BUG_ON(left < 0);
    if ( !left )
        for_each_vcpu ( d, v )
            vcpu_wake(v);
}

int domain_pause_by_systemcontroller(struct domain *d)
{
    spin_lock(&d->shutdown_lock);
    write_atomic(&d->controller_pause_count, d->controller_pause_count + 1);
    spin_unlock(&d->shutdown_lock);
    domain_pause(d);
    vm_event_domain_paused(d);

    return 0;
}

int domain_unpause_by_systemcontroller(struct domain *d)
{
    bool ok;

    spin_lock(&d->shutdown_lock);
    ok = d->controller_pause_count > 0;
    write_atomic(&d->controller_pause_count, d->controller_pause_count - ok);
    spin_unlock(&d->shutdown_lock);

    if ( !ok )
        return -EINVAL;
    vm_event_domain_paused(d);
    domain_unpause(d);

    return 0;
}

/* ---- what a vCPU's thread does ---- */

/* False: the thread is to end. */
static bool schedule_in(struct vcpu *v)
{
    bool stop;

    pthread_mutex_lock(&v->sched_mutex);
    while ( !vcpu_runnable(v) && !v->stop )
        pthread_cond_wait(&v->sched_cond, &v->sched_mutex);
    stop = v->stop;
    if ( !stop )
    {
        v->is_running = true;
        v->need_resched = false;
        v->scheduled++;
    }
    pthread_mutex_unlock(&v->sched_mutex);
    if ( !stop )
        sim_order_enter(running_class(), false);

    return !stop;
}

static void schedule_out(struct vcpu *v)
{
    BUG_ON(sim_locks_held() != 1);  /* the order's class of a running vCPU */
    sim_order_leave(running_class());
    pthread_mutex_lock(&v->sched_mutex);
    v->is_running = false;
    pthread_cond_broadcast(&v->sched_cond);
    pthread_mutex_unlock(&v->sched_mutex);
}

static bool must_resched(struct vcpu *v)
{
    bool must;

    pthread_mutex_lock(&v->sched_mutex);
    must = v->need_resched || v->stop;
    pthread_mutex_unlock(&v->sched_mutex);

    return must;
}

bool sim_vcpu_enter(struct vcpu *v)
{
    sim_current = v;

    return schedule_in(v);
}

bool sim_vcpu_return_to_guest(struct vcpu *v)
{
    ASSERT(v == current);

    while ( must_resched(v) )
    {
        schedule_out(v);
        if ( !schedule_in(v) )
            return false;
        sim_do_resume(v);
    }

    /* No guest runs on over an event that waits. */
    BUG_ON(vm_event_busy(v));

    return true;
}

void sim_vcpu_idle(struct vcpu *v, s_time_t ns)
{
    struct timespec ts;
    s_time_t at;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    at = ts.tv_sec * 1000000000LL + ts.tv_nsec + ns;
    ts.tv_sec = at / 1000000000LL;
    ts.tv_nsec = at % 1000000000LL;

    pthread_mutex_lock(&v->sched_mutex);
    while ( !v->need_resched && !v->stop &&
            !pthread_cond_timedwait(&v->sched_cond, &v->sched_mutex, &ts) )
        ;
    pthread_mutex_unlock(&v->sched_mutex);
}

void sim_vcpu_kick(struct vcpu *v)
{
    sleep_nosync(v);
}

void sim_vcpu_stop(struct vcpu *v)
{
    pthread_mutex_lock(&v->sched_mutex);
    v->stop = true;
    pthread_cond_broadcast(&v->sched_cond);
    pthread_mutex_unlock(&v->sched_mutex);
}

/* ---- a test that plays vCPUs ---- */

void sim_vcpu_on(struct vcpu *v)
{
    ASSERT(current->domain != v->domain);
    pthread_mutex_lock(&v->sched_mutex);
    v->is_running = true;
    v->need_resched = false;
    v->scheduled++;
    pthread_mutex_unlock(&v->sched_mutex);
    sim_order_enter(running_class(), false);
    sim_current = v;
}

void sim_vcpu_off(struct vcpu *v)
{
    ASSERT(v == current);
    schedule_out(v);
    sim_thread_become(NULL);
}

bool sim_vcpu_try_resume(struct vcpu *v)
{
    bool in_guest;

    if ( !vcpu_runnable(v) )
        return false;

    sim_vcpu_on(v);
    sim_do_resume(v);
    in_guest = !must_resched(v);
    BUG_ON(in_guest && vm_event_busy(v));
    sim_vcpu_off(v);

    return in_guest;
}

/* ---- the end of a domain's run ---- */

int domain_shutdown(struct domain *d, uint8_t reason)
{
    struct vcpu *v;

    spin_lock(&d->shutdown_lock);
    if ( d->is_shut_down )
    {
        spin_unlock(&d->shutdown_lock);
        return 0;
    }
    if ( d->shutdown_code == -1 )
        d->shutdown_code = reason;
    d->is_shut_down = true;
    atomic_inc(&d->pause_count);
    for_each_vcpu ( d, v )
        sleep_nosync(v);
    vm_event_domain_shutdown(d);
    spin_unlock(&d->shutdown_lock);

    return 0;
}

void domain_crash(struct domain *d)
{
    printk(XENLOG_ERR "%pd crashed\n", d);
    domain_shutdown(d, SHUTDOWN_crash);
}
