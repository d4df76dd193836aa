/* SPDX-License-Identifier: MIT */
/* The system calls that are left once everything is open. */
#ifndef AGENT_CONFINE_H
#define AGENT_CONFINE_H

#include <stdbool.h>
#include <stdio.h>

/*
 * From now on any other system call ends the process (with an audit record;
 * Xen's policy then frees the guest).  Everything that loads or opens
 * something on first use must have been used before.  legacy: hypercalls of
 * every kind stay possible, because that ABI has no other way.
 * -1: a message is on err.
 */
int confine_syscalls(bool legacy, FILE *err);

#endif /* AGENT_CONFINE_H */
