/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "supervisor.h"
#include "watch.h"

/* What is opened next must not become our output. */
static int fill_standard_fds(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while ( fd >= 0 && fd <= STDERR_FILENO );
    if ( fd < 0 )
        return -1;
    return close(fd);
}

static enum exit_code run(const struct config *cfg)
{
    switch ( cfg->command )
    {
    case CMD_LIST:
        return command_list(cfg);
    case CMD_STATUS:
        return command_status(cfg);
    case CMD_RELEASE:
        return command_release(cfg);
    case CMD_PROBE:
        return command_probe(cfg);
    case CMD_VERSION:
        return command_version();
    case CMD_HELP:
        cli_help(stdout);
        return EXIT_OK;
    case CMD_WATCH:
        break;
    }
    return supervisor_wanted(cfg) ? supervisor_run(cfg) : watch_run(cfg);
}

int main(int argc, char **argv)
{
    struct config cfg;
    enum exit_code code;

    if ( fill_standard_fds() )
        return EXIT_INTERNAL;
    code = cli_parse(argc, argv, &cfg, stderr);
    if ( code )
        return code;
    if ( cfg.format == FORMAT_AUTO )
        cfg.format = isatty(STDOUT_FILENO) ? FORMAT_TEXT : FORMAT_JSON;
    code = run(&cfg);
    if ( !code && fflush(stdout) )
        code = EXIT_INTERNAL;
    return code;
}
