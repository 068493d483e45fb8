/** Modules on wasm3 in its arena: what does not fit is refused, at whatever point memory runs out, and leaves nothing behind. */
#include "heap.h"
#include "rig.h"

static slot_image probe;

static hedge_slot_header * header_of (slot_image * image)
{
    return (hedge_slot_header *) (void *) image->bytes;
}

/** Nothing is in the arena. */
static void check_empty (void)
{
    void * all = hedge_heap_calloc (1, HEDGE_HEAP_BYTES - 12);
    CHECK (all);
    hedge_heap_free (all);
}

static void check_runs (hedge_model * model)
{
    const uint8_t input [4] = { PROBE_FINE, 2, 1, 0 };
    const char * trap;
    hedge_model_begin (model, input, 1 << 15);
    while (hedge_model_step (model, & trap) == HEDGE_MODEL_MORE) {}
    hedge_model_result result;
    hedge_model_result_of (model, & result);
    CHECK (! trap && result.exited && result.label == 2);
}

/** With every amount of memory that is left. */
static void whatever_does_not_fit_is_refused_and_leaves_nothing (void)
{
    uint32_t refused = 0, loaded = 0;
    for (uint32_t left = 0; left < 16000; left += 16)
    {
        hedge_model model;
        header_of (& probe)->stack_bytes = (HEDGE_HEAP_BYTES - left) & ~ 7u;
        const char * flaw = hedge_model_load (& model, header_of (& probe));
        if (flaw) ++refused;
        else
        {
            ++loaded;
            check_runs (& model);
            hedge_model_unload (& model);
        }
        check_empty ();
    }
    CHECK (refused > 100 && loaded > 100);
    header_of (& probe)->stack_bytes = 1024;
}

static void check_flaw (const slot_image * image)
{
    slot_image copy = * image;
    hedge_model model;
    CHECK (hedge_model_load (& model, header_of (& copy)));
    check_empty ();
}

/** A signed header may still lie about its module. */
static void a_header_that_does_not_fit_its_module_is_refused (void)
{
    slot_image wrong = probe;
    header_of (& wrong)->input = 61;
    check_flaw (& wrong);
    wrong = probe;
    header_of (& wrong)->result_count = 10;
    check_flaw (& wrong);
    wrong = probe;
    header_of (& wrong)->result_count = UINT32_MAX / 4;
    check_flaw (& wrong);
    wrong = probe;
    header_of (& wrong)->payload = UINT32_MAX;
    check_flaw (& wrong);
    wrong = probe;
    header_of (& wrong)->threshold = 62;
    check_flaw (& wrong);
    wrong = probe;
    header_of (& wrong)->memory_bytes = 32;
    check_flaw (& wrong);
    wrong = probe;
    header_of (& wrong)->wasm_bytes = 40;
    check_flaw (& wrong);
}

/** What the module asks for in weights is copied from weights.bin and nowhere else. */
static void weights_beyond_their_end_are_a_trap (void)
{
    slot_image few = probe;
    header_of (& few)->weights_bytes = 2;
    hedge_model model;
    CHECK (! hedge_model_load (& model, header_of (& few)));
    const char * trap = NULL;
    hedge_model_begin (& model, NULL, 0);
    CHECK_EQUAL (hedge_model_step (& model, & trap), HEDGE_MODEL_TRAPPED);
    CHECK (trap);
    hedge_model_unload (& model);
    check_empty ();
}

static void a_sample_may_be_abandoned_between_steps (void)
{
    hedge_model model;
    CHECK (! hedge_model_load (& model, header_of (& probe)));
    const uint8_t other [4] = { PROBE_NEVER_ENDS, 1, 100, 0 };
    const char * trap;
    for (uint32_t steps = 0; steps < 3; ++steps)
    {
        hedge_model_begin (& model, other, 1 << 15);
        for (uint32_t i = 0; i < steps; ++i) (void) hedge_model_step (& model, & trap);
        check_runs (& model);
    }
    hedge_model_unload (& model);
    check_empty ();
}

int main (int argc, char ** argv)
{
    CHECK (argc == 4);
    probe = make_image (read_wasm (argv [1]), 1, HEDGE_SLOT_HYBRID);
    TEST (whatever_does_not_fit_is_refused_and_leaves_nothing);
    TEST (a_header_that_does_not_fit_its_module_is_refused);
    TEST (weights_beyond_their_end_are_a_trap);
    TEST (a_sample_may_be_abandoned_between_steps);
    return 0;
}
