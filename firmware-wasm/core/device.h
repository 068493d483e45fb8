/**
 * The device: takes samples, runs the model's steps, answers what it is sure of, and offers the rest to the cloud until a result or the
 * deadline comes. No heap: all state lies in one hedge_device. Nothing blocks: `hedge_device_poll` does a bounded piece of work.
 * What it does depends on board_millis, board_micros and what it is told alone.
 */
#ifndef HEDGE_DEVICE_H
#define HEDGE_DEVICE_H

#include "boot.h"
#include "config.h"
#include "frames.h"
#include "model.h"
#include "offers.h"
#include "port.h"
#include "queue.h"
#include "replies.h"

#ifndef HEDGE_FIRMWARE_VERSION
#define HEDGE_FIRMWARE_VERSION "unversioned"
#endif

/** The sample that the model runs, or has run. */
typedef struct {
    enum {
        HEDGE_ENGINE_IDLE,
        HEDGE_ENGINE_TESTING, /* a model on trial first runs a sample of zeros */
        HEDGE_ENGINE_RUNNING,
        HEDGE_ENGINE_UNSURE   /* its answer waits for a place among the offers, while its deadline comes nearer */
    } state;
    hedge_port * reply_to;
    hedge_answer answer;
    uint32_t deadline; /* board_millis */
} hedge_engine;

/** As the host device counts. */
typedef struct {
    uint32_t samples, exited, offloaded, offered, answered, refused, unconfirmed, duplicates, invalid, dropped, reconnects;
} hedge_counts;

typedef struct {
    const hedge_config * config;
    hedge_boot * boot;
    hedge_port * network;

    hedge_model model;
    bool has_model;
    uint32_t threshold;
    hedge_engine engine;
    hedge_queue queue;
    hedge_offers offers;
    hedge_replies replies;
    hedge_counts counts;

    uint32_t session, next_sample;
    bool was_connected;
    bool knows_time;
    uint64_t epoch_ms, uptime_ms; /* at `polled_at` */
    uint32_t polled_at; /* board_millis: the one time of all that a poll does with offers */
    bool restarts;
    bool gave_up; /* the trial: why should be heard */
    uint32_t restarts_since;
} hedge_device;

/** `network` takes offloads and events; replies to commands go where the command came from. */
void hedge_device_start (hedge_device * device, const hedge_config * config, hedge_boot * boot, hedge_port * network);

/** The length of a frame that only its end tells. */
#define HEDGE_LENGTH_UNKNOWN UINT32_MAX

/**
 * Frames come in by pieces, as TCP and UARTs bring them. `begin` says the type (from topic or channel) and the whole length, where it is known;
 * false: it is not wanted, and its pieces are to be skipped. A frame for which there is no room is taken to its end nevertheless: the
 * device reads whose it was, and says so.
 */
bool hedge_device_frame_begin (hedge_device * device, hedge_port * from, hedge_frame_type type, uint32_t length);
void hedge_device_frame_data (hedge_device * device, hedge_port * from, const uint8_t * bytes, uint32_t length);
void hedge_device_frame_end (hedge_device * device, hedge_port * from);
/** The frame under way will not be finished, or is damaged: forgotten. */
void hedge_device_frame_abandon (hedge_device * device, hedge_port * from);

/** The network port is about to be online again: what the broker acknowledged before may be lost with it, so everything held is offered again. */
void hedge_device_connected (hedge_device * device);
/** The time of day, from SNTP or the link; what is no date is ignored. Without it nothing is offered, for offers carry deadlines. */
void hedge_device_set_time (hedge_device * device, uint64_t epoch_ms);

/** A bounded piece of work: at most one command or offer, and one step of the model. True when there is more to do at once. */
bool hedge_device_poll (hedge_device * device);
/** Whether the device asks to be started again (an update, a trial given up, a command), and has said so to the other side, if that is there. */
bool hedge_device_wants_restart (const hedge_device * device);

/** Samples from the board's own sensor, instead of by command; answered to the network port. False when the device does not take it. */
bool hedge_device_submit (hedge_device * device, uint32_t request, const uint8_t * input, uint32_t length);

#endif
