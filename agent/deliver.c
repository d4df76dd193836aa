/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "deliver.h"

/* A line of our own about an event; the queue keeps room for those. */
static struct record *own_line(struct watch *w, uint32_t reason)
{
    struct record *r = record_queue_room(&w->queue, reason);

    w->lines++;
    if ( !r )
    {
        w->queue_drops++;
        return NULL;
    }
    *r = (struct record){ .reason = reason, .number = w->lines };
    return r;
}

struct emit_context {
    struct watch *w;
    const struct record *event;
};

static void emit_hit(void *ctx, const struct guard_hit *hit)
{
    const struct emit_context *c = ctx;
    struct record *r = own_line(c->w, RECORD_GUARD);

    c->w->guard_hits++;
    if ( !r )
        return;
    *r = *c->event;
    r->reason = RECORD_GUARD;
    r->number = c->w->lines;
    r->u.guard = *hit;
    record_queue_push(&c->w->queue);
}

static void tell_held_back(struct watch *w, uint32_t reason, uint64_t count)
{
    struct record *r = count ? own_line(w, RECORD_LIMITED) : NULL;

    if ( !r )
        return;
    r->u.limited.reason = reason;
    r->u.limited.count = count;
    record_queue_push(&w->queue);
}

static void print_event(struct watch *w, const struct record *event)
{
    struct record *r;
    uint64_t told;

    if ( w->cfg->quiet && event->reason < VMIRING_LOST )
        return;
    if ( !limit_pass(&w->limit, event->reason, event->time, &told) )
    {
        w->limited++;
        return;
    }
    tell_held_back(w, event->reason, told);
    w->lines++;
    r = record_queue_room(&w->queue, event->reason);
    if ( !r )
    {
        w->queue_drops++;
        return;
    }
    *r = *event;
    r->number = w->lines;
    record_queue_push(&w->queue);
}

/* Losses and the domain's end pass any filter: they say what is missing. */
static bool passes(struct watch *w, const struct vmiring_event *ev)
{
    uint8_t packet[VMIRING_CAPTURE_PACKET_MAX];
    int n;

    if ( !w->filter || ev->reason >= VMIRING_LOST )
        return true;
    n = vmiring_capture_encode(w->h, ev, NULL, packet, sizeof(packet));
    if ( n > 0 && filter_match(w->filter, packet, n) )
        return true;
    w->filtered++;
    return false;
}

static void count_insn(struct watch *w, const struct record *r)
{
    if ( r->insn_state == INSN_READ )
        w->insn_read++;
    else if ( r->insn_state == INSN_ERROR )
        w->insn_failed[(unsigned int)r->insn_errno < INSN_ERRNOS ?
                       r->insn_errno : 0]++;
}

void deliver_event(struct watch *w, const struct vmiring_event *ev,
                   const char *answer, const struct vmiring_response *rsp)
{
    struct vmiring_replayed was = { .size = sizeof(was) };
    struct emit_context ctx = { .w = w, .event = &w->scratch };

    if ( !w->guard && !w->capture.file.path && w->cfg->quiet &&
         ev->reason < VMIRING_LOST )
        return;
    record_capture(&w->scratch, ev, answer);
    /* What was answered then, not what would be now. */
    if ( answer && !vmiring_get_replayed(ev, &was) && *was.note )
        w->scratch.answer = record_answer_word(was.note);
    if ( passes(w, ev) )
    {
        if ( w->read_insn )
            record_read_insn(&w->scratch, w->h, ev);
        count_insn(w, &w->scratch);
        if ( w->capture.file.path )
            capture_event(&w->capture, w->h, ev, &w->scratch, rsp);
        print_event(w, &w->scratch);
    }
    if ( w->guard )
        guard_report(w->guard, ev, answer && !strcmp(answer, "deny"), emit_hit,
                     &ctx);
}

void deliver_end(struct watch *w)
{
    for ( uint32_t r = 0; r < LIMIT_REASONS; r++ )
    {
        tell_held_back(w, r, w->limit.held_back[r]);
        w->limit.held_back[r] = 0;
    }
}
