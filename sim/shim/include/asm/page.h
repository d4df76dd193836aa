/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_PAGE_H
#define SIM_ASM_PAGE_H

#define PAGE_SHIFT      12
#define PAGE_SIZE       (1UL << PAGE_SHIFT)
#define PAGE_MASK       (~(PAGE_SIZE - 1))
#define PFN_UP(x)       (((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)

#endif
