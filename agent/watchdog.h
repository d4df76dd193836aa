/* SPDX-License-Identifier: MIT */
/*
 * The service manager's watchdog.  It is fed by what the agent is there for, no
 * request of the guest waiting, and not by a loop that turns.
 */
#ifndef AGENT_WATCHDOG_H
#define AGENT_WATCHDOG_H

#include "watch_private.h"

/* Looks four times in WATCHDOG_USEC, if that is set.  A negative errno. */
int watchdog_watch(struct watch *w);
void watchdog_free(struct watch *w);

#endif /* AGENT_WATCHDOG_H */
