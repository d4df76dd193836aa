/* SPDX-License-Identifier: MIT */
/*
 * Whole lines out of a pipe whose writer is not trusted, each marked with whom
 * it comes from.
 */
#ifndef AGENT_LINES_H
#define AGENT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINES_MAX 16384U     /* longer than any line of an agent's */
#define LINES_MARK 1024U     /* ... than any mark */

struct lines {
    int fd;                  /* -1: closed */
    bool json;
    bool skipping;           /* the rest of a line that was too long */
    const char *mark;        /* text: goes before; JSON: into the object's end */
    size_t used;
    uint64_t bad;            /* lines that were not passed on */
    char buf[LINES_MAX];
    char out[LINES_MAX + LINES_MARK];
};

void lines_begin(struct lines *l, int fd, bool json, const char *mark);

/* What is in the pipe now.  -1: its writers have ended: lines_end(). */
int lines_read(struct lines *l);

/* The next marked line, with its newline, valid until the next call; or NULL. */
const char *lines_next(struct lines *l);

void lines_end(struct lines *l);

#endif /* AGENT_LINES_H */
