/** Copies between JavaScript and linear memory. No view of it is handed out: memory.grow moves it. */
#include <string.h>

#include "binding.h"

typedef struct { uint8_t * data; size_t length; } Bytes;

static Bytes linear_memory (Instance * instance)
{
    M3MemoryHeader * header = instance->runtime->memory.mallocated;
    return (Bytes) { m3MemData (header), header->length };
}

/** The bytes of a Uint8Array or Int8Array (so also of a Buffer); false with an exception pending. */
static bool bytes_of (napi_env env, napi_value value, Bytes * o_bytes)
{
    napi_typedarray_type type;
    void * data = NULL;
    bool is_typed_array = false;
    napi_is_typedarray (env, value, & is_typed_array);
    if (is_typed_array and napi_get_typedarray_info (env, value, & type, & o_bytes->length, & data, NULL, NULL) == napi_ok
        and (type == napi_uint8_array or type == napi_int8_array or type == napi_uint8_clamped_array))
    {
        o_bytes->data = data;
        return true;
    }
    throw_error (env, CODE_TYPE, "The bytes must be a Uint8Array or an Int8Array.");
    return false;
}

/** Checks that [at, at + count) lies inside; false with an exception pending. */
static bool in_bounds (napi_env env, Bytes memory, napi_value at_value, size_t count, const char * verb, size_t * o_at)
{
    double at;
    if (napi_get_value_double (env, at_value, & at) != napi_ok or not (at >= 0 and at <= 4294967296.0)
        or at != (double) (size_t) at)
    {
        throw_error (env, CODE_TYPE, "The address must be a non-negative integer.");
        return false;
    }
    if (count > memory.length or (size_t) at > memory.length - count)
    {
        throw_error (env, CODE_BOUNDS, "Cannot %s %zu bytes at address %zu of a memory of %zu bytes.", verb, count, (size_t) at,
                     memory.length);
        return false;
    }
    * o_at = (size_t) at;
    return true;
}

/** (holder) -> bytes that are allocated: the declared pages, or the limit where that is smaller. */
napi_value memory_length (napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value holder, result;
    napi_get_cb_info (env, info, & argc, & holder, NULL, NULL);
    Instance * instance = unwrap_instance (env, holder);
    if (not instance) return NULL;
    napi_create_double (env, (double) linear_memory (instance).length, & result);
    return result;
}

/** (holder, at, target): fills the target from memory. */
napi_value memory_read (napi_env env, napi_callback_info info)
{
    size_t argc = 3, at;
    napi_value argv [3];
    Bytes target;
    napi_get_cb_info (env, info, & argc, argv, NULL, NULL);
    Instance * instance = unwrap_instance (env, argv [0]);
    if (not instance or not bytes_of (env, argv [2], & target)) return NULL;
    const Bytes memory = linear_memory (instance);
    if (not in_bounds (env, memory, argv [1], target.length, "read", & at)) return NULL;
    if (target.length) memcpy (target.data, memory.data + at, target.length);
    return NULL;
}

/** (holder, at, source): copies the source into memory. */
napi_value memory_write (napi_env env, napi_callback_info info)
{
    size_t argc = 3, at;
    napi_value argv [3];
    Bytes source;
    napi_get_cb_info (env, info, & argc, argv, NULL, NULL);
    Instance * instance = unwrap_instance (env, argv [0]);
    if (not instance or not bytes_of (env, argv [2], & source)) return NULL;
    const Bytes memory = linear_memory (instance);
    if (not in_bounds (env, memory, argv [1], source.length, "write", & at)) return NULL;
    if (source.length) memcpy (memory.data + at, source.data, source.length);
    return NULL;
}
