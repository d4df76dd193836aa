/* SPDX-License-Identifier: MIT */
/*
 * A capture that anybody may have made.  The first byte says what follows: one
 * packet for the parser, a whole file, or packets behind a good file header, so
 * that the fuzzer need not find out what libpcap wants first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture.h"
#include "readout.h"

static int file;
static char path[32];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    file = memfd_create("capture", MFD_CLOEXEC);
    MUST(file >= 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);

    return 0;
}

static void append(const void *bytes, size_t size)
{
    MUST(write(file, bytes, size) == (ssize_t)size);
}

/* Each packet: two bytes of its size, and that many, as far as there are. */
static void append_packets(struct input *in)
{
    static const uint8_t head[24] = { 0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0,
                                      [16] = 0xff, 0xff, [20] = 147 };

    append(head, sizeof(head));
    while ( in->left > 2 )
    {
        uint32_t size = take16(in) % 1024;
        uint32_t hdr[4] = { 0, 0, size, size };

        if ( size > in->left )
            hdr[2] = hdr[3] = size = in->left;
        append(hdr, sizeof(hdr));
        append(in->at, size);
        in->at += size;
        in->left -= size;
    }
}

static void read_file(uint32_t flags)
{
    const vmiring_options o = { .size = sizeof(o), .capture = path,
                                .flags = flags };
    struct vmiring_capture_info info = { .size = sizeof(info) };
    vmiring *h = vmiring_open(&o);
    uint8_t memory[16];

    if ( !h )
    {
        MUST(*vmiring_open_error());
        return;
    }
    vmiring_capture_info(h, &info);
    MUST(!memchr(info.host, '\n', sizeof(info.host)));
    vmiring_read_phys(h, 0x1000, memory, sizeof(memory), NULL);
    receive_all(h, 4096);
    vmiring_close(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    uint8_t how = take8(&in);

    if ( how % 3 == 0 )
    {
        int rc = capture_parse_any(in.at, in.left);

        MUST(rc == 0 || rc == -1);
        return 0;
    }

    MUST(!ftruncate(file, 0));
    MUST(lseek(file, 0, SEEK_SET) == 0);
    if ( how % 3 == 1 )
        append(in.at, in.left);
    else
        append_packets(&in);
    read_file(how & 0x80 ? 0 : VMIRING_OPEN_EVERYTHING);

    return 0;
}
