/**
 * A 3x3 convolution of small integers, padded with zeros, as one would write it in C: [OUTPUTS, SIDE, SIDE] of bytes, channels innermost, from a map with channels
 * innermost or (PLANES) outermost. Levels of fewer than 8 bits lie in bytes, too: nothing is packed.
 */
#include "layer.h"

enum { PADDED = SIDE + 2 };

struct
{
#if SCALED
    int32_t multiplier [OUTPUTS];
#endif
    int32_t offset [OUTPUTS];
    int8_t filters [OUTPUTS] [3] [3] [CHANNELS];
} weights;

#if PLANES
int8_t input [CHANNELS] [SIDE] [SIDE];
#define INPUT(y, x, c) input [c] [y] [x]
#else
int8_t input [SIDE] [SIDE] [CHANNELS];
#define INPUT(y, x, c) input [y] [x] [c]
#endif
int8_t output [SIDE] [SIDE] [OUTPUTS];
static int8_t padded [PADDED] [PADDED] [CHANNELS];

static int32_t dot (int y, int x, const int8_t filter [3] [3] [CHANNELS])
{
    int32_t sum = 0;
    for (int ky = 0; ky < 3; ++ky)
        for (int kx = 0; kx < 3; ++kx)
            for (int c = 0; c < CHANNELS; ++c) sum += padded [y + ky] [x + kx] [c] * filter [ky] [kx] [c];
    return sum;
}

EXPORT ("step") int32_t step (int32_t index)
{
    (void) index;
    load_weights (& weights, 0, sizeof weights);
    for (int y = 0; y < SIDE; ++y)
        for (int x = 0; x < SIDE; ++x)
            for (int c = 0; c < CHANNELS; ++c) padded [y + 1] [x + 1] [c] = INPUT (y, x, c);
    for (int y = 0; y < SIDE; ++y)
        for (int x = 0; x < SIDE; ++x)
            for (int k = 0; k < OUTPUTS; ++k)
            {
                const int32_t sum = dot (y, x, weights.filters [k]);
#if SCALED
                const int32_t scaled = sum * weights.multiplier [k];
#else
                const int32_t scaled = sum;
#endif
                const int32_t value = (scaled + weights.offset [k]) >> SHIFT;
                output [y] [x] [k] = (int8_t) (value < LOW ? LOW : value > HIGH ? HIGH : value);
            }
    return 1;
}
