/* SPDX-License-Identifier: MIT */
/*
 * Watched pages of a host that cannot emulate an access (Arm), and --rearm.
 *
 * There a page gets all its rights back so that the instruction can be made
 * again.  With --rearm it is watched again from the next event of the same
 * vCPU on; so is a page that Xen opened by itself (n2rwx, rx2rw).  Accesses in
 * between are not seen.  An instruction may need several pages at once: those
 * that it ran into stay open, up to four, while the vCPU does not get past it.
 */
#ifndef AGENT_PAGES_H
#define AGENT_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "events.h"

struct pages;

/* list stays the caller's.  lift: open a page that a sync event is about. */
struct pages *pages_open(vmiring *h, const struct event_list *list,
                         uint32_t nr_vcpus, bool lift, bool rearm);
void pages_close(struct pages *p);

/*
 * To be called for each event in order: before it is answered what the vCPU left
 * is watched again, and after that the page that it ran into is opened, which
 * tells Xen of the answer as well.  -1: a page could not be changed;
 * vmiring_error() says why.
 */
int pages_event(struct pages *p, const struct vmiring_event *ev);
int pages_answered(struct pages *p, const struct vmiring_event *ev);

#endif /* AGENT_PAGES_H */
