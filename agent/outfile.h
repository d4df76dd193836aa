/* SPDX-License-Identifier: MIT */
/*
 * Files that are opened again while the agent runs: rotated captures, a log
 * that SIGHUP reopens, statistics that are replaced.  Only their directories
 * are opened before privileges are dropped; afterwards a file is always named
 * relative to one of those, which is all that the system call filter allows.
 */
#ifndef AGENT_OUTFILE_H
#define AGENT_OUTFILE_H

#include <limits.h>
#include <stdbool.h>

/* Their descriptors lie here, so that one rule of the filter covers all. */
#define OUTFILE_FD_BASE 512
#define OUTFILE_FD_MAX  4    /* a power of two */

struct outfile {
    const char *path;        /* as the user gave it; NULL: not wanted */
    int dir;
    char name[NAME_MAX - 16];/* room for what is put behind it */
};

/* Opens the directory.  -1 and errno. */
int outfile_init(struct outfile *f, const char *path);
/* Whether a file can be made there, by who we are now.  -1 and errno. */
int outfile_check(const struct outfile *f);
/* open() of the file itself, mode 0640.  -1 and errno. */
int outfile_open(const struct outfile *f, int flags);
bool outfile_has_content(const struct outfile *f);
/* NAME becomes NAME.1, that NAME.2 and so on; what would be NAME.(keep + 1)
 * is overwritten.  -1 and errno. */
int outfile_shift(const struct outfile *f, unsigned int keep);
/* Replaces the file as a whole: readers see the old or the new one. */
int outfile_replace(const struct outfile *f, const char *text);

#endif /* AGENT_OUTFILE_H */
