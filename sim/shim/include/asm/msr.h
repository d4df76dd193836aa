/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_MSR_H
#define SIM_ASM_MSR_H

#include <time.h>

#include <xen/types.h>

#define MSR_SYSENTER_EIP 0x00000176U

/* A counter that runs at 1 GHz whatever the machine. */
static inline uint64_t rdtsc(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

#endif
