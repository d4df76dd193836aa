/* SPDX-License-Identifier: GPL-2.0-only */
/* The runner: repetitions of all cases, interleaved, and their tables. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench.h"
#include "hyper.h"

#define MAX_REPS 1000U

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static struct {
    unsigned int reps, warmup;
    const char *only, *csv;
} opt = { .reps = 11, .warmup = 1 };

/* What is kept of one case. */
struct series {
    bool skipped;
    const struct series *base;
    void *state;
    double ns[MAX_REPS];    /* per event */
    double ratio[MAX_REPS]; /* to the base's in the same repetition */
    uint64_t events, dropped;
    unsigned int wrong;
};

struct spread {
    double median, min, max;
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static struct spread spread_of(const double *values, unsigned int nr)
{
    double sorted[MAX_REPS];

    memcpy(sorted, values, nr * sizeof(*values));
    qsort(sorted, nr, sizeof(*sorted), compare);

    return (struct spread){
        .median = nr % 2 ? sorted[nr / 2]
                         : (sorted[nr / 2 - 1] + sorted[nr / 2]) / 2,
        .min = sorted[0],
        .max = sorted[nr - 1],
    };
}

/* ---- the machine ---- */

/* The value behind the first line of path that begins with key. */
static void find_line(const char *path, const char *key, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    char line[256];

    snprintf(out, size, "unknown");
    if ( !file )
        return;
    while ( fgets(line, sizeof(line), file) )
    {
        const char *value = strchr(line, ':');

        if ( strncmp(line, key, strlen(key)) || (*key && !value) )
            continue;
        value = *key ? value + 1 : line;
        snprintf(out, size, "%s", value + strspn(value, " \t"));
        out[strcspn(out, "\n")] = '\0';
        break;
    }
    fclose(file);
}

static void print_machine(FILE *out, const char *lead)
{
    char cpu[128], load[64];
    struct utsname un;
    unsigned int i;

    find_line("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
    find_line("/proc/loadavg", "", load, sizeof(load));
    uname(&un);
    fprintf(out, "%sCPU: %s; %u usable; %s %s\n", lead, cpu, placement_cpus(),
            un.sysname, un.release);
    fprintf(out, "%splacement: thread i on CPU", lead);
    for ( i = 0; i < placement_cpus() && i < MAX_THREADS; i++ )
        fprintf(out, "%s %d", i ? "," : "", placement_cpu(i));
    fprintf(out, "; load average %s\n", load);
    fprintf(out, "%scompiler: %s, -O2; producers copy by %s\n", lead, COMPILER,
            HYPER_COPY);
    fprintf(out, "%sall producers are simulated: threads of this process, not "
            "guests on Xen\n", lead);
}

/* ---- running ---- */

static bool chosen(const struct bench_case *c)
{
    char name[128];

    snprintf(name, sizeof(name), "%s/%s", c->group, c->name);

    return !opt.only || strstr(name, opt.only);
}

static void choose(struct series *all)
{
    const struct series *base = NULL;
    const char *group = "";
    unsigned int i;

    for ( i = 0; i < nr_bench_cases; i++ )
    {
        const struct bench_case *c = &bench_cases[i];
        bool missing = c->peer && !c->peer->make;

        if ( strcmp(group, c->group) )
            base = NULL;
        group = c->group;
        all[i].skipped = missing || !chosen(c);
        if ( missing && chosen(c) )
            printf("left out: %s, %s (not there when this was built)\n",
                   c->group, c->name);
        if ( c->base && !all[i].skipped )
            base = &all[i];
        all[i].base = base;
    }
}

static void run_once(const struct bench_case *c, struct series *series,
                     int rep)
{
    struct sample s = { 0 };

    c->run(c, series->state, &s);
    series->wrong += s.wrong;
    if ( rep < 0 )
        return;
    series->ns[rep] = s.ns / s.events;
    series->events += s.events;
    series->dropped += s.dropped;
    if ( series->base )
        series->ratio[rep] = series->ns[rep] / series->base->ns[rep];
}

/* One repetition of every case, and again: what disturbs, disturbs all. */
static void run_all(struct series *all)
{
    unsigned int i;
    int rep;

    for ( i = 0; i < nr_bench_cases; i++ )
        if ( !all[i].skipped )
        {
            all[i].state = bench_cases[i].make(&bench_cases[i]);
            all[i].skipped = !all[i].state;
            if ( all[i].skipped )
                printf("left out: %s, %s (it needs root)\n",
                       bench_cases[i].group, bench_cases[i].name);
        }

    for ( rep = -(int)opt.warmup; rep < (int)opt.reps; rep++ )
        for ( i = 0; i < nr_bench_cases; i++ )
            if ( !all[i].skipped )
                run_once(&bench_cases[i], &all[i], rep);

    for ( i = 0; i < nr_bench_cases; i++ )
        if ( !all[i].skipped )
            bench_cases[i].end(&bench_cases[i], all[i].state);
}

/* ---- tables ---- */

static const char *label(const struct bench_case *c)
{
    return c->threads > placement_cpus() ? "  OVERSUBSCRIBED" : "";
}

static void print_case(const struct bench_case *c, const struct series *s)
{
    struct spread ns = spread_of(s->ns, opt.reps);

    printf("  %-25s %8.1f %8.1f..%-8.1f %7.2f", c->name, ns.median, ns.min,
           ns.max, 1e3 / ns.median);
    printf(" %6.2f%%", 100.0 * s->dropped / s->events);
    if ( s->base )
    {
        struct spread ratio = spread_of(s->ratio, opt.reps);

        printf(" %6.3f %6.3f..%-6.3f", ratio.median, ratio.min, ratio.max);
    }
    printf("%s%s\n", label(c), s->wrong ? "  BOOKS DO NOT BALANCE" : "");
}

static void print_all(const struct series *all)
{
    const char *group = "";
    unsigned int i;

    for ( i = 0; i < nr_bench_cases; i++ )
    {
        const struct bench_case *c = &bench_cases[i];

        if ( all[i].skipped )
            continue;
        if ( strcmp(group, c->group) )
            printf("\n%s: %u thread%s, %u-byte records, time of the %s\n"
                   "  %-25s %8s %18s %7s %7s %6s %14s\n", c->group, c->threads,
                   c->threads > 1 ? "s" : "", c->record,
                   c->cpu_time ? "thread" : "wall", "", "ns/event",
                   "min..max", "M/s", "drops", "ratio", "min..max");
        group = c->group;
        print_case(c, &all[i]);
    }
}

static int write_csv(const struct series *all)
{
    FILE *out = fopen(opt.csv, "w");
    unsigned int i, rep;

    if ( !out )
    {
        fprintf(stderr, "%s: %s\n", opt.csv, strerror(errno));
        return 1;
    }
    print_machine(out, "# ");
    fprintf(out, "group,case,threads,record,clock,repetition,ns_per_event,"
            "ratio,events,dropped,oversubscribed\n");
    for ( i = 0; i < nr_bench_cases; i++ )
    {
        const struct bench_case *c = &bench_cases[i];

        /* Events and drops are of all repetitions. */
        for ( rep = 0; !all[i].skipped && rep < opt.reps; rep++ )
            fprintf(out, "%s,\"%s\",%u,%u,%s,%u,%.3f,%.4f,%llu,%llu,%d\n",
                    c->group, c->name, c->threads, c->record,
                    c->cpu_time ? "thread" : "wall", rep, all[i].ns[rep],
                    all[i].ratio[rep], (unsigned long long)all[i].events,
                    (unsigned long long)all[i].dropped,
                    c->threads > placement_cpus());
    }

    if ( ferror(out) | fclose(out) )
    {
        fprintf(stderr, "%s: cannot write\n", opt.csv);
        return 1;
    }

    return 0;
}

/* ---- the command line ---- */

static int usage(FILE *out)
{
    fprintf(out,
            "usage: vmiring-bench [-r REPETITIONS] [-w WARM-UPS] [-o TEXT]\n"
            "                     [-c FILE]\n"
            "  -r, --reps N    repetitions, interleaved (default 11)\n"
            "  -w, --warmup N  repetitions before them, not counted (1)\n"
            "  -o, --only TEXT cases with TEXT in GROUP/NAME\n"
            "  -c, --csv FILE  every repetition, for plots\n"
            "  -l, --list      the cases\n"
            "      --version, --help\n"
            "Ratios are to the first case of a group, repetition by "
            "repetition.\n");

    return out == stderr ? 2 : 0;
}

static int list(void)
{
    unsigned int i;

    for ( i = 0; i < nr_bench_cases; i++ )
        printf("%s/%s%s\n", bench_cases[i].group, bench_cases[i].name,
               bench_cases[i].peer && !bench_cases[i].peer->make
               ? " (left out)" : "");

    return 0;
}

static bool number(const char *text, unsigned int min, unsigned int *out)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    *out = value;

    return *text && !*end && value >= min && value <= MAX_REPS;
}

static int measure(void)
{
    struct series *all = calloc(nr_bench_cases, sizeof(*all));
    unsigned int i, wrong = 0, ran = 0;
    int rc;

    if ( !all )
        return 1;
    world_init();
    placement_init();
    placement_pin(0);
    print_machine(stdout, "");
    printf("%u repetitions, interleaved, after %u discarded\n", opt.reps,
           opt.warmup);
    choose(all);
    run_all(all);
    print_all(all);
    rc = opt.csv ? write_csv(all) : 0;
    for ( i = 0; i < nr_bench_cases; i++ )
    {
        wrong += all[i].wrong;
        ran += !all[i].skipped;
    }
    free(all);
    if ( wrong )
        fprintf(stderr, "%u repetitions whose books do not balance\n", wrong);
    if ( !ran )
        fprintf(stderr, "no such case\n");

    return rc || wrong || !ran;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "reps", required_argument, NULL, 'r' },
        { "warmup", required_argument, NULL, 'w' },
        { "only", required_argument, NULL, 'o' },
        { "csv", required_argument, NULL, 'c' },
        { "list", no_argument, NULL, 'l' },
        { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int c;

    while ( (c = getopt_long(argc, argv, "r:w:o:c:lh", options, NULL)) != -1 )
        switch ( c )
        {
        case 'r':
            if ( !number(optarg, 1, &opt.reps) )
                return usage(stderr);
            break;

        case 'w':
            if ( !number(optarg, 0, &opt.warmup) )
                return usage(stderr);
            break;

        case 'o':
            opt.only = optarg;
            break;

        case 'c':
            opt.csv = optarg;
            break;

        case 'l':
            return list();

        case 'V':
            printf("vmiring-bench " BENCH_VERSION "\n"
                   "GPL-2.0-only, as it contains files of a hypervisor\n");
            return 0;

        case 'h':
            return usage(stdout);

        default:
            return usage(stderr);
        }

    return optind < argc ? usage(stderr) : measure();
}
