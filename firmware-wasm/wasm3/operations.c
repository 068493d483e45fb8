/** wasm3's operations, apart from the rest of it, so that they can be compiled for speed and by a calling convention of their own (operations.h). */
#define HEDGE_OPERATIONS
#define M3_COMPILE_OPCODES
#include "m3_exec.h"

#if HEDGE_CONVENTION == 2

/* From C's convention into the operations' and back; r3 only keeps the native stack aligned. */
__attribute__ ((naked)) m3ret_t enter_operations (pc_t pc, m3stack_t sp, M3MemoryHeader * mem)
{
    __asm__ volatile (
        "push {r3-r11, lr}\n"
        "mov r10, r1\n"
        "mov r9, r2\n"
        "movs r2, #0\n"
        "movs r3, #0\n"
        "ldr r1, [r0], #4\n"
        "blx r1\n"
        "pop {r3-r11, pc}"
    );
}

#else

m3ret_t enter_operations (pc_t pc, m3stack_t sp, M3MemoryHeader * mem)
{
#if HEDGE_CONVENTION == 0
    return ((IM3Operation) * pc) (pc + 1, sp, mem, d_m3OpDefaultArgs);
#else
    return ((IM3Operation) * pc) (pc + 1, sp, d_m3OpDefaultArgs, mem);
#endif
}

#endif
