/* SPDX-License-Identifier: MIT */
/* A capture being written, through libpcap. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "capture.h"

/* So that a packet rarely costs a system call; a line of text is shorter. */
#define FILE_BUFFER 65536U

#define NS_PER_S 1000000000ULL

struct vmiring_capture {
    pcap_t *pcap;
    pcap_dumper_t *dump;
    FILE *file;             /* of dump */
    uint64_t bytes;
    uint64_t wall_minus_time;
};

static int write_packet(struct vmiring_capture *c, const uint8_t *packet,
                        size_t size, uint64_t time)
{
    uint64_t wall = time + c->wall_minus_time;
    /* With nanosecond precision tv_usec holds nanoseconds. */
    struct pcap_pkthdr hdr = {
        .ts = { .tv_sec = wall / NS_PER_S, .tv_usec = wall % NS_PER_S },
        .caplen = size, .len = size,
    };

    errno = 0;
    pcap_dump((u_char *)c->dump, &hdr, packet);
    c->bytes += size + 16;
    if ( !ferror(c->file) )
        return 0;
    if ( !errno )
        errno = EIO;

    return -1;
}

/* The file is closed with the stream, whatever happens. */
static int open_stream(struct vmiring_capture *c, int fd)
{
    c->file = fdopen(fd, "w");
    if ( !c->file )
    {
        close(fd);
        return -1;
    }

    (void)setvbuf(c->file, NULL, _IOFBF, FILE_BUFFER);
    c->pcap = pcap_open_dead_with_tstamp_precision(
        VMIRING_CAPTURE_LINKTYPE, 65535, PCAP_TSTAMP_PRECISION_NANO);
    if ( !c->pcap )
    {
        fclose(c->file);
        errno = ENOMEM;
        return -1;
    }

    /* This closes the file when it fails. */
    c->dump = pcap_dump_fopen(c->pcap, c->file);
    if ( !c->dump )
    {
        pcap_close(c->pcap);
        return -1;
    }
    c->bytes = 24;

    return 0;
}

static int begin_file(struct vmiring_capture *c, vmiring *h,
                      const struct vmiring_capture_info *info)
{
    uint8_t packet[VMIRING_CAPTURE_PACKET_MAX];
    int size = capture_pack_channel(h, info, packet, sizeof(packet));

    c->wall_minus_time = h->clock.wall - h->clock.time;
    if ( size < 0 )
    {
        errno = ENOSPC;
        return -1;
    }
    if ( write_packet(c, packet, size, h->clock.time) ||
         pcap_dump_flush(c->dump) )
        return -1;

    return 0;
}

vmiring_capture *vmiring_capture_open(vmiring *h, int fd,
                                      const struct vmiring_capture_info *info)
{
    struct vmiring_capture_info in;
    struct vmiring_capture *c;

    if ( same_process(h) ||
         copy_in(&h->msg, "capture_info", &in, sizeof(in), info,
                 sizeof(in.size)) )
    {
        close(fd);
        return NULL;
    }

    c = calloc(1, sizeof(*c));
    if ( !c )
        close(fd);
    else if ( !open_stream(c, fd) )
    {
        if ( !begin_file(c, h, &in) )
            return c;
        pcap_dump_close(c->dump);
        pcap_close(c->pcap);
    }

    fail(&h->msg, errno, "beginning a capture: %s", strerror(errno));
    free(c);

    return NULL;
}

int vmiring_capture_write(vmiring_capture *c, const void *packet, size_t size)
{
    const uint8_t *p = packet;

    if ( !p || size > VMIRING_CAPTURE_PACKET_MAX ||
         capture_kind(p, size) != CAP_EVENT )
    {
        errno = EINVAL;
        return -1;
    }

    return write_packet(c, p, size, be_get(p + CAP_TIME, 8));
}

int vmiring_capture_flush(vmiring_capture *c)
{
    return pcap_dump_flush(c->dump);
}

uint64_t vmiring_capture_bytes(const vmiring_capture *c)
{
    return c->bytes;
}

int vmiring_capture_close(vmiring_capture *c)
{
    int rc, err;

    if ( !c )
        return 0;

    rc = pcap_dump_flush(c->dump);
    err = errno;
    pcap_dump_close(c->dump);
    pcap_close(c->pcap);
    free(c);
    errno = err;

    return rc ? -1 : 0;
}
