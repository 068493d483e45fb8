/**
 * What the files of the addon share. One Instance is one wasm3 environment, runtime and module; JavaScript holds it
 * through a wrapped object, the holder.
 */
#ifndef aspect_wasm3_binding_h
#define aspect_wasm3_binding_h

#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>

#include "hedge_kernels.h"
#include "m3_env.h"
#include "wasm3.h"

typedef struct Instance Instance;

/** One imported function: a native kernel or one of JavaScript. The reference is weak: the holder object keeps the function alive (see load). */
typedef struct {
    Instance *      instance;
    hedge_kernel *  kernel;
    napi_ref        function;
} Import;

struct Instance {
    napi_env        env;
    IM3Environment  environment;
    IM3Runtime      runtime;        /* NULL once freed */
    IM3Module       module;
    uint8_t *       bytes;          /* wasm3 keeps pointers into the module's bytes */
    uint8_t *       stack_end;      /* of the value stack without its red zone */
    Import *        imports;
    uint32_t        import_count;
    M3Memory *      images;         /* of each image; the place of the one in use is empty: its memory is the runtime's */
    uint32_t        image_count;
    uint32_t        image;          /* in use */
    uint32_t        depth;          /* calls in progress; more than one when an import calls an export */
    napi_ref        exception;      /* [what an import threw], on its way out through wasm3's frames */
    int64_t         external_bytes; /* told to the garbage collector */
};

/** One exported function handed to JavaScript. The function object keeps the holder alive by a property. */
typedef struct {
    Instance *      instance;
    IM3Function     function;
} Export;

/* Codes of Wasm3Error; index.d.ts documents them. */
#define CODE_TYPE           "type"
#define CODE_BOUNDS         "bounds"
#define CODE_FREED          "freed"
#define CODE_BUSY           "busy"
#define CODE_OUT_OF_MEMORY  "out-of-memory"
#define CODE_MEMORY_LIMIT   "memory-limit"
#define CODE_UNSUPPORTED    "unsupported"
#define CODE_STACK          "trap-stack-overflow"

/* errors.c */
/** Throws Wasm3Error(code, message); always returns NULL, so that a callback can return it. */
napi_value  throw_error     (napi_env env, const char * code, const char * format, ...);
/** Throws what wasm3 reported while it did `what`, with the matching code. */
napi_value  throw_result    (napi_env env, Instance * instance, M3Result result, const char * what);

/* values.c */
/** Writes a JavaScript value to a value-stack slot; false (with an exception pending) if it does not fit the type. */
bool        slot_from_value (napi_env env, napi_value value, uint8_t type, uint64_t * o_slot, const char * what);
/** NULL with an exception pending when V8 cannot make the value. */
napi_value  value_from_slot (napi_env env, const uint64_t * slot, uint8_t type);

/* instance.c */
/** The instance behind a holder; NULL (with an exception pending) when it is none or freed. */
Instance *  unwrap_instance (napi_env env, napi_value holder);
napi_value  instance_load   (napi_env env, napi_callback_info info);
napi_value  instance_free   (napi_env env, napi_callback_info info);
napi_value  instance_stats  (napi_env env, napi_callback_info info);

/* call.c */
M3Result    link_imports    (Instance * instance);
M3Result    run_start       (Instance * instance);
napi_value  export_function (napi_env env, napi_callback_info info);
napi_value  global_get      (napi_env env, napi_callback_info info);
napi_value  global_set      (napi_env env, napi_callback_info info);

/* images.c */
/** Places for so many images; none but the one in use has memory before it is used. */
bool        images_reserve  (Instance * instance, uint32_t count);
/** Frees all images but the one in use, which the runtime frees. */
void        images_free     (Instance * instance);
/** Bytes of linear memory, all images together. */
double      images_bytes    (const Instance * instance);
napi_value  image_use       (napi_env env, napi_callback_info info);
napi_value  image_reset     (napi_env env, napi_callback_info info);

/* m3_env.c; wasm3 declares it nowhere. */
M3Result    InitDataSegments (M3Memory * io_memory, IM3Module io_module);

/* kernels.c */
/** The native kernel that a JavaScript string names, or NULL. */
hedge_kernel * kernel_of    (napi_env env, napi_value name);
/** What wasm3 calls for an import of a native kernel. */
const void * call_kernel    (IM3Runtime runtime, IM3ImportContext context, uint64_t * sp, void * memory);

napi_value  kernel_names    (napi_env env, napi_callback_info info);

/* memory.c */
napi_value  memory_length   (napi_env env, napi_callback_info info);
napi_value  memory_read     (napi_env env, napi_callback_info info);
napi_value  memory_write    (napi_env env, napi_callback_info info);

/* stack_guard.c */
/** Whether the native stack has room for wasm3 to run. */
bool        stack_has_room  (void);

#endif
