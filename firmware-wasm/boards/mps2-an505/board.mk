# Cortex-M33; the code uses no float, so the FPU stays off.
BOARD_VARIANTS := plain tls
MACHINE_FLAGS := -mcpu=cortex-m33
BOARD_SCRIPT := boards/mps2-an505/board.ld
include boards/common/mps2.mk
