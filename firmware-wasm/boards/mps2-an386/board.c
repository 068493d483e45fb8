/** Arm's MPS2 board with the FPGA image AN386: all of it is in boards/common. */
#include "board.h"
#include "cmsdk.h"
#include "cortex_m.h"
#include "random.h"

const char board_name [] = "mps2-an386";

void board_init (void)
{
    cortex_m_start ();
    cmsdk_timer_start ();
    cmsdk_uart_start ();
    random_start ();
}
