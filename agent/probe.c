/* SPDX-License-Identifier: MIT */
/* --probe and --version: what there is to work with. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <capstone/capstone.h>
#include <systemd/sd-daemon.h>

#include "commands.h"
#include "domains.h"
#include "jsonout.h"

static const struct { uint64_t bit; const char *name; } caps[] = {
    { VMIRING_CAP_LOSSY, "lossy" },
    { VMIRING_CAP_REGSETS, "register-sets" },
    { VMIRING_CAP_SEQUENCE, "sequence" },
    { VMIRING_CAP_TIME, "time" },
    { VMIRING_CAP_DEADLINE, "deadline" },
    { VMIRING_CAP_HOLD, "hold" },
    { VMIRING_CAP_DETACH, "detach" },
    { VMIRING_CAP_SPLIT_RINGS, "split-rings" },
    { VMIRING_CAP_RESTRICT, "restrict" },
    { VMIRING_CAP_INFO, "info" },
    { VMIRING_CAP_SIMULATED, "simulated" },
};

static struct json_object *caps_json(uint64_t have)
{
    struct json_object *o = jo_object(NULL);

    for ( size_t i = 0; i < sizeof(caps) / sizeof(*caps); i++ )
        jo_bool(o, caps[i].name, have & caps[i].bit);
    return o;
}

#define MSR_SYSENTER_CS 0x174

/* Each kind in each of its modes is switched on, and off again. */
static bool can_raise(vmiring *h, const struct event_kind *kind, bool sync)
{
    struct event_choice c = { .kind = kind, .sync = sync };
    struct vmiring_subscription s;

    if ( kind->reason == VMIRING_MOV_TO_MSR )
        c.msr = MSR_SYSENTER_CS;

    event_subscription(&c, VMIRING_REGS_CORE, &s);
    if ( vmiring_subscribe(h, &s) )
        return false;
    (void)vmiring_unsubscribe(h, &s);
    return true;
}

/* Page 0 gets the rights that it has. */
static bool can_access(vmiring *h)
{
    uint32_t access;

    return !vmiring_get_access(h, 0, &access) &&
           !vmiring_set_access(h, 0, 1, access);
}

static struct json_object *events_json(vmiring *h)
{
    struct json_object *o = jo_object(NULL);

    for ( const struct event_kind *k = event_kinds; k->name; k++ )
    {
        struct json_object *e = jo_object(NULL);

        if ( k->way == WAY_ANSWERS )
            jo_bool(e, "armed_by_answers", true);
        else if ( k->way == WAY_PAGES )
            jo_bool(e, "sync", can_access(h));
        else
        {
            jo_bool(e, "sync", can_raise(h, k, true));
            jo_bool(e, "async",
                    k->mode == MODE_EITHER && can_raise(h, k, false));
        }
        jo_put(o, k->name, e);
    }
    return o;
}

static struct json_object *geometry_json(vmiring *h)
{
    struct vmiring_geometry g = { .size = sizeof(g) };
    struct json_object *o = jo_object(NULL);

    if ( vmiring_geometry(h, &g) )
        return o;
    jo_u32(o, "vcpus", g.nr_vcpus);
    jo_u32(o, "rings", g.nr_rings);
    jo_u32(o, "ring_bytes", g.ring_bytes);
    return o;
}

/* Opens the domain's channel, for a moment: fails when somebody holds it. */
static enum exit_code probe_domain(const struct config *cfg,
                                   struct json_object *o)
{
    vmiring_options opts = { .size = sizeof(opts), .domid = cfg->domid,
                             .sim = cfg->sim, .abi = cfg->abi };
    vmiring *h = vmiring_open(&opts);
    enum exit_code code;

    if ( !h )
    {
        code = exit_code_of_open(errno);
        fprintf(stderr, "vmi-agent: domain %" PRIu32 ": %s\n", cfg->domid,
                vmiring_open_error());
        return code == EXIT_GONE ? EXIT_NO_DOMAIN : code;
    }
    jo_u32(o, "domid", cfg->domid);
    jo_str(o, "abi", vmiring_abi_used(h) == VMIRING_ABI_V2 ? "v2" : "legacy");
    jo_put(o, "capabilities", caps_json(vmiring_caps(h)));
    jo_put(o, "geometry", geometry_json(h));
    jo_put(o, "events", events_json(h));
    vmiring_close(h);
    return EXIT_OK;
}

/* Any guest will do to ask whether this Xen has v2. */
static void probe_host(const struct config *cfg, struct json_object *o)
{
    struct domain_list list;

    jo_bool(o, "simulated", cfg->sim);
    if ( !cfg->sim )
        jo_bool(o, "privcmd", !access("/dev/xen/privcmd", R_OK | W_OK));
    if ( domains_list(cfg->sim, &list) )
    {
        jo_str(o, "domains_error", domains_error(cfg->sim, errno));
        return;
    }
    jo_u32(o, "domains", list.nr);
    for ( unsigned int i = 0; i < list.nr; i++ )
    {
        vmiring_options opts = { .size = sizeof(opts), .sim = cfg->sim,
                                 .domid = list.entry[i].domid };
        struct vmiring_status st = { .size = sizeof(st) };
        int rc = vmiring_query_status(&opts, &st, NULL, 0);

        if ( !list.entry[i].domid || (rc < 0 && errno != EPROTONOSUPPORT) )
            continue;
        jo_bool(o, "v2", rc >= 0);
        break;
    }
    domains_free(&list);
}

enum exit_code command_probe(const struct config *cfg)
{
    struct json_object *o = jo_object("probe");
    struct config with = *cfg;
    enum exit_code code = EXIT_OK;
    const char *line;

    jo_str(o, "version", VMI_AGENT_VERSION);
    probe_host(cfg, o);
    if ( cfg->name &&
         !domains_find(cfg->sim, cfg->name, &with.domid) )
        with.have_domid = true;
    if ( with.have_domid )
        code = probe_domain(&with, o);
    line = jo_line(o);
    if ( !line || fputs(line, stdout) < 0 )
        return EXIT_INTERNAL;
    return code;
}

enum exit_code command_version(void)
{
    int major, minor;

    cs_version(&major, &minor);
    printf("vmi-agent %s (MIT)\n"
           "libvmi-ring %s, json-c %s, capstone %d.%d\n",
           VMI_AGENT_VERSION, VMIRING_VERSION, json_c_version(), major, minor);
    return EXIT_OK;
}
