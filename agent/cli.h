/* SPDX-License-Identifier: MIT */
/* The command line, turned into one struct. */
#ifndef AGENT_CLI_H
#define AGENT_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "events.h"
#include "exitcode.h"

enum command {
    CMD_WATCH, CMD_LIST, CMD_STATUS, CMD_RELEASE, CMD_PROBE, CMD_VERSION,
    CMD_HELP
};

enum format { FORMAT_AUTO, FORMAT_TEXT, FORMAT_JSON, FORMAT_JOURNAL };

/* Writes that --deny refuses. */
#define DENY_CR0 (1U << VMIRING_CR0)
#define DENY_CR3 (1U << VMIRING_CR3)
#define DENY_CR4 (1U << VMIRING_CR4)
#define DENY_MSR (1U << 31)

struct config {
    enum command command;
    enum format format;
    bool have_domid;
    uint32_t domid;
    const char *name;        /* a pattern of fnmatch(3): see supervisor.h */
    bool all;
    uint32_t abi;            /* enum vmiring_abi */
    const char *sim;         /* NULL: the Xen of this host */
    struct event_list events;
    uint64_t duration_us;    /* 0: for ever */
    uint64_t count;          /* 0: for ever */
    uint32_t ring_bytes;     /* 0: the library's choice */
    bool split_rings;
    uint8_t regs;            /* VMIRING_REGS_* */
    unsigned int batch;      /* 0: chosen by main */
    unsigned int batch_sleep_ms;
    unsigned int spin_us;
    bool reply;
    bool rearm;              /* watch opened pages again */
    uint32_t deny;           /* DENY_* */
    uint32_t on_death;       /* enum vmiring_death */
    uint32_t deadline_ms;
    bool deadline_deny;
    uint32_t on_deadline;    /* enum vmiring_deadline */
    bool reattach;
    bool takeover;
    bool per_vcpu;
    bool privileged;
    pid_t parent;            /* in a worker: the supervisor; else 0 */
    char *self_test;         /* of --self-test-privilege, or NULL */
    bool quiet;
    bool no_disasm;
    const char *write_file, *read_file;
    uint64_t rotate_bytes;   /* 0: never */
    unsigned int rotate_keep;
    const char *filter, *rate_limit, *guard_file;
    const char *log_file, *metrics_file;
    unsigned int stats_interval;  /* seconds; 0: never */
};

/* In the name of a file, with --all: the domain's UUID. */
#define WORKER_FILE_MARK "%u"

/* EXIT_OK, or EXIT_USAGE with a message on err. */
enum exit_code cli_parse(int argc, char **argv, struct config *cfg, FILE *err);

void cli_help(FILE *out);

/* Where --sim without an argument looks for vmi-sim; the same in vmi-sim. */
const char *cli_default_socket(void);

#endif /* AGENT_CLI_H */
