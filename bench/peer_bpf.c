/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Linux' BPF ring buffer, through libbpf: a program that publishes in the
 * kernel, run by BPF_PROG_TEST_RUN as often as the ring has room for.  The
 * system call is in the figure, divided by some hundred records.  It needs
 * CAP_BPF and CAP_NET_ADMIN (root); without them the case is left out.
 */
#include "peers.h"

#ifdef BENCH_HAVE_BPF

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "ringbuf.h"
#include "ringbuf.skel.h"

struct bpf_ring {
    struct ringbuf_bpf *skel;
    int program;
    uint32_t runs;              /* of the program that the ring has room for */
    unsigned long *cons;        /* ours to write */
    const unsigned long *prod;  /* the kernel's */
};

static int silent(enum libbpf_print_level level, const char *format,
                  va_list args)
{
    (void)level;
    (void)format;
    (void)args;

    return 0;
}

static int map_positions(struct bpf_ring *r)
{
    int fd = bpf_map__fd(r->skel->maps.ring);
    long page = sysconf(_SC_PAGESIZE);
    void *cons = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    void *prod = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);

    if ( cons == MAP_FAILED || prod == MAP_FAILED )
        return -1;
    r->cons = cons;
    r->prod = prod;

    return 0;
}

static void bpf_end(void *ring)
{
    struct bpf_ring *r = ring;

    if ( !r )
        return;
    if ( r->cons )
    {
        munmap(r->cons, sysconf(_SC_PAGESIZE));
        munmap((void *)r->prod, sysconf(_SC_PAGESIZE));
    }
    ringbuf_bpf__destroy(r->skel);
    free(r);
}

static void *bpf_make(uint32_t record, uint32_t ring_bytes)
{
    struct bpf_ring *r = calloc(1, sizeof(*r));

    if ( !r )
        return NULL;
    libbpf_set_print(silent);
    r->skel = ringbuf_bpf__open();
    if ( !r->skel ||
         bpf_map__set_max_entries(r->skel->maps.ring, ring_bytes) ||
         ringbuf_bpf__load(r->skel) || map_positions(r) )
    {
        bpf_end(r);
        return NULL;
    }
    r->program = bpf_program__fd(record == 64 ? r->skel->progs.publish_64
                                              : r->skel->progs.publish_128);
    r->runs = ring_bytes / ((record + RINGBUF_HEADER) * RINGBUF_BATCH);

    return r;
}

/* Makes room at once, as the other peers do; when_full is FULL_RESET. */
static uint64_t bpf_produce(void *ring, unsigned int producer, uint64_t nr,
                            enum when_full full)
{
    static const char packet[64];
    struct bpf_ring *r = ring;
    uint64_t dropped = r->skel->bss->dropped, done;

    (void)producer;
    (void)full;
    for ( done = 0; done < nr; done += (uint64_t)r->runs * RINGBUF_BATCH )
    {
        uint64_t left = (nr - done + RINGBUF_BATCH - 1) / RINGBUF_BATCH;
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet,
                    .data_size_in = sizeof(packet),
                    .repeat = left < r->runs ? left : r->runs);

        if ( bpf_prog_test_run_opts(r->program, &opts) )
            abort();
        __atomic_store_n(r->cons, __atomic_load_n(r->prod, __ATOMIC_ACQUIRE),
                         __ATOMIC_RELEASE);
    }

    return r->skel->bss->dropped - dropped;
}

const struct peer peer_bpf = { bpf_make, bpf_end, bpf_produce, NULL };

#else

const struct peer peer_bpf;

#endif
