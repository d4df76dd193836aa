/* SPDX-License-Identifier: MIT */
/*
 * A thread that writes one file.  What it is given waits in memory, up to a
 * limit; whoever gives it never waits for the disk.  All that touches the file
 * after the start happens in that thread, in the order in which it was asked for.
 */
#ifndef AGENT_WRITER_H
#define AGENT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outfile.h"

enum writer_op {
    WRITER_DATA,             /* to the end of what is open */
    WRITER_REOPEN,           /* the same name anew, appending */
    WRITER_SHIFT,            /* keep what stands there aside, begin a file with
                              * this content; has a little room of its own */
    WRITER_REPLACE,          /* the whole file has this content */
};

struct writer;

/*
 * f may be NULL where nothing is opened again.  fd is what is open now, or -1,
 * and belongs to the writer.  size: bytes that may wait.  whole: after an error
 * nothing more is written to that file, as a part would be missing.  keep: for
 * WRITER_SHIFT.  NULL and errno.
 */
struct writer *writer_new(const struct outfile *f, int fd, size_t size,
                          bool whole, unsigned int keep);

/* Begins to write.  -1 and errno. */
int writer_start(struct writer *w);

/*
 * Takes a copy.  items: what is counted as lost if it cannot be written.  false
 * if there is no room: writer_fd() is readable when there is again.
 */
bool writer_put(struct writer *w, enum writer_op op, const void *data,
                size_t size, uint64_t items);
bool writer_has_room(struct writer *w, size_t size);

/* An eventfd for poll(): room after a refusal, or an error. */
int writer_fd(const struct writer *w);
/* After it was readable. */
void writer_ack(struct writer *w);

/* Items that could not be written. */
uint64_t writer_lost(struct writer *w);
/* errno of the last failure since the last call; 0: none. */
int writer_error(struct writer *w);

/*
 * Waits for at most that long until all is written.  What is not counts as lost
 * and is not written any more, whatever is in the middle of it apart; returns
 * how many items that were.
 */
uint64_t writer_drain(struct writer *w, int timeout_ms);

/* Ends it, without waiting for a disk that hangs.  NULL is allowed. */
void writer_free(struct writer *w);

#endif /* AGENT_WRITER_H */
