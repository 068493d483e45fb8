/** Memory images: several linear memories for one compiled module, of which one is in use at a time. */
#include <string.h>

#include "binding.h"

static int64_t bytes_of (const M3Memory * memory)
{
    return (int64_t) (sizeof (M3MemoryHeader) + memory->mallocated->length);
}

static void tell_collector (Instance * instance, int64_t change)
{
    int64_t total;
    instance->external_bytes += change;
    napi_adjust_external_memory (instance->env, change, & total);
}

/** A memory as instantiation leaves it: zeros and the data segments. NULL in it when there is none to be had. */
static M3Memory new_memory (Instance * instance)
{
    IM3Runtime runtime = instance->runtime;
    M3Memory memory = { NULL, instance->module->memoryInfo.initPages, runtime->memory.maxPages };
    const size_t declared = (size_t) memory.numPages * d_m3MemPageSize;
    const size_t length = M3_MIN (declared, (size_t) runtime->memoryLimit);
    memory.mallocated = m3_Malloc ("image", sizeof (M3MemoryHeader) + length);
    if (not memory.mallocated) return memory;
    * memory.mallocated = (M3MemoryHeader) { runtime, (m3slot_t *) runtime->stack + runtime->numStackSlots, length };
    if (InitDataSegments (& memory, instance->module)) m3_Free (memory.mallocated);
    return memory;
}

/** The instance behind argument 0, none of whose functions runs, and the image of argument 1; NULL with an exception pending. */
static Instance * take_arguments (napi_env env, napi_callback_info info, uint32_t * o_index)
{
    size_t argc = 2;
    napi_value argv [2];
    * o_index = 0;
    napi_get_cb_info (env, info, & argc, argv, NULL, NULL);
    Instance * instance = unwrap_instance (env, argv [0]);
    if (not instance) return NULL;
    napi_get_value_uint32 (env, argv [1], o_index);
    if (* o_index < instance->image_count and not instance->depth) return instance;
    if (instance->depth) throw_error (env, CODE_BUSY, "Images cannot be changed while one of the instance's functions runs.");
    else throw_error (env, CODE_TYPE, "There is no such image.");
    return NULL;
}

bool images_reserve (Instance * instance, uint32_t count)
{
    instance->images = calloc (count, sizeof (M3Memory));
    instance->image_count = instance->images ? count : 0;
    return instance->images;
}

void images_free (Instance * instance)
{
    for (uint32_t i = 0; i < instance->image_count; ++i) m3_Free (instance->images [i].mallocated);
    free (instance->images);
    instance->images = NULL;
    instance->image_count = 0;
}

double images_bytes (const Instance * instance)
{
    double total = (double) instance->runtime->memory.mallocated->length;
    for (uint32_t i = 0; i < instance->image_count; ++i)
        if (instance->images [i].mallocated) total += (double) instance->images [i].mallocated->length;
    return total;
}

/** (holder, index): the module works on that image from now on. wasm3 takes the memory's address anew with every call. */
napi_value image_use (napi_env env, napi_callback_info info)
{
    uint32_t index;
    Instance * instance = take_arguments (env, info, & index);
    if (not instance or index == instance->image) return NULL;
    M3Memory next = instance->images [index];
    if (not next.mallocated)
    {
        next = new_memory (instance);
        if (not next.mallocated) return throw_error (env, CODE_OUT_OF_MEMORY, "There is no memory for another image.");
        tell_collector (instance, bytes_of (& next));
    }
    instance->images [instance->image] = instance->runtime->memory;
    instance->images [index].mallocated = NULL;
    instance->runtime->memory = next;
    instance->image = index;
    return NULL;
}

/** (holder, index): frees an image; the one in use is made anew at once. */
napi_value image_reset (napi_env env, napi_callback_info info)
{
    uint32_t index;
    Instance * instance = take_arguments (env, info, & index);
    if (not instance) return NULL;
    const bool in_use = index == instance->image;
    M3Memory * memory = in_use ? & instance->runtime->memory : & instance->images [index];
    if (not memory->mallocated) return NULL;
    M3Memory fresh = { NULL, 0, 0 };
    if (in_use)
    {
        fresh = new_memory (instance);
        if (not fresh.mallocated) return throw_error (env, CODE_OUT_OF_MEMORY, "There is no memory for another image.");
        tell_collector (instance, bytes_of (& fresh));
    }
    tell_collector (instance, - bytes_of (memory));
    m3_Free (memory->mallocated);
    * memory = fresh;
    return NULL;
}
