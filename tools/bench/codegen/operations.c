/**
 * wasm3's operations for 32-bit Arm, compiled apart from the rest (tuned-wasm3.js), by a calling convention of their own: the memory and the value stack in
 * r9 and r10, the integer register in r2 and r3, and r4 to r6 and r8 free to overwrite (-fcall-used), so that an operation saves nothing.
 */
#define HEDGE_OPERATIONS
#define M3_COMPILE_OPCODES
#include "m3_exec.h"

/** From C's convention into the operations' and back. */
__attribute__ ((naked)) m3ret_t enter_operations (pc_t pc, m3stack_t sp, m3reg_t r0, M3MemoryHeader * mem)
{
    __asm__ volatile (
        "push {r4-r11, lr}\n"
        "mov r10, r1\n"
        "ldr r9, [sp, #36]\n"
        "ldr r1, [r0], #4\n"
        "blx r1\n"
        "pop {r4-r11, pc}"
    );
}
