/** The frames of docs/wire.md: flat msgpack arrays. Numbers of frame types are those of the link's channels, too (link.h). */
#ifndef HEDGE_FRAMES_H
#define HEDGE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEDGE_WIRE_VERSION 1

typedef enum {
    HEDGE_FRAME_OFFLOAD = 1,
    HEDGE_FRAME_RESULT = 2,
    HEDGE_FRAME_COMMAND = 4,
    HEDGE_FRAME_ANSWER = 5,
    HEDGE_FRAME_EVENT = 6,
    HEDGE_FRAME_DESCRIPTION = 7
} hedge_frame_type;

/** Room beside an offload's payload, a command's data. */
#define HEDGE_OFFLOAD_OVERHEAD 96
#define HEDGE_COMMAND_OVERHEAD 32
#define HEDGE_RESULT_LIMIT 256
#define HEDGE_SMALL_FRAME_LIMIT 512 /* answers, events, descriptions */
#define HEDGE_SENTENCE_LENGTH 120

typedef struct {
    const uint8_t * model; /* 32 bytes */
    uint32_t session, sample;
    uint64_t deadline; /* ms from the epoch */
    uint32_t attempt, label, entropy;
    uint32_t payload_bytes;
} hedge_offload;

typedef enum { HEDGE_ANSWERED = 0, HEDGE_EXPIRED = 1, HEDGE_REFUSED = 2 } hedge_result_state;

typedef struct {
    const uint8_t * model; /* 32 bytes, in the frame */
    uint32_t session, sample;
    hedge_result_state state;
    uint32_t label;
} hedge_result;

typedef enum {
    HEDGE_DESCRIBE = 0, /* -> Description */
    HEDGE_SAMPLE = 1,   /* data: the input's bytes -> Answer */
    HEDGE_UPDATE = 2,   /* data: the new slot's header -> Event with the offset to go on from */
    HEDGE_CHUNK = 3,    /* number: offset behind the header; check: CRC-32 of data -> Event with the next offset */
    HEDGE_INSTALL = 4,  /* -> Event; then the device starts again and tries the model */
    HEDGE_CONFIRM = 5,  /* -> Event */
    HEDGE_REVERT = 6,   /* rejects the model on trial -> Event; then the device starts again */
    HEDGE_RESTART = 7,  /* -> Event; then the device starts again */
    HEDGE_THRESHOLD = 8 /* number: 2^-16 nats, until the next start -> Event */
} hedge_operation;

typedef struct {
    uint32_t request; /* chosen by who asks; comes back with the reply */
    hedge_operation operation;
    uint32_t number, check;
    const uint8_t * data; /* in the frame */
    uint32_t data_bytes;
} hedge_command;

typedef enum {
    HEDGE_BY_EDGE = 0,
    HEDGE_BY_CLOUD = 1,
    HEDGE_BY_FALLBACK = 2, /* the exit's answer, since the cloud gave none in time: unconfirmed */
    HEDGE_NOT_TAKEN = 3    /* no answer: no model, wrong size, no room, or a trap; an Event says which */
} hedge_answer_source;

typedef struct {
    uint32_t request;
    hedge_answer_source source;
    uint32_t label;        /* final */
    uint32_t edge_label;   /* the exit's */
    uint32_t entropy;      /* 2^-16 nats */
    uint32_t attempts;     /* offers */
    uint32_t micros;       /* time on the engine */
    uint32_t check;        /* CRC-32 of the module's result row, then of the payload if the sample was not exited */
} hedge_answer;

/** Codes of events: those of hedge_slot_verdict below 100. */
typedef enum {
    HEDGE_EVENT_STARTED = 100,      /* number: 0 no model, 1 confirmed model, 2 on trial */
    HEDGE_EVENT_REVERTED = 101,     /* the model on trial was given up; number: its counter */
    HEDGE_EVENT_BAD_FRAME = 102,
    HEDGE_EVENT_NO_ROOM = 103,      /* the queue is full */
    HEDGE_EVENT_NO_MODEL = 104,
    HEDGE_EVENT_WRONG_SIZE = 105,
    HEDGE_EVENT_TRAPPED = 106
} hedge_event_code;

typedef struct {
    uint32_t request; /* 0: unasked */
    uint32_t code, number;
    const char * sentence; /* printable ASCII */
} hedge_event;

typedef struct {
    uint32_t request;
    const char * device, * board, * firmware, * model_name;
    const uint8_t * model; /* digest, 32 bytes; NULL for none */
    uint32_t counter, slot, trial;
    uint32_t uptime_s, reset_cause;
    /* Counts, as the host device's DeviceCounts. */
    uint32_t samples, exited, offloaded, offered, answered, refused, unconfirmed, duplicates, invalid, dropped, reconnects;
    /* High-water marks in bytes: wasm3's heap, its size; main stack, its size; statics (data + bss, the arenas included); RAM of the board. */
    uint32_t heap_peak, heap_bytes, stack_peak, stack_bytes, static_bytes, ram_bytes;
} hedge_description;

/* Writers return the frame's length, 0 when it does not fit. */
/** All in front of the payload's bytes, which end the frame: they need not be moved to be sent. */
uint32_t hedge_write_offload_head (uint8_t * o_head, uint32_t room, const hedge_offload * offload);
uint32_t hedge_write_answer (uint8_t * o_frame, uint32_t room, const hedge_answer * answer);
uint32_t hedge_write_event (uint8_t * o_frame, uint32_t room, const hedge_event * event);
uint32_t hedge_write_description (uint8_t * o_frame, uint32_t room, const hedge_description * description);

/* Readers: false for anything that breaks the schema. Pointers point into the frame. */
bool hedge_read_result (const uint8_t * frame, uint32_t length, hedge_result * o_result);
bool hedge_read_command (const uint8_t * frame, uint32_t length, hedge_command * o_command);
/** Of a command of which only the beginning is there: whose it is, and what was wanted. */
bool hedge_read_request (const uint8_t * frame, uint32_t length, uint32_t * o_request, hedge_operation * o_operation);

/** Whether a text may name a device or a worker (docs/wire.md). */
bool hedge_is_name (const char * text, uint32_t length);

#endif
