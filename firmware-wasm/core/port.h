/** A way in and out of the device: MQTT, or the link over a UART. */
#ifndef HEDGE_PORT_H
#define HEDGE_PORT_H

#include "queue.h"

/** The frame that comes in at a port, in pieces. */
typedef struct {
    enum {
        HEDGE_INCOMING_NONE,
        HEDGE_INCOMING_HEAD,    /* fits `head` so far */
        HEDGE_INCOMING_PLACE,   /* goes on in `place` */
        HEDGE_INCOMING_NO_ROOM, /* there is no place for it: only the head is there */
        HEDGE_INCOMING_TOO_LONG /* for any place, likewise */
    } state;
    hedge_frame_type type;
    uint32_t length; /* so far */
    hedge_place * place;
    uint8_t head [HEDGE_SMALL_COMMAND_BYTES];
} hedge_incoming;

/** Static, zeroed but for what its owner sets. */
typedef struct hedge_port {
    /** Whether somebody is there to hear replies and events. */
    bool (* ready) (struct hedge_port * port);
    /** Whether what is for the cloud gets through: offers. */
    bool (* online) (struct hedge_port * port);
    /** Takes a whole frame, or none of it: false when there is no room at the moment. */
    bool (* send) (struct hedge_port * port, hedge_frame_type type, const uint8_t * frame, uint32_t length);
    /** For its owner. */
    void * context;
    /** For the device. */
    hedge_incoming incoming;
} hedge_port;

#endif
