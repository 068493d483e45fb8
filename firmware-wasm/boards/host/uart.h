/** The UART of the host board: one TCP connection at a time, on 127.0.0.1. */
#ifndef HEDGE_HOST_UART_H
#define HEDGE_HOST_UART_H

/** Listens on a port, 0 for any free one, and prints "uart PORT"; after a reset goes on with what there was, connection included. */
void host_uart_start (unsigned port);
/** Waits until something comes in, at most so long. */
void host_uart_wait (int milliseconds);

#endif
