/* SPDX-License-Identifier: GPL-2.0-only */
/* The simulated host's side of libvmi-ring/src/sim_proto.h. */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "sim.h"

#include "../../libvmi-ring/src/sim_proto.h"

#define MAX_BINDINGS    256U
#define MAX_PAUSES      64U

/* A port of a client's, and the thread that carries out its kicks. */
struct kicker {
    struct sim_binding *binding;
    int kick;               /* eventfd that the client writes */
    int stop;               /* eventfd that ends the thread */
    pthread_t thread;
    domid_t domid;
};

/* One connection: a process's set of handles. */
struct conn {
    int fd;
    struct list_head list;  /* of all connections */
    pthread_mutex_t mutex;  /* held while a request is in work */
    bool ended;             /* the client has gone, and its handles with it */
    bool greeted;
    bool watching;          /* is told when domains come and go */
    bool restricted;
    domid_t restricted_to;
    char name[64];
    struct kicker *kicker[MAX_BINDINGS];
    struct {
        domid_t domid;
        unsigned int nr;
    } pause[MAX_PAUSES];

    /* The request in work and its reply. */
    struct simp_req req;
    struct simp_rep rep;
    uint8_t in[2 * SIMP_BUF_MAX];
    uint8_t out[2 * SIMP_BUF_MAX];
    int fds[SIMP_FDS_MAX];  /* not the reply's to close */
};

/* Which ABIs are offered: SIMP_HAS_*. */
extern uint32_t server_offers;

/* Serves one connection until it ends, and gives back all but fd. */
void serve(int fd);

/* Tells every connection that watches: domains came or went. */
void server_domains_changed(void);

/*
 * Handlers: fill rep.val, rep.data_size, out and fds, and return rc.  d is the
 * domain of the request, held, or NULL where the op has none.
 */
int op_list(struct conn *c, struct domain *d);
int op_dominfo(struct conn *c, struct domain *d);
int op_watch(struct conn *c, struct domain *d);
int op_dm_op(struct conn *c, struct domain *d);
int op_map_resource(struct conn *c, struct domain *d);
int op_bind(struct conn *c, struct domain *d);
int op_unbind(struct conn *c, struct domain *d);
int op_read_phys(struct conn *c, struct domain *d);
int op_write_phys(struct conn *c, struct domain *d);
int op_pause(struct conn *c, struct domain *d);
int op_unpause(struct conn *c, struct domain *d);
int op_legacy_version(struct conn *c, struct domain *d);
int op_legacy_enable(struct conn *c, struct domain *d);
int op_legacy_disable(struct conn *c, struct domain *d);
int op_legacy_resume(struct conn *c, struct domain *d);
int op_legacy_monitor(struct conn *c, struct domain *d);
int op_legacy_capabilities(struct conn *c, struct domain *d);
int op_legacy_access_set(struct conn *c, struct domain *d);
int op_legacy_access_get(struct conn *c, struct domain *d);

/* Gives back all ports and pauses of a connection that has ended. */
void ops_end(struct conn *c);

#endif
