/** Included in front of wasm3's operations (tuned-wasm3.js): see operations.c. */
#pragma once
#include "popcount.h"

#ifdef HEDGE_OPERATIONS
register M3MemoryHeader * _mem __asm__ ("r9");
register m3stack_t _sp __asm__ ("r10");
#define d_m3Op(NAME) m3ret_t op_##NAME (d_m3OpSig)
#else
// The compiler of wasm3 needs the operations' addresses: their bodies belong to functions that nobody calls.
extern M3MemoryHeader * _mem;
extern m3stack_t _sp;
#define d_m3Op(NAME) m3ret_t op_##NAME (d_m3OpSig); static inline m3ret_t unused_##NAME (d_m3OpSig)
#endif

m3ret_t enter_operations (pc_t pc, m3stack_t sp, m3reg_t r0, M3MemoryHeader * mem);
