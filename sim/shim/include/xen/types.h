/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_TYPES_H
#define SIM_XEN_TYPES_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <xen/compiler.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
typedef uint64_t paddr_t;
typedef int64_t s_time_t;

#define BITS_PER_LONG   64
#define BITS_TO_LONGS(bits) \
    (((bits) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]

_Static_assert(sizeof(long) == 8, "the bit operations assume 64-bit words");

#endif
