/* SPDX-License-Identifier: MIT */
/* Before the loop: find, open, subscribe, drop privileges. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine.h"
#include "domains.h"
#include "files.h"
#include "journal.h"
#include "privilege.h"
#include "selftest.h"
#include "watchdog.h"
#include "watch_private.h"
#include "worker.h"

#define BATCH_PRINTING 32U   /* each may cost a read of guest memory */
#define BATCH_QUIET    256U
#define QUEUE_RECORDS  2048U
#define OUT_BYTES      (1U << 20)
#define ERR_BYTES      (1U << 18)

static enum exit_code resolve(struct watch *w)
{
    const struct config *cfg = w->cfg;
    enum exit_code code;

    if ( cfg->read_file )
        return EXIT_OK;
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
                domains_error(cfg->sim, errno));
        exit_print_hint(code, stderr);
    }
    return code;
}

static enum exit_code fail_open(const struct watch *w, int err)
{
    enum exit_code code = exit_code_of_open(err);

    if ( code == EXIT_GONE )   /* not while it was watched */
        code = EXIT_NO_DOMAIN;
    if ( w->cfg->read_file )
        fprintf(stderr, "vmi-agent: -r: %s\n", vmiring_open_error());
    else
        fprintf(stderr, "vmi-agent: domain %" PRIu32 ": %s\n", w->domid,
                vmiring_open_error());
    exit_print_hint(code, stderr);
    return code;
}

/* Who it is, from this host or from the capture. */
static void identify(struct watch *w)
{
    struct vmiring_capture_info info = { .size = sizeof(info) };
    struct vmiring_clock clock = { .size = sizeof(clock) };

    if ( !w->replay || vmiring_capture_info(w->h, &info) )
        identity_find(&w->id, w->cfg->sim, w->domid);
    else
    {
        identity_of_capture(&w->id, &info, w->domid);
        snprintf(w->name, sizeof(w->name), "%s", info.domain);
    }
    (void)vmiring_clock(w->h, &clock);
    w->id.clock = clock;
    /* In its own file a worker's lines say it themselves. */
    print_json_identity(&w->id, w->replay,
                        w->cfg->parent && !w->cfg->log_file);
    print_journal_identity(&w->id);
}

static enum exit_code open_channel(struct watch *w)
{
    const struct config *cfg = w->cfg;
    vmiring_options opts = {
        .size = sizeof(opts), .domid = w->domid, .abi = cfg->abi,
        .sim = cfg->sim, .ring_bytes = cfg->ring_bytes,
        .spin_us = cfg->spin_us,
        .on_death = cfg->on_death, .deadline_ms = cfg->deadline_ms,
        .deadline_deny = cfg->deadline_deny, .on_deadline = cfg->on_deadline,
        .flags = (cfg->split_rings ? VMIRING_OPEN_SPLIT_RINGS : 0) |
                 (cfg->reattach ? VMIRING_OPEN_REATTACH : 0) |
                 (cfg->takeover ? VMIRING_OPEN_TAKEOVER : 0) |
                 (cfg->read_file && !cfg->events.explicit ?
                  VMIRING_OPEN_EVERYTHING : 0),
        .capture = cfg->read_file,
    };

    w->h = vmiring_open(&opts);
    if ( !w->h )
        return fail_open(w, errno);
    w->replay = cfg->read_file;
    if ( w->replay )
        w->domid = vmiring_domid(w->h);
    identify(w);
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
    char name[EVENT_NAME_MAX];

    event_choice_name(c, name, sizeof(name));
    snprintf(w->events + used, sizeof(w->events) - used, "%s%s",
             used ? "," : "", name);
}

static enum exit_code subscribe_failed(struct watch *w,
                                       const struct event_choice *c)
{
    enum exit_code code = errno == EOPNOTSUPP ? EXIT_NO_EVENT :
                          exit_code_of_open(errno);
    char name[EVENT_NAME_MAX];

    event_choice_name(c, name, sizeof(name));
    fprintf(stderr, "vmi-agent: domain %" PRIu32 ": event %s: %s\n",
            w->domid, name, vmiring_error(w->h));
    exit_print_hint(code, stderr);
    return code;
}

static int switch_on(struct watch *w, const struct event_choice *c)
{
    struct vmiring_subscription *s = &w->subs[w->nr_subs];

    switch ( c->kind->way )
    {
    case WAY_SUBSCRIBE:
        event_subscription(c, w->cfg->regs, s);
        /* A channel that we come back to may have kept it: EEXIST. */
        if ( vmiring_subscribe(w->h, s) && errno != EEXIST )
            return -1;
        w->nr_subs++;
        return 0;
    case WAY_PAGES:
        return vmiring_set_access(w->h, c->gfn, c->nr, c->access);
    case WAY_ANSWERS:
        break;
    }
    return 0;
}

/* "core cr3:async,...": what files.c noted. */
static enum exit_code replay_names(struct watch *w)
{
    static const char *const sets[] = { "none", "core", "all" };
    struct vmiring_capture_info info = { .size = sizeof(info) };
    const char *names;

    w->regs = "all";
    if ( vmiring_capture_info(w->h, &info) )
        return EXIT_INTERNAL;
    names = strchr(info.note, ' ');
    for ( int i = 0; names && i < 3; i++ )
        if ( !strncmp(info.note, sets[i], names - info.note) )
            w->regs = sets[i];
    snprintf(w->events, sizeof(w->events), "%s", names ? names + 1 : "");
    return EXIT_OK;
}

/* Without -e what cannot be had is left out; the header says what is left. */
static enum exit_code subscribe(struct watch *w)
{
    const struct event_list *list = &w->cfg->events;

    if ( w->replay && !list->explicit )
        return replay_names(w);
    for ( unsigned int i = 0; i < list->nr; i++ )
    {
        const struct event_choice *c = &list->item[i];

        if ( !switch_on(w, c) )
            add_name(w, c);
        else if ( errno != EOPNOTSUPP || list->explicit )
            return subscribe_failed(w, c);
    }
    if ( *w->events )
        return EXIT_OK;
    fprintf(stderr, "vmi-agent: none of the events can be raised here\n");
    exit_print_hint(EXIT_NO_EVENT, stderr);
    return EXIT_NO_EVENT;
}

static int dup_fd(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int open_output(struct watch *w)
{
    bool journal = w->cfg->format == FORMAT_JOURNAL;
    int fd = journal ? journal_connect() : STDOUT_FILENO;

    if ( fd < 0 )
        fprintf(stderr, "vmi-agent: -o journal: no journal here\n");
    if ( fd < 0 || output_open(&w->out.out, fd, OUT_BYTES) )
        return -1;
    if ( journal )
        w->out.out.own_fd = fd;
    w->out.out.datagrams = journal;
    return output_is_file(&w->out.out) ? files_behind(w, dup_fd(fd)) : 0;
}

static int make_buffers(struct watch *w)
{
    w->batch_max = w->cfg->batch ? w->cfg->batch :
                   w->cfg->quiet ? BATCH_QUIET : BATCH_PRINTING;
    w->batch = calloc(w->batch_max, sizeof(*w->batch));
    w->answers = calloc(w->batch_max, sizeof(*w->answers));
    w->responses = calloc(w->batch_max, sizeof(*w->responses));
    w->vcpu = calloc(w->geo.nr_vcpus, sizeof(*w->vcpu));
    if ( !w->batch || !w->answers || !w->responses || !w->vcpu ||
         record_queue_init(&w->queue, QUEUE_RECORDS) ||
         open_output(w) ||
         output_open(&w->err.out, STDERR_FILENO, ERR_BYTES) )
        return -1;
    w->read_insn = !w->cfg->no_disasm &&
                   (!w->cfg->quiet || w->cfg->write_file);
    if ( w->cfg->quiet || w->cfg->no_disasm )
        return 0;
    w->disasm = disasm_open();
    return w->disasm ? 0 : -1;
}

static void print_start(struct watch *w)
{
    uint64_t caps = vmiring_caps(w->h);
    struct print_header h = {
        .domid = w->domid, .name = *w->name ? w->name : NULL,
        .abi = vmiring_abi_used(w->h) == VMIRING_ABI_V2 ? "v2" : "legacy",
        .simulated = caps & VMIRING_CAP_SIMULATED,
        .nr_vcpus = w->geo.nr_vcpus, .nr_rings = w->geo.nr_rings,
        .ring_bytes = w->geo.ring_bytes, .generation = w->geo.generation,
        .events = w->events,
        .regs = w->regs,
    };

    if ( w->geo.released_before )
        output_line(&w->out.out, w->print->released(w->geo.released_before));
    watch_line(&w->out, w->print->header(&h));
}

/* What can be done to another domain: before, with handles cut, filtered. */
static void self_test(struct watch *w, struct selftest *t, const char *stage)
{
    bool legacy = vmiring_abi_used(w->h) == VMIRING_ABI_LEGACY;
    bool last = !strcmp(stage, "confined");

    if ( !w->cfg->self_test )
        return;
    selftest_attempts(t, stage, legacy || !last, !last, stderr);
    if ( last )
        selftest_violate(t, stderr);
}

static enum exit_code self_test_begin(struct watch *w, struct selftest *t)
{
    if ( !w->cfg->self_test )
        return EXIT_OK;
    if ( selftest_parse(t, w->cfg->self_test, stderr) )
        return EXIT_USAGE;
    if ( !selftest_begin(t, w->domid) )
        return EXIT_OK;
    fprintf(stderr, "vmi-agent: --self-test-privilege: this process holds no "
            "handle of Xen\n");
    return EXIT_NO_XEN;
}

/*
 * The first lines are printed in between: making them uses what sets itself
 * up on first use (json-c's hash seed), which the filter would not let pass.
 */
static enum exit_code give_up_privileges(struct watch *w)
{
    struct selftest t;
    enum exit_code code = self_test_begin(w, &t);

    if ( code )
        return code;
    if ( w->cfg->privileged )
    {
        fprintf(stderr, "vmi-agent: warning: --privileged: keeping all "
                "privileges, handles are not restricted\n");
        print_start(w);
        return files_start(w);
    }
    self_test(w, &t, "before");
    if ( privilege_drop(w->h, stderr) )
        return EXIT_PRIVILEGE;
    code = files_check(w);
    if ( code )
        return code;
    if ( w->cfg->parent && worker_tie(w->cfg->parent) )
        return EXIT_INTERNAL;    /* it has ended: nobody would read this */
    self_test(w, &t, "restricted");
    print_start(w);
    code = files_start(w);
    if ( code )
        return code;
    if ( confine_syscalls(!w->replay &&
                          vmiring_abi_used(w->h) == VMIRING_ABI_LEGACY,
                          stderr) )
        return EXIT_PRIVILEGE;
    self_test(w, &t, "confined");
    return EXIT_OK;
}

static enum exit_code open_pages(struct watch *w)
{
    uint64_t reasons;
    uint32_t can;

    if ( !events_have(&w->cfg->events, VMIRING_MEM_ACCESS) ||
         vmiring_offers(w->h, &reasons, &can) )
        return EXIT_OK;
    w->policy.lift = !(can & VMIRING_RSP_EMULATE);
    /* The pages of a capture are what they were. */
    if ( w->replay )
        return EXIT_OK;
    if ( !w->policy.lift && !w->cfg->rearm )
        return EXIT_OK;
    w->pages = pages_open(w->h, &w->cfg->events, w->geo.nr_vcpus,
                          w->policy.lift, w->cfg->rearm);
    if ( w->pages )
        return EXIT_OK;
    fprintf(stderr, "vmi-agent: setting up: %s\n", strerror(errno));
    return EXIT_INTERNAL;
}

/* What was checked when the command line was read. */
static enum exit_code make_tools(struct watch *w)
{
    const struct config *cfg = w->cfg;
    char msg[200] = "";

    if ( (cfg->filter &&
          !(w->filter = filter_compile(cfg->filter, msg, sizeof(msg)))) ||
         (cfg->rate_limit &&
          limit_parse(&w->limit, cfg->rate_limit, msg, sizeof(msg))) ||
         (cfg->guard_file &&
          !(w->guard = guard_load(cfg->guard_file, msg, sizeof(msg)))) )
    {
        fprintf(stderr, "vmi-agent: %s\n", msg);
        return EXIT_INTERNAL;
    }
    if ( w->guard )
        guard_start(w->guard, w->id.clock.time);
    return EXIT_OK;
}

static const char *regs_name(const struct watch *w)
{
    static const char *const regs[] = { "none", "core", "all" };

    return vmiring_caps(w->h) & VMIRING_CAP_REGSETS ? regs[w->cfg->regs] :
           "all";
}

enum exit_code watch_set_up(struct watch *w)
{
    const struct event_list *events = &w->cfg->events;
    enum exit_code code = resolve(w);
    int rc;

    if ( !code )
        code = open_channel(w);
    if ( code )
        return code;
    w->policy = (struct answer_policy){
        .reply = w->cfg->reply, .deny = w->cfg->deny,
        .next_interrupt = events_have(events, VMIRING_INTERRUPT),
        .step = events_have(events, VMIRING_SINGLESTEP),
    };
    rc = make_buffers(w) ? -errno : watch_make_loop(w);
    if ( rc < 0 )
    {
        fprintf(stderr, "vmi-agent: setting up: %s\n", strerror(-rc));
        return EXIT_INTERNAL;
    }
    w->regs = regs_name(w);
    code = make_tools(w);
    if ( !code )
        code = open_pages(w);
    if ( !code )
        code = subscribe(w);
    if ( !code )
        code = files_open(w);
    if ( code )
        return code;
    return give_up_privileges(w);
}

void watch_tear_down(struct watch *w)
{
    sd_event_source_unref(w->ring);
    sd_event_source_unref(w->pause);
    sd_event_source_unref(w->printing);
    sd_event_source_unref(w->out.writable);
    sd_event_source_unref(w->err.writable);
    for ( unsigned int i = 0; i < w->nr_written; i++ )
        sd_event_source_unref(w->written[i].source);
    watchdog_free(w);
    sd_event_unref(w->loop);
    capture_close(&w->capture, w->h, 0);
    sd_event_source_unref(w->interval);
    vmiring_close(w->h);
    output_close(&w->out.out);
    output_close(&w->err.out);
    record_queue_free(&w->queue);
    disasm_close(w->disasm);
    free(w->batch);
    free(w->answers);
    free(w->responses);
    files_close(w);
    free(w->vcpu);
    pages_close(w->pages);
}

