/** The payload: per channel the number of thresholds that the stream's integer reaches, packed, a pixel in whole bytes, first level lowest. */
#include "descriptor.h"

typedef struct {
    int32_t input, output;
    int32_t channels, pixels;
    int32_t bits;       /* of a level: 1, 2 or 4 */
    int32_t thresholds; /* per channel: an i16 mask, -1 where levels fall, then 2^bits - 1 ascending i16 */
} pack_levels;

#define DESCRIPTOR_WORDS (sizeof (pack_levels) / 4)

static hedge_error check (hedge_memory memory, const pack_levels * d)
{
    if (! hedge_within (& d->channels, 2, 1, HEDGE_MAX_EXTENT) || (d->bits != 1 && d->bits != 2 && d->bits != 4))
        return "a payload's packing is out of range";
    const uint64_t row = ((uint64_t) d->channels * d->bits + 7) / 8;
    if (! hedge_holds (memory, (uint32_t) d->input, (uint64_t) d->channels * d->pixels)
        || ! hedge_holds (memory, (uint32_t) d->output, row * d->pixels)
        || ! hedge_holds (memory, (uint32_t) d->thresholds, ((uint64_t) d->channels << d->bits) * 2)) return "a payload's packing works outside the memory";
    return NULL;
}

/** The number of ascending thresholds that n reaches, by halving. */
static inline uint32_t level_of (int32_t n, const uint8_t * thresholds, int32_t bits)
{
    uint32_t level = 0;
    for (uint32_t half = 1u << (bits - 1); half; half >>= 1)
        if (n >= hedge_load_i16 (thresholds + 2 * (level + half - 1))) level += half;
    return level;
}

hedge_error hedge_pack_levels (hedge_memory memory, uint32_t descriptor)
{
    pack_levels d;
    if (! hedge_read_descriptor (memory, descriptor, (int32_t *) & d, DESCRIPTOR_WORDS)) return "a descriptor lies outside the memory";
    const hedge_error error = check (memory, & d);
    if (error) return error;
    const int8_t * from = (const int8_t *) memory.bytes + d.input;
    uint8_t * out = memory.bytes + d.output;
    const uint32_t stride = 2u << d.bits;
    for (int32_t pixel = 0; pixel < d.pixels; ++pixel)
    {
        const uint8_t * table = memory.bytes + d.thresholds;
        uint32_t packed = 0, filled = 0;
        for (int32_t c = 0; c < d.channels; ++c, table += stride)
        {
            const int32_t n = * from++ ^ hedge_load_i16 (table);
            packed |= level_of (n, table + 2, d.bits) << filled;
            filled += (uint32_t) d.bits;
            if (filled < 8) continue;
            * out++ = (uint8_t) packed;
            packed = filled = 0;
        }
        if (filled) * out++ = (uint8_t) packed;
    }
    return NULL;
}
