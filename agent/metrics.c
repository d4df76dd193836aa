/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "metrics.h"

/* Names are printable ASCII; two of those need a backslash. */
static void label(FILE *f, const char *name, const char *value)
{
    fprintf(f, "%s=\"", name);
    for ( ; *value; value++ )
    {
        if ( *value == '"' || *value == '\\' )
            fputc('\\', f);
        fputc(*value, f);
    }
    fputc('"', f);
}

struct writer {
    FILE *f;
    const struct watch *w;
};

static void help(struct writer *m, const char *name, const char *text)
{
    fprintf(m->f, "# HELP vmi_agent_%s %s\n# TYPE vmi_agent_%s counter\n",
            name, text, name);
}

static void value(struct writer *m, const char *name, const char *key,
                  const char *what, uint64_t count)
{
    fprintf(m->f, "vmi_agent_%s{domid=\"%" PRIu32 "\",", name, m->w->domid);
    label(m->f, "domain", m->w->name);
    fputc(',', m->f);
    label(m->f, "uuid", m->w->id.uuid);
    if ( key )
    {
        fputc(',', m->f);
        label(m->f, key, what);
    }
    fprintf(m->f, "} %" PRIu64 "\n", count);
}

static void single(struct writer *m, const char *name, const char *text,
                   uint64_t count)
{
    help(m, name, text);
    value(m, name, NULL, NULL, count);
}

static void by_reason(struct writer *m)
{
    help(m, "events_total", "Events received, by type.");
    for ( uint32_t r = 0; r < LIMIT_REASONS; r++ )
        if ( m->w->by_reason[r] )
            value(m, "events_total", "event", vmiring_reason_name(r),
                  m->w->by_reason[r]);
}

static void by_cause(struct writer *m)
{
    help(m, "instruction_errors_total",
         "Instructions that could not be read, by errno.");
    for ( unsigned int e = 0; e < INSN_ERRNOS; e++ )
    {
        char number[12];

        if ( !m->w->insn_failed[e] )
            continue;
        snprintf(number, sizeof(number), "%u", e);
        value(m, "instruction_errors_total", "errno", number,
              m->w->insn_failed[e]);
    }
}

char *metrics_text(const struct watch *w, const struct print_totals *t)
{
    char *text = NULL;
    size_t size;
    struct writer m = { .f = open_memstream(&text, &size), .w = w };

    if ( !m.f )
        return NULL;
    by_reason(&m);
    single(&m, "answered_total", "Sync events answered.", t->answered);
    single(&m, "lost_total", "Async events that Xen had no room for.", t->lost);
    single(&m, "released_total", "Requests that Xen ended by policy.",
           t->released);
    single(&m, "output_drops_total", "Lines that were not printed.",
           t->output_drops);
    single(&m, "filtered_total", "Events that the filter left out.",
           w->filtered);
    single(&m, "rate_limited_total", "Events above the rate limit.",
           w->limited);
    single(&m, "guard_hits_total", "Rules that were met.", w->guard_hits);
    single(&m, "capture_packets_total", "Events in the capture.",
           capture_packets(&w->capture));
    single(&m, "capture_drops_total", "Events missing in the capture.",
           capture_drops(&w->capture));
    single(&m, "instructions_total", "Instructions read.", w->insn_read);
    by_cause(&m);
    if ( !fclose(m.f) )
        return text;
    free(text);
    return NULL;
}
