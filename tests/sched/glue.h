/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the library's side (agent.c), which knows its private headers, and
 * the hypervisor's (the other files), which know Xen's.
 */
#ifndef SCHED_GLUE_H
#define SCHED_GLUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SCHED_VCPUS 4U          /* at most */
#define SCHED_KEY   0x5a5aa5a5U /* what an answer changes in rdi */

/* What a guest's registers hold at its n-th event, from rdi alone. */
static inline uint64_t sched_token(uint32_t vcpu, uint32_t n)
{
    return ((uint64_t)(vcpu + 1) << 32) | n;
}

static inline uint64_t sched_mark(uint64_t token, unsigned int reg)
{
    return (token + reg) * 0x9e3779b97f4a7c15ULL;
}

static inline uint64_t sched_cr3(uint32_t vcpu, uint32_t n)
{
    return ((uint64_t)(vcpu + 1) << 36) | ((uint64_t)n << 12);
}

/* ---- glue.c: hypercalls and the like, 0 or -errno ---- */

struct glue_bell;

int glue_dm_op(uint32_t domid, void *buf0, size_t size0, void *buf1,
               size_t size1);
/* Where the frames of a resource are: a file, and an offset for each. */
int glue_acquire(uint32_t domid, uint32_t type, uint32_t id, uint64_t first,
                 uint64_t nr, int *fd, off_t *place);
int glue_bind(uint32_t domid, uint32_t port, struct glue_bell **bell);
void glue_unbind(struct glue_bell *bell);
void glue_kick(struct glue_bell *bell);
int glue_fd(const struct glue_bell *bell);
int glue_drain(struct glue_bell *bell);
/* The domctls of the legacy ABI; fd: of the ring's page. */
int glue_legacy_version(void);
int glue_legacy_enable(uint32_t domid, uint32_t *port, int *fd);
int glue_legacy_disable(uint32_t domid);
int glue_legacy_monitor(uint32_t domid, uint32_t event, bool enable, bool sync);
/* The toolstack's pause of a domain, or its end. */
int glue_pause(uint32_t domid, bool pause);
/* The calling thread acts for dom0 from now on. */
void glue_become_dom0(void);

/* ---- agent.c: an agent on the library ---- */

enum { AGENT_DETACH, AGENT_HOLD };

struct agent_wish {
    uint32_t domid;
    unsigned int nr_vcpus;
    unsigned int batch;         /* events at a time */
    uint32_t ring_bytes;
    bool split, hold, reattach, takeover;
    bool legacy;                /* the old ABI */
    bool strict;                /* sequence numbers are the guest's own */
    bool change;                /* answers change rdi */
    bool deaf;                  /* loses notifications, and looks unasked */
    unsigned int spin_us;       /* looks for so long before it sleeps, awake */
    unsigned int deadline_ms;   /* of an answer; 0: none */
    unsigned int kill_after;    /* points of its own; 0: lives */
};

struct sdk_agent {
    struct agent_wish wish;
    void *h;                    /* vmiring * */
    void *host;
    int err;                    /* errno that ended it; 0: none */
    bool killed;
    uint64_t next[SCHED_VCPUS]; /* sequence number expected; 0: any */
    uint64_t async[SCHED_VCPUS], lost[SCHED_VCPUS], sync[SCHED_VCPUS];
    uint64_t bells, kicks;
};

/* Opens and subscribes; false, and err, if that fails. */
bool agent_open(struct sdk_agent *a, const struct agent_wish *wish);
bool agent_subscribe(struct sdk_agent *a, bool sync_requests, bool async_cr3,
                     bool core);
bool agent_unsubscribe_sync(struct sdk_agent *a);
/* One receive and its answers: events, 0 when there is none, -1 with err. */
int agent_turn(struct sdk_agent *a);
/* Sleeps until there may be more. */
void agent_sleep(struct sdk_agent *a);
uint64_t agent_total(const struct sdk_agent *a);
void agent_close(struct sdk_agent *a);
bool agent_leave(struct sdk_agent *a);
/* The process's end, as the kernel carries it out: the port is closed. */
void agent_dies(struct sdk_agent *a);
/* One more kick of its doorbell, by whoever calls. */
void agent_kick(struct sdk_agent *a);
/* Makes it look again. */
void agent_nudge(struct sdk_agent *a);
/* After the run, of one that was killed: its process's memory. */
void agent_bury(struct sdk_agent *a);

#endif /* SCHED_GLUE_H */
