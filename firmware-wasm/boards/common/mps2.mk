# What the MPS2 boards share: sources, C library, sizes of each variant.
CROSS := arm-none-eabi-
MACHINE_FLAGS += -mthumb -mfloat-abi=soft --specs=nano.specs --specs=nosys.specs
ETHERNET := 1
BOARD_SOURCES := boards/$(BOARD)/board.c $(addprefix boards/common/,cortex_m.c cmsdk_timer.c cmsdk_uart.c cmsdk_watchdog.c lan9118.c \
  ram.c ram_flash.c random.c)
BOARD_INCLUDES += boards/$(BOARD) boards/common

# The shipped model needs 40,044 bytes of wasm3's heap, and verifying a signature 4.5 KB of stack.
ifeq ($(VARIANT),small)
  RAM_BYTES := 64K
  STACK_BYTES := 5376
  BOARD_DEFINES := HEDGE_HELD_SAMPLES=2 HEDGE_QUEUE_FRAMES=1 HEDGE_HEAP_BYTES=40192 HEDGE_LINK_TX_BYTES=544 BOARD_UART_RX_BYTES=1024 \
    HEDGE_REPLIES=6 HEDGE_SMALL_COMMANDS=1
else
  RAM_BYTES := 128K
  STACK_BYTES := 6K
  BOARD_DEFINES := HEDGE_HELD_SAMPLES=4 HEDGE_QUEUE_FRAMES=2 HEDGE_HEAP_BYTES=41472
endif
BOARD_DEFINES += HEDGE_INPUT_BYTES=3072 HEDGE_PAYLOAD_BYTES=2048

LINK_INPUTS := $(BOARD_SCRIPT) boards/common/cortex_m.ld
LINK_FLAGS := -nostartfiles -Wl,--defsym=ram_bytes=$(RAM_BYTES) -Wl,--defsym=stack_bytes=$(STACK_BYTES) -T $(BOARD_SCRIPT)
