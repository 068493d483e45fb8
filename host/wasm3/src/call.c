/** Calls in both directions: JavaScript calls exports, wasm3 calls imports. */
#include <stdlib.h>
#include <stdio.h>

#include "binding.h"

/* A trap of our own: the exception itself waits in the instance. Compared by address, as wasm3's own results are. */
static const char import_threw [] = "an import threw an exception";
/* Enough for nearly every function; more are allocated. */
#define USUAL_SLOTS 16

/** Whether `slots` argument and result slots fit between the current base of the value stack and its end. */
static bool slots_fit (const Instance * instance, const void * base, uint32_t slots)
{
    return (const uint8_t *) base + slots * sizeof (uint64_t) <= instance->stack_end;
}

static M3Result keep_exception (Instance * instance)
{
    napi_env env = instance->env;
    napi_value exception = NULL;
    if (napi_get_and_clear_last_exception (env, & exception) == napi_ok and exception and not instance->exception)
    {
        /* References hold objects only; anything can be thrown, so it travels in an array. */
        napi_value box;
        if (napi_create_array_with_length (env, 1, & box) == napi_ok and napi_set_element (env, box, 0, exception) == napi_ok)
            napi_create_reference (env, box, 1, & instance->exception);
    }
    return import_threw;
}

static bool call_function (napi_env env, Import * import, IM3FuncType type, uint64_t * sp, napi_value * argv)
{
    napi_value function = NULL, undefined, result;
    char what [48];
    for (uint32_t i = 0; i < type->numArgs; ++i)
    {
        argv [i] = value_from_slot (env, sp + type->numRets + i, type->types [type->numRets + i]);
        if (not argv [i]) return false;
    }
    napi_get_undefined (env, & undefined);
    napi_get_reference_value (env, import->function, & function);
    if (not function)
    {
        throw_error (env, CODE_FREED, "An import of the wasm3 instance was collected.");
        return false;
    }
    if (napi_call_function (env, undefined, function, type->numArgs, argv, & result) != napi_ok) return false;
    if (type->numRets == 0) return true;
    if (type->numRets == 1) return slot_from_value (env, result, type->types [0], sp, "result of an import");

    bool is_array = false;
    uint32_t length = 0;
    napi_is_array (env, result, & is_array);
    if (is_array) napi_get_array_length (env, result, & length);
    if (length != type->numRets)
    {
        throw_error (env, CODE_TYPE, "An import must return an array of its %u results.", (unsigned) type->numRets);
        return false;
    }
    for (uint32_t i = 0; i < type->numRets; ++i)
    {
        napi_value element;
        snprintf (what, sizeof what, "result %u of an import", (unsigned) i);
        if (napi_get_element (env, result, i, & element) != napi_ok
            or not slot_from_value (env, element, type->types [i], sp + i, what)) return false;
    }
    return true;
}

/** What wasm3 calls for every import. Results are at sp [0], arguments after them. */
static const void * call_import (IM3Runtime runtime, IM3ImportContext context, uint64_t * sp, void * memory)
{
    (void) runtime;
    (void) memory;
    Import * import = context->userdata;
    Instance * instance = import->instance;
    IM3FuncType type = context->function->funcType;
    napi_env env = instance->env;
    if (not slots_fit (instance, sp, type->numRets + type->numArgs)) return m3Err_trapStackOverflow;

    napi_handle_scope scope;
    if (napi_open_handle_scope (env, & scope) != napi_ok) return import_threw;
    napi_value usual [USUAL_SLOTS];
    napi_value * argv = type->numArgs <= USUAL_SLOTS ? usual : malloc (type->numArgs * sizeof * argv);
    M3Result result = m3Err_none;
    if (not argv) result = m3Err_mallocFailed;
    else if (not call_function (env, import, type, sp, argv)) result = keep_exception (instance);
    if (argv != usual) free (argv);
    napi_close_handle_scope (env, scope);
    return result;
}

M3Result link_imports (Instance * instance)
{
    IM3Module module = instance->module;
    if (module->numFuncImports != instance->import_count) return m3Err_functionImportMissing;
    M3Result result = m3Err_none;
    for (uint32_t i = 0; i < module->numFuncImports and not result; ++i)
    {
        Import * import = & instance->imports [i];
        result = CompileRawFunction (module, & module->functions [i], import->kernel ? call_kernel : call_import, import);
    }
    return result;
}

M3Result run_start (Instance * instance)
{
    if (not stack_has_room ()) return m3Err_trapStackOverflow;
    ++instance->depth;
    M3Result result = m3_RunStart (instance->module);
    --instance->depth;
    return result;
}

static napi_value results_of (napi_env env, Instance * instance, IM3FuncType type)
{
    const uint64_t * slots = instance->runtime->stack;
    napi_value array, value;
    if (type->numRets == 0) return NULL;
    if (type->numRets == 1) return value_from_slot (env, slots, type->types [0]);
    napi_create_array_with_length (env, type->numRets, & array);
    for (uint32_t i = 0; i < type->numRets; ++i)
    {
        value = value_from_slot (env, slots + i, type->types [i]);
        if (not value or napi_set_element (env, array, i, value) != napi_ok) return NULL;
    }
    return array;
}

static napi_value run (napi_env env, Export * exported, size_t argc, const napi_value * argv, uint64_t * slots, const void ** pointers)
{
    Instance * instance = exported->instance;
    IM3FuncType type = exported->function->funcType;
    char what [32];
    for (uint32_t i = 0; i < argc; ++i)
    {
        snprintf (what, sizeof what, "argument %u", (unsigned) i);
        if (not slot_from_value (env, argv [i], type->types [type->numRets + i], & slots [i], what)) return NULL;
        pointers [i] = & slots [i];
    }
    /* runtime->stack moves up while an import runs, so a nested call cannot touch its callers' frames. */
    if (not slots_fit (instance, instance->runtime->stack, type->numRets + type->numArgs) or not stack_has_room ())
        return throw_result (env, instance, m3Err_trapStackOverflow, "called an export");
    ++instance->depth;
    M3Result result = m3_Call (exported->function, (uint32_t) argc, pointers);
    --instance->depth;
    if (M3_UNLIKELY (result)) return throw_result (env, instance, result, "called an export");
    return results_of (env, instance, type);
}

static napi_value call_export (napi_env env, napi_callback_info info)
{
    size_t argc = USUAL_SLOTS;
    napi_value usual [USUAL_SLOTS];
    void * data;
    napi_get_cb_info (env, info, & argc, usual, NULL, & data);
    Export * exported = data;
    if (not exported->instance->runtime)
        return throw_error (env, CODE_FREED, "The wasm3 instance was freed; load the module again to use it.");
    IM3FuncType type = exported->function->funcType;
    if (argc != type->numArgs)
        return throw_error (env, CODE_TYPE, "The function takes %u arguments, not %zu.", (unsigned) type->numArgs, argc);
    if (argc <= USUAL_SLOTS)
    {
        uint64_t slots [USUAL_SLOTS];
        const void * pointers [USUAL_SLOTS];
        return run (env, exported, argc, usual, slots, pointers);
    }
    napi_value * argv = malloc (argc * sizeof * argv);
    uint64_t * slots = malloc (argc * sizeof * slots);
    const void ** pointers = malloc (argc * sizeof * pointers);
    napi_value result = NULL;
    if (argv and slots and pointers)
    {
        napi_get_cb_info (env, info, & argc, argv, NULL, NULL);
        result = run (env, exported, argc, argv, slots, pointers);
    }
    else throw_error (env, CODE_OUT_OF_MEMORY, "There is no memory for a call with %zu arguments.", argc);
    free (argv);
    free (slots);
    free (pointers);
    return result;
}

static void free_export (napi_env env, void * data, void * hint)
{
    (void) env;
    (void) hint;
    free (data);
}

/** (holder, index in the module's function space) -> function. The caller ties the holder's life to it. */
napi_value export_function (napi_env env, napi_callback_info info)
{
    size_t argc = 2;
    napi_value argv [2], function;
    uint32_t index = UINT32_MAX;
    napi_get_cb_info (env, info, & argc, argv, NULL, NULL);
    Instance * instance = unwrap_instance (env, argv [0]);
    if (not instance) return NULL;
    napi_get_value_uint32 (env, argv [1], & index);
    Export * exported = malloc (sizeof * exported);
    if (not exported or index >= instance->module->numFunctions)
    {
        free (exported);
        return throw_error (env, CODE_OUT_OF_MEMORY, "There is no memory for a function handle.");
    }
    * exported = (Export) { instance, & instance->module->functions [index] };
    if (napi_create_function (env, NULL, 0, call_export, exported, & function) != napi_ok)
    {
        free (exported);
        return NULL;
    }
    napi_add_finalizer (env, function, exported, free_export, NULL, NULL);
    return function;
}

static M3Global * global_of (Instance * instance, napi_env env, napi_value index_value)
{
    uint32_t index = UINT32_MAX;
    napi_get_value_uint32 (env, index_value, & index);
    if (index < instance->module->numGlobals) return & instance->module->globals [index];
    throw_error (env, CODE_TYPE, "There is no global of that index.");
    return NULL;
}

/** (holder, index in the module's global space) -> value. */
napi_value global_get (napi_env env, napi_callback_info info)
{
    size_t argc = 2;
    napi_value argv [2];
    napi_get_cb_info (env, info, & argc, argv, NULL, NULL);
    Instance * instance = unwrap_instance (env, argv [0]);
    M3Global * global = instance ? global_of (instance, env, argv [1]) : NULL;
    return global ? value_from_slot (env, (const uint64_t *) & global->i64Value, global->type) : NULL;
}

/** (holder, index, value): the caller has checked that the global is mutable. */
napi_value global_set (napi_env env, napi_callback_info info)
{
    size_t argc = 3;
    napi_value argv [3];
    napi_get_cb_info (env, info, & argc, argv, NULL, NULL);
    Instance * instance = unwrap_instance (env, argv [0]);
    M3Global * global = instance ? global_of (instance, env, argv [1]) : NULL;
    if (global) slot_from_value (env, argv [2], global->type, (uint64_t *) & global->i64Value, "value of the global");
    return NULL;
}
