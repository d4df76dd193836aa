/* SPDX-License-Identifier: MIT */
/* Which domains there are, and what they are called. */
#ifndef AGENT_DOMAINS_H
#define AGENT_DOMAINS_H

#include <stdint.h>

#define DOMAIN_UUID_LEN 36

struct domain_entry {
    uint32_t domid;
    char uuid[DOMAIN_UUID_LEN + 1];  /* "" where it has none */
    char name[64];           /* "" where it has none */
};

struct domain_list {
    unsigned int nr;
    struct domain_entry *entry;
};

/*
 * sim: the socket of vmi-sim, or NULL for this host's xenstore.
 * -1 and errno: ENOSYS no Xen here, EACCES no permission, ENOMEM.
 */
int domains_list(const char *sim, struct domain_list *list);
void domains_free(struct domain_list *list);

/* 0, or -1 and errno as above, ENOENT no such name, EMLINK more than one. */
int domains_find(const char *sim, const char *name, uint32_t *domid);

/* What such an errno means, in words; right after the failure. */
const char *domains_error(const char *sim, int err);

/* "" where it is not known. */
void domains_name(const char *sim, uint32_t domid, char *name,
                  unsigned int size);

/* Zeros where it is not known. */
void domains_uuid(const char *sim, uint32_t domid, uint8_t uuid[16]);

#endif /* AGENT_DOMAINS_H */
