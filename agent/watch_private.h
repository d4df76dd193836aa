/* SPDX-License-Identifier: MIT */
/*
 * The state of one watch, shared by its three parts: watch.c (the loop),
 * setup.c (everything before it) and finish.c (counts, and everything after).
 */
#ifndef AGENT_WATCH_PRIVATE_H
#define AGENT_WATCH_PRIVATE_H

#include <systemd/sd-event.h>

#include "answer.h"
#include "capture.h"
#include "filter.h"
#include "guard.h"
#include "limit.h"
#include "output.h"
#include "pages.h"
#include "print.h"
#include "watch.h"

struct vcpu_count {
    uint64_t received, answered, lost;
};

struct stream {
    struct output out;
    sd_event_source *writable;
    sd_event_source *feeder; /* to wake when there is room again, or NULL */
};

/* What a thread writes, and what is it called. */
struct written {
    struct watch *w;
    struct writer *writer;
    const char *name;
    sd_event_source *source;
    int warned;              /* errno that was told of last */
};

#define WRITTEN_MAX 3        /* output, capture, metrics */

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
    struct pages *pages;     /* NULL: none to open or to watch again */
    struct vmiring_geometry geo;
    struct vmiring_subscription subs[EVENTS_MAX];
    unsigned int nr_subs;
    char events[EVENTS_MAX * EVENT_NAME_MAX];
    struct vcpu_count *vcpu;
    uint64_t received, answered, cancelled, lost_seen;
    uint64_t queue_drops, drops_told, expired_told;
    struct vmiring_response *responses;  /* of the batch, for captures */
    struct record scratch;   /* the event being delivered */
    struct identity id;
    const char *regs;        /* of the header */
    char *note;              /* of the capture */
    struct capture capture;
    struct outfile log, metrics;
    struct writer *metrics_writer;
    struct written written[WRITTEN_MAX];
    unsigned int nr_written;
    struct filter *filter;
    struct guard *guard;
    struct limit limit;
    sd_event_source *interval;
    uint64_t interval_us;
    struct watchdog *watchdog;   /* NULL: nobody watches */
    uint64_t turns;          /* batches of the loop */
    bool replay, read_insn;
    uint64_t lines;          /* numbered so far */
    uint64_t by_reason[LIMIT_REASONS];
    uint64_t filtered, limited, guard_hits;
    uint64_t insn_read, insn_failed[INSN_ERRNOS];
    bool stopping, answer_warned, pages_warned;
    enum exit_code exit_code;
};

/* watch.c */

/* Ends the loop; the first call's code is the one that counts. */
void watch_stop(struct watch *w, enum exit_code code);
/* Prints up to max records; true if there are more that could be printed. */
bool watch_print(struct watch *w, int max);
void watch_line(struct stream *st, const char *line);
void watch_write(struct stream *st);
/* Answers, tells Xen, counts and copies; then the batch is over. */
void watch_batch(struct watch *w, int n);
/* Makes the loop with all its sources.  A negative errno on failure. */
int watch_make_loop(struct watch *w);
uint64_t watch_output_drops(const struct watch *w);
/* Deadlines that have passed; says so if there are more than it has said. */
uint64_t watch_expired(struct watch *w);

/* setup.c */

enum exit_code watch_set_up(struct watch *w);
void watch_tear_down(struct watch *w);

/* finish.c */

void watch_statistics(struct watch *w);
/* --stats-interval: where the events go, if that is for programs. */
void watch_interval(struct watch *w);
void watch_totals(struct watch *w, struct print_totals *t);
/* Fills info for all vCPUs; false where the ABI has no such counts. */
bool watch_info(struct watch *w, struct vmiring_vcpu_info *info);
/* Frees the guest, closes the channel, prints what is left and the totals. */
void watch_finish(struct watch *w);

#endif /* AGENT_WATCH_PRIVATE_H */
