/* SPDX-License-Identifier: MIT */
/* Xen's libraries are not in a cross build: there is no real Xen to open. */
#include <errno.h>

#include "private.h"

struct host *xen_host_open(struct msg *msg)
{
    fail(msg, ENOENT, "no Xen: built without its libraries");

    return NULL;
}
