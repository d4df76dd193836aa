/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SCHED_AGENT_LEGACY_H
#define SCHED_AGENT_LEGACY_H

struct legacy_host;

/* For vmiring_open_on(), which owns it from then on. */
struct legacy_host *agent_legacy_host(uint32_t nr_vcpus);

#endif
