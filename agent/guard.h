/* SPDX-License-Identifier: MIT */
/*
 * --guard: rules about what no kernel does once it runs, for guests of which
 * nothing else is known.  A rule reports, or denies where Xen can hold the
 * write back; both print a line of their own.
 */
#ifndef AGENT_GUARD_H
#define AGENT_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "events.h"
#include "record.h"

enum guard_action { GUARD_OFF, GUARD_REPORT, GUARD_DENY };

struct guard;

/*
 * The built-in rules if path is "default", else those with what the file says
 * (docs/AGENT.md).  NULL and a message in err.
 */
struct guard *guard_load(const char *path, char *err, size_t size);
void guard_free(struct guard *g);

/*
 * Adds the events that the rules need, in the mode that they need.  -1 and a
 * message: there is no room, or the user asked for another mode.
 */
int guard_events(const struct guard *g, struct event_list *list, char *err,
                 size_t size);

/* From when on (event time) the rules for a booted system hold. */
void guard_start(struct guard *g, uint64_t now);

/* Whether this event's write is to be denied.  g may be NULL. */
bool guard_denies(const struct guard *g, const struct vmiring_event *ev);

/*
 * Calls emit for each rule that the event meets, once per event.  denied: the
 * answer "deny" was given and taken, without which no rule has denied anything.
 */
void guard_report(struct guard *g, const struct vmiring_event *ev, bool denied,
                  void (*emit)(void *ctx, const struct guard_hit *hit),
                  void *ctx);

/* One line per rule: name, default, what it says. */
void guard_help(FILE *out);

#endif /* AGENT_GUARD_H */
