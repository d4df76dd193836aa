/* SPDX-License-Identifier: MIT */
/* The test guest's machine layer: instructions, tables, hypercalls, output. */
#ifndef VMIRING_TEST_GUEST_H
#define VMIRING_TEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#include "layout.h"

struct hvm_start_info;

static inline uint32_t read_cr0(void)
{
    uint32_t v;

    asm volatile ( "mov %%cr0, %0" : "=r" (v) );
    return v;
}

static inline uint32_t read_cr3(void)
{
    uint32_t v;

    asm volatile ( "mov %%cr3, %0" : "=r" (v) );
    return v;
}

static inline uint32_t read_cr4(void)
{
    uint32_t v;

    asm volatile ( "mov %%cr4, %0" : "=r" (v) );
    return v;
}

static inline void write_cr0(uint32_t v)
{
    asm volatile ( "mov %0, %%cr0" :: "r" (v) : "memory" );
}

static inline void write_cr3(uint32_t v)
{
    asm volatile ( "mov %0, %%cr3" :: "r" (v) : "memory" );
}

static inline void write_cr4(uint32_t v)
{
    asm volatile ( "mov %0, %%cr4" :: "r" (v) : "memory" );
}

static inline uint32_t read_xcr0(void)
{
    uint32_t lo, hi;

    asm volatile ( "xgetbv" : "=a" (lo), "=d" (hi) : "c" (0) );
    return lo;
}

static inline void write_xcr0(uint32_t v)
{
    asm volatile ( "xsetbv" :: "c" (0), "a" (v), "d" (0) : "memory" );
}

static inline uint64_t read_msr(uint32_t msr)
{
    uint32_t lo, hi;

    asm volatile ( "rdmsr" : "=a" (lo), "=d" (hi) : "c" (msr) );
    return ((uint64_t)hi << 32) | lo;
}

static inline void write_msr(uint32_t msr, uint64_t v)
{
    asm volatile ( "wrmsr" :: "c" (msr), "a" ((uint32_t)v),
                   "d" ((uint32_t)(v >> 32)) : "memory" );
}

static inline uint32_t cpuid_eax(uint32_t leaf)
{
    uint32_t b, c = 0, d;

    asm volatile ( "cpuid" : "+a" (leaf), "=b" (b), "+c" (c), "=d" (d) );
    return leaf;
}

/* TF acts after the instruction that follows the one that sets it. */
static inline void single_step(void)
{
    asm volatile ( "pushfl; orl $0x100, (%%esp); popfl; nop; nop"
                   ::: "memory", "cc" );
}

/* Lowest and highest word of what was put into all of them. */
static inline bool keep_vector_registers(uint32_t v)
{
    uint32_t spins = 20000, low, high;

    asm volatile ( "movd %3, %%xmm0; pshufd $0, %%xmm0, %%xmm0\n\t"
                   "movdqa %%xmm0, %%xmm1; movdqa %%xmm0, %%xmm2\n\t"
                   "movdqa %%xmm0, %%xmm3; movdqa %%xmm0, %%xmm4\n\t"
                   "movdqa %%xmm0, %%xmm5; movdqa %%xmm0, %%xmm6\n\t"
                   "movdqa %%xmm0, %%xmm7\n\t"
                   "1: dec %2; jnz 1b\n\t"
                   "movd %%xmm0, %0; psrldq $12, %%xmm7; movd %%xmm7, %1"
                   : "=r" (low), "=r" (high), "+r" (spins) : "r" (v) : "cc" );
    return low == v && high == v;
}

/* entry.S */
void secondary_entry(void);
extern const char sipi_start[], sipi_end[];
void trap_stub(void);
void protection_stub(void);
void unexpected_stub(void);
extern char hypercall_page[];

/* machine.c */
long hypercall(uint32_t number, uint32_t a, uint32_t b, uint32_t c);
/* Asks with EDI = token; returns what EDI holds afterwards. */
uint32_t guest_request(uint32_t token);
void enable_hypercalls(void);
void load_descriptor_tables(void);
void touch_descriptor_tables(void);
void build_page_directories(void);
void enable_paging(void);
uint32_t page_directory(uint32_t n);
int start_vcpu(uint32_t vcpu);
uint32_t current_vcpu(void);
void print(const char *text);
void print_number(uint32_t n);
/* Where the stack of a vCPU begins. */
void *stack_top(uint32_t vcpu);

/* life.c: does what header.command may ask; 0, or -1 if it did not work. */
int obey(uint32_t command, uint32_t argument);

/* guest.c, called from entry.S */
void boot_main(const struct hvm_start_info *info);
void secondary_main(void);
/* machine.c, called from entry.S: a vCPU that was reset, without paging. */
void restarted_main(void);
void count_trap(uint32_t vcpu);
void unexpected_exception(void);

#endif /* VMIRING_TEST_GUEST_H */
