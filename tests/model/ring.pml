/* SPDX-License-Identifier: MIT */
/*
 * A lossy ring: reserve, copy, publish, wrap around, drop, consume.
 *
 * models xen/common/vm_event/ring.c: sync_cons copy_in publish vm_event_ring_put
 * models libvmi-ring/src/v2.c: take_record v2_settle gap_before
 *
 * Positions are counted in cells and wrap at WRAP, a small multiple of the
 * ring's size; a record takes one or two cells.  Each of Xen's stores goes to
 * a buffer that the memory empties in any order: smp_wmb() waits for what
 * stands in it.  The consumer's stores are ordered by R3 in the same manner.
 * A cell's content is the sequence number of its record.
 *
 * Holds: the consumer reads every cell of a record as it was written, in order;
 * Xen never has more than SIZE cells in flight, whatever cons says; and
 * produced = consumed + lost when all is done.
 *
 * twins: WMB (no barrier before prod, R1)
 *        CONS (space given back before it was read, R3)
 *        CLAMP (a hostile cons is believed; with HOSTILE)
 *        SPACE (records that do not fit are written)
 *        LOST (a drop is not counted)
 */
#define SIZE    4
#define WRAP    8       /* positions are modulo this */
#define RECORDS 5

#define DIFF(a, b) ((WRAP + (a) - (b)) % WRAP)

byte cell[SIZE];
byte m_prod, m_cons, m_lost;
/* Xen's store buffer: two cells and prod */
bool b_full[3];
byte b_at[2], b_val[3];
/* Xen's own */
byte prod, cons, seq, lost, size;
/* the consumer's */
byte c_cons, c_next = 1, c_got, c_missed;
bool producer_done;

#define CELLS_OUT (!b_full[0] && !b_full[1])

active proctype memory()
{
end:
    do
    :: d_step { b_full[0] -> cell[b_at[0]] = b_val[0]; b_full[0] = false }
    :: d_step { b_full[1] -> cell[b_at[1]] = b_val[1]; b_full[1] = false }
    :: d_step { b_full[2] -> m_prod = b_val[2]; b_full[2] = false }
    od
}

inline put_cell(i)
{
    atomic {
        !b_full[i] -> b_at[i] = (prod + i) % SIZE; b_val[i] = seq;
        b_full[i] = true
    }
}

active proctype producer()
{
    byte now;

    do
    :: seq < RECORDS ->
        seq++;
        if
        :: size = 1
        :: size = 2
        fi;
        now = m_cons;               /* R4 */
#ifdef TWIN_CLAMP
        cons = now;
#else
        if
        :: DIFF(now, cons) <= DIFF(prod, cons) -> cons = now
        :: else -> skip
        fi;
#endif
        assert(DIFF(prod, cons) <= SIZE);
        if
#ifdef TWIN_SPACE
        :: true ->
#else
        :: size <= SIZE - DIFF(prod, cons) ->
#endif
            put_cell(0);            /* R0 */
            if
            :: size == 2 -> put_cell(1)
            :: else -> skip
            fi;
#ifndef TWIN_WMB
            CELLS_OUT;              /* R1 */
#endif
            prod = (prod + size) % WRAP;
            atomic { !b_full[2] -> b_val[2] = prod; b_full[2] = true }
#ifdef TWIN_SPACE
        :: false ->
#else
        :: else ->
#endif
#ifndef TWIN_LOST
            d_step { lost++; m_lost++ }
#endif
        fi
    :: else -> break
    od;
    CELLS_OUT && !b_full[2];
    producer_done = true
}

#ifdef HOSTILE
active proctype consumer()
{
    do
    :: m_cons = 0
    :: m_cons = 2
    :: m_cons = 3
    :: m_cons = 5
    :: producer_done -> break
    od
}
#else
active proctype consumer()
{
    byte limit, first;

    do
    :: atomic { producer_done && c_cons == m_prod -> break }
    :: limit = m_prod;              /* R2 */
        assert(DIFF(limit, c_cons) <= SIZE);
        if
        :: limit != c_cons ->
#ifdef TWIN_CONS
            m_cons = limit;
#endif
            do
            :: c_cons != limit ->
                first = cell[c_cons % SIZE];
                /* In order; a gap is what was dropped. */
                assert(first >= c_next);
                c_missed = c_missed + first - c_next;
                c_next = first + 1;
                c_got++;
                c_cons = (c_cons + 1) % WRAP;
                /* A second cell of the same record is whole as well. */
                if
                :: c_cons != limit && cell[c_cons % SIZE] == first ->
                    c_cons = (c_cons + 1) % WRAP
                :: else -> skip
                fi
            :: else -> break
            od;
            m_cons = c_cons         /* R3: after all was read */
        :: else -> skip
        fi
    od;
    /* What was lost behind the last record shows in the counter alone. */
    c_missed = c_missed + RECORDS + 1 - c_next;
    assert(c_missed == m_lost);
    assert(c_got + m_lost == RECORDS)
}
#endif
