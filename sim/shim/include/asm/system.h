/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_SYSTEM_H
#define SIM_ASM_SYSTEM_H

#include <xen/compiler.h>

/*
 * Barriers and accesses between CPUs: real ones.  Xen's words are accessed
 * relaxed and ordered by fences.  ThreadSanitizer does not understand fences
 * and would report every record as a race, so that its build orders the
 * accesses themselves as well; which of them need it is not its to say.
 */
#if defined(SIM_TSAN) && !defined(SIM_SCHED)
#define SIM_LOAD        __ATOMIC_ACQUIRE
#define SIM_STORE       __ATOMIC_RELEASE
#else
#define SIM_LOAD        __ATOMIC_RELAXED
#define SIM_STORE       __ATOMIC_RELAXED
#endif

/*
 * Operations that return nothing order nothing: on Arm they don't.  The
 * scheduler of tests/sched/ can tell; x86's are full barriers.
 */
#ifdef SIM_SCHED
#define SIM_RMW         __ATOMIC_RELAXED
#else
#define SIM_RMW         __ATOMIC_SEQ_CST
#endif

#define smp_mb()        __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()       __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()       __atomic_thread_fence(__ATOMIC_RELEASE)

#define cmpxchg(ptr, o, n) ({                                       \
    typeof(*(ptr)) sim_o_ = (o);                                    \
    __atomic_compare_exchange_n(ptr, &sim_o_, n, false,             \
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);\
    sim_o_; })
#define xchg(ptr, x)    __atomic_exchange_n(ptr, x, __ATOMIC_SEQ_CST)

#endif
