/* SPDX-License-Identifier: MIT */
/*
 * --all and --name with a pattern: one restricted process per domain, started
 * when the domain appears and started again when it fails.
 *
 * The supervisor keeps root, since it has to start processes that open Xen's
 * handles; it never opens one itself, and reads nothing of a guest's but the
 * lines that the workers print.
 */
#ifndef AGENT_SUPERVISOR_H
#define AGENT_SUPERVISOR_H

#include "cli.h"

/* Do these options ask for it? */
bool supervisor_wanted(const struct config *cfg);

enum exit_code supervisor_run(const struct config *cfg);

#endif /* AGENT_SUPERVISOR_H */
