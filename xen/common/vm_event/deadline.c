/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The response deadline: what Xen does when a sync request has had no answer
 * for so many milliseconds.
 *
 * One timer per vCPU.  It is set when a request is published and it is not set
 * already, and looks when it fires: an answer in time costs no more than that.
 * The handler takes the slot's state, gives the default answer and unpauses;
 * the other policies are the tasklet's.  An answer that races with it finds the
 * slot taken, or is found to have taken it: both hold vv->lock.
 *
 * Time stands still while the toolstack has paused the domain.  The channel's
 * clock is Xen's without those periods.
 */
#include <xen/time.h>
#include <asm/vm_event.h>

#include "private.h"

/*
 * Events whose instruction runs, and raises them, again unless the agent moves
 * the instruction pointer.  Without an agent the second one must pass.
 */
#define RAISED_AGAIN ((1U << VMEV2_REASON_SOFTWARE_BREAKPOINT) | \
                      (1U << VMEV2_REASON_CPUID) | \
                      (1U << VMEV2_REASON_PRIVILEGED_CALL) | \
                      (1U << VMEV2_REASON_EMUL_UNIMPLEMENTED) | \
                      (1U << VMEV2_REASON_VMEXIT))

/* Under ch->clock_lock. */
static s_time_t channel_clock(const struct vm_event_channel *ch)
{
    s_time_t now = NOW();

    return now - ch->stood - (ch->stands ? now - ch->stands_since : 0);
}

/*
 * The toolstack's count of pauses has changed, or the channel is new.  What
 * counts is what the count says now, so that no order of two calls is wrong.
 */
static void follow_pauses(struct vm_event_channel *ch)
{
    bool stands;

    spin_lock(&ch->clock_lock);
    stands = read_atomic(&ch->d->controller_pause_count);
    if ( stands && !ch->stands )
        ch->stands_since = NOW();
    else if ( !stands && ch->stands )
        ch->stood += NOW() - ch->stands_since;
    ch->stands = stands;
    spin_unlock(&ch->clock_lock);
}

/*
 * Under vv->lock, for a slot that is outstanding.  True: its time is over.
 * Otherwise the timer has been set, or will be when the clock goes on.
 */
static bool is_due(struct vm_event_channel *ch, struct vm_event_vcpu *vv,
                   s_time_t *waited)
{
    s_time_t left;
    bool stands;

    spin_lock(&ch->clock_lock);
    left = vv->due - channel_clock(ch);
    stands = ch->stands;
    spin_unlock(&ch->clock_lock);

    *waited = MILLISECS(ch->deadline_ms) - left;
    if ( left <= 0 )
        return true;

    if ( !stands )
    {
        vv->timing = true;
        set_timer(&vv->timer, NOW() + left);
    }

    return false;
}

/* v == current, under vv->lock: its request is about to be seen. */
void vm_event_deadline_start(struct vm_event_channel *ch, struct vcpu *v)
{
    struct vm_event_vcpu *vv = vm_event_of(v);

    if ( likely(!ch->deadline_ms) )
        return;

    vv->ip = arch_vm_event_ip();

    spin_lock(&ch->clock_lock);
    vv->due = channel_clock(ch) + MILLISECS(ch->deadline_ms);
    spin_unlock(&ch->clock_lock);

    if ( !vv->timing )
    {
        vv->timing = true;
        set_timer(&vv->timer, NOW() + MILLISECS(ch->deadline_ms));
    }
}

/* Under vv->lock: the slot is free.  The next channel may be in more haste. */
void vm_event_deadline_stop(struct vm_event_vcpu *vv)
{
    vv->pass_reason = 0;
    if ( !vv->timing )
        return;

    vv->timing = false;
    stop_timer(&vv->timer);
}

/* Under vv->lock. */
static void count(struct vm_event_channel *ch, s_time_t waited)
{
    s_time_t limit = MILLISECS(ch->deadline_ms);

    spin_lock(&ch->clock_lock);
    if ( waited > limit + limit / 5 )
        ch->expired_late++;
    if ( !ch->expired || waited < ch->expired_min )
        ch->expired_min = waited;
    if ( waited > ch->expired_max )
        ch->expired_max = waited;
    vm_event_store(ch->expired_shown, ++ch->expired);
    spin_unlock(&ch->clock_lock);
}

/* What an agent would answer that lets the guest go on. */
static uint32_t default_flags(const struct vm_event_channel *ch,
                              uint32_t reason)
{
    switch ( reason )
    {
    case VMEV2_REASON_WRITE_CTRLREG:
    case VMEV2_REASON_MOV_TO_MSR:
        return ch->deadline_flags;

    case VMEV2_REASON_MEM_ACCESS:
    case VMEV2_REASON_DESCRIPTOR_ACCESS:
        return arch_vm_event_rsp_flags(ch->d) & VMEV2_RSP_EMULATE;

    default:
        return 0;
    }
}

static void cf_check expire(void *data)
{
    struct vcpu *v = data;
    struct vm_event_vcpu *vv = vm_event_of(v);
    struct vm_event_channel *ch = vm_event_channel(v->domain);
    bool due, unpause = false;
    s_time_t waited;

    spin_lock(&vv->lock);

    vv->timing = false;
    due = vv->outstanding && ch->deadline_ms && is_due(ch, vv, &waited);
    if ( due )
    {
        count(ch, waited);
        if ( ch->on_deadline == VMEV2_DEADLINE_RELEASE )
        {
            if ( RAISED_AGAIN & (1U << vv->reason) )
            {
                vv->pass_until = NOW() + MILLISECS(ch->deadline_ms);
                vv->pass_reason = vv->reason;
            }
            unpause = vm_event_slot_default(ch, v,
                                            default_flags(ch, vv->reason));
        }
        else
        {
            write_atomic(&ch->overdue, true);
            tasklet_schedule(&ch->death);
        }
    }

    spin_unlock(&vv->lock);

    if ( unpause )
        vm_event_vcpu_unpause(v);
    if ( due )
        vm_event_notify_slot(ch, v);
}

/*
 * v == current is about to raise an event.  True: it is the one that the
 * deadline has answered, raised again by the same instruction.
 */
bool vm_event_deadline_passes(struct vcpu *v, unsigned int reason)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    bool pass;

    if ( likely(!read_atomic(&vv->pass_reason)) )
        return false;

    spin_lock(&vv->lock);
    pass = vv->pass_reason == reason && vv->ip == arch_vm_event_ip();
    if ( NOW() > vv->pass_until )
        pass = false;
    if ( vv->pass_reason == reason )
        vv->pass_reason = 0;
    spin_unlock(&vv->lock);

    return pass;
}

/*
 * The tasklet asks whether the policy is still to act: it may have had to wait,
 * and the request have been answered meanwhile.  Bounded by the number of vCPUs.
 */
bool vm_event_deadline_overdue(struct vm_event_channel *ch)
{
    bool overdue = false;
    struct vcpu *v;

    if ( likely(!read_atomic(&ch->overdue)) )
        return false;

    /* What expires behind the look below sets it, and the tasklet off, again. */
    write_atomic(&ch->overdue, false);

    for_each_vcpu ( ch->d, v )
    {
        struct vm_event_vcpu *vv = vm_event_of(v);
        s_time_t waited;

        spin_lock(&vv->lock);
        overdue |= vv->outstanding && is_due(ch, vv, &waited);
        spin_unlock(&vv->lock);
    }

    return overdue;
}

/* Under d->vm_event_lock, the channel not live. */
void vm_event_deadline_set(struct vm_event_channel *ch,
                           const struct vmev2_op_create *op)
{
    ch->on_deadline = op->on_deadline;
    ch->deadline_ms = op->deadline_ms;
    ch->deadline_flags = op->deadline_flags;
    write_atomic(&ch->overdue, false);

    spin_lock(&ch->clock_lock);
    ch->expired = ch->expired_late = 0;
    ch->expired_min = ch->expired_max = 0;
    spin_unlock(&ch->clock_lock);

    follow_pauses(ch);
}

void vm_event_deadline_report(struct vm_event_channel *ch,
                              struct vmev2_op_info *info)
{
    info->deadline_ms = ch->deadline_ms;
    info->on_deadline = ch->on_deadline;
    info->deadline_flags = ch->deadline_flags;

    spin_lock(&ch->clock_lock);
    info->expired = ch->expired;
    info->expired_late = ch->expired_late;
    info->expired_min = ch->expired_min;
    info->expired_max = ch->expired_max;
    spin_unlock(&ch->clock_lock);
}

void vm_event_deadline_init(struct vcpu *v)
{
    init_timer(&vm_event_of(v)->timer, expire, v, v->processor);
}

/* No lock is held: the handler takes vv->lock. */
void vm_event_deadline_kill(struct vm_event_vcpu *vv)
{
    kill_timer(&vv->timer);
}

/* Called after each change of the count, before the vCPUs go on. */
void vm_event_domain_paused(struct domain *d)
{
    struct vm_event_channel *ch = vm_event_channel(d);
    struct vcpu *v;

    if ( !ch )
        return;

    follow_pauses(ch);

    for_each_vcpu ( d, v )
    {
        struct vm_event_vcpu *vv = vm_event_of(v);
        s_time_t waited;

        if ( !vv )
            continue;

        spin_lock(&vv->lock);
        /* What is due by now is left to the handler. */
        if ( vv->outstanding && ch->deadline_ms && !vv->timing &&
             is_due(ch, vv, &waited) )
        {
            vv->timing = true;
            set_timer(&vv->timer, NOW());
        }
        spin_unlock(&vv->lock);
    }
}
