/** How RAM is used, by symbols of the linker script. */
#ifndef HEDGE_RAM_H
#define HEDGE_RAM_H

/** What a start writes over the whole stack: how far it is gone is how deep the stack once was. */
#define RAM_STACK_PAINT 0xa5a5a5a5u

#ifndef __ASSEMBLER__

#include <stdint.h>

extern uint32_t ram_start [], ram_used_end [], ram_end [], stack_limit [], stack_top [];

#endif

#endif
