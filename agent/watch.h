/* SPDX-License-Identifier: MIT */
/* Watching a domain: everything from opening it to the last line. */
#ifndef AGENT_WATCH_H
#define AGENT_WATCH_H

#include "cli.h"

enum exit_code watch_run(const struct config *cfg);

#endif /* AGENT_WATCH_H */
