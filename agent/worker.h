/* SPDX-License-Identifier: MIT */
/*
 * One domain's agent as a process of its own, started by the supervisor
 * (supervisor.c).  It is forked before anything of the domain is opened: it
 * opens its handles by itself, restricts them, and drops its privileges, as
 * an agent does that was started by hand.
 */
#ifndef AGENT_WORKER_H
#define AGENT_WORKER_H

#include <sys/types.h>

#include "cli.h"

struct worker_pipes {
    int out, err;            /* what it prints, to be read; non-blocking */
};

/*
 * Starts an agent with the options of cfg for that domain, and with files of
 * its own (worker_file()).  Returns its process id, or -1 and errno.  The
 * caller owns the pipes.
 */
pid_t worker_start(const struct config *cfg, uint32_t domid, const char *uuid,
                   bool reattach, struct worker_pipes *pipes);

/*
 * The name of a file of one domain: the mark WORKER_FILE_MARK (cli.h) becomes
 * its UUID, or domid-N if it has none.  The caller frees it; NULL: no memory.
 */
char *worker_file(const char *pattern, const char *uuid, uint32_t domid);

/*
 * In the worker: asks the kernel for SIGTERM when its parent ends.  Giving up
 * root undoes that, so it is called once more afterwards.  -1: the parent has
 * ended already.
 */
int worker_tie(pid_t parent);

#endif /* AGENT_WORKER_H */
