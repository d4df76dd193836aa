/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Life of a version 2 channel: create, attach, death of the agent, destroy,
 * and the end of the domain.
 *
 *   state (as reported)     live   a port is bound   ever_bound
 *   NONE     no channel     -
 *   IDLE                    no     -                 -
 *   CREATED                 yes    -                 no
 *   ARMED                   yes    yes               yes
 *   HELD                    yes    no                yes
 *   DEAD     ch->dead
 *
 * live changes under d->vm_event_lock with the domain paused, so that no vCPU
 * is in the middle of raising an event.  bound follows the doorbell's remote
 * end, ever_bound too, and slots_bound those of the slots' ports; when one is
 * lost, a tasklet looks at what to do about it.  So it does when a deadline has
 * passed whose policy is not a matter of one vCPU (deadline.c).
 */
#include <xen/err.h>
#include <xen/mm.h>
#include <xen/param.h>
#include <xen/time.h>
#include <asm/monitor.h>
#include <asm/vm_event.h>

#include "private.h"

/*
 * Bytes of ring that one domain can make Xen allocate.  A million guest
 * requests of 32 bytes fit in the largest.
 */
static uint64_t __read_mostly opt_ring_max = 1U << 20;
size_param("vm_event_ring_max", opt_ring_max);

/*
 * A creator that has not bound the doorbell for so long is taken to have died.
 * The two system calls in between take microseconds.
 */
#define BIND_LEASE SECONDS(1)

uint32_t vm_event_ring_limit(void)
{
    uint64_t max = min_t(uint64_t, opt_ring_max, VMEV2_RING_MAX);

    return max_t(uint64_t, max, VMEV2_RING_MIN) & ~(VMEV2_RING_MIN - 1);
}

uint32_t vm_event_channel_state(const struct vm_event_channel *ch)
{
    if ( !ch )
        return VMEV2_STATE_NONE;
    if ( read_atomic(&ch->dead) )
        return VMEV2_STATE_DEAD;
    if ( !ch->live )
        return VMEV2_STATE_IDLE;
    if ( !read_atomic(&ch->ever_bound) )
        return VMEV2_STATE_CREATED;

    return read_atomic(&ch->bound) || read_atomic(&ch->slots_bound)
           ? VMEV2_STATE_ARMED : VMEV2_STATE_HELD;
}

/* Under ch->lock. */
static void show_state(struct vm_event_channel *ch)
{
    if ( ch->ctrl )
        write_atomic(&ch->ctrl->state, vm_event_channel_state(ch));
}

/* ---- the agent's ends ---- */

/* Inside both event locks: note it, and let the tasklet do the rest. */
void vm_event_port_bound(struct domain *rd, evtchn_port_t rport,
                         evtchn_port_t lport)
{
    struct vm_event_channel *ch = vm_event_channel(rd);
    struct vm_event_vcpu *vv;

    if ( !ch )
        return;

    spin_lock(&ch->lock);
    if ( rport == ch->port && !ch->dead )
    {
        write_atomic(&ch->agent_port, lport);
        write_atomic(&ch->awaiting, false);
        write_atomic(&ch->ever_bound, true);
        write_atomic(&ch->bound, true);
        show_state(ch);
    }
    else if ( !ch->dead && (vv = vm_event_port_owner(ch, rport)) )
    {
        write_atomic(&vv->port_bound, true);
        write_atomic(&ch->slots_bound, ch->slots_bound + 1);
        show_state(ch);
    }
    spin_unlock(&ch->lock);
}

void vm_event_port_closed(struct domain *rd, evtchn_port_t rport)
{
    struct vm_event_channel *ch = vm_event_channel(rd);
    struct vm_event_vcpu *vv;

    if ( !ch )
        return;

    spin_lock(&ch->lock);
    if ( rport == ch->port && !ch->dead )
    {
        write_atomic(&ch->bound, false);
        write_atomic(&ch->agent_port, ~0U);
        show_state(ch);
        tasklet_schedule(&ch->death);
    }
    else if ( !ch->dead && (vv = vm_event_port_owner(ch, rport)) &&
              vv->port_bound )  /* not if bound before it was the slot's */
    {
        write_atomic(&vv->port_bound, false);
        write_atomic(&ch->slots_bound, ch->slots_bound - 1);
        show_state(ch);
        tasklet_schedule(&ch->death);
    }
    spin_unlock(&ch->lock);
}

/*
 * The new ports were opened while the old ones were there, so that no number
 * is used again between two agents that race.  A new channel forgets that the
 * old doorbell was bound in the same step: its creator may bind it until then.
 */
static void exchange_port(struct domain *d, struct vm_event_channel *ch,
                          bool create)
{
    spin_lock(&ch->lock);
    vm_event_ports_swap(ch, true);
    write_atomic(&ch->bound, false);
    if ( create )
    {
        write_atomic(&ch->ever_bound, false);
        write_atomic(&ch->unheard, false);
    }
    write_atomic(&ch->agent_port, ~0U);
    write_atomic(&ch->awaiting, true);
    ch->created = NOW();
    show_state(ch);
    spin_unlock(&ch->lock);

    vm_event_ports_drop(d, ch);
}

/*
 * No more events, and every vCPU goes on.  The domain is paused.  What waited
 * counts as released by policy, or as cancelled.
 */
static void stop(struct domain *d, struct vm_event_channel *ch, bool released)
{
    struct vcpu *v;
    uint64_t before = 0;

    ch->live = false;
    arch_monitor_cleanup_domain(d);
    memset(&d->monitor, 0, sizeof(d->monitor));
    vm_event_access_stop(d, ch);

    for_each_vcpu ( d, v )
    {
        vm_event_cancel(ch, v, released);
        arch_vm_event_stop(v);
        before += vm_event_of(v)->released;
    }
    ch->released_before = before;
}

/* ---- create ---- */

static struct vm_event_channel *new_channel(struct domain *d)
{
    struct vm_event_channel *ch = xzalloc(struct vm_event_channel);

    if ( !ch )
        return NULL;

    ch->outstanding = xzalloc_array(unsigned long, BITS_TO_LONGS(d->max_vcpus));
    if ( !ch->outstanding )
    {
        xfree(ch);
        return NULL;
    }

    ch->d = d;
    ch->agent_port = ~0U;
    spin_lock_init(&ch->lock);
    spin_lock_init(&ch->clock_lock);

    return ch;
}

struct layout {
    uint32_t pending_off, vcpu_off, ring_off, port_off, ctrl_bytes;
    uint32_t ring_bytes;
    unsigned int nr_rings;
    unsigned int pages[VMEV2_RES_KINDS];
};

/* ring_bytes is a wish; what fits is granted. */
static int plan(const struct domain *d, uint32_t flags, uint32_t ring_bytes,
                struct layout *l)
{
    uint32_t limit = vm_event_ring_limit(), size = VMEV2_RING_MIN;
    unsigned int n = d->max_vcpus;

    l->nr_rings = (flags & VMEV2_CREATE_SPLIT_RINGS) ? n : 1;
    if ( limit / l->nr_rings < size )
        return -ENOSPC;

    if ( !ring_bytes )
        ring_bytes = 65536;
    while ( size < ring_bytes && size <= limit / 2 / l->nr_rings )
        size *= 2;

    l->ring_bytes = size;
    l->pending_off = 1024;  /* behind struct vmev2_ctrl, with room to grow */
    l->vcpu_off = ROUNDUP(l->pending_off + n, 64);
    l->ring_off = l->vcpu_off + n * sizeof(struct vmev2_vcpu_line);
    l->port_off = l->ring_off + l->nr_rings * sizeof(struct vmev2_ring_line);
    l->ctrl_bytes = l->port_off + n * sizeof(uint32_t);

    l->pages[VMEV2_RES_CTRL] = PFN_UP(l->ctrl_bytes);
    l->pages[VMEV2_RES_SLOTS] = PFN_UP(n * VMEV2_SLOT_SIZE);
    l->pages[VMEV2_RES_USER] =
        PFN_UP(l->nr_rings * sizeof(struct vmev2_user_line));
    l->pages[VMEV2_RES_RING] = l->nr_rings * (size >> PAGE_SHIFT);

    return 0;
}

static int allocate(struct domain *d, struct vm_event_channel *ch,
                    const struct layout *l)
{
    unsigned int i;
    int rc = 0;

    for ( i = 0; !rc && i < VMEV2_RES_KINDS; i++ )
        rc = vm_event_area_grow(d, ch, &ch->area[i], l->pages[i]);

    if ( !rc )
        rc = vm_event_alloc_vcpus(d, true);

    return rc;
}

static void reset_vcpus(struct vm_event_channel *ch)
{
    struct vcpu *v;

    for_each_vcpu ( ch->d, v )
    {
        struct vm_event_vcpu *vv = vm_event_of(v);

        spin_lock(&vv->lock);
        vv->seq = vv->produced = vv->lost = 0;
        vv->raised = vv->answered = vv->released = vv->cancelled = 0;
        vv->stale = vv->bad = 0;
        vv->seen_rsp = 0;
        spin_unlock(&vv->lock);
    }
}

static void set_rings(struct vm_event_channel *ch, const struct layout *l)
{
    const struct vmev2_user_line __agent *user =
        (void __agent *)ch->area[VMEV2_RES_USER].va;
    uint8_t __agent *data = ch->area[VMEV2_RES_RING].va;
    struct vcpu *v;

    if ( l->nr_rings == 1 )
        vm_event_ring_init(&ch->ring, data, l->ring_bytes, ch->ring_line, user,
                           true);

    for_each_vcpu ( ch->d, v )
    {
        struct vm_event_vcpu *vv = vm_event_of(v);
        unsigned int i = v->vcpu_id;

        vv->ring = &ch->ring;
        if ( l->nr_rings == 1 )
            continue;

        vm_event_ring_init(&vv->own, data + (size_t)i * l->ring_bytes,
                           l->ring_bytes, &ch->ring_line[i], &user[i], false);
        vv->ring = &vv->own;
    }
}

/*
 * Nanoseconds since 1970, UTC.  Only x86 has a mktime(): a day's number is
 * counted in years that begin in March, so that the leap day comes last.
 */
static uint64_t wall_clock(void)
{
    uint64_t ns = 0, days;  /* left alone while there is no wall clock */
    struct tm tm = wallclock_time(&ns);
    unsigned int year = tm.tm_year + 1900 - (tm.tm_mon < 2);
    unsigned int month = (tm.tm_mon + 10) % 12;  /* March is 0 */

    days = year * 365 + year / 4 - year / 100 + year / 400 +
           (month * 153 + 2) / 5 + tm.tm_mday - 1 - 719468;

    return (((days * 24 + tm.tm_hour) * 60 + tm.tm_min) * 60 + tm.tm_sec) *
           1000000000ULL + ns;
}

static void fill_ctrl(struct vm_event_channel *ch, const struct layout *l)
{
    struct vmev2_ctrl *ctrl = (struct vmev2_ctrl __force *)ch->ctrl;

    /* Written only, here too. */
    memset(ctrl, 0, l->ctrl_bytes);
    ctrl->magic = VMEV2_MAGIC;
    ctrl->version = VMEV2_VERSION;
    ctrl->compat = VMEV2_COMPAT;
    ctrl->generation = ch->generation;
    ctrl->nr_vcpus = ch->d->max_vcpus;
    ctrl->nr_rings = l->nr_rings;
    ctrl->ring_bytes = l->ring_bytes;
    ctrl->slot_size = VMEV2_SLOT_SIZE;
    ctrl->slot_rsp = VMEV2_SLOT_RSP;
    ctrl->pending_off = l->pending_off;
    ctrl->vcpu_off = l->vcpu_off;
    ctrl->ring_off = l->ring_off;
    ctrl->port_off = l->port_off;
    ctrl->ctrl_bytes = l->ctrl_bytes;
    ctrl->clock_time = NOW();
    ctrl->clock_wall = wall_clock();
    ctrl->clock_tsc = arch_vm_event_clock();
    if ( ch->d->is_shut_down )
    {
        ctrl->domain = VMEV2_DOMAIN_SHUTDOWN;
        ctrl->shutdown_code = ch->d->shutdown_code;
    }
}

/* The domain is paused and the channel not live: nobody uses the mappings. */
static int set_up(struct vm_event_channel *ch, const struct layout *l)
{
    uint8_t __agent *va;
    unsigned int i;
    int rc;

    spin_lock(&ch->lock);
    ch->ctrl = NULL;
    spin_unlock(&ch->lock);

    for ( i = 0; i < VMEV2_RES_KINDS; i++ )
    {
        rc = vm_event_area_map(&ch->area[i], l->pages[i]);
        if ( rc )
            return rc;
    }

    /* What the last agent left in its words is nothing to this one. */
    vm_event_clear(ch->area[VMEV2_RES_USER].va,
                   l->nr_rings * sizeof(struct vmev2_user_line));
    vm_event_clear(ch->area[VMEV2_RES_SLOTS].va,
                   ch->d->max_vcpus * VMEV2_SLOT_SIZE);

    /* Raised without a subscription of their own. */
    memset(ch->regs, VMEV2_REGS_NONE, sizeof(ch->regs));
    ch->regs[VMEV2_REASON_MEM_ACCESS] = VMEV2_REGS_CORE;
    ch->regs[VMEV2_REASON_INTERRUPT] = VMEV2_REGS_CORE;

    spin_lock(&ch->lock);
    va = ch->area[VMEV2_RES_CTRL].va;
    ch->ctrl = (void __agent *)va;
    ch->pending = va + l->pending_off;
    ch->expired_shown = &ch->ctrl->deadline_expired;
    ch->vcpu_line = (void __agent *)(va + l->vcpu_off);
    ch->ring_line = (void __agent *)(va + l->ring_off);
    ch->port_shown = (void __agent *)(va + l->port_off);
    ch->nr_rings = l->nr_rings;
    ch->ring_bytes = l->ring_bytes;
    ch->generation++;
    fill_ctrl(ch, l);
    spin_unlock(&ch->lock);

    reset_vcpus(ch);
    set_rings(ch, l);

    return 0;
}

static void report(const struct vm_event_channel *ch,
                   struct vmev2_op_create *op)
{
    unsigned int i;

    op->ring_bytes = ch->ring_bytes;
    op->port = ch->port;
    op->nr_rings = ch->nr_rings;
    op->nr_vcpus = ch->d->max_vcpus;
    for ( i = 0; i < VMEV2_RES_KINDS; i++ )
        op->frames[i] = ch->area[i].mapped;
    op->released_before = ch->released_before;
    op->generation = ch->generation;
    op->slot_ports = ch->slot_ports;
}

/* Somebody is about to bind, and is not kept from it. */
bool vm_event_lease_runs(const struct vm_event_channel *ch)
{
    return read_atomic(&ch->awaiting) && NOW() - ch->created < BIND_LEASE;
}

static int check_create(const struct domain *d,
                        const struct vmev2_op_create *op)
{
    if ( (op->flags & ~VMEV2_CREATE_KNOWN) || op->pad || op->pad2 )
        return -EINVAL;

    if ( op->on_death > VMEV2_DEATH_CRASH ||
         op->on_deadline > VMEV2_DEADLINE_CRASH ||
         (op->deadline_flags & ~VMEV2_RSP_DENY) )
        return -EINVAL;

    if ( op->ring_bytes > VMEV2_RING_MAX )
        return -EINVAL;

    if ( op->deadline_ms > VMEV2_DEADLINE_MAX_MS ||
         (!op->deadline_ms && op->on_deadline) ||
         ((!op->deadline_ms || op->on_deadline) && op->deadline_flags) )
        return -EINVAL;

    if ( op->deadline_flags & ~arch_vm_event_rsp_flags(d) )
        return -EOPNOTSUPP;

    return 0;
}

/* Who may take the place of what is there? */
static int check_vacant(const struct domain *d,
                        const struct vm_event_channel *ch)
{
    if ( vm_event_legacy_active(d) )
        return -EBUSY;

    switch ( vm_event_channel_state(ch) )
    {
    case VMEV2_STATE_NONE:
    case VMEV2_STATE_IDLE:
        return 0;

    case VMEV2_STATE_CREATED:
        return vm_event_lease_runs(ch) ? -EBUSY : 0;

    case VMEV2_STATE_DEAD:
        return -ENODEV;

    default:
        return -EBUSY;
    }
}

/* Under d->vm_event_lock.  May have to be continued: -ERESTART. */
int vm_event_channel_create(struct domain *d, struct vmev2_op_create *op)
{
    struct vm_event_channel *ch = vm_event_channel(d);
    struct layout l;
    int rc = check_create(d, op);

    if ( !rc )
        rc = check_vacant(d, ch);
    if ( !rc )
        rc = plan(d, op->flags, op->ring_bytes, &l);
    if ( rc )
        return rc;

    if ( !ch )
    {
        ch = new_channel(d);
        if ( !ch )
            return -ENOMEM;
        vm_event_channel_init_tasklet(ch);
        smp_wmb();  /* readers of d->vm_event take no lock */
        write_atomic(&d->vm_event, ch);
    }

    rc = allocate(d, ch, &l);
    if ( !rc )
        rc = vm_event_init_domain(d);
    if ( !rc )
        rc = vm_event_ports_open(d, ch, op->flags & VMEV2_CREATE_SLOT_PORTS);
    if ( rc )
        return rc;

    domain_pause(d);

    /* Nothing is left of an agent that never bound. */
    if ( ch->live )
        stop(d, ch, false);

    rc = arch_monitor_init_domain(d);
    if ( !rc )
        rc = set_up(ch, &l);
    if ( rc )
        vm_event_ports_drop(d, ch);
    else
    {
        ch->features = (l.nr_rings > 1 ? VMEV2_FEAT_SPLIT_RINGS : 0) |
                       (op->on_death == VMEV2_DEATH_HOLD ? VMEV2_FEAT_HOLD : 0) |
                       (op->deadline_ms ? VMEV2_FEAT_DEADLINE : 0) |
                       arch_vm_event_features(d) |
                       (vm_event_access_supported(d)
                        ? VMEV2_FEAT_MEM_ACCESS | VMEV2_FEAT_ACCESS_LOOKS : 0);
        ch->on_death = op->on_death;
        vm_event_deadline_set(ch, op);
        ch->agent = current->domain->domain_id;
        ch->live = true;
        exchange_port(d, ch, true);
        report(ch, op);
        ch->released_before = 0;
    }

    domain_unpause(d);

    return rc;
}

/* The agent's controlling part, who bound the doorbell, has gone. */
static bool vacant(const struct vm_event_channel *ch)
{
    return read_atomic(&ch->ever_bound) && !read_atomic(&ch->bound);
}

/* Under d->vm_event_lock.  May have to be continued: -ERESTART. */
int vm_event_channel_attach(struct domain *d, uint32_t flags,
                            struct vmev2_op_create *op)
{
    struct vm_event_channel *ch = vm_event_channel(d);
    int rc;

    if ( flags & ~VMEV2_ATTACH_KNOWN )
        return -EINVAL;

    switch ( vm_event_channel_state(ch) )
    {
    case VMEV2_STATE_HELD:
        if ( vm_event_lease_runs(ch) )
            return -EBUSY;
        break;

    case VMEV2_STATE_CREATED:
    case VMEV2_STATE_ARMED:
        /* Ports of slots alone are what the agent left behind. */
        if ( !(flags & VMEV2_ATTACH_TAKEOVER) &&
             (!vacant(ch) || vm_event_lease_runs(ch)) )
            return -EBUSY;
        /*
         * The new agent may die before it binds.  Only HOLD says who then
         * owns the vCPUs that wait; otherwise destroy, and create anew.
         */
        if ( ch->on_death != VMEV2_DEATH_HOLD )
            return -EOPNOTSUPP;
        break;

    case VMEV2_STATE_DEAD:
        return -ENODEV;

    default:
        return -ENOENT;
    }

    rc = vm_event_ports_open(d, ch, flags & VMEV2_ATTACH_SLOT_PORTS);
    if ( rc )
        return rc;

    domain_pause(d);

    /* The living agent is told before its ports go. */
    spin_lock(&ch->lock);
    ch->generation++;
    write_atomic(&ch->ctrl->generation, ch->generation);
    spin_unlock(&ch->lock);
    vm_event_notify_all(ch);

    /* Its promise to look by itself is no promise of the new one (R6). */
    vm_event_rings_recall(d, ch);

    ch->agent = current->domain->domain_id;
    exchange_port(d, ch, false);
    /* Until its workers have bound, it has all requests itself. */
    vm_event_slots_orphan(ch);
    report(ch, op);

    domain_unpause(d);

    return 0;
}

/* ---- the end of an agent ---- */

/*
 * Stops monitoring and lets every vCPU go.  Under d->vm_event_lock, not on one
 * of d's vCPUs.
 */
static void detach(struct domain *d, struct vm_event_channel *ch, bool released)
{
    domain_pause(d);

    stop(d, ch, released);

    spin_lock(&ch->lock);
    show_state(ch);
    spin_unlock(&ch->lock);

    vm_event_notify_all(ch);

    /*
     * What a create that was never continued has opened goes too.  Who has yet
     * to bind must not find the next one's doorbell under the number that he
     * was given: it is closed when that one's has been opened.
     */
    vm_event_ports_drop(d, ch);
    spin_lock(&ch->lock);
    vm_event_ports_swap(ch, ch->awaiting);
    write_atomic(&ch->bound, false);
    write_atomic(&ch->agent_port, ~0U);
    spin_unlock(&ch->lock);
    vm_event_ports_drop(d, ch);

    domain_unpause(d);
}

/* Under d->vm_event_lock. */
int vm_event_channel_destroy(struct domain *d, uint64_t generation)
{
    struct vm_event_channel *ch = vm_event_channel(d);

    switch ( vm_event_channel_state(ch) )
    {
    case VMEV2_STATE_NONE:
    case VMEV2_STATE_IDLE:
        return -ENOENT;

    case VMEV2_STATE_DEAD:
        return -ENODEV;
    }

    if ( generation != ch->generation )
        return -ENOTCONN;

    detach(d, ch, false);

    return 0;
}

/*
 * A port lost its other end a while ago, or a deadline passed.  Look again under
 * the lock: another agent, or another worker, may have come since.
 */
static void cf_check act(void *data)
{
    struct vm_event_channel *ch = data;
    struct domain *d = ch->d;
    bool crash, gone;

    if ( !spin_trylock(&d->vm_event_lock) )
    {
        tasklet_schedule(&ch->death);
        return;
    }

    if ( !d->is_dying && ch->live )
    {
        bool overdue = vm_event_deadline_overdue(ch);
        bool waits = read_atomic(&ch->unheard);

        if ( waits )
            write_atomic(&ch->unheard, false);
        waits |= vm_event_slots_orphan(ch);

        /* A bind writes two words. */
        spin_lock(&ch->lock);
        gone = vacant(ch) && (waits || !ch->slots_bound) &&
               ch->on_death != VMEV2_DEATH_HOLD;
        spin_unlock(&ch->lock);
        crash = (gone && ch->on_death == VMEV2_DEATH_CRASH) ||
                (overdue && ch->on_deadline == VMEV2_DEADLINE_CRASH);

        /* Before its vCPUs are let go, so that none of them runs again. */
        if ( crash )
            domain_crash(d);

        if ( gone || overdue )
            detach(d, ch, true);
    }

    spin_unlock(&d->vm_event_lock);
}

void vm_event_channel_init_tasklet(struct vm_event_channel *ch)
{
    tasklet_init(&ch->death, act, ch);
}

/* ---- the end of a domain ---- */

static void show_domain(struct domain *d, uint32_t domain, uint32_t code)
{
    struct vm_event_channel *ch = vm_event_channel(d);

    if ( !ch )
        return;

    spin_lock(&ch->lock);
    if ( ch->ctrl && !ch->dead )
    {
        write_atomic(&ch->ctrl->shutdown_code, code);
        smp_wmb();  /* the code before the word that says it is valid */
        write_atomic(&ch->ctrl->domain, domain);
    }
    spin_unlock(&ch->lock);

    vm_event_notify_all(ch);
}

/* May run with arbitrary locks held: store and notify, no more. */
void vm_event_domain_shutdown(struct domain *d)
{
    show_domain(d, VMEV2_DOMAIN_SHUTDOWN, d->shutdown_code);
}

void vm_event_domain_resume(struct domain *d)
{
    show_domain(d, VMEV2_DOMAIN_RUNNING, 0);
}

void vm_event_domain_dying(struct domain *d)
{
    /* Who holds the lock saw the domain alive; let it finish. */
    spin_barrier(&d->vm_event_lock);

    show_domain(d, VMEV2_DOMAIN_DYING, d->shutdown_code);
}

/*
 * acquire_resource() takes references on what it was given some time after it
 * was given it, under RCU.  Once the grace period has passed it is done.
 */
static void cf_check quiesced(struct rcu_head *head)
{
    struct vm_event_channel *ch = container_of(head, struct vm_event_channel,
                                               rcu);

    write_atomic(&ch->quiet, true);
}

int vm_event_teardown(struct domain *d)
{
    struct vm_event_channel *ch = vm_event_channel(d);
    struct vcpu *v;
    unsigned int i;
    int rc = 0;

    if ( !ch )
        return 0;

    if ( !ch->dead )
    {
        spin_lock(&ch->lock);
        ch->live = false;
        if ( ch->ctrl )
            write_atomic(&ch->ctrl->state, VMEV2_STATE_DEAD);
        write_atomic(&ch->dead, true);
        ch->ctrl = NULL;
        spin_unlock(&ch->lock);

        /* From here on no slot is outstanding, so none is looked at. */
        for_each_vcpu ( d, v )
            if ( vm_event_of(v) )
                vm_event_cancel(ch, v, false);

        call_rcu(&ch->rcu, quiesced);
        return -ERESTART;
    }

    if ( !read_atomic(&ch->quiet) )
        return -ERESTART;

    for ( i = 0; !rc && i < VMEV2_RES_KINDS; i++ )
        rc = vm_event_area_free(d, ch, &ch->area[i]);

    return rc;
}
