/** The pooling in front of an exit: min((sum over windows of max(stream - offset, 0)) >> shift, 255), channels innermost. */
#include "descriptor.h"

/** Values of a window: their sum stays in 32 bits, whatever the offset. */
#define MAX_WINDOW 4096

typedef struct {
    int32_t input, output;
    int32_t channels, height, width;
    int32_t rows, columns;  /* of a window */
    int32_t shift;          /* negative shifts left */
    int32_t offsets;        /* i16 per channel */
} exit_pool;

#define DESCRIPTOR_WORDS (sizeof (exit_pool) / 4)

static hedge_error check (hedge_memory memory, const exit_pool * d)
{
    if (! hedge_within (& d->channels, 5, 1, HEDGE_MAX_EXTENT) || d->rows > d->height || d->columns > d->width
        || (int64_t) d->rows * d->columns > MAX_WINDOW || d->shift < -8 || d->shift > 31) return "an exit's pooling is out of range";
    const uint64_t cells = (uint64_t) (d->height / d->rows) * (uint64_t) (d->width / d->columns);
    if (! hedge_holds (memory, (uint32_t) d->input, (uint64_t) d->channels * d->height * d->width)
        || ! hedge_holds (memory, (uint32_t) d->output, cells * d->channels)
        || ! hedge_holds (memory, (uint32_t) d->offsets, 2 * (uint64_t) d->channels)) return "an exit's pooling works outside the memory";
    return NULL;
}

static uint32_t sum_of_window (const int8_t * from, const exit_pool * d, int32_t offset)
{
    uint32_t sum = 0;
    for (int32_t y = 0; y < d->rows; ++y, from += (d->width - d->columns) * d->channels)
        for (int32_t x = 0; x < d->columns; ++x, from += d->channels)
            if (* from > offset) sum += (uint32_t) (* from - offset);
    return sum;
}

hedge_error hedge_exit_pool (hedge_memory memory, uint32_t descriptor)
{
    exit_pool d;
    if (! hedge_read_descriptor (memory, descriptor, (int32_t *) & d, DESCRIPTOR_WORDS)) return "a descriptor lies outside the memory";
    const hedge_error error = check (memory, & d);
    if (error) return error;
    const uint8_t * offsets = memory.bytes + d.offsets;
    uint8_t * out = memory.bytes + d.output;
    for (int32_t y = 0; y + d.rows <= d.height; y += d.rows)
        for (int32_t x = 0; x + d.columns <= d.width; x += d.columns)
        {
            const int8_t * corner = (const int8_t *) memory.bytes + d.input + (y * d.width + x) * d.channels;
            for (int32_t c = 0; c < d.channels; ++c)
            {
                const uint32_t sum = sum_of_window (corner + c, & d, hedge_load_i16 (offsets + 2 * c));
                const uint32_t scaled = d.shift >= 0 ? sum >> d.shift : sum << -d.shift;
                * out++ = scaled > 255 ? 255 : (uint8_t) scaled;
            }
        }
    return NULL;
}
