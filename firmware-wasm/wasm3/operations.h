/**
 * How wasm3's operations call each other: included by the patched m3_exec_defs.h (patch.js) wherever an operation is declared, defined or started.
 *
 * HEDGE_CONVENTION says which registers an operation hands to the next:
 *  0  as wasm3 has it. On 32-bit Arm the integer register, 64 bits behind three pointers, lies on the native stack.
 *  1  the integer register in front of the memory, which then lies there instead.
 *  2  one for operations alone, 32-bit Arm only: the program counter and the integer register are arguments; memory and value stack, which few
 *     operations change, stay in r9 and r10; operations.c is compiled so that no register has to be saved.
 */
#pragma once

#if d_m3HasFloat && HEDGE_CONVENTION != 0
#error "a convention of its own has no float register"
#endif

#if HEDGE_POPCOUNT
#include "popcount.h"
#else
/* The library's: calls. */
#define popcount32 __builtin_popcount
#define popcount64 __builtin_popcountll
#endif

#if HEDGE_CONVENTION == 0
#define HEDGE_PARAMETERS pc_t _pc, m3stack_t _sp, M3MemoryHeader * _mem, m3reg_t _r0
#define HEDGE_ARGUMENTS _sp, _mem, _r0
#define HEDGE_CALL(code, stack) Call (code, stack, _mem, d_m3OpDefaultArgs)
#elif HEDGE_CONVENTION == 1
#define HEDGE_PARAMETERS pc_t _pc, m3stack_t _sp, m3reg_t _r0, M3MemoryHeader * _mem
#define HEDGE_ARGUMENTS _sp, _r0, _mem
#define HEDGE_CALL(code, stack) Call (code, stack, d_m3OpDefaultArgs, _mem)
#else
#define HEDGE_PARAMETERS pc_t _pc, m3reg_t _r0
#define HEDGE_ARGUMENTS _r0
/* A function of wasm has a value stack of its own. */
#define HEDGE_CALL(code, stack) \
    ({ m3stack_t saved = _sp; _sp = stack; m3ret_t called = Call (code, d_m3OpDefaultArgs); _sp = saved; called; })
#ifdef HEDGE_OPERATIONS
register M3MemoryHeader * _mem __asm__ ("r9");
register m3stack_t _sp __asm__ ("r10");
#else
extern M3MemoryHeader * _mem;
extern m3stack_t _sp;
#endif
#endif

/*
 * Bounds of loads and stores: `address` is the sum of an index and `offset`. wasm3 adds them in 64 bits; in 32 the sum has wrapped around where it is less
 * than one of them, and a memory that is there has at least 8 bytes (m3_env.c).
 */
#if HEDGE_BOUNDS == 2
typedef u32 hedge_address;
#define HEDGE_WITHIN(address, offset, bytes) (address >= offset && address <= (u32) _mem->length - bytes)
#else
typedef u64 hedge_address;
#define HEDGE_WITHIN(address, offset, bytes) (address + bytes <= _mem->length)
#endif

#ifdef HEDGE_OPERATIONS
#define d_m3Op(NAME) m3ret_t op_##NAME (d_m3OpSig)
#else
/* wasm3's compiler needs the operations' addresses: their bodies belong to functions that nobody calls. */
#define d_m3Op(NAME) m3ret_t op_##NAME (d_m3OpSig); static inline m3ret_t unused_##NAME (d_m3OpSig)
#endif

/** Runs compiled code from C. */
m3ret_t enter_operations (pc_t pc, m3stack_t sp, M3MemoryHeader * mem);
