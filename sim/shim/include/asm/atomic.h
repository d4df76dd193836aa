/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_ATOMIC_H
#define SIM_ASM_ATOMIC_H

#include <asm/system.h>
#include <xen/types.h>

typedef struct { int counter; } atomic_t;

/* One access, never torn and never repeated by the compiler. */
#define read_atomic(p)          __atomic_load_n(p, SIM_LOAD)
#define write_atomic(p, x)      __atomic_store_n(p, x, SIM_STORE)

#define atomic_read(v)          read_atomic(&(v)->counter)
#define atomic_set(v, i)        write_atomic(&(v)->counter, i)
#define atomic_add_return(i, v) \
    __atomic_add_fetch(&(v)->counter, i, __ATOMIC_SEQ_CST)
#define atomic_sub_return(i, v) \
    __atomic_sub_fetch(&(v)->counter, i, __ATOMIC_SEQ_CST)
#define atomic_inc_return(v)    atomic_add_return(1, v)
#define atomic_dec_return(v)    atomic_sub_return(1, v)
#define atomic_inc(v) \
    ((void)__atomic_add_fetch(&(v)->counter, 1, SIM_RMW))
#define atomic_dec_and_test(v)  (atomic_dec_return(v) == 0)

#endif
