/**
 * Binarized convolution: thresholds an 8-bit stream to bits, convolves them with +-1 weights by xor and population count,
 * scales per channel, adds the shortcut and rounds down to an 8-bit stream.
 *
 * Maps are [height][width][channels], a pixel's bits in whole bytes, first channel lowest. A filter's bits lie in the same order as those that
 * a window gathers: kernel rows one after another.
 */
#include "descriptor.h"

/** Words of a window: the portable kernel has as many, of twice the size. */
#define MAX_WORDS 160

typedef enum { SHORTCUT_NONE, SHORTCUT_IDENTITY, SHORTCUT_POOLED } shortcut_kind;

typedef struct {
    int32_t input, output, bits;
    hedge_window window;
    int32_t shift;
    int32_t shortcut;    /* shortcut_kind */
    int32_t left_shift;  /* of the shortcut, before it is added; negative shifts right, behind the rounding */
    int32_t pool_height, pool_width;
    int32_t thresholds;  /* i8 per channel: a bit is n >= threshold */
    int32_t pad_pixel;   /* the bits of a pixel outside the map */
    int32_t records;     /* per output: the filter's words, i32 base, i32 factor */
} binary_conv;

#define DESCRIPTOR_WORDS (sizeof (binary_conv) / 4)

static uint32_t pixel_bytes (int32_t channels)
{
    return ((uint32_t) channels + 7) / 8;
}

static hedge_error check (hedge_memory memory, const binary_conv * d)
{
    const hedge_window * w = & d->window;
    if (! hedge_window_fits (w)) return "a binary convolution's window leaves its map";
    const uint32_t pixel = pixel_bytes (w->channels);
    const uint64_t window_bytes = (uint64_t) w->kernel_height * w->kernel_width * pixel;
    if (window_bytes > MAX_WORDS * 4) return "a binary convolution's window is too large";
    const uint64_t words = (window_bytes + 3) / 4;
    const uint64_t padded = (uint64_t) (w->height + w->top + w->bottom) * (w->width + w->left + w->right) * pixel;
    if (d->shift < 0 || d->shift > 30 || d->left_shift < -30 || d->left_shift > 30
        || d->shortcut < SHORTCUT_NONE || d->shortcut > SHORTCUT_POOLED) return "a binary convolution's rounding is out of range";
    if (d->shortcut == SHORTCUT_IDENTITY && (w->outputs != w->channels || w->out_height != w->height || w->out_width != w->width))
        return "a binary convolution adds a shortcut of another shape";
    if (d->shortcut == SHORTCUT_POOLED
        && (! hedge_within (& d->pool_height, 2, 1, HEDGE_MAX_EXTENT)
            || (int64_t) w->out_height * d->pool_height > w->height || (int64_t) w->out_width * d->pool_width > w->width))
        return "a binary convolution pools a shortcut beyond its map";
    if (! hedge_holds (memory, (uint32_t) d->input, (uint64_t) w->height * w->width * w->channels)
        || ! hedge_holds (memory, (uint32_t) d->output, (uint64_t) w->out_height * w->out_width * w->outputs)
        || ! hedge_holds (memory, (uint32_t) d->bits, padded)
        || ! hedge_holds (memory, (uint32_t) d->thresholds, w->channels)
        || ! hedge_holds (memory, (uint32_t) d->pad_pixel, pixel)
        || ! hedge_holds (memory, (uint32_t) d->records, (uint64_t) w->outputs * (words * 4 + 8)))
        return "a binary convolution works outside the memory";
    return NULL;
}

static void fill_with_padding (hedge_memory memory, const binary_conv * d, uint32_t pixel, uint32_t padded_bytes)
{
    uint8_t * bits = memory.bytes + d->bits;
    memcpy (bits, memory.bytes + d->pad_pixel, pixel);
    for (uint32_t filled = pixel; filled < padded_bytes; filled *= 2)
        memcpy (bits + filled, bits, filled < padded_bytes - filled ? filled : padded_bytes - filled);
}

static void pack_signs (hedge_memory memory, const binary_conv * d, uint32_t pixel, uint32_t padded_width)
{
    const hedge_window * w = & d->window;
    const int8_t * from = (const int8_t *) memory.bytes + d->input;
    const int8_t * thresholds = (const int8_t *) memory.bytes + d->thresholds;
    uint8_t * row = memory.bytes + d->bits + ((uint32_t) w->top * padded_width + w->left) * pixel;
    for (int32_t y = 0; y < w->height; ++y, row += padded_width * pixel)
    {
        uint8_t * to = row;
        for (int32_t x = 0; x < w->width; ++x)
            for (int32_t c = 0; c < w->channels; c += 8)
            {
                const int32_t count = w->channels - c < 8 ? w->channels - c : 8;
                uint32_t byte = 0;
                for (int32_t i = 0; i < count; ++i) byte |= (uint32_t) (* from++ >= thresholds [c + i]) << i;
                * to++ = (uint8_t) byte;
            }
    }
}

/** Adds three words bit by bit: sums in the first, carries in the second result. */
#define FULL_ADD(o_sum, o_carry, a, b, c) \
    const uint32_t o_sum ## _of_two = (a) ^ (b); \
    const uint32_t o_sum = o_sum ## _of_two ^ (c); \
    const uint32_t o_carry = ((a) & (b)) | (o_sum ## _of_two & (c))

/** How many bits are set in each half of each byte: 0 ... 4. */
static inline uint32_t count_by_nibble (uint32_t x)
{
    x -= (x >> 1) & 0x55555555;
    return (x & 0x33333333) + ((x >> 2) & 0x33333333);
}

/** Sums of the halves of each byte. */
static inline uint32_t sum_nibbles (uint32_t counts)
{
    return (counts & 0x0f0f0f0f) + ((counts >> 4) & 0x0f0f0f0f);
}

/** Sums of pairs of bytes, in the halves of the word. */
static inline uint32_t sum_bytes (uint32_t counts)
{
    return (counts & 0x00ff00ff) + ((counts >> 8) & 0x00ff00ff);
}

#define DIFFERENCE(i) (window [i] ^ hedge_load_u32 (filter + 4 * (i)))

/** Bits in which five words differ, by byte. */
static inline uint32_t differing_in_five (const uint32_t * window, const uint8_t * filter)
{
    FULL_ADD (s, twos, DIFFERENCE (0), DIFFERENCE (1), DIFFERENCE (2));
    FULL_ADD (ones, more_twos, s, DIFFERENCE (3), DIFFERENCE (4));
    return sum_nibbles (count_by_nibble (ones)) + 2 * sum_nibbles (count_by_nibble (twos) + count_by_nibble (more_twos));
}

/** Bits in which nine words differ, by byte: at most 72. */
static inline uint32_t differing_in_nine (const uint32_t * window, const uint8_t * filter)
{
    FULL_ADD (s0, c0, DIFFERENCE (0), DIFFERENCE (1), DIFFERENCE (2));
    FULL_ADD (s1, c1, DIFFERENCE (3), DIFFERENCE (4), DIFFERENCE (5));
    FULL_ADD (s2, c2, DIFFERENCE (6), DIFFERENCE (7), DIFFERENCE (8));
    FULL_ADD (ones, c3, s0, s1, s2);
    FULL_ADD (twos, fours, c0, c1, c2);
    const uint32_t in_twos = sum_nibbles (count_by_nibble (twos) + count_by_nibble (c3));
    return sum_nibbles (count_by_nibble (ones)) + 2 * in_twos + 4 * sum_nibbles (count_by_nibble (fours));
}

/** Bits in which two arrays of words differ. Full adders turn three words into two, which are counted together. */
static inline uint32_t differing (const uint32_t * window, const uint8_t * filter, uint32_t words)
{
    uint32_t halves = 0;
    for (; words >= 9; words -= 9, window += 9, filter += 36) halves += sum_bytes (differing_in_nine (window, filter));
    for (; words >= 5; words -= 5, window += 5, filter += 20) halves += sum_bytes (differing_in_five (window, filter));
    for (; words; --words, ++window, filter += 4) halves += sum_bytes (sum_nibbles (count_by_nibble (DIFFERENCE (0))));
    return (halves * 0x00010001u) >> 16;
}

static inline void gather (const uint8_t * at, uint32_t row_stride, uint32_t rows, uint32_t row_bytes, uint32_t * o_window)
{
    uint8_t * to = (uint8_t *) o_window;
    for (uint32_t row = 0; row < rows; ++row, at += row_stride, to += row_bytes) memcpy (to, at, row_bytes);
}

/** Sum of a channel over the shortcut's pooling window, whose first value is at `from`. */
static inline int32_t pooled (const int8_t * from, const binary_conv * d)
{
    const hedge_window * w = & d->window;
    int32_t sum = 0;
    for (int32_t y = 0; y < d->pool_height; ++y)
        for (int32_t x = 0; x < d->pool_width; ++x) sum += from [(y * w->width + x) * w->channels];
    return sum;
}

/** ((shortcut << left_shift) + base - factor * mismatches) >> shift, where whole output steps pass the rounding unchanged. */
static inline int32_t rounded (const binary_conv * d, uint32_t scaled, int32_t shortcut)
{
    if (d->left_shift >= d->shift) return ((int32_t) scaled >> d->shift) + (int32_t) ((uint32_t) shortcut << (d->left_shift - d->shift));
    const int32_t added = d->left_shift >= 0 ? (int32_t) ((uint32_t) shortcut << d->left_shift) : shortcut >> -d->left_shift;
    return (int32_t) (scaled + (uint32_t) added) >> d->shift;
}

/** @param rows, row_bytes of a window; constants where the common sizes have a loop of their own */
static inline __attribute__ ((always_inline))
void convolve (hedge_memory memory, const binary_conv * d, uint32_t pixel, uint32_t row_stride, uint32_t rows, uint32_t row_bytes)
{
    const hedge_window * w = & d->window;
    const uint32_t words = (row_bytes * rows + 3) / 4;
    const int32_t with_shortcut = d->shortcut == SHORTCUT_IDENTITY ? w->outputs
                                : d->shortcut == SHORTCUT_POOLED ? (w->outputs < w->channels ? w->outputs : w->channels) : 0;
    const int32_t shift = d->shift;
    uint32_t window [MAX_WORDS];
    int8_t * out = (int8_t *) memory.bytes + d->output;
    window [words - 1] = 0;
    for (int32_t y = 0; y < w->out_height; ++y)
        for (int32_t x = 0; x < w->out_width; ++x)
        {
            const uint8_t * at = memory.bytes + d->bits + (uint32_t) (y * w->stride_y) * row_stride + (uint32_t) (x * w->stride_x) * pixel;
            gather (at, row_stride, rows, row_bytes, window);
            const int8_t * pool = (const int8_t *) memory.bytes + d->input
                                + (y * d->pool_height * w->width + x * d->pool_width) * w->channels;
            const uint8_t * record = memory.bytes + d->records;
            int32_t k = 0;
            for (; k < with_shortcut; ++k, ++out, record += 4 * words + 8)
            {
                const uint32_t count = differing (window, record, words);
                const uint32_t scaled = hedge_load_u32 (record + 4 * words) - hedge_load_u32 (record + 4 * words + 4) * count;
                const int32_t added = d->shortcut == SHORTCUT_IDENTITY ? * out : pooled (pool + k, d);
                * out = (int8_t) hedge_clip_i8 (rounded (d, scaled, added));
            }
            for (; k < w->outputs; ++k, ++out, record += 4 * words + 8)
            {
                const uint32_t count = differing (window, record, words);
                const uint32_t scaled = hedge_load_u32 (record + 4 * words) - hedge_load_u32 (record + 4 * words + 4) * count;
                * out = (int8_t) hedge_clip_i8 ((int32_t) scaled >> shift);
            }
        }
}

hedge_error hedge_binary_conv (hedge_memory memory, uint32_t descriptor)
{
    binary_conv d;
    if (! hedge_read_descriptor (memory, descriptor, (int32_t *) & d, DESCRIPTOR_WORDS)) return "a descriptor lies outside the memory";
    const hedge_error error = check (memory, & d);
    if (error) return error;
    const hedge_window * w = & d.window;
    const uint32_t pixel = pixel_bytes (w->channels);
    const uint32_t padded_width = (uint32_t) (w->width + w->left + w->right);
    const uint32_t padded_height = (uint32_t) (w->height + w->top + w->bottom);
    if (w->top || w->left || w->bottom || w->right) fill_with_padding (memory, & d, pixel, padded_height * padded_width * pixel);
    pack_signs (memory, & d, pixel, padded_width);
    const uint32_t rows = (uint32_t) w->kernel_height, row_bytes = (uint32_t) w->kernel_width * pixel, stride = padded_width * pixel;
    if (rows == 3 && row_bytes == 6) convolve (memory, & d, pixel, stride, 3, 6);
    else if (rows == 3 && row_bytes == 12) convolve (memory, & d, pixel, stride, 3, 12);
    else convolve (memory, & d, pixel, stride, rows, row_bytes);
    return NULL;
}
