/* SPDX-License-Identifier: MIT */
/*
 * For Frama-C Eva: the library's record parser on a ring whose content is
 * anything, for any number of bytes that are there (multiples of
 * 8, up to more than the longest record).
 */
#include "../../libvmi-ring/src/event.c"

#include "__fc_builtin.h"

/* As long as the longest record and a bit. */
#define RING 640

static uint8_t ring[RING];
static volatile int anything;

/* The record stands so that the first byte behind what is there is not ours. */
static void parse(uint64_t avail)
{
    uint8_t body[VMEV2_PAYLOAD_MAX + VMEV2_REGS_X86_ALL_SIZE];
    struct event e = { .body = body };
    struct vmiring_event ev;
    struct vmiring_mem mem;
    struct vmiring_ctrlreg ctrlreg;
    struct vmiring_debug debug;

    if ( event_from_rec(&e, ring + RING - avail, avail, 128, anything & 1) )
        return;

    event_publish(&e, &ev);
    vmiring_reason_name(ev.reason);
    /* These read the payload. */
    vmiring_get_mem(&ev, &mem);
    vmiring_get_ctrlreg(&ev, &ctrlreg);
    vmiring_get_debug(&ev, &debug);
}

int main(void)
{
    uint64_t avail;

    Frama_C_make_unknown((char *)ring, sizeof(ring));
    //@ loop unroll 100;
    for ( avail = 0; avail <= RING; avail += 8 )
        parse(avail);

    return 0;
}
