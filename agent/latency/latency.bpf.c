/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Where an agent's answer spends its time, seen from dom0's kernel:
 *
 *   interrupt of the action "evtchn:COMM"   (hard interrupt, on this CPU)
 *     -> wakes a thread                     IRQ_TO_WAKE
 *     -> which is switched to               WAKE_TO_RUN
 *     -> and rings a doorbell               RUN_TO_ANSWER
 *
 * The wake-up is taken to be the interrupt's when it happens on the CPU that is
 * in the handler: that is how the driver works, and no other thread needs to be
 * told apart. Raw tracepoints, and fields by CO-RE, so that it runs on kernels
 * without BTF of their own when they are given it in a file.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "latency.h"

/* The few fields of the kernel's that are read, found by name at load time. */
struct task_struct {
    int pid;
    int tgid;
} __attribute__((preserve_access_index));

struct irqaction {
    const char *name;
} __attribute__((preserve_access_index));

struct pt_regs___x86 {
    unsigned long si;
} __attribute__((preserve_access_index));

struct pt_regs___arm64 {
    unsigned long long regs[31];
} __attribute__((preserve_access_index));

/* Set before loading. */
const volatile char wanted[LATENCY_ACTION];
const volatile int wanted_tgid;      /* 0: whichever thread the interrupt wakes */
const volatile long ioctl_number;
const volatile unsigned int notify_request;

struct latency_histogram histogram[LATENCY_STAGES];
struct latency_counters counters;

/* The interrupt that a CPU is in. */
struct in_interrupt {
    __u64 since;                     /* 0: in none that matters */
    __u32 woke;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct in_interrupt);
} interrupt_of_cpu SEC(".maps");

/* A thread that an interrupt woke, until it has answered. */
struct woken {
    __u64 at;
    __u64 ran;                       /* 0: not yet */
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, int);
    __type(value, struct woken);
} woken_threads SEC(".maps");

static __always_inline unsigned int log2_of(__u64 value)
{
    unsigned int n = 0, bit;

    for ( bit = 32; bit; bit >>= 1 )
        if ( value >> bit )
        {
            value >>= bit;
            n += bit;
        }

    return n;
}

static __always_inline void count_time(enum latency_stage stage, __u64 ns)
{
    struct latency_histogram *h = &histogram[stage];
    unsigned int slot = log2_of(ns);

    if ( slot >= LATENCY_SLOTS )
        slot = LATENCY_SLOTS - 1;
    __sync_fetch_and_add(&h->count, 1);
    __sync_fetch_and_add(&h->sum, ns);
    __sync_fetch_and_add(&h->slot[slot], 1);
    /* Two CPUs may race for the maximum: a smaller one may then stand. */
    if ( ns > h->largest )
        h->largest = ns;
}

static __always_inline int is_wanted(struct irqaction *action)
{
    const char *name = BPF_CORE_READ(action, name);
    char found[LATENCY_ACTION] = {};
    unsigned int i;

    if ( bpf_probe_read_kernel_str(found, sizeof(found), name) < 0 )
        return 0;

    for ( i = 0; i < LATENCY_ACTION; i++ )
    {
        if ( found[i] != wanted[i] )
            return 0;
        if ( !found[i] )
            break;
    }

    return 1;
}

SEC("raw_tp/irq_handler_entry")
int BPF_PROG(interrupt_begins, int irq, struct irqaction *action)
{
    __u32 zero = 0;
    struct in_interrupt *in = bpf_map_lookup_elem(&interrupt_of_cpu, &zero);

    if ( !in || !is_wanted(action) )
        return 0;

    in->since = bpf_ktime_get_ns();
    in->woke = 0;
    __sync_fetch_and_add(&counters.interrupts, 1);

    return 0;
}

SEC("raw_tp/irq_handler_exit")
int BPF_PROG(interrupt_ends)
{
    __u32 zero = 0;
    struct in_interrupt *in = bpf_map_lookup_elem(&interrupt_of_cpu, &zero);

    if ( !in || !in->since )
        return 0;

    if ( !in->woke )
        __sync_fetch_and_add(&counters.unwoken, 1);
    in->since = 0;

    return 0;
}

SEC("raw_tp/sched_waking")
int BPF_PROG(thread_wakes, struct task_struct *task)
{
    __u32 zero = 0;
    struct in_interrupt *in = bpf_map_lookup_elem(&interrupt_of_cpu, &zero);
    struct woken woken = {};
    int pid;

    if ( !in || !in->since )
        return 0;
    if ( wanted_tgid && BPF_CORE_READ(task, tgid) != wanted_tgid )
        return 0;

    woken.at = bpf_ktime_get_ns();
    count_time(LATENCY_IRQ_TO_WAKE, woken.at - in->since);
    in->woke = 1;
    pid = BPF_CORE_READ(task, pid);
    bpf_map_update_elem(&woken_threads, &pid, &woken, BPF_ANY);

    return 0;
}

SEC("raw_tp/sched_switch")
int BPF_PROG(thread_runs, _Bool preempt, struct task_struct *previous,
             struct task_struct *next)
{
    int pid = BPF_CORE_READ(next, pid);
    struct woken *woken = bpf_map_lookup_elem(&woken_threads, &pid);

    if ( !woken || woken->ran )
        return 0;

    woken->ran = bpf_ktime_get_ns();
    count_time(LATENCY_WAKE_TO_RUN, woken->ran - woken->at);

    return 0;
}

/* The second argument of a system call, of whichever architecture this is. */
static __always_inline unsigned int second_argument(const void *regs)
{
    const struct pt_regs___x86 *x86 = regs;
    const struct pt_regs___arm64 *arm64 = regs;

    if ( bpf_core_field_exists(x86->si) )
        return (unsigned int)BPF_CORE_READ(x86, si);

    return (unsigned int)BPF_CORE_READ(arm64, regs[1]);
}

SEC("raw_tp/sys_enter")
int BPF_PROG(thread_rings, void *regs, long number)
{
    int pid = (int)bpf_get_current_pid_tgid();
    struct woken *woken;

    if ( number != ioctl_number )
        return 0;
    woken = bpf_map_lookup_elem(&woken_threads, &pid);
    if ( !woken || !woken->ran || second_argument(regs) != notify_request )
        return 0;

    count_time(LATENCY_RUN_TO_ANSWER, bpf_ktime_get_ns() - woken->ran);
    __sync_fetch_and_add(&counters.answers, 1);
    bpf_map_delete_elem(&woken_threads, &pid);

    return 0;
}

/* Two of the helpers are for programs that are GPL-compatible. */
char _license[] SEC("license") = "Dual MIT/GPL";
