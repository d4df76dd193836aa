/* SPDX-License-Identifier: MIT */
/*
 * What vmi-latency's BPF program measures and its reader prints. Times in ns.
 */
#ifndef VMI_LATENCY_H
#define VMI_LATENCY_H

enum latency_stage {
    LATENCY_IRQ_TO_WAKE,    /* event-channel interrupt to the wake-up of a thread */
    LATENCY_WAKE_TO_RUN,    /* wake-up to its first instruction */
    LATENCY_RUN_TO_ANSWER,  /* that to the ioctl that rings Xen's doorbell */
    LATENCY_STAGES
};

/* Slot n counts times in [2^n, 2^(n+1)) ns, slot 0 also 0: up to 18 minutes. */
#define LATENCY_SLOTS 40

struct latency_histogram {
    unsigned long long count;
    unsigned long long sum;
    unsigned long long largest;
    unsigned long long slot[LATENCY_SLOTS];
};

struct latency_counters {
    unsigned long long interrupts;  /* of the action that was asked for */
    unsigned long long unwoken;     /* ... that found the agent awake */
    unsigned long long answers;     /* doorbells rung by the agent */
};

/* Length of a task's name, and of an interrupt action's ("evtchn:" and one). */
#define LATENCY_COMM 16
#define LATENCY_ACTION 24

#endif /* VMI_LATENCY_H */
