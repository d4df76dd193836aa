/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_COMPILER_H
#define SIM_XEN_COMPILER_H

#define likely(x)           __builtin_expect(!!(x), 1)
#define unlikely(x)         __builtin_expect(!!(x), 0)

#define always_inline       __inline__ __attribute__((__always_inline__))
#define noinline            __attribute__((__noinline__))

#define __aligned(n)        __attribute__((__aligned__(n)))
#define __init
/* Runs before main(), as Xen's run before its guests. */
#define __initcall(fn)                                                  \
    __attribute__((__constructor__)) static void sim_initcall_##fn(void) \
    {                                                                   \
        (void)fn();                                                     \
    }                                                                   \
    struct sim_initcall_##fn
#define __read_mostly
#define cf_check
#define fallthrough         __attribute__((__fallthrough__))
#define barrier()           __asm__ __volatile__ ( "" ::: "memory" )

/* A thread sanitizer knows no fences, so that its build needs other barriers. */
#if defined(__SANITIZE_THREAD__)
#define SIM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIM_TSAN 1
#endif
#endif

#endif
