# Cortex-M3; memory and peripherals are those of the AN386.
BOARD_VARIANTS := plain tls small
MACHINE_FLAGS := -mcpu=cortex-m3
BOARD_INCLUDES := boards/mps2-an386
BOARD_SCRIPT := boards/mps2-an386/board.ld
include boards/common/mps2.mk
