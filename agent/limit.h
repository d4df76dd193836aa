/* SPDX-License-Identifier: MIT */
/*
 * --rate-limit: how many events of one type are printed per second of event
 * time.  What is above is counted, and told once that second is over.
 */
#ifndef AGENT_LIMIT_H
#define AGENT_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMIT_REASONS 32U

struct limit {
    uint32_t per_second[LIMIT_REASONS];  /* 0: no limit */
    uint64_t second[LIMIT_REASONS];      /* its end; 0: none yet */
    uint32_t printed[LIMIT_REASONS];
    uint64_t held_back[LIMIT_REASONS];   /* in that second */
};

/* "100" or "cpuid=10,write-ctrlreg=1000".  -1 and a message. */
int limit_parse(struct limit *l, const char *text, char *err, size_t size);

/* Whether to print it; *told is then what was held back since the last one. */
bool limit_pass(struct limit *l, uint32_t reason, uint64_t time,
                uint64_t *told);

#endif /* AGENT_LIMIT_H */
