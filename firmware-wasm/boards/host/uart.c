/**
 * A UART has no connections: what is written while nobody listens is lost, and a reset of the board changes nothing on the line. The sockets
 * therefore outlive the program, whose next life finds their numbers in its environment.
 */
#define _GNU_SOURCE
#include "uart.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "board.h"

/* Kept in the environment, where a signal's handler may leave them: "NAME=number". */
static char listener_variable [32], peer_variable [32];
static int listener = -1, peer = -1;

static void remember (char * o_variable, const char * name, int socket)
{
    snprintf (o_variable, sizeof listener_variable, "%s=%d", name, socket);
    putenv (o_variable);
}

static int remembered (const char * name)
{
    const char * text = getenv (name);
    return text ? atoi (text) : -1;
}

static void set_peer (int socket)
{
    peer = socket;
    remember (peer_variable, "HEDGE_HOST_UART_PEER", peer);
}

static void fail (const char * what)
{
    perror (what);
    exit (1);
}

static void listen_on (unsigned port)
{
    listener = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons ((uint16_t) port), .sin_addr = { htonl (INADDR_LOOPBACK) } };
    socklen_t length = sizeof address;
    const int on = 1;
    if (listener < 0 || setsockopt (listener, SOL_SOCKET, SO_REUSEADDR, & on, sizeof on) || bind (listener, (struct sockaddr *) & address, length)
        || listen (listener, 1) || getsockname (listener, (struct sockaddr *) & address, & length)) fail ("cannot listen for the UART");
    printf ("uart %u\n", (unsigned) ntohs (address.sin_port));
    fflush (stdout);
}

void host_uart_start (unsigned port)
{
    listener = remembered ("HEDGE_HOST_UART_LISTENER");
    set_peer (remembered ("HEDGE_HOST_UART_PEER"));
    if (listener < 0) listen_on (port);
    remember (listener_variable, "HEDGE_HOST_UART_LISTENER", listener);
}

static bool connected (void)
{
    if (peer >= 0) return true;
    const int accepted = accept4 (listener, NULL, NULL, SOCK_NONBLOCK);
    if (accepted < 0) return false;
    const int on = 1;
    setsockopt (accepted, IPPROTO_TCP, TCP_NODELAY, & on, sizeof on);
    set_peer (accepted);
    return true;
}

static void disconnect (void)
{
    close (peer);
    set_peer (-1);
}

static bool would_block (void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

size_t board_uart_read (uint8_t * o_bytes, size_t room)
{
    if (! connected ()) return 0;
    const ssize_t count = recv (peer, o_bytes, room, 0);
    if (count > 0) return (size_t) count;
    if (count == 0 || ! would_block ()) disconnect ();
    return 0;
}

size_t board_uart_write (const uint8_t * bytes, size_t length)
{
    if (! connected ()) return length;
    const ssize_t count = send (peer, bytes, length, MSG_NOSIGNAL);
    if (count >= 0) return (size_t) count;
    if (would_block ()) return 0;
    disconnect ();
    return length;
}

void host_uart_wait (int milliseconds)
{
    struct pollfd wanted = { .fd = peer >= 0 ? peer : listener, .events = POLLIN };
    (void) poll (& wanted, 1, milliseconds);
}
