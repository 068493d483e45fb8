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

/** Sums of products of a window with the weights of `count` outputs, one to four; a value of the window is loaded once for all of them. */
static inline __attribute__ ((always_inline))
void dot (const int16_t * window, const int8_t * weights, int32_t taps, int32_t count, uint32_t * o_sums)
{
    uint32_t sums [4] = { 0, 0, 0, 0 };
    for (int32_t i = 0; i < taps; ++i, ++weights)
        for (int32_t k = 0; k < count; ++k) sums [k] += (uint32_t) (window [i] * weights [k * taps]);
    for (int32_t k = 0; k < count; ++k) o_sums [k] = sums [k];
}

/** The outputs of one window, four at a time. */
static inline __attribute__ ((always_inline))
int8_t * outputs_of (hedge_memory memory, const image_conv * d, const int16_t * window, int32_t taps, int8_t * out)
{
    const int8_t * weights = (const int8_t *) memory.bytes + d->weights;
    const uint8_t * bias = memory.bytes + d->bias;
    for (int32_t left = d->window.outputs; left > 0; left -= 4, weights += 4 * taps)
    {
        const int32_t count = left < 4 ? left : 4;
        uint32_t sums [4] = { 0 };
        if (count == 4) dot (window, weights, taps, 4, sums);
        else for (int32_t k = 0; k < count; ++k) dot (window, weights + k * taps, taps, 1, sums + k);
        for (int32_t k = 0; k < count; ++k, bias += 4)
            * out++ = (int8_t) hedge_clip_i8 ((int32_t) (hedge_load_u32 (bias) + sums [k]) >> d->shift);
    }
    return out;
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
            /* Constant for the most common kernel, 3x3 of three colours, whose loops are unrolled. */
            out = taps == 27 ? outputs_of (memory, & d, window, 27, out) : outputs_of (memory, & d, window, taps, out);
        }
    return NULL;
}
