/* SPDX-License-Identifier: GPL-2.0-only */
#include <sys-xen/vm_event.h>
#include <public/io/ring.h>
