/** Convolution of the 8-bit input image, [channels][height][width], with 8-bit weights; rounds down to an 8-bit stream, channels innermost. */
#include "descriptor.h"

#define MAX_TAPS 1024

typedef struct {
    int32_t input, output;
    hedge_window window;
    int32_t shift;
    int32_t weights;  /* i8 [outputs][channels][kernel_height][kernel_width] */
    int32_t bias;     /* i32 [outputs] */
} image_conv;

#define DESCRIPTOR_WORDS (sizeof (image_conv) / 4)

static hedge_error check (hedge_memory memory, const image_conv * d)
{
    const hedge_window * w = & d->window;
    if (! hedge_window_fits (w)) return "an image convolution's window leaves its map";
    const uint64_t taps = (uint64_t) w->channels * w->kernel_height * w->kernel_width;
    if (taps > MAX_TAPS || d->shift < 0 || d->shift > 31) return "an image convolution's kernel or shift is too large";
    if (! hedge_holds (memory, (uint32_t) d->input, (uint64_t) w->channels * w->height * w->width)
        || ! hedge_holds (memory, (uint32_t) d->output, (uint64_t) w->out_height * w->out_width * w->outputs)
        || ! hedge_holds (memory, (uint32_t) d->weights, taps * w->outputs)
        || ! hedge_holds (memory, (uint32_t) d->bias, 4 * (uint64_t) w->outputs)) return "an image convolution works outside the memory";
    return NULL;
}

/** The window's values in the order of the weights, zero outside the image. */
static void gather (const int8_t * image, const hedge_window * w, int32_t top, int32_t left, int16_t * o_window)
{
    for (int32_t c = 0; c < w->channels; ++c)
        for (int32_t i = top; i < top + w->kernel_height; ++i)
            for (int32_t j = left; j < left + w->kernel_width; ++j)
            {
                const bool inside = i >= 0 && i < w->height && j >= 0 && j < w->width;
                * o_window++ = inside ? image [(c * w->height + i) * w->width + j] : 0;
            }
}

static inline int32_t dot (const int16_t * window, const int8_t * weights, int32_t taps)
{
    uint32_t sum = 0;
    int32_t i = 0;
    for (; i + 9 <= taps; i += 9)
        for (int32_t j = i; j < i + 9; ++j) sum += (uint32_t) (window [j] * weights [j]);
    for (; i < taps; ++i) sum += (uint32_t) (window [i] * weights [i]);
    return (int32_t) sum;
}

hedge_error hedge_image_conv (hedge_memory memory, uint32_t descriptor)
{
    image_conv d;
    if (! hedge_read_descriptor (memory, descriptor, (int32_t *) & d, DESCRIPTOR_WORDS)) return "a descriptor lies outside the memory";
    const hedge_error error = check (memory, & d);
    if (error) return error;
    const hedge_window * w = & d.window;
    const int32_t taps = w->channels * w->kernel_height * w->kernel_width;
    const int8_t * image = (const int8_t *) memory.bytes + d.input;
    int8_t * out = (int8_t *) memory.bytes + d.output;
    int16_t window [MAX_TAPS];
    for (int32_t y = 0; y < w->out_height; ++y)
        for (int32_t x = 0; x < w->out_width; ++x)
        {
            gather (image, w, y * w->stride_y - w->top, x * w->stride_x - w->left, window);
            const int8_t * weights = (const int8_t *) memory.bytes + d.weights;
            const uint8_t * bias = memory.bytes + d.bias;
            for (int32_t k = 0; k < w->outputs; ++k, weights += taps, bias += 4)
            {
                const int32_t sum = (int32_t) (hedge_load_u32 (bias) + (uint32_t) dot (window, weights, taps));
                * out++ = (int8_t) hedge_clip_i8 (sum >> d.shift);
            }
        }
    return NULL;
}
