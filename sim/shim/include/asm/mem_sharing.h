/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_MEM_SHARING_H
#define SIM_ASM_MEM_SHARING_H

/* No domain here is a fork. */
#define mem_sharing_is_fork(d)              ((void)(d), false)
#define mem_sharing_fork_reset(d, state, memory) \
    ((void)(d), (void)(state), (void)(memory), 0)

#endif
