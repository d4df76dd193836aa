/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_COMPILER_H
#define SIM_XEN_COMPILER_H

#define likely(x)           __builtin_expect(!!(x), 1)
#define unlikely(x)         __builtin_expect(!!(x), 0)

#define __packed            __attribute__((__packed__))
#define __aligned(n)        __attribute__((__aligned__(n)))
#define __maybe_unused      __attribute__((__unused__))
#define __must_check        __attribute__((__warn_unused_result__))
#define __init
#define __initdata
#define __initconst
/* Runs before main(), as Xen's run before its guests. */
#define __initcall(fn)                                                  \
    __attribute__((__constructor__)) static void sim_initcall_##fn(void) \
    {                                                                   \
        (void)fn();                                                     \
    }                                                                   \
    struct sim_initcall_##fn
#define __read_mostly
#define __ro_after_init
#define __hwdom_init
#define cf_check
#define always_inline       inline __attribute__((__always_inline__))
#ifndef noinline
#define noinline            __attribute__((__noinline__))
#endif
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
