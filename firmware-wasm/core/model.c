/** Runs modules as docs/architecture.md describes their interface; everything about wasm3 is here. */
#include "model.h"

#include <setjmp.h>
#include <string.h>

#include "heap.h"
#include "hedge_kernels.h"
#include "m3_env.h"
#include "wasm3.h"

m3ApiRawFunction (load_weights)
{
    m3ApiGetArg (uint32_t, to)
    m3ApiGetArg (uint32_t, from)
    m3ApiGetArg (uint32_t, bytes)
    const hedge_slot_header * header = _ctx->userdata;
    if ((uint64_t) from + bytes > header->weights_bytes || (uint64_t) to + bytes > m3_GetMemorySize (runtime))
        m3ApiTrap (m3Err_trapOutOfBoundsMemoryAccess);
    memcpy ((uint8_t *) _mem + to, hedge_slot_weights (header) + from, bytes);
    m3ApiSuccess ();
}

/** Calls the native kernel that the import is linked to; its error is a trap. */
m3ApiRawFunction (call_kernel)
{
    m3ApiGetArg (uint32_t, descriptor)
    const hedge_kernel_entry * kernel = _ctx->userdata;
    const hedge_memory memory = { _mem, m3_GetMemorySize (runtime) };
    return kernel->run (memory, descriptor);
}

/** An import that the module does not have is none to link. */
static M3Result linked (M3Result result)
{
    return result == m3Err_functionLookupFailed ? m3Err_none : result;
}

static M3Result link_imports (IM3Module module, const hedge_slot_header * header)
{
    M3Result result = linked (m3_LinkRawFunctionEx (module, "hedge", "load_weights", "v(iii)", load_weights, header));
    for (const hedge_kernel_entry * kernel = hedge_kernels; kernel->name && ! result; ++kernel)
        result = linked (m3_LinkRawFunctionEx (module, "hedge_native", kernel->name, "v(i)", call_kernel, kernel));
    return result;
}

/** `step` as the interface has it: (i32) -> i32. */
static M3Result find_step (hedge_model * io_model)
{
    M3Result result = m3_FindFunction (& io_model->step, io_model->runtime, "step");
    if (result) return result;
    IM3Function step = io_model->step;
    if (m3_GetArgCount (step) != 1 || m3_GetArgType (step, 0) != c_m3Type_i32 || m3_GetRetCount (step) != 1
        || m3_GetRetType (step, 0) != c_m3Type_i32) return "step has another signature";
    return m3Err_none;
}

static bool holds (uint64_t length, uint32_t address, uint64_t bytes)
{
    return address + bytes <= length;
}

static const uint32_t row_head = 3; /* label, exited, entropy */

static uint32_t row_bytes (const hedge_slot_header * header)
{
    return 4 * (row_head + header->result_count);
}

/** The addresses of the header lie in the memory that there is. */
static M3Result check_addresses (const hedge_model * model)
{
    const hedge_slot_header * h = model->header;
    if (! model->runtime->memory.mallocated) return "the module has no memory";
    const uint64_t length = m3_GetMemorySize (model->runtime);
    const bool hybrid = h->flags & HEDGE_SLOT_HYBRID;
    if (h->result_count > length || ! holds (length, h->input, h->input_bytes) || ! holds (length, h->result, row_bytes (h))
        || (hybrid && (! holds (length, h->threshold, 4) || ! holds (length, h->payload, h->payload_bytes))))
        return "an address lies outside the memory";
    return m3Err_none;
}

static M3Result load (hedge_model * io_model)
{
    const hedge_slot_header * header = io_model->header;
    IM3Environment environment = m3_NewEnvironment ();
    io_model->runtime = m3_NewRuntime (environment, header->stack_bytes, NULL);
    io_model->runtime->memoryLimit = header->memory_bytes;

    IM3Module module;
    M3Result result = m3_ParseModule (environment, & module, hedge_slot_wasm (header), header->wasm_bytes);
    if (! result) result = m3_LoadModule (io_model->runtime, module);
    if (! result) result = link_imports (module, header);
    if (! result) result = m3_CompileModule (module);
    if (! result) result = find_step (io_model);
    if (! result) result = check_addresses (io_model);
    return result;
}

static jmp_buf out_of_memory;

static void leave_wasm3 (void)
{
    longjmp (out_of_memory, 1);
}

const char * hedge_model_load (hedge_model * o_model, const hedge_slot_header * header)
{
    * o_model = (hedge_model) { .header = header };
    hedge_heap_exhausted = leave_wasm3;
    const char * flaw;
    if (setjmp (out_of_memory)) flaw = "it needs more memory than the arena has";
    else flaw = load (o_model);
    hedge_heap_exhausted = NULL;
    if (flaw) hedge_model_unload (o_model);
    return flaw;
}

void hedge_model_unload (hedge_model * model)
{
    /* All that wasm3 has of it lies in the arena. */
    hedge_heap_reset ();
    * model = (hedge_model) { .header = NULL };
}

static uint8_t * memory_of (const hedge_model * model)
{
    return m3_GetMemory (model->runtime, NULL, 0);
}

void hedge_model_begin (hedge_model * model, const uint8_t * input, uint32_t threshold)
{
    const hedge_slot_header * header = model->header;
    uint8_t * memory = memory_of (model);
    if (input) memcpy (memory + header->input, input, header->input_bytes);
    else memset (memory + header->input, 0, header->input_bytes);
    if (header->flags & HEDGE_SLOT_HYBRID) memcpy (memory + header->threshold, & threshold, sizeof threshold);
    model->next_step = 0;
}

hedge_model_progress hedge_model_step (hedge_model * model, const char ** o_trap)
{
    int32_t answer = 0;
    const void * arguments [] = { & model->next_step };
    const void * results [] = { & answer };
    M3Result trap = m3_Call (model->step, 1, arguments);
    if (! trap) trap = m3_GetResults (model->step, 1, results);
    if (! trap && answer == 0 && ++model->next_step == model->header->steps) trap = "more steps than the header says";
    * o_trap = trap;
    return trap ? HEDGE_MODEL_TRAPPED : answer ? HEDGE_MODEL_DONE : HEDGE_MODEL_MORE;
}

void hedge_model_result_of (const hedge_model * model, hedge_model_result * o_result)
{
    const hedge_slot_header * header = model->header;
    const uint8_t * memory = memory_of (model);
    uint32_t head [3];
    memcpy (head, memory + header->result, sizeof head);
    * o_result = (hedge_model_result) {
        .label = head [0],
        .exited = head [1] != 0,
        .entropy = head [2],
        .row = memory + header->result,
        .row_bytes = row_bytes (header),
        .payload = memory + header->payload,
    };
}
