/* SPDX-License-Identifier: MIT */
/*
 * -w: what happened, in a file.  Packets are made while the batch is held and
 * queued in memory; the file is written when there is nothing to receive, and a
 * little between two batches.
 */
#ifndef AGENT_CAPTURE_H
#define AGENT_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outfile.h"
#include "record.h"
#include "vmiring_capture.h"

struct capture {
    struct outfile file;
    vmiring_capture *c;      /* NULL: closed, or broken */
    struct vmiring_capture_info info;
    uint64_t rotate_bytes;   /* 0: never */
    unsigned int keep;       /* older files */
    uint8_t *queue;
    size_t start, end;       /* bytes [start, end) wait */
    uint64_t packets;        /* written */
    uint64_t drops;          /* not written: no room, or no file */
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
/* Writes up to max packets; true if more wait. */
bool capture_write(struct capture *c, vmiring *h, int max);
/* What was written reaches the file: when there is nothing else to do. */
void capture_flush(struct capture *c);
/* Begins a new file under the same name: what stands there is kept aside. */
int capture_reopen(struct capture *c, vmiring *h);
/* Writes all that waits. */
void capture_close(struct capture *c, vmiring *h);

#endif /* AGENT_CAPTURE_H */
