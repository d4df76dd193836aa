/* SPDX-License-Identifier: MIT */
/*
 * The event loop.  Its order is what the agent promises: a batch is received,
 * its sync events are answered and Xen is told, and only then are its events
 * copied; what was copied is printed a few at a time, so that the next batch
 * never waits for more than a few lines.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <systemd/sd-daemon.h>

#include "deliver.h"
#include "files.h"
#include "watchdog.h"

#define OUT_ROOM       8192U /* a line is shorter */
#define SLICE_BUSY     8     /* lines printed between two batches */
#define SLICE_IDLE     64
#define SLICE_FILE     256   /* packets of a capture, when there is time */

enum { PRIO_SIGNAL = -10, PRIO_RING = 0, PRIO_OUTPUT = 5, PRIO_PRINT = 10 };

void watch_stop(struct watch *w, enum exit_code code)
{
    if ( w->stopping )
        return;
    w->stopping = true;
    w->exit_code = code;
    sd_event_exit(w->loop, 0);
}

/* ---- output ---- */

static int on_writable(sd_event_source *s, int fd, uint32_t revents, void *data)
{
    struct stream *st = data;

    (void)fd;
    (void)revents;
    if ( !output_write(&st->out) )
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
    if ( st->feeder )
        sd_event_source_set_enabled(st->feeder, SD_EVENT_ON);
    return 0;
}

void watch_write(struct stream *st)
{
    /* Whoever answers does not try what on_writable() is told about. */
    if ( !st->out.blocked && output_write(&st->out) && st->writable )
        sd_event_source_set_enabled(st->writable, SD_EVENT_ON);
}

void watch_line(struct stream *st, const char *line)
{
    output_line(&st->out, line);
    watch_write(st);
}

/* Files have no readiness (EPERM); one with a writer is heard of by that. */
static int stream_watch(struct watch *w, struct stream *st)
{
    int rc = st->out.writer ? -EPERM :
             sd_event_add_io(w->loop, &st->writable, st->out.fd, EPOLLOUT,
                             on_writable, st);

    if ( rc == -EPERM )
        return 0;
    if ( rc < 0 )
        return rc;
    sd_event_source_set_priority(st->writable, PRIO_OUTPUT);
    return sd_event_source_set_enabled(st->writable, SD_EVENT_OFF);
}

uint64_t watch_output_drops(const struct watch *w)
{
    return w->queue_drops + output_drops(&w->out.out);
}

bool watch_print(struct watch *w, int max)
{
    const struct record *r;

    while ( (r = record_queue_first(&w->queue)) && max-- > 0 )
    {
        if ( output_room(&w->out.out) < OUT_ROOM )
            break;
        if ( watch_output_drops(w) != w->drops_told && !w->out.out.dead )
        {
            uint64_t drops = watch_output_drops(w);

            if ( output_line(&w->out.out,
                             w->print->drops(drops - w->drops_told)) )
                w->drops_told = drops;
        }
        output_line(&w->out.out, w->print->record(r, w->disasm));
        record_queue_pop(&w->queue);
    }
    watch_write(&w->out);
    return record_queue_first(&w->queue) &&
           output_room(&w->out.out) >= OUT_ROOM;
}

static int on_printing(sd_event_source *s, void *data)
{
    struct watch *w = data;

    if ( !watch_print(w, SLICE_IDLE) )
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
    if ( w->capture.file.path && capture_write(&w->capture, w->h, SLICE_FILE) )
        sd_event_source_set_enabled(s, SD_EVENT_ON);
    else
        capture_flush(&w->capture);
    /* Nobody reads any more: end, as a filter does, but with all vCPUs free. */
    if ( w->out.out.dead )
        watch_stop(w, EXIT_OK);
    return 0;
}

/* ---- one batch ---- */

static void warn_answer(struct watch *w, const struct vmiring_event *ev)
{
    char line[256];

    if ( w->answer_warned )
        return;
    w->answer_warned = true;
    snprintf(line, sizeof(line), "vmi-agent: warning: answer to %s of vCPU "
             "%" PRIu32 " not possible, so a simpler one: %.120s\n",
             vmiring_reason_name(ev->reason), ev->vcpu, vmiring_error(w->h));
    watch_line(&w->err, line);
}

static void warn_pages(struct watch *w)
{
    char line[256];

    if ( w->pages_warned )
        return;
    w->pages_warned = true;
    snprintf(line, sizeof(line), "vmi-agent: warning: a page's access could "
             "not be changed: %.160s\n", vmiring_error(w->h));
    watch_line(&w->err, line);
}

static struct vcpu_count *count_of(struct watch *w, uint32_t vcpu)
{
    return vcpu < w->geo.nr_vcpus ? &w->vcpu[vcpu] : NULL;
}

/*
 * Where a host cannot do what an answer asks for, the guest gets on at least:
 * without the interrupt that was asked for on the way, then without anything.
 */
static int respond(struct watch *w, const struct vmiring_event *ev,
                   struct vmiring_response *rsp, const char **word)
{
    int rc = vmiring_respond(w->h, ev, rsp->flags ? rsp : NULL);

    if ( !rc || !rsp->flags || (errno != EINVAL && errno != ENOTSUP) )
        return rc;
    warn_answer(w, ev);
    if ( rsp->flags & VMIRING_RSP_GET_NEXT_INTERRUPT )
    {
        w->policy.next_interrupt = false;
        rsp->flags &= ~VMIRING_RSP_GET_NEXT_INTERRUPT;
        return respond(w, ev, rsp, word);
    }
    *word = "continue";
    *rsp = (struct vmiring_response){ .size = sizeof(*rsp) };
    return vmiring_respond(w->h, ev, NULL);
}

/* -c is reached: what still comes is answered, and that is all. */
static bool is_over(const struct watch *w)
{
    return w->cfg->count && w->received >= w->cfg->count;
}

static const char *answer(struct watch *w, const struct vmiring_event *ev,
                          struct vmiring_response *rsp)
{
    struct vcpu_count *c = count_of(w, ev->vcpu);
    const char *word = answer_build(&w->policy, ev, rsp);

    if ( !(ev->flags & VMIRING_EV_AGAIN) && guard_denies(w->guard, ev) )
    {
        rsp->flags |= VMIRING_RSP_DENY;
        word = "deny";
    }
    if ( respond(w, ev, rsp, &word) )
    {
        w->cancelled += !is_over(w);
        return "cancelled";
    }
    answer_taken(&w->policy, ev, rsp);
    if ( is_over(w) )
        return word;
    w->answered++;
    if ( c )
        c->answered++;
    return word;
}

static void count(struct watch *w, const struct vmiring_event *ev)
{
    struct vcpu_count *c = count_of(w, ev->vcpu);
    struct vmiring_lost lost;

    if ( ev->reason == VMIRING_LOST && !vmiring_get_lost(ev, &lost) )
    {
        w->lost_seen += lost.count;
        if ( c )
            c->lost += lost.count;
    }
    if ( ev->reason >= VMIRING_LOST )
        return;
    w->received++;
    if ( ev->reason < LIMIT_REASONS )
        w->by_reason[ev->reason]++;
    if ( c )
        c->received++;
}

static void check_domain(struct watch *w, const struct vmiring_event *ev)
{
    struct vmiring_domain d;

    /* A capture ends where it ends. */
    if ( !w->replay && ev->reason == VMIRING_DOMAIN &&
         !vmiring_get_domain(ev, &d) && d.state >= 2 )
        watch_stop(w, EXIT_GONE);
}

void watch_batch(struct watch *w, int n)
{
    const struct vmiring_event *lost = NULL;

    for ( int i = 0; i < n; i++ )
    {
        if ( w->batch[i].reason == VMIRING_LOST )
            lost = &w->batch[i];
        else if ( w->pages && pages_event(w->pages, &w->batch[i]) )
            warn_pages(w);
        w->answers[i] = w->batch[i].flags & VMIRING_EV_SYNC ?
                        answer(w, &w->batch[i], &w->responses[i]) : NULL;
        if ( w->pages && pages_answered(w->pages, &w->batch[i]) )
            warn_pages(w);
    }
    (void)vmiring_flush(w->h);
    /* Every page again, however many losses: once, and when nobody waits. */
    if ( lost && w->pages && pages_event(w->pages, lost) )
        warn_pages(w);
    for ( int i = 0; i < n && !is_over(w); i++ )
    {
        count(w, &w->batch[i]);
        deliver_event(w, &w->batch[i], w->answers[i],
                      w->answers[i] ? &w->responses[i] : NULL);
        check_domain(w, &w->batch[i]);
    }
    vmiring_release(w->h);
}

/* How many to receive: with -c no more than are wanted. */
static int batch_limit(const struct watch *w)
{
    uint64_t left = w->cfg->count - w->received;

    if ( w->cfg->count && left < w->batch_max )
        return left;
    return w->batch_max;
}

static void receive_failed(struct watch *w)
{
    char line[320];
    enum exit_code code = exit_code_of_open(errno);

    if ( w->replay && errno == ENODEV )
    {
        watch_stop(w, EXIT_OK);
        return;
    }
    snprintf(line, sizeof(line), "vmi-agent: domain %" PRIu32 ": %.250s\n",
             w->domid, vmiring_error(w->h));
    watch_line(&w->err, line);
    if ( code != EXIT_GONE && code != EXIT_TAKEN && code != EXIT_ENDED )
        code = EXIT_INTERNAL;
    watch_stop(w, code);
}

uint64_t watch_expired(struct watch *w)
{
    struct vmiring_stats stats = { .size = sizeof(stats) };
    uint64_t told = w->expired_told;

    if ( vmiring_stats(w->h, &stats) || stats.expired <= told )
        return told;
    w->expired_told = stats.expired;
    output_line(&w->out.out, w->print->expired(stats.expired - told));
    return stats.expired;
}

static int on_ring(sd_event_source *s, int fd, uint32_t revents, void *data)
{
    struct watch *w = data;
    /* With --spin it looks again for a while before the loop sleeps. */
    int n = w->cfg->spin_us
            ? vmiring_receive_wait(w->h, w->batch, batch_limit(w), 0)
            : vmiring_receive(w->h, w->batch, batch_limit(w));

    (void)fd;
    (void)revents;
    if ( n < 0 )
    {
        if ( errno != EAGAIN && errno != EINTR )
            receive_failed(w);
        else
            watch_expired(w);
        return 0;
    }
    watch_batch(w, n);
    w->turns++;
    watch_expired(w);
    if ( w->cfg->count && w->received >= w->cfg->count )
        watch_stop(w, EXIT_OK);
    /* With a guest that never rests there is no other time for it. */
    if ( w->capture.file.path )
        capture_write(&w->capture, w->h, 2 * n);
    if ( watch_print(w, SLICE_BUSY) || w->out.out.dead || w->capture.c )
        sd_event_source_set_enabled(w->printing, SD_EVENT_ON);
    if ( w->cfg->batch_sleep_ms )
    {
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
        sd_event_source_set_time_relative(w->pause,
                                          w->cfg->batch_sleep_ms * 1000ULL);
        sd_event_source_set_enabled(w->pause, SD_EVENT_ONESHOT);
    }
    return 0;
}

static int on_pause_end(sd_event_source *s, uint64_t usec, void *data)
{
    struct watch *w = data;

    (void)s;
    (void)usec;
    return sd_event_source_set_enabled(w->ring, SD_EVENT_ON);
}

/* ---- the loop ---- */

static int on_statistics(sd_event_source *s,
                         const struct signalfd_siginfo *si, void *data)
{
    (void)s;
    (void)si;
    watch_statistics(data);
    return 0;
}

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si,
                     void *data)
{
    (void)s;
    (void)si;
    if ( !files_reopen(data) )
        watch_stop(data, EXIT_OK);
    return 0;
}

static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si,
                   void *data)
{
    (void)s;
    (void)si;
    watch_stop(data, EXIT_OK);
    return 0;
}

static int on_duration(sd_event_source *s, uint64_t usec, void *data)
{
    (void)s;
    (void)usec;
    watch_stop(data, EXIT_OK);
    return 0;
}

static int add_signal(struct watch *w, int sig, sd_event_signal_handler_t fn)
{
    sd_event_source *s = NULL;
    int rc = sd_event_add_signal(w->loop, &s, sig, fn, w);

    if ( rc < 0 )
        return rc;
    sd_event_source_set_floating(s, 1);
    sd_event_source_set_priority(s, PRIO_SIGNAL);
    sd_event_source_unref(s);
    return 0;
}

static int add_timers(struct watch *w)
{
    int rc = 0;

    if ( w->cfg->duration_us )
        rc = sd_event_add_time_relative(w->loop, NULL, CLOCK_MONOTONIC,
                                        w->cfg->duration_us, 1000,
                                        on_duration, w);
    if ( rc >= 0 )
        rc = sd_event_add_time_relative(w->loop, &w->pause, CLOCK_MONOTONIC,
                                        0, 1000, on_pause_end, w);
    if ( rc >= 0 )
        rc = sd_event_source_set_enabled(w->pause, SD_EVENT_OFF);
    return rc;
}

/*
 * The first timer of an sd-event loop reads the boot id, once: now, as long as
 * files can be opened.  Nothing but signals can be pending this early.
 */
static int prime_timers(struct watch *w)
{
    sd_event_source *s = NULL;
    int rc = sd_event_add_time_relative(w->loop, &s, CLOCK_MONOTONIC,
                                        3600 * 1000000ULL, 0, on_pause_end, w);

    if ( rc >= 0 )
        rc = sd_event_run(w->loop, 0);
    sd_event_source_unref(s);
    return rc;
}

int watch_make_loop(struct watch *w)
{
    int rc = sd_event_new(&w->loop);

    if ( rc < 0 ||
         (rc = add_signal(w, SIGINT, on_stop)) < 0 ||
         (rc = add_signal(w, SIGTERM, on_stop)) < 0 ||
         (rc = add_signal(w, SIGHUP, on_hangup)) < 0 ||
         (rc = add_signal(w, SIGUSR1, on_statistics)) < 0 ||
         (rc = prime_timers(w)) < 0 ||
         (rc = add_timers(w)) < 0 ||
         (rc = files_watch(w)) < 0 ||
         (rc = sd_event_add_io(w->loop, &w->ring, vmiring_fd(w->h), EPOLLIN,
                               on_ring, w)) < 0 ||
         (rc = sd_event_add_defer(w->loop, &w->printing, on_printing, w)) < 0 ||
         (rc = stream_watch(w, &w->out)) < 0 ||
         (rc = stream_watch(w, &w->err)) < 0 ||
         (rc = watchdog_watch(w)) < 0 )
        return rc;
    sd_event_source_set_priority(w->ring, PRIO_RING);
    sd_event_source_set_priority(w->printing, PRIO_PRINT);
    w->out.feeder = w->printing;
    return sd_event_source_set_enabled(w->printing, SD_EVENT_ON);
}

/* Blocked before anything is opened, so that none ends us half-way. */
static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void run_loop(struct watch *w)
{
    char line[128];
    int rc = sd_event_loop(w->loop);

    if ( rc >= 0 )
        return;
    snprintf(line, sizeof(line), "vmi-agent: event loop: %.80s\n",
             strerror(-rc));
    watch_line(&w->err, line);
    watch_stop(w, EXIT_INTERNAL);
}

enum exit_code watch_run(const struct config *cfg)
{
    struct watch *w = calloc(1, sizeof(*w));
    enum exit_code code = EXIT_INTERNAL;

    if ( !w )
        return code;
    w->cfg = cfg;
    w->out.out = w->err.out = (struct output)OUTPUT_CLOSED;
    w->print = cfg->format == FORMAT_TEXT ? &print_text :
               cfg->format == FORMAT_JOURNAL ? &print_journal : &print_json;
    block_signals();
    code = watch_set_up(w);
    if ( !code )
    {
        sd_notify(0, "READY=1");
        run_loop(w);
        sd_notify(0, "STOPPING=1");
        watch_finish(w);
        code = w->exit_code;
    }
    watch_tear_down(w);
    free(w);
    return code;
}
