/* SPDX-License-Identifier: MIT */
/*
 * The legacy ring with its stashes.
 *
 * models xen/common/vm_event/legacy.c: ring_room ring_put stash_put
 * models xen/common/vm_event/legacy.c: stash_to_ring drain __vm_event_claim_slot
 * models xen/common/vm_event/legacy.c: vm_event_put_request vm_event_legacy_traps
 * models xen/common/vm_event/legacy.c: get_response take_waiting resume
 * models xen/common/vm_event/legacy.c: release_stash disable
 *
 * VCPUS vCPUs raise requests, sync or not, into a ring of one entry.  Each
 * entry says whose request it holds, and its number.  The agent answers in
 * order, may answer twice or for another vCPU, and may detach.
 *
 * Holds: the ring never has more requests than entries; a ring with stashed
 * requests is full; a vCPU's requests come in its own order; a response never
 * undoes the stash's pause nor one that was not asked for; while the agent
 * answers, or once it has detached, every vCPU gets to its end.
 *
 * twins: DRAIN (a response makes no room for the stash)
 *        SHARED (a response undoes the stash's pause)
 *        RELEASE (disable leaves the stash's pause)
 *        NOPAUSE (what is stashed does not pause its vCPU)
 */
#define VCPUS   2
#define ENTRIES 1
#define STASH   2
#ifndef EVENTS
#define EVENTS  3
#endif

bool is_on = true;
byte req_prod, rsp_cons;        /* do not wrap here: ring.pml has that */
byte e_vcpu[ENTRIES], e_nr[ENTRIES], e_sync[ENTRIES];
byte s_nr[VCPUS], s_first[VCPUS];
bool s_sync[4];                 /* VCPUS * STASH */
bool stashed[VCPUS], held[VCPUS];
byte waiting[VCPUS];
int pauses[VCPUS];              /* vm_event_pause_count */
byte nr[VCPUS], seen[VCPUS];    /* requests raised; last one the agent saw */
byte last, done, overflow;

/* shared */
byte a_taken, a_rsp, a_vcpu[ENTRIES];

#define ROOM (ENTRIES - (req_prod - rsp_cons))

inline ring_put(v, n, sync)
{
    assert(ROOM > 0);
    e_vcpu[req_prod % ENTRIES] = v;
    e_nr[req_prod % ENTRIES] = n;
    e_sync[req_prod % ENTRIES] = sync;
    req_prod++
}

inline stash_to_ring(v)
{
    ring_put(v, s_first[v], s_sync[v * STASH]);
    s_sync[v * STASH] = s_sync[v * STASH + 1];
    s_first[v]++;
    s_nr[v]--;
    if
    :: s_nr[v] == 0 -> stashed[v] = false; held[v] = false
    :: else -> skip
    fi
}

inline drain()
{
    do
    :: ROOM > 0 && (stashed[0] || stashed[1]) ->
        i = (last + 1) % VCPUS;
        do
        :: stashed[i] -> break
        :: else -> i = (i + 1) % VCPUS
        od;
        stash_to_ring(i);
        last = i
    :: else -> break
    od;
    i = 0
}

/* One critical section is one step: it has nothing that others see halfway. */
inline put_request(v, sync)
{
    d_step {
        if
        :: is_on && s_nr[v] >= STASH -> overflow++
        :: is_on && s_nr[v] < STASH ->
            if
            :: sync -> waiting[v]++; pauses[v]++
            :: else -> skip
            fi;
            nr[v]++;
            if
            :: ROOM > 0 && s_nr[v] == 0 ->
                ring_put(v, nr[v], sync)
            :: else ->
                if
                :: s_nr[v] == 0 -> s_first[v] = nr[v]
                :: else -> skip
                fi;
                s_sync[v * STASH + s_nr[v]] = sync;
                s_nr[v]++;
                stashed[v] = true;
#ifndef TWIN_NOPAUSE
                held[v] = true
#endif
            fi
        :: else -> skip
        fi
    }
}

active [VCPUS] proctype vcpu()
{
    byte n;
    byte me = _pid;

    do
    :: n < EVENTS ->
        n++;
        if
        :: put_request(me, 1)
        :: put_request(me, 0)
        fi;
        /* The drain leaves no room while anything is stashed. */
        d_step {
            assert(!is_on || ROOM == 0 ||
                   !(stashed[0] || stashed[1]))
        };
        /* On its way into the guest. */
        atomic { pauses[me] == 0 && !held[me] -> assert(!stashed[me]) }
    :: else -> break
    od;
    done++
}

active proctype xen()
{
    byte v, i;
    bool sync;

end:
    do
    :: d_step {
            is_on && a_rsp != rsp_cons ->
            /* rsp_prod never is ahead of the requests: refused otherwise */
            assert(rsp_cons < req_prod);
            v = a_vcpu[rsp_cons % ENTRIES];
            rsp_cons++;
#ifndef TWIN_DRAIN
            drain()
#endif
       };
        /* Not under the lock any more. */
        d_step {
            if
            :: is_on && pauses[v] && waiting[v] -> waiting[v]--; pauses[v]--
            :: else -> skip
            fi;
#ifdef TWIN_SHARED
            held[v] = false;
#endif
            assert(pauses[v] == waiting[v])
        }
    od
}

active proctype agent()
{
    byte i, lies;

end:
    do
    :: d_step {
            is_on && a_taken != req_prod ->
            i = a_taken % ENTRIES;
            /* Each vCPU's in its order, none missing. */
            assert(e_nr[i] == seen[e_vcpu[i]] + 1);
            seen[e_vcpu[i]]++;
            a_vcpu[i] = e_vcpu[i];
            a_taken++
       };
        if
        :: lies < 1 -> lies++;      /* answers for somebody else */
           a_vcpu[i] = (e_vcpu[i] + 1) % VCPUS;
           break
        :: true -> skip
        fi;
        a_rsp = a_taken
    :: is_on -> break
    od;

    /* After a lie a vCPU may wait for its answer: detach ends that. */
    a_rsp = a_taken;
    d_step {
        is_on = false;
        i = 0;
        do
        :: i < VCPUS ->
            pauses[i] = pauses[i] - waiting[i];
            waiting[i] = 0;
            s_nr[i] = 0;
            stashed[i] = false;
#ifndef TWIN_RELEASE
            held[i] = false;
#endif
            assert(pauses[i] == 0);
            i++
        :: else -> break
        od
    }
}

ltl all_get_to_their_end { <> (done == VCPUS) }
ltl no_overflow { [] (overflow == 0) }
