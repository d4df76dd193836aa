/* SPDX-License-Identifier: MIT */
/* State of the legacy engine, shared by legacy.c and legacy_convert.c. */
#ifndef VMIRING_LEGACY_H
#define VMIRING_LEGACY_H

#include <stdint.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/vm_event.h>

#include "private.h"

/* As many as fit a page; checked against the computed number. */
#define LEGACY_ENTRIES_MAX 8U

/* Largest payload and all registers, as of the internal event. */
#define LEGACY_BODY (VMEV2_PAYLOAD_MAX + VMEV2_REGS_X86_ALL_SIZE)

/* A sync request that waits for its answer; handle 0: free. */
struct outstanding {
    uint64_t handle;
    vm_event_request_t req;
};

struct legacy {
    struct legacy_host *host;
    vm_event_sring_t SHARED *ring;
    uint32_t entries;

    /* Ours; the page is not asked for them. */
    uint32_t req_cons;
    uint32_t rsp_prod;
    uint32_t limit;         /* req_prod when we last looked */

    uint64_t *seq;          /* events seen, per vCPU */
    uint64_t last_handle;
    struct outstanding out[LEGACY_ENTRIES_MAX];
    bool writes_deferred;

    int timer_fd;
    uint32_t domain;        /* VMEV2_DOMAIN_*, as asked for last */
    uint32_t domain_told;
    uint32_t shutdown_code;
};

/* Returns NULL, or the name of the field that is wrong. */
const char *legacy_convert(struct event *e, const vm_event_request_t *req,
                           uint32_t nr_vcpus);
void legacy_set_regs(vm_event_response_t *rsp, const uint64_t regs[18]);

/* legacy_control.c */
void legacy_offers(vmiring *h);
int legacy_monitor(vmiring *h, const struct vmiring_subscription *s,
                   bool enable);
int legacy_mem_option(vmiring *h, uint32_t option, bool on);
int legacy_set_access(vmiring *h, uint64_t first, uint64_t nr, uint8_t access);
int legacy_get_access(vmiring *h, uint64_t gfn, uint8_t *access);
int legacy_set_access_list(vmiring *h, const uint64_t *gfns, const uint8_t *access,
                           size_t nr, size_t *done);

#endif /* VMIRING_LEGACY_H */
