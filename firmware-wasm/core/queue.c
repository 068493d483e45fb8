/** The command queue: a handful of places, looked through one by one. */
#include "queue.h"

void hedge_queue_start (hedge_queue * queue)
{
    queue->arrivals = 0;
    for (uint32_t i = 0; i < HEDGE_QUEUE_PLACES; ++i)
    {
        hedge_place * place = & queue->places [i];
        const bool small = i < HEDGE_SMALL_COMMANDS;
        place->state = HEDGE_PLACE_FREE;
        place->bytes = small ? queue->small [i] : queue->large [i - HEDGE_SMALL_COMMANDS];
        place->room = small ? HEDGE_SMALL_COMMAND_BYTES : HEDGE_QUEUE_FRAME_BYTES;
    }
}

hedge_place * hedge_queue_reserve (hedge_queue * queue, uint32_t bytes)
{
    for (uint32_t i = 0; i < HEDGE_QUEUE_PLACES; ++i)
    {
        hedge_place * place = & queue->places [i];
        if (place->state != HEDGE_PLACE_FREE || place->room < bytes) continue;
        place->state = HEDGE_PLACE_FILLING;
        return place;
    }
    return NULL;
}

hedge_place * hedge_queue_reserve_large (hedge_queue * queue)
{
    return hedge_queue_reserve (queue, HEDGE_QUEUE_FRAME_BYTES);
}

void hedge_queue_put (hedge_queue * queue, hedge_place * place, struct hedge_port * from, const hedge_command * command)
{
    place->state = HEDGE_PLACE_WAITING;
    place->order = queue->arrivals++;
    place->from = from;
    place->command = * command;
}

hedge_place * hedge_queue_oldest (hedge_queue * queue, bool sample)
{
    hedge_place * oldest = NULL;
    for (uint32_t i = 0; i < HEDGE_QUEUE_PLACES; ++i)
    {
        hedge_place * place = & queue->places [i];
        if (place->state != HEDGE_PLACE_WAITING || (place->command.operation == HEDGE_SAMPLE) != sample) continue;
        /* Arrivals wrap around. */
        if (! oldest || (int32_t) (place->order - oldest->order) < 0) oldest = place;
    }
    return oldest;
}

void hedge_queue_release (hedge_place * place)
{
    place->state = HEDGE_PLACE_FREE;
}
