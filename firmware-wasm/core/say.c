/** What the device says: answers, events and descriptions, as replies that wait until their port takes them. */
#include "board.h"
#include "device_parts.h"
#include "heap.h"
#include "log.h"

#include <string.h>

static void log_event (uint32_t code, uint32_t number, const char * sentence)
{
    hedge_log ("%s (event %u, number %u)", sentence, (unsigned) code, (unsigned) number);
}

void hedge_say_quietly (hedge_device * device, hedge_port * to, uint32_t request, uint32_t code, uint32_t number, const char * sentence)
{
    const hedge_reply reply = { .to = to, .type = HEDGE_FRAME_EVENT, .event = { request, code, number, sentence } };
    hedge_replies_add (& device->replies, & reply);
}

void hedge_say_event (hedge_device * device, hedge_port * to, uint32_t request, uint32_t code, uint32_t number, const char * sentence)
{
    log_event (code, number, sentence);
    hedge_say_quietly (device, to, request, code, number, sentence);
}

void hedge_say_answer (hedge_device * device, hedge_port * to, const hedge_answer * answer)
{
    const hedge_reply reply = { .to = to, .type = HEDGE_FRAME_ANSWER, .answer = * answer };
    hedge_replies_add (& device->replies, & reply);
}

void hedge_say_description (hedge_device * device, hedge_port * to, uint32_t request)
{
    const hedge_reply reply = { .to = to, .type = HEDGE_FRAME_DESCRIPTION, .request = request };
    hedge_replies_add (& device->replies, & reply);
}

void hedge_say_refusal (hedge_device * device, hedge_port * to, uint32_t request, bool is_sample, hedge_event_code why, const char * sentence)
{
    const hedge_reply refusal = { .to = to, .type = HEDGE_FRAME_EVENT, .refuses_sample = is_sample, .event = { request, why, 0, sentence } };
    ++device->counts.dropped;
    log_event (why, 0, sentence);
    hedge_replies_add_if_room (& device->replies, & refusal);
}

static uint32_t write_description (const hedge_device * device, uint32_t request, uint8_t * o_frame, uint32_t room)
{
    const hedge_counts * counts = & device->counts;
    const hedge_slot_header * header = device->has_model ? device->model.header : NULL;
    /* A name that fills its field is not terminated. */
    char name [HEDGE_SLOT_NAME_BYTES + 1] = "";
    if (header) memcpy (name, header->name, HEDGE_SLOT_NAME_BYTES);
    const hedge_description description = {
        .request = request,
        .device = device->config->id,
        .board = board_name,
        .firmware = HEDGE_FIRMWARE_VERSION,
        .model_name = name,
        .model = header ? header->digest : NULL,
        .counter = header ? header->counter : 0,
        .slot = header ? (uint32_t) device->boot->active : 0,
        .trial = header ? device->boot->trial : 0,
        .uptime_s = (uint32_t) (device->uptime_ms / 1000),
        .reset_cause = (uint32_t) board_reset_cause (),
        .samples = counts->samples,
        .exited = counts->exited,
        .offloaded = counts->offloaded,
        .offered = counts->offered,
        .answered = counts->answered,
        .refused = counts->refused,
        .unconfirmed = counts->unconfirmed,
        .duplicates = counts->duplicates,
        .invalid = counts->invalid,
        .dropped = counts->dropped + device->replies.dropped,
        .reconnects = counts->reconnects,
        .heap_peak = hedge_heap_peak (),
        .heap_bytes = HEDGE_HEAP_BYTES,
        .stack_peak = board_stack_peak (),
        .stack_bytes = board_stack_bytes (),
        .static_bytes = board_static_bytes (),
        .ram_bytes = board_ram_bytes (),
    };
    return hedge_write_description (o_frame, room, & description);
}

static uint32_t write_reply (void * context, const hedge_reply * reply, uint8_t * o_frame, uint32_t room)
{
    if (reply->type == HEDGE_FRAME_ANSWER) return hedge_write_answer (o_frame, room, & reply->answer);
    if (reply->type == HEDGE_FRAME_EVENT) return hedge_write_event (o_frame, room, & reply->event);
    return write_description (context, reply->request, o_frame, room);
}

bool hedge_say_next (hedge_device * device)
{
    return hedge_replies_send (& device->replies, write_reply, device);
}
