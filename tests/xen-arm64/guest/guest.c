/* SPDX-License-Identifier: MIT */
/*
 * A guest for tests on arm64: up to 128 vCPUs, no operating system, no MMU.
 * Each vCPU repeats the operations that the command line names and counts
 * what it completed in the pages that tests/xen/guest/layout.h describes.
 *
 * Words:
 *   w r x         write, read, execute in pages of the vCPU's own
 *   touch=N       so many pages of each kind in one iteration (default 1)
 *   smc           a secure monitor call
 *   gr            guest request, last in an iteration
 *   smp=N         vCPUs (default 1)
 *   count=N       iterations of each vCPU (default 0: for ever)
 *   wait          start only when dom0 sets header.control
 *
 * vCPU v uses pages v * touch to v * touch + touch - 1 of an area (modulo its
 * size), so that no two vCPUs share one as long as smp * touch fits.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arm64.h"

#define PSCI_CPU_OFF   0x84000002UL
#define PSCI_VERSION   0x84000000UL
#define PSCI_CPU_ON    0xc4000003UL
#define PSCI_ON_ALREADY (-4)

#define HYPERVISOR_sched_op 29
#define HYPERVISOR_hvm_op   34
#define SCHEDOP_yield        0
#define HVMOP_guest_request 24

#define INSN_RET 0xd65f03c0U

void secondary_entry(void);
void secondary_main(uint64_t vcpu);
void boot_main(const uint8_t *device_tree);

uint64_t exceptions;

static struct guest_layout *const layout =
    (struct guest_layout *)(uintptr_t)GUEST_LAYOUT_PHYS;

static char command_line[256];
static bool do_write, do_read, do_execute, do_smc, do_request;
static uint32_t iterations, touch;

static long hypercall(uint64_t number, uint64_t a, uint64_t b)
{
    register uint64_t x0 asm ( "x0" ) = a;
    register uint64_t x1 asm ( "x1" ) = b;
    register uint64_t x16 asm ( "x16" ) = number;

    asm volatile ( "hvc #0xea1" : "+r" (x0), "+r" (x1) : "r" (x16)
                   : "memory", "x2", "x3", "x4" );
    return (long)x0;
}

static long psci(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 asm ( "x0" ) = function;
    register uint64_t x1 asm ( "x1" ) = a;
    register uint64_t x2 asm ( "x2" ) = b;
    register uint64_t x3 asm ( "x3" ) = c;

    asm volatile ( "hvc #0" : "+r" (x0), "+r" (x1), "+r" (x2), "+r" (x3)
                   :: "memory", "x4", "x5", "x6", "x7", "x8", "x9", "x10",
                   "x11", "x12", "x13", "x14", "x15", "x16", "x17" );
    return (int32_t)x0;
}

static void secure_call(void)
{
    register uint64_t x0 asm ( "x0" ) = PSCI_VERSION;

    asm volatile ( "smc #0" : "+r" (x0)
                   :: "memory", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8",
                   "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
                   "x17" );
}

/* The text after WORD if the command line has it as a whole word, else NULL. */
static const char *find_word(const char *word)
{
    const char *at = command_line;

    while ( *at )
    {
        const char *c = at, *w = word;

        while ( *w && *c == *w )
            c++, w++;
        if ( !*w && (!*c || *c == ' ' || w[-1] == '=') )
            return c;
        while ( *at && *at != ' ' )
            at++;
        while ( *at == ' ' )
            at++;
    }

    return NULL;
}

static uint32_t find_number(const char *word, uint32_t otherwise)
{
    const char *c = find_word(word);
    uint32_t n = 0;

    if ( !c )
        return otherwise;
    while ( *c >= '0' && *c <= '9' )
        n = n * 10 + (uint32_t)(*c++ - '0');

    return n;
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | p[2] << 8 | p[3];
}

/*
 * xl's device tree holds the command line in /chosen; it is the only string
 * there that begins like ours, so the blob is searched instead of parsed.
 */
static void find_command_line(const uint8_t *tree)
{
    static const char start[] = "smp=";
    uint32_t size = big_endian(tree + 4), at, i;

    for ( at = 0; at + sizeof(command_line) < size; at++ )
    {
        for ( i = 0; start[i] && tree[at + i] == (uint8_t)start[i]; i++ )
            ;
        if ( start[i] )
            continue;
        for ( i = 0; i < sizeof(command_line) - 1 && tree[at + i]; i++ )
            command_line[i] = (char)tree[at + i];
        return;
    }
}

static uintptr_t page(uintptr_t area, uint32_t vcpu, uint32_t i)
{
    return area + (((uintptr_t)vcpu * touch + i) % GUEST_AREA_PAGES << 12);
}

/* One instruction each, so that an event is one access. */
static void iterate(uint32_t vcpu, uint64_t n)
{
    uint32_t i;

    for ( i = 0; do_write && i < touch; i++ )
        asm volatile ( "str %0, [%1]"
                       :: "r" (n), "r" (page(GUEST_DATA_PHYS, vcpu, i))
                       : "memory" );
    for ( i = 0; do_read && i < touch; i++ )
    {
        uint64_t value;

        asm volatile ( "ldr %0, [%1]" : "=r" (value)
                       : "r" (page(GUEST_DATA_PHYS, vcpu, i)) : "memory" );
    }
    for ( i = 0; do_execute && i < touch; i++ )
        ((void (*)(void))page(GUEST_CODE_PHYS, vcpu, i))();
    if ( do_smc )
        secure_call();
    if ( do_request )
        hypercall(HYPERVISOR_hvm_op, HVMOP_guest_request, 0);
}

static void run_vcpu(uint32_t vcpu)
{
    struct guest_vcpu_block *me = &layout->vcpu[vcpu];
    uint64_t n;

    layout->header.phase[vcpu] = GUEST_PHASE_RUNNING;
    for ( n = 1; !iterations || n <= iterations; n++ )
    {
        if ( layout->header.control == GUEST_CONTROL_STOP )
            break;
        iterate(vcpu, n);
        me->iterations.value++;
        me->traps.value = exceptions;
    }
    layout->header.phase[vcpu] = GUEST_PHASE_DONE;
}

/*
 * Comes here twice: first to show that it is up, and off again, since vCPUs
 * that wait in a loop would share the rig's one processor with dom0.
 */
void secondary_main(uint64_t vcpu)
{
    if ( layout->header.phase[vcpu] == GUEST_PHASE_DOWN )
        layout->header.phase[vcpu] = GUEST_PHASE_WAITING;
    else
        run_vcpu((uint32_t)vcpu);
    psci(PSCI_CPU_OFF, 0, 0, 0);
}

static void yield(void)
{
    hypercall(HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

/* Turns one on that is off, or about to be. */
static void start_vcpu(uint64_t vcpu)
{
    uint64_t affinity = (vcpu & 15) | (vcpu >> 4) << 8;

    while ( psci(PSCI_CPU_ON, affinity, (uintptr_t)secondary_entry, vcpu) ==
            PSCI_ON_ALREADY )
        yield();
}

static void set_up_memory(uint32_t vcpus)
{
    volatile uint32_t *word = (volatile uint32_t *)layout;
    size_t i;

    /* A debug build of Xen hands out memory full of 0xc2. */
    for ( i = 0; i < sizeof(*layout) / sizeof(*word); i++ )
        word[i] = 0;
    for ( i = 0; i < GUEST_AREA_PAGES; i++ )
        *(volatile uint32_t *)(GUEST_CODE_PHYS + (i << 12)) = INSN_RET;
    asm volatile ( "dsb sy; ic iallu; dsb sy; isb" ::: "memory" );

    layout->header.version = GUEST_LAYOUT_VERSION;
    layout->header.vcpus = vcpus;
    layout->header.control = find_word("wait") ? GUEST_CONTROL_WAIT
                                               : GUEST_CONTROL_RUN;
    asm volatile ( "dsb sy" ::: "memory" );
    layout->header.magic = GUEST_LAYOUT_MAGIC;
}

void boot_main(const uint8_t *device_tree)
{
    uint32_t vcpu, vcpus;

    find_command_line(device_tree);
    do_write = find_word("w");
    do_read = find_word("r");
    do_execute = find_word("x");
    do_smc = find_word("smc");
    do_request = find_word("gr");
    iterations = find_number("count=", 0);
    touch = find_number("touch=", 1);
    vcpus = find_number("smp=", 1);
    if ( vcpus < 1 || vcpus > GUEST_MAX_VCPUS )
        vcpus = 1;
    set_up_memory(vcpus);

    for ( vcpu = 1; vcpu < vcpus; vcpu++ )
        start_vcpu(vcpu);
    layout->header.phase[0] = GUEST_PHASE_WAITING;
    while ( layout->header.control == GUEST_CONTROL_WAIT )
        yield();
    for ( vcpu = 1; vcpu < vcpus; vcpu++ )
    {
        while ( layout->header.phase[vcpu] == GUEST_PHASE_DOWN )
            yield();
        start_vcpu(vcpu);
    }
    run_vcpu(0);
    for ( ; ; )
        asm volatile ( "wfi" );
}
