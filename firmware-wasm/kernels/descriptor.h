/** Reading descriptors, and the checks that keep kernels inside the linear memory. */
#ifndef HEDGE_DESCRIPTOR_H
#define HEDGE_DESCRIPTOR_H

#include <string.h>

#include "hedge_kernels.h"

/** No extent of a feature map, no kernel and no count of channels is larger: products of three of them fit 64 bits. */
#define HEDGE_MAX_EXTENT 65536

static inline int32_t hedge_load_i32 (const uint8_t * at)
{
    int32_t value;
    memcpy (& value, at, sizeof value);
    return value;
}

static inline uint32_t hedge_load_u32 (const uint8_t * at)
{
    uint32_t value;
    memcpy (& value, at, sizeof value);
    return value;
}

static inline int32_t hedge_load_i16 (const uint8_t * at)
{
    int16_t value;
    memcpy (& value, at, sizeof value);
    return value;
}

/** Whether `bytes` bytes at `address` lie in the memory. */
static inline bool hedge_holds (hedge_memory memory, uint32_t address, uint64_t bytes)
{
    return address <= memory.size && bytes <= memory.size - address;
}

/** Copies a descriptor of `words` words out of the memory. */
static inline bool hedge_read_descriptor (hedge_memory memory, uint32_t address, int32_t * o_words, uint32_t words)
{
    if (! hedge_holds (memory, address, (uint64_t) words * 4)) return false;
    memcpy (o_words, memory.bytes + address, words * 4);
    return true;
}

/** Whether every one of `count` words lies in low ... high. */
static inline bool hedge_within (const int32_t * words, int count, int32_t low, int32_t high)
{
    for (int i = 0; i < count; ++i)
        if (words [i] < low || words [i] > high) return false;
    return true;
}

static inline int32_t hedge_clip_i8 (int32_t value)
{
    return value < -128 ? -128 : value > 127 ? 127 : value;
}

/** Where a convolution's window starts and how it moves, as descriptors hold it. */
typedef struct {
    int32_t channels, height, width;
    int32_t outputs, out_height, out_width;
    int32_t kernel_height, kernel_width;
    int32_t stride_y, stride_x;
    int32_t top, left, bottom, right;
} hedge_window;

/** Sizes are positive and small, and every window lies in the padded map. */
static inline bool hedge_window_fits (const hedge_window * w)
{
    if (! hedge_within (& w->channels, 10, 1, HEDGE_MAX_EXTENT) || ! hedge_within (& w->top, 4, 0, HEDGE_MAX_EXTENT)) return false;
    const int64_t rows = (int64_t) (w->out_height - 1) * w->stride_y + w->kernel_height;
    const int64_t columns = (int64_t) (w->out_width - 1) * w->stride_x + w->kernel_width;
    return rows <= (int64_t) w->height + w->top + w->bottom && columns <= (int64_t) w->width + w->left + w->right;
}

#endif
