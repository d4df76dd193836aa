/* SPDX-License-Identifier: MIT */
/*
 * One vCPU's sync slot: raise, publish, answer, refuse, carry out, cancel.
 *
 * models xen/common/vm_event/slot.c: publish hold_vcpu vm_event_slot_raise
 * models xen/common/vm_event/slot.c: copy_response respond accept vm_event_resume_begin
 * models xen/common/vm_event/slot.c: vm_event_resume_end vm_event_cancel
 * models libvmi-ring/src/v2.c: v2_answer
 *
 * Statements between the lock's two ends are steps of their own where they
 * touch what the agent sees, so it may look, and write, in between.  The agent
 * answers what it saw, or an older request, or rubbish.  Numbers stand for
 * contents: a record, a request number and an answer of event n all say n.
 *
 * Holds: an answer is taken for the request that it was written for; the books
 * balance whenever nobody has the lock; the guest runs only with nothing
 * pending; an answer is carried out before the next request is published; in
 * the end every event was answered, released or cancelled.
 *
 * twins: ORDER (the agent's number before its content, S3/S4)
 *        SEQ (any number is taken)
 *        READY (the stash is published over an answer not carried out)
 *        BUSY (an answer not carried out does not keep the vCPU from its guest)
 *        CANCEL (cancel forgets the pause)
 */
#ifndef EVENTS
#define EVENTS  3
#endif
#define STASH   2
#define RUBBISH 99

bool lock;
/* Xen's own */
bool outstanding, rsp_ready, paused, busy;
byte req, stash_nr, next_event = 1;
byte stash[STASH];
byte raised, answered, released, cancelled, carried_out;
byte slot_event, rsp_for;       /* what the slot is about; the answer taken */
int pauses;
/* shared: Xen's words, and the agent's */
byte s_rec, s_req, s_rsp, s_rsp_req;
bool pending, kicked, vcpu_done, agent_alive = true;

#define LOCK    atomic { !lock -> lock = true }
#define UNLOCK  atomic { assert(raised == answered + released + cancelled +     \
                                outstanding + stash_nr);                        \
                         assert(!paused || outstanding); lock = false }

inline hold()
{
    if
    :: paused -> skip
    :: else -> paused = true; pauses++
    fi
}

inline publish(event)
{
    assert(!rsp_ready);
    s_rec = event;                  /* S0 */
    slot_event = event;
    outstanding = true;
    req++;
    s_req = req;                    /* S1 */
    pending = true
}

inline raise()
{
    LOCK;
    raised++;
    if
    :: stash_nr == STASH -> released++
    :: else ->
        busy = true;
        if
        :: !outstanding && !rsp_ready && !stash_nr ->
            hold(); publish(next_event)
        :: else -> stash[stash_nr] = next_event; stash_nr++
        fi
    fi;
    next_event++;
    UNLOCK
}

inline resume_begin()
{
    if
    :: rsp_ready ->
        LOCK; rsp_ready = false; UNLOCK;
        atomic { assert(rsp_for == slot_event); carried_out++ }
    :: else -> skip
    fi
}

inline resume_end()
{
    if
    :: busy ->
        LOCK;
        if
#ifdef TWIN_READY
        :: stash_nr && !outstanding ->
#else
        :: stash_nr && !outstanding && !rsp_ready ->
#endif
            atomic { assert(carried_out == answered) };
            hold();
            publish(stash[0]);
            d_step { stash[0] = stash[1]; stash[1] = 0; stash_nr-- }
        :: else -> skip
        fi;
#ifdef TWIN_BUSY
        busy = outstanding || stash_nr;
#else
        busy = outstanding || rsp_ready || stash_nr;
#endif
        UNLOCK
    :: else -> skip
    fi
}

active proctype vcpu()
{
    do
    :: next_event <= EVENTS ->
        raise();
        if  /* more than one before it is descheduled */
        :: next_event <= EVENTS -> raise()
        :: true -> skip
        fi;
        do
        :: pauses == 0 ->
            resume_begin();
            /* What is carried out may raise more: an emulation, an interrupt. */
            do
            :: next_event <= EVENTS -> raise()
            :: true -> break
            od;
            resume_end();
            if
            :: !busy && pauses == 0 -> break
            :: else -> skip
            fi
        od;
        /* in the guest */
        assert(!outstanding && !rsp_ready && !stash_nr)
    :: else -> break
    od;
    vcpu_done = true;
    assert(raised == answered + released + cancelled)
}

/* Xen, when the agent has rung. */
active proctype responder()
{
    byte seq, copy;
    bool unpause;

end:
    do
    :: atomic { kicked -> kicked = false };
        unpause = false;
        LOCK;
        if
        :: outstanding ->
            seq = s_rsp_req;        /* S5 */
            if
#ifdef TWIN_SEQ
            :: seq != 0 ->
#else
            :: seq == req ->
#endif
                copy = s_rsp;
                if
                :: copy == RUBBISH -> req++; s_req = req; pending = true
                :: else ->
                    atomic { assert(copy == slot_event); rsp_for = copy };
                    answered++;
                    outstanding = false;
                    rsp_ready = true;
                    pending = false;
                    unpause = paused;
                    paused = false
                fi
            :: else -> skip
            fi
        :: else -> skip
        fi;
        UNLOCK;
        if
        :: unpause -> atomic { pauses--; assert(pauses >= 0) }
        :: else -> skip
        fi
    od
}

/* Policy, a reset, or destroy: at most once, whenever it likes. */
active proctype policy()
{
    bool unpause;
    byte nr;

    if
    :: true -> skip
    :: true ->
        LOCK;
        nr = stash_nr + outstanding;
        if
        :: released = released + nr
        :: cancelled = cancelled + nr
        fi;
        pending = false;
        outstanding = false;
        stash_nr = 0;
        unpause = paused;
        paused = false;
        UNLOCK;
#ifndef TWIN_CANCEL
        if
        :: unpause -> atomic { pauses--; assert(pauses >= 0) }
        :: else -> skip
        fi
#endif
    fi
}

active proctype agent()
{
    byte req_seen, rec_seen, last, bad;

end:
    do
    :: pending && s_req != last ->
        req_seen = s_req;           /* S2 */
        rec_seen = s_rec;
        /* Whole only if it is still the one that was pending. */
        if
        :: pending && s_req == req_seen -> skip
        :: else -> goto end
        fi;
        if
        :: bad < 1 -> bad++; rec_seen = RUBBISH
        :: true -> last = req_seen
        fi;
#ifdef TWIN_ORDER
        s_rsp_req = req_seen;
        s_rsp = rec_seen;
#else
        s_rsp = rec_seen;           /* S3 */
        s_rsp_req = req_seen;       /* S4 */
#endif
        kicked = true
    od
}

/* With an agent that goes on answering nobody waits for ever. */
ltl released_in_the_end { <> vcpu_done }
