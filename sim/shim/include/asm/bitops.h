/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_BITOPS_H
#define SIM_ASM_BITOPS_H

#include <asm/system.h>
#include <xen/types.h>

/* Bit nr of an array of words, with and without atomicity. */
static inline unsigned long *sim_word(unsigned int nr, volatile void *addr)
{
    return (unsigned long *)addr + nr / BITS_PER_LONG;
}

static inline unsigned long sim_mask(unsigned int nr)
{
    return 1UL << (nr % BITS_PER_LONG);
}

static inline unsigned long sim_fetch(unsigned int nr, const volatile void *addr)
{
    return __atomic_load_n((const unsigned long *)addr + nr / BITS_PER_LONG,
                           __ATOMIC_RELAXED);
}

static inline void sim_set_bit(unsigned int nr, volatile void *addr)
{
    __atomic_fetch_or(sim_word(nr, addr), sim_mask(nr), SIM_RMW);
}

static inline void sim_clear_bit(unsigned int nr, volatile void *addr)
{
    __atomic_fetch_and(sim_word(nr, addr), ~sim_mask(nr), SIM_RMW);
}

static inline bool sim_test_and_set_bit(unsigned int nr, volatile void *addr)
{
    return __atomic_fetch_or(sim_word(nr, addr), sim_mask(nr),
                             __ATOMIC_SEQ_CST) & sim_mask(nr);
}

static inline bool sim_test_and_clear_bit(unsigned int nr, volatile void *addr)
{
    return __atomic_fetch_and(sim_word(nr, addr), ~sim_mask(nr),
                              __ATOMIC_SEQ_CST) & sim_mask(nr);
}

#define set_bit(nr, addr)               sim_set_bit(nr, addr)
#define clear_bit(nr, addr)             sim_clear_bit(nr, addr)
#define test_and_set_bit(nr, addr)      sim_test_and_set_bit(nr, addr)
#define test_and_clear_bit(nr, addr)    sim_test_and_clear_bit(nr, addr)
#define test_bit(nr, addr)  (!!(sim_fetch(nr, addr) & sim_mask(nr)))
#define __set_bit(nr, addr)     ((void)(*sim_word(nr, addr) |= sim_mask(nr)))
#define __clear_bit(nr, addr)   ((void)(*sim_word(nr, addr) &= ~sim_mask(nr)))

#endif
