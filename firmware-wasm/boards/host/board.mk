# A process on this machine that stands in for a board: the UART is a TCP port, the flash a file.
CROSS :=
BOARD_VARIANTS := plain
ETHERNET := 0
MACHINE_FLAGS :=
BOARD_SOURCES := boards/host/board.c boards/host/uart.c
BOARD_INCLUDES := boards/host
# A hang is found sooner than on a board, where a step may take longer. Pointers of 64 bits make wasm3's structures and metacode twice as large as on a board.
BOARD_DEFINES := HEDGE_HEAP_BYTES=131072 HEDGE_WATCHDOG_MS=2000
LINK_FLAGS :=
LINK_INPUTS :=
