/** Native kernels: imports that wasm3 calls without a detour through JavaScript. */
#include "binding.h"

#define MAX_NAME 64

hedge_kernel * kernel_of (napi_env env, napi_value name)
{
    char text [MAX_NAME];
    size_t length;
    if (napi_get_value_string_utf8 (env, name, text, sizeof text, & length) != napi_ok) return NULL;
    return hedge_find_kernel (text);
}

const void * call_kernel (IM3Runtime runtime, IM3ImportContext context, uint64_t * sp, void * memory)
{
    const Import * import = context->userdata;
    const hedge_memory linear = { memory, (uint32_t) runtime->memory.mallocated->length };
    /* An error is a trap: wasm3 hands the message on as its result. */
    return import->kernel (linear, (uint32_t) sp [0]);
}

/** () -> names of the native kernels. */
napi_value kernel_names (napi_env env, napi_callback_info info)
{
    (void) info;
    napi_value names, name;
    if (napi_create_array (env, & names) != napi_ok) return NULL;
    for (uint32_t i = 0; hedge_kernels [i].name; ++i)
        if (napi_create_string_utf8 (env, hedge_kernels [i].name, NAPI_AUTO_LENGTH, & name) == napi_ok)
            napi_set_element (env, names, i, name);
    return names;
}
