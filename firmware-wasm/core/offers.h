/**
 * Samples that wait for the cloud: each is offered until its result or its deadline, whichever comes first. An acknowledgement by the broker
 * proves nothing, so offers are repeated, after `first` milliseconds, then twice that, up to `longest`, each spread by a quarter, so
 * that devices that lost the same broker do not all come back at once. Knows no MQTT, and no clock: `now` is in milliseconds that wrap around.
 */
#ifndef HEDGE_OFFERS_H
#define HEDGE_OFFERS_H

#include "frames.h"

/* Sizes that a board sets (board.mk). */
#ifndef HEDGE_PAYLOAD_BYTES
#define HEDGE_PAYLOAD_BYTES 2048 /* the largest payload; times HEDGE_HELD_SAMPLES */
#endif
#ifndef HEDGE_HELD_SAMPLES
#define HEDGE_HELD_SAMPLES 4
#endif

struct hedge_port;

typedef struct {
    bool held;
    uint32_t sample;
    struct hedge_port * reply_to;
    hedge_answer answer; /* as it is without a result; counts the attempts */
    uint32_t deadline, next; /* when it ends, when it is offered again */
    uint32_t payload_bytes;
    /** The payload, behind room for the frame's head: offers are sent from here. */
    uint8_t frame [HEDGE_OFFLOAD_OVERHEAD + HEDGE_PAYLOAD_BYTES];
} hedge_offer;

typedef struct {
    uint32_t first_ms, longest_ms;
    uint32_t random; /* state of the generator that spreads the offers; not 0 */
    hedge_offer offers [HEDGE_HELD_SAMPLES];
} hedge_offers;

void hedge_offers_start (hedge_offers * offers, uint32_t first_ms, uint32_t longest_ms, uint32_t seed);
/** A free place, held from now on and due at once; NULL when all are taken. The caller fills in what the sample is. */
hedge_offer * hedge_offers_hold (hedge_offers * offers, uint32_t now);
/** The offer that is due, and of several the one that has waited longest; NULL for none. */
hedge_offer * hedge_offers_due (hedge_offers * offers, uint32_t now);
/** It went out: counts, and sets when it does again. */
void hedge_offers_sent (hedge_offers * offers, hedge_offer * offer, uint32_t now);
/** One whose deadline has come; NULL for none. */
hedge_offer * hedge_offers_expired (hedge_offers * offers, uint32_t now);
/** Who waits for the result of a sample; NULL when nobody does any more. */
hedge_offer * hedge_offers_find (hedge_offers * offers, uint32_t sample);
/** Everything is due at once. */
void hedge_offers_again (hedge_offers * offers, uint32_t now);
/** It has its answer. */
void hedge_offers_release (hedge_offer * offer);

#endif
