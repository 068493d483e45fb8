# QEMU's riscv32 "virt" machine: a UART and no network; what docs/porting.md walks through.
CROSS := riscv64-unknown-elf-
# The older specification of the instruction set counts the instructions for control registers to the base, as the C library's builds do.
MACHINE_FLAGS := -march=rv32imac -mabi=ilp32 -misa-spec=2.2 --specs=picolibc.specs
BOARD_VARIANTS := plain
ETHERNET := 0
BOARD_SOURCES := $(addprefix boards/riscv-virt/,start.S board.c uart.c flash.c) $(addprefix boards/common/,ram.c random.c)
BOARD_INCLUDES := boards/common boards/riscv-virt
# The shipped model needs 40,044 bytes of wasm3's heap.
BOARD_DEFINES := HEDGE_HELD_SAMPLES=4 HEDGE_QUEUE_FRAMES=2 HEDGE_HEAP_BYTES=41472 HEDGE_INPUT_BYTES=3072 HEDGE_PAYLOAD_BYTES=2048
LINK_INPUTS := boards/riscv-virt/board.ld
LINK_FLAGS := -nostartfiles -T boards/riscv-virt/board.ld
