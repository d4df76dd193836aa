/* SPDX-License-Identifier: MIT */
/* What only a simulated host has. */
#ifndef VMIRING_SIM_HOST_H
#define VMIRING_SIM_HOST_H

#include "host.h"
#include "sim_proto.h"

/* ESRCH: no such domain. */
int sim_dominfo(struct host *host, uint32_t domid, struct simp_domain *d);
/* Domains from first on; returns how many of nr were filled. */
/* The connection, taken out of host, which is closed; -1 and errno. */
int sim_watch(struct host *host);

int sim_list(struct host *host, uint32_t first, uint32_t nr,
             struct simp_domain *out);

#endif /* VMIRING_SIM_HOST_H */
