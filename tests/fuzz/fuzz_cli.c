/* SPDX-License-Identifier: MIT */
/* The agent's command line; words are separated by NULs or newlines. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "input.h"

#define WORDS 24

static FILE *nowhere;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    nowhere = fopen("/dev/null", "w");
    MUST(nowhere);

    return 0;
}

static void check(const struct config *cfg)
{
    MUST(cfg->events.nr <= EVENTS_MAX);
    for ( unsigned int i = 0; i < cfg->events.nr; i++ )
        MUST(cfg->events.item[i].kind && cfg->events.item[i].kind->name);
    MUST(cfg->domid <= 0x7fef);
    MUST(cfg->regs <= VMIRING_REGS_ALL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1), *argv[WORDS + 2], *at = line;
    struct config cfg;
    int argc = 1;

    MUST(line);
    if ( size )
        memcpy(line, data, size);
    line[size] = '\0';
    for ( size_t i = 0; i < size; i++ )
        if ( line[i] == '\n' )
            line[i] = '\0';

    argv[0] = "vmi-agent";
    while ( argc <= WORDS && at < line + size )
    {
        argv[argc++] = at;
        at += strlen(at) + 1;
    }
    argv[argc] = NULL;

    optind = 0;
    if ( cli_parse(argc, argv, &cfg, nowhere) == EXIT_OK )
        check(&cfg);
    free(line);

    return 0;
}
