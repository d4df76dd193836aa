/* SPDX-License-Identifier: MIT */
/*
 * replay: what is in a capture, and how it was answered.
 *
 * The same calls as with a guest; the last one fails with ENODEV when the file
 * has ended.
 *
 *     replay CAPTURE
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vmiring_capture.h>

#define BATCH   64
#define REASONS 32

struct summary {
    uint64_t events[REASONS], denied[REASONS];
    uint64_t lost, with_insn;
};

static void count(vmiring *h, struct summary *s, const struct vmiring_event *ev)
{
    struct vmiring_replayed was = { .size = sizeof(was) };
    struct vmiring_lost lost;
    uint8_t byte;
    uint64_t rip;

    if ( !vmiring_get_lost(ev, &lost) )
        s->lost += lost.count;
    if ( ev->reason >= REASONS )
        return;
    s->events[ev->reason]++;
    if ( !vmiring_get_replayed(ev, &was) && was.has_response &&
         (was.response.flags & VMIRING_RSP_DENY) )
        s->denied[ev->reason]++;
    /* Guest memory is what was read when it was captured. */
    if ( !vmiring_get_reg(ev, VMIRING_RIP, &rip) &&
         vmiring_read_virt(h, ev, rip, &byte, 1, NULL) == 1 )
        s->with_insn++;
}

static int read_all(vmiring *h, struct summary *s)
{
    struct vmiring_event ev[BATCH];
    int n;

    while ( (n = vmiring_receive(h, ev, BATCH)) > 0 )
    {
        for ( int i = 0; i < n; i++ )
            count(h, s, &ev[i]);
        vmiring_release(h);
    }
    return errno == ENODEV ? 0 : -1;
}

static void print(vmiring *h, const struct summary *s)
{
    struct vmiring_capture_info info = { .size = sizeof(info) };

    if ( !vmiring_capture_info(h, &info) )
        printf("domain %" PRIu32 " (%s) of %s\n", vmiring_domid(h),
               info.domain, info.host);
    printf("%-20s %10s %10s\n", "event", "captured", "denied");
    for ( uint32_t r = 0; r < REASONS; r++ )
        if ( s->events[r] )
            printf("%-20s %10" PRIu64 " %10" PRIu64 "\n",
                   vmiring_reason_name(r), s->events[r], s->denied[r]);
    printf("lost %" PRIu64 ", with instruction %" PRIu64 "\n", s->lost,
           s->with_insn);
}

int main(int argc, char **argv)
{
    vmiring_options opts = { .size = sizeof(opts),
                             .flags = VMIRING_OPEN_EVERYTHING };
    struct summary s;
    vmiring *h;
    int rc;

    if ( argc != 2 )
    {
        fprintf(stderr, "usage: %s CAPTURE\n", argv[0]);
        return 2;
    }
    opts.capture = argv[1];
    h = vmiring_open(&opts);
    if ( !h )
    {
        fprintf(stderr, "%s\n", vmiring_open_error());
        return 1;
    }
    memset(&s, 0, sizeof(s));
    rc = read_all(h, &s);
    if ( rc )
        fprintf(stderr, "%s\n", vmiring_error(h));
    print(h, &s);
    vmiring_close(h);
    return rc ? 1 : 0;
}
