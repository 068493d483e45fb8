/**
 * Runs a plan of the native profile without an interpreter: what a module of that profile is held to. PLAN names a header with a function for each of its
 * steps and their table; prints what tools/bench/runner.c prints, with its arguments (those that concern the interpreter are ignored).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../counter.h"
#include "hedge_kernels.h"

static uint8_t memory [MEMORY_BYTES];
static uint8_t flash [WEIGHT_BYTES];

static void fail (const char * what)
{
    fprintf (stderr, "%s\n", what);
    exit (1);
}

static void load (uint32_t to, uint32_t from, uint32_t bytes)
{
    memcpy (memory + to, flash + from, bytes);
}

static void native (hedge_kernel * kernel, uint32_t descriptor)
{
    const hedge_error error = kernel ((hedge_memory) { memory, sizeof memory }, descriptor);
    if (error) fail (error);
}

/** Entropy of softmax (logits) in 2^-16 nats, by the tables that src/graph/entropy.ts describes. */
static int32_t entropy (const int32_t * logits, int classes, int32_t largest, const uint32_t * tables, int to_q16)
{
    const uint32_t * exp_whole = tables, * exp_fraction = exp_whole + EXP_WHOLES, * ln_fraction = exp_fraction + EXP_FRACTIONS;
    uint64_t sum = 0, weighted = 0;
    for (int k = 0; k < classes; ++k)
    {
        const int64_t difference = (int64_t) largest - logits [k];
        const uint64_t d = (uint64_t) (to_q16 >= 0 ? difference << to_q16 : difference >> -to_q16);
        if (d >= (uint64_t) EXP_RANGE << 16) continue;
        const uint64_t rest = d & 1023, one = 1u << 30;
        uint64_t e = (uint64_t) exp_whole [d >> 16] * exp_fraction [d >> 10 & 63] >> 30;
        e = (one - (rest << 14) + (rest * rest >> 3)) * e >> 30;
        sum += e;
        weighted += e * d;
    }
    const uint64_t exponent = (uint64_t) (33 - __builtin_clzll (sum));
    const uint64_t mantissa = sum >> exponent, j = (mantissa - (1u << 30)) >> 24, base = (1u << 30) + (j << 24);
    const uint64_t u = ((mantissa - base) << 30) / base, squared = u * u >> 30;
    const uint64_t logarithm = exponent * LN_2 + ln_fraction [j] + (u - (squared >> 1) + (squared * u >> 30) / 3);
    return (int32_t) ((logarithm >> 14) + weighted / sum);
}

/** Fills the result row: label, exited, entropy, logits. */
static void dense_exit (const uint8_t * in, int32_t * result, uint32_t scratch, uint32_t rows, uint32_t row_bytes, int classes,
                        uint32_t tables, uint32_t table_bytes, int to_q16, const int32_t * threshold)
{
    int32_t * logits = result + 3;
    for (int k = 0; k < classes; ++k)
    {
        load (scratch, rows + (uint32_t) k * row_bytes, row_bytes);
        const int8_t * weights = (const int8_t *) memory + scratch;
        int32_t sum;
        memcpy (& sum, weights + row_bytes - 4, 4);
        for (uint32_t i = 0; i < row_bytes - 4; ++i) sum += weights [i] * in [i];
        logits [k] = sum;
    }
    load (scratch, tables, table_bytes);
    int label = 0;
    for (int k = 1; k < classes; ++k)
        if (logits [k] > logits [label]) label = k;
    result [0] = label;
    result [2] = entropy (logits, classes, logits [label], (const uint32_t *) (memory + scratch), to_q16);
    result [1] = result [2] < * threshold;
}

#define I32(address) ((int32_t *) (memory + (address)))
#define U8(address) (memory + (address))

#include PLAN

static uint32_t hash_of_memory (void)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < sizeof memory; ++i) hash = (hash ^ memory [i]) * 16777619u;
    return hash;
}

static void read_file (const char * path, void * to, size_t bytes)
{
    FILE * file = fopen (path, "rb");
    if (! file || fread (to, 1, bytes, file) != bytes) fail (path);
    fclose (file);
}

int main (int argc, char ** argv)
{
    if (argc < 4) return 1;
    read_file (argv [2], flash, sizeof flash);
    read_file (argv [3], memory + INPUT, INPUT_BYTES);
    for (unsigned i = 0; i < sizeof steps / sizeof * steps; ++i)
    {
        char name [32];
        snprintf (name, sizeof name, "round 0 step %u", i);
        counter_start ();
        steps [i] ();
        const uint64_t instructions = counter_stop (name);
        printf ("step %u 1 %llu %08lx\n", i, (unsigned long long) instructions, (unsigned long) hash_of_memory ());
    }
    printf ("result 0 0 0\nmetacode 0\nheap 0\n");
    return 0;
}
