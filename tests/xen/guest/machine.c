/* SPDX-License-Identifier: MIT */
/* The test guest's machine layer; see guest.h. */
#include "guest.h"

#include <xen/arch-x86/cpuid.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/vcpu.h>

#define GDT_CODE    0x08
#define GDT_DATA    0x10
#define CR0_PE      (1U << 0)
#define CR0_ET      (1U << 4)
#define CR0_PG      (1U << 31)
#define CR4_PSE     (1U << 4)
#define PDE_PRESENT_WRITE_LARGE 0x83U
#define EFLAGS_ONE  2U      /* the bit that always reads as 1 */
#define DEBUG_PORT  0xe9    /* what is written here shows in `xl dmesg` */

#define VECTORS     256
#define VECTOR_DEBUG 1
#define VECTOR_BREAKPOINT 3
#define VECTOR_PROTECTION 13

struct table_register {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

union vcpu_stack {
    uint32_t vcpu;          /* entry.S and current_vcpu() find it here */
    uint8_t room[STACK_SIZE];
};

union vcpu_stack vcpu_stacks[GUEST_MAX_VCPUS]
    __attribute__((aligned(STACK_SIZE)));

uint64_t gdt[] __attribute__((aligned(16))) = {  /* entry.S has its address */
    0,
    0x00cf9b000000ffffULL,  /* flat 4 GiB code */
    0x00cf93000000ffffULL,  /* flat 4 GiB data */
};
static uint64_t idt[VECTORS] __attribute__((aligned(16)));

/* Two equal ones, so that CR3 can change without changing anything else. */
static uint32_t page_directories[2][1024] __attribute__((aligned(4096)));

/*
 * Xen keeps vcpu_info for the first 32 vCPUs in the shared info page; the
 * others must name a place before they can come up.
 */
static uint8_t vcpu_infos[GUEST_MAX_VCPUS][64] __attribute__((aligned(4096)));

void print(const char *text)
{
    while ( *text )
        asm volatile ( "outb %b0, %w1" :: "a" (*text++), "Nd" (DEBUG_PORT) );
}

void print_number(uint32_t n)
{
    char digits[11], *at = &digits[10];

    *at = '\0';
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while ( n );
    print(at);
}

long hypercall(uint32_t number, uint32_t a, uint32_t b, uint32_t c)
{
    long ret;

    asm volatile ( "call *%%eax"
                   : "=a" (ret), "+b" (a), "+c" (b), "+d" (c)
                   : "0" (hypercall_page + number * 32)
                   : "memory" );
    return ret;
}

/* The hypercall has two arguments (EBX, ECX): Xen itself leaves EDI alone. */
uint32_t guest_request(uint32_t token)
{
    uint32_t a = (uint32_t)hypercall_page + __HYPERVISOR_hvm_op * 32;
    uint32_t b = HVMOP_guest_request_vm_event, c = 0;

    asm volatile ( "call *%%eax"
                   : "+a" (a), "+b" (b), "+c" (c), "+D" (token)
                   :: "memory" );
    return token;
}

/* Xen's CPUID leaves stand at 0x40000000 plus a multiple of 0x100. */
void enable_hypercalls(void)
{
    uint32_t base, a, b, c, d;

    for ( base = 0x40000000; base < 0x40010000; base += 0x100 )
    {
        asm volatile ( "cpuid" : "=a" (a), "=b" (b), "=c" (c), "=d" (d)
                       : "0" (base), "2" (0) );
        if ( b == XEN_CPUID_SIGNATURE_EBX && c == XEN_CPUID_SIGNATURE_ECX )
            break;
    }

    asm volatile ( "cpuid" : "=a" (a), "=b" (b), "=c" (c), "=d" (d)
                   : "0" (base + 2), "2" (0) );
    write_msr(b, (uint32_t)hypercall_page);
}

static void set_gate(unsigned int vector, void (*handler)(void))
{
    uint32_t at = (uint32_t)handler;

    /* 0x8e: present, ring 0, 32-bit interrupt gate. */
    idt[vector] = (at & 0xffff) | (GDT_CODE << 16) |
                  ((uint64_t)((at & 0xffff0000U) | 0x8e00) << 32);
}

static const struct table_register gdt_register = {
    sizeof(gdt) - 1, (uint32_t)gdt
};
static const struct table_register idt_register = {
    sizeof(idt) - 1, (uint32_t)idt
};

void load_descriptor_tables(void)
{
    unsigned int vector;

    for ( vector = 0; vector < VECTORS; vector++ )
        set_gate(vector,
                 vector == VECTOR_DEBUG || vector == VECTOR_BREAKPOINT
                 ? trap_stub
                 : vector == VECTOR_PROTECTION ? protection_stub
                                               : unexpected_stub);

    asm volatile ( "lgdt %0\n\t"
                   "ljmp %1, $1f\n"
                   "1:\n\t"
                   "mov %2, %%ds\n\t"
                   "mov %2, %%es\n\t"
                   "mov %2, %%ss\n\t"
                   "lidt %3"
                   :: "m" (gdt_register), "i" (GDT_CODE), "r" (GDT_DATA),
                      "m" (idt_register) : "memory" );
}

void touch_descriptor_tables(void)
{
    struct table_register ignored;

    asm volatile ( "sgdt %0" : "=m" (ignored) );
    asm volatile ( "sidt %0" : "=m" (ignored) );
    asm volatile ( "lidt %0" :: "m" (idt_register) );
}

uint32_t page_directory(uint32_t n)
{
    return (uint32_t)page_directories[n & 1];
}

/* One to one, in 4 MiB pages. */
void build_page_directories(void)
{
    uint32_t i;

    for ( i = 0; i < 1024; i++ )
        page_directories[0][i] = page_directories[1][i] =
            (i << 22) | PDE_PRESENT_WRITE_LARGE;
}

void enable_paging(void)
{
    write_cr4(read_cr4() | CR4_PSE);
    write_cr3(page_directory(0));
    write_cr0(read_cr0() | CR0_PG);
}

void *stack_top(uint32_t vcpu)
{
    return &vcpu_stacks[vcpu] + 1;
}

void restarted_main(void)
{
    load_descriptor_tables();
    enable_paging();
    secondary_main();
}

uint32_t current_vcpu(void)
{
    uint32_t esp;

    asm ( "mov %%esp, %0" : "=r" (esp) );
    return ((union vcpu_stack *)(esp & -STACK_SIZE))->vcpu;
}

static long register_vcpu_info(uint32_t vcpu)
{
    struct vcpu_register_vcpu_info where = {
        .mfn = (uint32_t)vcpu_infos[vcpu] >> 12,
        .offset = (uint32_t)vcpu_infos[vcpu] & 4095,
    };

    return hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, vcpu,
                     (uint32_t)&where);
}

int start_vcpu(uint32_t vcpu)
{
    /* Accessed, present, code or data, 32-bit, 4 KiB granularity; a TSS. */
    const uint16_t code = 0xc9b, data = 0xc93, tss = 0x8b;
    struct vcpu_hvm_context start = {
        .mode = VCPU_HVM_MODE_32B,
        .cpu_regs.x86_32 = {
            .esp = (uint32_t)stack_top(vcpu),
            .eip = (uint32_t)secondary_entry,
            .eflags = EFLAGS_ONE,
            .cr0 = CR0_PE | CR0_ET | CR0_PG,
            .cr3 = page_directory(0),
            .cr4 = CR4_PSE,
            .cs_limit = ~0U, .cs_ar = code,
            .ds_limit = ~0U, .ds_ar = data,
            .ss_limit = ~0U, .ss_ar = data,
            .es_limit = ~0U, .es_ar = data,
            .tr_limit = 0x67, .tr_ar = tss,
        },
    };

    vcpu_stacks[vcpu].vcpu = vcpu;

    if ( vcpu >= XEN_LEGACY_MAX_VCPUS && register_vcpu_info(vcpu) )
        return -1;
    if ( hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, vcpu,
                   (uint32_t)&start) )
        return -1;
    return hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, vcpu, 0) ? -1 : 0;
}
