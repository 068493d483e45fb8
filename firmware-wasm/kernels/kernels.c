/** The native kernels by name. */
#include "hedge_kernels.h"

#include <string.h>

const hedge_kernel_entry hedge_kernels [] = {
    { "binary_conv", hedge_binary_conv },
    { "exit_pool", hedge_exit_pool },
    { "image_conv", hedge_image_conv },
    { "pack_levels", hedge_pack_levels },
    { NULL, NULL },
};

hedge_kernel * hedge_find_kernel (const char * name)
{
    for (const hedge_kernel_entry * entry = hedge_kernels; entry->name; ++entry)
        if (strcmp (entry->name, name) == 0) return entry->run;
    return NULL;
}
