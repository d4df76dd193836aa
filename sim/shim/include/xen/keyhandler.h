/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_KEYHANDLER_H
#define SIM_XEN_KEYHANDLER_H

#include <xen/types.h>

void register_keyhandler(unsigned char key, void (*fn)(unsigned char key),
                         const char *desc, bool diagnostic);

#endif
