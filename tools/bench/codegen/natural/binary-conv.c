/**
 * A binarized 3x3 convolution of a map [SIDE, SIDE, CHANNELS] as one would write it in C: bits packed by the word; xor and popcount. The map holds
 * bytes of +-1, which thresholds make from the sums, or (STREAM) 8-bit integers: thresholds in front; alpha, perhaps a shortcut,
 * rounding and clipping behind.
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
#if STREAM
    int32_t alpha [CHANNELS];
    int16_t thresholds [CHANNELS];
    Word pad [WORDS];
#else
    int16_t thresholds [CHANNELS];
#endif
    Word filters [CHANNELS] [3] [3] [WORDS];
} weights;

int8_t input [SIDE] [SIDE] [CHANNELS];
int8_t output [SIDE] [SIDE] [CHANNELS];
static Word bits [PADDED] [PADDED] [WORDS];

static Word pack_word (const int8_t * in, int first)
{
    Word word = 0;
    for (int i = 0; i < BITS; ++i)
#if STREAM
        word |= (Word) (in [first + i] >= weights.thresholds [first + i]) << i;
#else
        word |= (Word) (in [first + i] > 0) << i;
#endif
    return word;
}

static void pack (void)
{
    for (int y = 0; y < PADDED; ++y)
        for (int x = 0; x < PADDED; ++x)
            for (int w = 0; w < WORDS; ++w)
            {
                const int inside = y > 0 && y <= SIDE && x > 0 && x <= SIDE;
#if STREAM
                const Word pad = weights.pad [w];
#else
                const Word pad = 0;
#endif
                bits [y] [x] [w] = inside ? pack_word (input [y - 1] [x - 1], w * BITS) : pad;
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

static int8_t finish (int32_t sum, int k, int8_t in)
{
#if STREAM
    const int32_t scaled = sum * weights.alpha [k] >> SHIFT;
    const int32_t value = SHORTCUT ? scaled + in : scaled;
    return (int8_t) (value < -128 ? -128 : value > 127 ? 127 : value);
#else
    (void) in;
    return sum >= weights.thresholds [k] ? 1 : -1;
#endif
}

EXPORT ("step") int32_t step (int32_t index)
{
    (void) index;
    load_weights (& weights, 0, sizeof weights);
    pack ();
    for (int y = 0; y < SIDE; ++y)
        for (int x = 0; x < SIDE; ++x)
            for (int k = 0; k < CHANNELS; ++k)
                output [y] [x] [k] = finish (TAPS - 2 * mismatches (y, x, weights.filters [k]), k, input [y] [x] [k]);
    return 1;
}
