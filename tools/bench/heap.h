/** Bytes on the heap: now, and at most since the program began or heap_reset_peak was called. */
#pragma once
#include <stddef.h>

size_t heap_live (void);
size_t heap_peak (void);
void heap_reset_peak (void);
