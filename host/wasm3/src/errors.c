/** From what wasm3 says to a Wasm3Error. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "binding.h"

napi_value throw_error (napi_env env, const char * code, const char * format, ...)
{
    char message [512];
    va_list args;
    va_start (args, format);
    vsnprintf (message, sizeof message, format, args);
    va_end (args);

    bool pending = false;
    napi_is_exception_pending (env, & pending);
    if (pending) return NULL;

    void * constructor_ref = NULL;
    napi_value constructor, error, argv [2];
    if (napi_get_instance_data (env, & constructor_ref) == napi_ok and constructor_ref
        and napi_get_reference_value (env, (napi_ref) constructor_ref, & constructor) == napi_ok and constructor
        and napi_create_string_utf8 (env, code, NAPI_AUTO_LENGTH, & argv [0]) == napi_ok
        and napi_create_string_utf8 (env, message, NAPI_AUTO_LENGTH, & argv [1]) == napi_ok
        and napi_new_instance (env, constructor, 2, argv, & error) == napi_ok)
        napi_throw (env, error);
    else
        napi_throw_error (env, code, message);
    return NULL;
}

/** wasm3 compares its results by address, and so does this table. */
static const char * code_of (M3Result result)
{
    const struct { M3Result result; const char * code; } table [] = {
        { m3Err_trapOutOfBoundsMemoryAccess,    "trap-out-of-bounds" },
        { m3Err_trapDivisionByZero,             "trap-divide-by-zero" },
        { m3Err_trapIntegerOverflow,            "trap-integer-overflow" },
        { m3Err_trapIntegerConversion,          "trap-invalid-conversion" },
        { m3Err_trapIndirectCallTypeMismatch,   "trap-indirect-call-type" },
        { m3Err_trapTableIndexOutOfRange,       "trap-table-index" },
        { m3Err_trapTableElementIsNull,         "trap-null-element" },
        { m3Err_trapUnreachable,                "trap-unreachable" },
        { m3Err_trapStackOverflow,              CODE_STACK },
        { m3Err_mallocFailed,                   CODE_OUT_OF_MEMORY },
        { m3Err_mallocFailedCodePage,           CODE_OUT_OF_MEMORY },
    };
    for (size_t i = 0; i < sizeof table / sizeof * table; ++i)
        if (table [i].result == result) return table [i].code;
    return CODE_UNSUPPORTED;
}

napi_value throw_result (napi_env env, Instance * instance, M3Result result, const char * what)
{
    if (instance->exception)
    {
        napi_value box = NULL, exception = NULL;
        napi_get_reference_value (env, instance->exception, & box);
        napi_delete_reference (env, instance->exception);
        instance->exception = NULL;
        if (box and napi_get_element (env, box, 0, & exception) == napi_ok) { napi_throw (env, exception); return NULL; }
    }
    /* A worker that is being terminated leaves an exception that cannot be taken out of V8. */
    bool pending = false;
    napi_is_exception_pending (env, & pending);
    if (pending) return NULL;

    M3ErrorInfo info = { 0 };
    if (instance->runtime) m3_GetErrorInfo (instance->runtime, & info);
    const bool detailed = info.result == result and info.message and info.message [0];
    return throw_error (env, code_of (result), "wasm3 stopped while it %s: %s%s%s.", what, result,
                        detailed ? ": " : "", detailed ? info.message : "");
}
