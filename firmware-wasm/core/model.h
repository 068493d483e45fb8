/** A slot's model on wasm3: loaded once, then one bounded step at a time. */
#ifndef HEDGE_MODEL_H
#define HEDGE_MODEL_H

#include "heap.h"
#include "slot.h"

typedef struct {
    const hedge_slot_header * header;
    struct M3Runtime * runtime;
    struct M3Function * step;
    uint32_t next_step;
} hedge_model;

/**
 * Parses the module in place, links its imports and compiles it, in the arena of heap.h, which one model has to itself. The slot must have been
 * checked. NULL, or what is wrong.
 */
const char * hedge_model_load (hedge_model * o_model, const hedge_slot_header * header);
void hedge_model_unload (hedge_model * model);

/** Copies a sample of header->input_bytes into the module; zeros for NULL. */
void hedge_model_begin (hedge_model * model, const uint8_t * input, uint32_t threshold);
typedef enum { HEDGE_MODEL_MORE, HEDGE_MODEL_DONE, HEDGE_MODEL_TRAPPED } hedge_model_progress;
/** One step. `o_trap` is what went wrong when it trapped. */
hedge_model_progress hedge_model_step (hedge_model * model, const char ** o_trap);

/** Of the sample that is done; pointers into the module's memory, until the next begin. */
typedef struct {
    uint32_t label, entropy;
    bool exited;
    const uint8_t * row; /* label, exited, entropy, then result_count integers: i32 each */
    uint32_t row_bytes;
    const uint8_t * payload;
} hedge_model_result;
void hedge_model_result_of (const hedge_model * model, hedge_model_result * o_result);

#endif
