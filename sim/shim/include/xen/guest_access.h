/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_GUEST_ACCESS_H
#define SIM_XEN_GUEST_ACCESS_H

#include <xen/string.h>
#include <public/xen.h>

/*
 * Buffers of the caller: plain memory here.  A NULL handle faults, and so
 * does any access once a test asks for it (sim_fail_guest_access()).
 */
bool sim_guest_fault(const void *p);

static inline unsigned long sim_copy(void *to, const void *from,
                                     const void *guest, size_t bytes)
{
    if ( !bytes )
        return 0;
    if ( sim_guest_fault(guest) )
        return bytes;
    memcpy(to, from, bytes);

    return 0;
}

#define copy_from_guest_offset(ptr, hnd, off, nr) \
    sim_copy(ptr, (hnd).p + (off), (hnd).p, sizeof(*(ptr)) * (nr))
#define copy_to_guest_offset(hnd, off, ptr, nr) \
    sim_copy((hnd).p + (off), ptr, (hnd).p, sizeof(*(ptr)) * (nr))

#endif
