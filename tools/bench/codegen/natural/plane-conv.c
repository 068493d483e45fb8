/**
 * The convolution of conv.c for unsigned levels of BITS bits and signed weights of as many, by bit planes: the sum of products is that of popcount (a & w) << (i + j) over
 * planes i of the activations and j of the weights, the highest of which counts negatively.
 */
#include "layer.h"

enum { PADDED = SIDE + 2, WORDS = CHANNELS / 32 };

typedef uint32_t Planes [BITS] [WORDS];

struct
{
    int32_t multiplier [OUTPUTS];
    int32_t offset [OUTPUTS];
    int8_t filters [OUTPUTS] [3] [3] [CHANNELS];
} weights;

int8_t input [SIDE] [SIDE] [CHANNELS];
int8_t output [SIDE] [SIDE] [OUTPUTS];
static Planes pixels [PADDED] [PADDED];
static Planes filters [OUTPUTS] [3] [3];

static void split (const int8_t * levels, Planes planes)
{
    for (int bit = 0; bit < BITS; ++bit)
        for (int w = 0; w < WORDS; ++w)
        {
            uint32_t word = 0;
            for (int c = 0; c < 32; ++c) word |= (uint32_t) (levels [32 * w + c] >> bit & 1) << c;
            planes [bit] [w] = word;
        }
}

static int32_t dot (int y, int x, const Planes filter [3] [3])
{
    int32_t sum = 0;
    for (int ky = 0; ky < 3; ++ky)
        for (int kx = 0; kx < 3; ++kx)
            for (int j = 0; j < BITS; ++j)
                for (int i = 0; i < BITS; ++i)
                {
                    int32_t count = 0;
                    for (int w = 0; w < WORDS; ++w)
                        count += __builtin_popcount (pixels [y + ky] [x + kx] [i] [w] & filter [ky] [kx] [j] [w]);
                    sum += (j == BITS - 1 ? -count : count) << (i + j);
                }
    return sum;
}

EXPORT ("step") int32_t step (int32_t index)
{
    (void) index;
    load_weights (& weights, 0, sizeof weights);
    for (int y = 0; y < SIDE; ++y)
        for (int x = 0; x < SIDE; ++x) split (input [y] [x], pixels [y + 1] [x + 1]);
    for (int k = 0; k < OUTPUTS; ++k)
        for (int ky = 0; ky < 3; ++ky)
            for (int kx = 0; kx < 3; ++kx) split (weights.filters [k] [ky] [kx], filters [k] [ky] [kx]);
    for (int y = 0; y < SIDE; ++y)
        for (int x = 0; x < SIDE; ++x)
            for (int k = 0; k < OUTPUTS; ++k)
            {
                const int32_t value = (dot (y, x, filters [k]) * weights.multiplier [k] + weights.offset [k]) >> SHIFT;
                output [y] [x] [k] = (int8_t) (value < LOW ? LOW : value > HIGH ? HIGH : value);
            }
    return 1;
}
