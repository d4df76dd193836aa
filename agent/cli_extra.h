/* SPDX-License-Identifier: MIT */
/* Options about files, filters and rules; cli.c has the rest. */
#ifndef AGENT_CLI_EXTRA_H
#define AGENT_CLI_EXTRA_H

#include <getopt.h>
#include <stdio.h>

#include "cli.h"

enum {
    OPT_ROTATE = 512, OPT_FILTER, OPT_STATS, OPT_METRICS, OPT_RATE, OPT_GUARD,
    OPT_LOG
};

#define CLI_EXTRA_SHORT "w:r:"
#define CLI_EXTRA_LONG \
    { "write", required_argument, NULL, 'w' }, \
    { "read", required_argument, NULL, 'r' }, \
    { "rotate", required_argument, NULL, OPT_ROTATE }, \
    { "filter", required_argument, NULL, OPT_FILTER }, \
    { "stats-interval", required_argument, NULL, OPT_STATS }, \
    { "metrics", required_argument, NULL, OPT_METRICS }, \
    { "rate-limit", required_argument, NULL, OPT_RATE }, \
    { "guard", required_argument, NULL, OPT_GUARD }, \
    { "output-file", required_argument, NULL, OPT_LOG }

/* 0, -1 with a message on err, 1: not one of these. */
int cli_extra_option(struct config *cfg, int opt, const char *arg, FILE *err);
/* When all options are known. */
int cli_extra_check(struct config *cfg, FILE *err);
/* The option whose FILE would be the same for every domain; NULL: none. */
const char *cli_shared_file(const struct config *cfg);
void cli_extra_help(FILE *out);

#endif /* AGENT_CLI_EXTRA_H */
