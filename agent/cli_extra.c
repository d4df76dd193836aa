/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli_extra.h"
#include "filter.h"
#include "guard.h"
#include "limit.h"

#define KEEP_DEFAULT 10U

static int bad(FILE *err, const char *option, const char *arg, const char *why)
{
    fprintf(err, "vmi-agent: %s %s: %s\n", option, arg, why);
    return -1;
}

/* 64K, 10M, 1G:20 */
static int set_rotate(struct config *cfg, const char *arg, FILE *err)
{
    static const char units[] = "KMG";
    unsigned long keep = KEEP_DEFAULT;
    const char *unit;
    char *end;

    errno = 0;
    cfg->rotate_bytes = strtoull(arg, &end, 10);
    unit = *end ? strchr(units, *end) : NULL;
    if ( unit )
        end++;
    if ( *end == ':' && end[1] >= '0' && end[1] <= '9' )
        keep = strtoul(end + 1, &end, 10);
    if ( errno || *arg < '0' || *arg > '9' || *end || !keep || keep > 9999 ||
         cfg->rotate_bytes >> 33 )
        return bad(err, "--rotate", arg, "expected SIZE or SIZE:FILES, as 100M "
                   "or 1G:20");
    if ( unit )
        cfg->rotate_bytes <<= 10 * (unit - units + 1);
    if ( cfg->rotate_bytes < 4096 )
        return bad(err, "--rotate", arg, "expected 4096 bytes at least");
    cfg->rotate_keep = keep;
    return 0;
}

static int set_interval(struct config *cfg, const char *arg, FILE *err)
{
    char *end;
    unsigned long s = strtoul(arg, &end, 10);

    if ( *arg < '0' || *arg > '9' || *end || !s || s > 86400 )
        return bad(err, "--stats-interval", arg, "expected 1 to 86400 seconds");
    cfg->stats_interval = s;
    return 0;
}

int cli_extra_option(struct config *cfg, int opt, const char *arg, FILE *err)
{
    switch ( opt )
    {
    case 'w':
        cfg->write_file = arg;
        return 0;
    case 'r':
        cfg->read_file = arg;
        return 0;
    case OPT_ROTATE:
        return set_rotate(cfg, arg, err);
    case OPT_FILTER:
        cfg->filter = arg;
        return 0;
    case OPT_STATS:
        return set_interval(cfg, arg, err);
    case OPT_METRICS:
        cfg->metrics_file = arg;
        return 0;
    case OPT_RATE:
        cfg->rate_limit = arg;
        return 0;
    case OPT_GUARD:
        cfg->guard_file = arg;
        return 0;
    case OPT_LOG:
        cfg->log_file = arg;
        return 0;
    default:
        return 1;
    }
}

static int check_texts(struct config *cfg, FILE *err)
{
    char msg[200] = "";

    if ( cfg->filter )
    {
        struct filter *f = filter_compile(cfg->filter, msg, sizeof(msg));

        if ( !f )
            return bad(err, "--filter", cfg->filter, msg);
        filter_free(f);
    }
    if ( cfg->rate_limit )
    {
        struct limit l = { .per_second = { 0 } };

        if ( limit_parse(&l, cfg->rate_limit, msg, sizeof(msg)) )
            return bad(err, "--rate-limit", cfg->rate_limit, msg);
    }
    if ( cfg->guard_file )
    {
        struct guard *g = guard_load(cfg->guard_file, msg, sizeof(msg));

        /* A replay has what it has: nothing has to be asked for. */
        if ( !g || (!(cfg->read_file && !cfg->events.explicit) &&
                    guard_events(g, &cfg->events, msg, sizeof(msg))) )
        {
            guard_free(g);
            return bad(err, "--guard", cfg->guard_file, msg);
        }
        guard_free(g);
    }
    return 0;
}

const char *cli_shared_file(const struct config *cfg)
{
    const struct { const char *option, *file; } files[] = {
        { "-w", cfg->write_file }, { "--output-file", cfg->log_file },
        { "--metrics", cfg->metrics_file },
    };

    for ( size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++ )
        if ( files[i].file && !strstr(files[i].file, WORKER_FILE_MARK) )
            return files[i].option;
    return NULL;
}

int cli_extra_check(struct config *cfg, FILE *err)
{
    if ( cfg->read_file &&
         (cfg->sim || cfg->on_death || cfg->deadline_ms || cfg->reattach ||
          cfg->takeover || cfg->split_rings || cfg->ring_bytes) )
        return bad(err, "-r", cfg->read_file, "a capture has no channel: "
                   "without --sim and the options of channels");
    if ( cfg->rotate_bytes && !cfg->write_file )
        return bad(err, "--rotate", "", "needs -w");
    return check_texts(cfg, err);
}

void cli_extra_help(FILE *out)
{
    fputs(
"files, filters and rules\n"
"  -w, --write FILE        capture the events (pcap) as well\n"
"                          (with --all each FILE needs %u in it: the UUID)\n"
"  --rotate SIZE[:FILES]   begin a new one, keep 10 (or FILES) older ones\n"
"  -r, --read FILE         replay a capture instead of watching a domain\n"
"  --filter EXPR           print and capture these only: reg = CR3 and vcpu < 2\n"
"  --rate-limit N|EVENT=N,...  lines per second of each event\n"
"  --output-file FILE      lines go there; SIGHUP opens it (and -w) again\n"
"  --stats-interval S      statistics every S seconds\n"
"  --metrics FILE          counts for Prometheus, replaced every 15 s (or S)\n"
"  --guard FILE|default    rules; those of \"default\":\n", out);
    guard_help(out);
}
