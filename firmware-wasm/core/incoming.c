/**
 * Frames on their way in. Each begins in its port's own small buffer; a command that outgrows it moves into a large place of the queue, so
 * that the length need not be known and a port that is slow holds up nobody. Commands wait in the queue; results are taken at once.
 */
#include "device_parts.h"

#include <string.h>

bool hedge_device_frame_begin (hedge_device * device, hedge_port * from, hedge_frame_type type, uint32_t length)
{
    hedge_incoming * io = & from->incoming;
    hedge_device_frame_abandon (device, from);
    if (type != HEDGE_FRAME_COMMAND && type != HEDGE_FRAME_RESULT) return false;
    if (type == HEDGE_FRAME_RESULT && length != HEDGE_LENGTH_UNKNOWN && length > HEDGE_RESULT_LIMIT)
    {
        ++device->counts.invalid;
        return false;
    }
    io->state = HEDGE_INCOMING_HEAD;
    io->type = type;
    io->length = 0;
    return true;
}

/** Moves what has come so far to `place`, if one was found. */
static void move_to_place (hedge_incoming * io)
{
    io->state = io->place ? HEDGE_INCOMING_PLACE : HEDGE_INCOMING_NO_ROOM;
    if (io->place) memcpy (io->place->bytes, io->head, io->length);
}

static uint32_t room_for (const hedge_incoming * io)
{
    return io->state == HEDGE_INCOMING_PLACE ? io->place->room : sizeof io->head;
}

void hedge_device_frame_data (hedge_device * device, hedge_port * from, const uint8_t * bytes, uint32_t length)
{
    hedge_incoming * io = & from->incoming;
    if (io->state == HEDGE_INCOMING_HEAD && length > sizeof io->head - io->length)
    {
        /* The head is kept full, whatever pieces it comes in: it says whose the frame is, if it is lost. */
        const uint32_t fits = (uint32_t) sizeof io->head - io->length;
        memcpy (io->head + io->length, bytes, fits);
        io->length += fits;
        bytes += fits;
        length -= fits;
        io->place = io->type == HEDGE_FRAME_COMMAND ? hedge_queue_reserve_large (& device->queue) : NULL;
        move_to_place (io);
    }
    if (io->state != HEDGE_INCOMING_HEAD && io->state != HEDGE_INCOMING_PLACE) return;
    if (length > room_for (io) - io->length)
    {
        hedge_queue_release (io->place);
        io->place = NULL;
        io->state = HEDGE_INCOMING_TOO_LONG;
        return;
    }
    uint8_t * to = io->state == HEDGE_INCOMING_PLACE ? io->place->bytes : io->head;
    memcpy (to + io->length, bytes, length);
    io->length += length;
}

/** Takes a whole command that lies in a place: there it waits, or the place is free again. */
static void take_command (hedge_device * device, hedge_port * from, hedge_place * place, uint32_t length)
{
    hedge_command command;
    const char * sentence;
    uint32_t why = 0;
    const bool readable = hedge_read_command (place->bytes, length, & command);
    if (! readable)
    {
        hedge_operation operation = HEDGE_DESCRIBE;
        ++device->counts.invalid;
        if (! hedge_read_request (place->bytes, length, & command.request, & operation)) command.request = 0;
        hedge_say_refusal (device, from, command.request, operation == HEDGE_SAMPLE, HEDGE_EVENT_BAD_FRAME, "a command breaks the schema");
    }
    else if (command.operation == HEDGE_SAMPLE && (why = hedge_engine_refuses (device, command.data_bytes, & sentence)) != 0)
        hedge_say_refusal (device, from, command.request, true, (hedge_event_code) why, sentence);
    if (readable && ! why) hedge_queue_put (& device->queue, place, from, & command);
    else hedge_queue_release (place);
}

/** Says whose command is not taken, as far as its head tells. */
static void refuse (hedge_device * device, hedge_port * from, const hedge_incoming * incoming, bool too_long)
{
    uint32_t request;
    hedge_operation operation;
    const uint32_t known = incoming->length < sizeof incoming->head ? incoming->length : (uint32_t) sizeof incoming->head;
    if (! hedge_read_request (incoming->head, known, & request, & operation))
    {
        ++device->counts.invalid;
        request = 0;
        operation = HEDGE_DESCRIBE;
    }
    hedge_say_refusal (device, from, request, operation == HEDGE_SAMPLE, too_long ? HEDGE_EVENT_WRONG_SIZE : HEDGE_EVENT_NO_ROOM,
                       too_long ? "a command is too large for this device" : "the queue is full");
}

/** Finds the place of a command that is whole in its port's buffer. */
static void settle (hedge_device * device, hedge_incoming * io)
{
    uint32_t request;
    hedge_operation operation = HEDGE_DESCRIBE;
    (void) hedge_read_request (io->head, io->length, & request, & operation);
    io->place = operation == HEDGE_SAMPLE ? hedge_queue_reserve_large (& device->queue) : hedge_queue_reserve (& device->queue, io->length);
    move_to_place (io);
}

void hedge_device_frame_end (hedge_device * device, hedge_port * from)
{
    hedge_incoming * io = & from->incoming;
    if (io->state == HEDGE_INCOMING_NONE) return;
    if (io->type == HEDGE_FRAME_RESULT)
    {
        if (io->state == HEDGE_INCOMING_HEAD) hedge_device_take_result (device, io->head, io->length);
        else ++device->counts.invalid;
    }
    else
    {
        if (io->state == HEDGE_INCOMING_HEAD) settle (device, io);
        if (io->state == HEDGE_INCOMING_PLACE) take_command (device, from, io->place, io->length);
        else refuse (device, from, io, io->state == HEDGE_INCOMING_TOO_LONG);
    }
    io->state = HEDGE_INCOMING_NONE;
}

void hedge_device_frame_abandon (hedge_device * device, hedge_port * from)
{
    (void) device;
    hedge_incoming * io = & from->incoming;
    if (io->state == HEDGE_INCOMING_PLACE) hedge_queue_release (io->place);
    io->state = HEDGE_INCOMING_NONE;
}

bool hedge_device_submit (hedge_device * device, uint32_t request, const uint8_t * input, uint32_t length)
{
    const char * sentence;
    if (hedge_engine_refuses (device, length, & sentence)) return false;
    hedge_place * place = hedge_queue_reserve_large (& device->queue);
    if (! place) return false;
    memcpy (place->bytes, input, length);
    const hedge_command command = { .request = request, .operation = HEDGE_SAMPLE, .data = place->bytes, .data_bytes = length };
    hedge_queue_put (& device->queue, place, device->network, & command);
    return true;
}
