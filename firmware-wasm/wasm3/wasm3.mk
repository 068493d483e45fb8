# How wasm3 is built into firmware: a patched copy of its sources (patch.js), its operations for speed and the rest for size.
#
# In: IMAGE, CROSS.
# Out: WASM3_VENDOR_SOURCES, WASM3_INCLUDES, WASM3_DEFINES (whoever includes wasm3's headers needs both), WASM3_FLAGS (for its own files).
WASM3_SOURCE ?= ../node_modules/react-native-webassembly/cpp

# What docs/firmware.md measures one by one; a board may choose otherwise.
# How operations call each other (operations.h): 2 needs the Thumb-2 instructions of a Cortex-M3 or later.
WASM3_CONVENTION ?= $(if $(filter %arm-none-eabi-,$(CROSS)),2,0)
# 1: bits are counted in place, 0: by the compiler's library.
WASM3_POPCOUNT ?= 1
# Bounds checks of loads and stores: 2 in 32 bits, 1 in 64 as wasm3 has them, 0 none: for measurements only.
WASM3_BOUNDS ?= 2
# Of the operations; everything else of wasm3 runs once per model.
WASM3_OPTIMISE ?= -O2

WASM3_INCLUDES := $(IMAGE)/wasm3
WASM3_VENDOR_SOURCES := $(patsubst %,$(IMAGE)/wasm3/%.c,m3_bind m3_code m3_compile m3_core m3_env m3_function m3_info m3_module m3_parse operations)

# Limits of a microcontroller: operands and locals per function, bytes of a code page, constants per function. No floats: Hedge's modules have none.
WASM3_DEFINES := d_m3MaxFunctionStackHeight=128 d_m3CodePageAlignSize=1024 d_m3MaxConstantTableSize=64 \
  d_m3VerboseErrorMessages=0 d_m3CascadedOpcodes=0 d_m3HasFloat=0 $(if $(filter 0,$(WASM3_BOUNDS)),d_m3SkipMemoryBoundsCheck=1) \
  HEDGE_CONVENTION=$(WASM3_CONVENTION) HEDGE_POPCOUNT=$(WASM3_POPCOUNT) HEDGE_BOUNDS=$(WASM3_BOUNDS)

# Every operation is a C function that tail-calls the next; wasm3 computes i32.add and the like in signed integers, and punts types.
WASM3_LANGUAGE := -foptimize-sibling-calls -fomit-frame-pointer -fwrapv -fno-strict-aliasing
# Memory comes from the arena of core/heap.h.
WASM3_FLAGS := $(WASM3_LANGUAGE) -Dcalloc=hedge_heap_calloc -Drealloc=hedge_heap_realloc -Dfree=hedge_heap_free

# In a convention of their own operations need not save the registers that C's functions would. A sanitizer would end the tail calls.
WASM3_OPERATION_FLAGS := $(WASM3_OPTIMISE) -fno-sanitize=all $(if $(filter 2,$(WASM3_CONVENTION)),$(addprefix -fcall-used-,r4 r5 r6 r8))
%/operations.o: WASM3_FLAGS += $(WASM3_OPERATION_FLAGS)

$(WASM3_VENDOR_SOURCES) &: $(wildcard wasm3/*.[ch] wasm3/patch.js $(WASM3_SOURCE)/*.[ch])
	node wasm3/patch.js $(WASM3_SOURCE) $(IMAGE)/wasm3

# For benches, which build wasm3 into a program of their own: the sources, and how to compile them, a line each.
.PHONY: wasm3-build
wasm3-build: $(WASM3_VENDOR_SOURCES)
	@echo '$(WASM3_DEFINES)'
	@echo '$(WASM3_LANGUAGE)'
	@echo '$(WASM3_OPERATION_FLAGS)'
