/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sync slots: one request at a time per vCPU, its answer, and the stash for
 * what the vCPU raises before it is descheduled.
 *
 * A slot's life, all under vv->lock:
 *
 *   free         -> outstanding  vCPU (raise, or resume_end from the stash)
 *   outstanding  -> answered     a response that matches req_seq and is valid
 *   outstanding  -> outstanding  a response that is refused: published anew
 *   outstanding  -> answered     the deadline, with the default answer
 *   outstanding  -> free         policy, destroy, reset (vm_event_cancel())
 *   answered     -> free         vCPU (resume_begin), which carries it out
 *
 * We hold exactly one pause of the vCPU while its slot is outstanding, taken
 * before the request can be seen.  The answer is carried out by the vCPU
 * itself on its way into the guest, and the next request of the stash is
 * published only after that.
 */
#include <xen/nospec.h>
#include <xen/time.h>
#include <asm/vm_event.h>

#include "private.h"

/*
 * Notes in Xen's memory what the request is about, for the handlers of the
 * answer: the slot's own copy can be scribbled on.
 */
static void note_request(struct vm_event_vcpu *vv, const struct vmev2_rec *rec)
{
    vv->reason = rec->reason;
    vv->published = NOW();

    if ( rec->reason == VMEV2_REASON_WRITE_CTRLREG )
        vv->about.ctrlreg = *(const struct vmev2_ctrlreg *)(rec + 1);
    else if ( rec->reason == VMEV2_REASON_MEM_ACCESS )
        vv->about.mem_access = *(const struct vmev2_mem_access *)(rec + 1);
}

/*
 * Under vv->lock.  The vCPU is paused by us, or about to be descheduled.  Who is
 * to answer is decided for the request: once the doorbell's holder, it stays so
 * when the request is published again.
 */
static void publish(struct vm_event_channel *ch, struct vcpu *v,
                    const struct vmev2_rec *rec, uint32_t error)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    struct vmev2_slot __agent *slot = vm_event_slot(ch, v->vcpu_id);

    if ( rec )
    {
        BUILD_BUG_ON(VMEV2_SLOT_REC + VMEV2_REC_MAX > VMEV2_SLOT_RSP);
        vm_event_copy_in(&slot->rec, rec, rec->size);    /* S0 */
        note_request(vv, rec);
        vm_event_deadline_start(ch, v);
        write_atomic(&vv->orphan, false);
    }
    if ( read_atomic(&vv->port) && !read_atomic(&vv->port_bound) )
        write_atomic(&vv->orphan, true);

    write_atomic(&slot->error, error);
    vv->outstanding = true;
    set_bit(v->vcpu_id, ch->outstanding);
    vm_event_store_release(&slot->req_seq, ++vv->req_seq);  /* S1 */
    smp_wmb();  /* who sees the hint finds the request */
    write_atomic(&ch->pending[v->vcpu_id],
                 vv->orphan ? VMEV2_PENDING_ORPHAN : VMEV2_PENDING_SLOT);
}

/* v == current, under vv->lock: before anybody can see the request. */
static void hold_vcpu(struct vcpu *v)
{
    struct vm_event_vcpu *vv = vm_event_of(v);

    if ( vv->paused )
        return;

    vv->paused = true;
    vm_event_vcpu_pause(v);
}

/*
 * v == current.  Returns 1 when the vCPU waits for an answer, 0 when it goes
 * on as if nobody listened.
 */
int vm_event_slot_raise(struct vm_event_channel *ch, struct vcpu *v,
                        struct vmev2_rec *rec)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    bool answerable, notify = false;

    ASSERT(v == current);

    spin_lock(&vv->lock);

    vv->raised++;
    answerable = vm_event_answerable(ch, vv);

    if ( !answerable || vv->stash_nr == VM_EVENT_STASH )
    {
        vm_event_store(&ch->vcpu_line[v->vcpu_id].released, ++vv->released);
        spin_unlock(&vv->lock);

        /* As if it waited, or it would be raised again for ever. */
        if ( !answerable && vm_event_listening(ch) )
        {
            write_atomic(&ch->unheard, true);
            tasklet_schedule(&ch->death);
        }

        return 0;
    }

    rec->seq = ++vv->seq;
    vv->busy = true;
    vm_event_sync_event(v, true);

    if ( !vv->outstanding && !vv->rsp_ready && !vv->stash_nr )
    {
        hold_vcpu(v);
        publish(ch, v, rec, VMEV2_ERR_NONE);
        notify = true;
    }
    else
    {
        unsigned int at = (vv->stash_head + vv->stash_nr++) % VM_EVENT_STASH;

        /*
         * Either the slot is outstanding, so the vCPU is held already, or
         * resume_end is still to come on this vCPU's way into the guest and
         * publishes what is first in the stash.  Not held meanwhile: it would
         * never get there.
         */
        memcpy(vv->stash[at].rec, rec, rec->size);
    }

    spin_unlock(&vv->lock);

    if ( notify )
        vm_event_notify_slot(ch, v);

    return 1;
}

/*
 * The one copy-in of a response; everything after works on the copy.  What no
 * flag asks for is neither read nor looked at.
 */
static void copy_response(struct vmev2_rsp *to,
                          const struct vmev2_rsp __agent *from)
{
    unsigned int i;

    to->flags = read_atomic(&from->flags);
    to->altp2m_idx = read_atomic(&from->altp2m_idx);
    to->fast_p2midx = read_atomic(&from->fast_p2midx);
    to->emul_size = read_atomic(&from->emul_size);
    to->pad0 = read_atomic(&from->pad0);
    for ( i = 0; i < ARRAY_SIZE(to->pad1); i++ )
        to->pad1[i] = read_atomic(&from->pad1[i]);

    if ( to->flags & VMEV2_RSP_SET_REGISTERS )
        for ( i = 0; i < ARRAY_SIZE(to->regs.word); i++ )
            to->regs.word[i] = read_atomic(&from->regs.word[i]);

    if ( to->flags & (VMEV2_RSP_SET_EMUL_READ_DATA |
                      VMEV2_RSP_SET_EMUL_INSN_DATA) )
        for ( i = 0; i < sizeof(to->emul); i++ )
            to->emul[i] = read_atomic(&from->emul[i]);
}

/* Into the form that the architecture's handlers take from either ABI. */
static void convert(vm_event_response_t *to, const struct vmev2_rsp *from,
                    const struct vcpu *v)
{
    const struct vm_event_vcpu *vv = vm_event_of(v);
    struct vm_event_emul_read_data *read = &to->data.emul.read;

    memset(to, 0, sizeof(*to));
    to->version = VM_EVENT_INTERFACE_VERSION;
    to->flags = from->flags;
    to->reason = vv->reason;
    to->vcpu_id = v->vcpu_id;
    to->altp2m_idx = from->altp2m_idx;

    /* One union: the validator lets through only one of these three. */
    if ( from->flags & VMEV2_RSP_FAST_SINGLESTEP )
        to->u.fast_singlestep.p2midx = from->fast_p2midx;
    else if ( to->reason == VMEV2_REASON_WRITE_CTRLREG )
        to->u.write_ctrlreg.index = vv->about.ctrlreg.index;
    else if ( to->reason == VMEV2_REASON_MEM_ACCESS )
    {
        to->u.mem_access.gfn = vv->about.mem_access.gfn;
        to->u.mem_access.flags = vv->about.mem_access.flags;
    }

    if ( from->flags & VMEV2_RSP_SET_REGISTERS )
        arch_vm_event_convert_regs(to, &from->regs);

    BUILD_BUG_ON(sizeof(from->emul) > sizeof(read->data));
    if ( from->flags & VMEV2_RSP_SET_EMUL_READ_DATA )
    {
        read->size = from->emul_size;
        memcpy(read->data, from->emul, sizeof(from->emul));
    }
    else if ( from->flags & VMEV2_RSP_SET_EMUL_INSN_DATA )
        memcpy(to->data.emul.insn.data, from->emul,
               sizeof(to->data.emul.insn.data));
}

/*
 * Under vv->lock: the slot's request has this answer.  Returns whether the
 * caller is to unpause the vCPU.
 */
static bool accept(struct vm_event_channel *ch, struct vcpu *v,
                   const struct vmev2_rsp *rsp)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    bool unpause = vv->paused;

    convert(&vv->rsp, rsp, v);
    vv->outstanding = false;
    vv->rsp_ready = true;
    clear_bit(v->vcpu_id, ch->outstanding);
    write_atomic(&ch->pending[v->vcpu_id], VMEV2_PENDING_NONE);
    vv->paused = false;

    return unpause;
}

/* Under vv->lock: likewise, with the deadline's answer. */
bool vm_event_slot_default(struct vm_event_channel *ch, struct vcpu *v,
                           uint32_t flags)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    struct vmev2_rsp rsp = { .flags = flags };

    vm_event_store(&ch->vcpu_line[v->vcpu_id].released, ++vv->released);

    return accept(ch, v, &rsp);
}

/* Looks for an answer to what v waits for, if it waits. */
static void respond(struct vm_event_channel *ch, struct vcpu *v)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    const struct vmev2_rsp __agent *shared;
    struct vmev2_rsp copy;
    struct vm_event_rules rules;
    uint32_t error;
    uint64_t seq;
    bool answered = false, again = false;

    spin_lock(&vv->lock);

    if ( !vv->outstanding )
        goto out;

    shared = &vm_event_slot(ch, v->vcpu_id)->rsp;
    seq = vm_event_load_acquire(&shared->rsp_seq);       /* S5 */
    if ( seq != vv->req_seq )
    {
        /* An old answer stays where it is: count it once. */
        if ( seq != vv->seen_rsp && seq + 1 != vv->req_seq )
            vm_event_store(&ch->vcpu_line[v->vcpu_id].stale, ++vv->stale);
        vv->seen_rsp = seq;
        goto out;
    }

    vv->seen_rsp = seq;
    copy_response(&copy, shared);
    rules.reason = vv->reason;
    rules.flags = arch_vm_event_rsp_flags(v->domain);
    rules.views = arch_vm_event_views(v->domain);
    error = vm_event_validate(&copy, &rules);
    if ( error )
    {
        vm_event_store(&ch->vcpu_line[v->vcpu_id].bad, ++vv->bad);
        publish(ch, v, NULL, error);
        again = true;
        goto out;
    }

    vv->answered++;
    answered = accept(ch, v, &copy);

 out:
    spin_unlock(&vv->lock);

    if ( answered )
        vm_event_vcpu_unpause(v);
    if ( again )
        vm_event_notify_slot(ch, v);
}

/* Bounded by the number of vCPUs, whatever the agent writes meanwhile. */
void vm_event_slots_visit(struct domain *d)
{
    struct vm_event_channel *ch = vm_event_channel(d);
    unsigned int i;

    if ( !ch )
        return;

    for ( i = find_first_bit(ch->outstanding, d->max_vcpus); i < d->max_vcpus;
          i = find_next_bit(ch->outstanding, d->max_vcpus, i + 1) )
    {
        struct vcpu *v = domain_vcpu(d, i);

        if ( v && vm_event_of(v) )
            respond(ch, v);
    }
}

/*
 * Requests whose slot's port has lost its other end are the doorbell's holder's
 * from now on.  Returns whether one waits that is.  Bounded by the number of
 * vCPUs.
 */
bool vm_event_slots_orphan(struct vm_event_channel *ch)
{
    bool notify = false, waits = false;
    struct vcpu *v;

    for_each_vcpu ( ch->d, v )
    {
        struct vm_event_vcpu *vv = vm_event_of(v);

        spin_lock(&vv->lock);
        if ( vv->outstanding && vv->port && !vv->orphan &&
             !read_atomic(&vv->port_bound) )
        {
            write_atomic(&vv->orphan, true);
            write_atomic(&ch->pending[v->vcpu_id], VMEV2_PENDING_ORPHAN);
            notify = true;
        }
        waits |= vv->outstanding && (vv->orphan || !vv->port);
        spin_unlock(&vv->lock);
    }

    if ( notify )
        vm_event_notify(ch);

    return waits;
}

/*
 * The agent rang.  No lock is held: evtchn_send() keeps the domain structure,
 * and the channel lives as long as that.
 */
void cf_check vm_event_notification(struct vcpu *v, unsigned int port)
{
    vm_event_slots_visit(v->domain);
}

/* Likewise a slot's port, which was opened for this vCPU: no other is looked at. */
void cf_check vm_event_slot_notification(struct vcpu *v, unsigned int port)
{
    struct vm_event_channel *ch = vm_event_channel(v->domain);

    if ( ch && vm_event_of(v) )
        respond(ch, v);
}

void vm_event_resume_begin(struct vcpu *v)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    bool apply;

    ASSERT(v == current);

    /* Clear before acting: what is done now may raise the next event. */
    vm_event_sync_event(v, false);

    /* Set before the unpause that brought us here. */
    if ( likely(!vv) || likely(!read_atomic(&vv->rsp_ready)) )
        return;

    spin_lock(&vv->lock);
    apply = vv->rsp_ready;
    vv->rsp_ready = false;
    spin_unlock(&vv->lock);

    /* rsp is ours now: no answer is taken before the next publication. */
    if ( apply )
        arch_vm_event_apply(v, &vv->rsp);
}

bool vm_event_resume_end(struct vcpu *v)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    struct vm_event_channel *ch = vm_event_channel(v->domain);
    bool busy, notify = false;

    ASSERT(v == current);

    /* Legacy: its only trace is the pause. */
    if ( likely(!vv) || !ch || likely(!vv->busy) )
        return atomic_read(&v->vm_event_pause_count);

    spin_lock(&vv->lock);

    /* An answer that came during this pass is carried out by the next. */
    if ( vv->stash_nr && !vv->outstanding && !vv->rsp_ready )
    {
        const struct vmev2_rec *rec = (void *)vv->stash[vv->stash_head].rec;

        vm_event_sync_event(v, true);
        hold_vcpu(v);
        publish(ch, v, rec, VMEV2_ERR_NONE);
        vv->stash_head = (vv->stash_head + 1) % VM_EVENT_STASH;
        vv->stash_nr--;
        notify = true;
    }

    busy = vv->busy = vv->outstanding || vv->rsp_ready || vv->stash_nr;

    spin_unlock(&vv->lock);

    if ( notify )
        vm_event_notify_slot(ch, v);

    return busy;
}

bool vm_event_busy(const struct vcpu *v)
{
    const struct vm_event_vcpu *vv = vm_event_of(v);

    return unlikely(vv) && vv->busy;
}

/*
 * Ends whatever v waits for: the slot's request and those in the stash count
 * as released by policy, or as cancelled.  An answer that has been accepted is
 * still carried out, and so is a register write that waits for one.
 */
void vm_event_cancel(struct vm_event_channel *ch, struct vcpu *v, bool released)
{
    struct vm_event_vcpu *vv = vm_event_of(v);
    unsigned int nr;
    bool unpause;

    spin_lock(&vv->lock);

    nr = vv->stash_nr + vv->outstanding;
    if ( released )
        vv->released += nr;
    else
        vv->cancelled += nr;

    if ( nr && !ch->dead )
    {
        vm_event_store(&ch->vcpu_line[v->vcpu_id].released, vv->released);
        write_atomic(&ch->pending[v->vcpu_id], VMEV2_PENDING_NONE);
    }

    clear_bit(v->vcpu_id, ch->outstanding);
    vm_event_deadline_stop(vv);
    vv->outstanding = false;
    vv->stash_nr = 0;
    unpause = vv->paused;
    vv->paused = false;

    spin_unlock(&vv->lock);

    if ( unpause )
        vm_event_vcpu_unpause(v);
}
