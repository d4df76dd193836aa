/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"

#define QUEUE_BYTES (2U << 20)

static int begin(struct capture *c, vmiring *h)
{
    int fd = outfile_open(&c->file, O_WRONLY | O_CREAT | O_TRUNC);

    if ( fd >= 0 )
        c->c = vmiring_capture_open(h, fd, &c->info);
    if ( c->c )
        return 0;
    c->error = errno;
    return -1;
}

int capture_open(struct capture *c, vmiring *h, const char *path,
                 uint64_t rotate_bytes, unsigned int keep,
                 const struct vmiring_capture_info *info)
{
    c->info = *info;
    c->rotate_bytes = rotate_bytes;
    c->keep = keep;
    c->queue = malloc(QUEUE_BYTES);
    if ( !c->queue || outfile_init(&c->file, path) )
        return -1;
    return begin(c, h);
}

static size_t room(struct capture *c)
{
    if ( c->start == c->end )
        c->start = c->end = 0;
    if ( c->start > QUEUE_BYTES / 2 )
    {
        memmove(c->queue, c->queue + c->start, c->end - c->start);
        c->end -= c->start;
        c->start = 0;
    }
    return QUEUE_BYTES - c->end;
}

void capture_event(struct capture *c, vmiring *h,
                   const struct vmiring_event *ev, const struct record *r,
                   const struct vmiring_response *rsp)
{
    struct vmiring_capture_memory insn = {
        .size = sizeof(insn), .address = r->insn_addr, .bytes = r->insn,
        .nr_bytes = r->insn_state == INSN_READ ? r->insn_len : 0,
        .error = r->insn_state == INSN_ERROR ? r->insn_errno : 0,
    };
    struct vmiring_capture_event more = {
        .size = sizeof(more), .note = r->answer, .response = rsp,
        .memory = &insn, .nr_memory = r->insn_state != INSN_NOT_READ,
    };
    size_t left = room(c);
    uint16_t size;
    int n = -1;

    if ( c->c && left > sizeof(size) )
        n = vmiring_capture_encode(h, ev, &more,
                                   c->queue + c->end + sizeof(size),
                                   left - sizeof(size));
    if ( n < 0 )
    {
        c->drops++;
        return;
    }
    size = n;
    memcpy(c->queue + c->end, &size, sizeof(size));
    c->end += sizeof(size) + size;
}

/* A file that cannot be written any more ends; SIGHUP begins a new one. */
static void write_one(struct capture *c, const uint8_t *packet, size_t size)
{
    if ( !c->c )
        c->drops++;
    else if ( !vmiring_capture_write(c->c, packet, size) )
        c->packets++;
    else
    {
        c->error = errno;
        c->drops++;
        (void)vmiring_capture_close(c->c);
        c->c = NULL;
    }
}

bool capture_write(struct capture *c, vmiring *h, int max)
{
    while ( c->start < c->end && max-- > 0 )
    {
        uint16_t size;

        memcpy(&size, c->queue + c->start, sizeof(size));
        write_one(c, c->queue + c->start + sizeof(size), size);
        c->start += sizeof(size) + size;
        if ( c->c && c->rotate_bytes &&
             vmiring_capture_bytes(c->c) >= c->rotate_bytes &&
             !capture_reopen(c, h) )
            c->rotations++;
    }
    return c->start < c->end;
}

void capture_flush(struct capture *c)
{
    if ( c->c && vmiring_capture_flush(c->c) )
        c->error = errno;
}

int capture_reopen(struct capture *c, vmiring *h)
{
    vmiring_capture *old = c->c;

    c->c = NULL;
    if ( vmiring_capture_close(old) )
        c->error = errno;
    if ( outfile_has_content(&c->file) && outfile_shift(&c->file, c->keep) )
    {
        c->error = errno;
        return -1;
    }
    return begin(c, h);
}

void capture_close(struct capture *c, vmiring *h)
{
    while ( c->queue && capture_write(c, h, 1024) )
        ;
    if ( vmiring_capture_close(c->c) )
        c->error = errno;
    c->c = NULL;
    free(c->queue);
    c->queue = NULL;
    if ( c->file.path )
        close(c->file.dir);
    c->file.path = NULL;
}
