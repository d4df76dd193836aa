/* SPDX-License-Identifier: MIT */
/* Whose events these are: what tells one line of a fleet from another. */
#ifndef AGENT_IDENTITY_H
#define AGENT_IDENTITY_H

#include <stdint.h>

#include "vmiring_capture.h"

struct identity {
    char host[65];
    char boot_id[40];        /* of the host: domids begin anew with it */
    char uuid[40];           /* of the domain; "" where it is not known */
    uint8_t uuid_bytes[16];
    uint32_t domid;
    struct vmiring_clock clock;
};

/* Of this host, and of no domain. */
void identity_of_host(struct identity *id);
/* Of this host and a domain of it.  sim as in domains.h. */
void identity_find(struct identity *id, const char *sim, uint32_t domid);
/* Of the host and the domain that a capture is of. */
void identity_of_capture(struct identity *id,
                         const struct vmiring_capture_info *info,
                         uint32_t domid);
/* Wall-clock ns since 1970 of an event's time. */
uint64_t identity_wall(const struct identity *id, uint64_t time);

#endif /* AGENT_IDENTITY_H */
