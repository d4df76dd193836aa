/* SPDX-License-Identifier: MIT */
/*
 * Captures inside the library.
 *
 *   capture_pack.c    struct event -> packet
 *   capture_parse.c   packet -> struct event; trusts nothing
 *   capture_file.c    the writer's file
 *   replay.c          the reader's file, as host and engine of a handle
 *
 * The format is written down in vmiring_capture.h.
 */
#ifndef VMIRING_CAPTURE_PRIVATE_H
#define VMIRING_CAPTURE_PRIVATE_H

#include "private.h"
#include "vmiring_capture.h"

/* Offsets in a packet's header. */
enum {
    CAP_MAGIC = 0, CAP_VERSION = 4, CAP_COMPAT = 5, CAP_KIND = 6, CAP_ARCH = 7,
    CAP_HEADER = 8, CAP_REASON = 10, CAP_FLAGS = 12, CAP_DOMID = 16,
    CAP_VCPU = 20, CAP_REGS = 24, CAP_VIEW = 25, CAP_INDEX = 26,
    CAP_ERROR = 28, CAP_SEQ = 32, CAP_TIME = 40, CAP_VALUE = 48, CAP_PC = 56,
    CAP_TABLE = 64
};

enum { CAP_CHANNEL = 1, CAP_EVENT = 2 };
enum { CAP_X86 = 1, CAP_ARM64 = 2 };

enum capture_element {
    EL_PAYLOAD = 1, EL_REGISTERS, EL_MEMORY, EL_RESPONSE, EL_NOTE,
    EL_HOST = 16, EL_BOOT, EL_DOMAIN, EL_CHANNEL_NOTE, EL_UUID, EL_CHANNEL,
    EL_CLOCK
};

#define REPLAY_MEMORY_BLOCKS 4U
#define REPLAY_MEMORY_BYTES  2048U

/* Registers of a replayed event: register (first + n) if bit n is set. */
struct replay_regs {
    uint64_t valid;
    uint64_t value[64];
};

struct replay_memory {
    uint64_t address;
    uint32_t from, size;    /* in bytes[] */
    uint32_t error;
};

/* struct event.body of a replayed event. */
struct replay_body {
    uint64_t payload[VMEV2_PAYLOAD_MAX / 8];
    struct replay_regs regs;
    struct vmiring_replayed extra;
    uint32_t nr_memory;
    uint32_t nr_bytes;
    struct replay_memory memory[REPLAY_MEMORY_BLOCKS];
    uint8_t bytes[REPLAY_MEMORY_BYTES];
};

/* What the first packet says. */
struct capture_channel {
    char host[VMIRING_CAPTURE_TEXT_MAX];
    char boot_id[VMIRING_CAPTURE_TEXT_MAX];
    char domain[VMIRING_CAPTURE_TEXT_MAX];
    char note[4 * VMIRING_CAPTURE_TEXT_MAX];
    uint8_t uuid[16];
    bool arm64;
    uint32_t domid, abi, nr_vcpus, nr_rings, ring_bytes, rsp_flags;
    uint64_t generation, released_before, caps, reasons;
    struct vmiring_clock clock;
};

/* ---- capture_pack.c ---- */

/*
 * Bytes of the members of a reason's payload, as digits, which is how they
 * change their byte order.
 */
const char *capture_payload_shape(uint32_t reason);
int capture_pack_channel(const vmiring *h,
                         const struct vmiring_capture_info *info,
                         uint8_t *packet, size_t room);

/* ---- capture_parse.c ---- */

/* CAP_* kind, 0 to be skipped, -1 no packet of ours (or of a later one). */
int capture_kind(const uint8_t *packet, size_t size);
/*
 * Both return NULL, or the name of what is wrong.  e->body must have room for
 * a struct replay_body; nothing points into packet afterwards.
 */
const char *capture_parse_event(struct event *e, const uint8_t *packet,
                                size_t size, uint32_t nr_vcpus);
const char *capture_parse_channel(struct capture_channel *c,
                                  const uint8_t *packet, size_t size);
/* Both, one after the other, on anything at all: for fuzzers.  0 or -1. */
int capture_parse_any(const uint8_t *data, size_t size);

/* ---- replay.c ---- */

struct host *replay_host_open(struct msg *msg, const char *path);
int replay_open(vmiring *h, const vmiring_options *opts);
/* vmiring_read_virt() of a replayed event. */
int64_t replay_read(vmiring *h, const struct vmiring_event *ev, uint64_t va,
                    void *buf, size_t size, uint64_t *bad);

/* ---- big-endian numbers ---- */

static inline uint64_t be_get(const uint8_t *p, unsigned int width)
{
    uint64_t value = 0;

    while ( width-- )
        value = value << 8 | *p++;

    return value;
}

static inline void be_put(uint8_t *p, unsigned int width, uint64_t value)
{
    while ( width-- )
    {
        p[width] = value;
        value >>= 8;
    }
}

#endif /* VMIRING_CAPTURE_PRIVATE_H */
