/* SPDX-License-Identifier: MIT */
/*
 * --filter: which events are printed and captured.  libpcap compiles it, over
 * the packet that the event would be in a capture (vmiring_capture.h); names
 * stand for the places in that packet.
 */
#ifndef AGENT_FILTER_H
#define AGENT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filter;

/* NULL and a message in err. */
struct filter *filter_compile(const char *text, char *err, size_t size);
void filter_free(struct filter *f);
/* NULL lets all pass. */
bool filter_match(const struct filter *f, const uint8_t *packet, size_t size);
/* What libpcap gets to see; the caller frees it.  NULL and a message. */
char *filter_translate(const char *text, char *err, size_t size);

#endif /* AGENT_FILTER_H */
