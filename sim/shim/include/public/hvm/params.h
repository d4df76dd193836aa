/* SPDX-License-Identifier: GPL-2.0-only */
#include <sys-xen/hvm/params.h>
