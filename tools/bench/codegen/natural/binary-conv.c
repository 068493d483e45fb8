/**
 * A binarized 3x3 convolution of an 8-bit map [SIDE, SIDE, CHANNELS] as one would write it in C: thresholds to bits, packed by the word; xor and popcount;
 * alpha, shortcut, rounding and clipping.
 */
#include "layer.h"

#if CHANNELS % 64 == 0
typedef uint64_t Word;
#define popcount __builtin_popcountll
#elif CHANNELS % 32 == 0
typedef uint32_t Word;
#define popcount __builtin_popcount
#else
typedef uint16_t Word;
#define popcount __builtin_popcount
#endif

enum { BITS = 8 * sizeof (Word), WORDS = CHANNELS / BITS, PADDED = SIDE + 2, TAPS = 9 * CHANNELS };

struct
{
    int32_t alpha [CHANNELS];
    int16_t thresholds [CHANNELS];
    Word pad [WORDS];
    Word filters [CHANNELS] [3] [3] [WORDS];
} weights;

int8_t input [SIDE] [SIDE] [CHANNELS];
int8_t output [SIDE] [SIDE] [CHANNELS];
static Word bits [PADDED] [PADDED] [WORDS];

static void pack (void)
{
    for (int y = 0; y < PADDED; ++y)
        for (int x = 0; x < PADDED; ++x)
            for (int w = 0; w < WORDS; ++w)
            {
                Word word = weights.pad [w];
                if (y > 0 && y <= SIDE && x > 0 && x <= SIDE)
                {
                    const int8_t * in = & input [y - 1] [x - 1] [w * BITS];
                    const int16_t * threshold = & weights.thresholds [w * BITS];
                    word = 0;
                    for (int i = 0; i < BITS; ++i) word |= (Word) (in [i] >= threshold [i]) << i;
                }
                bits [y] [x] [w] = word;
            }
}

static int32_t mismatches (int y, int x, const Word filter [3] [3] [WORDS])
{
    int32_t count = 0;
    for (int ky = 0; ky < 3; ++ky)
        for (int kx = 0; kx < 3; ++kx)
            for (int w = 0; w < WORDS; ++w) count += popcount (bits [y + ky] [x + kx] [w] ^ filter [ky] [kx] [w]);
    return count;
}

EXPORT ("step") int32_t step (int32_t index)
{
    (void) index;
    load_weights (& weights, 0, sizeof weights);
    pack ();
    for (int y = 0; y < SIDE; ++y)
        for (int x = 0; x < SIDE; ++x)
            for (int k = 0; k < CHANNELS; ++k)
            {
                const int32_t sum = TAPS - 2 * mismatches (y, x, weights.filters [k]);
                const int32_t scaled = sum * weights.alpha [k] >> SHIFT;
                output [y] [x] [k] = clip8 (SHORTCUT ? scaled + input [y] [x] [k] : scaled);
            }
    return 1;
}
