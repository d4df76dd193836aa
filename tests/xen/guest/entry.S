/* SPDX-License-Identifier: MIT */
/*
 * Entry points of the test guest: PVH for vCPU 0 (32-bit protected mode, no
 * paging, EBX = start info), VCPUOP_initialise for the others (paging on, ESP
 * set), SIPI for one that was reset (real mode), and the exception stubs.
 */
#include <xen/elfnote.h>

#define EFLAGS_TF (1 << 8)

    .section .note.Xen, "a", @note
    .align 4
    .long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY    /* name size, value size, type */
    .asciz "Xen"
    .align 4
    .long pvh_entry

    .text
    .code32
    .globl pvh_entry, secondary_entry, hypercall_page
    .globl trap_stub, protection_stub, unexpected_stub
    .globl sipi_start, sipi_end

pvh_entry:
    cld
    movl $vcpu_stacks + STACK_SIZE, %esp
    pushl %ebx
    call boot_main
1:  cli
    hlt
    jmp 1b

secondary_entry:
    cld
    call secondary_main
1:  cli
    hlt
    jmp 1b

/*
 * life.c copies this to the page that a SIPI names and puts the vCPU's stack
 * into sipi_stack. Nothing of it may depend on where it was linked.
 */
    .code16
sipi_start:
    cli
    lgdtl %cs:(gdt_register - sipi_start)
    movl %cr0, %eax
    orl $1, %eax                /* PE */
    movl %eax, %cr0
    ljmpl $0x08, $restarted_entry
    .balign 4
gdt_register:
    .word 3 * 8 - 1
    .long gdt
sipi_end:

    .code32
restarted_entry:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    cld
    movl sipi_stack, %esp
    call restarted_main
1:  cli
    hlt
    jmp 1b

/*
 * WRMSR alone raises it, and is stepped over. Xen has done so where the write
 * waited for an answer.
 */
protection_stub:
    addl $4, %esp               /* the error code */
    pushl %eax
    movl 4(%esp), %eax
    cmpw $0x300f, (%eax)
    popl %eax
    jne trap_stub
    addl $2, (%esp)
/*
 * The stack is aligned to its size and its lowest word holds the vCPU's
 * number: how a stub knows where it runs, without segment tricks.
 */
trap_stub:
    andl $~EFLAGS_TF, 8(%esp)   /* one step only */
    pushal
    movl %esp, %eax
    andl $-STACK_SIZE, %eax
    pushl (%eax)
    call count_trap
    addl $4, %esp
    popal
    iretl

/* Nothing else is expected: no interrupt source is set up. */
unexpected_stub:
    call unexpected_exception
1:  cli
    hlt
    jmp 1b

    .balign 4096
hypercall_page:
    .skip 4096

    .section .note.GNU-stack, "", @progbits
