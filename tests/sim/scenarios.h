/* SPDX-License-Identifier: MIT */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "simctl.h"

#include <vmiring.h>

#define MAX_VCPUS 128

struct test {
    struct sim sim;
    bool legacy;
    unsigned int nr;            /* vCPUs */
    uint64_t events;            /* that each of them raises */
    uint64_t seen[MAX_VCPUS];   /* by the agent */
    uint64_t lost[MAX_VCPUS];   /* as the agent is told */
    unsigned int checks, failures;
};

extern struct test t;

bool check_(bool ok, const char *what, const char *file, int line);
void check_eq_(uint64_t a, uint64_t b, const char *what, const char *file,
               int line);
#define CHECK(cond)     check_(cond, #cond, __FILE__, __LINE__)
#define CHECK_EQ(a, b)  check_eq_(a, b, #a " == " #b, __FILE__, __LINE__)

/* The guest waits until it is told to run; more are options of vmi-sim's. */
void start_guest(const char *more);
void end_guest(void);

vmiring *open_agent(uint32_t flags, uint32_t ring_bytes, uint32_t on_death);
vmiring *must_open(uint32_t flags, uint32_t ring_bytes, uint32_t on_death);
void subscribe(vmiring *h, uint32_t reason, bool sync, uint8_t regs);
void answer_request(vmiring *h, const struct vmiring_event *ev);
int take_batch(vmiring *h, void (*each)(vmiring *h, const struct vmiring_event *));
void wait_events(vmiring *h);
struct vmiring_vcpu_info info_of(vmiring *h, unsigned int vcpu);
uint64_t total(const uint64_t *p);

void scenario_sync(void);
void scenario_async(void);
void scenario_split(void);
void scenario_mixed(void);
void scenario_end(void);
/* killed.c */
void scenario_killed(void);
void scenario_held(void);
/* protocol.c */
void scenario_protocol(void);
/* workers.c */
void scenario_workers(void);
/* cli.c */
void scenario_cli(void);

#endif
