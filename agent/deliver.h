/* SPDX-License-Identifier: MIT */
/*
 * What is done with an event once its vCPU has its answer: recorded, filtered,
 * captured, queued for printing.  The batch is still held.
 */
#ifndef AGENT_DELIVER_H
#define AGENT_DELIVER_H

#include "watch_private.h"

/* answer: as answer_build() says, rsp: the whole of it; both may be NULL. */
void deliver_event(struct watch *w, const struct vmiring_event *ev,
                   const char *answer, const struct vmiring_response *rsp);
/* What was held back and not told yet. */
void deliver_end(struct watch *w);

#endif /* AGENT_DELIVER_H */
