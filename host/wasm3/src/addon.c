/** The addon's internal functions; index.js wraps them in the API that index.d.ts documents. */
#include "binding.h"

static void release_constructor (napi_env env, void * data, void * hint)
{
    (void) hint;
    napi_delete_reference (env, (napi_ref) data);
}

/** (Wasm3Error): the class of the errors to throw. Called once per JavaScript context that loads the addon. */
static napi_value set_error_class (napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value constructor;
    napi_ref reference;
    napi_valuetype type = napi_undefined;
    void * present = NULL;
    napi_get_cb_info (env, info, & argc, & constructor, NULL, NULL);
    napi_get_instance_data (env, & present);
    napi_typeof (env, constructor, & type);
    if (not present and type == napi_function and napi_create_reference (env, constructor, 1, & reference) == napi_ok)
        napi_set_instance_data (env, reference, release_constructor, NULL);
    return NULL;
}

NAPI_MODULE_INIT ()
{
    const napi_property_descriptor functions [] = {
        { "setErrorClass", NULL, set_error_class, NULL, NULL, NULL, napi_default, NULL },
        { "load", NULL, instance_load, NULL, NULL, NULL, napi_default, NULL },
        { "free", NULL, instance_free, NULL, NULL, NULL, napi_default, NULL },
        { "stats", NULL, instance_stats, NULL, NULL, NULL, napi_default, NULL },
        { "kernelNames", NULL, kernel_names, NULL, NULL, NULL, napi_default, NULL },
        { "exportFunction", NULL, export_function, NULL, NULL, NULL, napi_default, NULL },
        { "globalGet", NULL, global_get, NULL, NULL, NULL, napi_default, NULL },
        { "globalSet", NULL, global_set, NULL, NULL, NULL, napi_default, NULL },
        { "imageUse", NULL, image_use, NULL, NULL, NULL, napi_default, NULL },
        { "imageReset", NULL, image_reset, NULL, NULL, NULL, napi_default, NULL },
        { "memoryLength", NULL, memory_length, NULL, NULL, NULL, napi_default, NULL },
        { "memoryRead", NULL, memory_read, NULL, NULL, NULL, napi_default, NULL },
        { "memoryWrite", NULL, memory_write, NULL, NULL, NULL, napi_default, NULL },
    };
    napi_define_properties (env, exports, sizeof functions / sizeof * functions, functions);
    return exports;
}
