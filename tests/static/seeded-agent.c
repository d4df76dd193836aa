/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One plain access through each pointer to what an agent can map, and one such
 * pointer taken for another: for run.sh to see sparse find every line of it
 * with a mark at its end.
 */
#include "private.h"

uint64_t seeded_ring(struct vm_event_ring *ring);
uint64_t seeded_ring(struct vm_event_ring *ring)
{
    ring->data[0] = 0;                                  /* seeded */
    ring->line->prod = 0;                               /* seeded */

    return ring->user->cons;                            /* seeded */
}

uint64_t seeded_channel(struct vm_event_channel *ch);
uint64_t seeded_channel(struct vm_event_channel *ch)
{
    ch->area[VMEV2_RES_RING].va[0] = 0;                 /* seeded */
    ch->ctrl->state = 0;                                /* seeded */
    ch->pending[0] = 0;                                 /* seeded */
    ch->vcpu_line->bad++;                               /* seeded */
    *ch->expired_shown = 0;                             /* seeded */
    ch->ring_line[1].lost = 0;                          /* seeded */
    ch->port_shown[0] = 0;                              /* seeded */

    return vm_event_slot(ch, 0)->rsp.regs.word[3];      /* seeded */
}

void seeded_copy(struct vm_event_channel *ch, struct vmev2_rsp *to);
void seeded_copy(struct vm_event_channel *ch, struct vmev2_rsp *to)
{
    struct vmev2_slot __agent *slot = vm_event_slot(ch, 0);

    memcpy(to, &slot->rsp, sizeof(*to));                /* seeded */
    *to = slot->rsp;                                    /* seeded */
}
