/* SPDX-License-Identifier: MIT */
/* --list, --status and --release: who watches what, without watching. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "domains.h"
#include "jsonout.h"

static const char *state_name(const struct vmiring_status *st)
{
    static const char *const names[] = {
        "none", "idle", "created", "armed", "held", "dead"
    };

    if ( st->legacy )
        return "legacy";
    return st->state < sizeof(names) / sizeof(*names) ? names[st->state]
                                                      : "unknown";
}

static const char *death_name(uint32_t on_death)
{
    static const char *const names[] = { "detach", "hold", "crash" };

    return on_death < 3 ? names[on_death] : "unknown";
}

static int print_json_line(struct json_object *o)
{
    const char *line = jo_line(o);

    return line && fputs(line, stdout) >= 0 ? 0 : -1;
}

static enum exit_code failed(const struct config *cfg, const char *what)
{
    enum exit_code code = exit_code_of_open(errno);

    if ( code == EXIT_GONE )
        code = EXIT_NO_DOMAIN;
    fprintf(stderr, "vmi-agent: domain %" PRIu32 ": %s: %s\n", cfg->domid,
            what, vmiring_open_error());
    exit_print_hint(code, stderr);
    return code;
}

static vmiring_options options(const struct config *cfg, uint32_t domid)
{
    return (vmiring_options){
        .size = sizeof(vmiring_options), .domid = domid, .sim = cfg->sim
    };
}

/* ---- --list ---- */

static int list_one(const struct config *cfg, const struct domain_entry *d)
{
    vmiring_options opts = options(cfg, d->domid);
    struct vmiring_status st = { .size = sizeof(st) };
    int rc = vmiring_query_status(&opts, &st, NULL, 0);
    const char *state = rc >= 0 ? state_name(&st) :
                        errno == EPROTONOSUPPORT ? "no-v2" : "unknown";
    struct json_object *o;

    if ( cfg->format == FORMAT_TEXT )
        return printf("%5" PRIu32 "  %-24s %-8s %5" PRIu32 "  %s\n", d->domid,
                      *d->name ? d->name : "-", state, st.nr_vcpus,
                      *st.holder ? st.holder : "-") < 0 ? -1 : 0;
    o = jo_object("domain");
    jo_u32(o, "domid", d->domid);
    jo_str(o, "name", d->name);
    jo_str(o, "channel", state);
    jo_u32(o, "vcpus", st.nr_vcpus);
    jo_str(o, "holder", st.holder);
    return print_json_line(o);
}

enum exit_code command_list(const struct config *cfg)
{
    struct domain_list list;
    enum exit_code code;
    int rc = 0;

    if ( domains_list(cfg->sim, &list) )
    {
        code = exit_code_of_open(errno);
        fprintf(stderr, "vmi-agent: no list of domains: %s\n",
                domains_error(cfg->sim, errno));
        exit_print_hint(code, stderr);
        return code;
    }
    if ( cfg->format == FORMAT_TEXT )
        printf("%5s  %-24s %-8s %5s  %s\n", "DOMID", "NAME", "CHANNEL",
               "VCPUS", "HOLDER");
    for ( unsigned int i = 0; !rc && i < list.nr; i++ )
        rc = list_one(cfg, &list.entry[i]);
    domains_free(&list);
    return rc ? EXIT_INTERNAL : EXIT_OK;
}

/* ---- --status ---- */

static uint64_t age_ms(const struct vmiring_status *st,
                       const struct vmiring_vcpu_info *v)
{
    if ( !v->pending_since || v->pending_since > st->now )
        return 0;
    return (st->now - v->pending_since) / 1000000;
}

static const char *deadline_name(const struct vmiring_status *st)
{
    static const char *const names[] = { "release", "detach", "crash" };

    if ( st->deadline_deny )
        return "deny";
    return st->on_deadline < 3 ? names[st->on_deadline] : "unknown";
}

static void status_vcpu_text(const struct vmiring_status *st,
                             const struct vmiring_vcpu_info *v, int vcpu)
{
    printf("vcpu %d pending=%" PRIu32 " reason=%s age_ms=%" PRIu64
           " raised=%" PRIu64 " answered=%" PRIu64 " released=%" PRIu64
           " cancelled=%" PRIu64 " produced=%" PRIu64 " lost=%" PRIu64
           " pauses=%" PRIu64 " stale=%" PRIu64 " bad=%" PRIu64 "\n",
           vcpu, v->pending,
           v->pending ? vmiring_reason_name(v->pending_reason) : "-",
           age_ms(st, v), v->raised, v->answered, v->released, v->cancelled,
           v->produced, v->lost, v->pauses, v->stale, v->bad);
}

static void status_text(const struct config *cfg,
                        const struct vmiring_status *st)
{
    char name[64];

    domains_name(cfg->sim, cfg->domid, name, sizeof(name));
    printf("domain %" PRIu32 "%s%s%s\n", cfg->domid, *name ? " (" : "", name,
           *name ? ")" : "");
    printf("channel %s, holder %s", state_name(st),
           *st->holder ? st->holder : "-");
    if ( st->agent_port != UINT32_MAX )
        printf(", agent domain %" PRIu32 " port %" PRIu32, st->agent_domid,
               st->agent_port);
    printf("\npolicy on-death %s, deadline ", death_name(st->on_death));
    if ( st->deadline_ms )
        printf("%" PRIu32 " ms %s", st->deadline_ms, deadline_name(st));
    else
        printf("none");
    if ( st->expired )
        printf("\nexpired %" PRIu64 " after %" PRIu64 " to %" PRIu64 " us, %"
               PRIu64 " more than a fifth late", st->expired,
               st->expired_min / 1000, st->expired_max / 1000,
               st->expired_late);
    printf("\nrings %" PRIu32 " of %" PRIu32 " bytes, generation %" PRIu64
           ", pending %" PRIu32 ", expired %" PRIu64 "\n", st->nr_rings,
           st->ring_bytes, st->generation, st->pending, st->expired);
    if ( st->slot_ports )
        printf("slots with a port %" PRIu32 ", of them with a worker %" PRIu32
               "\n", st->slot_ports, st->slot_ports_bound);
}

static struct json_object *status_vcpu_json(const struct vmiring_status *st,
                                            const struct vmiring_vcpu_info *v,
                                            int vcpu)
{
    struct json_object *o = jo_object(NULL);

    jo_u32(o, "vcpu", vcpu);
    jo_u32(o, "pending", v->pending);
    if ( v->pending )
    {
        jo_str(o, "reason", vmiring_reason_name(v->pending_reason));
        jo_count(o, "age_ms", age_ms(st, v));
    }
    jo_count(o, "raised", v->raised);
    jo_count(o, "answered", v->answered);
    jo_count(o, "released", v->released);
    jo_count(o, "cancelled", v->cancelled);
    jo_count(o, "produced", v->produced);
    jo_count(o, "lost", v->lost);
    jo_count(o, "pauses", v->pauses);
    jo_count(o, "stale", v->stale);
    jo_count(o, "bad", v->bad);
    return o;
}

static int status_json(const struct config *cfg,
                       const struct vmiring_status *st,
                       const struct vmiring_vcpu_info *v, int nr)
{
    struct json_object *o = jo_object("status");
    struct json_object *vcpus = json_object_new_array();

    jo_u32(o, "domid", cfg->domid);
    jo_str(o, "channel", state_name(st));
    jo_str(o, "holder", st->holder);
    jo_u32(o, "agent_domid", st->agent_domid);
    jo_str(o, "on_death", death_name(st->on_death));
    jo_u32(o, "deadline_ms", st->deadline_ms);
    jo_str(o, "on_deadline", deadline_name(st));
    jo_u32(o, "rings", st->nr_rings);
    jo_u32(o, "ring_bytes", st->ring_bytes);
    jo_count(o, "generation", st->generation);
    jo_u32(o, "pending", st->pending);
    jo_u32(o, "slot_ports", st->slot_ports);
    jo_u32(o, "slot_ports_bound", st->slot_ports_bound);
    jo_count(o, "expired", st->expired);
    jo_count(o, "expired_late", st->expired_late);
    jo_count(o, "expired_min_ns", st->expired_min);
    jo_count(o, "expired_max_ns", st->expired_max);
    for ( int i = 0; vcpus && i < nr; i++ )
        json_object_array_add(vcpus, status_vcpu_json(st, &v[i], i));
    jo_put(o, "vcpus", vcpus);
    return print_json_line(o);
}

/* How many vCPUs there are is known after a first look only. */
enum exit_code command_status(const struct config *cfg)
{
    vmiring_options opts = options(cfg, cfg->domid);
    struct vmiring_status st = { .size = sizeof(st) };
    struct vmiring_vcpu_info *v;
    int nr = vmiring_query_status(&opts, &st, NULL, 0), rc = 0;

    if ( nr < 0 )
        return failed(cfg, "status");
    v = calloc(st.nr_vcpus + 1, sizeof(*v));
    if ( !v )
        return EXIT_INTERNAL;
    for ( uint32_t i = 0; i < st.nr_vcpus; i++ )
        v[i].size = sizeof(*v);
    nr = vmiring_query_status(&opts, &st, v, st.nr_vcpus);
    if ( nr < 0 )
    {
        free(v);
        return failed(cfg, "status");
    }
    if ( cfg->format == FORMAT_TEXT )
    {
        status_text(cfg, &st);
        for ( int i = 0; i < nr; i++ )
            status_vcpu_text(&st, &v[i], i);
    }
    else
        rc = status_json(cfg, &st, v, nr);
    free(v);
    return rc ? EXIT_INTERNAL : EXIT_OK;
}

/* ---- --release ---- */

enum exit_code command_release(const struct config *cfg)
{
    vmiring_options opts = options(cfg, cfg->domid);

    if ( vmiring_force_release(&opts) )
        return failed(cfg, "release");
    fprintf(stderr, "vmi-agent: domain %" PRIu32 ": channel released\n",
            cfg->domid);
    return EXIT_OK;
}
