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
#include <unistd.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "answer.h"
#include "domains.h"
#include "output.h"
#include "print.h"
#include "privilege.h"
#include "watch.h"

#define BATCH_PRINTING 32U   /* each may cost a read of guest memory */
#define BATCH_QUIET    256U
#define QUEUE_RECORDS  2048U
#define OUT_BYTES      (1U << 20)
#define ERR_BYTES      (1U << 18)
#define OUT_ROOM       8192U /* a line is shorter */
#define SLICE_BUSY     8     /* lines printed between two batches */
#define SLICE_IDLE     64
#define DRAIN_MS       2000  /* how long the last lines may take */
#define STEP_MS        200   /* how long single steps may take to end */

enum { PRIO_SIGNAL = -10, PRIO_RING = 0, PRIO_OUTPUT = 5, PRIO_PRINT = 10 };

struct vcpu_count {
    uint64_t received, answered, lost;
};

struct stream {
    struct output out;
    sd_event_source *writable;
    sd_event_source *feeder; /* to wake when there is room again, or NULL */
};

struct watch {
    const struct config *cfg;
    const struct printer *print;
    uint32_t domid;
    char name[64];
    vmiring *h;
    sd_event *loop;
    sd_event_source *ring, *pause, *printing;
    struct stream out, err;
    struct record_queue queue;
    struct disasm *disasm;
    struct vmiring_event *batch;
    unsigned int batch_max;
    const char **answers;    /* of the batch */
    struct answer_policy policy;
    struct vmiring_geometry geo;
    struct vmiring_subscription subs[EVENTS_MAX];
    unsigned int nr_subs;
    char events[EVENTS_MAX * 32];
    struct vcpu_count *vcpu;
    uint64_t received, answered, cancelled, lost_seen;
    uint64_t queue_drops, drops_told;
    bool stopping, answer_warned;
    enum exit_code exit_code;
};

static void stop(struct watch *w, enum exit_code code)
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

static void stream_write(struct stream *st)
{
    if ( output_write(&st->out) && st->writable )
        sd_event_source_set_enabled(st->writable, SD_EVENT_ON);
}

static void stream_line(struct stream *st, const char *line)
{
    output_line(&st->out, line);
    stream_write(st);
}

/* Files have no readiness (EPERM), and never need it. */
static int stream_watch(struct watch *w, struct stream *st)
{
    int rc = sd_event_add_io(w->loop, &st->writable, st->out.fd, EPOLLOUT,
                             on_writable, st);

    if ( rc == -EPERM )
        return 0;
    if ( rc < 0 )
        return rc;
    sd_event_source_set_priority(st->writable, PRIO_OUTPUT);
    return sd_event_source_set_enabled(st->writable, SD_EVENT_OFF);
}

static uint64_t output_drops(const struct watch *w)
{
    return w->queue_drops + w->out.out.drops;
}

/* Prints up to max records; true if there are more that could be printed. */
static bool print_some(struct watch *w, int max)
{
    const struct record *r;

    while ( (r = record_queue_first(&w->queue)) && max-- > 0 )
    {
        if ( output_room(&w->out.out) < OUT_ROOM )
            break;
        if ( output_drops(w) != w->drops_told && !w->out.out.dead )
        {
            uint64_t drops = output_drops(w);

            if ( output_line(&w->out.out,
                             w->print->drops(drops - w->drops_told)) )
                w->drops_told = drops;
        }
        output_line(&w->out.out, w->print->record(r, w->disasm));
        record_queue_pop(&w->queue);
    }
    stream_write(&w->out);
    return record_queue_first(&w->queue) &&
           output_room(&w->out.out) >= OUT_ROOM;
}

static int on_printing(sd_event_source *s, void *data)
{
    struct watch *w = data;

    if ( !print_some(w, SLICE_IDLE) )
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
    /* Nobody reads any more: end, as a filter does, but with all vCPUs free. */
    if ( w->out.out.dead )
        stop(w, EXIT_OK);
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
             "%" PRIu32 " not possible, told it to continue: %.120s\n",
             vmiring_reason_name(ev->reason), ev->vcpu, vmiring_error(w->h));
    stream_line(&w->err, line);
}

static struct vcpu_count *count_of(struct watch *w, uint32_t vcpu)
{
    return vcpu < w->geo.nr_vcpus ? &w->vcpu[vcpu] : NULL;
}

static const char *answer(struct watch *w, const struct vmiring_event *ev)
{
    struct vcpu_count *c = count_of(w, ev->vcpu);
    struct vmiring_response rsp;
    const char *word = answer_build(&w->policy, ev, &rsp);
    int rc = vmiring_respond(w->h, ev, rsp.flags ? &rsp : NULL);

    if ( rc && rsp.flags && (errno == EINVAL || errno == ENOTSUP) )
    {
        warn_answer(w, ev);
        rc = vmiring_respond(w->h, ev, NULL);
        word = "continue";
    }
    if ( rc )
    {
        w->cancelled++;
        return "cancelled";
    }
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
    if ( c )
        c->received++;
}

static void capture(struct watch *w, const struct vmiring_event *ev,
                    const char *answer_word)
{
    struct record *r;

    if ( w->cfg->quiet && ev->reason < VMIRING_LOST )
        return;
    r = record_queue_room(&w->queue, ev->reason);
    if ( !r )
    {
        w->queue_drops++;
        return;
    }
    record_capture(r, ev, answer_word);
    if ( w->disasm )
        record_read_insn(r, w->h, ev);
    record_queue_push(&w->queue);
}

static void check_domain(struct watch *w, const struct vmiring_event *ev)
{
    struct vmiring_domain d;

    if ( ev->reason == VMIRING_DOMAIN && !vmiring_get_domain(ev, &d) &&
         d.state >= 2 )
        stop(w, EXIT_GONE);
}

/* Answers, tells Xen, counts and copies; then the batch is over. */
static void handle_batch(struct watch *w, int n)
{
    for ( int i = 0; i < n; i++ )
        w->answers[i] = w->batch[i].flags & VMIRING_EV_SYNC ?
                        answer(w, &w->batch[i]) : NULL;
    (void)vmiring_flush(w->h);
    for ( int i = 0; i < n; i++ )
    {
        count(w, &w->batch[i]);
        capture(w, &w->batch[i], w->answers[i]);
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

    snprintf(line, sizeof(line), "vmi-agent: domain %" PRIu32 ": %.250s\n",
             w->domid, vmiring_error(w->h));
    stream_line(&w->err, line);
    stop(w, code == EXIT_GONE || code == EXIT_TAKEN ? code : EXIT_INTERNAL);
}

static int on_ring(sd_event_source *s, int fd, uint32_t revents, void *data)
{
    struct watch *w = data;
    int n = vmiring_receive(w->h, w->batch, batch_limit(w));

    (void)fd;
    (void)revents;
    if ( n < 0 )
    {
        if ( errno != EAGAIN && errno != EINTR )
            receive_failed(w);
        return 0;
    }
    handle_batch(w, n);
    if ( w->cfg->count && w->received >= w->cfg->count )
        stop(w, EXIT_OK);
    if ( print_some(w, SLICE_BUSY) || w->out.out.dead )
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

/* ---- counts ---- */

static uint64_t lost_total(const struct watch *w)
{
    struct vmiring_stats s = { .size = sizeof(s) };

    if ( vmiring_stats(w->h, &s) )
        return w->lost_seen;
    return s.lost;
}

/* Fills info for all vCPUs; false where the ABI has no such counts. */
static bool get_info(struct watch *w, struct vmiring_vcpu_info *info)
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
        .output_drops = output_drops(w),
    };
    have = get_info(w, info);
    if ( have )
        f->totals.released = 0;
    for ( uint32_t i = 0; i < nr; i++ )
    {
        f->vcpu[i] = (struct print_vcpu){
            i, w->vcpu[i].received, w->vcpu[i].answered, w->vcpu[i].lost,
            have, info[i].produced, info[i].raised, info[i].pauses
        };
        f->totals.released += info[i].released;
    }
    free(info);
    return 0;
}

static int on_statistics(sd_event_source *s, const struct signalfd_siginfo *si,
                         void *data)
{
    struct watch *w = data;
    struct final f;

    (void)s;
    (void)si;
    if ( collect(w, &f) )
        return 0;
    for ( uint32_t i = 0; w->cfg->per_vcpu && i < w->geo.nr_vcpus; i++ )
        output_line(&w->err.out, print_text.vcpu(&f.vcpu[i]));
    stream_line(&w->err, print_text.totals(&f.totals));
    free(f.vcpu);
    return 0;
}

static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si,
                   void *data)
{
    (void)s;
    (void)si;
    stop(data, EXIT_OK);
    return 0;
}

static int on_duration(sd_event_source *s, uint64_t usec, void *data)
{
    (void)s;
    (void)usec;
    stop(data, EXIT_OK);
    return 0;
}

/* ---- setting up ---- */

static enum exit_code fail_open(const struct watch *w, int err)
{
    enum exit_code code = exit_code_of_open(err);

    if ( code == EXIT_GONE )   /* not while it was watched */
        code = EXIT_NO_DOMAIN;
    fprintf(stderr, "vmi-agent: domain %" PRIu32 ": %s\n", w->domid,
            vmiring_open_error());
    exit_print_hint(code, stderr);
    return code;
}

static enum exit_code open_channel(struct watch *w)
{
    const struct config *cfg = w->cfg;
    vmiring_options opts = {
        .size = sizeof(opts), .domid = w->domid, .abi = cfg->abi,
        .sim = cfg->sim, .ring_bytes = cfg->ring_bytes,
        .on_death = cfg->on_death, .deadline_ms = cfg->deadline_ms,
        .deadline_deny = cfg->deadline_deny,
        .flags = (cfg->split_rings ? VMIRING_OPEN_SPLIT_RINGS : 0) |
                 (cfg->reattach ? VMIRING_OPEN_REATTACH : 0) |
                 (cfg->takeover ? VMIRING_OPEN_TAKEOVER : 0),
    };

    w->h = vmiring_open(&opts);
    if ( !w->h )
        return fail_open(w, errno);
    w->geo.size = sizeof(w->geo);
    if ( vmiring_geometry(w->h, &w->geo) || !w->geo.nr_vcpus )
    {
        fprintf(stderr, "vmi-agent: geometry: %s\n", vmiring_error(w->h));
        return EXIT_INTERNAL;
    }
    return EXIT_OK;
}

static void add_name(struct watch *w, const struct event_choice *c)
{
    size_t used = strlen(w->events);
    char name[48];

    event_choice_name(c, name, sizeof(name));
    snprintf(w->events + used, sizeof(w->events) - used, "%s%s",
             used ? "," : "", name);
}

static enum exit_code subscribe_failed(struct watch *w,
                                       const struct event_choice *c)
{
    enum exit_code code = errno == EOPNOTSUPP ? EXIT_NO_EVENT :
                          exit_code_of_open(errno);
    char name[48];

    event_choice_name(c, name, sizeof(name));
    fprintf(stderr, "vmi-agent: domain %" PRIu32 ": event %s: %s\n",
            w->domid, name, vmiring_error(w->h));
    exit_print_hint(code, stderr);
    return code;
}

/* Without -e what cannot be had is left out; the header says what is left. */
static enum exit_code subscribe(struct watch *w)
{
    const struct event_list *list = &w->cfg->events;

    for ( unsigned int i = 0; i < list->nr; i++ )
    {
        const struct event_choice *c = &list->item[i];
        struct vmiring_subscription *s = &w->subs[w->nr_subs];

        if ( !c->kind->armed_by_answers )
        {
            event_subscription(c, w->cfg->regs, s);
            /* A channel that we come back to may have kept it: EEXIST. */
            if ( vmiring_subscribe(w->h, s) && errno != EEXIST )
            {
                if ( errno == EOPNOTSUPP && !list->explicit )
                    continue;
                return subscribe_failed(w, c);
            }
            w->nr_subs++;
        }
        add_name(w, c);
    }
    if ( w->nr_subs )
        return EXIT_OK;
    fprintf(stderr, "vmi-agent: none of the events can be raised here\n");
    exit_print_hint(EXIT_NO_EVENT, stderr);
    return EXIT_NO_EVENT;
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

static int make_loop(struct watch *w)
{
    int rc = sd_event_new(&w->loop);

    if ( rc < 0 ||
         (rc = add_signal(w, SIGINT, on_stop)) < 0 ||
         (rc = add_signal(w, SIGTERM, on_stop)) < 0 ||
         (rc = add_signal(w, SIGHUP, on_stop)) < 0 ||
         (rc = add_signal(w, SIGUSR1, on_statistics)) < 0 ||
         (rc = add_timers(w)) < 0 ||
         (rc = sd_event_add_io(w->loop, &w->ring, vmiring_fd(w->h), EPOLLIN,
                               on_ring, w)) < 0 ||
         (rc = sd_event_add_defer(w->loop, &w->printing, on_printing, w)) < 0 ||
         (rc = stream_watch(w, &w->out)) < 0 ||
         (rc = stream_watch(w, &w->err)) < 0 ||
         /* Fed by the loop's turns, idle ones included. */
         (rc = sd_event_set_watchdog(w->loop, 1)) < 0 )
        return rc;
    sd_event_source_set_priority(w->ring, PRIO_RING);
    sd_event_source_set_priority(w->printing, PRIO_PRINT);
    w->out.feeder = w->printing;
    return sd_event_source_set_enabled(w->printing, SD_EVENT_ON);
}

static int make_buffers(struct watch *w)
{
    w->batch_max = w->cfg->batch ? w->cfg->batch :
                   w->cfg->quiet ? BATCH_QUIET : BATCH_PRINTING;
    w->batch = calloc(w->batch_max, sizeof(*w->batch));
    w->answers = calloc(w->batch_max, sizeof(*w->answers));
    w->vcpu = calloc(w->geo.nr_vcpus, sizeof(*w->vcpu));
    if ( !w->batch || !w->answers || !w->vcpu ||
         record_queue_init(&w->queue, QUEUE_RECORDS) ||
         output_open(&w->out.out, STDOUT_FILENO, OUT_BYTES) ||
         output_open(&w->err.out, STDERR_FILENO, ERR_BYTES) )
        return -1;
    if ( w->cfg->quiet || w->cfg->no_disasm )
        return 0;
    w->disasm = disasm_open();
    return w->disasm ? 0 : -1;
}

static void print_start(struct watch *w)
{
    static const char *const regs[] = { "none", "core", "all" };
    uint64_t caps = vmiring_caps(w->h);
    struct print_header h = {
        .domid = w->domid, .name = *w->name ? w->name : NULL,
        .abi = vmiring_abi_used(w->h) == VMIRING_ABI_V2 ? "v2" : "legacy",
        .simulated = caps & VMIRING_CAP_SIMULATED,
        .nr_vcpus = w->geo.nr_vcpus, .nr_rings = w->geo.nr_rings,
        .ring_bytes = w->geo.ring_bytes, .generation = w->geo.generation,
        .events = w->events,
        .regs = caps & VMIRING_CAP_REGSETS ? regs[w->cfg->regs] : "all",
    };

    if ( w->geo.released_before )
        output_line(&w->out.out, w->print->released(w->geo.released_before));
    stream_line(&w->out, w->print->header(&h));
}

static enum exit_code set_up(struct watch *w)
{
    const struct event_list *events = &w->cfg->events;
    enum exit_code code = open_channel(w);
    int rc;

    if ( code )
        return code;
    w->policy = (struct answer_policy){
        .reply = w->cfg->reply, .deny = w->cfg->deny,
        .next_interrupt = events_have(events, VMIRING_INTERRUPT),
        .step = events_have(events, VMIRING_SINGLESTEP),
    };
    rc = make_buffers(w) ? -errno : make_loop(w);
    if ( rc < 0 )
    {
        fprintf(stderr, "vmi-agent: setting up: %s\n", strerror(-rc));
        return EXIT_INTERNAL;
    }
    code = subscribe(w);
    if ( code )
        return code;
    if ( w->cfg->privileged )
        fprintf(stderr, "vmi-agent: warning: --privileged: keeping all "
                "privileges, handles are not restricted\n");
    else if ( privilege_drop(w->h, stderr) )
        return EXIT_PRIVILEGE;
    return EXIT_OK;
}

/* ---- ending ---- */

/* Receives and answers what was raised before; bounded by the rings' size. */
static void drain(struct watch *w)
{
    int n;

    while ( (n = vmiring_receive(w->h, w->batch, w->batch_max)) > 0 )
        handle_batch(w, n);
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
    bool json = w->print == &print_json;

    int wait_ms = DRAIN_MS;

    /* A reader that does not keep up is waited for once. */
    while ( record_queue_count(&w->queue) && wait_ms )
    {
        while ( print_some(w, SLICE_IDLE) )
            ;
        if ( output_drain(&w->out.out, wait_ms) )
            wait_ms = 0;
    }
    f->totals.output_drops = output_drops(w) + record_queue_count(&w->queue);
    for ( uint32_t i = 0; w->cfg->per_vcpu && i < w->geo.nr_vcpus; i++ )
    {
        if ( json )
            output_line(&w->out.out, print_json.vcpu(&f->vcpu[i]));
        output_line(&w->err.out, print_text.vcpu(&f->vcpu[i]));
    }
    if ( json )
        output_line(&w->out.out, print_json.totals(&f->totals));
    output_line(&w->err.out, print_text.totals(&f->totals));
    (void)output_drain(&w->out.out, wait_ms);
    (void)output_drain(&w->err.out, DRAIN_MS);
}

/* The guest first: no vCPU waits for the last lines to be printed. */
static void finish(struct watch *w)
{
    struct final f;

    if ( w->exit_code != EXIT_TAKEN )
    {
        unsubscribe(w);
        if ( !w->cfg->count || w->received < w->cfg->count )
            drain(w);
    }
    if ( collect(w, &f) )
        f.vcpu = NULL;
    vmiring_close(w->h);
    w->h = NULL;
    if ( f.vcpu )
        print_end(w, &f);
    free(f.vcpu);
}

static void tear_down(struct watch *w)
{
    sd_event_source_unref(w->ring);
    sd_event_source_unref(w->pause);
    sd_event_source_unref(w->printing);
    sd_event_source_unref(w->out.writable);
    sd_event_source_unref(w->err.writable);
    sd_event_unref(w->loop);
    vmiring_close(w->h);
    output_close(&w->out.out);
    output_close(&w->err.out);
    record_queue_free(&w->queue);
    disasm_close(w->disasm);
    free(w->batch);
    free(w->answers);
    free(w->vcpu);
}

static enum exit_code resolve(struct watch *w)
{
    const struct config *cfg = w->cfg;
    enum exit_code code;

    w->domid = cfg->domid;
    if ( cfg->have_domid )
    {
        domains_name(cfg->sim, w->domid, w->name, sizeof(w->name));
        return EXIT_OK;
    }
    snprintf(w->name, sizeof(w->name), "%s", cfg->name);
    if ( !domains_find(cfg->sim, cfg->name, &w->domid) )
        return EXIT_OK;
    code = exit_code_of_open(errno);
    if ( errno == EMLINK )
    {
        fprintf(stderr, "vmi-agent: more than one domain is called \"%s\"; "
                "use --domid\n", cfg->name);
        code = EXIT_USAGE;
    }
    else
    {
        fprintf(stderr, "vmi-agent: domain \"%s\": %s\n", cfg->name,
                domains_error(errno));
        exit_print_hint(code, stderr);
    }
    return code;
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

enum exit_code watch_run(const struct config *cfg)
{
    struct watch *w = calloc(1, sizeof(*w));
    enum exit_code code = EXIT_INTERNAL;

    if ( !w )
        return code;
    w->cfg = cfg;
    w->out.out = w->err.out = (struct output)OUTPUT_CLOSED;
    w->print = cfg->format == FORMAT_TEXT ? &print_text : &print_json;
    block_signals();
    code = resolve(w);
    if ( !code )
        code = set_up(w);
    if ( !code )
    {
        print_start(w);
        sd_notify(0, "READY=1");
        if ( sd_event_loop(w->loop) < 0 )
            stop(w, EXIT_INTERNAL);
        sd_notify(0, "STOPPING=1");
        finish(w);
        code = w->exit_code;
    }
    tear_down(w);
    free(w);
    return code;
}
