/* SPDX-License-Identifier: MIT */
/* Where an example's last argument leads: the same program for all of them. */
#ifndef EXAMPLES_TARGET_H
#define EXAMPLES_TARGET_H

#include <string.h>
#include <sys/stat.h>

#include <vmiring.h>

/*
 * NULL: the Xen of this host; "legacy": likewise, by the old ABI.  A socket:
 * vmi-sim's.  A file: a capture.
 */
static inline void target(vmiring_options *opts, const char *where)
{
    struct stat st;

    if ( where && !strcmp(where, "legacy") )
        opts->abi = VMIRING_ABI_LEGACY;
    else if ( where && !stat(where, &st) && S_ISREG(st.st_mode) )
        opts->capture = where;
    else
        opts->sim = where;
}

#endif /* EXAMPLES_TARGET_H */
