/**
 * Keeps wasm3 from overrunning the native stack. Its own check counts value-stack slots only, and a recursion of small
 * functions under a large value stack can exhaust the native stack first, which would kill the process.
 */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include <pthread.h>

#include "binding.h"

/* Left free for what runs on top of wasm3's frames: V8, an import's trampoline, signal handlers. */
#define MARGIN_BYTES    (192u << 10)
/* Where the platform does not tell the stack's extent, trust this much below the first frame seen. */
#define ASSUMED_BYTES   (640u << 10)

static __thread uintptr_t lowest_address;

static uintptr_t find_lowest_address (uintptr_t here)
{
#if defined(__APPLE__)
    uintptr_t top = (uintptr_t) pthread_get_stackaddr_np (pthread_self ());
    return top - pthread_get_stacksize_np (pthread_self ()) + MARGIN_BYTES;
#elif defined(__linux__)
    pthread_attr_t attributes;
    void * low = NULL;
    size_t size = 0;
    if (pthread_getattr_np (pthread_self (), & attributes) == 0)
    {
        int failed = pthread_attr_getstack (& attributes, & low, & size);
        pthread_attr_destroy (& attributes);
        if (not failed and size > MARGIN_BYTES and (uintptr_t) low < here)
        {
            /* An unlimited stack is reported with its current mapping or a huge size: 8 MiB is what is usual. */
            uintptr_t top = (uintptr_t) low + size;
            uintptr_t usual = top - (8u << 20);
            return M3_MAX ((uintptr_t) low, usual) + MARGIN_BYTES;
        }
    }
#endif
    return here > ASSUMED_BYTES ? here - ASSUMED_BYTES : 1;
}

bool stack_has_room (void)
{
    uintptr_t here = (uintptr_t) __builtin_frame_address (0);
    if (M3_UNLIKELY (not lowest_address)) lowest_address = find_lowest_address (here);
    return here > lowest_address;
}

/** Replaces wasm3's weak definition; wasm3 calls it before each call of a function. */
M3Result m3_Yield (void)
{
    return M3_LIKELY (stack_has_room ()) ? m3Err_none : m3Err_trapStackOverflow;
}
