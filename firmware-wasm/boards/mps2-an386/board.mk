# Cortex-M4; the code uses no float, so the FPU stays off.
BOARD_VARIANTS := plain tls small
MACHINE_FLAGS := -mcpu=cortex-m4
BOARD_SCRIPT := boards/mps2-an386/board.ld
include boards/common/mps2.mk
