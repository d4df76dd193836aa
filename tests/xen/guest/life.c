/* SPDX-License-Identifier: MIT */
/* What a guest does to itself and to its vCPUs on request: see layout.h. */
#include "guest.h"

#include <xen/sched.h>
#include <xen/vcpu.h>

/* The local APIC of whoever looks, one to one like all memory here. */
#define APIC_ICR_LOW    ((volatile uint32_t *)0xfee00300U)
#define APIC_ICR_HIGH   ((volatile uint32_t *)0xfee00310U)
#define ICR_INIT        0x4500U     /* asserted */
#define ICR_STARTUP     0x4600U     /* with the page's number */

#define SIPI_PAGE       8U          /* 0x8000: below 1 MiB, and free */

void *sipi_stack;                   /* entry.S reads it */

static int shut_down(uint32_t reason)
{
    struct sched_shutdown how = { .reason = reason };
    long rc = hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown,
                        (uint32_t)&how, 0);

    /* 1: it was resumed where it was; 0: in another domain, from an image. */
    return rc == 0 || rc == 1 ? 0 : -1;
}

static void send_ipi(uint32_t vcpu, uint32_t what)
{
    *APIC_ICR_HIGH = (vcpu * 2) << 24;  /* Xen numbers them so */
    *APIC_ICR_LOW = what;
}

static int start_up(uint32_t vcpu)
{
    char *to = (char *)(SIPI_PAGE << 12);
    const char *from;

    for ( from = sipi_start; from < sipi_end; from++ )
        *to++ = *from;
    sipi_stack = stack_top(vcpu);
    asm volatile ( "" ::: "memory" );
    send_ipi(vcpu, ICR_STARTUP | SIPI_PAGE);

    return 0;
}

int obey(uint32_t command, uint32_t argument)
{
    switch ( command )
    {
    case GUEST_COMMAND_SHUTDOWN:
        return shut_down(argument);

    case GUEST_COMMAND_DOWN:
        return hypercall(__HYPERVISOR_vcpu_op, VCPUOP_down, argument, 0)
               ? -1 : 0;

    case GUEST_COMMAND_UP:
        return hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, argument, 0)
               ? -1 : 0;

    case GUEST_COMMAND_INIT:
        send_ipi(argument, ICR_INIT);
        return 0;

    case GUEST_COMMAND_SIPI:
        return start_up(argument);
    }

    return -1;
}
