/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "files.h"
#include "metrics.h"
#include "privilege.h"

#define METRICS_S 15u        /* as often as they are scraped, as a rule */
#define LOG_BYTES     (1U << 20)
#define METRICS_BYTES (1U << 18)

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

int files_behind(struct watch *w, int fd)
{
    struct writer *writer = fd < 0 ? NULL :
        writer_new(w->log.path ? &w->log : NULL, fd, LOG_BYTES, false, 0);

    if ( !writer )
        return -1;
    w->out.writable = sd_event_source_disable_unref(w->out.writable);
    output_redirect(&w->out.out, writer);
    return 0;
}

static int open_metrics(struct watch *w)
{
    if ( outfile_init(&w->metrics, w->cfg->metrics_file) )
        return -1;
    w->metrics_writer = writer_new(&w->metrics, -1, METRICS_BYTES, false, 0);
    return w->metrics_writer ? 0 : -1;
}

/*
 * SIGHUP opens it again, as the user that the agent has become by then, to whom
 * a new file is given.  One that is there stays whose it is.
 */
static int open_log(const struct watch *w)
{
    int fd = outfile_open(&w->log, O_WRONLY | O_CREAT | O_APPEND | O_EXCL);
    uid_t uid;
    gid_t gid;

    if ( fd < 0 && errno == EEXIST )
        return outfile_open(&w->log, O_WRONLY | O_APPEND);
    if ( fd < 0 || geteuid() || w->cfg->privileged )
        return fd;
    privilege_user(&uid, &gid);
    if ( !fchown(fd, uid, gid) )
        return fd;
    close(fd);
    return -1;
}

enum exit_code files_open(struct watch *w)
{
    const struct config *cfg = w->cfg;
    enum exit_code code;

    if ( cfg->write_file && (code = open_capture(w)) )
        return code;
    if ( cfg->log_file &&
         (outfile_init(&w->log, cfg->log_file) ||
          files_behind(w, open_log(w))) )
        return failed("--output-file", cfg->log_file, strerror(errno),
                      EXIT_INTERNAL);
    if ( cfg->metrics_file && open_metrics(w) )
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
    /* One that still waits for a disk is told of by the file's age. */
    if ( text )
        (void)writer_put(w->metrics_writer, WRITER_REPLACE, text, strlen(text),
                         0);
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

/* Once for each kind of trouble in a row. */
static void warn(struct written *f, int err)
{
    char line[160];

    if ( err == f->warned )
        return;
    f->warned = err;
    snprintf(line, sizeof(line), "vmi-agent: warning: %s: cannot be opened or "
             "written: %.80s\n", f->name, strerror(err));
    watch_line(&f->w->err, line);
}

static int on_writer(sd_event_source *s, int fd, uint32_t revents, void *data)
{
    struct written *f = data;
    struct watch *w = f->w;
    int err;

    (void)s;
    (void)fd;
    (void)revents;
    writer_ack(f->writer);
    err = writer_error(f->writer);
    if ( err )
        warn(f, err);
    /* There is room: for lines, and for whatever waits to become one. */
    if ( f->writer == w->out.out.writer )
        (void)output_write(&w->out.out);
    return sd_event_source_set_enabled(w->printing, SD_EVENT_ON);
}

static int start_writer(struct watch *w, struct writer *writer,
                        const char *name)
{
    struct written *f = &w->written[w->nr_written++];

    *f = (struct written){ .w = w, .writer = writer, .name = name };
    if ( writer_start(writer) )
        return -errno;
    return sd_event_add_io(w->loop, &f->source, writer_fd(writer), EPOLLIN,
                           on_writer, f);
}

enum exit_code files_start(struct watch *w)
{
    int rc = 0;

    if ( w->out.out.writer )
        rc = start_writer(w, w->out.out.writer,
                          w->log.path ? "--output-file" : "standard output");
    if ( rc >= 0 && w->capture.writer )
        rc = start_writer(w, w->capture.writer, "-w");
    if ( rc >= 0 && w->metrics_writer )
        rc = start_writer(w, w->metrics_writer, "--metrics");
    if ( rc >= 0 )
        return EXIT_OK;
    return failed("setting up", "writers", strerror(-rc), EXIT_INTERNAL);
}

static void warn_capture(struct watch *w)
{
    for ( unsigned int i = 0; i < w->nr_written; i++ )
        if ( w->written[i].writer == w->capture.writer )
            warn(&w->written[i], w->capture.error);
}

bool files_reopen(struct watch *w)
{
    if ( !w->capture.file.path && !w->log.path )
        return false;
    for ( unsigned int i = 0; i < w->nr_written; i++ )
        w->written[i].warned = 0;
    if ( w->capture.file.path && capture_reopen(&w->capture, w->h) )
        warn_capture(w);
    if ( w->log.path )
        (void)writer_put(w->out.out.writer, WRITER_REOPEN, NULL, 0, 0);
    return true;
}

void files_close(struct watch *w)
{
    writer_free(w->metrics_writer);
    if ( w->log.path )
        close(w->log.dir);
    if ( w->metrics.path )
        close(w->metrics.dir);
    filter_free(w->filter);
    guard_free(w->guard);
    free(w->note);
}
