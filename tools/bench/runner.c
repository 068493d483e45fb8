/**
 * Runs a bundle's edge.wasm on a native wasm3, as firmware would, so that its cost can be counted in machine
 * instructions: node under valgrind would be too slow. wasm3-instructions.js builds and calls it.
 *
 *   runner edge.wasm weights.bin sample.bin memoryBytes stackBytes input threshold result thresholdWord steps rounds
 *
 * Every number is as in the manifest. Prints one line per step of the last round: "step S ANSWER INSTRUCTIONS MEMORY", the last a hash
 * (FNV-1a) of the linear memory behind the step, so that builds can be compared. INSTRUCTIONS is 0 where callgrind counts
 * them (counter.h; a dump's description is "Client Request: round R step S"). Then the result row ("result LABEL EXITED ENTROPY") and
 * wasm3's memory ("metacode BYTES PAGES", "linear BYTES", "heap BYTES": everything wasm3 allocates, at most, code pages and linear memory included).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counter.h"
#include "heap.h"
#include "hedge_kernels.h"
#include "m3_env.h"
#include "wasm3.h"

typedef struct { uint8_t * bytes; uint32_t length; } Blob;

static Blob weights;

static void fail (const char * what, const char * detail)
{
    fprintf (stderr, "runner: %s%s%s\n", what, detail ? ": " : "", detail ? detail : "");
    exit (1);
}

static void check (M3Result result, const char * what)
{
    if (result) fail (what, result);
}

static Blob read_file (const char * path)
{
    FILE * file = fopen (path, "rb");
    if (! file || fseek (file, 0, SEEK_END)) fail ("cannot read", path);
    const long length = ftell (file);
    if (length < 0 || length > (16 << 20)) fail ("not a file of a bundle", path);
    Blob blob = { malloc ((size_t) length + 1), (uint32_t) length };
    rewind (file);
    if (! blob.bytes || fread (blob.bytes, 1, blob.length, file) != blob.length) fail ("cannot read", path);
    fclose (file);
    return blob;
}

static uint32_t number (const char * text)
{
    char * end;
    const unsigned long long value = strtoull (text, & end, 10);
    if (* end || end == text || value > UINT32_MAX) fail ("not a number", text);
    return (uint32_t) value;
}

m3ApiRawFunction (load_weights)
{
    m3ApiGetArg (uint32_t, to)
    m3ApiGetArg (uint32_t, from)
    m3ApiGetArg (uint32_t, bytes)
    (void) _ctx;
    if ((uint64_t) from + bytes > weights.length || (uint64_t) to + bytes > m3_GetMemorySize (runtime))
        m3ApiTrap (m3Err_trapOutOfBoundsMemoryAccess);
    memcpy ((uint8_t *) _mem + to, weights.bytes + from, bytes);
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
static void check_linked (M3Result result, const char * name)
{
    if (result != m3Err_functionLookupFailed) check (result, name);
}

static void measure_pages (IM3CodePage page, size_t * used, size_t * pages)
{
    for (; page; page = page->info.next, ++ * pages) * used += page->info.lineIndex * sizeof (code_t);
}

static uint32_t hash_of (const uint8_t * bytes, uint32_t length)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < length; ++i) hash = (hash ^ bytes [i]) * 16777619u;
    return hash;
}

typedef struct { int32_t answer; uint64_t instructions; uint32_t memory; } Step;

int main (int argc, char ** argv)
{
    if (argc != 12) fail ("wrong number of arguments", NULL);
    const Blob wasm = read_file (argv [1]);
    weights = read_file (argv [2]);
    const Blob sample = read_file (argv [3]);
    const uint32_t memory_bytes = number (argv [4]), stack_bytes = number (argv [5]);
    const uint32_t input = number (argv [6]), threshold = number (argv [7]), result = number (argv [8]);
    const uint32_t threshold_word = number (argv [9]), steps = number (argv [10]), rounds = number (argv [11]);

    const size_t heap_before = heap_live ();
    heap_reset_peak ();
    IM3Environment environment = m3_NewEnvironment ();
    IM3Runtime runtime = environment ? m3_NewRuntime (environment, stack_bytes, NULL) : NULL;
    if (! runtime) fail ("no memory for wasm3", NULL);
    runtime->memoryLimit = memory_bytes;
    IM3Module module;
    check (m3_ParseModule (environment, & module, wasm.bytes, wasm.length), "cannot parse the module");
    check (m3_LoadModule (runtime, module), "cannot load the module");
    check_linked (m3_LinkRawFunction (module, "hedge", "load_weights", "v(iii)", load_weights), "load_weights");
    for (const hedge_kernel_entry * kernel = hedge_kernels; kernel->name; ++kernel)
        check_linked (m3_LinkRawFunctionEx (module, "hedge_native", kernel->name, "v(i)", call_kernel, kernel), kernel->name);
    check (m3_CompileModule (module), "cannot compile the module");
    IM3Function step;
    check (m3_FindFunction (& step, runtime, "step"), "no export step");

    uint8_t * memory = m3_GetMemory (runtime, NULL, 0);
    const uint32_t length = m3_GetMemorySize (runtime);
    if ((uint64_t) input + sample.length > length || (uint64_t) threshold + 4 > length || (uint64_t) result + 12 > length)
        fail ("an address lies outside the memory", NULL);

    const size_t heap_bytes = heap_peak () - heap_before;

    Step * log = calloc (steps, sizeof * log);
    if (! log) fail ("no memory", NULL);
    uint32_t done = 0;
    for (uint32_t round = 0; round < rounds; ++round)
    {
        memcpy (memory + input, sample.bytes, sample.length);
        memcpy (memory + threshold, & threshold_word, 4);
        int32_t answer = 0;
        for (done = 0; done < steps && answer == 0; ++done)
        {
            char name [64];
            const void * arguments [] = { & done };
            const void * results [] = { & answer };
            snprintf (name, sizeof name, "round %u step %u", (unsigned) round, (unsigned) done);
            counter_start ();
            const M3Result trap = m3_Call (step, 1, arguments);
            const uint64_t instructions = counter_stop (name);
            check (trap, name);
            check (m3_GetResults (step, 1, results), name);
            log [done] = (Step) { answer, instructions, hash_of (memory, length) };
        }
        if (answer != 1) fail ("the module did not finish", NULL);
    }

    for (uint32_t i = 0; i < done; ++i)
        printf ("step %u %d %llu %08lx\n", (unsigned) i, (int) log [i].answer, (unsigned long long) log [i].instructions,
                (unsigned long) log [i].memory);
    int32_t row [3];
    memcpy (row, memory + result, sizeof row);
    printf ("result %d %d %d\n", (int) row [0], (int) row [1], (int) row [2]);
    size_t used = 0, pages = 0;
    measure_pages (runtime->pagesOpen, & used, & pages);
    measure_pages (runtime->pagesFull, & used, & pages);
    printf ("metacode %u %u\nlinear %u\nheap %u\n", (unsigned) used, (unsigned) pages, (unsigned) length, (unsigned) heap_bytes);
    m3_FreeRuntime (runtime);
    m3_FreeEnvironment (environment);
    return 0;
}
