/* SPDX-License-Identifier: MIT */
/* Shared by supervisor.c (domains, the whole) and member.c (one domain). */
#ifndef AGENT_SUPERVISOR_PRIVATE_H
#define AGENT_SUPERVISOR_PRIVATE_H

#include <systemd/sd-event.h>

#include "domains.h"
#include "identity.h"
#include "lines.h"
#include "output.h"
#include "supervisor.h"

struct supervisor;

/* A domain that is watched, or was. */
struct member {
    struct member *next;
    struct supervisor *sup;
    uint32_t domid;
    char name[64];
    char uuid[DOMAIN_UUID_LEN + 1];
    char text_mark[160], json_mark[LINES_MARK];
    pid_t pid;               /* of its worker; 0: none runs */
    sd_event_source *child, *retry, *out_source, *err_source;
    struct lines out, err;
    uint64_t started;        /* us */
    unsigned int failures;   /* in a row */
    int status;              /* of the worker that has ended */
    bool reattach;           /* the next worker finds a channel held */
    bool listed;             /* the host has this domain */
    bool left;               /* no more workers */
    bool told_left;
    char end[48];            /* how the last worker ended */
};

struct sup_stream {
    struct supervisor *sup;
    struct output out;
    sd_event_source *writable;
};

struct supervisor {
    const struct config *cfg;
    struct identity id;      /* of the host */
    bool json;
    sd_event *loop;
    sd_event_source *watch, *tidy, *again;
    unsigned int failures;   /* to list domains, in a row */
    struct domwatch *domains;
    struct sup_stream out, err;
    struct member *members;
    bool stopping;
    enum exit_code exit_code;
    uint64_t seen, restarts, bad_lines;
};

/* supervisor.c */

void sup_line(struct sup_stream *st, const char *line);
/* Is there room for any line? */
bool sup_room(const struct sup_stream *st);
void sup_tell(struct supervisor *sup, const struct member *m, const char *what,
              const char *detail);
void sup_stop(struct supervisor *sup, enum exit_code code);
/* Starts and forgets members as the host's list of domains says. */
void sup_look(struct supervisor *sup);
/* Its worker has ended and all that it wrote was passed on. */
void member_ended(struct member *m, int code);
/* Its worker is started again, later; m->end says why. */
void member_retry(struct member *m);

/* member.c */

/* Adds one and starts its worker.  NULL: no memory. */
struct member *member_new(struct supervisor *sup,
                          const struct domain_entry *d);
void member_free(struct member *m);
void member_start(struct member *m);
void member_signal(struct member *m, int sig);
/* Goes on to read what it had no room for. */
void member_resume(struct member *m);

#endif /* AGENT_SUPERVISOR_PRIVATE_H */
