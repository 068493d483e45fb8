/**
 * The host board: `firmware --flash FILE --uart PORT`. FILE is the flash area, made if it is not there; a reset, whether asked for or by the
 * watchdog, executes the program anew.
 */
#define _GNU_SOURCE
#include "board.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "uart.h"

#define SECTOR_BYTES 4096
#define FLASH_BYTES (256 << 10)
#define SLOT_BYTES (112 << 10)

const char board_name [] = "host";

static char ** arguments;
/* The file is mapped over it. */
_Alignas (SECTOR_BYTES) static uint8_t flash_bytes [FLASH_BYTES];
/* In the environment of the next life: its last character is a board_reset_cause_t. */
static char cause_variable [] = "HEDGE_HOST_RESET=0";
static board_reset_cause_t cause;

static _Noreturn void usage (void)
{
    fputs ("usage: firmware --flash FILE --uart PORT\n  FILE: the flash, made if it is not there; PORT: of 127.0.0.1, 0 for any free one\n", stderr);
    exit (2);
}

/** glibc hands main's arguments to constructors; the firmware's main takes none. */
__attribute__ ((constructor)) static void keep_arguments (int argc, char ** argv)
{
    (void) argc;
    arguments = argv;
}

static const char * option (const char * name)
{
    for (char ** argument = arguments + 1; * argument; ++argument)
        if (strcmp (* argument, name) == 0 && argument [1]) return argument [1];
    usage ();
}

static void open_flash (const char * path)
{
    const int file = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat status;
    if (file < 0 || fstat (file, & status) || (status.st_size < FLASH_BYTES && ftruncate (file, FLASH_BYTES))) goto failed;
    if (mmap (flash_bytes, FLASH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED) goto failed;
    if (status.st_size < FLASH_BYTES) memset (flash_bytes + status.st_size, 0xFF, (size_t) (FLASH_BYTES - status.st_size));
    close (file);
    return;
failed:
    perror (path);
    exit (1);
}

static bool erase (const hedge_flash * flash, uint32_t offset)
{
    (void) flash;
    memset (flash_bytes + offset, 0xFF, SECTOR_BYTES);
    return true;
}

static bool program (const hedge_flash * flash, uint32_t offset, const uint8_t * bytes, uint32_t length)
{
    (void) flash;
    for (uint32_t i = 0; i < length; ++i) flash_bytes [offset + i] &= bytes [i];
    return true;
}

const hedge_flash board_flash = {
    .memory = flash_bytes,
    .sector_bytes = SECTOR_BYTES,
    .program_bytes = 8,
    .erase = erase,
    .program = program,
    .config_offset = 0,
    .config_bytes = 16 << 10,
    .seed_offset = 16 << 10,
    .seed_bytes = SECTOR_BYTES,
    .slot_offset = { 32 << 10, (32 << 10) + SLOT_BYTES },
    .slot_bytes = SLOT_BYTES,
};

static _Noreturn void start_anew (board_reset_cause_t why)
{
    cause_variable [sizeof cause_variable - 2] = (char) ('0' + why);
    execv ("/proc/self/exe", arguments);
    _exit (1);
}

static void watchdog_bites (int signal)
{
    (void) signal;
    start_anew (BOARD_WATCHDOG_RESET);
}

void board_init (void)
{
    const char * port = option ("--uart");
    open_flash (option ("--flash"));
    const char * was = getenv ("HEDGE_HOST_RESET");
    cause = was ? (board_reset_cause_t) atoi (was) : BOARD_POWER_ON;
    putenv (cause_variable);
    host_uart_start ((unsigned) atoi (port));

    /* Behind a bite the signal is still blocked. */
    sigset_t bites;
    sigemptyset (& bites);
    sigaddset (& bites, SIGPROF);
    sigprocmask (SIG_UNBLOCK, & bites, NULL);
    signal (SIGPROF, watchdog_bites);
}

static uint64_t micros (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, & now);
    return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

uint32_t board_millis (void)
{
    return (uint32_t) (micros () / 1000);
}

uint32_t board_micros (void)
{
    return (uint32_t) micros ();
}

static struct itimerval watchdog;

void board_watchdog_start (uint32_t milliseconds)
{
    /* Time on the processor: what hangs uses it up, and a busy machine bites nobody. */
    watchdog.it_value.tv_sec = milliseconds / 1000;
    watchdog.it_value.tv_usec = milliseconds % 1000 * 1000;
    board_watchdog_feed ();
}

void board_watchdog_feed (void)
{
    setitimer (ITIMER_PROF, & watchdog, NULL);
}

board_reset_cause_t board_reset_cause (void)
{
    return cause;
}

uint32_t board_fault_address (void)
{
    return 0;
}

void board_reset (void)
{
    start_anew (BOARD_SOFTWARE_RESET);
}

void board_idle (void)
{
    host_uart_wait (1);
}

void board_random (uint8_t * o_bytes, size_t length)
{
    while (length)
    {
        const ssize_t count = getrandom (o_bytes, length, 0);
        if (count < 0) continue;
        o_bytes += count;
        length -= (size_t) count;
    }
}

/* Nobody paints a process's stack or counts its memory. */

uint32_t board_stack_peak (void)
{
    return 0;
}

uint32_t board_stack_bytes (void)
{
    return 0;
}

uint32_t board_static_bytes (void)
{
    return 0;
}

uint32_t board_ram_bytes (void)
{
    return 0;
}
