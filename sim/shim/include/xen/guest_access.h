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

#define guest_handle_is_null(hnd)       ((hnd).p == NULL)
#define guest_handle_okay(hnd, nr)      ((void)(nr), !guest_handle_is_null(hnd))
#define guest_handle_cast(hnd, type)    ((XEN_GUEST_HANDLE(type)){ (void *)(hnd).p })
#define guest_handle_add_offset(hnd, n) ((hnd).p += (n))

#define copy_from_guest_offset(ptr, hnd, off, nr) \
    sim_copy(ptr, (hnd).p + (off), (hnd).p, sizeof(*(ptr)) * (nr))
#define copy_to_guest_offset(hnd, off, ptr, nr) \
    sim_copy((hnd).p + (off), ptr, (hnd).p, sizeof(*(ptr)) * (nr))
#define copy_from_guest(ptr, hnd, nr)   copy_from_guest_offset(ptr, hnd, 0, nr)
#define copy_to_guest(hnd, ptr, nr)     copy_to_guest_offset(hnd, 0, ptr, nr)
#define __copy_from_guest               copy_from_guest
#define __copy_to_guest                 copy_to_guest
#define __copy_from_guest_offset        copy_from_guest_offset
#define __copy_to_guest_offset          copy_to_guest_offset

/* Bytes, for a handle to void. */
#define raw_copy_from_guest(to, from, n) sim_copy(to, from, from, n)
#define raw_copy_to_guest(to, from, n)   sim_copy(to, from, to, n)
#define raw_clear_guest(to, n) ({           \
    unsigned long sim_bytes_ = (n);         \
    if ( !sim_guest_fault(to) )             \
    {                                       \
        memset(to, 0, sim_bytes_);          \
        sim_bytes_ = 0;                     \
    }                                       \
    sim_bytes_; })
#define clear_guest_offset(hnd, off, nr) \
    raw_clear_guest((hnd).p + (off), sizeof(*(hnd).p) * (nr))

#endif
