/* SPDX-License-Identifier: MIT */
/* The counts, and what happens after the loop. */
#include <stdlib.h>
#include <time.h>

#include "deliver.h"
#include "files.h"

#define SLICE          64    /* lines between two attempts to write */
#define DRAIN_MS       2000  /* how long the last lines may take */
#define STEP_MS        200   /* how long single steps may take to end */

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

static uint64_t lost_total(const struct watch *w)
{
    struct vmiring_stats s = { .size = sizeof(s) };

    if ( vmiring_stats(w->h, &s) )
        return w->lost_seen;
    return s.lost;
}

bool watch_info(struct watch *w, struct vmiring_vcpu_info *info)
{
    uint32_t done = 0;

    if ( !(vmiring_caps(w->h) & VMIRING_CAP_INFO) )
        return false;
    for ( uint32_t i = 0; i < w->geo.nr_vcpus; i++ )
        info[i].size = sizeof(*info);
    while ( done < w->geo.nr_vcpus )
    {
        int n = vmiring_info(w->h, done, w->geo.nr_vcpus - done, info + done);

        if ( n <= 0 )
            return false;
        done += n;
    }
    return true;
}

struct final {
    struct print_totals totals;
    struct print_vcpu *vcpu;
};

static void more_totals(const struct watch *w, struct print_totals *t)
{
    t->filtered = w->filtered;
    t->limited = w->limited;
    t->guard_hits = w->guard_hits;
    t->captured = capture_packets(&w->capture);
    t->capture_drops = capture_drops(&w->capture);
    t->insn_read = w->insn_read;
    t->output_writes = w->out.out.writes;
    t->insn_errors = w->insn_failed;
    t->insn_failed = 0;
    for ( unsigned int i = 0; i < INSN_ERRNOS; i++ )
        t->insn_failed += w->insn_failed[i];
}

static int collect(struct watch *w, struct final *f)
{
    uint32_t nr = w->geo.nr_vcpus;
    struct vmiring_vcpu_info *info = calloc(nr, sizeof(*info));
    bool have;

    f->vcpu = calloc(nr, sizeof(*f->vcpu));
    if ( !info || !f->vcpu )
    {
        free(info);
        free(f->vcpu);
        return -1;
    }
    f->totals = (struct print_totals){
        .received = w->received, .answered = w->answered,
        .lost = lost_total(w), .released = w->cancelled,
        .expired = watch_expired(w),
        .output_drops = watch_output_drops(w),
    };
    more_totals(w, &f->totals);
    have = watch_info(w, info);
    if ( have )
        f->totals.released = 0;   /* Xen's own count is the better one */
    for ( uint32_t i = 0; i < nr; i++ )
    {
        f->vcpu[i] = (struct print_vcpu){
            i, w->vcpu[i].received, w->vcpu[i].answered, w->vcpu[i].lost,
            have, info[i].produced, info[i].raised, info[i].pauses
        };
        if ( have )
            f->totals.released += info[i].released;
    }
    free(info);
    return 0;
}

static void vcpu_lines(struct watch *w, struct output *o,
                       const struct printer *print, const struct final *f)
{
    for ( uint32_t i = 0; w->cfg->per_vcpu && i < w->geo.nr_vcpus; i++ )
        output_line(o, print->vcpu(&f->vcpu[i]));
}

void watch_statistics(struct watch *w)
{
    struct final f;

    if ( collect(w, &f) )
        return;
    vcpu_lines(w, &w->err.out, &print_text, &f);
    output_line(&w->err.out, print_text.counts(&f.totals));
    watch_line(&w->err, print_text.totals(&f.totals));
    free(f.vcpu);
}

void watch_interval(struct watch *w)
{
    struct print_totals t;

    if ( w->print == &print_text )
    {
        watch_statistics(w);
        return;
    }
    watch_totals(w, &t);
    watch_line(&w->out, w->print->counts(&t));
}

void watch_totals(struct watch *w, struct print_totals *t)
{
    struct final f = { .vcpu = NULL };

    if ( collect(w, &f) )
        f.totals = (struct print_totals){ .received = w->received };
    *t = f.totals;
    free(f.vcpu);
}

/*
 * Receives and answers what was raised before.  After unsubscribing that is
 * no more than the rings hold; the time limit is for a subscription that
 * could not be ended.
 */
static void drain(struct watch *w)
{
    uint64_t end = now_us() + DRAIN_MS * 1000;
    int n;

    if ( w->replay )
        return;

    while ( now_us() < end &&
            (n = vmiring_receive(w->h, w->batch, w->batch_max)) > 0 )
        watch_batch(w, n);
}

/*
 * A vCPU in a single step would keep stepping with nobody to stop it: their
 * events are awaited before that subscription ends, for a moment at most.
 */
static void end_steps(struct watch *w)
{
    for ( int i = 0; w->policy.nr_stepping && i < STEP_MS / 10; i++ )
    {
        (void)vmiring_wait(w->h, 10);
        drain(w);
    }
    w->policy.step = w->policy.nr_stepping;
}

static void unsubscribe(struct watch *w)
{
    const struct event_list *list = &w->cfg->events;

    /* What still arrives must not watch pages again. */
    pages_close(w->pages);
    w->pages = NULL;
    for ( unsigned int i = 0; i < list->nr; i++ )
        if ( list->item[i].kind->way == WAY_PAGES )
            (void)vmiring_set_access(w->h, list->item[i].gfn,
                                     list->item[i].nr, VMIRING_ACCESS_RWX);
    for ( unsigned int i = 0; i < w->nr_subs; i++ )
        if ( w->subs[i].reason != VMIRING_SINGLESTEP )
            (void)vmiring_unsubscribe(w->h, &w->subs[i]);
    end_steps(w);
    for ( unsigned int i = 0; i < w->nr_subs; i++ )
        if ( w->subs[i].reason == VMIRING_SINGLESTEP )
            (void)vmiring_unsubscribe(w->h, &w->subs[i]);
}

static void print_end(struct watch *w, struct final *f)
{
    bool json = w->print != &print_text;
    int wait_ms = DRAIN_MS;

    /* A reader, or a disk, that does not keep up is waited for once. */
    do {
        while ( watch_print(w, SLICE) )
            ;
        if ( output_drain(&w->out.out, wait_ms) )
            wait_ms = 0;
    } while ( record_queue_count(&w->queue) && wait_ms );
    f->totals.output_drops = watch_output_drops(w) +
                             record_queue_count(&w->queue);
    if ( json )
    {
        vcpu_lines(w, &w->out.out, w->print, f);
        output_line(&w->out.out, w->print->totals(&f->totals));
    }
    vcpu_lines(w, &w->err.out, &print_text, f);
    output_line(&w->err.out, print_text.totals(&f->totals));
    (void)output_drain(&w->out.out, wait_ms);
    (void)output_drain(&w->err.out, DRAIN_MS);
}

/* The guest first: no vCPU waits for the last lines to be printed. */
void watch_finish(struct watch *w)
{
    struct final f;

    if ( w->exit_code != EXIT_TAKEN && w->exit_code != EXIT_ENDED )
    {
        unsubscribe(w);
        drain(w);
    }
    deliver_end(w);
    capture_close(&w->capture, w->h, DRAIN_MS);
    if ( collect(w, &f) )
        f.vcpu = NULL;
    files_write_metrics(w);
    w->ring = sd_event_source_unref(w->ring);
    vmiring_close(w->h);
    w->h = NULL;
    if ( f.vcpu )
        print_end(w, &f);
    free(f.vcpu);
    if ( w->metrics_writer )
        (void)writer_drain(w->metrics_writer, DRAIN_MS);
}

