/* SPDX-License-Identifier: MIT */
/*
 * --self-test-privilege: what this very process can do to another domain, with
 * the handles that it really holds, before and after it has confined itself.
 * The confinement is the one of production, on the same path.
 */
#ifndef AGENT_SELFTEST_H
#define AGENT_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SELFTEST_FDS 32

struct selftest {
    uint32_t own, other;
    bool has_port;
    uint32_t port;           /* of other, unbound and meant for this domain */
    const char *violate;     /* a name of selftest_violate()'s, or NULL */
    unsigned int nr_fds;
    struct { int fd; bool evtchn; } fds[SELFTEST_FDS];
};

/*
 * Parses "DOMID[,port=PORT][,violate=CALL]".  The argument is changed and stays
 * in use.  -1: a message is on err.
 */
int selftest_parse(struct selftest *t, char *arg, FILE *err);

/*
 * Finds the handles.  own: the domain that is watched, for comparison: what is
 * refused for the other must work for this one.  -1: there are none.
 */
int selftest_begin(struct selftest *t, uint32_t own);

/*
 * Tries everything and prints a line each:
 *   self-test STAGE HANDLE domain N ATTEMPT: ok | ERRNO
 * hypercalls, binds: also these, which the system call filter may end the
 * process for.
 */
void selftest_attempts(const struct selftest *t, const char *stage,
                       bool hypercalls, bool binds, FILE *out);

/* Makes the forbidden call; comes back only if nothing stopped it. */
void selftest_violate(const struct selftest *t, FILE *out);

#endif /* AGENT_SELFTEST_H */
