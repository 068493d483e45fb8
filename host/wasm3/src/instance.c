/** Loading, measuring and freeing instances. */
#include <stdlib.h>
#include <string.h>

#include "binding.h"

/* Tells a holder of ours from any other wrapped object. */
static const napi_type_tag holder_tag = { 0x8f3c1d5e7a904b62u, 0xb1e6420f5d3a97c8u };

/** Frees all that wasm3 holds; the Instance itself lives until its holder is collected. */
static void release (Instance * instance)
{
    for (uint32_t i = 0; i < instance->import_count; ++i)
        if (instance->imports [i].function) napi_delete_reference (instance->env, instance->imports [i].function);
    instance->import_count = 0;
    if (instance->exception) napi_delete_reference (instance->env, instance->exception);
    instance->exception = NULL;
    images_free (instance);
    m3_FreeRuntime (instance->runtime); /* frees the loaded module too */
    m3_FreeEnvironment (instance->environment);
    free (instance->imports);
    free (instance->bytes);
    instance->runtime = NULL;
    instance->environment = NULL;
    instance->module = NULL;
    instance->imports = NULL;
    instance->bytes = NULL;
    int64_t total;
    if (instance->external_bytes) napi_adjust_external_memory (instance->env, - instance->external_bytes, & total);
    instance->external_bytes = 0;
}

static void finalize (napi_env env, void * data, void * hint)
{
    (void) env;
    (void) hint;
    release (data);
    free (data);
}

Instance * unwrap_instance (napi_env env, napi_value holder)
{
    void * instance = NULL;
    bool ours = false;
    if (napi_check_object_type_tag (env, holder, & holder_tag, & ours) != napi_ok or not ours
        or napi_unwrap (env, holder, & instance) != napi_ok)
    {
        throw_error (env, CODE_TYPE, "The receiver is no wasm3 instance.");
        return NULL;
    }
    if (not ((Instance *) instance)->runtime)
    {
        throw_error (env, CODE_FREED, "The wasm3 instance was freed; load the module again to use it.");
        return NULL;
    }
    return instance;
}

/**
 * wasm3 copies a call's arguments above the caller's frame before the callee checks the stack, so a call can write this
 * far beyond the end that is checked.
 */
static size_t red_zone_bytes (IM3Module module)
{
    size_t most = 0;
    for (uint32_t i = 0; i < module->numFuncTypes; ++i)
        most = M3_MAX (most, (size_t) module->funcTypes [i]->numArgs + module->funcTypes [i]->numRets);
    return (most + 2) * sizeof (uint64_t);
}

/** memory.grow beyond the limit must fail; by itself wasm3 would report success and allocate nothing. */
static void cap_growth (IM3Runtime runtime)
{
    M3Memory * memory = & runtime->memory;
    const uint32_t pages = runtime->memoryLimit / d_m3MemPageSize;
    memory->maxPages = M3_MIN (memory->maxPages, M3_MAX (memory->numPages, pages));
}

static bool take_imports (napi_env env, Instance * instance, napi_value functions)
{
    uint32_t count = 0;
    napi_get_array_length (env, functions, & count);
    if (not count) return true;
    instance->imports = calloc (count, sizeof (Import));
    if (not instance->imports) return false;
    instance->import_count = count;
    for (uint32_t i = 0; i < count; ++i)
    {
        napi_value function;
        instance->imports [i].instance = instance;
        if (napi_get_element (env, functions, i, & function) != napi_ok) return false;
        instance->imports [i].kernel = kernel_of (env, function);
        if (not instance->imports [i].kernel
            and napi_create_reference (env, function, 0, & instance->imports [i].function) != napi_ok) return false;
    }
    return true;
}

/** Everything up to the start function; the result is thrown by the caller. */
static M3Result prepare (Instance * instance, size_t length, uint32_t memory_limit, uint32_t stack_bytes)
{
    instance->environment = m3_NewEnvironment ();
    if (not instance->environment) return m3Err_mallocFailed;

    IM3Module module = NULL;
    M3Result result = m3_ParseModule (instance->environment, & module, instance->bytes, (uint32_t) length);
    if (result) return result;

    instance->runtime = m3_NewRuntime (instance->environment, stack_bytes + (uint32_t) red_zone_bytes (module), instance);
    if (not instance->runtime) { m3_FreeModule (module); return m3Err_mallocFailed; }
    instance->runtime->memoryLimit = memory_limit;
    instance->runtime->numStackSlots = stack_bytes / sizeof (m3slot_t);
    instance->stack_end = (uint8_t *) instance->runtime->stack + stack_bytes;

    result = m3_LoadModule (instance->runtime, module);
    if (result) { m3_FreeModule (module); return result; }
    instance->module = module;
    cap_growth (instance->runtime);

    result = link_imports (instance);
    if (not result) result = m3_CompileModule (module);
    return result;
}

static void measure_pages (IM3CodePage page, double * io_used, double * io_allocated)
{
    for (; page; page = page->info.next)
    {
        * io_used += page->info.lineIndex * (double) sizeof (code_t);
        * io_allocated += page->info.numLines * (double) sizeof (code_t) + sizeof (M3CodePageHeader);
    }
}

/** (holder, bytes: Uint8Array, imports: (function or name of a native kernel)[], memoryLimit, stackBytes, images) -> holder, now wrapped around the instance. */
napi_value instance_load (napi_env env, napi_callback_info info)
{
    size_t argc = 6, length = 0;
    napi_value argv [6];
    void * bytes = NULL;
    uint32_t memory_limit = 0, stack_bytes = 0, images = 0;
    napi_get_cb_info (env, info, & argc, argv, NULL, NULL);
    napi_get_typedarray_info (env, argv [1], NULL, & length, & bytes, NULL, NULL);
    napi_get_value_uint32 (env, argv [3], & memory_limit);
    napi_get_value_uint32 (env, argv [4], & stack_bytes);
    napi_get_value_uint32 (env, argv [5], & images);

    Instance * instance = calloc (1, sizeof * instance);
    if (not instance) return throw_error (env, CODE_OUT_OF_MEMORY, "There is no memory for another wasm3 instance.");
    instance->env = env;
    instance->bytes = malloc (length ? length : 1);
    M3Result result = m3Err_mallocFailed;
    if (instance->bytes and images_reserve (instance, images) and take_imports (env, instance, argv [2]))
    {
        memcpy (instance->bytes, bytes, length);
        result = prepare (instance, length, memory_limit, stack_bytes);
    }
    const char * doing = "compiled the module";
    if (not result)
    {
        doing = "ran the module's start function";
        result = run_start (instance);
    }
    if (result)
    {
        throw_result (env, instance, result, doing);
        finalize (env, instance, NULL);
        return NULL;
    }

    napi_wrap (env, argv [0], instance, finalize, NULL, NULL);
    napi_type_tag_object (env, argv [0], & holder_tag);
    double used = 0, allocated = 0;
    measure_pages (instance->runtime->pagesOpen, & used, & allocated);
    measure_pages (instance->runtime->pagesFull, & used, & allocated);
    int64_t total;
    instance->external_bytes = (int64_t) (sizeof (M3Runtime) + length + stack_bytes + allocated + images * sizeof (M3Memory))
                             + (int64_t) instance->runtime->memory.mallocated->length;
    napi_adjust_external_memory (env, instance->external_bytes, & total);
    return argv [0];
}

/** (holder): frees at once; freeing twice does nothing. */
napi_value instance_free (napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value holder;
    void * data = NULL;
    bool ours = false;
    napi_get_cb_info (env, info, & argc, & holder, NULL, NULL);
    if (napi_check_object_type_tag (env, holder, & holder_tag, & ours) != napi_ok or not ours
        or napi_unwrap (env, holder, & data) != napi_ok) return NULL;
    Instance * instance = data;
    if (instance->depth) return throw_error (env, CODE_BUSY, "The wasm3 instance cannot be freed while one of its functions runs.");
    if (instance->runtime) release (instance);
    return NULL;
}

/** (holder) -> [bytes of metacode, bytes of the code pages that hold it, bytes of memory images]. */
napi_value instance_stats (napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value holder, result, value;
    double figures [3] = { 0, 0, 0 };
    napi_get_cb_info (env, info, & argc, & holder, NULL, NULL);
    Instance * instance = unwrap_instance (env, holder);
    if (not instance) return NULL;
    measure_pages (instance->runtime->pagesOpen, & figures [0], & figures [1]);
    measure_pages (instance->runtime->pagesFull, & figures [0], & figures [1]);
    figures [2] = images_bytes (instance);
    napi_create_array_with_length (env, 3, & result);
    for (uint32_t i = 0; i < 3; ++i)
    {
        napi_create_double (env, figures [i], & value);
        napi_set_element (env, result, i, value);
    }
    return result;
}
