/* SPDX-License-Identifier: MIT */
/*
 * Attach, takeover, detach and the death of agents, and of the domain.
 *
 * models xen/common/vm_event/channel.c: vm_event_port_bound vm_event_port_closed
 * models xen/common/vm_event/channel.c: exchange_port stop detach act
 * models xen/common/vm_event/channel.c: vm_event_channel_create
 * models xen/common/vm_event/channel.c: vm_event_channel_attach
 * models xen/common/vm_event/channel.c: vm_event_channel_destroy vm_event_teardown
 * models xen/common/vm_event/slot.c: vm_event_slot_raise vm_event_cancel
 * models xen/common/vm_event/private.h: vm_event_listening
 *
 * Two agents come one after the other, at any time, and die at any time: also
 * between a create and its bind.  One vCPU raises sync requests.  A port is
 * the number of its opening; the callbacks compare it, as they do in Xen.
 * domain_pause() waits until the vCPU is outside of Xen.  No slot has a port of
 * its own here: "a port is bound" is "the doorbell is".
 *
 * Holds: a vCPU that is paused has an owner, or will be let go: a bound agent,
 * or the policy HOLD, or the second's lease of an agent that is about to bind
 * (whose end the next create sees).  No vCPU is held on a channel that is not
 * live.  A living agent is not thrown out by its predecessor's death.
 *
 * twins: AGAIN (the tasklet gives up when the lock is taken)
 *        RECHECK (the tasklet does not look again)
 *        LISTEN (raise does not ask whether anybody is there)
 *        PORT (a close of any port counts)
 *        FORGET (create forgets an earlier bind before it changes the port: a
 *        bug that this model found)
 *        PAUSE (detach does not wait for the vCPU to be outside of Xen)
 *        REUSE (a port goes with its channel though its creator has yet to bind,
 *        so that the next one has the same number; both can bind it here)
 */
#ifndef EVENTS
#define EVENTS 3
#endif

bool lock;                      /* d->vm_event_lock */
bool live, bound, ever_bound, awaiting, tasklet, dying;
bool hold;                      /* the policy */
byte port, ports;               /* of the channel; opened so far */
byte owner;                     /* who created or attached last */
bool in_xen, paused, domain_paused;
bool alive[3];                  /* agent n holds its end of bind[n] */
byte bind[3];
byte asks;                      /* who will answer the vCPU: 0 nobody */
bool thrown_out;

#define LOCK    atomic { !lock -> lock = true }
#define UNLOCK  lock = false
#define LISTENING (live && (bound || (hold && ever_bound)))

inline pause_domain()
{
    domain_paused = true;
#ifndef TWIN_PAUSE
    !in_xen                         /* domain_pause() waits for it */
#endif
}

inline stop()
{
    live = false;
    paused = false
}

inline exchange()
{
    atomic {
        ports++; port = ports; bound = false; awaiting = true;
#ifndef TWIN_FORGET
        if
        :: create -> ever_bound = false
        :: else -> skip
        fi
#endif
    }
}

inline close_port()             /* detach(), but for its stop() */
{
    atomic {
        if
#ifdef TWIN_REUSE
        :: awaiting && port -> ports = port - 1; port = 0
#else
        :: awaiting -> skip
#endif
        :: else -> port = 0
        fi;
        bound = false
    }
}

inline callback_bound(p)
{
    atomic {
        if
        :: p == port -> bound = true; ever_bound = true; awaiting = false
        :: else -> skip
        fi
    }
}

inline callback_closed(p)
{
    atomic {
        if
#ifdef TWIN_PORT
        :: true ->
#else
        :: p == port ->
#endif
            bound = false; tasklet = true
        :: else -> skip
        fi
    }
}

active proctype vcpu()
{
    byte n;

    do
    :: n < EVENTS && !dying ->
        atomic { !domain_paused && !paused -> in_xen = true };
        n++;
        if
#ifdef TWIN_LISTEN
        :: live ->
#else
        :: LISTENING ->
#endif
            paused = true
        :: else -> skip
        fi;
        in_xen = false
    :: else -> break
    od
}

proctype agent(byte me)
{
    byte mine;
    bool create;

    LOCK;
    if
    :: dying -> UNLOCK; goto gone
    :: !dying && (!live || (!bound && !ever_bound)) ->      /* create */
        pause_domain();
        if
        :: live -> stop()
        :: else -> skip
        fi;
#ifdef TWIN_FORGET
        ever_bound = false;
#endif
        create = true;
        live = true
    :: !dying && live && ever_bound && hold ->  /* attach; takeover if bound */
        pause_domain()
    :: !dying && live && ever_bound && !hold -> UNLOCK; goto gone   /* EBUSY */
    :: !dying && live && ever_bound && !hold ->     /* destroy, then create */
        pause_domain();
        stop();
        close_port();
        create = true;
        live = true
    :: !dying && live && !ever_bound ->             /* likewise */
        pause_domain();
        stop();
        close_port();
        create = true;
        live = true
    fi;
    exchange();
    mine = port;
    owner = me;
    domain_paused = false;
    UNLOCK;

    if
    :: true -> goto gone            /* dies before it binds */
    :: true -> skip
    fi;
    atomic { bind[me] = mine; alive[me] = true };
    callback_bound(mine);

    /* It answers while it lives and is the channel's. */
    do
    :: atomic { alive[me] && paused && bound && port == mine -> paused = false }
    :: true -> break
    od;

    if
    :: true ->                      /* destroy */
        LOCK;
        if
        :: live && port == mine && !dying ->
            pause_domain(); stop();
            close_port();
            domain_paused = false
        :: else -> skip
        fi;
        UNLOCK
    :: true -> skip                 /* or dies */
    fi;
    atomic { alive[me] = false; bind[me] = 0 };
    callback_closed(mine);
gone:
    skip
}

active proctype agent_death()
{
end:
    do
    :: atomic { tasklet -> tasklet = false };
        if
        :: atomic { !lock -> lock = true };
            if
#ifdef TWIN_RECHECK
            :: live ->
#else
            :: !dying && live && !bound && ever_bound ->
#endif
                if
                :: !hold ->
                    atomic { thrown_out = thrown_out ||
                             (alive[owner] && bind[owner] == port) };
                    pause_domain(); stop();
                    close_port();
                    domain_paused = false
                :: else -> skip
                fi
            :: else -> skip
            fi;
            UNLOCK
#ifdef TWIN_AGAIN
        :: atomic { lock -> skip }
#else
        :: atomic { lock -> tasklet = true }
#endif
        fi
    od
}

/* The domain is destroyed, or is not. */
active proctype teardown()
{
    if
    :: true -> skip
    :: true ->
        dying = true;
        !lock;                      /* spin_barrier() */
        domain_paused = true;
        !in_xen;
        stop();
        atomic { port = 0; bound = false }
    fi
}

init {
    atomic {
        if
        :: hold = true
        :: hold = false
        fi;
        run agent(1);
        run agent(2)
    }
}

#define OWNED ((bound && alive[owner]) || (hold && live && ever_bound))

ltl nobody_waits_alone { [] ((paused && !OWNED) -> <> (!paused || OWNED)) }
ltl not_thrown_out { [] !thrown_out }
ltl held_on_live_channel_only { [] ((paused && !live) -> <> !paused) }
