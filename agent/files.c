/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "metrics.h"

#define METRICS_S 15u        /* as often as they are scraped, as a rule */

static enum exit_code failed(const char *option, const char *arg,
                             const char *why, enum exit_code code)
{
    fprintf(stderr, "vmi-agent: %s %s: %s\n", option, arg, why);
    return code;
}

static enum exit_code open_capture(struct watch *w)
{
    const struct config *cfg = w->cfg;
    char note[sizeof(w->events) + 16];
    struct vmiring_capture_info info = {
        .size = sizeof(info), .host = w->id.host, .boot_id = w->id.boot_id,
        .domain = w->name,
    };

    snprintf(note, sizeof(note), "%s %s", w->regs, w->events);
    w->note = strdup(note);
    info.note = w->note;
    memcpy(info.uuid, w->id.uuid_bytes, sizeof(info.uuid));
    if ( !w->note || capture_open(&w->capture, w->h, cfg->write_file,
                                  cfg->rotate_bytes, cfg->rotate_keep, &info) )
        return failed("-w", cfg->write_file, strerror(errno), EXIT_INTERNAL);
    return EXIT_OK;
}

/* -1: as it was. */
static int open_log(struct watch *w)
{
    int fd = outfile_open(&w->log, O_WRONLY | O_CREAT | O_APPEND);

    if ( fd < 0 )
        return -1;
    output_redirect(&w->out.out, fd);
    return 0;
}

enum exit_code files_open(struct watch *w)
{
    const struct config *cfg = w->cfg;
    enum exit_code code;

    if ( cfg->write_file && (code = open_capture(w)) )
        return code;
    if ( cfg->log_file &&
         (outfile_init(&w->log, cfg->log_file) || open_log(w)) )
        return failed("--output-file", cfg->log_file, strerror(errno),
                      EXIT_INTERNAL);
    if ( cfg->metrics_file && outfile_init(&w->metrics, cfg->metrics_file) )
        return failed("--metrics", cfg->metrics_file, strerror(errno),
                      EXIT_INTERNAL);
    return EXIT_OK;
}

static enum exit_code check(const char *option, const struct outfile *f,
                            bool needed)
{
    if ( !f->path || !outfile_check(f) )
        return EXIT_OK;
    fprintf(stderr, "vmi-agent: %s%s %s: no file can be made in that folder "
            "by the user that the agent becomes (%s)%s\n",
            needed ? "" : "warning: ", option, f->path, strerror(errno),
            needed ? "" : "; SIGHUP will not be able to");
    return needed ? EXIT_PRIVILEGE : EXIT_OK;
}

enum exit_code files_check(struct watch *w)
{
    enum exit_code code = check("-w", &w->capture.file,
                                w->cfg->rotate_bytes != 0);

    if ( !code )
        code = check("--output-file", &w->log, false);
    if ( !code )
        code = check("--metrics", &w->metrics, true);
    return code;
}

void files_write_metrics(struct watch *w)
{
    struct print_totals t;
    char *text;

    if ( !w->metrics.path )
        return;
    watch_totals(w, &t);
    text = metrics_text(w, &t);
    if ( (!text || outfile_replace(&w->metrics, text)) && !w->metrics_warned )
    {
        char line[256];

        w->metrics_warned = true;
        snprintf(line, sizeof(line), "vmi-agent: warning: --metrics: %.100s\n",
                 strerror(errno));
        watch_line(&w->err, line);
    }
    free(text);
}

static int on_interval(sd_event_source *s, uint64_t usec, void *data)
{
    struct watch *w = data;

    if ( w->cfg->stats_interval )
        watch_interval(w);
    files_write_metrics(w);
    sd_event_source_set_time(s, usec + w->interval_us);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int files_watch(struct watch *w)
{
    unsigned int s = w->cfg->stats_interval;

    if ( !s && w->cfg->metrics_file )
        s = METRICS_S;
    if ( !s )
        return 0;
    w->interval_us = s * 1000000ULL;
    return sd_event_add_time_relative(w->loop, &w->interval, CLOCK_MONOTONIC,
                                      w->interval_us, 1000, on_interval, w);
}

static void warn(struct watch *w, const char *option, int err)
{
    char line[160];

    snprintf(line, sizeof(line), "vmi-agent: warning: %s: cannot be opened "
             "again: %.80s\n", option, strerror(err));
    watch_line(&w->err, line);
}

bool files_reopen(struct watch *w)
{
    if ( !w->capture.file.path && !w->log.path )
        return false;
    if ( w->capture.file.path && capture_reopen(&w->capture, w->h) )
        warn(w, "-w", w->capture.error);
    if ( w->log.path && open_log(w) )
        warn(w, "--output-file", errno);
    return true;
}

void files_close(struct watch *w)
{
    if ( w->log.path )
        close(w->log.dir);
    if ( w->metrics.path )
        close(w->metrics.dir);
    filter_free(w->filter);
    guard_free(w->guard);
    free(w->note);
}
