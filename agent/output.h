/* SPDX-License-Identifier: MIT */
/*
 * Lines on their way to a file descriptor.  Nothing here blocks: a line that
 * does not fit into the queue is dropped as a whole and counted, and the
 * queue is written as far as the reader takes it.  A file is written by a thread.
 */
#ifndef AGENT_OUTPUT_H
#define AGENT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "writer.h"

struct output {
    int fd;
    int own_fd;              /* opened by us, or -1 */
    bool socket;
    bool restore;            /* O_NONBLOCK was set on the user's description */
    bool dead;               /* the reader is gone */
    bool datagrams;          /* what is queued ends with a 0, and is sent so */
    struct writer *writer;   /* NULL: written here */
    char *buf;
    size_t size, start, end; /* bytes [start, end) wait */
    bool blocked;            /* the reader takes nothing: poll, do not try */
    uint64_t writes;         /* system calls, or parts given to the writer */
    uint64_t drops;          /* lines; output_drops() has the writer's too */
};

/* So that output_close() can be called on what was never opened. */
#define OUTPUT_CLOSED { .fd = -1, .own_fd = -1, .dead = true }

/*
 * fd: normally 1 or 2.  Pipes and terminals are opened anew, so that
 * O_NONBLOCK is not set for everybody who shares them with us.
 */
int output_open(struct output *o, int fd, size_t size);
void output_close(struct output *o);

/* Whether it is a file, which can make who writes it wait for a disk. */
bool output_is_file(const struct output *o);
/* From now on through this writer, which is ours.  What waits goes there. */
void output_redirect(struct output *o, struct writer *w);
/* What to wait for once it is blocked: the descriptor, and poll()'s event. */
int output_poll_fd(const struct output *o, short *events);
uint64_t output_drops(const struct output *o);

/* Queues a line (with its newline).  false: dropped and counted, or NULL. */
bool output_line(struct output *o, const char *line);

/* Bytes that fit at most. */
size_t output_room(const struct output *o);

/* Writes what can be written now.  Returns true if something is left. */
bool output_write(struct output *o);

/*
 * Writes all, for at most that long.  What is left then is dropped and
 * counted: returns how many lines that were.
 */
uint64_t output_drain(struct output *o, int timeout_ms);

#endif /* AGENT_OUTPUT_H */
