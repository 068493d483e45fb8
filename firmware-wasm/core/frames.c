/** Frames: each writer and reader lists the items in the order of docs/wire.md. */
#include "frames.h"

#include "msgpack.h"

#define OFFLOAD_ITEMS 10
#define RESULT_ITEMS 10
#define COMMAND_ITEMS 7
#define ANSWER_ITEMS 10
#define EVENT_ITEMS 6
#define DESCRIPTION_ITEMS 30

#define MAX_LABEL 999
#define NAME_LENGTH 23

static void open_frame (hedge_packer * io, hedge_frame_type type, uint32_t items)
{
    hedge_pack_array (io, items);
    hedge_pack_uint (io, HEDGE_WIRE_VERSION);
    hedge_pack_uint (io, type);
}

static uint32_t length_of (const hedge_packer * packer, const uint8_t * frame)
{
    return packer->failed ? 0 : (uint32_t) (packer->at - frame);
}

uint32_t hedge_write_offload_head (uint8_t * o_head, uint32_t room, const hedge_offload * offload)
{
    hedge_packer io = { o_head, o_head + room, false };
    open_frame (& io, HEDGE_FRAME_OFFLOAD, OFFLOAD_ITEMS);
    hedge_pack_bytes (& io, offload->model, 32);
    hedge_pack_uint (& io, offload->session);
    hedge_pack_uint (& io, offload->sample);
    hedge_pack_uint (& io, offload->deadline);
    hedge_pack_uint (& io, offload->attempt);
    hedge_pack_uint (& io, offload->label);
    hedge_pack_uint (& io, offload->entropy);
    hedge_pack_bytes_head (& io, offload->payload_bytes);
    return length_of (& io, o_head);
}

uint32_t hedge_write_answer (uint8_t * o_frame, uint32_t room, const hedge_answer * answer)
{
    hedge_packer io = { o_frame, o_frame + room, false };
    open_frame (& io, HEDGE_FRAME_ANSWER, ANSWER_ITEMS);
    hedge_pack_uint (& io, answer->request);
    hedge_pack_uint (& io, answer->source);
    hedge_pack_uint (& io, answer->label);
    hedge_pack_uint (& io, answer->edge_label);
    hedge_pack_uint (& io, answer->entropy);
    hedge_pack_uint (& io, answer->attempts);
    hedge_pack_uint (& io, answer->micros);
    hedge_pack_uint (& io, answer->check);
    return length_of (& io, o_frame);
}

uint32_t hedge_write_event (uint8_t * o_frame, uint32_t room, const hedge_event * event)
{
    hedge_packer io = { o_frame, o_frame + room, false };
    open_frame (& io, HEDGE_FRAME_EVENT, EVENT_ITEMS);
    hedge_pack_uint (& io, event->request);
    hedge_pack_uint (& io, event->code);
    hedge_pack_uint (& io, event->number);
    hedge_pack_text (& io, event->sentence);
    return length_of (& io, o_frame);
}

uint32_t hedge_write_description (uint8_t * o_frame, uint32_t room, const hedge_description * d)
{
    hedge_packer io = { o_frame, o_frame + room, false };
    open_frame (& io, HEDGE_FRAME_DESCRIPTION, DESCRIPTION_ITEMS);
    hedge_pack_uint (& io, d->request);
    hedge_pack_text (& io, d->device);
    hedge_pack_text (& io, d->board);
    hedge_pack_text (& io, d->firmware);
    hedge_pack_text (& io, d->model_name);
    hedge_pack_bytes (& io, d->model, d->model ? 32 : 0);
    const uint32_t numbers [] = {
        d->counter, d->slot, d->trial, d->uptime_s, d->reset_cause,
        d->samples, d->exited, d->offloaded, d->offered, d->answered, d->refused, d->unconfirmed, d->duplicates, d->invalid, d->dropped, d->reconnects,
        d->heap_peak, d->heap_bytes, d->stack_peak, d->stack_bytes, d->static_bytes, d->ram_bytes
    };
    _Static_assert (8 + sizeof numbers / sizeof * numbers == DESCRIPTION_ITEMS, "every item is there");
    for (uint32_t i = 0; i < sizeof numbers / sizeof * numbers; ++i) hedge_pack_uint (& io, numbers [i]);
    return length_of (& io, o_frame);
}

static hedge_unpacker open_unpacker (const uint8_t * frame, uint32_t length, hedge_frame_type type, uint32_t items)
{
    hedge_unpacker io = { frame, frame + length, false };
    hedge_unpack_array (& io, items);
    if (hedge_unpack_uint (& io, UINT32_MAX) != HEDGE_WIRE_VERSION || hedge_unpack_uint (& io, UINT32_MAX) != type) io.failed = true;
    return io;
}

bool hedge_read_result (const uint8_t * frame, uint32_t length, hedge_result * o_result)
{
    if (length > HEDGE_RESULT_LIMIT) return false;
    hedge_unpacker io = open_unpacker (frame, length, HEDGE_FRAME_RESULT, RESULT_ITEMS);
    uint32_t unused;
    o_result->model = hedge_unpack_bytes (& io, 32, 32, & unused);
    o_result->session = (uint32_t) hedge_unpack_uint (& io, UINT32_MAX);
    o_result->sample = (uint32_t) hedge_unpack_uint (& io, UINT32_MAX);
    o_result->state = (hedge_result_state) hedge_unpack_uint (& io, HEDGE_REFUSED);
    o_result->label = (uint32_t) hedge_unpack_uint (& io, MAX_LABEL);
    hedge_unpack_unit (& io); /* the confidence: a device has no use for it */
    uint32_t name_length;
    const char * name = hedge_unpack_text (& io, NAME_LENGTH, & name_length);
    (void) hedge_unpack_uint (& io, UINT32_MAX); /* the worker's milliseconds */
    return hedge_unpacked (& io) && hedge_is_name (name, name_length);
}

bool hedge_read_command (const uint8_t * frame, uint32_t length, hedge_command * o_command)
{
    hedge_unpacker io = open_unpacker (frame, length, HEDGE_FRAME_COMMAND, COMMAND_ITEMS);
    o_command->request = (uint32_t) hedge_unpack_uint (& io, UINT32_MAX);
    o_command->operation = (hedge_operation) hedge_unpack_uint (& io, HEDGE_THRESHOLD);
    o_command->number = (uint32_t) hedge_unpack_uint (& io, UINT32_MAX);
    o_command->check = (uint32_t) hedge_unpack_uint (& io, UINT32_MAX);
    o_command->data = hedge_unpack_bytes (& io, 0, length, & o_command->data_bytes);
    return hedge_unpacked (& io) && o_command->request != 0; /* 0 stands for what nobody asked */
}

bool hedge_read_request (const uint8_t * frame, uint32_t length, uint32_t * o_request, hedge_operation * o_operation)
{
    hedge_unpacker io = open_unpacker (frame, length, HEDGE_FRAME_COMMAND, COMMAND_ITEMS);
    * o_request = (uint32_t) hedge_unpack_uint (& io, UINT32_MAX);
    * o_operation = (hedge_operation) hedge_unpack_uint (& io, HEDGE_THRESHOLD);
    return ! io.failed;
}

static bool is_alphanumeric (char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool hedge_is_name (const char * text, uint32_t length)
{
    if (length == 0 || length > NAME_LENGTH || ! is_alphanumeric (text [0])) return false;
    for (uint32_t i = 1; i < length; ++i)
        if (! is_alphanumeric (text [i]) && text [i] != '-' && text [i] != '_') return false;
    return true;
}
