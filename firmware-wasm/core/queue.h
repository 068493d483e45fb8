/**
 * Commands that wait for their turn, whole. Samples wait in large places, however small they are, and what else is large does, too; small places
 * are for everything else, so that a device whose queue is full of samples still answers questions.
 */
#ifndef HEDGE_QUEUE_H
#define HEDGE_QUEUE_H

#include "frames.h"

/* Sizes that a board sets (board.mk). */
#ifndef HEDGE_INPUT_BYTES
#define HEDGE_INPUT_BYTES 3072 /* the largest sample; times HEDGE_QUEUE_FRAMES */
#endif
#ifndef HEDGE_QUEUE_FRAMES
#define HEDGE_QUEUE_FRAMES 2
#endif
#define HEDGE_QUEUE_FRAME_BYTES (HEDGE_INPUT_BYTES + HEDGE_COMMAND_OVERHEAD)

/** Room of a small place, and of a port's buffer: a slot's header, and all results. */
#define HEDGE_SMALL_COMMAND_BYTES (256 + HEDGE_COMMAND_OVERHEAD)
#ifndef HEDGE_SMALL_COMMANDS
#define HEDGE_SMALL_COMMANDS 2
#endif
#define HEDGE_QUEUE_PLACES (HEDGE_QUEUE_FRAMES + HEDGE_SMALL_COMMANDS)

struct hedge_port;

typedef struct {
    enum { HEDGE_PLACE_FREE, HEDGE_PLACE_FILLING, HEDGE_PLACE_WAITING } state;
    uint32_t order; /* of arrival */
    struct hedge_port * from;
    hedge_command command; /* its data lies in `bytes` */
    uint8_t * bytes;
    uint32_t room;
} hedge_place;

typedef struct {
    hedge_place places [HEDGE_QUEUE_PLACES];
    uint32_t arrivals;
    _Alignas (8) uint8_t large [HEDGE_QUEUE_FRAMES] [HEDGE_QUEUE_FRAME_BYTES];
    _Alignas (8) uint8_t small [HEDGE_SMALL_COMMANDS] [HEDGE_SMALL_COMMAND_BYTES];
} hedge_queue;

void hedge_queue_start (hedge_queue * queue);
/** A free place, to be filled: a large one, or the smallest that holds so many bytes; NULL when there is none. */
hedge_place * hedge_queue_reserve_large (hedge_queue * queue);
hedge_place * hedge_queue_reserve (hedge_queue * queue, uint32_t bytes);
/** A place that was filled takes its turn. */
void hedge_queue_put (hedge_queue * queue, hedge_place * place, struct hedge_port * from, const hedge_command * command);
/** The sample, or the other command, that has waited longest; NULL when there is none. */
hedge_place * hedge_queue_oldest (hedge_queue * queue, bool sample);
/** The place is free again, whether it was filled or waited. */
void hedge_queue_release (hedge_place * place);

#endif
