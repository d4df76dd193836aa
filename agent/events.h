/* SPDX-License-Identifier: MIT */
/* The kinds of events that -e can name, and the parser of its argument. */
#ifndef AGENT_EVENTS_H
#define AGENT_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmiring.h"

/* How Xen can deliver a kind. */
enum event_mode { MODE_SYNC_ONLY, MODE_EITHER };

/* How a kind is switched on. */
enum event_way {
    WAY_SUBSCRIBE,
    WAY_PAGES,               /* by reducing the access rights of pages */
    WAY_ANSWERS              /* each answer asks for the next one */
};

struct event_kind {
    const char *name;
    uint32_t reason;        /* VMIRING_* */
    uint32_t index;         /* WRITE_CTRLREG */
    enum event_mode mode;
    bool sync;              /* unless :async or :sync says otherwise */
    bool by_default;        /* without -e */
    enum event_way way;
    bool needs_regs;        /* the right answer sets registers */
    const char *text;       /* for --help */
};

/* The table ends with a NULL name. */
extern const struct event_kind event_kinds[];

struct event_choice {
    const struct event_kind *kind;
    bool sync;
    uint32_t msr;           /* MOV_TO_MSR */
    uint64_t gfn, nr;       /* MEM_ACCESS: pages [gfn, gfn + nr) ... */
    uint32_t access;        /* ... and what stays allowed, VMIRING_ACCESS_* */
    bool onchange;          /* control registers, MSRs: not if it stays the same */
    bool user;              /* guest requests: from user mode, too */
    uint64_t mask;          /* control registers: not if only these bits change */
};

#define EVENTS_MAX 64
#define EVENT_NAME_MAX 64

struct event_list {
    unsigned int nr;
    bool explicit;          /* chosen by -e: one that fails is an error */
    struct event_choice item[EVENTS_MAX];
};

void events_default(struct event_list *list);

/*
 * Parses "cr3:sync,msr=c0000082,mem=800-8ff/rx,..." into the list, which is
 * replaced.  On failure -1 and a message in err.
 */
int events_parse(struct event_list *list, const char *arg, char *err,
                 size_t err_size);

bool events_have(const struct event_list *list, uint32_t reason);
void event_choice_name(const struct event_choice *c, char *buf, size_t size);
void event_subscription(const struct event_choice *c, uint8_t regs,
                        struct vmiring_subscription *s);

#endif /* AGENT_EVENTS_H */
