/* SPDX-License-Identifier: MIT */
/*
 * vmi-latency [--comm NAME] [--pid PID] [--duration S] [-o text|json]
 *             [--btf FILE]
 *
 * In dom0, while an agent runs: histograms of how long it takes from the
 * event-channel interrupt to the wake-up of the agent, from there until it
 * runs, and from there until it rings Xen's doorbell with its answer. For any
 * agent: one written in Python has the interrupt "evtchn:python3".
 *
 * Exit status: 0 measured; 1 internal error; 2 command line; 3 no interrupt of
 * that name was seen; 4 no permission to load BPF programs; 5 this kernel
 * cannot run them.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>
#include <stdint.h>
typedef uint16_t domid_t;       /* which the next header expects to be there */
#include <xen/evtchn.h>

#include "latency.h"
#include "latency.skel.h"

enum { LAT_OK, LAT_INTERNAL, LAT_USAGE, LAT_NOTHING, LAT_PERMISSION, LAT_KERNEL };

struct options {
    char comm[LATENCY_COMM];
    int pid;
    unsigned int seconds;        /* 0: until a signal */
    bool json;
    const char *btf;
};

static const char *const stage_names[LATENCY_STAGES] = {
    "interrupt to wake-up", "wake-up to run", "run to answer"
};
static const char *const stage_keys[LATENCY_STAGES] = {
    "irq_to_wake", "wake_to_run", "run_to_answer"
};

static int __attribute__((format(printf, 2, 3)))
complain(int code, const char *fmt, ...)
{
    va_list ap;

    fputs("vmi-latency: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return code;
}

static void help(void)
{
    puts("usage: vmi-latency [--comm NAME] [--pid PID] [--duration S] "
         "[-o text|json] [--btf FILE]\n"
         "  --comm NAME   name of the agent's process when it opened Xen's\n"
         "                event channels (default vmi-agent, or PID's name)\n"
         "  --pid PID     only threads of this process\n"
         "  --duration S  measure for S seconds (default: until SIGINT)\n"
         "  --btf FILE    the kernel's types, where it has no /sys/kernel/btf");
}

/* A positive number, and nothing else; 0 when it is not one. */
static unsigned int positive(const char *arg)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(arg, &end, 10);
    if ( errno || *end || end == arg || *arg == '-' || value > 86400UL * 365 )
        return 0;
    return (unsigned int)value;
}

static int set_comm(struct options *o, const char *name)
{
    if ( !*name || strlen(name) >= sizeof(o->comm) )
        return complain(LAT_USAGE, "--comm '%s': a process name has 1 to %zu "
                        "characters", name, sizeof(o->comm) - 1);
    strcpy(o->comm, name);
    return LAT_OK;
}

static int comm_of(struct options *o)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/comm", o->pid);
    f = fopen(path, "r");
    if ( !f )
        return complain(LAT_USAGE, "--pid %d: no such process", o->pid);
    if ( !fgets(o->comm, sizeof(o->comm), f) )
        o->comm[0] = '\0';
    fclose(f);
    o->comm[strcspn(o->comm, "\n")] = '\0';
    return LAT_OK;
}

static int take_option(struct options *o, int option)
{
    switch ( option )
    {
    case 'c':
        return set_comm(o, optarg);
    case 'p':
        o->pid = (int)positive(optarg);
        return o->pid ? LAT_OK
                      : complain(LAT_USAGE, "--pid '%s': not a number", optarg);
    case 'd':
        o->seconds = positive(optarg);
        return o->seconds ? LAT_OK
                          : complain(LAT_USAGE, "--duration '%s': expected "
                                     "seconds, 1 or more", optarg);
    case 'o':
        o->json = !strcmp(optarg, "json");
        return o->json || !strcmp(optarg, "text")
               ? LAT_OK : complain(LAT_USAGE, "-o '%s': text or json", optarg);
    case 'b':
        o->btf = optarg;
        return LAT_OK;
    case 'h':
        help();
        exit(LAT_OK);
    default:
        return complain(LAT_USAGE, "--help shows the options");
    }
}

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        { "comm", required_argument, NULL, 'c' },
        { "pid", required_argument, NULL, 'p' },
        { "duration", required_argument, NULL, 'd' },
        { "output", required_argument, NULL, 'o' },
        { "btf", required_argument, NULL, 'b' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };
    int option, rc = LAT_OK;

    memset(o, 0, sizeof(*o));
    while ( !rc && (option = getopt_long(argc, argv, "o:h", names, NULL)) != -1 )
        rc = take_option(o, option);
    if ( !rc && optind < argc )
        rc = complain(LAT_USAGE, "'%s': no such argument", argv[optind]);
    if ( !rc && o->pid && !o->comm[0] )
        rc = comm_of(o);
    if ( !rc && !o->comm[0] )
        strcpy(o->comm, "vmi-agent");
    return rc;
}

/* libbpf's own words go to the screen only when nothing works. */
static char last_words[512];

static int keep_words(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    if ( level == LIBBPF_WARN && !last_words[0] )
        vsnprintf(last_words, sizeof(last_words), fmt, ap);
    return 0;
}

static int cannot(const char *what, int err)
{
    last_words[strcspn(last_words, "\n")] = '\0';
    if ( err == EPERM || err == EACCES )
        return complain(LAT_PERMISSION, "%s: needs root (CAP_BPF and "
                        "CAP_PERFMON)", what);
    return complain(LAT_KERNEL, "%s: %s%s%s. A kernel with BPF and its types is "
                    "needed: /sys/kernel/btf/vmlinux, or --btf FILE", what,
                    strerror(err), last_words[0] ? ": " : "", last_words);
}

static int load(const struct options *o, struct latency_bpf **out)
{
    LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = o->btf);
    struct latency_bpf *bpf;
    int err;

    libbpf_set_print(keep_words);
    bpf = latency_bpf__open_opts(&opts);
    if ( !bpf )
        return cannot("opening the BPF programs", errno);

    snprintf(bpf->rodata->wanted, sizeof(bpf->rodata->wanted), "evtchn:%s",
             o->comm);
    bpf->rodata->wanted_tgid = o->pid;
    bpf->rodata->ioctl_number = __NR_ioctl;
    bpf->rodata->notify_request = IOCTL_EVTCHN_NOTIFY;

    err = latency_bpf__load(bpf);
    if ( !err )
        err = latency_bpf__attach(bpf);
    if ( err )
    {
        latency_bpf__destroy(bpf);
        return cannot("loading the BPF programs", -err);
    }

    *out = bpf;
    return LAT_OK;
}

static void measure(const struct options *o, const sigset_t *until)
{
    const struct timespec limit = { .tv_sec = o->seconds };
    int rc;

    do
        rc = sigtimedwait(until, NULL, o->seconds ? &limit : NULL);
    while ( rc < 0 && errno == EINTR );
}

/* Upper end of the slot below which `percent` of the times lie. */
static unsigned long long percentile(const struct latency_histogram *h,
                                     unsigned int percent)
{
    unsigned long long seen = 0;
    unsigned int i;

    for ( i = 0; i < LATENCY_SLOTS; i++ )
    {
        seen += h->slot[i];
        if ( h->count && seen * 100 >= h->count * percent )
            return 2ULL << i;
    }
    return 0;
}

static void print_stage(const char *name, const struct latency_histogram *h)
{
    unsigned long long most = 1;
    unsigned int i, first = LATENCY_SLOTS, last = 0;

    printf("\n%s: %llu", name, h->count);
    if ( !h->count )
    {
        puts("");
        return;
    }
    printf(", mean %llu ns, half below %llu ns, 99 %% below %llu ns, largest "
           "%llu ns\n", h->sum / h->count, percentile(h, 50),
           percentile(h, 99), h->largest);

    for ( i = 0; i < LATENCY_SLOTS; i++ )
        if ( h->slot[i] )
        {
            if ( i < first )
                first = i;
            last = i;
            if ( h->slot[i] > most )
                most = h->slot[i];
        }
    for ( i = first; i <= last; i++ )
    {
        int bar = (int)(h->slot[i] * 40 / most);

        printf("%14llu ns %10llu %.*s\n", 1ULL << i, h->slot[i], bar,
               "****************************************");
    }
}

static struct json_object *stage_json(const struct latency_histogram *h)
{
    struct json_object *o = json_object_new_object();
    struct json_object *slots = json_object_new_array();
    unsigned int i;

    json_object_object_add(o, "count", json_object_new_uint64(h->count));
    json_object_object_add(o, "sum_ns", json_object_new_uint64(h->sum));
    json_object_object_add(o, "largest_ns", json_object_new_uint64(h->largest));
    for ( i = 0; i < LATENCY_SLOTS; i++ )
        json_object_array_add(slots, json_object_new_uint64(h->slot[i]));
    json_object_object_add(o, "log2_ns", slots);
    return o;
}

static void report_json(const struct options *o, const struct latency_bpf *bpf)
{
    const struct latency_counters *c = &bpf->bss->counters;
    struct json_object *all = json_object_new_object();
    unsigned int i;

    json_object_object_add(all, "type", json_object_new_string("latency"));
    json_object_object_add(all, "comm", json_object_new_string(o->comm));
    json_object_object_add(all, "interrupts",
                           json_object_new_uint64(c->interrupts));
    json_object_object_add(all, "unwoken", json_object_new_uint64(c->unwoken));
    json_object_object_add(all, "answers", json_object_new_uint64(c->answers));
    for ( i = 0; i < LATENCY_STAGES; i++ )
        json_object_object_add(all, stage_keys[i],
                               stage_json(&bpf->bss->histogram[i]));
    puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN));
    json_object_put(all);
}

static void report_text(const struct options *o, const struct latency_bpf *bpf)
{
    const struct latency_counters *c = &bpf->bss->counters;
    unsigned int i;

    printf("interrupts of evtchn:%s: %llu, of which %llu found nobody asleep; "
           "answers: %llu\n", o->comm, c->interrupts, c->unwoken, c->answers);
    for ( i = 0; i < LATENCY_STAGES; i++ )
        print_stage(stage_names[i], &bpf->bss->histogram[i]);
}

int main(int argc, char **argv)
{
    struct latency_bpf *bpf = NULL;
    struct options o;
    sigset_t until;
    int rc = parse(argc, argv, &o);

    /* Before the programs are there, so that an early signal is not lost. */
    sigemptyset(&until);
    sigaddset(&until, SIGINT);
    sigaddset(&until, SIGTERM);
    sigprocmask(SIG_BLOCK, &until, NULL);

    if ( !rc )
        rc = load(&o, &bpf);
    if ( rc )
        return rc;

    if ( !o.json )
    {
        printf("# measuring agents named %s\n", o.comm);
        fflush(stdout);
    }
    measure(&o, &until);
    latency_bpf__detach(bpf);

    if ( o.json )
        report_json(&o, bpf);
    else
        report_text(&o, bpf);
    if ( !bpf->bss->counters.interrupts )
        rc = complain(LAT_NOTHING, "no interrupt named evtchn:%s was seen: is "
                      "an agent of that name at work? /proc/interrupts has "
                      "the names", o.comm);
    latency_bpf__destroy(bpf);
    if ( fflush(stdout) )
        rc = LAT_INTERNAL;
    return rc;
}
