/* SPDX-License-Identifier: MIT */
/*
 * A vmi-sim of a test's own, and a way to look at its guests that has nothing
 * to do with the library under test: their own counters, in their memory.
 */
#ifndef SIMCTL_H
#define SIMCTL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../libvmi-ring/src/sim_proto.h"
#include "../xen/guest/layout.h"

struct sim {
    pid_t pid;
    int sock;               /* a client of our own */
    char dir[64];
    char path[96];
};

/* Starts vmi-sim with one domain (as its --domain takes it). */
void sim_start(struct sim *s, const char *domain);
/* A folder and a name in it for the socket; sim_start() makes them if need be. */
void sim_make_path(struct sim *s);
/* Ends it; returns its exit status: 0 only if Xen's memory came back. */
int sim_end(struct sim *s);

/* One request; aborts the test when the host does not answer as it must. */
int sim_call(struct sim *s, uint32_t op, uint32_t domid, const uint64_t arg[4],
             const void *data, uint32_t size, void *out, uint32_t room);
/* A packet as it is; returns the size of the reply, 0: connection closed. */
ssize_t sim_raw(struct sim *s, const void *packet, size_t size, void *reply,
                size_t room);
/* Connects anew, without HELLO. */
void sim_reconnect(struct sim *s);
void sim_hello(struct sim *s);

void sim_control(struct sim *s, uint32_t control);
/* The counters of one vCPU. */
void sim_counters(struct sim *s, unsigned int vcpu, struct guest_vcpu_block *b);
uint64_t sim_iterations(struct sim *s, unsigned int vcpus);
bool sim_all_done(struct sim *s, unsigned int vcpus);
/* Waits until the guests have made so many iterations in all. */
void sim_wait_iterations(struct sim *s, unsigned int vcpus, uint64_t n);
void sim_wait_done(struct sim *s, unsigned int vcpus);

/* Ends the test program: something that must not happen did. */
void fatal(const char *fmt, ...) __attribute__((__noreturn__,
                                                __format__(printf, 1, 2)));

#endif
