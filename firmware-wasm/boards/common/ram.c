/** RAM for the Description frame; any board whose linker script has the symbols of ram.h. */
#include "ram.h"

#include "board.h"

static uint32_t bytes_between (const uint32_t * start, const uint32_t * end)
{
    return (uint32_t) ((uintptr_t) end - (uintptr_t) start);
}

uint32_t board_stack_peak (void)
{
    const uint32_t * deepest = stack_limit;
    while (deepest < stack_top && * deepest == RAM_STACK_PAINT) ++deepest;
    return bytes_between (deepest, stack_top);
}

uint32_t board_stack_bytes (void)
{
    return bytes_between (stack_limit, stack_top);
}

uint32_t board_static_bytes (void)
{
    return bytes_between (ram_start, ram_used_end) - board_stack_bytes ();
}

uint32_t board_ram_bytes (void)
{
    return bytes_between (ram_start, ram_end);
}
