/* SPDX-License-Identifier: MIT */
/*
 * -w: what happened, in a file.  Packets are made while the batch is held and
 * queued in memory.  When there is nothing to receive, and a little between two
 * batches, they become bytes of the file, in memory too; a thread writes those.
 */
#ifndef AGENT_CAPTURE_H
#define AGENT_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outfile.h"
#include "record.h"
#include "writer.h"
#include "vmiring_capture.h"

struct capture {
    struct outfile file;
    vmiring_capture *c;      /* NULL: closed, or broken */
    int memory;              /* what c writes to: a memfd */
    struct writer *writer;
    uint64_t made;           /* packets in the memory */
    uint64_t given;          /* bytes of this file that the writer has */
    struct vmiring_capture_info info;
    uint64_t rotate_bytes;   /* 0: never */
    unsigned int keep;       /* older files */
    uint8_t *queue;
    size_t start, end;       /* bytes [start, end) wait */
    uint64_t packets;        /* given to the writer */
    uint64_t drops;          /* not given to it: no room, or no file */
    uint64_t rotations;
    int error;               /* errno of the last thing that failed */
};

/* Creates the file.  -1 and errno. */
int capture_open(struct capture *c, vmiring *h, const char *path,
                 uint64_t rotate_bytes, unsigned int keep,
                 const struct vmiring_capture_info *info);
/* Queues the packet of an event; r is its record, rsp may be NULL. */
void capture_event(struct capture *c, vmiring *h,
                   const struct vmiring_event *ev, const struct record *r,
                   const struct vmiring_response *rsp);
/* Writes up to max packets; true if more could be written. */
bool capture_write(struct capture *c, vmiring *h, int max);
/* What was written goes to the writer: when there is nothing else to do. */
void capture_flush(struct capture *c);
/* Begins a new file under the same name: what stands there is kept aside. */
int capture_reopen(struct capture *c, vmiring *h);
/* Writes all that waits, for at most that long. */
void capture_close(struct capture *c, vmiring *h, int timeout_ms);
/* In the file, and missing in it. */
uint64_t capture_packets(const struct capture *c);
uint64_t capture_drops(const struct capture *c);

#endif /* AGENT_CAPTURE_H */
