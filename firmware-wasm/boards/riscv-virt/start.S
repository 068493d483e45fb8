/* From reset to main, and from a trap to board.c. */
#include "ram.h"

    /* Of pmpcfg0: locked, so that it binds machine mode, too; a naturally aligned power of two; readable and executable. */
    .equ PMP_CODE, 0x80 | 0x18 | 0x04 | 0x01
    .equ CODE_START, 0x80000000
    .equ CODE_BYTES, 256 * 1024

    .section .text.start, "ax"
    .globl _start
_start:
    csrw mie, zero
    csrci mstatus, 8
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, stack_top
    la t0, trap_stack_top
    csrw mscratch, t0
    la t0, trap
    csrw mtvec, t0

    li t0, (CODE_START >> 2) | (CODE_BYTES / 8 - 1)
    csrw pmpaddr0, t0
    li t0, PMP_CODE
    csrw pmpcfg0, t0

    la t0, stack_limit
    li t1, RAM_STACK_PAINT
1:  sw t1, 0 (t0)
    addi t0, t0, 4
    bltu t0, sp, 1b

    la t0, data_image
    la t1, data_start
    la t2, data_end
    j 3f
2:  lw t3, 0 (t0)
    sw t3, 0 (t1)
    addi t0, t0, 4
    addi t1, t1, 4
3:  bltu t1, t2, 2b

    la t1, bss_start
    la t2, bss_end
    j 5f
4:  sw zero, 0 (t1)
    addi t1, t1, 4
5:  bltu t1, t2, 4b

    call main
6:  wfi
    j 6b

/*
 * Interrupts and faults have a stack of their own: after an overflow there is no other. What the caller of a C function must save is saved here.
 */
    .text
    .balign 4
trap:
    csrrw sp, mscratch, sp
    addi sp, sp, -64
    sw ra, 0 (sp)
    sw t0, 4 (sp)
    sw t1, 8 (sp)
    sw t2, 12 (sp)
    sw t3, 16 (sp)
    sw t4, 20 (sp)
    sw t5, 24 (sp)
    sw t6, 28 (sp)
    sw a0, 32 (sp)
    sw a1, 36 (sp)
    sw a2, 40 (sp)
    sw a3, 44 (sp)
    sw a4, 48 (sp)
    sw a5, 52 (sp)
    sw a6, 56 (sp)
    sw a7, 60 (sp)
    csrr a0, mcause
    csrr a1, mepc
    call board_trap
    lw ra, 0 (sp)
    lw t0, 4 (sp)
    lw t1, 8 (sp)
    lw t2, 12 (sp)
    lw t3, 16 (sp)
    lw t4, 20 (sp)
    lw t5, 24 (sp)
    lw t6, 28 (sp)
    lw a0, 32 (sp)
    lw a1, 36 (sp)
    lw a2, 40 (sp)
    lw a3, 44 (sp)
    lw a4, 48 (sp)
    lw a5, 52 (sp)
    lw a6, 56 (sp)
    lw a7, 60 (sp)
    addi sp, sp, 64
    csrrw sp, mscratch, sp
    mret
