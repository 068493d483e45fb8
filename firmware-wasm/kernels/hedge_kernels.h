/**
 * Native kernels: what a module of the `native` profile imports from `hedge_native`, in portable C11 for the host and for firmware.
 *
 * A kernel gets the module's linear memory and the address of a descriptor in it: little-endian i32 words, written by the compiler in front
 * of the layer's weights, so that they arrive together by `load_weights`. The words are listed beside each kernel.
 * Whatever a descriptor says, a kernel touches no byte outside the memory: it answers with an error instead.
 */
#ifndef HEDGE_KERNELS_H
#define HEDGE_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint8_t * bytes;
    uint32_t size;
} hedge_memory;

/** NULL, or what is wrong with the descriptor. */
typedef const char * hedge_error;
typedef hedge_error hedge_kernel (hedge_memory memory, uint32_t descriptor);

hedge_kernel hedge_binary_conv;
hedge_kernel hedge_exit_pool;
hedge_kernel hedge_image_conv;
hedge_kernel hedge_pack_levels;

typedef struct {
    const char * name;
    hedge_kernel * run;
} hedge_kernel_entry;

/** By the names of the imports; ends with a NULL name. */
extern const hedge_kernel_entry hedge_kernels [];

/** The kernel of a name, or NULL. */
hedge_kernel * hedge_find_kernel (const char * name);

#endif
