/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "capture.h"

#define QUEUE_BYTES (2U << 20)
#define PART        49152U   /* bytes for the writer at once, and a packet */
#define PART_ROOM   65536U

/* What was written to memory goes to the writer. */
static bool hand_over(struct capture *c, enum writer_op op)
{
    uint64_t packets = c->made;
    char part[PART_ROOM];
    off_t size = lseek(c->memory, 0, SEEK_CUR);
    ssize_t n;

    c->made = 0;
    if ( size <= 0 )
        return true;
    (void)lseek(c->memory, 0, SEEK_SET);
    n = (size_t)size <= sizeof(part) ? read(c->memory, part, size) : -1;
    (void)lseek(c->memory, 0, SEEK_SET);
    if ( n != size || !writer_put(c->writer, op, part, n, packets) )
    {
        c->drops += packets;
        errno = EAGAIN;
        return false;
    }
    c->packets += packets;
    return true;
}

/* The library closes its descriptor; the memory is used again. */
static int begin(struct capture *c, vmiring *h, enum writer_op op)
{
    int fd = fcntl(c->memory, F_DUPFD_CLOEXEC, 0);

    if ( fd >= 0 )
        c->c = vmiring_capture_open(h, fd, &c->info);
    if ( c->c && hand_over(c, op) )
    {
        c->given = vmiring_capture_bytes(c->c);
        return 0;
    }
    c->error = errno;
    (void)vmiring_capture_close(c->c);
    c->c = NULL;
    return -1;
}

static int start_writer(struct capture *c)
{
    int fd;

    /* What is there may be of the agent that has just crashed. */
    if ( outfile_has_content(&c->file) && outfile_shift(&c->file, c->keep) )
        return -1;
    fd = outfile_open(&c->file, O_WRONLY | O_CREAT | O_TRUNC);
    if ( fd < 0 )
        return -1;
    c->writer = writer_new(&c->file, fd, QUEUE_BYTES, true, c->keep);
    if ( !c->writer )
        close(fd);
    return c->writer ? 0 : -1;
}

int capture_open(struct capture *c, vmiring *h, const char *path,
                 uint64_t rotate_bytes, unsigned int keep,
                 const struct vmiring_capture_info *info)
{
    c->info = *info;
    c->rotate_bytes = rotate_bytes;
    c->keep = keep;
    c->queue = malloc(QUEUE_BYTES);
    c->memory = memfd_create("capture", MFD_CLOEXEC);
    if ( !c->queue || c->memory < 0 || outfile_init(&c->file, path) ||
         start_writer(c) )
        return -1;
    return begin(c, h, WRITER_DATA);
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

static void write_one(struct capture *c)
{
    uint16_t size;

    memcpy(&size, c->queue + c->start, sizeof(size));
    if ( c->c && !vmiring_capture_write(c->c, c->queue + c->start +
                                              sizeof(size), size) )
        c->made++;
    else
        c->drops++;
    c->start += sizeof(size) + size;
}

void capture_flush(struct capture *c)
{
    if ( !c->made || !writer_has_room(c->writer, PART_ROOM) )
        return;
    (void)vmiring_capture_flush(c->c);
    c->given = vmiring_capture_bytes(c->c);
    (void)hand_over(c, WRITER_DATA);
}

/* The writer's fd tells when there is room again. */
bool capture_write(struct capture *c, vmiring *h, int max)
{
    while ( c->start < c->end && max-- > 0 )
    {
        if ( !writer_has_room(c->writer, PART_ROOM) )
            return false;
        write_one(c);
        if ( !c->c )
            continue;
        if ( vmiring_capture_bytes(c->c) - c->given >= PART )
            capture_flush(c);
        if ( c->rotate_bytes &&
             vmiring_capture_bytes(c->c) >= c->rotate_bytes &&
             !capture_reopen(c, h) )
            c->rotations++;
    }
    return c->start < c->end;
}

int capture_reopen(struct capture *c, vmiring *h)
{
    vmiring_capture *old = c->c;

    c->c = NULL;
    if ( vmiring_capture_close(old) )
        c->error = errno;
    (void)hand_over(c, WRITER_DATA);
    return begin(c, h, WRITER_SHIFT);
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* What the writer has no room for before the time is over is not written. */
static void write_rest(struct capture *c, vmiring *h, int timeout_ms)
{
    int64_t end = now_ms() + timeout_ms, left;

    while ( c->queue && c->start < c->end && (left = end - now_ms()) > 0 )
    {
        struct pollfd p = { .fd = writer_fd(c->writer), .events = POLLIN };

        if ( capture_write(c, h, 1024) || c->start == c->end )
            continue;
        (void)poll(&p, 1, left);
        writer_ack(c->writer);
    }
    while ( c->queue && c->start < c->end )
    {
        uint16_t size;

        memcpy(&size, c->queue + c->start, sizeof(size));
        c->start += sizeof(size) + size;
        c->drops++;
    }
    capture_flush(c);
    left = end - now_ms();
    (void)writer_drain(c->writer, left > 0 ? left : 0);
}

void capture_close(struct capture *c, vmiring *h, int timeout_ms)
{
    if ( c->writer )
    {
        write_rest(c, h, timeout_ms);
        c->drops += c->made; /* for which there was no room any more */
        c->made = 0;
        c->packets = capture_packets(c);
        c->drops = capture_drops(c);
        writer_free(c->writer);
        c->writer = NULL;
    }
    if ( vmiring_capture_close(c->c) )
        c->error = errno;
    c->c = NULL;
    if ( c->queue )
        close(c->memory);
    free(c->queue);
    c->queue = NULL;
    if ( c->file.path )
        close(c->file.dir);
    c->file.path = NULL;
}

uint64_t capture_packets(const struct capture *c)
{
    return c->packets - (c->writer ? writer_lost(c->writer) : 0);
}

uint64_t capture_drops(const struct capture *c)
{
    return c->drops + (c->writer ? writer_lost(c->writer) : 0);
}
