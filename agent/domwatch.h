/* SPDX-License-Identifier: MIT */
/* Being told when domains come and go; domains_list() says which there are. */
#ifndef AGENT_DOMWATCH_H
#define AGENT_DOMWATCH_H

struct domwatch;

/*
 * sim: the socket of vmi-sim, or NULL for this host's xenstore.
 * NULL and errno as domains_list().
 */
struct domwatch *domwatch_open(const char *sim);

/* Readable: something may have changed.  Then domwatch_drain(). */
int domwatch_fd(const struct domwatch *dw);

/* Takes what is there.  -1: nothing will come any more. */
int domwatch_drain(struct domwatch *dw);

void domwatch_close(struct domwatch *dw);

#endif /* AGENT_DOMWATCH_H */
