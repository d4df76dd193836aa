/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_extra.h"
#include "supervisor.h"

#define DOMID_MAX 0x7fefU    /* DOMID_FIRST_RESERVED - 1 */

enum {
    OPT_DOMID = 256, OPT_NAME, OPT_ABI, OPT_SIM, OPT_DURATION, OPT_RING,
    OPT_SPLIT, OPT_REGS, OPT_BATCH, OPT_BATCH_SLEEP, OPT_SPIN, OPT_REPLY, OPT_DENY,
    OPT_ON_DEATH, OPT_DEADLINE, OPT_REATTACH, OPT_TAKEOVER, OPT_PER_VCPU,
    OPT_PRIVILEGED, OPT_NO_DISASM, OPT_LIST, OPT_STATUS, OPT_RELEASE,
    OPT_PROBE, OPT_VERSION, OPT_REARM, OPT_SELF_TEST,
    OPT_ALL
};

static const struct option long_options[] = {
    { "domid", required_argument, NULL, OPT_DOMID },
    { "name", required_argument, NULL, OPT_NAME },
    { "all", no_argument, NULL, OPT_ALL },
    { "abi", required_argument, NULL, OPT_ABI },
    { "sim", optional_argument, NULL, OPT_SIM },
    { "events", required_argument, NULL, 'e' },
    { "output", required_argument, NULL, 'o' },
    { "duration", required_argument, NULL, OPT_DURATION },
    { "count", required_argument, NULL, 'c' },
    { "ring", required_argument, NULL, OPT_RING },
    { "split-rings", no_argument, NULL, OPT_SPLIT },
    { "regs", required_argument, NULL, OPT_REGS },
    { "batch", required_argument, NULL, OPT_BATCH },
    { "batch-sleep", required_argument, NULL, OPT_BATCH_SLEEP },
    { "spin", required_argument, NULL, OPT_SPIN },
    { "reply", no_argument, NULL, OPT_REPLY },
    { "deny", required_argument, NULL, OPT_DENY },
    { "rearm", no_argument, NULL, OPT_REARM },
    { "on-death", required_argument, NULL, OPT_ON_DEATH },
    { "deadline", required_argument, NULL, OPT_DEADLINE },
    { "reattach", no_argument, NULL, OPT_REATTACH },
    { "takeover", no_argument, NULL, OPT_TAKEOVER },
    { "per-vcpu", no_argument, NULL, OPT_PER_VCPU },
    { "privileged", no_argument, NULL, OPT_PRIVILEGED },
    { "self-test-privilege", required_argument, NULL, OPT_SELF_TEST },
    { "no-disasm", no_argument, NULL, OPT_NO_DISASM },
    { "quiet", no_argument, NULL, 'q' },
    { "list", no_argument, NULL, OPT_LIST },
    { "status", required_argument, NULL, OPT_STATUS },
    { "release", required_argument, NULL, OPT_RELEASE },
    { "probe", no_argument, NULL, OPT_PROBE },
    CLI_EXTRA_LONG,
    { "version", no_argument, NULL, OPT_VERSION },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 }
};

struct parser {
    struct config *cfg;
    FILE *err;
    bool have_command;
    const char *events;      /* of -e, parsed when all is known */
    const char *word;        /* being parsed */
};

static int __attribute__((format(printf, 2, 3)))
bad(const struct parser *p, const char *fmt, ...)
{
    va_list ap;

    fputs("vmi-agent: ", p->err);
    va_start(ap, fmt);
    vfprintf(p->err, fmt, ap);
    va_end(ap);
    fputc('\n', p->err);
    return -1;
}

/* A decimal number, and nothing else, in [min, max]. */
static int number(const char *arg, uint64_t min, uint64_t max, uint64_t *out,
                  char **rest)
{
    char *end;
    unsigned long long value;

    if ( arg[0] < '0' || arg[0] > '9' )
        return -1;
    errno = 0;
    value = strtoull(arg, &end, 10);
    if ( errno || value < min || value > max || (!rest && *end) )
        return -1;
    if ( rest )
        *rest = end;
    *out = value;
    return 0;
}

static int set_domid(struct parser *p, const char *arg)
{
    uint64_t value;

    if ( p->cfg->have_domid )
        return bad(p, "more than one domain: one vmi-agent watches one");
    if ( number(arg, 0, DOMID_MAX, &value, NULL) )
        return bad(p, "\"%s\": expected a domain number, 0 to %u", arg,
                   DOMID_MAX);
    p->cfg->domid = value;
    p->cfg->have_domid = true;
    return 0;
}

static int set_command(struct parser *p, enum command command, const char *arg)
{
    if ( p->have_command )
        return bad(p, "only one of --list, --status, --release, --probe, "
                   "--version and --help");
    p->have_command = true;
    p->cfg->command = command;
    return arg ? set_domid(p, arg) : 0;
}

/* One of a NULL-terminated list of words: its place, or -1. */
static int word(const struct parser *p, const char *opt, const char *arg,
                const char *const *words)
{
    for ( int i = 0; words[i]; i++ )
        if ( !strcmp(arg, words[i]) )
            return i;
    fprintf(p->err, "vmi-agent: %s %s: expected one of", opt, arg);
    for ( int i = 0; words[i]; i++ )
        fprintf(p->err, " %s", words[i]);
    fputc('\n', p->err);
    return -1;
}

static int set_sim(struct parser *p, int argc, char **argv)
{
    /* The socket may stand behind a blank: nothing else is without a dash. */
    if ( !optarg && optind < argc && argv[optind][0] != '-' )
        optarg = argv[optind++];
    if ( optarg && !*optarg )
        return bad(p, "--sim: expected the path of vmi-sim's socket");
    p->cfg->sim = optarg ? optarg : cli_default_socket();
    return 0;
}

static int set_ring(struct parser *p, const char *arg)
{
    uint64_t value;
    char *unit;
    unsigned int shift = 0;

    if ( number(arg, 1, UINT32_MAX, &value, &unit) )
        unit = (char *)"?";
    if ( (*unit == 'K' || *unit == 'k') && !unit[1] )
        shift = 10, unit++;
    else if ( (*unit == 'M' || *unit == 'm') && !unit[1] )
        shift = 20, unit++;
    if ( *unit || value > (UINT32_MAX >> shift) )
        return bad(p, "--ring %s: expected a size as 65536, 64K or 1M", arg);
    p->cfg->ring_bytes = value << shift;
    return 0;
}

static int set_duration(struct parser *p, const char *arg)
{
    char *end;
    double s;

    errno = 0;
    s = strtod(arg, &end);
    if ( errno || end == arg || *end || !(s >= 0.001 && s <= 1e9) )
        return bad(p, "--duration %s: expected seconds, at least 0.001", arg);
    p->cfg->duration_us = s * 1e6;
    return 0;
}

static int set_deadline(struct parser *p, const char *arg)
{
    uint64_t value;
    char *rest;

    p->cfg->on_deadline = VMIRING_DEADLINE_RELEASE;
    p->cfg->deadline_deny = false;
    if ( !number(arg, 1, 60000, &value, &rest) )
    {
        p->cfg->deadline_ms = value;
        if ( !*rest )
            return 0;
        if ( !strcmp(rest, ":deny") )
            p->cfg->deadline_deny = true;
        else if ( !strcmp(rest, ":detach") )
            p->cfg->on_deadline = VMIRING_DEADLINE_DETACH;
        else if ( !strcmp(rest, ":crash") )
            p->cfg->on_deadline = VMIRING_DEADLINE_CRASH;
        if ( p->cfg->deadline_deny || p->cfg->on_deadline )
            return 0;
    }
    return bad(p, "--deadline %s: expected 1 to 60000 ms, as 500, 500:deny, "
               "500:detach or 500:crash", arg);
}

static int set_deny(struct parser *p, const char *arg)
{
    /* XCR0 is not here: Xen does not defer its write, so cannot deny it. */
    static const char *const words[] = { "cr0", "cr3", "cr4", "msr", NULL };
    static const uint32_t bits[] = { DENY_CR0, DENY_CR3, DENY_CR4, DENY_MSR };
    char *copy = strdup(arg), *next = copy, *one;
    int i = 0;

    if ( !copy )
        return bad(p, "out of memory");
    while ( i >= 0 && (one = strsep(&next, ",")) )
    {
        i = word(p, "--deny", one, words);
        if ( i >= 0 )
            p->cfg->deny |= bits[i];
    }
    free(copy);
    return i < 0 ? -1 : 0;
}

static int set_small(struct parser *p, const char *opt, const char *arg,
                     unsigned int max, unsigned int *out)
{
    uint64_t value;

    if ( number(arg, 1, max, &value, NULL) )
        return bad(p, "%s %s: expected a number from 1 to %u", opt, arg, max);
    *out = value;
    return 0;
}

static int set_enum(const struct parser *p, const char *opt, const char *arg,
                    const char *const *words, uint32_t *out)
{
    int i = word(p, opt, arg, words);

    if ( i < 0 )
        return -1;
    *out = i;
    return 0;
}

/* Options that watch only: flags and choices. */
static int watch_option(struct parser *p, int opt)
{
    static const char *const abis[] = { "auto", "v2", "legacy", NULL };
    static const char *const sets[] = { "none", "core", "all", NULL };
    static const char *const deaths[] = { "detach", "hold", "crash", NULL };
    struct config *cfg = p->cfg;
    uint32_t value;

    switch ( opt )
    {
    case OPT_ABI:
        return set_enum(p, "--abi", optarg, abis, &cfg->abi);
    case OPT_REGS:
        if ( set_enum(p, "--regs", optarg, sets, &value) )
            return -1;
        cfg->regs = value;
        return 0;
    case OPT_ON_DEATH:
        return set_enum(p, "--on-death", optarg, deaths, &cfg->on_death);
    case OPT_RING:
        return set_ring(p, optarg);
    case OPT_DURATION:
        return set_duration(p, optarg);
    case 'c':
        if ( number(optarg, 1, UINT64_MAX, &cfg->count, NULL) )
            return bad(p, "-c %s: expected a number of events", optarg);
        return 0;
    case OPT_BATCH:
        return set_small(p, "--batch", optarg, 65536, &cfg->batch);
    case OPT_BATCH_SLEEP:
        return set_small(p, "--batch-sleep", optarg, 3600000,
                         &cfg->batch_sleep_ms);
    case OPT_SPIN:
        return set_small(p, "--spin", optarg, 1000000, &cfg->spin_us);
    case OPT_DENY:
        return set_deny(p, optarg);
    case OPT_DEADLINE:
        return set_deadline(p, optarg);
    case OPT_SPLIT:
        cfg->split_rings = true;
        return 0;
    case OPT_REPLY:
        cfg->reply = true;
        return 0;
    case OPT_REARM:
        cfg->rearm = true;
        return 0;
    case OPT_REATTACH:
        cfg->reattach = true;
        return 0;
    case OPT_TAKEOVER:
        cfg->takeover = true;
        return 0;
    case OPT_PER_VCPU:
        cfg->per_vcpu = true;
        return 0;
    case OPT_PRIVILEGED:
        cfg->privileged = true;
        return 0;
    case OPT_NO_DISASM:
        cfg->no_disasm = true;
        return 0;
    case 'q':
        cfg->quiet = true;
        return 0;
    default:
        return bad(p, "unknown option \"%s\"; --help lists them", p->word);
    }
}

static int option(struct parser *p, int opt, int argc, char **argv)
{
    static const char *const formats[] = { "text", "json", "journal", NULL };
    struct config *cfg = p->cfg;
    int i;

    switch ( opt )
    {
    case OPT_DOMID:
        return set_domid(p, optarg);
    case OPT_NAME:
        if ( cfg->name || !*optarg )
            return bad(p, "--name: expected one name");
        cfg->name = optarg;
        return 0;
    case OPT_ALL:
        cfg->all = true;
        return 0;
    case OPT_SELF_TEST:
        cfg->self_test = optarg;
        return 0;
    case OPT_SIM:
        return set_sim(p, argc, argv);
    case 'e':
        if ( p->events )
            return bad(p, "-e: expected once, with a comma between events");
        p->events = optarg;
        return 0;
    case 'o':
        i = word(p, "-o", optarg, formats);
        cfg->format = FORMAT_TEXT + i;
        return i < 0 ? -1 : 0;
    case OPT_LIST:
        return set_command(p, CMD_LIST, NULL);
    case OPT_STATUS:
        return set_command(p, CMD_STATUS, optarg);
    case OPT_RELEASE:
        return set_command(p, CMD_RELEASE, optarg);
    case OPT_PROBE:
        return set_command(p, CMD_PROBE, NULL);
    case OPT_VERSION:
        return set_command(p, CMD_VERSION, NULL);
    case 'h':
        return set_command(p, CMD_HELP, NULL);
    case ':':
        return bad(p, "%s: expected an argument", p->word);
    default:
        i = cli_extra_option(cfg, opt, optarg, p->err);
        return i > 0 ? watch_option(p, opt) : i;
    }
}

/* --deny needs events whose answer the guest waits for. */
static int check_deny(struct parser *p)
{
    struct config *cfg = p->cfg;
    uint32_t left = cfg->deny;

    for ( unsigned int i = 0; i < cfg->events.nr; i++ )
    {
        struct event_choice *c = &cfg->events.item[i];
        uint32_t bit = 0;

        if ( c->kind->reason == VMIRING_MOV_TO_MSR )
            bit = DENY_MSR;
        else if ( c->kind->reason == VMIRING_WRITE_CTRLREG )
            bit = 1U << c->kind->index;
        if ( !(cfg->deny & bit) )
            continue;
        left &= ~bit;
        if ( c->sync )
            continue;
        if ( cfg->events.explicit )
            return bad(p, "--deny %s needs \"%s:sync\" in -e", c->kind->name,
                       c->kind->name);
        c->sync = true;
    }
    if ( left )
        return bad(p, "--deny: what is denied must be watched, name it in -e");
    return 0;
}

static int check_watch(struct parser *p)
{
    struct config *cfg = p->cfg;

    if ( cli_extra_check(cfg, p->err) )
        return -1;
    if ( !cfg->read_file &&
         cfg->have_domid + (cfg->name != NULL) + cfg->all != 1 )
        return bad(p, "expected --domid N, --name NAME, --all or -r FILE (or "
                   "--list, --status, --release, --probe)");
    if ( supervisor_wanted(cfg) && (cfg->count || cfg->self_test) )
        return bad(p, "-c and --self-test-privilege are for one domain");
    if ( supervisor_wanted(cfg) && cli_shared_file(cfg) )
        return bad(p, "%s: with --all or a pattern expected a FILE with %%u "
                   "in it, which becomes each domain's UUID",
                   cli_shared_file(cfg));
    if ( cfg->reply && cfg->regs == VMIRING_REGS_NONE )
        return bad(p, "--reply changes registers: it needs --regs core or all");
    if ( cfg->abi == VMIRING_ABI_LEGACY &&
         (cfg->on_death || cfg->deadline_ms || cfg->reattach ||
          cfg->takeover || cfg->split_rings || cfg->ring_bytes) )
        return bad(p, "--on-death, --deadline, --reattach, --takeover, "
                   "--split-rings and --ring need the v2 ABI");
    return check_deny(p);
}

enum exit_code cli_parse(int argc, char **argv, struct config *cfg, FILE *err)
{
    struct parser p = { .cfg = cfg, .err = err };
    char msg[160];
    int opt;

    *cfg = (struct config){ .regs = VMIRING_REGS_CORE };
    opterr = 0;   /* our own messages */
    optind = 0;   /* glibc: begin anew, so that a test can parse many times */
    while ( (opt = getopt_long(argc, argv, ":e:o:c:qh" CLI_EXTRA_SHORT, long_options,
                               NULL)) != -1 )
    {
        p.word = argv[optind - 1];
        if ( option(&p, opt, argc, argv) )
            return EXIT_USAGE;
    }
    if ( optind < argc )
    {
        bad(&p, "unexpected \"%s\"; --help tells", argv[optind]);
        return EXIT_USAGE;
    }
    events_default(&cfg->events);
    if ( p.events &&
         events_parse(&cfg->events, p.events, msg, sizeof(msg)) )
    {
        bad(&p, "-e: %s", msg);
        return EXIT_USAGE;
    }
    if ( cfg->command == CMD_WATCH && check_watch(&p) )
        return EXIT_USAGE;
    return EXIT_OK;
}

const char *cli_default_socket(void)
{
    static char path[256];
    const char *env = getenv("VMI_SIM_SOCKET");
    const char *dir = getenv("XDG_RUNTIME_DIR");

    if ( env && *env )
        return env;
    if ( dir && *dir &&
         (size_t)snprintf(path, sizeof(path), "%s/vmi-sim.sock", dir) <
             sizeof(path) &&
         !access(path, F_OK) )
        return path;
    return "/run/vmi-sim.sock";
}

void cli_help(FILE *out)
{
    fputs(
"usage: vmi-agent --domid N | --name NAME | --all | -r FILE [options]\n"
"       vmi-agent --list | --status DOMID | --release DOMID | --probe\n"
"\n"
"Watches one Xen guest: prints its introspection events, answers those that\n"
"it waits for, counts those that were lost.\n"
"\n"
"what to watch\n"
"  --domid N, --name NAME  the domain\n"
"  --all, --name PATTERN   every domain, or those whose name matches (* ? [);\n"
"                          one process each, as they come and go\n"
"  --abi auto|v2|legacy    auto: v2 where the host has it\n"
"  --sim [SOCKET]          a simulated host (vmi-sim) instead of Xen\n"
"  -e, --events EVENT,...  each with :sync or :async behind it (and, where it\n"
"                          fits, :onchange, :mask=HEX, :user):\n", out);
    for ( const struct event_kind *k = event_kinds; k->name; k++ )
        fprintf(out, "      %-20s%-10s %s\n", k->name,
                k->mode == MODE_SYNC_ONLY ? "sync only" :
                k->sync ? "sync" : "async", k->text);
    fputs(
"    without -e, as far as the host can: ", out);
    for ( const struct event_kind *k = event_kinds; k->name; k++ )
        if ( k->by_default )
            fprintf(out, "%s ", k->name);
    fputs(
"\n"
"output\n"
"  -o, --output text|json|journal  text on a terminal, else JSON lines\n"
"  --regs none|core|all    registers captured with an event (core)\n"
"  --no-disasm             do not read and disassemble the instruction\n"
"  --per-vcpu              a line per vCPU at the end\n"
"  -q, --quiet             no line per event\n"
"when to stop (a replay: at its end, too)\n"
"  --duration S, -c, --count N   after S seconds, after N events\n"
"channel (v2)\n"
"  --ring BYTES[K|M], --split-rings   ring size; one ring per vCPU\n"
"  --on-death detach|hold|crash       what Xen does if this agent dies\n"
"  --deadline MS[:deny|:detach|:crash]\n"
"                          Xen answers by itself after MS milliseconds, frees or\n"
"                          crashes the guest\n"
"  --reattach, --takeover  a channel held for us; even from a living agent\n"
"  --spin US               look again for so long before a sleep: with a CPU to\n"
"                          spare, and guests on others\n"
"answers\n"
"  --deny cr0|cr3|cr4|msr,...  refuse these writes\n"
"  --rearm                 watch a page again that an access has opened\n"
"  --reply                 answer guest requests so that a test's guest can tell\n"
"for tests\n"
"  --batch N               events per receive\n"
"  --batch-sleep MS        be slow: wait MS after each batch\n"
"  --privileged            keep all privileges and handles unrestricted\n", out);
    cli_extra_help(out);
    fputs(
"other\n"
"  --list                  domains, and who watches them\n"
"  --status DOMID          holder, policy, state, per-vCPU pending and losses\n"
"  --release DOMID         end a channel whoever holds it\n"
"  --probe [--domid N]     what this host (and domain) can do, as JSON\n"
"  --version, -h, --help\n"
"\n"
"SIGUSR1 prints statistics, SIGHUP opens files again.  Exit: 0 done, 1 internal error, 2 usage, 3 no\n"
"such domain, 4 no permission, 5 no Xen, 6 busy, 7 ABI or capability not\n"
"offered, 8 domain gone, 9 taken over, 10 event cannot be raised, 11\n"
"privileges could not be dropped, 12 nothing to re-attach to, 13 channel ended\n"
"by its deadline or --release.\n", out);
}
