/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <systemd/sd-daemon.h>

#include "domains.h"
#include "domwatch.h"
#include "jsonout.h"
#include "supervisor_private.h"
#include "worker.h"

#define OUT_BYTES      (1U << 20)
#define ERR_BYTES      (1U << 18)
#define LINE_ROOM      (LINES_MAX + LINES_MARK)
#define DRAIN_MS       2000
#define END_MS         20000 /* for the workers to let go of their domains */
#define RETRY_FIRST_MS 250U
#define RETRY_MAX_MS   30000U
#define LIVED_US       (60 * 1000000ULL)
#define NEW_TRIES      5U    /* of a domain that is not there yet */

/* ---- output ---- */

static int on_writable(sd_event_source *s, int fd, uint32_t revents, void *data)
{
    struct sup_stream *st = data;

    (void)fd;
    (void)revents;
    if ( !output_write(&st->out) )
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
    /* Workers that had to wait for room go on. */
    for ( struct member *m = st->sup->members; m; m = m->next )
        member_resume(m);
    return 0;
}

void sup_line(struct sup_stream *st, const char *line)
{
    output_line(&st->out, line);
    if ( output_write(&st->out) && st->writable )
        sd_event_source_set_enabled(st->writable, SD_EVENT_ON);
    if ( st->out.dead && st == &st->sup->out )
        sup_stop(st->sup, EXIT_OK);   /* nobody reads any more */
}

bool sup_room(const struct sup_stream *st)
{
    return st->out.dead || output_room(&st->out) >= LINE_ROOM;
}

static int stream_open(struct supervisor *sup, struct sup_stream *st, int fd,
                       size_t size)
{
    int rc;

    st->sup = sup;
    if ( output_open(&st->out, fd, size) )
        return -errno;
    rc = sd_event_add_io(sup->loop, &st->writable, st->out.fd, EPOLLOUT,
                         on_writable, st);
    if ( rc == -EPERM )      /* a file: always ready */
        return 0;
    return rc < 0 ? rc : sd_event_source_set_enabled(st->writable,
                                                     SD_EVENT_OFF);
}

/* What the supervisor itself has to say of a domain, in the stream. */
void sup_tell(struct supervisor *sup, const struct member *m, const char *what,
              const char *detail)
{
    struct json_object *o;
    char line[LINES_MARK + 512];
    const char *text;

    if ( !sup->json )
    {
        snprintf(line, sizeof(line), "%s %s # domain %" PRIu32 " %s%s%s\n",
                 m->name, m->uuid, m->domid, what, detail ? ": " : "",
                 detail ? detail : "");
        sup_line(&sup->out, line);
        return;
    }
    o = jo_object(what);
    if ( detail )
        jo_str(o, "text", detail);
    text = jo_line(o);
    if ( !text )
        return;
    snprintf(line, sizeof(line), "%.*s,%s}\n", (int)strlen(text) - 2, text,
             m->json_mark);
    sup_line(&sup->out, line);
}

/* ---- what becomes of a domain whose worker has ended ---- */

enum verdict { AGAIN, GONE, LET_BE };

static enum verdict judge(const struct member *m, int code)
{
    switch ( code )
    {
    case EXIT_GONE:
        return GONE;
    case EXIT_NO_DOMAIN:     /* not built yet, or gone already */
        return m->failures < NEW_TRIES ? AGAIN : GONE;
    case EXIT_OK:
    case EXIT_USAGE:
    case EXIT_TAKEN:
    case EXIT_NO_ABI:
    case EXIT_NO_EVENT:
    case EXIT_PERMISSION:
        return LET_BE;       /* it would end in the same way */
    default:                 /* killed, or what can get better */
        return AGAIN;
    }
}

static int on_retry(sd_event_source *s, uint64_t usec, void *data)
{
    struct member *m = data;

    (void)s;
    (void)usec;
    m->retry = sd_event_source_unref(m->retry);
    member_start(m);
    return 0;
}

static uint64_t retry_ms(unsigned int *failures)
{
    uint64_t ms = RETRY_FIRST_MS << (*failures < 8 ? *failures : 8);

    ++*failures;
    return ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS;
}

void member_retry(struct member *m)
{
    uint64_t ms = retry_ms(&m->failures);
    char text[96];

    m->sup->restarts++;
    snprintf(text, sizeof(text), "%s; again in %" PRIu64 " ms", m->end, ms);
    sup_tell(m->sup, m, "restart", text);
    if ( sd_event_add_time_relative(m->sup->loop, &m->retry, CLOCK_MONOTONIC,
                                    ms * 1000, 1000, on_retry, m) < 0 )
        m->left = true;
}

void member_ended(struct member *m, int code)
{
    struct supervisor *sup = m->sup;
    uint64_t now;

    sd_event_now(sup->loop, CLOCK_MONOTONIC, &now);
    if ( now - m->started > LIVED_US )
        m->failures = 0;
    /* Nobody waits there any more: next time without. */
    m->reattach = code != EXIT_NO_CHANNEL &&
                  sup->cfg->on_death == VMIRING_DEATH_HOLD;
    if ( sup->stopping )
    {
        m->left = true;
        return;
    }
    switch ( judge(m, code) )
    {
    case AGAIN:
        member_retry(m);
        break;
    case GONE:
        sup_tell(sup, m, "left", NULL);
        m->told_left = m->left = true;
        break;
    case LET_BE:
        sup_tell(sup, m, "unwatched", m->end);
        m->left = true;
        break;
    }
}

/* ---- which domains there are ---- */

static struct member *find(struct supervisor *sup, const struct domain_entry *d)
{
    struct member *m;

    for ( m = sup->members; m; m = m->next )
        if ( m->domid == d->domid && !strcmp(m->uuid, d->uuid) )
            break;
    return m;
}

static bool wanted(const struct supervisor *sup, const struct domain_entry *d)
{
    if ( !d->domid )         /* the control domain; it cannot be watched */
        return false;
    return sup->cfg->all || !fnmatch(sup->cfg->name, d->name, 0);
}

/* One that is not listed any more goes when its worker has. */
static void sweep(struct supervisor *sup)
{
    struct member **link = &sup->members, *m;

    while ( (m = *link) )
    {
        bool idle = !m->pid && m->out.fd < 0 && m->err.fd < 0;

        if ( idle && (!m->listed || (sup->stopping && m->left)) )
        {
            *link = m->next;
            if ( !m->told_left && !sup->stopping )
                sup_tell(sup, m, "left", NULL);
            member_free(m);
        }
        else
            link = &m->next;
    }
    if ( sup->stopping && !sup->members )
        sd_event_exit(sup->loop, 0);
}

static int on_look(sd_event_source *s, uint64_t usec, void *data)
{
    (void)s;
    (void)usec;
    sup_look(data);
    return 0;
}

/*
 * What there is could not be told, or not be kept.  The next domain that comes
 * or goes may be long in coming.  The timer is made at the start: a new one may
 * need what is short now.
 */
static void look_later(struct supervisor *sup, const char *why)
{
    uint64_t ms = retry_ms(&sup->failures);
    char line[192];

    snprintf(line, sizeof(line), "vmi-agent: listing domains: %.100s; again in "
             "%" PRIu64 " ms\n", why, ms);
    sup_line(&sup->err, line);
    sd_event_source_set_time_relative(sup->again, ms * 1000);
    sd_event_source_set_enabled(sup->again, SD_EVENT_ONESHOT);
}

/* Returns whether there was memory for all of them. */
static bool compare(struct supervisor *sup, const struct domain_list *list)
{
    struct member *m;
    bool all = true;

    for ( m = sup->members; m; m = m->next )
        m->listed = false;
    for ( unsigned int i = 0; i < list->nr; i++ )
    {
        m = find(sup, &list->entry[i]);
        if ( !m && wanted(sup, &list->entry[i]) )
        {
            m = member_new(sup, &list->entry[i]);
            all &= m != NULL;
        }
        if ( m )
            m->listed = true;
    }
    return all;
}

void sup_look(struct supervisor *sup)
{
    struct domain_list list;

    if ( !sup->stopping && domains_list(sup->cfg->sim, &list) )
        look_later(sup, errno == ENOENT || errno == ENOMEM
                        ? strerror(errno)
                        : domains_error(sup->cfg->sim, errno));
    else if ( !sup->stopping )
    {
        if ( compare(sup, &list) )
            sup->failures = 0;
        else
            look_later(sup, strerror(ENOMEM));
        domains_free(&list);
    }
    sweep(sup);
}

static int on_domains(sd_event_source *s, int fd, uint32_t revents, void *data)
{
    struct supervisor *sup = data;

    (void)s;
    (void)fd;
    (void)revents;
    if ( !domwatch_drain(sup->domains) )
        sup_look(sup);
    else
    {
        sup_line(&sup->err, "vmi-agent: nothing tells of domains any more: "
                 "xenstore, or the simulated host, has ended\n");
        sup_stop(sup, EXIT_NO_XEN);
    }
    return 0;
}

/* ---- the end ---- */

static int on_patience_end(sd_event_source *s, uint64_t usec, void *data)
{
    struct supervisor *sup = data;

    (void)s;
    (void)usec;
    for ( struct member *m = sup->members; m; m = m->next )
        member_signal(m, SIGKILL);
    return 0;
}

void sup_stop(struct supervisor *sup, enum exit_code code)
{
    if ( sup->stopping )
        return;
    sup->stopping = true;
    sup->exit_code = code;
    sd_notify(0, "STOPPING=1");
    sup->watch = sd_event_source_unref(sup->watch);
    sup->again = sd_event_source_disable_unref(sup->again);
    for ( struct member *m = sup->members; m; m = m->next )
    {
        m->retry = sd_event_source_unref(m->retry);
        m->left = m->left || !m->pid;
        member_signal(m, SIGTERM);
        member_resume(m);
    }
    (void)sd_event_add_time_relative(sup->loop, NULL, CLOCK_MONOTONIC,
                                     END_MS * 1000ULL, 1000, on_patience_end,
                                     sup);
    /* Members are freed from the loop, not under whoever stops it. */
    sd_event_source_set_enabled(sup->tidy, SD_EVENT_ONESHOT);
}

static int on_tidy(sd_event_source *s, void *data)
{
    (void)s;
    sup_look(data);
    return 0;
}

static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si,
                   void *data)
{
    (void)s;
    (void)si;
    sup_stop(data, EXIT_OK);
    return 0;
}

static int on_duration(sd_event_source *s, uint64_t usec, void *data)
{
    (void)s;
    (void)usec;
    sup_stop(data, EXIT_OK);
    return 0;
}

static int on_statistics(sd_event_source *s,
                         const struct signalfd_siginfo *si, void *data)
{
    struct supervisor *sup = data;

    (void)s;
    (void)si;
    for ( struct member *m = sup->members; m; m = m->next )
        member_signal(m, SIGUSR1);
    return 0;
}

/* ---- the loop ---- */

static int add_signals(struct supervisor *sup)
{
    static const int stop[] = { SIGINT, SIGTERM, SIGHUP };
    sigset_t set;
    int rc;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGUSR1);
    for ( size_t i = 0; i < sizeof(stop) / sizeof(*stop); i++ )
        sigaddset(&set, stop[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    for ( size_t i = 0; i < sizeof(stop) / sizeof(*stop); i++ )
        if ( (rc = sd_event_add_signal(sup->loop, NULL, stop[i], on_stop,
                                       sup)) < 0 )
            return rc;
    return sd_event_add_signal(sup->loop, NULL, SIGUSR1, on_statistics, sup);
}

static int make_loop(struct supervisor *sup)
{
    int rc = sd_event_new(&sup->loop);

    if ( rc < 0 || (rc = add_signals(sup)) < 0 ||
         (rc = stream_open(sup, &sup->out, 1, OUT_BYTES)) < 0 ||
         (rc = stream_open(sup, &sup->err, 2, ERR_BYTES)) < 0 ||
         (rc = sd_event_add_defer(sup->loop, &sup->tidy, on_tidy, sup)) < 0 ||
         (rc = sd_event_add_time(sup->loop, &sup->again, CLOCK_MONOTONIC, 0,
                                 1000, on_look, sup)) < 0 ||
         (rc = sd_event_source_set_enabled(sup->again, SD_EVENT_OFF)) < 0 ||
         (rc = sd_event_add_io(sup->loop, &sup->watch,
                               domwatch_fd(sup->domains), EPOLLIN, on_domains,
                               sup)) < 0 )
        return rc;
    if ( sup->cfg->duration_us &&
         (rc = sd_event_add_time_relative(sup->loop, NULL, CLOCK_MONOTONIC,
                                          sup->cfg->duration_us, 1000,
                                          on_duration, sup)) < 0 )
        return rc;
    return sd_event_set_watchdog(sup->loop, 1);
}

static void print_end(struct supervisor *sup)
{
    char line[192];

    snprintf(line, sizeof(line), "supervisor domains=%" PRIu64 " restarts=%"
             PRIu64 " bad_lines=%" PRIu64 " output_drops=%" PRIu64 "\n",
             sup->seen, sup->restarts, sup->bad_lines, sup->out.out.drops);
    output_line(&sup->err.out, line);
    (void)output_drain(&sup->out.out, DRAIN_MS);
    (void)output_drain(&sup->err.out, DRAIN_MS);
}

bool supervisor_wanted(const struct config *cfg)
{
    return cfg->command == CMD_WATCH &&
           (cfg->all || (cfg->name && strpbrk(cfg->name, "*?[")));
}

static void tear_down(struct supervisor *sup)
{
    while ( sup->members )
    {
        struct member *m = sup->members;

        sup->members = m->next;
        member_free(m);
    }
    sd_event_source_unref(sup->watch);
    sd_event_source_unref(sup->again);
    sd_event_source_unref(sup->tidy);
    sd_event_source_unref(sup->out.writable);
    sd_event_source_unref(sup->err.writable);
    sd_event_unref(sup->loop);
    domwatch_close(sup->domains);
    output_close(&sup->out.out);
    output_close(&sup->err.out);
}

/* Three descriptors a domain: a shell's 1024 would be 335 domains. */
static void raise_limit(void)
{
    struct rlimit files;

    if ( getrlimit(RLIMIT_NOFILE, &files) )
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

enum exit_code supervisor_run(const struct config *cfg)
{
    struct supervisor sup = {
        .cfg = cfg, .json = cfg->format != FORMAT_TEXT,
        .out.out = OUTPUT_CLOSED, .err.out = OUTPUT_CLOSED,
    };
    int rc;

    raise_limit();
    identity_of_host(&sup.id);
    sup.domains = domwatch_open(cfg->sim);
    if ( !sup.domains )
    {
        enum exit_code code = exit_code_of_open(errno);

        fprintf(stderr, "vmi-agent: watching for domains: %s\n",
                domains_error(cfg->sim, errno));
        exit_print_hint(code, stderr);
        return code;
    }
    rc = make_loop(&sup);
    if ( rc >= 0 )
    {
        /* The deferred source looks at what is there already. */
        sd_notify(0, "READY=1");
        rc = sd_event_loop(sup.loop);
        print_end(&sup);
    }
    if ( rc < 0 )
    {
        fprintf(stderr, "vmi-agent: supervisor: %s\n", strerror(-rc));
        sup.exit_code = EXIT_INTERNAL;
    }
    tear_down(&sup);
    return sup.exit_code;
}
