/* SPDX-License-Identifier: MIT */
/* One domain of the supervisor's: its worker, and what the worker prints. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "jsonout.h"
#include "supervisor_private.h"
#include "worker.h"

/* ---- lines ---- */

/* All that there is room for. */
static void pass_on(struct lines *l, struct sup_stream *st)
{
    const char *line;

    while ( sup_room(st) && (line = lines_next(l)) )
        sup_line(st, line);
}

/* When the worker has ended and both pipes are empty. */
static void check_end(struct member *m)
{
    struct supervisor *sup = m->sup;
    int code = -1;

    if ( m->pid || m->child || m->out.fd >= 0 || m->err.fd >= 0 || !m->started )
        return;
    m->started = 0;
    sup->bad_lines += m->out.bad + m->err.bad;
    m->out.bad = m->err.bad = 0;
    if ( WIFEXITED(m->status) )
    {
        code = WEXITSTATUS(m->status);
        snprintf(m->end, sizeof(m->end), "exit %d", code);
    }
    else
        snprintf(m->end, sizeof(m->end), "killed by signal %d",
                 WTERMSIG(m->status));
    member_ended(m, code);
    sd_event_source_set_enabled(sup->tidy, SD_EVENT_ONESHOT);
}

static void read_lines(struct member *m, struct lines *l,
                       sd_event_source **source, struct sup_stream *st)
{
    bool open = l->fd >= 0;
    int rc;

    pass_on(l, st);
    if ( !sup_room(st) )
    {
        /* The worker's own queue fills instead; it counts what it drops. */
        if ( *source )
            sd_event_source_set_enabled(*source, SD_EVENT_OFF);
        return;
    }
    rc = open ? lines_read(l) : 0;
    pass_on(l, st);
    if ( rc )
    {
        /*
         * In this order: a worker just forked may still hold a copy of the
         * descriptor, which would keep a closed one in the loop's epoll set.
         */
        *source = sd_event_source_disable_unref(*source);
        lines_end(l);
        check_end(m);
    }
    else if ( *source )
        sd_event_source_set_enabled(*source, SD_EVENT_ON);
}

static int on_out(sd_event_source *s, int fd, uint32_t revents, void *data)
{
    struct member *m = data;

    (void)s;
    (void)fd;
    (void)revents;
    read_lines(m, &m->out, &m->out_source, &m->sup->out);
    return 0;
}

static int on_err(sd_event_source *s, int fd, uint32_t revents, void *data)
{
    struct member *m = data;

    (void)s;
    (void)fd;
    (void)revents;
    read_lines(m, &m->err, &m->err_source, &m->sup->err);
    return 0;
}

void member_resume(struct member *m)
{
    if ( m->out_source && sup_room(&m->sup->out) )
        sd_event_source_set_enabled(m->out_source, SD_EVENT_ON);
    if ( m->err_source && sup_room(&m->sup->err) )
        sd_event_source_set_enabled(m->err_source, SD_EVENT_ON);
}

/* ---- the worker ---- */

static int on_child(sd_event_source *s, const siginfo_t *si, void *data)
{
    struct member *m = data;

    (void)s;
    m->status = si->si_code == CLD_EXITED ? W_EXITCODE(si->si_status, 0) :
                                            W_EXITCODE(0, si->si_status);
    m->pid = 0;
    m->child = sd_event_source_disable_unref(m->child);
    check_end(m);
    return 0;
}

static int watch_worker(struct member *m, const struct worker_pipes *pipes)
{
    sd_event *loop = m->sup->loop;
    int rc;

    lines_begin(&m->out, pipes->out, m->sup->json, m->json_mark);
    if ( !m->sup->json )
        m->out.mark = m->text_mark;
    lines_begin(&m->err, pipes->err, false, m->text_mark);
    if ( (rc = sd_event_add_child(loop, &m->child, m->pid, WEXITED, on_child,
                                  m)) < 0 ||
         (rc = sd_event_add_io(loop, &m->out_source, m->out.fd, EPOLLIN,
                               on_out, m)) < 0 ||
         (rc = sd_event_add_io(loop, &m->err_source, m->err.fd, EPOLLIN,
                               on_err, m)) < 0 )
        return rc;
    return 0;
}

/* The worker, if there is one, is none that could be followed. */
static void give_up(struct member *m)
{
    m->child = sd_event_source_disable_unref(m->child);
    m->out_source = sd_event_source_disable_unref(m->out_source);
    m->err_source = sd_event_source_disable_unref(m->err_source);
    if ( !m->pid )
        return;
    member_signal(m, SIGKILL);
    while ( waitpid(m->pid, NULL, 0) < 0 && errno == EINTR )
        ;
    m->pid = 0;
    m->started = 0;
    m->out.used = m->err.used = 0;   /* nothing was read */
    lines_end(&m->out);
    lines_end(&m->err);
}

void member_start(struct member *m)
{
    struct supervisor *sup = m->sup;
    struct worker_pipes pipes;
    char text[32];
    int rc;

    if ( sup->stopping || m->left || m->pid )
        return;
    m->pid = worker_start(sup->cfg, m->domid, m->uuid, m->reattach,
                          &pipes);
    rc = m->pid < 0 ? -errno : 0;
    if ( m->pid < 0 )
        m->pid = 0;
    else
    {
        sd_event_now(sup->loop, CLOCK_MONOTONIC, &m->started);
        rc = watch_worker(m, &pipes);
    }
    if ( rc < 0 )
    {
        /* Without memory, processes or descriptors; others may give some back. */
        give_up(m);
        snprintf(m->end, sizeof(m->end), "%s", strerror(-rc));
        member_retry(m);
        return;
    }
    snprintf(text, sizeof(text), "process %d", (int)m->pid);
    sup_tell(sup, m, "watching", text);
}

void member_signal(struct member *m, int sig)
{
    if ( m->pid > 0 )
        kill(m->pid, sig);
}

/* ---- come and go ---- */

/* What goes in front of a line, or becomes the last members of its object. */
static int make_marks(struct member *m)
{
    const struct identity *host = &m->sup->id;
    struct json_object *o = jo_object(NULL);
    const char *text;
    size_t len;

    snprintf(m->text_mark, sizeof(m->text_mark), "%s %s ", m->name, m->uuid);
    jo_str(o, "host", host->host);
    jo_str(o, "boot", host->boot_id);
    jo_u32(o, "domid", m->domid);
    jo_str(o, "domain", m->name);
    jo_str(o, "uuid", m->uuid);
    text = jo_line(o);
    len = text ? strlen(text) : 0;   /* "{...}\n" */
    if ( len < 3 || len - 3 >= sizeof(m->json_mark) )
        return -1;
    memcpy(m->json_mark, text + 1, len - 3);
    return 0;
}

struct member *member_new(struct supervisor *sup, const struct domain_entry *d)
{
    struct member *m = calloc(1, sizeof(*m)), **link = &sup->members;

    if ( !m )
        return NULL;
    m->sup = sup;
    m->domid = d->domid;
    m->out.fd = m->err.fd = -1;
    snprintf(m->name, sizeof(m->name), "%s", *d->name ? d->name : "-");
    snprintf(m->uuid, sizeof(m->uuid), "%s", d->uuid);
    m->reattach = sup->cfg->reattach;
    if ( make_marks(m) )
    {
        free(m);
        return NULL;
    }
    while ( *link )
        link = &(*link)->next;
    *link = m;
    sup->seen++;
    member_start(m);
    return m;
}

void member_free(struct member *m)
{
    sd_event_source_disable_unref(m->child);
    sd_event_source_disable_unref(m->retry);
    sd_event_source_disable_unref(m->out_source);
    sd_event_source_disable_unref(m->err_source);
    lines_end(&m->out);
    lines_end(&m->err);
    free(m);
}
