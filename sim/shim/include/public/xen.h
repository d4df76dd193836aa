/* SPDX-License-Identifier: GPL-2.0-only */
/* The installed copy; CMake links sys-xen to the folder that holds it. */
#include <sys-xen/xen.h>
