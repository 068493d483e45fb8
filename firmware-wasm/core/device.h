/**
 * The device: takes samples, runs the model's steps, answers what it is sure of, and offers the rest to the cloud until a result or the
 * deadline comes. No heap: all state lies in one hedge_device. Nothing blocks: `hedge_device_poll` does one bounded piece of work.
 */
#ifndef HEDGE_DEVICE_H
#define HEDGE_DEVICE_H

#include "boot.h"
#include "config.h"
#include "frames.h"
#include "model.h"

/* Sizes that a board sets (board.mk); what they cost in RAM is beside them. */
#ifndef HEDGE_INPUT_BYTES
#define HEDGE_INPUT_BYTES 3072 /* the largest sample; times HEDGE_QUEUE_FRAMES */
#endif
#ifndef HEDGE_PAYLOAD_BYTES
#define HEDGE_PAYLOAD_BYTES 2048 /* the largest payload; times HEDGE_HELD_SAMPLES */
#endif
#ifndef HEDGE_HELD_SAMPLES
#define HEDGE_HELD_SAMPLES 4
#endif
#ifndef HEDGE_QUEUE_FRAMES
#define HEDGE_QUEUE_FRAMES 2
#endif
#define HEDGE_QUEUE_FRAME_BYTES (HEDGE_INPUT_BYTES + HEDGE_COMMAND_OVERHEAD)

/** A way in and out: MQTT, or the link over a UART. */
typedef struct hedge_port {
    /** Whether the other side is there. */
    bool (* ready) (struct hedge_port * port);
    /** Takes a whole frame, or none of it: false when there is no room at the moment. */
    bool (* send) (struct hedge_port * port, hedge_frame_type type, const uint8_t * frame, uint32_t length);
    void * context;
} hedge_port;

typedef struct hedge_device hedge_device;

/** `network` takes offloads and events; replies to commands go where the command came from. */
void hedge_device_start (hedge_device * device, const hedge_config * config, hedge_boot * boot, hedge_port * network);

/**
 * Frames come in by pieces, as TCP and UARTs bring them. `begin` says the type (from topic or channel) and the whole length; false: it is not
 * wanted or there is no room, and its pieces are to be skipped (the device counts it and, where it can, says so).
 */
bool hedge_device_frame_begin (hedge_device * device, hedge_port * from, hedge_frame_type type, uint32_t length);
void hedge_device_frame_data (hedge_device * device, hedge_port * from, const uint8_t * bytes, uint32_t length);
void hedge_device_frame_end (hedge_device * device, hedge_port * from);
/** The frame under way will not be finished: the connection is gone. */
void hedge_device_frame_abandon (hedge_device * device, hedge_port * from);

/** The network port is back: what the broker acknowledged before may be lost with it, so everything held is offered again. */
void hedge_device_connected (hedge_device * device);
/** The time of day, from SNTP or the link. Without it nothing is offered, for offers carry deadlines. */
void hedge_device_set_time (hedge_device * device, uint64_t epoch_ms);

/** One bounded piece of work: a step of the model, a command, an offer. True when there is more to do at once. */
bool hedge_device_poll (hedge_device * device);
/** Whether the device asks to be started again (an update, a trial given up, a command), and has said so to the other side. */
bool hedge_device_wants_restart (const hedge_device * device);

/** Samples from the board's own sensor, instead of by command: false when there is no room. */
bool hedge_device_submit (hedge_device * device, uint32_t request, const uint8_t * input, uint32_t length);

#endif
