/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_LIB_H
#define SIM_XEN_LIB_H

#include <stdarg.h>
#include <stdio.h>

#include <xen/bitops.h>
#include <xen/errno.h>
#include <xen/string.h>
#include <xen/types.h>

#define ARRAY_SIZE(x)       (sizeof(x) / sizeof((x)[0]))
#define BUILD_BUG_ON(cond)  _Static_assert(!(cond), "!(" #cond ")")
#define DIV_ROUND_UP(n, d)  (((n) + (d) - 1) / (d))
#define ROUNDUP(x, a)       (((x) + (a) - 1) & ~((typeof(x))(a) - 1))

#define container_of(ptr, type, member) \
    ((type *)((char *)(ptr) - offsetof(type, member)))

#define SIM_PICK(op, x, y) ({               \
    typeof(x) sim_x_ = (x);                 \
    typeof(y) sim_y_ = (y);                 \
    (void)(&sim_x_ == &sim_y_);             \
    sim_x_ op sim_y_ ? sim_x_ : sim_y_; })
#define min(x, y)           SIM_PICK(<, x, y)
#define max(x, y)           SIM_PICK(>, x, y)
#define min_t(type, x, y)   min((type)(x), (type)(y))
#define max_t(type, x, y)   max((type)(x), (type)(y))

/* A bug of Xen's: says where, and aborts so that the test fails. */
void sim_bug(const char *file, int line, const char *what)
    __attribute__((__noreturn__));

#define BUG()               sim_bug(__FILE__, __LINE__, "BUG()")
#define BUG_ON(cond) do {                                   \
    if ( unlikely(cond) )                                   \
        sim_bug(__FILE__, __LINE__, "BUG_ON(" #cond ")");   \
} while ( 0 )
#ifdef SIM_COVERAGE     /* what must never be is no branch to be reached */
#define ASSERT(cond)        ((void)sizeof(cond))
#else
#define ASSERT(cond) do {                                   \
    if ( unlikely(!(cond)) )                                \
        sim_bug(__FILE__, __LINE__, "ASSERT(" #cond ")");   \
} while ( 0 )
#endif
#define ASSERT_UNREACHABLE() \
    sim_bug(__FILE__, __LINE__, "ASSERT_UNREACHABLE()")
#define panic(...) do {                                     \
    printk(__VA_ARGS__);                                    \
    sim_bug(__FILE__, __LINE__, "panic()");                 \
} while ( 0 )

#define XENLOG_ERR          "<0>"
#define XENLOG_WARNING      "<1>"
#define XENLOG_INFO         "<2>"
#define XENLOG_G_WARNING    "<1>"

/*
 * Xen's console.  %pv and %pd print a vCPU and a domain.  A compiler would
 * take them for pointers, so there is no format attribute.
 */
void printk(const char *fmt, ...);
#define gprintk(lvl, fmt, ...)      printk(lvl fmt, ## __VA_ARGS__)

#endif
