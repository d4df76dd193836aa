/* SPDX-License-Identifier: MIT */
/*
 * The Xen side of a legacy ring in the test's process.  A request that finds
 * the ring full is kept and put in later, as a vCPU that sleeps in Xen, or its
 * stash, would do.
 */
#ifndef TEST_UNIT_FAKE_RING_H
#define TEST_UNIT_FAKE_RING_H

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fake.h"
#include "legacy.h"

#define ENTRIES 8U
#define VCPUS   12U

struct ring {
    struct legacy_host lh;
    vm_event_sring_t *page;
    uint32_t req_prod;      /* private, as in Xen */
    uint32_t rsp_cons;
    unsigned int waiting[VCPUS];    /* requests without room, per vCPU */
    unsigned int paused[VCPUS];     /* sync requests without an answer */
    vm_event_response_t last[VCPUS];
    unsigned int answers;
    unsigned int bad_answers;
    bool deaf;                      /* takes no answers */

    bool enabled;
    int version;
    struct legacy_info info;
    int info_errno;
    unsigned int info_calls;
    int enable_errno;
    int monitor_errno;
    uint32_t mem_option;
    bool mem_on;
    unsigned int disable_busy;      /* how often disable fails with EBUSY */
    unsigned int disables;          /* that did not */
    unsigned int pauses;
    bool deferred;
    int defer_errno;
    struct legacy_monitor monitor;  /* as asked for last */
    unsigned int enabled_events;
    uint8_t access;
    int access_errno;           /* of pages from access_end on; 0: none */
    uint64_t access_end;
    bool closed;
};

/* Of the test that runs. */
extern struct fake *f;
extern struct ring *r;
extern vmiring *h;

void ring_make(void);
vmiring *ring_open(vmiring_options o);
/* Makes and opens; the other way round, with the checks of an orderly end. */
void ring_set_up(void);
void ring_tear_down(void);
int ring_subscribe(uint32_t reason, bool sync);

/* Where request index stands; whether there is room for one more. */
vm_event_request_t *ring_slot(struct ring *ring, uint32_t index);
bool ring_room(const struct ring *ring);
void ring_put(struct ring *ring, const vm_event_request_t *req);
/* A guest request of this vCPU; one without room waits. */
void ring_raise(struct ring *ring, uint32_t vcpu, bool sync);

#define LEGACY_TEST(name) \
    Test(legacy, name, .init = ring_set_up, .fini = ring_tear_down)

#endif /* TEST_UNIT_FAKE_RING_H */
