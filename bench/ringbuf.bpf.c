/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Publishes RINGBUF_BATCH records to a BPF ring buffer, without waking anybody:
 * reserve, copy, submit.  One program per size, as a verifier wants constants.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "ringbuf.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);  /* set to the case's before it is loaded */
} ring SEC(".maps");

__u64 source[16];
__u64 dropped;

#define PUBLISH(name, words)                                                \
    SEC("tc") int name(struct __sk_buff *skb)                               \
    {                                                                       \
        for ( int i = 0; i < RINGBUF_BATCH; i++ )                           \
        {                                                                   \
            __u64 *to = bpf_ringbuf_reserve(&ring, (words) * 8, 0);         \
                                                                            \
            if ( !to )                                                      \
            {                                                               \
                dropped++;                                                  \
                continue;                                                   \
            }                                                               \
            _Pragma("unroll")                                               \
            for ( int w = 0; w < (words); w++ )                             \
                to[w] = source[w];                                          \
            bpf_ringbuf_submit(to, BPF_RB_NO_WAKEUP);                       \
        }                                                                   \
        return 0;                                                           \
    }

PUBLISH(publish_64, 8)
PUBLISH(publish_128, 16)

char terms[] SEC("license") = "GPL";
