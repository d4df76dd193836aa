/* SPDX-License-Identifier: GPL-2.0-only */
#include <sys-xen/event_channel.h>
