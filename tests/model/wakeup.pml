/* SPDX-License-Identifier: MIT */
/*
 * The doorbell: when Xen rings, and when the agent may sleep.
 *
 * models xen/common/vm_event/ring.c: publish vm_event_ring_put
 * models libvmi-ring/src/v2.c: v2_settle v2_collect
 * models libvmi-ring/src/receive.c: fill_or_sleep vmiring_receive vmiring_release
 *
 * Both sides have a store buffer of one entry, as every processor has: a store
 * is seen by the other side some time later, and only a full barrier (R5)
 * waits for it.  That is what Xen's check "had it caught up?" and the agent's
 * check "has anything come?" hang on.
 *
 * Not modelled: R6, the agent's promise to look unasked (awake) and its recall.
 * This is the protocol without it, which still is what decides once the promise
 * has been taken back, or was never made.
 *
 * Holds: the agent does not sleep for ever on a ring that is not empty.
 *
 * twins: XEN (no barrier between prod and cons)
 *        AGENT (no barrier between cons and prod)
 *        DRAIN (the doorbell is taken after the look)
 */
#define RECORDS 3

byte m_prod, m_cons;            /* as the other side sees them */
byte x_prod, a_cons;            /* as their writers do */
bool bell, more;                /* the two that make the fd readable */
bool producer_done, sleeps;

/* A buffer: the written value reaches memory at any time. */
#define X_OUT (m_prod == x_prod)
#define A_OUT (m_cons == a_cons)

active proctype memory()
{
end:
    do
    :: d_step { m_prod != x_prod -> m_prod = x_prod }
    :: d_step { m_cons != a_cons -> m_cons = a_cons }
    od
}

active proctype xen()
{
    byte start;

    do
    :: x_prod < RECORDS ->
        X_OUT;                      /* one entry */
        start = x_prod;
        x_prod++;
#ifndef TWIN_XEN
        X_OUT;                      /* R5: smp_mb() */
#endif
        if
        :: m_cons == start -> bell = true
        :: else -> skip
        fi
    :: else -> break
    od;
    X_OUT;
    producer_done = true
}

byte next;                      /* what the agent has taken */

inline settle()
{
    if
    :: a_cons != next -> A_OUT; a_cons = next
    :: else -> skip                 /* published before; maybe still buffered */
    fi;
#ifndef TWIN_AGENT
    A_OUT                           /* R5: shm_wakeup_fence() */
#endif
}

inline look()
{
    limit = m_prod;
    n = limit - next;
    next = limit
}

inline release()
{
    settle();
    if
    :: m_prod != a_cons -> more = true
    :: else -> skip
    fi
}

active proctype agent()
{
    byte limit, n;

receive:
    look();
    if
    :: n -> release(); goto sleep_
    :: else -> skip
    fi;
    settle();
    more = false;                   /* fds_disarm() */
#ifdef TWIN_DRAIN
    look();
    bell = false;
#else
    bell = false;                   /* drain() */
    look();
#endif
    if
    :: n -> more = true; release()
    :: else -> skip
    fi;
sleep_:
    /* poll(): level triggered */
    sleeps = true;
    if
    :: bell || more -> sleeps = false; goto receive
    :: producer_done && !bell && !more && next == RECORDS -> goto done
    fi;
done:
    skip
}
