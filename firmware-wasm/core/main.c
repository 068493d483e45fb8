/** The firmware: sets the parts up, and gives each its turn for ever. */
#include "board.h"
#include "device.h"
#include "link.h"
#include "log.h"
#if HEDGE_ETHERNET
#include "net.h"
#endif

/** Longer than any round: a step of the model, a sector erased, a signature verified. */
#ifndef HEDGE_WATCHDOG_MS
#define HEDGE_WATCHDOG_MS 8000
#endif
/** How long a restart waits for the UART. */
#define LAST_WORDS_MS 500

static hedge_config config;
static hedge_boot boot;
static hedge_device device;

static void read_config (void)
{
    if (! hedge_config_read (board_flash.memory + board_flash.config_offset, board_flash.config_bytes, & config))
    {
        hedge_config_blank (& config);
        hedge_log ("no configuration: only the link works");
    }
    if (! HEDGE_ETHERNET && config.transport == HEDGE_OVER_MQTT)
    {
        config.transport = HEDGE_OVER_UART;
        hedge_log ("configured for MQTT on a board without a network: the link has to do");
    }
}

static hedge_trust trusted_keys (void)
{
    hedge_trust trust = { .count = 0 };
    for (int i = 0; i < 2; ++i)
        if (config.signer [i].length) trust.keys [trust.count++] = config.signer [i].bytes;
    return trust;
}

/** Chooses the model. Whether the arena holds all that one needs besides its memory shows when it is loaded, on trial. */
static void start_boot (void)
{
    const hedge_slot_limits limits = {
        .memory_bytes = HEDGE_HEAP_BYTES,
        .stack_bytes = HEDGE_HEAP_BYTES,
        .input_bytes = HEDGE_INPUT_BYTES,
        .payload_bytes = HEDGE_PAYLOAD_BYTES,
    };
    const hedge_trust trust = trusted_keys ();
    hedge_boot_start (& boot, & board_flash, & limits, & trust);
}

/** The port that goes to the cloud; the link where a board has nothing else. */
static hedge_port * start_network (void)
{
#if HEDGE_ETHERNET
    if (config.transport == HEDGE_OVER_MQTT)
    {
        hedge_net_start (& config, & device);
        return hedge_net_port ();
    }
#endif
    return hedge_link_port ();
}

static void poll_network (void)
{
#if HEDGE_ETHERNET
    if (config.transport == HEDGE_OVER_MQTT) hedge_net_poll ();
#endif
}

static _Noreturn void restart (void)
{
#if HEDGE_ETHERNET
    if (config.transport == HEDGE_OVER_MQTT) hedge_net_stop ();
#endif
    hedge_log ("starting again");
    const uint32_t since = board_millis ();
    do hedge_link_poll (& device);
    while (! hedge_link_idle () && board_millis () - since < LAST_WORDS_MS);
    board_reset ();
}

int main (void)
{
    board_init ();
    hedge_log_sink = hedge_link_log;
    read_config ();
    hedge_link_start (& config);
    static const char * const causes [] = { "power on", "software reset", "watchdog", "fault" };
    hedge_log ("%s on %s, firmware %s, %s", config.id, board_name, HEDGE_FIRMWARE_VERSION, causes [board_reset_cause ()]);
    if (board_fault_address ()) hedge_log ("it was at 0x%x", (unsigned) board_fault_address ());
    start_boot ();
    board_watchdog_start (HEDGE_WATCHDOG_MS);
    hedge_device_start (& device, & config, & boot, start_network ());
    for (;;)
    {
        board_watchdog_feed ();
        poll_network ();
        hedge_link_poll (& device);
        const bool busy = hedge_device_poll (& device);
        if (hedge_device_wants_restart (& device)) restart ();
        if (! busy) board_idle ();
    }
}
