/**
 * What each layer in natural C has: parameters, an input and an output where its caller finds them, and the computation. Compiled to WebAssembly it
 * has the interface of edge.wasm, with one step; compiled natively, main.c runs it.
 */
#pragma once
#include <stdint.h>

#ifdef __wasm__
#define EXPORT(name) __attribute__ ((export_name (name)))
__attribute__ ((import_module ("hedge"), import_name ("load_weights")))
#else
// Not inlined: what is counted must not move out of the call.
#define EXPORT(name) __attribute__ ((noinline))
#endif
void load_weights (void * to, uint32_t from, uint32_t bytes);

/** Loads the parameters, runs the layer, returns 1: the result is there. */
int32_t step (int32_t index);

