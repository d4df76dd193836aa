/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_CURRENT_H
#define SIM_ASM_CURRENT_H

#define guest_cpu_user_regs() (&current->arch.user_regs)

#endif
