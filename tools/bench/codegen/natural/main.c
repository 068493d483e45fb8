/**
 * Runs a layer natively and prints what tools/bench/runner.c prints, with its arguments (those that concern the interpreter are ignored), so that the
 * two are counted in the same way. LAYER names the layer's source.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include LAYER
#include "../../counter.h"

static void read_file (const char * path, void * to, size_t bytes)
{
    FILE * file = fopen (path, "rb");
    if (! file || fread (to, 1, bytes, file) != bytes)
    {
        fprintf (stderr, "cannot read %zu bytes of %s\n", bytes, path);
        exit (1);
    }
    fclose (file);
}

static uint8_t flash [sizeof weights];

void load_weights (void * to, uint32_t from, uint32_t bytes)
{
    memcpy (to, flash + from, bytes);
}

int main (int argc, char ** argv)
{
    if (argc < 4) return 1;
    read_file (argv [2], flash, sizeof flash);
    read_file (argv [3], input, sizeof input);
    counter_start ();
    const int32_t answer = step (0);
    const uint64_t instructions = counter_stop ("round 0 step 0");
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < sizeof output; ++i) hash = (hash ^ ((const uint8_t *) output) [i]) * 16777619u;
    printf ("step 0 %d %llu %08lx\nresult 0 0 0\nmetacode 0\nheap 0\n", (int) answer, (unsigned long long) instructions,
            (unsigned long) hash);
    return 0;
}
