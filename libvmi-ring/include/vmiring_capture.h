/* SPDX-License-Identifier: MIT */
/*
 * Captures: events in a file, to be looked at and replayed without a guest.
 *
 *     writing                                   reading
 *     c = vmiring_capture_open(h, fd, &info);   opts.capture = "file.pcap";
 *     len = vmiring_capture_encode(h, &ev,      h = vmiring_open(&opts);
 *               NULL, packet, sizeof packet);   ... as with a guest, until
 *     vmiring_capture_write(c, packet, len);    vmiring_receive() says ENODEV
 *     vmiring_capture_close(c);
 *
 * Encoding is for the thread of the handle, while the batch is held; it blocks
 * on nothing.  Writing needs no handle, and blocks as files do.
 *
 * ---- replay ----
 *
 * A handle on a capture (VMIRING_CAP_REPLAY) takes every call.  Events come as
 * fast as they are received, of those kinds that were subscribed to (with
 * VMIRING_OPEN_EVERYTHING: all), and the fd is always readable.  Answers are
 * checked as on a guest and recorded, not applied.  Guest memory is what the
 * capture has of it, else ENODATA.  At the end every call fails with ENODEV;
 * in the middle of a packet, or where the file makes no sense, with EBADMSG.
 *
 * ---- the file ----
 *
 * pcap, with nanoseconds, link type DLT_USER0 (147).  The packet's time is the
 * event's, in wall-clock time.  Numbers are big-endian.  A packet begins with
 *
 *   offset size
 *        0    4  magic 0x564d4952 "VMIR"
 *        4    1  version of the writer: 1
 *        5    1  compat: the oldest version that can read this packet
 *        6    1  kind: 1 channel, 2 event; others are skipped
 *        7    1  architecture: 1 x86, 2 arm64
 *        8    2  bytes of this header, at least 72; the elements begin there
 *       10    2  reason, VMIRING_*
 *       12    4  flags, VMIRING_EV_*
 *       16    4  domid
 *       20    4  vcpu
 *       24    1  registers, VMIRING_REGS_*
 *       25    1  altp2m view
 *       26    2  index: of the control register (VMIRING_CR*), or descriptor
 *       28    4  error, with VMIRING_EV_AGAIN
 *       32    8  seq
 *       40    8  time
 *       48    8  value: new value (control register, MSR), leaf (CPUID), gfn
 *                (memory access), vector (interrupt), reason (VM exit)
 *       56    8  RIP or PC          0 where it was not captured: the elements
 *       64    8  CR3 or TTBR0       tell what was
 *
 * and goes on with elements: type (2), bytes of the value (2), value.  Unknown
 * types are skipped, and what a known one has behind its last known field.
 *
 *   1 payload    as in struct vmev2_* of vm_event_v2.h; for VMIRING_LOST and
 *                VMIRING_DOMAIN as in vmiring.h
 *   2 registers  first (2): 0 x86, 256 arm64; pad (6); valid (8): bit n means
 *                register first + n of enum vmiring_reg; the valid ones (8 each)
 *   3 memory     linear address (8); errno of the first byte that is not here,
 *                or 0 (4); the bytes.  Any number of these
 *   4 response   what was answered: flags (4), altp2m view (2), fast view (2),
 *                emul_size (4), pad (4), regs (18 x 8), emul (48)
 *   5 note       text, of the writer
 *
 * The first packet of a file is of kind 1.  Its elements:
 *
 *   16 host, 17 boot id, 18 domain's name, 19 note: texts
 *   20 uuid      of the domain, 16 bytes
 *   21 channel   ABI (4), vCPUs (4), rings (4), ring bytes (4), generation (8),
 *                released before (8), capabilities (8), reasons (8), response
 *                flags (4), pad (4)
 *   22 clock     time (8), wall (8), tsc (8) of one moment
 */
#ifndef VMIRING_CAPTURE_H
#define VMIRING_CAPTURE_H

#include "vmiring.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VMIRING_CAPTURE_LINKTYPE    147
#define VMIRING_CAPTURE_MAGIC       0x564d4952U
#define VMIRING_CAPTURE_VERSION     1
#define VMIRING_CAPTURE_HEADER      72
#define VMIRING_CAPTURE_PACKET_MAX  4096
#define VMIRING_CAPTURE_NOTE_MAX    64      /* of an event, the 0 included */
#define VMIRING_CAPTURE_TEXT_MAX    256     /* of a channel, likewise */

typedef struct vmiring_capture vmiring_capture;

/* Whose events these are.  NULL is an empty text. */
struct vmiring_capture_info {
    size_t size;
    const char *host;
    const char *boot_id;     /* of the host: tells one domid from a later one */
    const char *domain;
    const char *note;
    uint8_t uuid[16];        /* of the domain */
};

/*
 * Begins a file on fd, which it owns from now on, also when it fails: NULL and
 * errno (EINVAL, ENOMEM, those of write()); vmiring_error(h) tells.  h is
 * needed for this call only.
 */
vmiring_capture *vmiring_capture_open(vmiring *h, int fd,
                                      const struct vmiring_capture_info *info);

/* Guest memory that goes with an event. */
struct vmiring_capture_memory {
    size_t size;
    uint64_t address;        /* linear */
    const void *bytes;
    uint32_t nr_bytes;
    uint32_t error;          /* errno of the byte behind them; 0 not known */
};

/* What the library does not know of an event; each may be NULL or 0. */
struct vmiring_capture_event {
    size_t size;
    const char *note;
    const struct vmiring_response *response;
    const struct vmiring_capture_memory *memory;
    uint32_t nr_memory;
    uint32_t pad;
};

/*
 * Makes the packet of an event of the batch that is held; more may be NULL.
 * Returns its bytes (packet may be NULL if room is 0: then what it would have),
 * or -1: EINVAL a bad field, ENOSPC more than room or PACKET_MAX.  A text that
 * is too long is cut.
 */
int vmiring_capture_encode(vmiring *h, const struct vmiring_event *ev,
                           const struct vmiring_capture_event *more,
                           void *packet, size_t room);

/*
 * Appends a packet, buffered.  -1: EINVAL not one of ours, or errno of write();
 * after the latter the file may end in the middle of a packet: close it.
 */
int vmiring_capture_write(vmiring_capture *c, const void *packet, size_t size);
int vmiring_capture_flush(vmiring_capture *c);
/* Bytes of the file so far, those in the buffer included. */
uint64_t vmiring_capture_bytes(const vmiring_capture *c);
/* -1: what was buffered could not be written.  c is gone either way. */
int vmiring_capture_close(vmiring_capture *c);

/* ---- on a replay; ENODATA on other handles ---- */

/* The texts live as long as the handle.  Set out->size. */
int vmiring_capture_info(const vmiring *h, struct vmiring_capture_info *out);

/* What was done when the event was captured. */
struct vmiring_replayed {
    size_t size;
    uint32_t has_response;
    uint32_t pad;
    struct vmiring_response response;
    char note[VMIRING_CAPTURE_NOTE_MAX];
};
int vmiring_get_replayed(const struct vmiring_event *ev,
                         struct vmiring_replayed *out);

/*
 * What this program answered to a sync event, of the last 1024 answers.
 * ENOENT: it did not.
 */
int vmiring_replay_response(const vmiring *h, const struct vmiring_event *ev,
                            struct vmiring_response *out);

#ifdef __cplusplus
}
#endif
#endif /* VMIRING_CAPTURE_H */
