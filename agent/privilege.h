/* SPDX-License-Identifier: MIT */
/* Giving up what is not needed to receive and answer. */
#ifndef AGENT_PRIVILEGE_H
#define AGENT_PRIVILEGE_H

#include <stdio.h>

#include <sys/types.h>

#include "vmiring.h"

/* The user that root becomes. */
void privilege_user(uid_t *uid, gid_t *gid);

/*
 * Restricts h to its domain, becomes an unprivileged user when root, drops all
 * capabilities, and makes sure that none comes back.  What cannot be
 * restricted is said on err and is no failure.  -1: a message is on err.
 */
int privilege_drop(vmiring *h, FILE *err);

#endif /* AGENT_PRIVILEGE_H */
