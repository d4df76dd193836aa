/* SPDX-License-Identifier: MIT */
/* Counts in the text format of Prometheus. */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include "print.h"
#include "watch_private.h"

/* The caller frees it; NULL: out of memory. */
char *metrics_text(const struct watch *w, const struct print_totals *t);

#endif /* AGENT_METRICS_H */
