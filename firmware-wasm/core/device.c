/** The device's life: what is told to it, and whose turn it is. */
#include "device.h"

#include <string.h>

#include "board.h"
#include "device_parts.h"
#include "log.h"

/** How long a restart waits for what is still to be said, and one that gives up a trial for the network to say it to. */
#define RESTART_PATIENCE_MS 2000
#define NETWORK_PATIENCE_MS 10000

/** No date: offers would carry deadlines that nobody can read. */
#define LATEST_EPOCH_MS (1ull << 48)

static uint32_t random_word (void)
{
    uint32_t word;
    board_random ((uint8_t *) & word, sizeof word);
    return word;
}

/** Says what the boot found that is news: a slot that cannot be used, a model that was given up. */
static void report_boot (hedge_device * device)
{
    const hedge_boot * boot = device->boot;
    for (uint32_t slot = 0; slot < 2; ++slot)
    {
        const hedge_slot_verdict verdict = boot->verdict [slot];
        if (verdict != HEDGE_SLOT_OK && verdict != HEDGE_SLOT_EMPTY && verdict != HEDGE_SLOT_REJECTED)
            hedge_say_event (device, device->network, 0, verdict, slot, hedge_slot_verdict_text (verdict));
    }
    if (boot->reverted >= 0)
        hedge_say_event (device, device->network, 0, HEDGE_EVENT_REVERTED, hedge_slot_at (boot->flash, boot->reverted)->counter,
                         "the model on trial was given up");
}

void hedge_device_start (hedge_device * device, const hedge_config * config, hedge_boot * boot, hedge_port * network)
{
    memset (device, 0, sizeof * device);
    device->config = config;
    device->boot = boot;
    device->network = network;
    device->polled_at = board_millis ();
    device->session = random_word ();
    hedge_queue_start (& device->queue);
    hedge_offers_start (& device->offers, config->retry_first_ms, config->retry_longest_ms, random_word ());
    report_boot (device);
    hedge_engine_start (device);
}

/** Everything that was taken gets its last answer, as when the host device is closed. */
static void end_samples (hedge_device * device)
{
    hedge_engine_stop (device);
    for (hedge_place * place; (place = hedge_queue_oldest (& device->queue, true)) != NULL; hedge_queue_release (place))
        hedge_say_refusal (device, place->from, place->command.request, true, HEDGE_EVENT_NO_ROOM, "the device starts again");
    for (uint32_t i = 0; i < HEDGE_HELD_SAMPLES; ++i)
    {
        hedge_offer * offer = & device->offers.offers [i];
        if (! offer->held) continue;
        hedge_engine_fall_back (device, offer->reply_to, & offer->answer);
        hedge_offers_release (offer);
    }
}

void hedge_device_restart (hedge_device * device)
{
    end_samples (device);
    device->restarts = true;
    device->restarts_since = board_millis ();
}

bool hedge_device_wants_restart (const hedge_device * device)
{
    if (! device->restarts) return false;
    const uint32_t waited = board_millis () - device->restarts_since;
    if (hedge_replies_pending (& device->replies)) return waited >= RESTART_PATIENCE_MS;
    return ! device->gave_up || device->network->ready (device->network) || waited >= NETWORK_PATIENCE_MS;
}

void hedge_device_connected (hedge_device * device)
{
    if (device->was_connected) ++device->counts.reconnects;
    device->was_connected = true;
    hedge_offers_again (& device->offers, board_millis ());
}

/** Clocks that outlast the wrapping around of board_millis. */
static void advance_clocks (hedge_device * device)
{
    const uint32_t now = board_millis ();
    device->uptime_ms += now - device->polled_at;
    device->epoch_ms += now - device->polled_at;
    device->polled_at = now;
}

void hedge_device_set_time (hedge_device * device, uint64_t epoch_ms)
{
    if (epoch_ms >= LATEST_EPOCH_MS) return;
    advance_clocks (device);
    device->epoch_ms = epoch_ms;
    device->knows_time = true;
}

void hedge_device_take_result (hedge_device * device, const uint8_t * frame, uint32_t length)
{
    hedge_counts * counts = & device->counts;
    hedge_result result;
    if (! hedge_read_result (frame, length, & result) || ! device->has_model || memcmp (result.model, device->model.header->digest, 32) != 0
        || result.label >= device->model.header->classes)
    {
        ++counts->invalid;
        return;
    }
    /* Of an earlier life of this device, or late, or a second one. */
    hedge_offer * offer = result.session == device->session ? hedge_offers_find (& device->offers, result.sample) : NULL;
    if (! offer)
    {
        ++counts->duplicates;
        return;
    }
    if (result.state == HEDGE_ANSWERED)
    {
        ++counts->answered;
        offer->answer.source = HEDGE_BY_CLOUD;
        offer->answer.label = result.label;
        hedge_say_answer (device, offer->reply_to, & offer->answer);
    }
    else
    {
        ++counts->refused;
        hedge_engine_fall_back (device, offer->reply_to, & offer->answer);
    }
    hedge_offers_release (offer);
}

/** Sends the offer that is due; none is past its deadline here. What cannot go out stays due. */
static bool send_offer (hedge_device * device)
{
    const uint32_t now = device->polled_at;
    hedge_port * network = device->network;
    hedge_offer * offer = hedge_offers_due (& device->offers, now);
    if (! offer || ! device->knows_time || ! network->online (network)) return false;
    const hedge_offload offload = {
        .model = device->model.header->digest,
        .session = device->session,
        .sample = offer->sample,
        .deadline = device->epoch_ms + (offer->deadline - now),
        .attempt = offer->answer.attempts + 1,
        .label = offer->answer.edge_label,
        .entropy = offer->answer.entropy,
        .payload_bytes = offer->payload_bytes,
    };
    uint8_t head [HEDGE_OFFLOAD_OVERHEAD];
    const uint32_t length = hedge_write_offload_head (head, sizeof head, & offload);
    uint8_t * frame = offer->frame + HEDGE_OFFLOAD_OVERHEAD - length;
    memcpy (frame, head, length);
    if (! network->send (network, HEDGE_FRAME_OFFLOAD, frame, length + offer->payload_bytes)) return false;
    ++device->counts.offered;
    hedge_offers_sent (& device->offers, offer, now);
    return true;
}

static void end_expired (hedge_device * device)
{
    hedge_offer * offer;
    while ((offer = hedge_offers_expired (& device->offers, device->polled_at)) != NULL)
    {
        hedge_engine_fall_back (device, offer->reply_to, & offer->answer);
        hedge_offers_release (offer);
    }
}

bool hedge_device_poll (hedge_device * device)
{
    advance_clocks (device);
    if (device->boot->trial && ! device->restarts && device->uptime_ms >= device->config->confirm_ms)
        hedge_engine_give_up_trial (device, HEDGE_SLOT_REJECTED, "the new model was not confirmed in time");
    end_expired (device);
    const bool said = hedge_say_next (device);
    if (device->restarts) return said;
    const bool served = send_offer (device) || hedge_commands_run_next (device);
    if (device->restarts) return true;
    /* The model has its turn all the same: neither a flood of commands nor one of offers keeps it waiting. */
    return hedge_engine_poll (device) || served || said;
}
