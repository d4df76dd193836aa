/* SPDX-License-Identifier: MIT */
/*
 * Start of the arm64 test guest: the header of a Linux Image, which xl loads at
 * the start of RAM plus the text offset, then a stack for each vCPU. The MMU
 * stays off, so that addresses are guest-physical ones.
 */
#define STACK_SHIFT 11

        .section .head, "ax"
        .globl  image_head, secondary_entry
image_head:
        b       boot_entry
        .long   0
        .quad   0x80000                 /* text offset */
        .quad   image_end - image_head
        .quad   0xa                     /* little-endian, 4 KiB, anywhere */
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .long   0

boot_entry:
        mov     x20, x0                 /* the device tree */
        mov     x0, xzr
        bl      set_up
        mov     x0, x20
        bl      boot_main
        b       .

/* By PSCI's CPU_ON, x0: the number of the vCPU. */
secondary_entry:
        mov     x20, x0
        bl      set_up
        mov     x0, x20
        bl      secondary_main
        b       .

/* x0: the number of the vCPU. */
set_up:
        adrp    x1, stacks
        add     x2, x0, #1
        add     x1, x1, x2, lsl #STACK_SHIFT
        mov     sp, x1
        adrp    x1, vectors
        msr     vbar_el1, x1
        isb
        ret

/* No exception is expected; count it in x0's place and go past it. */
        .balign 4096
vectors:
        .rept   16
        b       on_exception
        .balign 128
        .endr
on_exception:
        stp     x0, x1, [sp, #-16]!
        adrp    x0, exceptions
        add     x0, x0, :lo12:exceptions
        ldr     x1, [x0]
        add     x1, x1, #1
        str     x1, [x0]
        mrs     x1, elr_el1
        add     x1, x1, #4
        msr     elr_el1, x1
        ldp     x0, x1, [sp], #16
        eret

        .section .stacks, "aw", %nobits
        .balign 4096
stacks: .skip   128 << STACK_SHIFT
